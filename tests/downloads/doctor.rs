//! The doctor in each situation in which a friend is asked: the sentence at the end and the exit code.
//!
//! The runs of one test go on side by side, because each lasts as long as it is told to.

use std::fs;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::addresses::nobody;
use crate::support::folder::TestFolder;
use crate::support::gate::Gate;
use crate::support::json_schema::Schema;
use crate::support::program::{Program, TERMINATED};
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::skip::skip;
use crate::support::talk::{MODERN, Said, Talk};
use crate::support::tracker::{Reply, Tracker};
use crate::support::web_server::WebServer;
use femtotorrent::wire::Message;
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(90);
/// Long enough for a peer that is silent to be given up, and for the reason why nothing moves to be known.
const SECONDS: &str = "20";

/// Runs of the doctor, and what each is to say.
struct Patients {
    folder: TestFolder,
    runs: Vec<(Program, u8, String)>,
}

impl Patients {
    fn new() -> Patients {
        Patients { folder: TestFolder::new(), runs: Vec::new() }
    }

    fn ask(&mut self, sample: &Sample, arguments: &str, exit: u8, advice: &str) {
        let place = self.folder.path().join(self.runs.len().to_string());
        std::fs::create_dir(&place).unwrap();
        let torrent = sample.write_torrent(&place);
        self.ask_of(&torrent, arguments, exit, advice);
    }

    /// The output folder is one that does not exist, unless the arguments name another.
    fn ask_of(&mut self, torrent: &str, arguments: &str, exit: u8, advice: &str) {
        let output = self.folder.path().join("output");
        let mut all = vec!["doctor", torrent, "--json", "--no-listen", "--timeout", SECONDS];
        all.extend(["-d", output.to_str().unwrap()]);
        all.extend(arguments.split_whitespace());
        self.runs.push((Program::start(all), exit, advice.to_owned()));
    }

    /// Returns what was said, in the order in which it was asked.
    fn assert_all_are_helped(self) -> Vec<Value> {
        let mut all = Vec::new();
        for (program, exit, advice) in self.runs {
            let outcome = program.finish(LIMIT);
            let text = outcome.stdout_text();
            let said = report(&text);
            let found = said["advice"].as_str().unwrap();
            assert!(found.contains(&advice), "{advice:?} is not in\n{text}");
            assert_eq!(outcome.code, Some(i32::from(exit)), "{text}");
            assert_eq!(said["exit_code"], exit);
            all.push(said);
        }
        assert!(!self.folder.path().join("output").exists(), "the doctor writes nothing");
        all
    }
}

/// The report in this output, which is as the schema says.
fn report(text: &str) -> Value {
    let said: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let schema = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/doctor.schema.json")).unwrap();
    Schema::parse(&schema).check(&said).unwrap_or_else(|fault| panic!("{fault}"));
    said
}

/// What it says about this, each with its mark.
fn about(said: &Value, what: &str) -> Vec<String> {
    let findings = said["findings"].as_array().unwrap().iter().filter(|finding| finding["about"] == what);
    let word = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    findings.map(|finding| format!("{} {}", word(finding, "mark"), word(finding, "text"))).collect()
}

#[test]
fn where_a_download_works_one_piece_is_enough_and_it_goes_nowhere() {
    let mut patients = Patients::new();
    let sample = Sample::small();
    let seed = ScriptedPeer::honest(&sample);
    let tracker = Tracker::start(&[seed.address()]);
    let arguments = format!("--tracker {}", tracker.url());
    patients.ask(&sample, &arguments, 0, "Download it: a piece came and was right.");
    patients.assert_all_are_helped();
    assert!(!seed.record().requests().is_empty());
}

#[test]
fn where_peers_are_the_trouble_it_says_which() {
    let mut patients = Patients::new();
    let sample = Sample::small();
    let mut ask = |peer: SocketAddr, more: &str, advice: &str| {
        patients.ask(&sample, &format!("--peer {peer} {more}"), 2, advice);
    };
    ask(nobody(), "", "the only peer is not there any more (connection refused)");
    let other = ScriptedPeer::start(&sample, |talk| {
        let (_, id) = talk.hear_handshake()?;
        talk.say_handshake([0; 8], [7; 20], id.map(|byte| !byte))?;
        talk.hear_out()
    });
    ask(other.address(), "", "the peers answer for another torrent");
    let closes = ScriptedPeer::start(&sample, |talk| talk.hear_handshake().map(drop));
    ask(closes.address(), "", "Check the info-hash: the peers close the connection");
    ask(closes.address(), "--encryption off", "Leave out --encryption off");
    let silent = ScriptedPeer::start(&sample, Talk::hear_out);
    ask(silent.address(), "", "the only peer took the connection and did not answer");
    let chokes = ScriptedPeer::seed(&sample).speaking(MODERN).choking().then(Talk::hear_out);
    ask(chokes.address(), "", "Wait: all peers choke us");
    let partial = ScriptedPeer::seed(&sample).speaking(MODERN).having(|piece| piece == 0).serving();
    ask(partial.address(), "", "none of the connected peers has piece");
    let proxy = format!("--proxy socks5://{}", nobody());
    ask(nobody(), &proxy, "Look after the proxy, or choose another one with --proxy");
    patients.assert_all_are_helped();
}

#[test]
fn where_nobody_is_found_it_says_why() {
    let mut patients = Patients::new();
    let sample = Sample::small();
    let dead = format!("http://{}", nobody());
    let why = format!("{dead} does not help (cannot be reached: connection refused)");
    patients.ask(&sample, &format!("--tracker {dead}/announce"), 2, &why);
    let knows_nobody = Tracker::start(&[]);
    patients.ask(&sample, &format!("--tracker {}", knows_nobody.url()), 2, "nobody has it now");
    let names = "--tracker http://one.invalid/announce --tracker http://two.invalid/announce";
    patients.ask(&sample, names, 2, "no name can be looked up");
    let of_another_time = Tracker::start(&[]);
    for _ in 0..16 {
        let head =
            b"HTTP/1.1 404 Not Found\r\nDate: Sun, 06 Nov 2061 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n";
        of_another_time.script(Reply::Raw(head.to_vec()));
    }
    let site = of_another_time.url().replace("/announce", "");
    let arguments = format!("--tracker {}", of_another_time.url());
    patients.ask(&sample, &arguments, 2, &format!("days behind that of {site}."));
    let advice = "the torrent is private and has no usable tracker";
    patients.ask(&Sample::small().private(), "", 6, advice);
    patients.assert_all_are_helped();
}

#[test]
fn a_folder_that_takes_nothing_matters_most() {
    let mut patients = Patients::new();
    let sample = Sample::small();
    let seed = ScriptedPeer::honest(&sample);
    let file = patients.folder.path().join("file");
    std::fs::write(&file, "no folder").unwrap();
    let arguments = format!("--peer {} -d {}", seed.address(), file.display());
    patients.ask(&sample, &arguments, 16, "Choose another folder with -d");
    // Twelve terabytes.
    let (piece, count) = (1_u64 << 27, 100_000);
    let mut torrent = format!(
        "d4:infod6:lengthi{}e4:name4:huge12:piece lengthi{piece}e6:pieces{}:",
        piece * count,
        count * 20
    )
    .into_bytes();
    torrent.resize(torrent.len() + count as usize * 20, 7);
    torrent.extend(b"ee");
    let huge = patients.folder.path().join("huge.torrent");
    std::fs::write(&huge, torrent).unwrap();
    let arguments = format!("--peer {} --timeout 2", nobody());
    patients.ask_of(huge.to_str().unwrap(), &arguments, 9, "Make room at");
    patients.assert_all_are_helped();
}

#[test]
fn a_file_for_which_get_would_not_begin_is_named_with_its_exit_code() {
    let sample = Sample::small();
    let seed = ScriptedPeer::honest(&sample);
    let mut patients = Patients::new();
    let letters = TestFolder::new();
    let folder = letters.path();
    let name = "payload.bin";
    std::fs::write(folder.join(name), "a letter").unwrap();
    let torrent = sample.write_torrent(folder);
    let output = folder.to_str().unwrap();
    let peer = seed.address().to_string();
    let mut all = vec!["doctor", &torrent, "--json", "--no-listen", "--no-dht", "--no-lan", "--timeout", "5"];
    all.extend(["-d", output, "--peer", &peer]);
    let advice = "Move away the files that are not this torrent's";
    patients.runs.push((Program::start(all), 13, advice.to_owned()));
    patients.assert_all_are_helped();
    assert_eq!(std::fs::read(folder.join(name)).unwrap(), b"a letter");
}

#[test]
fn nothing_is_kept_and_trackers_hear_of_no_completion() {
    // Of one piece, for a piece is enough.
    let sample = Sample::single(40_000, 65_536);
    let seed = ScriptedPeer::honest(&sample);
    let tracker = Tracker::start(&[seed.address()]);
    let folder = TestFolder::new();
    let (torrent, cache, output) =
        (sample.write_torrent(folder.path()), folder.path().join("cache"), folder.path().join("output"));
    fs::create_dir(&output).unwrap();
    let (url, to) = (tracker.url(), output.to_str().unwrap());
    let all = ["doctor", &torrent, "--no-lan", "--dht-node", "127.0.0.1:9", "--tracker", &url, "-d", to];
    let outcome = Program::start_with_cache(&cache, all).finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    assert!(outcome.output.contains("all of them came"), "{}", outcome.output);
    assert!(!cache.exists() && fs::read_dir(output).unwrap().next().is_none());
    let announces = tracker.announces();
    let mut events: Vec<String> = announces.iter().map(|announce| announce.get("event")).collect();
    // What is asked beside, the time and the numbers, is no announce.
    events.retain(|event| !event.is_empty());
    assert_eq!(events, ["started", "stopped"]);
}

#[test]
fn nobody_is_unchoked() {
    let sample = Sample::small();
    // It lacks a piece, so that there is time, and wants what the doctor has got.
    let greedy = ScriptedPeer::seed(&sample).speaking(MODERN).having(|piece| piece > 0).then(|talk| {
        talk.say(Message::Interested)?;
        talk.serve()
    });
    let mut patients = Patients::new();
    patients.ask(&sample, &format!("--peer {}", greedy.address()), 2, "Wait for a seed");
    patients.assert_all_are_helped();
    let said = greedy.record().said;
    assert!(!said.iter().any(|said| matches!(said, Said::Unchoke | Said::Piece(..))), "{said:?}");
}

#[test]
fn a_download_of_the_same_torrent_goes_on_and_is_named() {
    let sample = Sample::small();
    let gate = Gate::new();
    let running = ScriptedPeer::honest_after(&sample, gate);
    let folder = TestFolder::new();
    let output = folder.path().join("output").to_str().unwrap().to_owned();
    let (torrent, seed) = (sample.write_torrent(folder.path()), ScriptedPeer::honest(&sample));
    let [known, peer] = [&running, &seed].map(|peer| peer.address().to_string());
    let download = Program::start(["get", &torrent, "-o", &output, "--peer", &known, "--no-listen"]);
    running.wait_until(|record| record.connections > 0);
    let all = ["doctor", &torrent, "-d", &output, "--peer", &peer, "--json", "--no-listen"];
    let outcome = Program::start(all).finish(LIMIT);
    let said = report(&outcome.stdout_text());
    assert_eq!(outcome.code, Some(0), "{said}");
    let lock = about(&said, "folder").remove(1);
    assert!(lock.starts_with("note another process is downloading this into it (lock file "), "{lock}");
    assert!(said["advice"].as_str().unwrap().starts_with("Leave it to the other process"), "{said}");
    gate.open();
    let outcome = download.finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
}

#[test]
fn a_trial_ends_in_time_though_something_comes_again_and_again() {
    let sample = Sample::small();
    let slow = ScriptedPeer::seed(&sample).speaking(MODERN).having(|piece| piece > 0).then(|talk| {
        loop {
            let wanted = talk.next_request()?;
            std::thread::sleep(Duration::from_millis(700));
            talk.send(wanted)?;
        }
    });
    let mut patients = Patients::new();
    patients.ask(&sample, &format!("--peer {} --timeout 1", slow.address()), 2, "Have patience: data comes");
    patients.assert_all_are_helped();
    // All 28 blocks would have taken twenty seconds.
    let served = slow.record().served;
    assert!(served < 20, "{served}");
}

#[test]
fn ctrl_c_ends_it_with_what_is_known_so_far() {
    let sample = Sample::small();
    let silent = ScriptedPeer::start(&sample, Talk::hear_out);
    let folder = TestFolder::new();
    let (torrent, peer) = (sample.write_torrent(folder.path()), silent.address().to_string());
    let all = ["doctor", &torrent, "--peer", &peer, "--json", "--no-listen", "--timeout", "10m"];
    let program = Program::start(all);
    silent.wait_until(|record| record.connections > 0);
    program.terminate();
    let outcome = program.finish(LIMIT);
    let said = report(&outcome.stdout_text());
    assert_eq!(outcome.code, Some(TERMINATED), "{said}");
    assert_eq!((&said["exit_code"], about(&said, "trial")), (&7.into(), vec!["note stopped".to_owned()]));
    assert!(said["advice"].as_str().unwrap().starts_with("Run it again for longer"), "{said}");
}

#[test]
fn where_there_is_little_room_no_more_than_half_of_it_is_tried() {
    let sample = Sample::small();
    let seed = ScriptedPeer::honest(&sample);
    let folder = TestFolder::new();
    let torrent = sample.write_torrent(folder.path());
    let shell = || {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c"]).stdin(Stdio::null());
        command.current_dir(folder.path()).env("XDG_CACHE_HOME", "/dev/null");
        command
    };
    fs::create_dir(folder.path().join("out")).unwrap();
    let mount = "mount -t tmpfs -o size=1m none out || exit 99\n";
    if !shell().arg(mount).stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        return skip("this host lets no user mount a small file system");
    }
    let mut command = shell();
    command.arg(format!("{mount}exec \"$0\" doctor \"$@\"")).arg(env!("CARGO_BIN_EXE_femtotorrent"));
    command.args([&torrent, "-d", "out", "--json", "--no-dht", "--no-lan", "--no-listen"]);
    command.args(["--peer", &seed.address().to_string()]);
    let outcome = Program::launch(command).finish(LIMIT);
    let said = report(&outcome.stdout_text());
    assert!(about(&said, "folder").concat().starts_with("ok out can be written"), "{said}");
    assert_eq!(said["advice"], "Download it: a piece came and was right.");
}

#[test]
fn what_web_seeds_say_is_told() {
    let sample = Sample::small();
    let gone = WebServer::start(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    let address = format!("http://127.0.0.1:{}/x", gone.port());
    let mut patients = Patients::new();
    patients.ask(&sample, &format!("--web-seed {address}"), 2, "Look after the web seed");
    let said = patients.assert_all_are_helped();
    let web_seeds = about(&said[0], "web seed").concat();
    assert!(web_seeds.starts_with("bad ") && web_seeds.contains("does not have file 1"), "{web_seeds}");
}

#[test]
fn a_failure_is_as_the_schema_says() {
    let outcome = Program::start(["doctor", "/nowhere/x.torrent", "--json"]).finish(LIMIT);
    assert_eq!((outcome.code, &report(&outcome.stdout_text())["exit_code"]), (Some(3), &3.into()));
}
