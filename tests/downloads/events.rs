//! `get --json` and `seed --json`: every line is as `docs/events.schema.json` says, in real runs of all sorts, and
//! everything that stands there is said in one of them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::folder::TestFolder;
use crate::support::gate::Gate;
use crate::support::instance::Instance;
use crate::support::json_schema::Schema;
use crate::support::metadata;
use crate::support::program::{Outcome, Program};
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::talk::{MODERN, Talk};
use crate::support::tracker::{Reply, Tracker};
use crate::support::web_server::WebServer;
use femtotorrent::wire::Message;

const LIMIT: Duration = Duration::from_secs(120);
const PROGRAM: &str = env!("CARGO_BIN_EXE_femtotorrent");

/// The events of a run that has ended: the first is the start, the last the end, whose exit code is that of the process,
/// or 7 where that died of a signal.
fn events(outcome: &Outcome) -> Vec<Value> {
    let printed = outcome.stdout_text();
    let lines = printed.lines();
    let events: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect();
    assert!(printed.starts_with("{\"event\":\"start\",\"format\":1,"), "{}", outcome.output);
    let last = events.last().unwrap();
    assert_eq!(
        (&last["event"], last["exit_code"].as_i64()),
        (&"end".into(), outcome.code.map(|code| if code > 128 { 7 } else { code.into() }))
    );
    let times: Vec<f64> = events.iter().map(|event| event["time"].as_f64().unwrap()).collect();
    assert!(times.iter().all(|time| *time < LIMIT.as_secs_f64()), "{times:?}");
    assert_eq!(events.iter().filter(|event| event["event"] == "start" || event["event"] == "end").count(), 2);
    events
}

fn get(arguments: &[&str]) -> Outcome {
    start(arguments).finish(LIMIT)
}

fn start(arguments: &[&str]) -> Program {
    Program::start(["get", "--json"].iter().chain(arguments))
}

/// Those events that have these entries.
fn with<'a>(events: &'a [Value], entries: &[(&str, &str)]) -> Vec<&'a Value> {
    events.iter().filter(|event| entries.iter().all(|(key, value)| event[*key] == **value)).collect()
}

/// Puts a sample's torrent into a folder, and returns its path.
fn torrent(sample: &Sample, folder: &TestFolder) -> String {
    sample.write_torrent(folder.path())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A download from a tracker's peers, one of which lies. Another tracker is dead.
fn from_a_tracker() -> Vec<Value> {
    let sample = Sample::small();
    let liar = ScriptedPeer::seed(&sample).speaking(MODERN).then(|talk| {
        let wanted = talk.next_requests(4)?;
        wanted.into_iter().try_for_each(|block| talk.send_wrong(block))?;
        talk.hear_out()
    });
    let tracker = Tracker::start(&[liar.address()]);
    let refusing = Tracker::start(&[]);
    refusing.script(Reply::Body(b"d14:failure reason11:not\x1b[2J heree".to_vec()));
    let folder = TestFolder::new();
    let torrent = torrent(&sample.clone().with_tracker(&tracker.url()), &folder);
    let program = start(&[&torrent, "-o", text(folder.path()), "--tracker", &refusing.url(), "--no-listen"]);
    program.wait_for(LIMIT, |line| line.contains("\"reason\":\"wrong-data\"").then_some(()));
    let refused = ["\"event\":\"tracker\"", "\"sentence\":"];
    program.wait_for(LIMIT, |line| refused.iter().all(|part| line.contains(part)).then_some(()));
    program.terminate();
    let outcome = program.finish(LIMIT);
    let events = events(&outcome);
    let wrong = with(&events, &[("event", "peer"), ("state", "gone"), ("reason", "wrong-data")]);
    assert_eq!(
        (wrong[0]["address"].as_str(), &wrong[0]["source"]),
        (Some(&*liar.address().to_string()), &"tracker".into())
    );
    let said = with(&events, &[("event", "tracker")]);
    let answered = said.iter().find(|event| event["peers"] == 1).unwrap();
    assert!(tracker.url().starts_with(answered["tracker"].as_str().unwrap()) && answered["next"].is_number());
    let refused = said.iter().find(|event| event.get("sentence").is_some()).unwrap();
    assert!(refused["sentence"].as_str().unwrap().contains("not"), "{refused}");
    assert!(!outcome.stdout_text().contains('\x1b'));
    assert_eq!(with(&events, &[("event", "finished"), ("outcome", "stopped")])[0]["exit_code"], 7);
    events
}

/// Another program of ours seeds, and this one gets a torrent whose name is no UTF-8.
fn from_a_seed() -> Vec<Value> {
    let mut sample = Sample::named("cafe", 8 * 65_536, 65_536);
    let at = sample.torrent.windows(6).position(|bytes| bytes == b"4:cafe").unwrap();
    sample.torrent[at + 5] = 0xe9;
    let (folder, output) = (TestFolder::new(), TestFolder::new());
    fs::write(folder.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9")), &sample.payload).unwrap();
    // `cafe` with a wrong last byte is another name.
    let at_name = sample.torrent.windows(6).position(|bytes| bytes == b"4:caf\xe9");
    assert_eq!(at_name, Some(at));
    let torrent = folder.path().join("x.torrent");
    fs::write(&torrent, &sample.torrent).unwrap();
    let (seed, address) = Instance::seed(&torrent, folder.path(), &["--json"]);
    let outcome = get(&[text(&torrent), "-o", text(output.path()), "--peer", &address.to_string()]);
    let got = events(&outcome);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    assert_eq!(with(&got, &[("event", "piece"), ("state", "stored")]).len(), 8);
    let finished = with(&got, &[("event", "finished"), ("outcome", "done")])[0];
    let name = finished["path_hex"].as_str().unwrap();
    assert!(name.ends_with("2f636166e9") && finished["path"].as_str().unwrap().ends_with("caf\u{fffd}"));
    assert_eq!((&finished["received"], &finished["done"]), (&524_288.into(), &524_288.into()));
    assert_eq!(with(&got, &[("event", "peer"), ("state", "connected"), ("client", "-FM0100-")]).len(), 1);
    assert_eq!(with(&got, &[("event", "peer"), ("state", "gone"), ("reason", "run-ended")]).len(), 1);
    seed.program.wait_for(LIMIT, |line| line.contains("\"phase\":\"seeding\"").then_some(()));
    let seeded = events(&seed.stop());
    assert_eq!(seeded[0]["command"], "seed");
    let port = u64::from(address.port());
    assert_eq!(with(&seeded, &[("event", "seeding")])[0]["port"], port);
    assert_eq!(with(&seeded, &[("event", "peer"), ("state", "connected"), ("direction", "in")]).len(), 1);
    [got, seeded].concat()
}

/// A magnet whose tracker names a dead peer first. The link's own name attacks a terminal.
fn by_link() -> Vec<Value> {
    let sample = metadata::with_long_metadata();
    let gate = Gate::new();
    let peer = metadata::whole_at("127.0.0.1", &sample, move |_| gate.pass());
    let output = TestFolder::new();
    let link = format!("{}&dn=a%1b%5b2J%e2%80%ae", metadata::link(&sample));
    let program = start(&[
        &link,
        "-o",
        text(output.path()),
        "--peer",
        "127.0.0.1:9",
        "--peer",
        &peer.address().to_string(),
    ]);
    program.wait_for(LIMIT, |line| {
        (line.contains("\"phase\":\"metadata\"") && line.contains("\"trouble\"")).then_some(())
    });
    gate.open();
    let outcome = program.finish(LIMIT);
    let events = events(&outcome);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    let named = with(&events, &[("event", "torrent")])[0];
    assert_eq!(
        named["name"].as_str().unwrap().chars().filter(|letter| *letter == '\u{fffd}').count(),
        2,
        "{named}"
    );
    assert_eq!(with(&events, &[("event", "metadata")])[0]["pieces"], 7_000);
    assert_eq!(with(&events, &[("event", "peer"), ("reason", "handed-over")]).len(), 1);
    let refused = with(&events, &[("event", "peer"), ("state", "failed"), ("reason", "unreachable")]);
    assert_eq!(refused[0]["address"], "127.0.0.1:9");
    events
}

/// What cannot begin, or fails at the disk, or is no option.
fn failures() -> Vec<Value> {
    let sample = Sample::small();
    let folder = TestFolder::new();
    let torrent = torrent(&sample, &folder);
    fs::write(folder.path().join("payload.bin"), b"mine").unwrap();
    let list = folder.path().join("list");
    fs::write(&list, format!("/nonexistent/a.torrent\n{torrent}\n")).unwrap();
    let outcome =
        get(&["-i", text(&list), "-o", text(folder.path()), "--no-listen", "--peer", "127.0.0.1:9"]);
    let exists = events(&outcome);
    assert_eq!(outcome.code, Some(3));
    let error = with(&exists, &[("event", "error"), ("source", "/nonexistent/a.torrent")])[0];
    assert!(error["sentence"].as_str().unwrap().starts_with(&format!("{}:1: ", text(&list))), "{error}");
    let finished = with(&exists, &[("event", "finished"), ("outcome", "failed")])[0];
    assert!(finished["exit_code"] == 13 && finished["sentence"].is_string(), "{finished}");
    // Nobody has counted what is there.
    assert!(
        ["done", "total", "left", "received"].iter().all(|name| finished.get(name).is_none()),
        "{finished}"
    );

    let outcome = get(&["/nonexistent/a.torrent"]);
    let missing = events(&outcome);
    assert_eq!(
        missing.iter().map(|event| event["event"].as_str().unwrap()).collect::<Vec<_>>(),
        ["start", "error", "end"]
    );
    let outcome = get(&[&torrent, "--no-such-option"]);
    let bad = events(&outcome);
    assert_eq!((outcome.code, bad.len()), (Some(28), 3));
    assert!(
        bad[1]["sentence"].as_str().unwrap().contains("--no-such-option") && bad[1].get("source").is_none()
    );
    [exists, missing, bad, gives_up(&torrent, &folder)].concat()
}

/// A run and a search for metadata that `--timeout` ends before a stall is told while they run.
fn gives_up(torrent: &str, folder: &TestFolder) -> Vec<Value> {
    let output = folder.path().join("nothing");
    let of = |source: &str| {
        let nobody = ["--peer", "127.0.0.1:9", "--no-listen", "--timeout", "2"];
        let outcome = get(&[&[source, "-o", text(&output)], &nobody[..]].concat());
        let events = events(&outcome);
        let stalls = with(&events, &[("event", "stall")]);
        assert_eq!((outcome.code, stalls.len()), (Some(2), 1), "{}", outcome.output);
        assert_eq!((&stalls[0]["state"], &stalls[0]["reason"]), (&"begun".into(), &"unreachable".into()));
        let finished = with(&events, &[("event", "finished"), ("outcome", "timed-out")])[0];
        assert_eq!(finished["sentence"], stalls[0]["sentence"], "{finished}");
        events
    };
    [of(torrent), of(&metadata::hex(Sample::small().info_hash()))].concat()
}

/// The program of the user runs when a torrent is complete, and fails.
fn with_programs() -> Vec<Value> {
    let sample = Sample::small();
    let seed = ScriptedPeer::honest(&sample);
    let peer = seed.address().to_string();
    let run = |program: &str| {
        let folder = TestFolder::new();
        let torrent = torrent(&sample, &folder);
        let outcome = get(&[
            &torrent,
            "-o",
            text(folder.path()),
            "--no-listen",
            "--peer",
            &peer,
            "--on-complete",
            program,
        ]);
        assert_eq!(outcome.code, Some(0), "{}", outcome.output);
        events(&outcome)
    };
    let (done, failed) = (run("true"), run("false"));
    let told = with(&done, &[("event", "on-complete"), ("state", "done")])[0];
    assert!(told["torrent"] == 1 && told["program"].as_str().unwrap().ends_with("/true"), "{told}");
    let told = with(&failed, &[("event", "on-complete"), ("state", "failed")])[0];
    let sentence = told["sentence"].as_str().unwrap();
    assert!(sentence.contains("/false (--on-complete) failed (exit status: 1)"), "{sentence}");
    [done, failed].concat()
}

/// A peer that chokes us for more than ten seconds.
fn stalled() -> Vec<Value> {
    let sample = Sample::small();
    let gate = Gate::new();
    let peer = ScriptedPeer::seed(&sample).speaking(MODERN).choking().then(move |talk| {
        gate.pass()?;
        talk.say(Message::Unchoke)?;
        talk.serve_next(8)?;
        thread::sleep(Duration::from_millis(1500));
        talk.serve()
    });
    let folder = TestFolder::new();
    let torrent = torrent(&sample, &folder);
    let program =
        start(&[&torrent, "-o", text(folder.path()), "--no-listen", "--peer", &peer.address().to_string()]);
    program.wait_for(LIMIT, |line| line.contains("\"event\":\"stall\"").then_some(()));
    gate.open();
    let events = events(&program.finish(LIMIT));
    let stalls = with(&events, &[("event", "stall")]);
    assert_eq!(stalls.len(), 2, "{stalls:#?}");
    assert_eq!((&stalls[0]["state"], &stalls[0]["reason"]), (&"begun".into(), &"all-choke".into()));
    assert_eq!((&stalls[1]["state"], &stalls[1]["reason"]), (&"over".into(), &"all-choke".into()));
    // At most one a second, and none without a change.
    let progress = with(&events, &[("event", "progress"), ("phase", "downloading")]);
    let times: Vec<f64> = progress.iter().map(|event| event["time"].as_f64().unwrap()).collect();
    assert!(times.windows(2).all(|two| two[1] - two[0] > 0.9), "{times:?}");
    assert!(progress.windows(2).all(|two| two[0]["done"] != two[1]["done"] || two[0] != two[1]));
    assert!(progress.len() < 8, "{progress:#?}");
    events
}

/// A web seed that gives one part, and then goes away.
fn from_the_web() -> Vec<Value> {
    let sample = Sample::small();
    let server =
        WebServer::start(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let folder = TestFolder::new();
    let torrent = torrent(&sample, &folder);
    let address = format!("http://127.0.0.1:{}/", server.port());
    let program = start(&[&torrent, "-o", text(folder.path()), "--no-listen", "--web-seed", &address]);
    program.wait_for(LIMIT, |line| {
        (line.contains("\"event\":\"web-seed\"") && line.contains("\"gone\"")).then_some(())
    });
    program.terminate();
    let events = events(&program.finish(LIMIT));
    let seeds = with(&events, &[("event", "web-seed")]);
    assert_eq!(seeds[0]["host"], format!("127.0.0.1:{}", server.port()));
    events
}

/// A torrent of version 2, which nobody has.
fn of_version_two() -> Vec<Value> {
    let sample = Sample::of_version_two(100_000);
    let (folder, output) = (TestFolder::new(), TestFolder::new());
    let torrent = torrent(&sample, &folder);
    let arguments = ["--no-listen", "--peer", "127.0.0.1:1", "--timeout", "1"];
    let events = events(&get(&[&[&*torrent, "-o", text(output.path())], &arguments[..]].concat()));
    let metadata = with(&events, &[("event", "metadata")])[0];
    let whole = sample.metainfo().info_hash_v2.unwrap().to_string();
    assert_eq!(
        (&metadata["info_hash_v2"], &metadata["info_hash"]),
        (&whole.as_str().into(), &whole[..40].into())
    );
    events
}

/// More torrents than there is room for.
fn several() -> Vec<Value> {
    let folder = TestFolder::new();
    let samples: Vec<Sample> =
        (0..12).map(|number| Sample::named(&format!("p{number:02}"), 200_000, 32_768)).collect();
    let peers: Vec<ScriptedPeer> = samples.iter().map(ScriptedPeer::honest).collect();
    let script = "ulimit -n 64 && exec \"$0\" \"$@\" --no-dht --no-lan --no-listen --json";
    let mut command = Command::new("sh");
    command
        .args(["-c", script, PROGRAM, "get", "-o", text(folder.path())])
        .env("XDG_CACHE_HOME", "/dev/null");
    for sample in &samples {
        let path = folder.path().join(format!("{}.torrent", sample.name()));
        fs::write(&path, &sample.torrent).unwrap();
        command.arg(path);
    }
    command.args(peers.iter().flat_map(|peer| ["--peer".to_owned(), peer.address().to_string()]));
    let outcome = Program::launch(command).finish(LIMIT);
    let events = events(&outcome);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    assert!(!with(&events, &[("event", "progress"), ("phase", "queued")]).is_empty());
    for (number, sample) in (1_u64..).zip(&samples) {
        let hash = metadata::hex(sample.info_hash());
        let own: Vec<&Value> = events.iter().filter(|event| event["torrent"] == number).collect();
        assert!(own.len() > 8 && own.iter().all(|event| event["info_hash"] == *hash), "{own:#?}");
        assert_eq!(own.iter().filter(|event| event["event"] == "finished").count(), 1);
        assert_eq!(own.last().unwrap()["event"], "finished");
    }
    events
}

/// A download from this peer alone, whose streams are the caller's.
fn from_one_peer(torrent: &str, output: &Path, peer: SocketAddr) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["get", "--json", "--no-dht", "--no-lan", "--no-listen", torrent, "-o", text(output)]);
    command.args(["--peer", &peer.to_string()]);
    command.env("XDG_CACHE_HOME", "/dev/null").env("XDG_CONFIG_HOME", "/dev/null");
    command
}

/// Nobody reads until the download is over, which does not wait for that.
fn unread() -> Vec<Value> {
    let sample = Sample::single(24_000 * 16, 16);
    let peer = ScriptedPeer::honest(&sample);
    let (folder, output) = (TestFolder::new(), TestFolder::new());
    let torrent = torrent(&sample, &folder);
    let mut command = from_one_peer(&torrent, output.path(), peer.address());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let told = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(told.map(Result::unwrap).any(|line| line.contains("done")));
    sample.assert_downloaded(output.path());
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    let code = child.wait().unwrap().code();
    let events = events(&Outcome { code, output: stdout.clone(), stdout: stdout.into_bytes() });
    let lost: u64 =
        with(&events, &[("event", "lost")]).iter().map(|event| event["count"].as_u64().unwrap()).sum();
    let pieces = with(&events, &[("event", "piece")]).len() as u64;
    let others = 200;
    assert!(lost > 0 && (24_000 - others..=24_000 + others).contains(&(lost + pieces)), "{lost} {pieces}");
    assert_eq!(with(&events, &[("event", "finished"), ("outcome", "done")]).len(), 1);
    events
}

#[test]
fn every_event_is_as_the_schema_says_and_every_entry_of_the_schema_is_said() {
    let schema = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/events.schema.json")).unwrap();
    let schema = Schema::parse(&schema);
    let runs = [
        from_a_tracker,
        from_a_seed,
        by_link,
        failures,
        with_programs,
        stalled,
        from_the_web,
        several,
        of_version_two,
        unread,
    ];
    let runs = runs.map(thread::spawn).map(thread::JoinHandle::join).map(|run| run.expect("a run as above"));
    let mut said = BTreeSet::new();
    for event in runs.iter().flatten() {
        said.extend(schema.check(event).unwrap_or_else(|fault| panic!("{fault}")));
    }
    let unsaid: Vec<String> = schema.all().difference(&said).cloned().collect();
    assert!(unsaid.is_empty(), "no run says {unsaid:?}");
}

/// A download of which nobody reads more than this says.
fn download_into(stdout: impl FnOnce(&mut Command) -> Option<File>) -> (Option<i32>, String) {
    let sample = Sample::small();
    let gate = Gate::new();
    let peer = ScriptedPeer::seed(&sample).speaking(MODERN).then(move |talk: &mut Talk| {
        talk.serve_next(1)?;
        gate.pass()?;
        talk.serve()
    });
    let (folder, output) = (TestFolder::new(), TestFolder::new());
    let torrent = torrent(&sample, &folder);
    let mut command = from_one_peer(&torrent, output.path(), peer.address());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let file = stdout(&mut command);
    let mut child = command.spawn().unwrap();
    if file.is_none() {
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        assert!(first.contains("\"start\""), "{first}");
    }
    gate.open();
    let ended = child.wait_with_output().unwrap();
    sample.assert_downloaded(output.path());
    (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
}

#[test]
fn a_reader_that_goes_away_does_not_end_the_download() {
    let (code, said) = download_into(|_| None);
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("events"), "{said}");
}

#[test]
fn where_events_cannot_be_written_the_download_goes_on_and_the_exit_code_says_so() {
    let (code, said) = download_into(|command| {
        let full = File::options().write(true).open("/dev/full").unwrap();
        command.stdout(full.try_clone().unwrap());
        Some(full)
    });
    assert_eq!(code, Some(17), "{said}");
    assert!(said.contains("cannot write the events to standard output"), "{said}");
}
