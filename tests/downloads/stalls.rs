//! Why nothing moves: each kind of trouble, and the sentence that the user reads, word for word.
//!
//! The runs of one test go on side by side, because each has to be without progress for as long as the program waits
//! before it says why.

use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::addresses::nobody;
use crate::support::download::Download;
use crate::support::folder::TestFolder;
use crate::support::metadata::{link, magnet};
use crate::support::program::Program;
use crate::support::proxy::{Manner, Proxy};
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::skip::skip;
use crate::support::talk::{MODERN, Talk};
use crate::support::tracker::{Reply, Tracker};
use femtotorrent::swarm::RunEnd;

const PROGRAM: &str = env!("CARGO_BIN_EXE_femtotorrent");
const LIMIT: Duration = Duration::from_secs(60);

/// Downloads that come to nothing, and the sentence that each is to say.
struct Stalls {
    folder: TestFolder,
    runs: Vec<(Program, String)>,
}

impl Stalls {
    fn new() -> Stalls {
        let folder = TestFolder::new();
        Sample::small().write_torrent(folder.path());
        Stalls { folder, runs: Vec::new() }
    }

    /// Starts a download of the small sample with these arguments, separated by blanks.
    fn start(&mut self, arguments: &str, sentence: String) {
        self.start_of(&self.torrent(), arguments, sentence);
    }

    fn start_of(&mut self, source: &str, arguments: &str, sentence: String) {
        let output = self.folder.path().join(self.runs.len().to_string());
        let mut all = vec!["get", source, "-o", output.to_str().unwrap(), "--no-listen"];
        all.extend(arguments.split_whitespace());
        self.runs.push((Program::start(all), sentence));
    }

    fn torrent(&self) -> String {
        self.folder.path().join("sample.torrent").to_str().unwrap().to_owned()
    }

    fn assert_all_say_why(self) {
        for (program, sentence) in self.runs {
            program.wait_for(LIMIT, |line| line.contains(&sentence).then_some(()));
            program.terminate();
            assert!(!program.output().contains("os error"), "{}", program.output());
        }
    }
}

/// A tracker that answers everything in this way.
fn answering(reply: fn() -> Reply) -> Tracker {
    let tracker = Tracker::start(&[]);
    (0..8).for_each(|_| tracker.script(reply()));
    tracker
}

fn site(tracker: &Tracker) -> String {
    tracker.url().trim_end_matches("/announce").to_owned()
}

#[test]
fn what_is_wrong_with_a_tracker_is_told() {
    let mut stalls = Stalls::new();
    let refuses = nobody();
    stalls.start(
        &format!("--tracker http://{refuses}/announce"),
        format!("no peers: http://{refuses}: cannot be reached: connection refused"),
    );
    let missing = answering(|| Reply::Raw(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec()));
    let page = answering(|| Reply::Body(b"\n <!DOCTYPE html><title>welcome</title>".to_vec()));
    let nonsense = answering(|| Reply::Body(b"i7e".to_vec()));
    let not_http = answering(|| Reply::Raw(b"220 mail.example ESMTP\r\n\r\n".to_vec()));
    let hang_up = answering(|| Reply::Raw(Vec::new()));
    let silent = answering(|| Reply::Hang);
    let knows_nobody = Tracker::start(&[]);
    for (tracker, what) in [
        (&missing, ": answered with HTTP status 404"),
        (&page, ": sent a web page, not a tracker's answer (check the address)"),
        (&nonsense, ": sent an invalid response: not a dictionary"),
        (&not_http, ": sent an invalid response: it is not HTTP ("),
        (&hang_up, ": closed the connection without an answer"),
        (&knows_nobody, " knows no other peer of this torrent"),
    ] {
        let sentence = format!("no peers: {}{what}", site(tracker));
        stalls.start(&format!("--tracker {}", tracker.url()), sentence);
    }
    let waits = format!("no peers: waiting for {} (", site(&silent));
    stalls.start(&format!("--tracker {}", silent.url()), waits);
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let site = format!("udp://{}", silent.local_addr().unwrap());
    stalls.start(&format!("--tracker {site}/announce"), format!("no peers: waiting for {site} ("));
    // Anything that answers in the open will do.
    let plain = Proxy::start(Manner::Sending(b"HTTP/1.1 400 Bad Request\r\n\r\n"), &[]);
    let site = format!("https://{}", plain.address());
    let sentence = format!("no peers: {site}: does not speak TLS (http:// instead of https://?)");
    stalls.start(&format!("--tracker {site}/announce"), sentence);
    stalls.assert_all_say_why();
}

#[test]
fn what_keeps_peers_from_sending_is_told() {
    let mut stalls = Stalls::new();
    let sample = Sample::small();
    let (one, other) = (nobody(), nobody());
    stalls.start(
        &format!("--peer {one}"),
        format!("the only known peer cannot be reached: {one}: cannot connect: connection refused"),
    );
    stalls.start(
        &format!("--peer {one} --peer {other}"),
        "none of the 2 known peers can be reached; the last one: 127.0.0.1:".to_owned(),
    );
    let closes = ScriptedPeer::start(&sample, |talk| talk.hear_handshake().map(drop));
    stalls.start(
        &format!("--peer {}", closes.address()),
        format!(
            "the only known peer cannot be reached: {}: closed the connection (it may not have this torrent)",
            closes.address()
        ),
    );
    let chokes = ScriptedPeer::seed(&sample).speaking(MODERN).choking().then(Talk::hear_out);
    stalls.start(
        &format!("--peer {}", chokes.address()),
        "all peers choke us: they upload to others first (normal in the first minutes)".to_owned(),
    );
    let says_nothing = ScriptedPeer::start(&sample, |talk| {
        talk.greet([0; 8])?;
        talk.hear_out()
    });
    stalls.start(
        &format!("--peer {}", says_nothing.address()),
        "1 peer, and it has not said what it has".to_owned(),
    );
    let sends_nothing = ScriptedPeer::seed(&sample).speaking(MODERN).then(Talk::hear_out);
    stalls.start(
        &format!("--peer {}", sends_nothing.address()),
        "the peers do not send what we have requested".to_owned(),
    );
    let has_nothing = ScriptedPeer::seed(&sample).speaking(MODERN).having(|_| false).then(Talk::hear_out);
    stalls.start(
        &format!("--peer {}", has_nothing.address()),
        "none of the connected peers has piece ".to_owned(),
    );
    let proxy = Proxy::start(Manner::Closing, &[]);
    stalls.start(
        &format!("--peer {one} --proxy socks5h://{}", proxy.address()),
        format!(
            "the proxy {} closed the connection without an answer (is it a socks5h:// proxy?)",
            proxy.address()
        ),
    );
    stalls.assert_all_say_why();
}

#[test]
fn why_a_magnet_brings_nothing_is_told() {
    let mut stalls = Stalls::new();
    let sample = Sample::small();
    let magnet = link(&sample);
    let knows_nobody = Tracker::start(&[]);
    let hint = "knows no other peer of this torrent (check the info-hash)";
    stalls.start_of(
        &magnet,
        &format!("--tracker {}", knows_nobody.url()),
        format!("{} {hint}", site(&knows_nobody)),
    );
    let silent = answering(|| Reply::Hang);
    let waits = format!("waiting for {} (", site(&silent));
    stalls.start_of(&magnet, &format!("--tracker {}", silent.url()), waits);
    let closes = ScriptedPeer::start(&sample, |talk| talk.hear_handshake().map(drop));
    stalls.start_of(
        &magnet,
        &format!("--peer {}", closes.address()),
        format!("{}: closed the connection (it may not have this torrent)", closes.address()),
    );
    let old = ScriptedPeer::seed(&sample).speaking([0; 8]).then(Talk::hear_out);
    stalls.start_of(
        &magnet,
        &format!("--peer {}", old.address()),
        format!("{}: disconnected: it has no extension protocol and cannot send metadata", old.address()),
    );
    stalls.assert_all_say_why();
}

#[test]
fn without_any_source_of_peers_the_way_out_is_told_at_once() {
    for (sample, words) in [
        (
            Sample::small(),
            "no way to find peers: the torrent has no usable tracker and the DHT is off (leave out",
        ),
        (
            Sample::small().private(),
            "no way to find peers: the torrent is private and has no usable tracker (name a peer with --peer",
        ),
    ] {
        let folder = TestFolder::new();
        let torrent = sample.write_torrent(folder.path());
        let output = folder.path().join("out");
        let outcome = Program::start(["get", &torrent, "-o", output.to_str().unwrap()]).finish(LIMIT);
        assert_eq!(outcome.code, Some(6), "{}", outcome.output);
        assert!(outcome.output.contains(words), "{}", outcome.output);
    }
}

#[test]
fn a_run_that_times_out_early_ends_with_the_reason() {
    let sample = Sample::small();
    let has_nothing = || ScriptedPeer::seed(&sample).speaking(MODERN).having(|_| false).then(Talk::hear_out);
    for by_link in [false, true] {
        let peer = has_nothing();
        let download = Download::with(&sample, &[&peer], TestFolder::new(), |job| {
            job.limits.timeout = Some(Duration::from_secs(4));
            if by_link {
                job.torrent = magnet(&link(&sample));
            }
        });
        let outcome = download.end().unwrap();
        assert_eq!(outcome.end, RunEnd::TimedOut);
        let said = outcome.snapshot.stall.unwrap().to_string();
        let expected = match by_link {
            true => "1 peer, and it has not sent the metadata",
            false => "none of the connected peers has piece ",
        };
        assert!(said.starts_with(expected), "{said}");
    }
}

/// Makes a network that leads nowhere: one end of its only cable asks nobody for hardware addresses, and
/// nobody listens at the other, so what is sent is swallowed.
const VOID: &str = r#"
ip link set lo up && ip link add void type veth peer name nowhere &&
ip address add 198.51.100.1/24 dev void && ip link set void arp off up && ip link set nowhere up || exit 99
"#;

/// Runs femtotorrent, after [`VOID`].
const GET: &str = r#"exec "$0" get "$@" --no-listen --no-lan"#;

#[test]
fn where_nothing_comes_back_the_name_server_and_a_firewall_are_named() {
    let unshared = || {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--net", "sh", "-c"]).stdin(Stdio::null());
        command.env("XDG_CACHE_HOME", "/dev/null");
        command
    };
    if !unshared().arg(VOID).stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        return skip("this host lets no user have a network of its own");
    }
    let mut stalls = Stalls::new();
    let torrent = stalls.torrent();
    let output = stalls.folder.path().join("out");
    let magnet = link(&Sample::small());
    let unresolved = "no name server answers (is the network up?)";
    for (source, arguments, sentence) in [
        (&magnet, "", format!(": {unresolved}")),
        (
            &torrent,
            "--no-dht --tracker http://tracker.example:1/announce",
            format!("no peers: http://tracker.example:1: cannot look up its name: {unresolved}"),
        ),
        (
            &torrent,
            "--no-dht --tracker udp://tracker.example:1/announce",
            format!("no peers: udp://tracker.example:1: cannot look up its name: {unresolved}"),
        ),
        (
            &torrent,
            "--no-dht --peer 198.51.100.7:6881",
            "the only known peer cannot be reached: 198.51.100.7:6881: no connection in time (firewall?)"
                .to_owned(),
        ),
    ] {
        let mut command = unshared();
        let output = output.join(stalls.runs.len().to_string());
        command.arg(format!("{VOID}{GET}")).arg(PROGRAM).arg(source).arg("-o").arg(output);
        command.args(arguments.split_whitespace());
        stalls.runs.push((Program::launch(command), sentence));
    }
    stalls.assert_all_say_why();
}
