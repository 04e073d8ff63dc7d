//! Downloads of some files of a torrent, as a magnet link may ask for (BEP 53).

use femtotorrent::message::RunPhase;
use std::collections::HashSet;
use std::fs;
use std::path::Path;

use crate::support::download::Download;
use crate::support::folder::TestFolder;
use crate::support::gate::Gate;
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::talk::MODERN;
use crate::support::tracker::Tracker;
use femtotorrent::swarm::{RunEnd, SeedGoals};

const PIECE: u32 = 64 * 1024;

/// Pieces 0 to 2 and a part of 3, the rest of 3 to a part of 5, padding, 6 to 8, and nothing.
fn sample() -> Sample {
    let files = [("first", 200_000), ("second", 150_000), ("", 43_216), ("third", 190_000), ("none", 0)];
    Sample::multi(&files, PIECE)
}

fn asked(peer: &ScriptedPeer) -> HashSet<u32> {
    peer.record().requests().iter().map(|wanted| wanted.index).collect()
}

fn there(folder: &Path, name: &str) -> Option<Vec<u8>> {
    fs::read(folder.join("many").join(name)).ok()
}

#[test]
fn only_the_pieces_of_the_selected_files_are_fetched_and_later_the_rest() {
    let tracker = Tracker::start(&[]);
    let sample = sample().with_tracker(&tracker.url());
    // Not before the tracker has heard of the start: a run that ends sooner has nothing to take back.
    let announced = Gate::new();
    let peer = ScriptedPeer::honest_after(&sample, announced);
    let download =
        Download::with(&sample, &[&peer], TestFolder::new(), |job| job.selected = vec![1..=1, 40..=50]);
    tracker.wait_for(1);
    announced.open();
    let outcome = download.end().unwrap();
    assert_eq!(outcome.end, RunEnd::Done);
    let wanted = 3 * u64::from(PIECE);
    let left = sample.payload.len() as u64 - wanted;
    assert_eq!((outcome.snapshot.done, outcome.snapshot.total), (wanted, wanted));
    assert_eq!((outcome.snapshot.received, outcome.snapshot.left), (wanted, left));
    assert_eq!(asked(&peer), HashSet::from([3, 4, 5]));
    let folder = download.folder;
    assert!(there(folder.path(), "second").unwrap() == sample.payload[200_000..350_000]);
    assert_eq!(there(folder.path(), "third"), None);
    // The tracker must not count a client that lacks something as a seed.
    let said = tracker.wait_for(2);
    let said: Vec<_> = said.iter().map(|one| (one.get("event"), one.get("left"))).collect();
    let all = sample.payload.len().to_string();
    assert_eq!(said, [("started".into(), all), ("stopped".into(), left.to_string())]);

    let peer = ScriptedPeer::honest(&sample);
    let rest = Download::with(&sample, &[&peer], folder, |_| {});
    assert_eq!(rest.complete(&sample).received, left);
    assert_eq!(asked(&peer), HashSet::from([0, 1, 2, 6, 7, 8]));
}

#[test]
fn a_peer_that_has_nothing_selected_is_not_asked() {
    let sample = sample();
    let useless = ScriptedPeer::seed(&sample).speaking(MODERN).having(|piece| piece < 6).serving();
    let peer = ScriptedPeer::honest(&sample);
    let download =
        Download::with(&sample, &[&useless, &peer], TestFolder::new(), |job| job.selected = vec![3..=3]);
    assert_eq!(download.end().unwrap().end, RunEnd::Done);
    assert_eq!(asked(&peer), HashSet::from([6, 7, 8]));
    assert!(useless.record().requests().is_empty());
    assert!(there(download.folder.path(), "third").unwrap() == sample.payload[393_216..583_216]);
}

#[test]
fn what_was_selected_is_seeded_when_it_is_there_and_nothing_more_is_fetched() {
    let sample = sample();
    let mut folder = TestFolder::new();
    for fetched in [u64::from(PIECE) * 4, 0] {
        let peer = ScriptedPeer::honest(&sample);
        let download = Download::with(&sample, &[&peer], folder, |job| {
            job.selected = vec![0..=0];
            job.uploads.seeding = Some(SeedGoals { time: Some(Default::default()), ratio: None });
        });
        let outcome = download.end().unwrap();
        assert_eq!((outcome.end, outcome.snapshot.phase), (RunEnd::Done, RunPhase::Seeding));
        assert_eq!((outcome.snapshot.received, outcome.snapshot.done), (fetched, u64::from(PIECE) * 4));
        folder = download.folder;
    }
    assert!(there(folder.path(), "first").unwrap() == sample.payload[..200_000]);
}

#[test]
fn a_selection_of_everything_is_none() {
    let sample = sample();
    let peer = ScriptedPeer::honest(&sample);
    let download =
        Download::with(&sample, &[&peer], TestFolder::new(), |job| job.selected = vec![3..=9, 0..=1]);
    download.complete(&sample);
}

#[test]
fn a_selection_of_no_file_is_the_magnets_fault() {
    let sample = sample();
    for selected in [vec![5..=9], vec![2..=2]] {
        let download = Download::with(&sample, &[], TestFolder::new(), |job| job.selected = selected);
        let error = download.end().unwrap_err();
        assert_eq!(error.exit_code(), 27);
        assert!(error.to_string().contains("5 files"), "{error}");
        assert_eq!(fs::read_dir(download.folder.path()).unwrap().count(), 0);
    }
}
