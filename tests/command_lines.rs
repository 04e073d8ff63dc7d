//! Command lines as people type them, with the exact exit code and all that is printed: `tests/command_lines.txt`.
//!
//! In the table a line that begins with `$` is a command line, without the name of the program. Under it stand the exit
//! code, the lines of standard output (`>`) and those of standard error (`!`). A word in quotes may have blanks, `< FILE`
//! is standard input, and OFFLINE stands for the options that keep a run off the network. Variables may stand in front,
//! and there are no others. Each runs in a new folder with the same few files in it, which is called HERE. The times of
//! events are called TIME. When the program has changed on purpose, `REWRITE=1 cargo test --test command_lines` writes
//! what it says now into the table, to be read before it is kept.
#![cfg(test)]

// Not all of it is used here.
#[path = "support/folder.rs"]
mod folder;

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use folder::TestFolder;

const LIMIT: Duration = Duration::from_secs(120);
const OFFLINE: [&str; 5] = ["--no-dht", "--no-lan", "--no-trackers", "--no-listen", "--no-web-seeds"];
const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sample-torrents");
const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/command_lines.txt");

/// What somebody always wants.
const SETTINGS: &str = "\
# everywhere
no-dht = yes
--no-lan
no-trackers
quiet

[get]
output-dir = payload
no-listen
no-web-seeds
tracker = http://me:secret@tracker.example/announce
[verify]
dir payload
";

/// Both versions of a torrent with padding between its two files.
const HYBRID: &str = concat!(
    "d4:infod9:file treed5:a.txtd0:d6:lengthi5e11:pieces root32:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAee5:b.txtd0:d6:lengthi3e11:pieces root32:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBeee",
    "5:filesld6:lengthi5e4:pathl5:a.txteed4:attr1:p6:lengthi16379e4:pathl4:.pad5:16379eed6:lengthi3e4:pathl5:b.txteee",
    "12:meta versioni2e4:name6:hybrid12:piece lengthi16384e6:pieces40:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxe12:piece layersdee",
);

/// The files that every command line finds.
fn prepare(folder: &Path) {
    for name in ["factors.torrent", "garden.torrent"] {
        fs::copy(format!("{SAMPLES}/{name}"), folder.join(name)).unwrap();
    }
    fs::create_dir(folder.join("payload")).unwrap();
    fs::copy(format!("{SAMPLES}/payload/factors.txt"), folder.join("payload/factors.txt")).unwrap();
    for (name, text) in [
        ("empty", ""),
        ("hybrid.torrent", HYBRID),
        ("words.txt", "root:x:0:0"),
        ("list", "# torrents\n\nfactors.torrent\n  missing.torrent\n"),
        ("good-list", "factors.torrent\r\n"),
        ("comments", "# nothing\n\n"),
        ("hash", "0123456789abcdef0123456789abcdef0123456"),
        ("settings/femtotorrent/config", SETTINGS),
        ("slip/femtotorrent/config", "# a slip\n[get]\ndwon-limit = 2M\n"),
        ("bad-value/femtotorrent/config", "down-limit = fast\n"),
        ("elsewhere/femtotorrent/config", "[get]\nsuper\n"),
        ("source/femtotorrent/config", "input-file = list\n"),
        ("no-text/femtotorrent/config/file", ""),
        ("proxy/femtotorrent/config", "proxy = socks5h://me:secret@127.0.0.1:1\n"),
        ("payload/other.bin", "not what the torrent describes"),
    ] {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// The words of a line and the file for standard input.
fn words(line: &str) -> (Vec<String>, Option<&str>) {
    let (line, input) = line.split_once(" < ").map_or((line, None), |(line, file)| (line, Some(file)));
    let mut words = Vec::new();
    for (index, part) in line.split('"').enumerate() {
        match index % 2 {
            1 => words.push(part.to_owned()),
            _ => words.extend(part.split_whitespace().map(str::to_owned)),
        }
    }
    let offline = |word: String| match word.as_str() {
        "OFFLINE" => OFFLINE.map(str::to_owned).to_vec(),
        "OFFLINE-SEED" => OFFLINE[..4].iter().map(|&word| word.to_owned()).collect(),
        _ => vec![word],
    };
    (words.into_iter().flat_map(offline).collect(), input)
}

fn is_name_of_variable(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

/// The same where events have no time: a busy machine needs more of it.
fn without_times(text: &str) -> String {
    let mut parts = text.split("\"time\":");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + "\"time\":TIME" + part.trim_start_matches(|one: char| one.is_ascii_digit() || one == '.')
    })
}

/// Runs the line, and writes down what happened as in the table.
fn record(line: &str) -> String {
    let folder = TestFolder::new();
    prepare(folder.path());
    let here = folder.path().to_str().unwrap();
    let (mut words, input) = words(line);
    let is_variable =
        |word: &&String| word.split_once('=').is_some_and(|(name, _)| is_name_of_variable(name));
    let variables: Vec<String> = words.drain(..words.iter().take_while(is_variable).count()).collect();
    let mut command = Command::new(env!("CARGO_BIN_EXE_femtotorrent"));
    command.args(words).current_dir(folder.path()).env_clear().env("XDG_CACHE_HOME", "/dev/null");
    for variable in &variables {
        let (name, value) = variable.split_once('=').unwrap();
        command.env(name, value.replace("HERE", here));
    }
    command
        .stdin(input.map_or_else(Stdio::null, |file| File::open(folder.path().join(file)).unwrap().into()));
    let (sender, receiver) = channel();
    std::thread::spawn(move || sender.send(command.output()));
    let output = receiver.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("{line:?} has no end")).unwrap();
    let code = output.status.code().map_or("signal".to_owned(), |code| code.to_string());
    let mut text = format!("$ {line}\n{code}\n");
    for (mark, stream) in [('>', output.stdout), ('!', output.stderr)] {
        for line in without_times(&String::from_utf8(stream).unwrap().replace(here, "HERE")).lines() {
            text.push_str(format!("{mark} {line}").trim_end());
            text.push('\n');
        }
    }
    text
}

#[test]
fn each_command_line_ends_and_says_what_the_table_has() {
    let table = fs::read_to_string(TABLE).unwrap();
    let blocks: Vec<&str> = table.split("\n\n").map(str::trim).filter(|block| !block.is_empty()).collect();
    let line = |block: &&str| block.lines().next().unwrap().strip_prefix("$ ").expect("a line").to_owned();
    let recorded: Vec<String> = blocks.iter().map(|block| record(&line(block))).collect();
    assert!(recorded.len() >= 60, "there are only {} lines", recorded.len());
    if std::env::var_os("REWRITE").is_some() {
        fs::write(TABLE, recorded.join("\n")).unwrap();
        return;
    }
    for (expected, found) in blocks.iter().zip(&recorded) {
        assert_eq!(found.trim_end(), *expected, "the table differs");
    }
}
