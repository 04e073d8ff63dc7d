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
fn both_seeders_are_needed_and_the_tracker_hears_the_whole_story() {
    let folder = TestFolder::new();
    let (code, output) = demo_into(folder.path());
    assert_eq!(code, Some(0), "it printed:\n{output}");
    assert_eq!(fs::read(folder.path().join("factors.txt")).unwrap(), PAYLOAD);
    assert!(after(&output, "tracker").contains(&"heard from us: started completed stopped"), "{output}");
    // Each has six of the seventeen pieces that the other lacks.
    for seeder in ["seeder A", "seeder B"] {
        let sent = after(&output, seeder)[1].strip_prefix("sent the pieces ").unwrap();
        assert!(sent.split(' ').count() >= 6, "{output}");
    }
}

#[test]
fn the_demo_keeps_what_is_there_and_replaces_nothing_of_others() {
    let folder = TestFolder::new();
    let file = folder.path().join("factors.txt");
    fs::write(&file, PAYLOAD).unwrap();
    let (code, output) = demo_into(folder.path());
    assert_eq!(code, Some(0), "it printed:\n{output}");
    assert!(output.contains("everything was there"), "{output}");

    fs::write(&file, b"my own factors").unwrap();
    let (code, output) = demo_into(folder.path());
    assert_eq!(code, Some(13), "it printed:\n{output}");
    assert_eq!(fs::read(&file).unwrap(), b"my own factors");
}
