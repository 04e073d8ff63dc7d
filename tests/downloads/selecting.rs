//! Downloads of some files of a torrent, as the user or a magnet link may ask for (BEP 53), and in what order.

use femtotorrent::message::RunPhase;
use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::support::download::Download;
use crate::support::folder::TestFolder;
use crate::support::gate::Gate;
use crate::support::metadata::{link, magnet, whole};
use crate::support::program::Program;
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::talk::MODERN;
use crate::support::tracker::Tracker;
use femtotorrent::metainfo::{FileChoice, FilePattern};
use femtotorrent::session::Aim;
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

fn patterns(texts: &[&str]) -> Vec<FilePattern> {
    texts.iter().map(|text| FilePattern::new(text, false)).collect()
}

/// What stands in the folder, with its length; the marker and what is beside it in one line each.
fn listing(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for place in [folder.to_owned(), folder.join("many")] {
        for entry in fs::read_dir(place).into_iter().flatten() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            match name.rsplit_once(".femtotorrent") {
                Some((_, kind)) => found.push(format!("marker{kind}")),
                None if entry.path().is_file() => {
                    found.push(format!("{name} {}", entry.metadata().unwrap().len()));
                }
                None => {}
            }
        }
    }
    found.sort();
    found
}

#[test]
fn of_three_files_one_stands_there_and_then_exactly_the_missing_bytes_are_fetched() {
    let sample = Sample::multi(&[("one", 200_000), ("two", 150_000), ("three", 190_000)], PIECE);
    for by_link in [false, true] {
        let peer = whole(&sample);
        let download = Download::with(&sample, &[&peer], TestFolder::new(), |job| {
            if by_link {
                job.torrent = magnet(&link(&sample));
            }
            job.choice.select = patterns(&["t*"]);
            job.choice.exclude = patterns(&["three"]);
        });
        let outcome = download.end().unwrap();
        assert_eq!(outcome.snapshot.received, 3 * u64::from(PIECE));
        let folder = download.folder;
        assert_eq!(listing(folder.path()), ["marker", "marker-part", "marker-resume", "two 150000"]);
        assert!(there(folder.path(), "two").unwrap() == sample.payload[200_000..350_000]);

        let peer = ScriptedPeer::honest(&sample);
        let rest = Download::with(&sample, &[&peer], folder, |_| {});
        let end = rest.end().unwrap();
        assert_eq!(end.snapshot.received, sample.payload.len() as u64 - 3 * u64::from(PIECE));
        assert_eq!(asked(&peer), HashSet::from([0, 1, 2, 6, 7, 8]));
        assert_eq!(listing(rest.folder.path()), ["one 200000", "three 190000", "two 150000"]);
        sample.assert_downloaded(rest.folder.path());
    }
}

#[test]
fn a_selection_that_is_stopped_goes_on_and_one_that_grows_fetches_only_what_is_new() {
    let sample = sample();
    let peer = ScriptedPeer::seed(&sample).speaking(MODERN).having(|piece| piece == 3).serving();
    let download = Download::with(&sample, &[&peer], TestFolder::new(), |job| {
        job.choice.select = patterns(&["second"]);
    });
    download.wait_until(|snapshot| snapshot.done == u64::from(PIECE));
    let (folder, _) = download.stop();
    assert!(listing(folder.path()).contains(&"marker-part".to_owned()));
    let peer = ScriptedPeer::honest(&sample);
    let download = Download::with(&sample, &[&peer], folder, |job| job.choice.select = patterns(&["0-1"]));
    assert_eq!(download.end().unwrap().end, RunEnd::Done);
    assert_eq!(asked(&peer), HashSet::from([0, 1, 2, 4, 5]));
    assert!(there(download.folder.path(), "first").unwrap() == sample.payload[..200_000]);
    // Behind `second` is padding, which needs no place.
    assert_eq!(listing(download.folder.path()), ["first 200000", "marker", "marker-resume", "second 150000"]);
}

#[test]
fn what_was_fetched_in_part_is_shared_with_all_its_pieces() {
    let sample = sample();
    let peer = ScriptedPeer::honest(&sample);
    let download = Download::with(&sample, &[&peer], TestFolder::new(), |job| {
        job.choice.select = patterns(&["second"]);
    });
    assert_eq!(download.end().unwrap().end, RunEnd::Done);
    let seed = Download::with(&sample, &[&peer], download.folder, |job| {
        job.aim = Aim::Share;
        job.uploads.seeding = Some(SeedGoals { time: Some(Default::default()), ratio: None });
    });
    assert_eq!(seed.end().unwrap().snapshot.done, 3 * u64::from(PIECE));
}

#[test]
fn a_pattern_that_means_nothing_ends_the_run_before_anything_is_there() {
    let sample = sample();
    let choices: [fn(&mut FileChoice); 4] = [
        |choice| choice.select = patterns(&["sekond"]),
        |choice| choice.exclude = patterns(&["sekond"]),
        |choice| choice.first = patterns(&["sekond"]),
        |choice| choice.exclude = patterns(&["*"]),
    ];
    for (at, choose) in choices.into_iter().enumerate() {
        for by_link in [false, true] {
            let peer = whole(&sample);
            let download = Download::with(&sample, &[&peer], TestFolder::new(), |job| {
                if by_link {
                    job.torrent = magnet(&link(&sample));
                }
                choose(&mut job.choice);
            });
            let error = download.end().unwrap_err();
            assert_eq!(error.exit_code(), 28);
            assert!(at == 3 || error.to_string().contains("the nearest: many/second"), "{error}");
            assert_eq!(fs::read_dir(download.folder.path()).unwrap().count(), 0);
        }
    }
}

/// The pieces in the order in which they were asked for first.
fn order(peer: &ScriptedPeer) -> Vec<u32> {
    let mut order = Vec::new();
    for wanted in peer.record().requests() {
        if !order.contains(&wanted.index) {
            order.push(wanted.index);
        }
    }
    order
}

#[test]
fn the_files_that_are_to_come_first_are_asked_for_first() {
    let sample = sample();
    let peer = ScriptedPeer::honest(&sample);
    let download = Download::with(&sample, &[&peer], TestFolder::new(), |job| {
        job.choice.first = patterns(&["third", "first"]);
        job.limits.memory = u64::from(PIECE);
    });
    download.complete(&sample);
    let order = order(&peer);
    let sorted = |range: std::ops::Range<usize>| order[range].iter().copied().collect::<HashSet<u32>>();
    assert_eq!(sorted(0..3), HashSet::from([6, 7, 8]), "{order:?}");
    assert_eq!(sorted(3..7), HashSet::from([0, 1, 2, 3]), "{order:?}");
    assert_eq!(order.len(), 9);
}

#[test]
fn a_sequential_download_asks_for_the_pieces_in_order() {
    let sample = sample();
    for (first, expected) in
        [(&[][..], vec![0, 1, 2, 3, 4, 5, 6, 7, 8]), (&["third"], vec![6, 7, 8, 0, 1, 2, 3, 4, 5])]
    {
        let peer = ScriptedPeer::honest(&sample);
        let download = Download::with(&sample, &[&peer], TestFolder::new(), |job| {
            job.choice.is_sequential = true;
            job.choice.first = patterns(first);
        });
        download.complete(&sample);
        assert_eq!(order(&peer), expected);
    }
}

#[test]
fn the_program_shows_fetches_and_verifies_what_the_user_chooses() {
    let sample = Sample::multi(&[("a.txt", 200_000), ("s/B.MKV", 150_000), ("s/c.mkv", 190_000)], PIECE);
    let (torrents, output) = (TestFolder::new(), TestFolder::new());
    let torrent = sample.write_torrent(torrents.path());
    let peer = ScriptedPeer::honest(&sample);
    let run = |arguments: &[&str]| {
        Program::start(arguments.iter().map(|argument| (*argument).to_owned()))
            .finish(Duration::from_secs(60))
    };
    let shown = run(&["show", &torrent, "--iselect", "*.mkv", "--exclude", "s/c*"]);
    assert!(shown.output.contains("3, of which 1 is selected (*): 146.5 KiB"), "{}", shown.output);
    assert!(shown.output.contains("\n      1*          150,000  many/s/B.MKV\n"), "{}", shown.output);
    let shown = run(&["show", &torrent, "--json", "--select", "2"]).output;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let file =
        |number: usize| (shown["files"][number]["index"].clone(), shown["files"][number]["selected"].clone());
    assert_eq!((file(1), file(2)), ((1.into(), false.into()), (2.into(), true.into())));

    let output = output.path().to_str().unwrap();
    let address = peer.address().to_string();
    let get = ["get", &torrent, "-o", output, "--peer", &address, "--select"];
    for command in [&["show", &torrent, "--select"][..], &["verify", &torrent, "--exclude"], &get] {
        let refused = run(&[command, &["b.mkb"]].concat());
        assert_eq!(refused.code, Some(28), "{}", refused.output);
        let said = "no file of the torrent is 'b.mkb' (the nearest: many/s/B.MKV, many/s/c.mkv";
        assert!(refused.output.contains(said), "{}", refused.output);
    }
    assert_eq!(fs::read_dir(output).unwrap().count(), 0);
    let got = run(&[&get[..], &["s/"]].concat());
    assert_eq!(got.code, Some(0), "{}", got.output);
    assert!(got.output.contains("done, 2 of 3 files, "), "{}", got.output);
    for (selected, code) in [("s/", 0), ("0-", 32)] {
        let verified = run(&["verify", &torrent, "-d", output, "--select", selected]);
        assert_eq!(verified.code, Some(code), "{}", verified.output);
    }
}
