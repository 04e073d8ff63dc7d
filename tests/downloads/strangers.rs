//! Where strangers may send the program, and what of them, and of the user's passwords, is printed.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::folder::TestFolder;
use crate::support::program::{Outcome, Program};
use crate::support::sample::Sample;
use crate::support::tracker::{Reply, Tracker};
use crate::support::web_server::WebServer;

const LIMIT: Duration = Duration::from_secs(60);
const KEY: &str = "0123456789abcdef0123456789abcdef";

fn show(arguments: &[&str]) -> Outcome {
    Program::start([&["show"], arguments].concat()).finish(LIMIT)
}

/// An answer that sends us elsewhere.
fn moved(location: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .into()
}

/// A port of loopback at which nothing should be heard.
fn victim() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn heard_nothing(victim: &TcpListener) -> bool {
    victim.accept().is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn a_torrent_names_on_loopback_only_what_must_be_a_tracker_and_the_user_names_all() {
    let (service, tracker) = (Tracker::start(&[]), Tracker::start(&[]));
    let admin = service.url().replace("/announce", "/admin/delete?id=1");
    let folder = TestFolder::new();
    let torrent = Sample::small().with_tracker(&admin).write_torrent(folder.path());
    let outcome = Program::start([
        "get",
        &torrent,
        "-o",
        folder.path().to_str().unwrap(),
        "--tracker",
        &tracker.url(),
        "-v",
    ]);
    outcome.wait_for(LIMIT, |line| line.contains("not asked: 127.0.0.1:").then_some(()));
    tracker.wait_for(1);
    outcome.terminate();
    let outcome = outcome.finish(LIMIT);
    assert!(outcome.output.contains("with --tracker or --web-seed)"), "{}", outcome.output);
    assert!(service.announces().is_empty(), "{:?}", service.announces());

    // What the user typed is asked, also where the torrent names it.
    let program =
        Program::start(["get", &torrent, "-o", folder.path().to_str().unwrap(), "--tracker", &admin]);
    assert_eq!(service.wait_for(1)[0].path(), "/admin/delete");
    program.terminate();
    program.finish(LIMIT);
}

#[test]
fn an_address_that_speaks_for_us_is_not_asked() {
    let tracker = Tracker::start(&[]);
    let folder = TestFolder::new();
    let address = format!("{}?info_hash=xyz&event=stopped", tracker.url());
    let torrent = Sample::small().with_tracker(&address).write_torrent(folder.path());
    let outcome = show(&[&torrent, "--scrape"]);
    assert_eq!(outcome.code, Some(6), "{}", outcome.output);
    assert!(
        outcome.output.contains("it contains parameters that only a client may set"),
        "{}",
        outcome.output
    );
    let outcome =
        Program::start(["get", &torrent, "-o", folder.path().to_str().unwrap(), "-v"]).finish(LIMIT);
    assert!(
        outcome.output.contains("it contains parameters that only a client may set"),
        "{}",
        outcome.output
    );
    assert!(tracker.announces().is_empty());
}

#[test]
fn a_redirect_to_a_magnet_is_that_magnet_and_its_peer_on_loopback_is_not_asked() {
    let (victim, port) = victim();
    let link = format!("magnet:?xt=urn:btih:{}&x.pe=127.0.0.1:{port}", &KEY.repeat(2)[..40]);
    let server = WebServer::start(&moved(&link));
    let outcome = show(&[&format!("http://127.0.0.1:{}/x", server.port()), "--timeout", "1"]);
    let words = format!("not connecting to 127.0.0.1:{port}: the magnet link names it");
    assert!(outcome.output.contains(&words), "{}", outcome.output);
    assert_eq!(outcome.code, Some(2), "{}", outcome.output);
    assert_eq!(server.heard().len(), 1);
    assert!(heard_nothing(&victim));
    let outcome = Program::start(["verify", &format!("http://127.0.0.1:{}/x", server.port())]).finish(LIMIT);
    assert_eq!(outcome.code, Some(28), "{}", outcome.output);
}

#[test]
fn a_redirect_to_another_scheme_is_refused_with_a_word() {
    let server = WebServer::start(&moved("file:///etc/passwd"));
    let outcome = show(&[&format!("http://127.0.0.1:{}/x", server.port())]);
    assert_eq!(outcome.code, Some(6), "{}", outcome.output);
    assert!(outcome.output.contains("redirects to a file: address (only http"), "{}", outcome.output);
    assert_eq!(server.heard().len(), 1);
}

#[test]
fn the_port_at_which_we_listen_is_no_tracker() {
    let (held, port) = victim();
    drop(held);
    let folder = TestFolder::new();
    let tracker = format!("http://127.0.0.1:{port}/announce");
    let torrent = Sample::small().with_tracker(&tracker).write_torrent(folder.path());
    let output = folder.path().to_str().unwrap();
    let program = Program::start(["get", &torrent, "-o", output, "-v", "--port", &port.to_string()]);
    let words = format!("127.0.0.1:{port} is our own listening port");
    program.wait_for(LIMIT, |line| line.contains(&words).then_some(()));
}

/// A run for which every server is behind this proxy. It counts as far away, since we do not see where it is.
fn behind(proxy: &WebServer, arguments: &[&str]) -> Program {
    let mut command = Command::new(env!("CARGO_BIN_EXE_femtotorrent"));
    command.args(arguments).args(["--no-dht", "--no-lan"]).env("XDG_CACHE_HOME", "/dev/null");
    command.env("all_proxy", format!("http://127.0.0.1:{}", proxy.port())).stdin(Stdio::null());
    Program::launch(command)
}

#[test]
fn no_server_far_away_redirects_us_to_this_host_or_the_local_network() {
    for host in ["127.0.0.1", "localhost", "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]"] {
        let proxy = WebServer::start(&moved(&format!("http://{host}:8000/secret")));
        let outcome = behind(&proxy, &["show", "http://far.example/x.torrent"]).finish(LIMIT);
        assert_eq!(outcome.code, Some(6), "{}", outcome.output);
        assert!(outcome.output.contains(": not followed"), "{}", outcome.output);
        let heard = proxy.heard();
        assert!(heard.len() == 1 && heard[0].starts_with("GET http://far.example/x.torrent "), "{heard:?}");
    }
}

#[test]
fn no_tracker_far_away_redirects_us_to_this_host() {
    let proxy = WebServer::start(&moved("http://127.0.0.1:8000/announce"));
    let folder = TestFolder::new();
    let torrent = Sample::small().with_tracker("http://far.example/announce").write_torrent(folder.path());
    let outcome = behind(&proxy, &["show", &torrent, "--scrape"]).finish(LIMIT);
    assert_eq!(outcome.code, Some(6), "{}", outcome.output);
    assert!(
        outcome.output.contains("it redirects to 127.0.0.1:8000, which is on this host"),
        "{}",
        outcome.output
    );
    assert_eq!(proxy.heard().len(), 1);
}

#[test]
fn a_tracker_far_away_names_no_peer_on_this_host() {
    let (victim, port) = victim();
    let [high, low] = port.to_be_bytes();
    let peers = [127, 0, 0, 1, high, low];
    let body = [b"d8:intervali60e5:peers6:".as_slice(), &peers, b"e"].concat();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let proxy = WebServer::start(&[head.as_bytes(), &body].concat());
    let folder = TestFolder::new();
    let torrent = Sample::small().with_tracker("http://far.example/announce").write_torrent(folder.path());
    let program = behind(&proxy, &["get", &torrent, "-o", folder.path().to_str().unwrap(), "-v"]);
    program.wait_for(LIMIT, |line| line.contains("ignored 1 of 1 peers").then_some(()));
    program.wait_for(LIMIT, |line| line.contains("0 peers, next announce in").then_some(()));
    program.terminate();
    program.finish(LIMIT);
    assert!(heard_nothing(&victim));
}

/// What the program prints, with the log of everything that can be logged.
fn with_every_log(arguments: &[&str], until: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_femtotorrent"));
    command.args(arguments).args(["--no-dht", "--no-lan"]).env("RUST_LOG", "trace");
    command.env("XDG_CACHE_HOME", "/dev/null").stdin(Stdio::null());
    let program = Program::launch(command);
    program.wait_for(LIMIT, |line| line.contains(until).then_some(()));
    program.terminate();
    program.finish(LIMIT).output
}

#[test]
fn no_log_has_a_key_or_a_password_in_it_even_if_the_tracker_repeats_it() {
    let tracker = Tracker::start(&[]);
    let reason = format!("unknown key {KEY} of pa@ss");
    tracker.script(Reply::Body(format!("d14:failure reason{}:{reason}e", reason.len()).into()));
    let address = tracker.url().replace("http://", "http://me:pa%40ss@") + "?key=" + KEY;
    let folder = TestFolder::new();
    let torrent = Sample::small().with_tracker(&address).write_torrent(folder.path());
    let output = folder.path().to_str().unwrap();
    let printed = with_every_log(&["get", &torrent, "-o", output, "-vv"], "unknown key 01… of …");
    assert_eq!(tracker.announces()[0].header("authorization"), Some("Basic bWU6cGFAc3M="));
    for secret in [KEY, "pa%40ss", "pa@ss", "bWU6cGFAc3M="] {
        assert!(!printed.contains(secret), "{secret} is in {printed}");
    }
}

#[test]
fn no_error_has_a_key_or_a_password_in_it() {
    let folder = TestFolder::new();
    let torrent = Sample::small().write_torrent(folder.path());
    let closed = "http://me:secret@127.0.0.1:1";
    for (arguments, shown) in [
        (
            vec![
                "show".to_owned(),
                torrent.clone(),
                "--tracker".to_owned(),
                format!("wss://me:secret@h/{KEY}?k={KEY}"),
            ],
            "wss://***@h/01…?…",
        ),
        (
            vec!["show".to_owned(), format!("{closed}/{KEY}/x.torrent?k={KEY}")],
            "http://127.0.0.1:1/01…/x.torrent?…",
        ),
        (vec!["show".to_owned(), format!("--http://me:secret@h/{KEY}")], "there is no option"),
        (
            vec!["show".to_owned(), format!("magnet:?xt=urn:btih:0&tr=http://h/{KEY}&tr=http://me:secret@h")],
            "magnet:?xt=urn:btih:0…",
        ),
        (
            vec!["get".to_owned(), torrent.clone(), torrent.clone(), format!("{closed}/{KEY}")],
            "http://127.0.0.1:1/01…",
        ),
    ] {
        let program = Program::start(&arguments);
        program.wait_for(LIMIT, |line| line.contains(shown).then_some(()));
        program.terminate();
        let printed = program.finish(LIMIT).output;
        assert!(!printed.contains(KEY) && !printed.contains("secret"), "{printed}");
    }
}

#[test]
fn nothing_that_a_tracker_says_controls_the_terminal() {
    let tracker = Tracker::start(&[]);
    let reason = "gone\x1b[2J\x1b]0;title\x07\u{9b}31m\u{202e}txt.exe\u{200b}\u{feff}\nfemtotorrent: done";
    tracker.script(Reply::Body(format!("d14:failure reason{}:{reason}e", reason.len()).into()));
    let folder = TestFolder::new();
    let torrent = Sample::small().with_tracker(&tracker.url()).write_torrent(folder.path());
    let output = folder.path().to_str().unwrap();
    let printed = with_every_log(&["get", &torrent, "-o", output, "-vv"], "gone\u{fffd}[2J");
    let bad = |letter: &char| {
        (letter.is_control() && *letter != '\n') || "\u{202e}\u{200b}\u{feff}".contains(*letter)
    };
    assert_eq!(printed.chars().find(bad), None, "{printed}");
    assert!(!printed.lines().any(|line| line == "femtotorrent: done"), "{printed}");
}
