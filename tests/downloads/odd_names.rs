//! Names that are odd and honest, as a user has them: what one program makes, the others find.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::folder::TestFolder;
use crate::support::instance::Instance;
use crate::support::program::{Outcome, Program, TERMINATED};

const LIMIT: Duration = Duration::from_secs(60);
/// Bytes in each file: not whole pieces, so that files share some.
const LENGTH: usize = 20_000;

/// Names that other systems do not take. Each is alone in a folder of its own, and all are together in one.
const NAMES: [&[u8]; 21] = [
    b"Vol. 1.",
    b"x ",
    b"...",
    b"aux.c",
    b"aux",
    b"nul",
    b"COM1.txt",
    b"AC\\DC.mp3",
    b"README",
    b"readme",
    b"a: b? \"<>|*",
    b"caf\xe9",
    b"\xd6\xd0\xce\xc4.txt",
    b"\x83\x65\x83\x58\x83\x67",
    b"new\nline",
    "nel\u{85}".as_bytes(),
    "mark\u{200e}".as_bytes(),
    "separator\u{2028}".as_bytes(),
    b"esc\x1b[2J",
    b".hidden",
    b"file:x",
];

fn os(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}

fn content(seed: usize) -> Vec<u8> {
    let mut bytes = vec![0; LENGTH];
    fastrand::Rng::with_seed(seed as u64).fill(&mut bytes);
    bytes
}

/// Runs femtotorrent in the folder.
fn run<A: AsRef<OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = A>) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_femtotorrent"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).env("XDG_CACHE_HOME", "/dev/null");
    Program::launch(command).finish(LIMIT)
}

fn ended_with(outcome: &Outcome, code: i32, words: &str) {
    assert_eq!(outcome.code, Some(code), "{}", outcome.output);
    assert!(outcome.output.contains(words), "{words:?} is not in: {}", outcome.output);
    // Nothing that controls a terminal was printed.
    let hidden = |letter: char| letter != '\n' && femtotorrent::text::is_hidden(letter);
    assert!(!outcome.output.contains(hidden), "{:?}", outcome.output);
}

/// Creates a torrent of what has this name, verifies it, and downloads it from a seeder into another folder.
/// Returns that folder.
fn round_trip(folder: &Path, name: &OsStr) -> TestFolder {
    let mut torrent = name.to_owned();
    torrent.push(".torrent");
    ended_with(&run(folder, [OsStr::new("create"), OsStr::new("--"), name]), 0, "");
    ended_with(&run(folder, [OsStr::new("verify"), OsStr::new("--"), &torrent]), 0, "");
    // It goes by its name, in whatever encoding.
    ended_with(&run(folder, [OsStr::new("show"), OsStr::new("--"), &torrent]), 0, "");
    let (seeder, address) = Instance::seed(&folder.join(&torrent), folder, &[]);
    let output = TestFolder::new();
    let peer = address.to_string();
    let getter = Instance::get(&folder.join(&torrent), output.path(), &["--peer", &peer]);
    ended_with(&getter.program.finish(LIMIT), 0, "");
    ended_with(&seeder.stop(), TERMINATED, "");
    // Again it finds everything, and fetches nothing from nobody.
    let getter = Instance::get(&folder.join(&torrent), output.path(), &["--no-listen"]);
    ended_with(&getter.program.finish(LIMIT), 0, "");
    let arguments =
        [OsStr::new("verify"), OsStr::new("-d"), output.path().as_os_str(), OsStr::new("--"), &torrent];
    ended_with(&run(folder, arguments), 0, "");
    output
}

/// The name that a downloaded file gets: its own, unless that attacks a terminal.
fn downloaded(name: &[u8]) -> OsString {
    match std::str::from_utf8(name) {
        Ok(text) => text.replace(femtotorrent::text::is_hidden, "_").into(),
        Err(_) => os(name).to_owned(),
    }
}

#[test]
fn every_odd_name_of_a_file_in_a_folder_makes_the_round_trip() {
    let folder = TestFolder::new();
    let payload = folder.path().join("payload");
    fs::create_dir_all(payload.join("Ab")).unwrap();
    for (seed, name) in NAMES.iter().enumerate() {
        fs::write(payload.join(os(name)), content(seed)).unwrap();
    }
    fs::write(payload.join("Ab/x"), content(100)).unwrap();
    fs::write(payload.join("ab"), content(101)).unwrap();
    let output = round_trip(folder.path(), OsStr::new("payload"));
    for (seed, name) in NAMES.iter().enumerate() {
        let there = fs::read(output.path().join("payload").join(downloaded(name)));
        assert!(there.unwrap() == content(seed), "{}", name.escape_ascii());
    }
    assert!(fs::read(output.path().join("payload/ab")).unwrap() == content(101));
    assert_eq!(fs::read_dir(output.path().join("payload")).unwrap().count(), NAMES.len() + 2);
}

#[test]
fn an_odd_name_of_a_torrent_makes_the_round_trip() {
    let names: [&[u8]; 8] = [b"aux", b"Vol. 1.", b"x ", b"caf\xe9", b"AC\\DC", b"li\nne", b"a: b?", b"-x"];
    for (seed, name) in names.iter().enumerate() {
        let folder = TestFolder::new();
        fs::write(folder.path().join(os(name)), content(seed)).unwrap();
        let output = round_trip(folder.path(), os(name));
        assert!(fs::read(output.path().join(downloaded(name))).unwrap() == content(seed));
        assert_eq!(fs::read_dir(output.path()).unwrap().count(), 1, "{}", name.escape_ascii());
        // The same as a folder.
        let folder = TestFolder::new();
        let inside = folder.path().join(os(name));
        fs::create_dir(&inside).unwrap();
        fs::write(inside.join("file"), content(seed)).unwrap();
        let output = round_trip(folder.path(), os(name));
        assert!(fs::read(output.path().join(downloaded(name)).join("file")).unwrap() == content(seed));
    }
}

#[test]
fn a_program_is_told_how_to_find_a_file_whatever_its_name_is() {
    let folder = TestFolder::new();
    fs::create_dir(folder.path().join("p")).unwrap();
    for name in [&b"caf\xe9"[..], b"li\nne", b"plain"] {
        fs::write(folder.path().join("p").join(os(name)), content(1)).unwrap();
    }
    assert_eq!(run(folder.path(), ["create", "p"]).code, Some(0));
    for arguments in [["show", "--json", "p.torrent"], ["verify", "--json", "p.torrent"]] {
        let outcome = run(folder.path(), arguments);
        let shown: serde_json::Value =
            serde_json::from_str(outcome.output.split_inclusive("\n}\n").next().unwrap()).unwrap();
        let files = shown["files"].as_array().unwrap();
        assert_eq!(files[0]["path_hex"], "702f636166e9", "{}", outcome.output);
        assert_eq!([&files[1]["path"], &files[2]["path"]], ["p/li\nne", "p/plain"]);
        assert!(files[1]["path_hex"].is_null());
    }
}

#[test]
fn a_torrent_file_is_found_under_any_name_and_by_its_address() {
    let folder = TestFolder::new();
    fs::write(folder.path().join("p"), content(1)).unwrap();
    let torrent = folder.path().join(os(b"caf\xe9 %41.torrent"));
    let create = [OsStr::new("create"), OsStr::new("p"), OsStr::new("-o"), torrent.as_os_str()];
    assert_eq!(run(folder.path(), create).code, Some(0));
    let address = format!("file://{}/caf%E9%20%2541.torrent", folder.path().display());
    let blanks = format!(" {address}\n");
    for name in [torrent.as_os_str(), os(b"caf\xe9 %41.torrent"), OsStr::new(&address), OsStr::new(&blanks)] {
        for command in ["show", "verify"] {
            assert_eq!(run(folder.path(), [OsStr::new(command), name]).code, Some(0), "{name:?}");
        }
    }
    let elsewhere = run(folder.path(), ["show", "file://elsewhere/x.torrent"]);
    ended_with(&elsewhere, 15, "a file of another host");
}

#[test]
fn a_hidden_file_is_not_put_into_the_home_folder() {
    let folder = TestFolder::new();
    let (payload, home) = (folder.path().join("payload"), folder.path().join("home"));
    for path in [".bashrc", ".ssh/authorized_keys"] {
        let top = path.split('/').next().unwrap();
        fs::create_dir_all(payload.join(path).parent().unwrap()).unwrap();
        fs::create_dir_all(&home).unwrap();
        fs::write(payload.join(path), content(1)).unwrap();
        assert_eq!(run(&payload, ["create", top]).code, Some(0));
        let torrent = payload.join(format!("{top}.torrent"));
        let (_seeder, address) = Instance::seed(&torrent, &payload, &[]);
        let get = |output: &Path| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_femtotorrent"));
            let arguments = ["--no-dht", "--no-lan", "--bind", "127.0.0.1", "--peer", &address.to_string()];
            command.arg("get").arg(&torrent).args(arguments).arg("-o").arg(".").current_dir(output);
            command.env("HOME", &home).env("XDG_CACHE_HOME", "/dev/null");
            Program::launch(command).finish(LIMIT)
        };
        ended_with(&get(&home), 16, "a hidden file in your home folder");
        assert_eq!(fs::read_dir(&home).unwrap().count(), 0);
        let elsewhere = home.join("downloads");
        fs::create_dir(&elsewhere).unwrap();
        ended_with(&get(&elsewhere), 0, "");
        // What is there is shared, wherever it is.
        fs::rename(elsewhere.join(top), home.join(top)).unwrap();
        ended_with(&get(&home), 0, "");
        fs::remove_dir_all(&home).unwrap();
    }
}

/// A payload of three files; the user has two of them elsewhere and links in their place.
fn linked() -> (TestFolder, PathBuf) {
    let folder = TestFolder::new();
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("p/d")).unwrap();
    for (seed, path) in ["a", "d/b", "z"].iter().enumerate() {
        fs::write(root.join("p").join(path), content(seed)).unwrap();
    }
    assert_eq!(run(&root, ["create", "p"]).code, Some(0));
    fs::rename(root.join("p/a"), folder.path().join("elsewhere")).unwrap();
    fs::rename(root.join("p/d"), folder.path().join("folder")).unwrap();
    symlink("../../elsewhere", root.join("p/a")).unwrap();
    symlink(folder.path().join("folder"), root.join("p/d")).unwrap();
    (folder, root)
}

#[test]
fn the_users_own_links_are_followed_where_nothing_is_written() {
    let (folder, root) = linked();
    ended_with(&run(&root, ["verify", "p.torrent"]), 0, "3 of 3 files are good");
    let (seeder, address) = Instance::seed(&root.join("p.torrent"), &root, &[]);
    let output = TestFolder::new();
    let getter = Instance::get(&root.join("p.torrent"), output.path(), &["--peer", &address.to_string()]);
    ended_with(&getter.program.finish(LIMIT), 0, "");
    assert!(fs::read(output.path().join("p/d/b")).unwrap() == content(1));
    ended_with(&seeder.stop(), TERMINATED, "");
    // A download follows none, and writes through none.
    let getter = Instance::get(&root.join("p.torrent"), &root, &["--overwrite", "--no-listen"]);
    ended_with(&getter.program.finish(LIMIT), 15, "a symbolic link is in the way");
    assert!(fs::read(folder.path().join("elsewhere")).unwrap() == content(0));
}

#[test]
fn a_link_that_leads_nowhere_costs_its_own_file_alone() {
    for target in ["nothing", "a", "../../elsewhere/below", "/dev/zero", "/"] {
        let (_folder, root) = linked();
        fs::remove_file(root.join("p/a")).unwrap();
        symlink(target, root.join("p/a")).unwrap();
        let verified = run(&root, ["verify", "p.torrent"]);
        ended_with(&verified, 32, "missing     p/a");
        assert!(verified.output.contains("good        p/z"), "{target}: {}", verified.output);
        assert!(verified.output.contains("p/a, so it counts as missing"), "{}", verified.output);
        let torrent = root.join("p.torrent");
        let arguments = [OsStr::new("seed"), torrent.as_os_str(), OsStr::new("-d"), root.as_os_str()];
        let seeder =
            Program::start(arguments.into_iter().chain([OsStr::new("--bind"), OsStr::new("127.0.0.1")]));
        seeder.wait_for(LIMIT, |line| line.contains("we have 2 of 4 pieces").then_some(()));
        seeder.terminate();
        ended_with(&seeder.finish(LIMIT), TERMINATED, "p/a, so it counts as missing");
    }
}

#[test]
fn what_the_log_says_of_a_name_does_not_control_the_terminal() {
    let folder = TestFolder::new();
    let name = "esc\u{1b}[2J\u{9b}\u{202e}\nx";
    fs::write(folder.path().join(name), content(1)).unwrap();
    assert_eq!(run(folder.path(), ["create", name, "-o", "t.torrent"]).code, Some(0));
    fs::remove_file(folder.path().join(name)).unwrap();
    symlink("nowhere", folder.path().join(name)).unwrap();
    ended_with(
        &run(folder.path(), ["verify", "t.torrent"]),
        32,
        "[2J\u{fffd}\u{fffd} x, so it counts as missing",
    );
}
