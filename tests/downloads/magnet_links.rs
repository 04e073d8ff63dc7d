//! Magnet links as a user gives them to the program: what it prints, saves, asks and opens, and its exit
//! codes.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::folder::TestFolder;
use crate::support::gate::Gate;
use crate::support::instance::Instance;
use crate::support::metadata::{self, hex, info, link, whole, whole_at, with_long_metadata};
use crate::support::program::{Outcome, Program};
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::signals::is_heard_here;
use crate::support::talk::{MODERN, Talk};
use crate::support::tracker::{Reply, Tracker};
use femtotorrent::metainfo::Metainfo;
use femtotorrent::wire::Message;
use rustix::process::{Pid, Signal, kill_process};

const PROGRAM: &str = env!("CARGO_BIN_EXE_femtotorrent");
const LIMIT: Duration = Duration::from_secs(180);

fn ends_with(outcome: &Outcome, code: i32, words: &str) {
    assert_eq!(outcome.code, Some(code), "{}", outcome.output);
    assert!(outcome.output.contains(words), "{words:?} is not in: {}", outcome.output);
}

fn path(folder: &TestFolder, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

/// Runs a command with these arguments and these peers, and no port for others to come in at.
fn run(arguments: &[&str], peers: &[&ScriptedPeer]) -> Outcome {
    let mut all: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    all.extend(peers.iter().flat_map(|peer| ["--peer".to_owned(), peer.address().to_string()]));
    all.push("--no-listen".to_owned());
    Program::start(all).finish(LIMIT)
}

/// A peer that never says what it has.
fn silent(sample: &Sample) -> ScriptedPeer {
    whole_at("127.0.0.1", sample, |talk| talk.hear_out())
}

#[test]
fn get_downloads_what_a_link_or_a_bare_info_hash_names() {
    let sample = with_long_metadata();
    for name in [link(&sample), hex(sample.info_hash()), hex(sample.info_hash()).to_uppercase()] {
        let (peer, folder) = (whole(&sample), TestFolder::new());
        let output = path(&folder, "");
        ends_with(&run(&["get", &name, "-o", &output], &[&peer]), 0, "payload.bin: done, ");
        sample.assert_downloaded(folder.path());
    }
}

#[test]
fn show_lists_the_files_and_downloads_nothing() {
    let sample = Sample::multi(&[("one", 70_000), ("two/three", 5)], 65_536);
    let peer = whole(&sample);
    let outcome = run(&["show", &link(&sample)], &[&peer]);
    ends_with(&outcome, 0, "70,000  many/one");
    ends_with(&outcome, 0, "5  many/two/three");
    ends_with(&outcome, 0, &hex(sample.info_hash()));
    assert!(peer.record().requests().is_empty());
}

#[test]
fn show_prints_json_of_a_bare_info_hash_and_nothing_else_on_standard_output() {
    let sample = Sample::small();
    let peer = whole(&sample);
    let outcome = run(&["show", &hex(sample.info_hash()), "--json", "--quiet"], &[&peer]);
    let shown: serde_json::Value = serde_json::from_str(&outcome.output).unwrap();
    assert_eq!(shown["info_hash"], hex(sample.info_hash()));
    assert_eq!(shown["files"][0]["path"], "payload.bin");
    assert_eq!(outcome.code, Some(0));
}

#[test]
fn show_saves_a_torrent_with_the_trackers_of_the_link_and_replaces_none() {
    let sample = with_long_metadata();
    let peer = whole(&sample);
    let folder = TestFolder::new();
    let (file, tracker) = (path(&folder, "saved.torrent"), Tracker::start(&[peer.address()]));
    let second = "udp://127.0.0.1:1/announce";
    let link = format!("{}&tr={}&tr={second}&ws=http://127.0.0.1:1/a", link(&sample), tracker.url());
    ends_with(&run(&["show", &link, "--save", &file], &[]), 0, "payload.bin");
    let saved = Metainfo::parse(fs::read(&file).unwrap()).unwrap();
    assert_eq!(saved.info_hash.0, sample.info_hash());
    assert_eq!(saved.info_bytes(), info(&sample));
    assert_eq!(saved.trackers, [vec![tracker.url()], vec![second.to_owned()]]);
    assert_eq!(saved.web_seeds, ["http://127.0.0.1:1/a"]);
    let shown: serde_json::Value =
        serde_json::from_str(&run(&["show", &file, "--json"], &[]).output).unwrap();
    assert_eq!(shown["web_seeds"], serde_json::json!(["http://127.0.0.1:1/a"]));
    let events: Vec<String> = tracker.announces().iter().map(|said| said.get("event")).collect();
    assert_eq!(events, ["started", "stopped"]);

    let before = fs::read(&file).unwrap();
    let asked = peer.record().connections;
    ends_with(&run(&["show", &link, "--save", &file], &[]), 13, "choose another name with --save");
    assert_eq!(fs::read(&file).unwrap(), before);
    assert_eq!(peer.record().connections, asked, "it is seen before any peer is asked");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
    ends_with(&run(&["show", &link, "--save", &path(&folder, "no/where")], &[]), 16, "no/where");
    ends_with(&run(&["show", &file], &[]), 0, &hex(sample.info_hash()));
}

#[test]
fn a_file_that_is_called_like_an_info_hash_is_a_file() {
    let (other, named) = (Sample::small(), Sample::named("other.bin", 100, 16_384));
    let folder = TestFolder::new();
    fs::write(folder.path().join(hex(other.info_hash())), &named.torrent).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["show", &hex(other.info_hash())]).current_dir(folder.path()).stdin(Stdio::null());
    ends_with(&Program::launch(command).finish(LIMIT), 0, "other.bin");
}

#[test]
fn nothing_comes_for_too_long_code_2() {
    let sample = Sample::small();
    let (peer, folder) = (silent(&sample), TestFolder::new());
    let (link, output) = (link(&sample), path(&folder, "out"));
    let get = run(&["get", &link, "-o", &output, "--timeout", "1"], &[&peer]);
    ends_with(&get, 2, "no peer sent the metadata");
    ends_with(&run(&["show", &link, "--timeout", "1"], &[&peer]), 2, "no peer sent the metadata");
    let begun = std::fs::read_dir(folder.path().join("out")).map_or(0, Iterator::count);
    assert_eq!(begun, 0, "nothing was begun");
}

#[test]
fn after_some_seconds_a_line_says_what_the_trouble_is() {
    let sample = Sample::small();
    let tracker = Tracker::start(&[]);
    tracker.script(Reply::Body(b"d14:failure reason11:\x1b[2Jgo awaye".to_vec()));
    let link = format!("{}&tr={}", link(&sample), tracker.url());
    let folder = TestFolder::new();
    let get = run(&["get", &link, "-o", &path(&folder, ""), "--timeout", "6"], &[]);
    ends_with(&get, 2, "go away");
    assert!(!get.output.contains('\x1b'));
}

#[test]
fn it_dies_of_an_interrupt_soon_also_where_a_tracker_hangs() {
    let sample = Sample::small();
    let interrupt = if is_heard_here(Signal::INT) { Signal::INT } else { Signal::TERM };
    for (signal, command) in [(interrupt, "get"), (Signal::TERM, "get"), (interrupt, "show")] {
        let asked = Gate::new();
        let peer = whole_at("127.0.0.1", &sample, move |talk| {
            asked.open();
            talk.hear_out()
        });
        let tracker = Tracker::start(&[peer.address()]);
        let link = format!("{}&tr={}", link(&sample), tracker.url());
        let program = Program::start([command, &link, "--no-listen"]);
        asked.pass().unwrap();
        tracker.script(Reply::Hang);
        kill_process(Pid::from_child(&program.child), signal).unwrap();
        // Two seconds, and a loaded machine.
        ends_with(&program.finish(Duration::from_secs(10)), 128 + signal.as_raw(), "stop");
    }
}

#[test]
fn a_link_that_cannot_be_read_code_27() {
    let hash = "0".repeat(40);
    for (link, words) in [
        ("magnet:?dn=x".to_owned(), "no 'xt=urn:btih:'"),
        (format!("magnet:?xt=urn:btih:{}", &hash[1..]), "39 characters"),
        (format!("magnet:?xt=urn:btmh:1220{hash}"), "1220 and 64 hex digits"),
        (format!("magnet:?xt=urn:btih:{hash}&so=x"), "'so'"),
        (format!("magnet:?xt=urn:btih:{hash}&dn={}", "x".repeat(70_000)), "65,536"),
    ] {
        for command in ["get", "show", "seed"] {
            let outcome = Program::start([command, &link]).finish(LIMIT);
            ends_with(&outcome, 27, words);
            assert!(outcome.output.len() < 1_000, "{} bytes", outcome.output.len());
        }
    }
}

#[test]
fn verify_needs_the_torrent_itself_and_says_how_to_have_it_code_28() {
    let link = link(&Sample::small());
    ends_with(&Program::start(["verify", &link]).finish(LIMIT), 28, "show MAGNET --save FILE");
}

#[test]
fn a_magnet_without_a_peer_to_ask_code_6() {
    let link = link(&Sample::small());
    for command in ["get", "show", "seed"] {
        ends_with(&run(&[command, &link], &[]), 6, "--peer HOST:PORT");
    }
}

#[test]
fn a_link_to_a_torrent_that_was_named_before_is_left_out() {
    let sample = Sample::small();
    let (peer, folder) = (whole(&sample), TestFolder::new());
    let torrents = TestFolder::new();
    let (torrent, output) = (sample.write_torrent(torrents.path()), path(&folder, ""));
    let (link, hash) = (link(&sample), hex(sample.info_hash()));
    for names in [[&torrent, &link], [&link, &torrent], [&link, &hash]] {
        let outcome = run(&["get", names[0], names[1], "-o", &output], &[&peer]);
        ends_with(&outcome, 0, "was already named, so it is ignored");
        sample.assert_downloaded(folder.path());
    }
}

#[test]
fn a_name_in_the_link_is_shown_safely_and_is_no_path() {
    let sample = Sample::small();
    let peer = whole(&sample);
    for name in ["%1b[2J%1b]0;x%07", "..%2f..%2fetc%2fpasswd", "a%00b%0ac%e2%80%ae", &"x".repeat(10_000)] {
        let folder = TestFolder::new();
        let (link, output) = (format!("{}&dn={name}", link(&sample)), path(&folder, ""));
        let timed_out = run(&["get", &link, "-o", &output, "--timeout", "1"], &[&silent(&sample)]);
        let got = run(&["get", &link, "-o", &output], &[&peer]);
        for (outcome, code) in [(&timed_out, 2), (&got, 0)] {
            ends_with(outcome, code, "");
            let hidden = |letter: char| letter.is_control() && letter != '\n' || letter == '\u{202e}';
            assert!(!outcome.output.contains(hidden), "{:?}", outcome.output);
            assert!(outcome.output.len() < 1_000, "{} bytes", outcome.output.len());
        }
        sample.assert_downloaded(folder.path());
    }
}

#[test]
fn trackers_of_the_user_are_asked_and_those_of_the_link_only_where_wanted() {
    let sample = Sample::small();
    let peer = whole(&sample);
    let (own, added) = (Tracker::start(&[]), Tracker::start(&[peer.address()]));
    let (link, added_url) = (format!("{}&tr={}", link(&sample), own.url()), added.url());
    let get = |more: &[&str]| {
        let folder = TestFolder::new();
        let output = path(&folder, "");
        let outcome = run(&[&["get", &link, "-o", &output, "--tracker", &added_url], more].concat(), &[]);
        ends_with(&outcome, 0, "done");
        sample.assert_downloaded(folder.path());
    };
    get(&["--no-trackers"]);
    assert_eq!(own.announces().len(), 0);
    assert!(!added.announces().is_empty());
    get(&[]);
    assert!(!own.announces().is_empty());
}

#[test]
fn a_private_torrent_is_not_announced_to_a_tracker_of_the_user() {
    let sample = Sample::small().private();
    let tracker = Tracker::start(&[]);
    let (peer, folder) = (whole(&Sample::small().private()), TestFolder::new());
    let (torrent, output) = (sample.write_torrent(folder.path()), path(&folder, ""));
    let outcome = run(&["get", &torrent, "-o", &output, "--tracker", &tracker.url()], &[&peer]);
    ends_with(&outcome, 0, "private");
    assert_eq!(tracker.announces().len(), 0);
}

#[test]
fn no_listen_opens_no_port() {
    let sample = Sample::small();
    let listens = |more: &[&str]| {
        let greeted = Gate::new();
        let peer = whole_at("127.0.0.1", &sample, move |talk| {
            greeted.open();
            talk.hear_out()
        });
        let mut arguments = vec!["get".to_owned(), link(&sample), "--peer".to_owned()];
        arguments.push(peer.address().to_string());
        arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
        let program = Program::start(arguments);
        greeted.pass().unwrap();
        is_listening(program.child.id())
    };
    assert!(!listens(&["--no-listen"]));
    assert!(listens(&[]));
}

/// Whether a process has a TCP socket at which it waits for connections.
fn is_listening(id: u32) -> bool {
    let sockets: Vec<String> = fs::read_dir(format!("/proc/{id}/fd"))
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .filter_map(|to| Some(to.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    ["tcp", "tcp6"].iter().any(|family| {
        let table = fs::read_to_string(format!("/proc/{id}/net/{family}")).unwrap_or_default();
        table.lines().skip(1).any(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            fields[3] == "0A" && sockets.iter().any(|socket| socket == fields[9])
        })
    })
}

/// A download of a magnet that knows only a tracker, at an address of its own, and where it listens.
fn waiting(sample: &Sample, folder: &TestFolder, tracker: &Tracker) -> (Instance, SocketAddr) {
    let link = format!("{}&tr={}", link(sample), tracker.url());
    let instance = Instance::get(link.as_ref(), folder.path(), &["-v"]);
    let port = tracker.wait_for(1)[0].get("port").parse().unwrap();
    let address = instance.address(port);
    (instance, address)
}

#[test]
fn a_seed_that_comes_to_us_gives_metadata_and_payload_over_that_connection() {
    for sample in [Sample::small(), with_long_metadata().private()] {
        let (sample, folder, tracker) = (sample, TestFolder::new(), Tracker::start(&[]));
        let (instance, address) = waiting(&sample, &folder, &tracker);
        let is_private = sample.metainfo().private;
        // A private torrent takes peers from its trackers only, and we did not know where this one comes from: it
        // has to come again.
        for turn in 0..=usize::from(is_private) {
            let mut talk = Talk::dial(address, &sample);
            talk.introduce(MODERN).unwrap();
            talk.say(Message::HaveAll).unwrap();
            metadata::claim_honestly(&mut talk).unwrap();
            talk.say(Message::Unchoke).unwrap();
            let end = metadata::serve(&mut talk);
            assert!(end.is_err(), "{turn}");
        }
        let outcome = instance.program.finish(LIMIT);
        ends_with(&outcome, 0, "payload.bin: done, ");
        sample.assert_downloaded(folder.path());
    }
}

#[test]
fn incoming_peers_that_give_nothing_do_not_keep_us_from_named_ones() {
    let (sample, folder) = (Sample::small(), TestFolder::new());
    let tracker = Tracker::start(&[]);
    let (gate, peer_at_last) = (Gate::new(), Ipv4Addr::LOCALHOST);
    let peer = whole_at(&peer_at_last.to_string(), &sample, move |_| gate.pass());
    let link = format!("{}&tr={}", link(&sample), tracker.url());
    let known = peer.address().to_string();
    let instance = Instance::get(link.as_ref(), folder.path(), &["-v", "--max-peers", "2", "--peer", &known]);
    let port = tracker.wait_for(1)[0].get("port").parse().unwrap();
    let guests: Vec<Talk> = (0..12)
        .map(|_| {
            let mut talk = Talk::dial(instance.address(port), &sample);
            let id = [b'x'; 20];
            talk.say_handshake(MODERN, sample.info_hash(), id).unwrap();
            talk
        })
        .collect();
    gate.open();
    ends_with(&instance.program.finish(LIMIT), 0, "done");
    drop(guests);
    sample.assert_downloaded(folder.path());
}
