//! Downloads that are written to standard output: what comes out, what is refused, and that nothing stays behind.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::folder::TestFolder;
use crate::support::metadata::{link, whole};
use crate::support::program::{Outcome, Program};
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::skip::skip;
use crate::support::talk::MODERN;

const PROGRAM: &str = env!("CARGO_BIN_EXE_femtotorrent");
const LIMIT: Duration = Duration::from_secs(60);
const PIECE: u32 = 64 * 1024;

/// Files that share pieces, padding, and a file without bytes.
fn sample() -> Sample {
    let files = [("first", 200_000), ("sub/second", 150_000), ("", 43_216), ("third", 190_000), ("none", 0)];
    Sample::multi(&files, PIECE)
}

/// The words of a download of this from that peer.
fn words(source: &str, peer: Option<&ScriptedPeer>, options: &[&str]) -> Vec<OsString> {
    let peer = peer.map(|peer| peer.address().to_string());
    let peer = peer.iter().flat_map(|peer| ["--peer", peer]);
    let offline = ["--no-dht", "--no-lan", "--no-map-port"];
    let words = ["get", source].into_iter().chain(options.iter().copied()).chain(peer).chain(offline);
    words.map(OsString::from).collect()
}

/// A program that runs in this folder.
fn in_folder(program: &str, folder: &Path, words: &[OsString]) -> Program {
    let mut command = Command::new(program);
    command.current_dir(folder).args(words).stdin(Stdio::null()).env("XDG_CACHE_HOME", "/dev/null");
    Program::launch(command)
}

/// Runs it, and looks whether anything stands in the folder in which it ran.
fn get(source: &str, peer: Option<&ScriptedPeer>, options: &[&str]) -> Outcome {
    let folder = TestFolder::new();
    let outcome = in_folder(PROGRAM, folder.path(), &words(source, peer, options)).finish(LIMIT);
    assert_empty(folder.path());
    outcome
}

fn assert_empty(folder: &Path) {
    let there: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(there.is_empty(), "{there:?}");
}

fn torrent(sample: &Sample) -> (TestFolder, String) {
    let folder = TestFolder::new();
    let torrent = sample.write_torrent(folder.path());
    (folder, torrent)
}

#[test]
fn one_file_comes_out_as_it_is_and_nothing_stands_on_the_disk() {
    let sample = Sample::single(3_000_000, 16 * 1024);
    let (_folder, torrent) = torrent(&sample);
    let outcome = get(&torrent, Some(&whole(&sample)), &["--stdout"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    assert!(outcome.stdout == sample.payload);
}

#[test]
fn a_selected_file_comes_out_alone_of_a_torrent_and_of_a_magnet() {
    let sample = sample();
    let (_folder, torrent) = torrent(&sample);
    for (source, options) in [
        (torrent.clone(), vec!["--stdout", "--select", "second"]),
        (torrent, vec!["--stdout=file", "--select", "1", "--sequential"]),
        (link(&sample), vec!["--stdout", "--select", "sec*"]),
        (link(&sample) + "&so=1", vec!["--stdout"]),
    ] {
        let peer = whole(&sample);
        let outcome = get(&source, Some(&peer), &options);
        assert_eq!(outcome.code, Some(0), "{}", outcome.output);
        assert!(outcome.stdout == sample.payload[200_000..350_000], "{source} {options:?}");
        assert!(peer.record().requests().iter().all(|wanted| (3..=5).contains(&wanted.index)));
    }
}

#[test]
fn several_files_are_refused_before_anything_is_fetched_unless_they_become_an_archive() {
    let sample = sample();
    let (_folder, torrent) = torrent(&sample);
    for (source, options, count) in [
        (torrent.clone(), vec!["--stdout"], 4),
        (torrent.clone(), vec!["--stdout", "--exclude", "first"], 3),
        (link(&sample), vec!["--stdout"], 4),
    ] {
        let peer = whole(&sample);
        let Outcome { code, output, stdout } = get(&source, Some(&peer), &options);
        assert_eq!(code, Some(28), "{output}");
        assert!(output.contains(&format!("there are {count}")), "{output}");
        assert!(output.contains("--select") && output.contains("--stdout=tar"), "{output}");
        assert!(stdout.is_empty() && peer.record().requests().is_empty());
    }
}

/// Gives these bytes to a program and returns what it says, where it is there.
fn through(program: &str, arguments: &[&str], folder: &Path, bytes: &[u8]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut child) = command.stderr(Stdio::piped()).spawn() else {
        skip(&format!("there is no {program}"));
        return None;
    };
    let mut input = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writes = std::thread::spawn(move || drop(input.write_all(&bytes)));
    let output = child.wait_with_output().unwrap();
    writes.join().unwrap();
    let says = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {says}");
    Some(says.into_owned())
}

#[test]
fn an_archive_is_what_tar_and_python_read_whatever_the_names_are() {
    let (long, longest) = (format!("{}/{}", "d".repeat(90), "f".repeat(90)), "x".repeat(250));
    let files = [("plain", 200_000), (&long, 1000), ("", 7), (&longest, 1), ("ünï/cödé", 513), ("none", 0)];
    let sample = Sample::multi(&files, PIECE);
    let (_folder, torrent) = torrent(&sample);
    let outcome = get(&torrent, Some(&whole(&sample)), &["--stdout=tar"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    let archive = &outcome.stdout;
    assert!(
        *archive == get(&torrent, Some(&whole(&sample)), &["--stdout=tar"]).stdout,
        "it is always the same"
    );

    let unpacked = TestFolder::new();
    if let Some(said) = through("tar", &["xf", "-"], unpacked.path(), archive) {
        assert_eq!(said, "", "tar has nothing to complain of");
        sample.assert_downloaded(unpacked.path());
    }
    let list = "import sys, tarfile
for it in tarfile.open(fileobj=sys.stdin.buffer, mode='r|'):
    print(it.name, it.size, it.mode, it.mtime, it.uid)";
    if let Some(said) = through("python3", &["-X", "utf8", "-c", list], unpacked.path(), archive) {
        let expected = files.iter().filter(|(name, _)| !name.is_empty());
        let expected: String = expected.map(|(name, size)| format!("many/{name} {size} 420 0 0\n")).collect();
        assert_eq!(said, expected);
    }
}

/// A reader takes so many bytes and goes away, while the only peer has these pieces.
fn a_reader_goes_away_after(bytes: usize, has: impl Fn(u32) -> bool + Send + 'static) {
    let sample = Sample::single(3_000_000, 16 * 1024);
    let (_folder, torrent) = torrent(&sample);
    let runs_in = TestFolder::new();
    let script = format!("{{ \"$0\" \"$@\"; echo code $? >&2; }} | head -c {bytes}");
    let mut all = vec![OsString::from("-c"), script.into(), PROGRAM.into()];
    let peer = ScriptedPeer::seed(&sample).speaking(MODERN).having(has).serving();
    all.extend(words(&torrent, Some(&peer), &["--stdout"]));
    let outcome = in_folder("sh", runs_in.path(), &all).finish(LIMIT);
    assert!(outcome.stdout == sample.payload[..bytes]);
    let said = String::from_utf8_lossy(outcome.output.as_bytes().get(outcome.output.len() - 200..).unwrap())
        .into_owned();
    assert!(said.contains("code 0\n") && said.contains("the reader of standard output closed it"), "{said}");
    assert_empty(runs_in.path());
}

#[test]
fn a_reader_that_wants_no_more_is_no_error() {
    // The peer holds the last piece back, so that the end comes by the reader.
    a_reader_goes_away_after(100_000, |piece| piece < 183);
}

#[test]
fn a_reader_that_goes_away_while_nothing_comes_is_noticed_all_the_same() {
    // All that comes fits into the pipe, so that no byte can be refused.
    a_reader_goes_away_after(40_000, |piece| piece < 3);
}

#[test]
fn what_was_wrong_is_fetched_again_before_it_comes_out() {
    let sample = Sample::small();
    let (_folder, torrent) = torrent(&sample);
    let peer = ScriptedPeer::seed(&sample).speaking(MODERN).then(|talk| {
        let wanted = talk.next_request()?;
        talk.send_wrong(wanted)?;
        talk.serve()
    });
    let honest = whole(&sample);
    let both = honest.address().to_string();
    let outcome = get(&torrent, Some(&peer), &["--stdout", "--peer", &both]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    assert!(outcome.stdout == sample.payload);
}

#[test]
fn a_terminal_gets_no_bytes_of_files() {
    let sample = Sample::small();
    let (_folder, torrent) = torrent(&sample);
    let (peer, folder) = (whole(&sample), TestFolder::new());
    let words: Vec<String> = words(&torrent, Some(&peer), &["--stdout"])
        .iter()
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    let line = format!("'{PROGRAM}' {}", words.join(" "));
    if Command::new("script").arg("--version").output().is_err() {
        return skip("there is no script, which gives a program a terminal");
    }
    let all = ["-qec", &line, "/dev/null"].map(OsString::from);
    let outcome = in_folder("script", folder.path(), &all).finish(LIMIT);
    assert_eq!(outcome.code, Some(17), "{}", outcome.output);
    // A terminal gets sentences that break where its lines end.
    let said = outcome.output.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("it is a terminal (send it to a file or into a pipe)"), "{said}");
    assert!(peer.record().requests().is_empty());
    assert_empty(folder.path());
}

#[test]
fn a_download_that_is_stopped_ends_though_nobody_reads() {
    let sample = Sample::single(3_000_000, 16 * 1024);
    let (_folder, torrent) = torrent(&sample);
    let (peer, folder) = (whole(&sample), TestFolder::new());
    let mut command = Command::new(PROGRAM);
    command.current_dir(folder.path()).args(words(&torrent, Some(&peer), &["--stdout"]));
    command
        .env("XDG_CACHE_HOME", "/dev/null")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    // All that has room in memory was asked for, so the writer waits for its reader in the midst of a piece.
    peer.wait_until(|record| record.requests().len() == sample.blocks());
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let deadline = Instant::now() + LIMIT;
    let ended = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                child.kill().unwrap();
                panic!("it waits for its reader");
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    assert_eq!(ended.signal(), Some(15), "{ended}");
    assert_empty(folder.path());
}
