//! Downloads of which nothing but a magnet link is known at first.

use crate::support::download::Download;
use crate::support::folder::TestFolder;
use crate::support::gate::{Gate, Rendezvous};
use crate::support::metadata::{
    self, EXTENDED, asked_for, info, link, link_of, magnet, whole, whole_at, with_long_metadata,
};
use crate::support::sample::Sample;
use crate::support::scripted_peer::{Record, ScriptedPeer};
use crate::support::talk::{MODERN, Said};
use crate::support::tracker::{Reply, Tracker};
use femtotorrent::swarm::RunEnd;
use femtotorrent::wire::Message;
use sha1::Digest;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// The pieces of the metadata that a peer was asked for, in order.
fn metadata_requests(record: &Record) -> Vec<u32> {
    record.said.iter().filter_map(asked_for).collect()
}

#[test]
fn one_peer_gives_metadata_and_payload_over_one_connection() {
    for (sample, pieces) in [(Sample::small(), 1), (with_long_metadata(), 9)] {
        let peer = whole(&sample);
        Download::by_link(&sample, &[&peer]).complete(&sample);
        let record = peer.record();
        assert_eq!(record.connections, 1);
        let count = |said: Said| record.said.iter().filter(|other| **other == said).count();
        assert_eq!((count(Said::HaveNone), count(Said::HaveAll)), (1, 0));
        assert!(!record.said.iter().any(|said| matches!(said, Said::Bitfield(_))));
        let mut asked = metadata_requests(&record);
        asked.sort_unstable();
        assert_eq!(asked, (0..pieces).collect::<Vec<_>>(), "each once");
    }
}

#[test]
fn a_peer_without_the_fast_extension_says_what_it_has_in_a_bitfield_before_anybody_can_read_it() {
    let sample = Sample::small();
    let peer = ScriptedPeer::seed(&sample).speaking(EXTENDED).having(|piece| piece < 7).choking().then(
        move |talk| {
            metadata::claim_honestly(talk)?;
            talk.say(Message::Have(7))?;
            talk.say(Message::Unchoke)?;
            metadata::serve(talk)
        },
    );
    Download::by_link(&sample, &[&peer]).complete(&sample);
    let record = peer.record();
    assert_eq!(record.connections, 1);
    let tells_what_we_have = |said: &Said| matches!(said, Said::Bitfield(_) | Said::HaveNone | Said::HaveAll);
    assert!(!record.said.iter().any(tells_what_we_have), "it would not understand, or too late");
}

#[test]
fn two_peers_that_refuse_half_of_the_metadata_each_give_it_together() {
    let sample = with_long_metadata();
    let both_asked = Rendezvous::of(2);
    let half = |half: u32| {
        ScriptedPeer::start(&sample, move |talk| {
            let info = info(&talk.sample);
            talk.greet(MODERN)?;
            talk.say(Message::HaveAll)?;
            metadata::claim_honestly(talk)?;
            talk.say(Message::Unchoke)?;
            loop {
                let said = talk.next()?;
                if let Said::Request(wanted) = said {
                    talk.send(wanted)?;
                } else if let Some(piece) = asked_for(&said) {
                    both_asked.wait()?;
                    match piece % 2 == half {
                        true => metadata::give_of(talk, &info, piece)?,
                        false => metadata::refuse(talk, piece)?,
                    }
                }
            }
        })
    };
    let (even, odd) = (half(0), half(1));
    Download::by_link(&sample, &[&even, &odd]).complete(&sample);
    let asked: Vec<u32> = [&even, &odd].iter().flat_map(|peer| metadata_requests(&peer.record())).collect();
    assert!((0..9).all(|piece| asked.contains(&piece)));
}

#[test]
fn a_peer_that_limits_how_much_metadata_it_sends_is_asked_again() {
    let sample = with_long_metadata();
    // It rejects what comes behind another request, and then everything once.
    let requests = AtomicUsize::new(0);
    let peer = ScriptedPeer::seed(&sample).speaking(MODERN).choking().then(move |talk| {
        let info = info(&talk.sample);
        metadata::claim_honestly(talk)?;
        talk.say(Message::Unchoke)?;
        loop {
            let said = talk.next()?;
            if let Said::Request(wanted) = said {
                talk.send(wanted)?;
            } else if let Some(piece) = asked_for(&said) {
                match requests.fetch_add(1, Ordering::SeqCst) {
                    1 | 3 | 4..8 => metadata::refuse(talk, piece)?,
                    _ => metadata::give_of(talk, &info, piece)?,
                }
            }
        }
    });
    Download::by_link(&sample, &[&peer]).complete(&sample);
    assert_eq!(peer.record().connections, 1);
}

#[test]
fn five_peers_together_are_asked_for_little_more_than_the_metadata() {
    let sample = with_long_metadata();
    let peers: Vec<ScriptedPeer> = (0..5).map(|_| whole(&sample)).collect();
    Download::by_link(&sample, &peers.iter().collect::<Vec<_>>()).complete(&sample);
    let asked: usize = peers.iter().map(|peer| metadata_requests(&peer.record()).len()).sum();
    // Four are on their way from each at most when the last one comes.
    assert!((9..9 + 5 * 5).contains(&asked), "{asked} requests for 9 pieces");
}

#[test]
fn a_peer_that_has_the_payload_and_no_metadata_gives_the_payload() {
    let sample = Sample::small();
    let plain = ScriptedPeer::seed(&sample).serving();
    let giver = ScriptedPeer::start(&sample, move |talk| {
        talk.greet(MODERN)?;
        metadata::claim_honestly(talk)?;
        metadata::serve(talk)
    });
    Download::by_link(&sample, &[&plain, &giver]).complete(&sample);
    assert!(plain.record().served > 0);
}

#[test]
fn what_is_there_of_the_payload_is_not_fetched_again() {
    let sample = Sample::small();
    let half =
        ScriptedPeer::seed(&sample).speaking(MODERN).having(|piece| piece < 4).choking().then(move |talk| {
            metadata::claim_honestly(talk)?;
            talk.say(Message::Unchoke)?;
            metadata::serve(talk)
        });
    let download = Download::by_link(&sample, &[&half]);
    download.wait_until(|snapshot| snapshot.done == 4 * 65_536);
    let (folder, outcome) = download.stop();
    assert_eq!(outcome.end, RunEnd::Stopped);

    let peer = whole(&sample);
    let again =
        |folder| Download::with(&sample, &[&peer], folder, |job| job.torrent = magnet(&link(&sample)));
    again(folder).complete(&sample);
    assert!(peer.record().requests().iter().all(|wanted| wanted.index >= 4));

    let (whole_folder, before) = (TestFolder::new(), peer.record().requests().len());
    sample.write_payload(whole_folder.path());
    assert_eq!(again(whole_folder).complete(&sample).received, 0);
    assert_eq!(peer.record().requests().len(), before);
}

/// What the tracker heard: the event of each announce, and what it was told is missing.
#[test]
fn a_magnet_whose_turn_is_over_has_its_metadata_in_the_next() {
    let sample = Sample::small();
    let peer = ScriptedPeer::start(&sample, move |talk| {
        talk.greet(MODERN)?;
        metadata::claim_honestly(talk)?;
        metadata::serve(talk)
    });
    let fetched = Arc::<OnceLock<_>>::default();
    let next = |peers: &[&ScriptedPeer], folder| {
        Download::with(&sample, peers, folder, |job| {
            (job.torrent, job.fetched) = (magnet(&link(&sample)), Arc::clone(&fetched));
        })
    };
    let download = next(&[&peer], TestFolder::new());
    download.wait_until(|snapshot| snapshot.peers > 0);
    let (folder, _) = download.stop();
    assert!(fetched.get().is_some());
    // This one has no metadata to give.
    let other = ScriptedPeer::seed(&sample).serving();
    next(&[&other], folder).complete(&sample);
}

fn heard(tracker: &Tracker) -> Vec<(String, String)> {
    tracker.announces().iter().map(|said| (said.get("event"), said.get("left"))).collect()
}

fn pair(event: &str, left: &str) -> (String, String) {
    (event.to_owned(), left.to_owned())
}

#[test]
fn a_tracker_of_the_link_names_the_peer_and_hears_of_one_start_and_one_end() {
    let sample = Sample::small();
    let peer = whole(&sample);
    let tracker = Tracker::start(&[peer.address()]);
    let link = format!("{}&tr={}", link(&sample), tracker.url());
    Download::with(&sample, &[], TestFolder::new(), |job| job.torrent = magnet(&link)).complete(&sample);
    assert_eq!(peer.record().connections, 1);
    let heard = heard(&tracker);
    assert_eq!((heard.len(), heard[0].0.as_str()), (3, "started"), "{heard:?}");
    // A client that misses nothing would be taken for a seed.
    assert_ne!(heard[0].1, "0");
    assert_eq!(heard[1..], [pair("completed", "0"), pair("stopped", "0")]);
}

#[test]
fn a_tracker_hears_the_end_where_everything_is_there_already() {
    let sample = Sample::small();
    let peer = whole(&sample);
    let tracker = Tracker::start(&[peer.address()]);
    let link = format!("{}&tr={}", link(&sample), tracker.url());
    let folder = TestFolder::new();
    sample.write_payload(folder.path());
    Download::with(&sample, &[], folder, |job| job.torrent = magnet(&link)).complete(&sample);
    let heard = heard(&tracker);
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert_eq!((heard[0].0.as_str(), heard[1].0.as_str()), ("started", "stopped"));
}

#[test]
fn a_tracker_hears_the_end_where_the_payload_cannot_be_written() {
    let sample = Sample::small();
    let peer = whole(&sample);
    let tracker = Tracker::start(&[peer.address()]);
    let link = format!("{}&tr={}", link(&sample), tracker.url());
    let folder = TestFolder::new();
    std::fs::write(folder.path().join("payload.bin"), "something else").unwrap();
    let download = Download::with(&sample, &[], folder, |job| job.torrent = magnet(&link));
    assert_eq!(download.end().unwrap_err().exit_code(), 13);
    let heard = heard(&tracker);
    assert_eq!(heard.last().map(|last| last.0.as_str()), Some("stopped"), "{heard:?}");
}

#[test]
fn a_private_torrent_is_fetched_from_the_peer_that_its_tracker_names() {
    let sample = Sample::small().private();
    let peer = whole(&sample);
    let tracker = Tracker::start(&[peer.address()]);
    let link = format!("{}&tr={}", link(&sample), tracker.url());
    Download::with(&sample, &[], TestFolder::new(), |job| job.torrent = magnet(&link)).complete(&sample);
}

#[test]
fn a_private_torrent_is_fetched_from_the_peer_that_the_user_names() {
    let sample = Sample::small().private();
    let peer = whole(&sample);
    Download::by_link(&sample, &[&peer]).complete(&sample);
}

#[test]
fn a_tracker_of_the_user_and_its_peers_are_left_when_the_torrent_turns_out_to_be_private() {
    let sample = Sample::small().private();
    let asked = Gate::new();
    let (wrong, right) = (whole_at("127.0.0.1", &sample, move |_| asked.pass()), whole(&sample));
    let (foreign, own) = (Tracker::start(&[wrong.address()]), Tracker::start(&[right.address()]));
    // So that the other tracker's peer gives the metadata: until then we cannot know that the torrent is private.
    own.script(Reply::Body(b"d8:intervali1800e5:peers0:e".to_vec()));
    let link = format!("{}&tr={}", link(&sample), own.url());
    let download = Download::with(&sample, &[], TestFolder::new(), |job| {
        job.torrent = magnet(&link);
        job.sources.trackers.push(foreign.url());
    });
    own.wait_for(1);
    asked.open();
    download.complete(&sample);
    assert!(wrong.record().requests().is_empty(), "the payload comes from the peer of its own tracker");
    let events: Vec<String> = heard(&foreign).into_iter().map(|said| said.0).collect();
    assert_eq!(events, ["started", "stopped"]);
}

/// Downloads from a peer that gives this as the metadata, whose SHA-1 is the info-hash. The exit code, and
/// what is said.
fn refused(info: &[u8]) -> (u8, String) {
    let sample = Sample::small();
    let served = info.to_vec();
    let hash = sha1::Sha1::digest(info).into();
    let peer = ScriptedPeer::start(&sample, move |talk| {
        talk.hear_handshake()?;
        talk.say_handshake(MODERN, hash, *b"-SC0001-abcdefghijkl")?;
        metadata::claim(talk, served.len() as i128)?;
        metadata::serve_metadata(talk, &served)
    });
    let download =
        Download::with(&sample, &[&peer], TestFolder::new(), |job| job.torrent = magnet(&link_of(info)));
    let error = download.end().unwrap_err();
    assert_eq!(std::fs::read_dir(download.folder.path()).unwrap().count(), 0, "nothing was begun");
    (error.exit_code(), error.to_string())
}

#[test]
fn metadata_with_the_right_hash_that_is_no_torrent_is_refused_with_the_reason() {
    let good = info(&Sample::small());
    let version_two = b"d9:file treed1:ad0:d6:lengthi5eeee12:meta versioni2e4:name1:a12:piece lengthi16384ee";
    for (info, words) in [
        (&version_two[..], "'pieces root' of file 1 is missing"),
        (b"de", "'name' is missing"),
        (b"le", "no 'info' dictionary"),
        (b"This is no bencode.", "bad bencode"),
        (&good[..good.len() - 1], "bad bencode"),
        (b"\0", "bad bencode"),
    ] {
        let (code, said) = refused(info);
        assert!(code == 26 && said.contains(words), "{words}: {code}, {said}");
    }
}

#[test]
fn metadata_of_32_mib_is_taken() {
    let (code, said) = refused(&vec![b'x'; 32 << 20]);
    assert!(code == 26 && said.contains("bad bencode"), "{code}, {said}");
}

#[test]
fn metadata_with_something_behind_the_torrent_is_refused() {
    // Whatever stands behind the dictionary would become a part of the file around it.
    let good = info(&Sample::small());
    for behind in [&b"garbage"[..], b"5:nodesll9:127.0.0.1i6881eee", b"e"] {
        let (code, said) = refused(&[&good, behind].concat());
        assert_eq!(code, 26, "{said}");
    }
}
