//! Which web seeds are asked, as the user says (BEP 19).

use std::fs;
use std::time::Duration;

use crate::support::folder::TestFolder;
use crate::support::metadata::{self, EXTENDED};
use crate::support::program::{Outcome, Program};
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::web_server::WebServer;

const LIMIT: Duration = Duration::from_secs(60);

/// Gets a torrent without trackers that names this web seed.
fn get(named: &str, more: &[&str]) -> Outcome {
    let folder = TestFolder::new();
    let [file, torrent, output] =
        ["payload", "t.torrent", "out"].map(|name| folder.path().join(name).display().to_string());
    fs::write(&file, vec![7; 100_000]).unwrap();
    let made = Program::start(["create", &file, "-o", &torrent, "--web-seed", named]).finish(LIMIT);
    assert_eq!(made.code, Some(0), "{}", made.output);
    let arguments = ["get", &torrent, "-o", &output, "--no-listen", "-v"];
    Program::start(arguments.iter().chain(more)).finish(LIMIT)
}

#[test]
fn a_torrent_with_nothing_but_a_web_seed_begins_and_says_what_is_wrong_with_it() {
    // A torrent may not name a server on this host, so this one is never asked.
    let outcome = get("http://127.0.0.1:1/", &["--timeout", "12"]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.output);
    assert!(outcome.output.contains("downloading from the web seed 127.0.0.1:1"), "{}", outcome.output);
    assert!(outcome.output.contains("; the web seed 127.0.0.1:1: "), "{}", outcome.output);
}

#[test]
fn with_no_web_seeds_those_of_the_torrent_are_not_asked_and_those_of_the_user_are() {
    let outcome = get("http://127.0.0.1:1/", &["--no-web-seeds"]);
    assert_eq!(outcome.code, Some(6), "{}", outcome.output);
    let server = WebServer::start_file(&[7; 100_000]);
    let typed = format!("http://127.0.0.1:{}/", server.port());
    let outcome = get("http://127.0.0.1:1/", &["--no-web-seeds", "--web-seed", &typed]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    assert!(!outcome.output.contains("127.0.0.1:1 "), "{}", outcome.output);
    assert!(!server.heard().is_empty());
}

#[test]
fn a_magnet_goes_on_with_a_web_seed_when_a_peer_has_given_the_metadata() {
    let sample = Sample::single(300_000, 65_536);
    let server = WebServer::start_file(&sample.payload);
    let peer = ScriptedPeer::seed(&sample).speaking(EXTENDED).having(|_| false).choking().then(|talk| {
        metadata::claim_honestly(talk)?;
        metadata::serve(talk)
    });
    let folder = TestFolder::new();
    let typed = format!("http://127.0.0.1:{}/", server.port());
    let (output, address) = (folder.path().display().to_string(), peer.address().to_string());
    let link = metadata::link(&sample);
    let outcome =
        Program::start(["get", &link, "-o", &output, "--peer", &address, "--web-seed", &typed]).finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    sample.assert_downloaded(folder.path());
}
