//! The demo as a user runs it: everything inside one process, nothing from the network.
#![cfg(test)]

mod support;

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::channel;
use std::time::Duration;

use support::folder::TestFolder;
use support::program::Program;

const LIMIT: Duration = Duration::from_secs(60);
const PAYLOAD: &[u8] = include_bytes!("../sample-torrents/payload/factors.txt");

/// Runs the demo with these arguments and this folder for temporary files; the exit code and what it
/// printed.
fn demo<A: AsRef<OsStr>>(arguments: &[A], temporary: &Path) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_femtotorrent"));
    command.arg("demo").args(arguments).env("TMPDIR", temporary);
    let (sender, receiver) = channel();
    std::thread::spawn(move || sender.send(command.output()));
    let output = receiver.recv_timeout(LIMIT).expect("the demo ends").expect("the demo starts");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

/// Runs the demo with this output folder.
fn demo_into(folder: &Path) -> (Option<i32>, String) {
    demo(&[OsStr::new("-o"), folder.as_ref()], folder)
}

/// What follows a word at the start of a line.
fn after<'a>(output: &'a str, word: &str) -> Vec<&'a str> {
    output.lines().filter_map(|line| line.strip_prefix(word)).map(str::trim).collect()
}

#[test]
fn the_demo_downloads_verifies_and_leaves_nothing_behind() {
    let folder = TestFolder::new();
    let nothing: [&str; 0] = [];
    let (code, output) = demo(&nothing, folder.path());
    assert_eq!(code, Some(0), "it printed:\n{output}");
    assert_eq!(after(&output, "verified").len(), 1, "{output}");
    assert!(after(&output, "folder")[0].starts_with(folder.path().to_str().unwrap()), "{output}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "something was left behind");
}

#[test]
fn what_cannot_be_watched_is_told_in_lines_and_as_fast_as_ever() {
    let folder = TestFolder::new();
    let (code, output) = demo(&["--watch", "--liar"], folder.path());
    assert_eq!(code, Some(0), "it printed:\n{output}");
    let words = output.split_whitespace().collect::<Vec<_>>().join(" ");
    // What happens is told only if the seeders do not wait for somebody who looks at a screen.
    for said in ["--watch shows nothing: ", "its SHA-1 is not the torrent's"] {
        assert!(words.contains(said), "{output}");
    }
}

#[test]
fn both_seeders_are_needed_and_the_tracker_hears_the_whole_story() {
    let folder = TestFolder::new();
    let (code, output) = demo_into(folder.path());
    assert_eq!(code, Some(0), "it printed:\n{output}");
    assert_eq!(fs::read(folder.path().join("factors.txt")).unwrap(), PAYLOAD);
    assert!(after(&output, "tracker").contains(&"heard from us: started completed stopped"), "{output}");
    // Each has a piece that the other lacks.
    for (seeder, piece) in [("seeder A", 0), ("seeder B", 1)] {
        let sent = after(&output, seeder)[1].strip_prefix("sent ").unwrap();
        let pieces: Vec<&str> = sent.split(", ").filter_map(|run| run.rsplit(' ').next()).collect();
        assert!(pieces.contains(&&*piece.to_string()), "{output}");
    }
}

/// The first line after this one in which all these words stand.
fn next<'a>(lines: &mut impl Iterator<Item = &'a str>, words: &[&str]) {
    let is_it = |line: &&str| words.iter().all(|word| line.contains(word));
    assert!(lines.find(is_it).is_some(), "no line with {words:?} comes after the last one");
}

#[test]
fn the_trace_tells_the_whole_story_in_order() {
    let folder = TestFolder::new();
    let (code, output) = demo(&["--trace"], folder.path());
    assert_eq!(code, Some(0), "it printed:\n{output}");
    let lines = || output.lines();
    let mut story = lines();
    for words in [
        &["us -> tracker", "announce", "started"][..],
        &["tracker -> us", "2 peers"],
        &["us -> A", "handshake", "13 42697454"],
        &["A -> us", "handshake"],
        &["A -> us", "bitfield", "has 3 of 5 pieces"],
        &["us -> A", "interested", "00000001 02"],
        &["A -> us", "unchoke", "00000001 01"],
        &["us -> A", "request", "0000000d 06", "block 0 of 4, 16384 bytes; ", "pipeline"],
        &["A -> us", "piece", "00004009 07", "block 0 of 4"],
        &["* piece", "4 blocks from A", "its SHA-1 matches, and it is written"],
        &["us -> tracker", "announce", "completed"],
        &["us -> tracker", "announce", "stopped"],
        &["verified"],
    ] {
        next(&mut story, words);
    }
    for (words, count) in
        [("-> us       piece ", 17), ("its SHA-1 matches, and it is written", 5), ("have  ", 5)]
    {
        assert!(lines().filter(|line| line.contains(words)).count() >= count, "{words}: {output}");
    }
    assert!((55..=85).contains(&lines().count()), "{output}");
}

#[test]
fn a_trace_can_go_to_a_file_with_what_the_demo_says_to_it() {
    let folder = TestFolder::new();
    let file = folder.path().join("story.jsonl");
    let (code, output) = demo(&["--trace".as_ref(), file.as_os_str()], folder.path());
    assert_eq!(code, Some(0), "it printed:\n{output}");
    let story = fs::read_to_string(file).unwrap();
    assert!(!output.contains("-> us") && story.contains(r#""message":"request""#), "{output}{story}");
    assert!(story.contains(r#""message":"remark","meaning":"piece 1 is whole, 4 blocks from B;"#), "{story}");
}

#[test]
fn a_capture_of_the_demo_has_the_blocks_of_the_seeders_and_the_words_of_the_tracker() {
    let (folder, kept) = (TestFolder::new(), TestFolder::new());
    let file = kept.path().join("a.pcapng");
    let (code, output) = demo(&["--pcap", file.to_str().unwrap()], folder.path());
    assert_eq!(code, Some(0), "it printed:\n{output}");
    let bytes = fs::read(&file).unwrap();
    // The length in front of the last block is behind it, too: nothing is cut off.
    assert_eq!(bytes[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
    let length = u32::from_le_bytes(*bytes.last_chunk().unwrap()) as usize;
    assert_eq!(bytes[bytes.len() - length + 4..][..4], bytes[bytes.len() - 4..]);
    let has = |words: &[u8]| bytes.windows(words.len()).any(|part| part == words);
    assert!(has(b"BitTorrent protocol") && has(b"GET /announce?info_hash=") && has(b"d8:"), "{output}");
    assert!(PAYLOAD.chunks(16_384).all(has), "each block is in it");
    let (code, output) = demo(&["--pcap", file.to_str().unwrap()], folder.path());
    assert_eq!(code, Some(13), "it printed:\n{output}");
}

/// What a lesson prints, with one space where there are more.
fn lesson(arguments: &[&str]) -> String {
    let folder = TestFolder::new();
    let (code, output) = demo(arguments, folder.path());
    assert_eq!(code, Some(0), "{arguments:?} printed:\n{output}");
    assert_eq!(after(&output, "verified").len(), 1, "{output}");
    output.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_liar_is_caught_by_the_hash_and_dropped() {
    let output = lesson(&["--liar"]);
    for sentence in [
        "and its SHA-1 is not the torrent's.",
        "Nothing of it was written, and it is fetched again.",
        "Seeder C is dropped, and no connection to its address is made again.",
        "now its SHA-1 matches, and it is written.",
        "learned Strangers may send what they like.",
    ] {
        assert!(output.contains(sentence), "{sentence}\n{output}");
    }
}

#[test]
fn what_a_slow_seeder_owes_is_asked_of_a_fast_one() {
    let output = lesson(&["--slow"]);
    for sentence in [
        "was asked of seeder B and has not come. All other blocks are asked for, so seeder A is asked for it too.",
        "so seeder B need not send it: cancel.",
        "learned How many requests a peer has open is a guess",
    ] {
        assert!(output.contains(sentence), "{sentence}\n{output}");
    }
}

#[test]
fn a_choke_voids_requests_and_an_unchoke_lets_them_be_sent_again() {
    let output = lesson(&["--choke"]);
    for sentence in [
        "Seeder B chokes us: it has few upload slots",
        "requests to it are void.",
        "Seeder B unchokes us.",
        "learned An upload is a favour that may end at any time.",
    ] {
        assert!(output.contains(sentence), "{sentence}\n{output}");
    }
}

#[test]
fn lessons_can_be_combined_and_stand_in_the_trace_where_there_is_one() {
    let output = lesson(&["--liar", "--slow", "--choke", "--trace"]);
    for sentence in
        [" * Piece", "C -> us piece", " * Seeder C is dropped", "learned Strangers", "learned An upload"]
    {
        assert!(output.contains(sentence), "{sentence}\n{output}");
    }
}

#[test]
fn it_is_quiet_or_speaks_to_programs_as_the_other_commands_do() {
    let folder = TestFolder::new();
    assert_eq!(demo(&["-q"], folder.path()), (Some(0), String::new()));
    let (code, output) = demo(&["--json"], folder.path());
    assert_eq!(code, Some(0), "{output}");
    let objects: Vec<&str> = output.lines().filter(|line| line.starts_with('{')).collect();
    assert!(objects[0].contains(r#""command":"demo""#), "{output}");
    assert!(
        objects.iter().any(|line| line.contains(r#""event":"done""#) || line.contains(r#""outcome":"done""#)),
        "{output}"
    );
}

#[test]
fn the_demo_keeps_what_is_there_and_replaces_nothing_of_others() {
    let folder = TestFolder::new();
    let file = folder.path().join("factors.txt");
    fs::write(&file, PAYLOAD).unwrap();
    let (code, output) = demo_into(folder.path());
    assert_eq!(code, Some(0), "it printed:\n{output}");
    assert!(output.contains("sent nothing"), "{output}");

    fs::write(&file, b"my own factors").unwrap();
    let (code, output) = demo_into(folder.path());
    assert_eq!(code, Some(13), "it printed:\n{output}");
    assert_eq!(fs::read(&file).unwrap(), b"my own factors");
}

#[test]
fn a_demo_that_is_stopped_goes_on_with_the_same_connections() {
    let folder = TestFolder::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_femtotorrent"));
    command.args(["demo", "-v"]).env("TMPDIR", folder.path());
    let program = Program::launch(command);
    program.wait_for(LIMIT, |line| line.contains(": connected").then_some(()));
    program.pause_for(Duration::from_millis(100));
    let outcome = program.finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    assert!(!outcome.output.contains("interrupted"), "{}", outcome.output);
}
