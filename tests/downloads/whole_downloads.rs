//! Downloads from beginning to end: all kinds of files, a stop and what comes after it, and what a download leaves
//! behind.

use std::collections::HashSet;
use std::time::Instant;

use femtotorrent::swarm::RunEnd;

use crate::support::download::Download;
use crate::support::process::threads_named;
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::talk::{DEADLINE, MODERN, Talk};

#[test]
fn files_with_padding_and_empty_files_come_out_as_they_are() {
    let files = [
        ("a.bin", 100_000),
        ("", 31_072),
        ("empty", 0),
        ("b/c.bin", 70_001),
        ("b/also empty", 0),
        ("", 61_071),
        ("d.bin", 5),
        ("e.bin", 200_000),
    ];
    let sample = Sample::multi(&files, 65_536);
    let peers = [ScriptedPeer::honest(&sample), ScriptedPeer::honest(&sample)];
    Download::start(&sample, &[&peers[0], &peers[1]]).complete(&sample);
}

#[test]
fn a_stopped_download_goes_on_from_what_is_there() {
    let sample = Sample::small();
    let half = ScriptedPeer::seed(&sample).then(move |talk| {
        talk.serve_next(14)?;
        talk.hear_out()
    });
    let download = Download::start(&sample, &[&half]);
    let kept = download.wait_until(|snapshot| snapshot.done > 0).done;
    let (folder, outcome) = download.stop();
    assert_eq!(outcome.end, RunEnd::Stopped);
    assert!(outcome.snapshot.done >= kept);

    let rest = ScriptedPeer::honest(&sample);
    let end = Download::with(&sample, &[&rest], folder, |_| {}).complete(&sample);
    let asked = rest.record().requests();
    assert!(end.received <= sample.payload.len() as u64 - kept);
    let pieces: HashSet<u32> = asked.iter().map(|wanted| wanted.index).collect();
    assert_eq!(asked.len(), pieces.len() * 4, "each missing block is asked for once");
    assert!(pieces.len() < 8);
}

#[test]
fn no_thread_outlives_a_download_however_it_ends() {
    let sample = Sample::small().with_tracker("http://127.0.77.9:1/announce");
    let honest = { ScriptedPeer::seed(&sample).at("127.0.77.1").speaking(MODERN).serving() };
    let choking =
        { ScriptedPeer::seed(&sample).at("127.0.77.2").speaking(MODERN).choking().then(Talk::hear_out) };
    // It takes the connection and says nothing.
    let mute = ScriptedPeer::at("127.0.77.3", &sample, |talk| talk.hear_out());
    let stopped = Download::start(&sample, &[&choking, &mute]);
    stopped.wait_until(|snapshot| snapshot.peers == 1);
    wait_until_threads(|count| count >= 3);
    stopped.stop();
    none_is_left();
    Download::start(&sample, &[&honest, &choking, &mute]).complete(&sample);
    none_is_left();
}

fn none_is_left() {
    wait_until_threads(|count| count == 0);
}

/// Waits until there are so many threads of workers, which are named after their peers.
fn wait_until_threads(are_right: impl Fn(usize) -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !are_right(threads_named("-127.0.77").len()) {
        assert!(Instant::now() < deadline, "there are: {:?}", threads_named("-127.0.77"));
        std::thread::yield_now();
    }
}
