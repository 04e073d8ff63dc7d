//! `get --trace` and `-vv`: what is seen of real conversations, and that nothing of it is on standard output.

use std::fs;
use std::time::Duration;

use femtotorrent::wire::Message;
use serde_json::Value;

use crate::support::addresses::nobody;
use crate::support::folder::TestFolder;
use crate::support::gate::Gate;
use crate::support::instance::Instance;
use crate::support::program::Program;
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::talk::MODERN;
use crate::support::tracker::Tracker;
use crate::support::udp_tracker::UdpTracker;
use crate::support::web_server::WebServer;

const LIMIT: Duration = Duration::from_secs(120);

/// The lines of a trace, of messages with this name.
fn named<'a>(lines: &'a [Value], name: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["message"] == name).collect()
}

fn read(path: &std::path::Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

#[test]
fn a_download_is_told_message_for_message_and_nowhere_on_standard_output() {
    let sample = Sample::small();
    let peer = ScriptedPeer::seed(&sample).speaking(MODERN).then(|talk| talk.serve());
    let tracker = Tracker::start(&[peer.address()]);
    let (folder, traces) = (TestFolder::new(), TestFolder::new());
    let url = format!("{}?passkey=geheim", tracker.url());
    let torrent = sample.clone().with_tracker(&url).write_torrent(folder.path());
    let trace = traces.path().join("a.jsonl");
    let (output, path) = (folder.path().to_str().unwrap(), trace.to_str().unwrap());
    let arguments = ["get", &torrent, "-o", output, "--no-listen", "--stdout", "-vv", "--trace", path];
    // Nothing else may be on standard output.
    let arguments = arguments.iter().filter(|word| **word != "-o" && **word != output);
    let outcome = Program::start(arguments).finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    assert!(outcome.stdout == sample.payload, "standard output has the payload and nothing else");

    let lines = read(&trace);
    let announces = named(&lines, "announce");
    assert!(announces[0]["meaning"].as_str().unwrap().starts_with("started; "), "{announces:?}");
    assert!(named(&lines, "answer")[0]["meaning"].as_str().unwrap().starts_with("1 peers; "));
    assert!(!outcome.output.contains("geheim") && !fs::read_to_string(&trace).unwrap().contains("geheim"));

    assert_eq!(named(&lines, "handshake").len(), 2);
    let blocks = sample.payload.len().div_ceil(16_384);
    let (requests, pieces) = (named(&lines, "request"), named(&lines, "piece"));
    assert_eq!((requests.len(), pieces.len()), (blocks, blocks));
    assert!(
        requests
            .iter()
            .all(|line| line["direction"] == "out" && line["why"].as_str().unwrap().contains("pipeline"))
    );
    assert!(pieces.iter().all(|line| line["direction"] == "in" && line.get("why").is_none()));
    let bytes: u64 = pieces.iter().map(|line| line["length"].as_u64().unwrap() - 13).sum();
    assert_eq!(bytes, sample.payload.len() as u64);
    let interested = named(&lines, "interested")[0]["why"].as_str().unwrap();
    assert!(
        interested.starts_with("it has ") && interested.ends_with(" pieces that we lack"),
        "{interested}"
    );
    // For people, the same on standard error.
    let told =
        outcome.output.lines().filter(|line| line.contains(" -> us ") && line.contains(" piece ")).count();
    assert_eq!(told, blocks, "{}", outcome.output);
}

#[test]
fn a_trace_may_go_to_standard_output_where_nothing_else_does() {
    let (sample, folder) = (Sample::small(), TestFolder::new());
    let peer = ScriptedPeer::seed(&sample).speaking(MODERN).then(|talk| talk.serve());
    let torrent = sample.write_torrent(folder.path());
    let (output, peer) = (folder.path().to_str().unwrap(), peer.address().to_string());
    let arguments = ["get", &torrent, "--no-listen", "--peer", &peer, "--trace", "-"];
    let run = |more: &[&str]| Program::start([&arguments, more].concat()).finish(LIMIT);
    for (more, other) in [
        (&["-o", output, "--json"][..], "the trace and --json"),
        (&["-o", output, "--pcap", "-"], "the capture and the trace"),
        (&["--stdout"], "the trace and --stdout"),
    ] {
        let outcome = run(more);
        assert_eq!(outcome.code, Some(28), "{}", outcome.output);
        let sentence = format!("{other} cannot both go to standard output");
        assert!(outcome.output.contains(&sentence), "{}", outcome.output);
    }
    let outcome = run(&["-o", output]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    let lines = String::from_utf8(outcome.stdout).unwrap();
    let blocks = lines.lines().filter(|line| line.contains(" -> us ") && line.contains(" piece ")).count();
    assert_eq!(blocks, sample.payload.len().div_ceil(16_384), "{lines}");
    let has_time = |line: &str| line.split(' ').next().is_some_and(|time| time.parse::<f64>().is_ok());
    assert!(lines.lines().all(has_time), "{lines}");
}

#[test]
fn where_a_peer_breaks_a_rule_the_end_of_its_connection_says_which() {
    let (sample, folder, traces) = (Sample::small(), TestFolder::new(), TestFolder::new());
    let over = Gate::new();
    let wrong = ScriptedPeer::seed(&sample).speaking(MODERN).then(move |talk| {
        talk.say(Message::Have(u32::MAX))?;
        talk.wait_for_end();
        over.open();
        Ok(())
    });
    let honest = ScriptedPeer::honest_after(&sample, over);
    let torrent = folder.path().join(sample.write_torrent(folder.path()));
    let trace = traces.path().join("a.jsonl");
    let (wrong, honest) = (wrong.address().to_string(), honest.address().to_string());
    let arguments = ["--no-listen", "--peer", &wrong, "--peer", &honest, "--trace", trace.to_str().unwrap()];
    let output = TestFolder::new();
    let outcome = Instance::get(&torrent, output.path(), &arguments).program.finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    let lines = read(&trace);
    let ends = named(&lines, "end");
    let of_wrong: Vec<&&Value> = ends.iter().filter(|line| line["peer"] == *wrong).collect();
    assert_eq!(of_wrong.len(), 1, "{ends:?}");
    assert_eq!(of_wrong[0]["meaning"], "we hang up: it sent a piece number out of range");
}

#[test]
fn what_goes_encrypted_or_straight_from_a_file_is_seen_by_both_ends_alike() {
    let (sample, folder, traces) = (Sample::small(), TestFolder::new(), TestFolder::new());
    let torrent = folder.path().join(sample.write_torrent(folder.path()));
    sample.write_payload(folder.path());
    for (encryption, exchanges) in [("off", 0), ("require", 1)] {
        let path = |who: &str| traces.path().join(format!("{who}-{encryption}.jsonl"));
        let (ours, theirs) = (path("get"), path("seed"));
        let arguments = ["--encryption", encryption, "--trace", theirs.to_str().unwrap()];
        let (seed, address) = Instance::seed(&torrent, folder.path(), &arguments);
        let (output, peer) = (TestFolder::new(), address.to_string());
        let arguments =
            ["--no-listen", "--peer", &peer, "--encryption", encryption, "--trace", ours.to_str().unwrap()];
        let outcome = Instance::get(&torrent, output.path(), &arguments).program.finish(LIMIT);
        assert_eq!(outcome.code, Some(0), "{}", outcome.output);
        seed.stop();
        let (ours, theirs) = (read(&ours), read(&theirs));
        for lines in [&ours, &theirs] {
            assert_eq!(named(lines, "key exchange").len(), exchanges, "{lines:#?}");
            assert_eq!(named(lines, "handshake").len(), 2);
        }
        // What came last may be on its way still when the connection ends.
        let sent = |lines: &[Value], way: &str| -> Vec<Value> {
            let said =
                lines.iter().filter(|line| line["direction"] == way && line["message"] != "not interested");
            said.map(|line| line["bytes"].clone()).collect()
        };
        let (asked, heard) = (sent(&ours, "out"), sent(&theirs, "in"));
        assert!(
            !asked.is_empty() && asked.iter().filter(|it| !heard.contains(it)).count() <= 1,
            "{asked:?} {heard:?}"
        );
        let (got, gave) = (sent(&ours, "in"), sent(&theirs, "out"));
        assert!(got.iter().all(|line| gave.contains(line)), "{got:?} {gave:?}");
        assert!(named(&theirs, "piece").iter().all(|line| line["length"].as_u64() > Some(13)));
        assert!(named(&theirs, "unchoke")[0]["why"].is_string());
        // Whatever is said to a peer has a reason.
        for line in ours.iter().chain(&theirs) {
            let is_said = line["direction"] == "out" && line["bytes"].is_string();
            assert!(!is_said || line["why"].is_string(), "{line}");
        }
    }
}

#[test]
fn what_goes_to_servers_and_attempts_that_fail_are_seen_and_no_secret_of_an_address() {
    let dead = nobody();
    let sample = Sample::small();
    let peers: Vec<u8> = [127, 0, 0, 1].into_iter().chain(dead.port().to_be_bytes()).collect();
    let tracker = UdpTracker::start([127, 0, 0, 1].into(), &peers);
    let http = Tracker::start(&[]);
    let server = WebServer::start_file(&sample.payload);
    let (folder, traces) = (TestFolder::new(), TestFolder::new());
    let torrent = sample.clone().with_tracker(&tracker.url()).write_torrent(folder.path());
    let output = folder.path().join("out").display().to_string();
    let web = format!("http://me:secret@127.0.0.1:{}/secret/", server.port());
    let trace = traces.path().join("a.jsonl");
    let also = format!("{}?passkey=secret", http.url());
    let arguments = ["get", &torrent, "-o", &output, "--no-listen", "-vv", "--tracker", &also];
    // The web seed comes last, so that the download does not end before the attempt has.
    let program = Program::start(arguments.iter().chain(&["--trace", trace.to_str().unwrap()]));
    program.wait_for(LIMIT, |output| output.contains("not connected").then_some(()));
    program.terminate();
    let outcome = program.finish(LIMIT);
    let lines = read(&trace);
    let text = fs::read_to_string(&trace).unwrap();
    assert!(!text.contains("secret") && !outcome.output.contains("secret"), "{}", outcome.output);
    for name in ["udp connect", "udp announce"] {
        let said = named(&lines, name);
        assert_eq!((&said[0]["direction"], &said[1]["direction"]), (&"out".into(), &"in".into()), "{text}");
        assert!(said.iter().all(|line| line["bytes"].is_string()));
    }
    assert!(named(&lines, "udp announce")[1]["meaning"].as_str().unwrap().starts_with("1 peers; "));
    let attempt = named(&lines, "connecting")[0];
    assert_eq!(attempt["peer"], dead.to_string().as_str());
    assert!(attempt["why"].as_str().unwrap().starts_with("a tracker named it; "), "{attempt}");
    let failed = named(&lines, "not connected")[0];
    assert_eq!(failed["peer"], dead.to_string().as_str());
    assert!(failed["meaning"].as_str().unwrap().contains("refused"), "{failed}");

    let trace = traces.path().join("b.jsonl");
    let arguments = ["get", &torrent, "-o", &output, "--no-listen", "--web-seed", &web, "--trace"];
    let outcome = Program::start(arguments.iter().chain(&[trace.to_str().unwrap()])).finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    let (lines, text) = (read(&trace), fs::read_to_string(&trace).unwrap());
    assert!(!text.contains("secret"), "{text}");
    let asked = named(&lines, "request");
    assert_eq!(asked[0]["peer"], format!("web seed 127.0.0.1:{}", server.port()).as_str());
    assert!(asked[0]["meaning"].as_str().unwrap().starts_with("GET of payload.bin, bytes=0-"), "{text}");
    let from_web = |line: &&&Value| line["peer"] == asked[0]["peer"];
    let answers = named(&lines, "answer");
    let answer = answers.iter().find(from_web).unwrap();
    assert!(answer["meaning"].as_str().unwrap().starts_with("status 206; bytes 0-"), "{answer}");
}

#[test]
fn a_trace_takes_the_place_of_no_file_and_a_folder_that_is_not_there_is_told_at_once() {
    let (sample, folder) = (Sample::small(), TestFolder::new());
    let torrent = sample.write_torrent(folder.path());
    let taken = folder.path().join("taken");
    fs::write(&taken, b"mine").unwrap();
    let run = |trace: &str| {
        Program::start(["get", &torrent, "-o", folder.path().to_str().unwrap(), "--trace", trace])
            .finish(LIMIT)
    };
    let outcome = run(taken.to_str().unwrap());
    assert_eq!(outcome.code, Some(13), "{}", outcome.output);
    assert!(outcome.output.contains("it exists (remove it, or name another file)"), "{}", outcome.output);
    assert_eq!(fs::read(&taken).unwrap(), b"mine");
    let outcome = run(folder.path().join("no/such").to_str().unwrap());
    assert_eq!(outcome.code, Some(16), "{}", outcome.output);
    assert!(outcome.output.contains("cannot create "), "{}", outcome.output);
}
