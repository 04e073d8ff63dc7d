//! A build without TLS (`--no-default-features`): an https address is refused by name, and nothing is sent to it.

use std::fs;
use std::net::TcpListener;
#[cfg(not(feature = "port_mapping"))]
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::folder::TestFolder;
use crate::support::program::{Outcome, Program};
use crate::support::sample::Sample;
use crate::support::web_server::WebServer;

const LIMIT: Duration = Duration::from_secs(60);
const WORDS: &str = "this build has no TLS, which https:// needs (use the full build)";

fn run(arguments: &[&str]) -> Outcome {
    Program::start(arguments).finish(LIMIT)
}

#[test]
fn an_https_address_is_refused_before_anything_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = format!("https://{}/x.torrent", listener.local_addr().unwrap());
    for command in ["show", "verify", "get", "seed"] {
        let outcome = run(&[command, &address]);
        assert_eq!(outcome.code, Some(28), "{command}: {}", outcome.output);
        assert!(outcome.output.contains(WORDS), "{command}: {}", outcome.output);
    }
    // One that an http address leads to as well.
    let head = format!("HTTP/1.1 302 Found\r\nLocation: {address}\r\nContent-Length: 0\r\n\r\n");
    let server = WebServer::start(head.as_bytes());
    let outcome = run(&["show", &format!("http://localhost:{}/", server.port())]);
    assert_eq!(outcome.code, Some(28), "{}", outcome.output);
    assert!(outcome.output.contains(WORDS), "{}", outcome.output);
    assert!(listener.accept().is_err(), "somebody connected");
}

#[test]
fn trackers_and_web_seeds_by_https_are_no_secret_failures() {
    let sample = Sample::small();
    let folder = TestFolder::new();
    let torrent = sample.write_torrent(folder.path());
    let scraped =
        run(&["show", &torrent, "--scrape", "--tracker", "https://127.0.0.1:9/announce", "--no-dht"]);
    assert_eq!(scraped.code, Some(6), "{}", scraped.output);
    assert!(scraped.output.contains(WORDS), "{}", scraped.output);
    let out = folder.path().join("out").display().to_string();
    let seed = "https://127.0.0.1:9/";
    let words = ["get", &torrent, "-o", &out, "--web-seed", seed, "--no-dht", "--no-lan", "--timeout", "1"];
    let tried = run(&words);
    assert_eq!(tried.code, Some(2), "{}", tried.output);
    assert!(tried.output.contains("this build has no TLS"), "{}", tried.output);
}

#[cfg(not(all(feature = "doctor", feature = "demo")))]
#[test]
fn commands_that_were_left_out_are_named() {
    let absent = [("doctor", cfg!(feature = "doctor")), ("demo", cfg!(feature = "demo"))];
    for (command, _) in absent.into_iter().filter(|(_, is_here)| !is_here) {
        let words = format!("this build has no command '{command}' (use the full build)");
        for line in [&[command][..], &[command, "x.torrent", "--json"], &["help", command]] {
            let outcome = run(line);
            assert_eq!(outcome.code, Some(28), "{line:?}: {}", outcome.output);
            assert!(outcome.output.contains(&words), "{line:?}: {}", outcome.output);
        }
        let help = run(&["--help"]).output;
        assert!(!help.contains(&format!("\n  {command} ")), "{help}");
    }
}

#[cfg(not(feature = "trace"))]
#[test]
fn a_build_that_writes_down_no_messages_says_so() {
    for option in ["--trace", "--pcap"] {
        let outcome = run(&["get", "x.torrent", option, "x"]);
        assert_eq!(outcome.code, Some(28), "{option}: {}", outcome.output);
        let words = "this build writes down no messages (use the full build)";
        assert!(outcome.output.contains(words), "{option}: {}", outcome.output);
    }
    assert!(!run(&["get", "--help"]).output.contains("-vv"));
    let folder = TestFolder::new();
    let torrent = Sample::small().write_torrent(folder.path());
    let out = folder.path().join("out").display().to_string();
    let outcome = run(&["get", &torrent, "-o", &out, "-vv", "--no-dht", "--no-lan"]);
    assert_eq!(outcome.code, Some(6), "{}", outcome.output);
    assert!(outcome.output.contains("so -vv is -v (use the full build)"), "{}", outcome.output);
}

#[cfg(not(feature = "port_mapping"))]
#[test]
fn a_build_that_asks_no_router_says_so_where_it_should() {
    let folder = TestFolder::new();
    let torrent = Sample::small().write_torrent(folder.path());
    let out = folder.path().join("out").display().to_string();
    let words = "--map-port does nothing: this build asks no router (use the full build)";
    for map_port in [None, Some("--map-port")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_femtotorrent"));
        command.args(["get", &torrent, "-o", &out, "--no-dht", "--no-lan"]);
        command.args(map_port).stdin(Stdio::null()).env("XDG_CACHE_HOME", "/dev/null");
        let outcome = Program::launch(command).finish(LIMIT);
        assert_eq!(outcome.code, Some(6), "{}", outcome.output);
        assert_eq!(outcome.output.contains(words), map_port.is_some(), "{}", outcome.output);
    }
}

#[test]
fn certificates_are_of_no_use() {
    let folder = TestFolder::new();
    let file = folder.path().join("authority.pem");
    fs::write(&file, "").unwrap();
    let outcome = run(&["show", "x.torrent", "--ca-file", &file.display().to_string()]);
    assert_eq!(outcome.code, Some(28), "{}", outcome.output);
    assert!(outcome.output.contains("this build has no TLS"), "{}", outcome.output);
}
