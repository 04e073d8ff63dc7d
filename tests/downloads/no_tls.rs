//! A build without TLS (`--no-default-features`): an https address is refused by name, and nothing is sent to it.

use std::fs;
use std::net::TcpListener;
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

#[test]
fn certificates_are_of_no_use() {
    let folder = TestFolder::new();
    let file = folder.path().join("authority.pem");
    fs::write(&file, "").unwrap();
    let outcome = run(&["show", "x.torrent", "--ca-file", &file.display().to_string()]);
    assert_eq!(outcome.code, Some(28), "{}", outcome.output);
    assert!(outcome.output.contains("this build has no TLS"), "{}", outcome.output);
}
