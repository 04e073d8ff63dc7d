//! The program as a user starts it: what it prints, and the exit code that a script sees.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::folder::TestFolder;
use crate::support::gate::{Gate, Rendezvous};
use crate::support::metadata;
use crate::support::program::{Outcome, Program};
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::signals::is_heard_here;
use crate::support::skip::skip;
use crate::support::talk::{MODERN, Talk};
use crate::support::tracker::{Reply, Tracker};
use femtotorrent::wire::Message;

const PROGRAM: &str = env!("CARGO_BIN_EXE_femtotorrent");
const LIMIT: Duration = Duration::from_secs(180);

/// A sample, its torrent in a folder, and a folder to download into.
struct Setup {
    sample: Sample,
    torrents: TestFolder,
    output: TestFolder,
}

impl Setup {
    fn new(sample: Sample) -> Setup {
        Setup { sample, torrents: TestFolder::new(), output: TestFolder::new() }
    }

    fn torrent(&self) -> String {
        self.sample.write_torrent(self.torrents.path())
    }

    fn output(&self) -> String {
        self.output.path().to_str().unwrap().to_owned()
    }

    /// Starts a download from these peers with these further arguments.
    fn start(&self, peers: &[&ScriptedPeer], arguments: &[&str]) -> Program {
        let (torrent, output) = (self.torrent(), self.output());
        let mut all = vec!["get".to_owned(), torrent, "-o".to_owned(), output];
        all.extend(peers.iter().flat_map(|peer| ["--peer".to_owned(), peer.address().to_string()]));
        all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        Program::start(all)
    }

    fn get(&self, peers: &[&ScriptedPeer], arguments: &[&str]) -> Outcome {
        self.start(peers, arguments).finish(LIMIT)
    }
}

/// A peer that serves this many blocks, opens the gate, and holds the rest back until it may go on.
fn in_two_parts(sample: &Sample, first: usize, served: Gate, go_on: Gate) -> ScriptedPeer {
    ScriptedPeer::seed(sample).speaking(MODERN).then(move |talk| {
        talk.serve_next(first)?;
        served.open();
        go_on.pass()?;
        talk.serve()
    })
}

/// A peer that answers no requests.
fn choking(sample: &Sample) -> ScriptedPeer {
    ScriptedPeer::seed(sample).speaking(MODERN).choking().then(Talk::hear_out)
}

fn ends_with(outcome: &Outcome, code: i32, words: &str) {
    assert_eq!(outcome.code, Some(code), "{}", outcome.output);
    assert!(outcome.output.contains(words), "{words:?} is not in: {}", outcome.output);
}

#[test]
fn a_download_ends_with_code_0_and_says_so() {
    let setup = Setup::new(Sample::small());
    let peer = ScriptedPeer::honest(&setup.sample);
    ends_with(&setup.get(&[&peer], &[]), 0, "payload.bin: done, ");
    setup.sample.assert_downloaded(setup.output.path());
    ends_with(&setup.get(&[&peer], &[]), 0, "payload.bin: already complete, all pieces verified");
}

#[test]
fn quiet_means_quiet() {
    let setup = Setup::new(Sample::small().with_tracker("http://127.0.0.1:1/announce"));
    let peer = ScriptedPeer::honest(&setup.sample);
    let outcome = setup.get(&[&peer], &["--quiet"]);
    assert_eq!((outcome.code, outcome.output.as_str()), (Some(0), ""));
}

#[test]
fn verbose_tells_what_became_of_each_peer() {
    let setup = Setup::new(Sample::small());
    let gate = Gate::new();
    let other = ScriptedPeer::start(&setup.sample, move |talk| {
        talk.hear_handshake()?;
        talk.say_handshake(MODERN, [1; 20], [2; 20])?;
        talk.wait_for_end();
        gate.open();
        Ok(())
    });
    let peer = ScriptedPeer::honest_after(&setup.sample, gate);
    let words = format!("{}: answered for another torrent", other.address());
    ends_with(&setup.get(&[&other, &peer], &["-v"]), 0, &words);
}

#[test]
fn a_bare_torrent_means_get_into_the_folder_where_one_stands() {
    let setup = Setup::new(Sample::small());
    let peer = ScriptedPeer::honest(&setup.sample);
    let mut command = Command::new(PROGRAM);
    command.args([&setup.torrent(), "--peer", &peer.address().to_string()]);
    command.current_dir(setup.output.path()).stdin(Stdio::null());
    ends_with(&Program::launch(command).finish(LIMIT), 0, "done");
    setup.sample.assert_downloaded(setup.output.path());
}

#[test]
fn a_torrent_may_come_from_standard_input() {
    let setup = Setup::new(Sample::small());
    let peer = ScriptedPeer::honest(&setup.sample);
    let mut command = Command::new(PROGRAM);
    command.args(["get", "-", "-o", &setup.output(), "--peer", &peer.address().to_string()]);
    command.stdin(File::open(setup.torrent()).unwrap());
    ends_with(&Program::launch(command).finish(LIMIT), 0, "done");
    setup.sample.assert_downloaded(setup.output.path());
}

#[test]
fn several_torrents_run_side_by_side() {
    let folder = TestFolder::new();
    let both_asked = Rendezvous::of(2);
    let mut arguments = vec!["get".to_owned(), "-o".to_owned(), folder.path().to_str().unwrap().to_owned()];
    let mut peers = Vec::new();
    let samples = ["one.bin", "two.bin"].map(|name| Sample::named(name, 300_000, 65_536));
    let torrents = TestFolder::new();
    for (number, sample) in samples.iter().enumerate() {
        let path = torrents.path().join(format!("{number}.torrent"));
        fs::write(&path, &sample.torrent).unwrap();
        arguments.push(path.to_str().unwrap().to_owned());
        let peer = ScriptedPeer::seed(sample).speaking(MODERN).then(move |talk| {
            let first = talk.next_request()?;
            both_asked.wait()?;
            talk.send(first)?;
            talk.serve()
        });
        arguments.extend(["--peer".to_owned(), peer.address().to_string()]);
        peers.push(peer);
    }
    let outcome = Program::start(arguments).finish(LIMIT);
    ends_with(&outcome, 0, "one.bin: done");
    ends_with(&outcome, 0, "two.bin: done");
    for sample in samples {
        let name = sample.metainfo().name;
        assert!(fs::read(folder.path().join(name)).unwrap() == sample.payload);
    }
}

#[test]
fn nothing_moves_for_too_long_code_2() {
    let setup = Setup::new(Sample::small());
    let peer = choking(&setup.sample);
    ends_with(
        &setup.get(&[&peer], &["--timeout", "1"]),
        2,
        // How long it was is counted, and a slow machine notices it late.
        " s: all peers choke us",
    );
}

#[test]
fn a_peer_that_hangs_up_before_a_word_is_tried_again_before_patience_ends() {
    let setup = Setup::new(Sample::small());
    let link = metadata::link(&setup.sample);
    for torrent in [setup.torrent(), link] {
        let peer = ScriptedPeer::start(&setup.sample, move |talk| {
            if talk.turn == 0 {
                return talk.hear_handshake().map(drop);
            }
            talk.greet(MODERN)?;
            talk.say(Message::HaveAll)?;
            metadata::claim_honestly(talk)?;
            talk.say(Message::Unchoke)?;
            metadata::serve(talk)
        });
        let (known, output) = (peer.address().to_string(), TestFolder::new());
        let folder = output.path().to_str().unwrap();
        let all = ["get", &torrent, "-o", folder, "--peer", &known, "--timeout", "10"];
        ends_with(&Program::start(all).finish(LIMIT), 0, "done");
    }
}

#[test]
fn after_ten_seconds_a_sentence_says_why_nothing_moves() {
    let setup = Setup::new(Sample::small());
    let peer = choking(&setup.sample);
    ends_with(&setup.get(&[&peer], &["--timeout", "12"]), 2, "all peers choke us");
}

#[test]
fn what_cannot_be_read_has_its_code() {
    let folder = TestFolder::new();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("text.torrent"), "This is no torrent.").unwrap();
    fs::write(path("bad.torrent"), "d4:infod6:lengthi5e4:name1:aee").unwrap();
    for (torrent, code, words) in [
        (path("missing.torrent"), 3, "missing.torrent"),
        (path(""), 15, "folder"),
        (path("text.torrent"), 25, "text.torrent"),
        (path("bad.torrent"), 26, "bad.torrent"),
    ] {
        ends_with(&Program::start(["get", &torrent, "-o", &path("out")]).finish(LIMIT), code, words);
    }
    assert!(!folder.path().join("out").exists(), "nothing was begun");
}

#[test]
fn options_that_are_not_understood_code_28() {
    for (arguments, words) in [
        (&["get"][..], "--help"),
        (&["get", "x.torrent", "--no-such-option"], "--help"),
        (&["get", "x.torrent", "--peer", "nowhere"], "--peer: 'nowhere' cannot be used: "),
        (&["get", "x.torrent", "--memory", "none"], "--memory: 'none' cannot be used: "),
        (&["get", "x.torrent", "--timeout", "0"], "--timeout: '0' cannot be used: "),
        (&["get", "x.torrent", "--max-peers", "0"], "--max-peers: '0' cannot be used: "),
        (&["get", "x.torrent", "--peer-id-prefix", "longer than twenty bytes"], "at most 20 ASCII"),
        (&["seed", "x.torrent", "--user-agent", "a\r\nb"], "--user-agent: 'a"),
        (&["get", "x.torrent", "--user-agent"], "--user-agent needs a value (write --user-agent TEXT)"),
    ] {
        let outcome = Program::start(arguments).finish(LIMIT);
        ends_with(&outcome, 28, words);
        let said = outcome.output.trim_end();
        assert!(said.starts_with("femtotorrent: ") && !said.contains('\n'), "one sentence: {said}");
    }
}

#[test]
fn a_tracker_that_admits_listed_programs_only_hears_another_name() {
    let peer = ScriptedPeer::honest(&Sample::small());
    let tracker = Tracker::start(&[peer.address()]);
    let setup = Setup::new(Sample::small().with_tracker(&tracker.url()));
    let outcome = setup.get(&[], &["--peer-id-prefix", "-XX1234-", "--user-agent", "Other/1.2 (a b)"]);
    ends_with(&outcome, 0, "done");
    for said in tracker.announces() {
        assert!(said.bytes("peer_id").is_some_and(|id| id.len() == 20 && id.starts_with(b"-XX1234-")));
        assert_eq!(said.header("user-agent"), Some("Other/1.2 (a b)"));
    }
}

#[test]
fn no_peer_to_ask_code_6() {
    let setup = Setup::new(Sample::small());
    ends_with(&setup.get(&[], &[]), 6, "--peer HOST:PORT");
    assert_eq!(fs::read_dir(setup.output.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn a_foreign_file_stays_unless_it_may_be_overwritten_code_13() {
    let setup = Setup::new(Sample::small());
    let peer = ScriptedPeer::honest(&setup.sample);
    let file = setup.output.path().join("payload.bin");
    fs::write(&file, "something else").unwrap();
    ends_with(&setup.get(&[&peer], &[]), 13, "payload.bin");
    assert_eq!(fs::read(&file).unwrap(), b"something else");
    ends_with(&setup.get(&[&peer], &["--overwrite"]), 0, "done");
    setup.sample.assert_downloaded(setup.output.path());
}

#[test]
fn a_folder_that_cannot_be_code_16() {
    let setup = Setup::new(Sample::small());
    let peer = ScriptedPeer::honest(&setup.sample);
    let in_the_way = setup.torrents.path().join("a file");
    fs::write(&in_the_way, "").unwrap();
    for below in [in_the_way.clone(), in_the_way.join("deeper")] {
        let (torrent, address) = (setup.torrent(), peer.address().to_string());
        let output = below.to_str().unwrap();
        let outcome = Program::start(["get", &torrent, "-o", output, "--peer", &address]).finish(LIMIT);
        ends_with(&outcome, 16, "a file");
    }
}

#[test]
fn a_folder_that_vanishes_during_the_download_code_17() {
    let setup = Setup::new(Sample::small());
    let (served, go_on) = (Gate::new(), Gate::new());
    let peer = in_two_parts(&setup.sample, 14, served, go_on);
    let mut program = setup.start(&[&peer], &[]);
    served.pass().unwrap();
    assert!(program.is_running());
    // The writer may still be creating what is being removed, but it will soon have nothing to do.
    let deadline = Instant::now() + LIMIT;
    while setup.output.path().exists() && Instant::now() < deadline {
        let _ = fs::remove_dir_all(setup.output.path());
    }
    go_on.open();
    ends_with(&program.finish(LIMIT), 17, setup.output().as_str());
}

#[test]
fn a_full_disk_code_9() {
    let setup = Setup::new(Sample::small());
    let peer = ScriptedPeer::honest(&setup.sample);
    let mut command = Command::new("unshare");
    let script =
        r#"mount -t tmpfs -o size=256k none "$1" || exit 99; exec "$0" get "$2" -o "$1" --peer "$3""#;
    command.args(["--map-root-user", "--mount", "sh", "-c", script, PROGRAM, &setup.output()]);
    command.args([setup.torrent(), peer.address().to_string()]).stdin(Stdio::null());
    let may_mount = Command::new("unshare")
        .args(["--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", &setup.output()])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !may_mount {
        return skip("this host lets no user mount a small file system");
    }
    let outcome = Program::launch(command).finish(LIMIT);
    ends_with(&outcome, 9, "payload.bin");
    ends_with(&outcome, 9, "free some space");
}

#[test]
fn an_interrupted_download_keeps_what_is_there_dies_of_the_signal_and_goes_on_later() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP].into_iter().filter(|signal| is_heard_here(*signal))
    {
        let setup = Setup::new(Sample::small());
        let (served, never) = (Gate::new(), Gate::new());
        let peer = in_two_parts(&setup.sample, 14, served, never);
        let program = setup.start(&[&peer], &[]);
        served.pass().unwrap();
        kill_process(Pid::from_child(&program.child), signal).unwrap();
        let outcome = program.finish(LIMIT);
        never.open();
        ends_with(&outcome, 128 + signal.as_raw(), "Run the same command to resume.");
        let rest = ScriptedPeer::honest(&setup.sample);
        ends_with(&setup.get(&[&rest], &[]), 0, "done");
        setup.sample.assert_downloaded(setup.output.path());
    }
}

#[test]
fn a_closed_terminal_ends_a_run_in_good_order_and_what_was_ignored_at_the_start_stays_ignored() {
    if !is_heard_here(Signal::HUP) {
        return skip("this system does not say which signals are ignored");
    }
    for (ignored, signal) in [("", Signal::HUP), ("HUP", Signal::HUP), ("INT", Signal::INT)] {
        let (served, go_on) = (Gate::new(), Gate::new());
        let peer = in_two_parts(&Sample::small(), 14, served, go_on);
        // It knows us by the time that the peer serves.
        let tracker = Tracker::start(&[peer.address()]);
        let setup = Setup::new(Sample::small().with_tracker(&tracker.url()));
        let mut command = Command::new("sh");
        command.args(["-c", &format!("trap '' {ignored} PIPE; exec \"$0\" \"$@\""), PROGRAM, "get"]);
        command.args([&setup.torrent(), "-o", &setup.output()]);
        command.args(["--no-dht", "--no-lan"]).stdin(Stdio::null()).env("XDG_CACHE_HOME", "/dev/null");
        let program = Program::launch(command);
        served.pass().unwrap();
        for _ in 0..2 {
            kill_process(Pid::from_child(&program.child), signal).unwrap();
        }
        if !ignored.is_empty() {
            go_on.open();
        }
        let outcome = program.finish(LIMIT);
        go_on.open();
        let (code, end) = if ignored.is_empty() { (129, "resume") } else { (0, "done") };
        ends_with(&outcome, code, end);
        assert_eq!(tracker.announces().last().unwrap().get("event"), "stopped", "{ignored}");
    }
}

#[test]
fn ten_thousand_files_download_under_a_limit_of_64_descriptors() {
    let names: Vec<String> = (0..10_000).map(|number| format!("d{}/f{number}", number / 100)).collect();
    let files: Vec<(&str, usize)> =
        names.iter().enumerate().map(|(number, name)| (name.as_str(), number % 50)).collect();
    let setup = Setup::new(Sample::multi(&files, 16_384));
    let peers: Vec<ScriptedPeer> = (0..4).map(|_| ScriptedPeer::honest(&setup.sample)).collect();
    let mut command = Command::new("sh");
    command.args(["-c", r#"ulimit -n 64; exec "$0" "$@""#, PROGRAM, "get"]);
    command.args([&setup.torrent(), "-o", &setup.output()]).stdin(Stdio::null());
    command.args(peers.iter().flat_map(|peer| ["--peer".to_owned(), peer.address().to_string()]));
    ends_with(&Program::launch(command).finish(LIMIT), 0, "done");
    setup.sample.assert_downloaded(setup.output.path());
}

#[test]
fn help_and_version_are_no_errors() {
    ends_with(&Program::start(["--help"]).finish(LIMIT), 0, "Exit codes:");
    ends_with(&Program::start(["--version"]).finish(LIMIT), 0, "femtotorrent ");
}

#[test]
fn show_scrape_tells_what_the_tracker_says_and_whether_one_did() {
    let tracker = Tracker::start(&[]);
    let url = tracker.url();
    let setup = Setup::new(Sample::small().with_tracker(&url));
    let body = |numbers: &[u8]| {
        Reply::Body([b"d5:filesd20:", setup.sample.info_hash().as_slice(), numbers, b"ee"].concat())
    };
    let show = |more: &[&str]| {
        let torrent = setup.torrent();
        Program::start([&["show", &torrent, "--scrape"], more].concat()).finish(LIMIT)
    };
    tracker.script(body(b"d8:completei1200e10:downloadedi34e10:incompletei5ee"));
    ends_with(&show(&[]), 0, &format!("{url}  seeders 1,200, leechers 5, downloads 34"));
    tracker.script(body(b"d8:completei7ee"));
    let outcome = show(&["--json"]);
    ends_with(&outcome, 0, "");
    let shown: serde_json::Value = serde_json::from_str(&outcome.output).unwrap();
    assert_eq!(shown["scrape"][0]["seeders"], 7);
    assert!(shown["scrape"][0]["leechers"].is_null());
    tracker.script(Reply::Body(b"d14:failure reason11:\x1b[2Jgo awaye".to_vec()));
    let outcome = show(&[]);
    ends_with(&outcome, 6, "no tracker of the torrent has answered");
    ends_with(&outcome, 6, &format!("{url}  refused: \u{fffd}[2Jgo away"));
    assert!(tracker.announces().iter().all(|asked| asked.path() == "/scrape"));
    ends_with(&show(&["--no-trackers"]), 6, "there is no tracker to ask");

    let setup = Setup::new(Sample::small());
    let outcome = Program::start(["show", &setup.torrent(), "--scrape"]).finish(LIMIT);
    ends_with(&outcome, 6, "there is no tracker to ask");
    tracker.script(Reply::Body(b"d14:failure reason2:noe".to_vec()));
    let outcome = Program::start(["show", &setup.torrent(), "--scrape", "--tracker", &url]).finish(LIMIT);
    ends_with(&outcome, 6, &format!("{url}  refused: no"));
}
