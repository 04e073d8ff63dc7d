//! Downloads from web servers that have the files (BEP 19).

use std::time::Duration;

use crate::support::folder::TestFolder;
use crate::support::program::Program;
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::web_server::{WebServer, certificate};

const LIMIT: Duration = Duration::from_secs(60);

fn get(sample: &Sample, folder: &TestFolder, more: &[&str]) -> Program {
    let torrent = sample.write_torrent(folder.path());
    let output = folder.path().join("out").display().to_string();
    let arguments = ["get", &torrent, "-o", &output, "-v", "--no-listen"];
    Program::start(arguments.iter().chain(more))
}

fn wait_for(program: &Program, text: &str) {
    program.wait_for(LIMIT, |output| output.contains(text).then_some(()));
}

#[test]
fn a_file_comes_from_a_web_seed_alone() {
    let sample = Sample::single(20 * 65_536 - 100, 65_536);
    let server = WebServer::start_file(&sample.payload);
    let folder = TestFolder::new();
    let url = format!("http://127.0.0.1:{}/", server.port());
    let outcome = get(&sample, &folder, &["--web-seed", &url]).finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    sample.assert_downloaded(&folder.path().join("out"));
    assert!(server.heard().iter().all(|head| head.starts_with("GET /payload.bin HTTP/1.1\r\n")));
}

#[test]
fn a_password_goes_to_the_web_seed_and_not_to_the_screen() {
    let sample = Sample::small();
    let server = WebServer::start_file(&sample.payload);
    let folder = TestFolder::new();
    let url = format!("http://me:secret@127.0.0.1:{}/x", server.port());
    let outcome = get(&sample, &folder, &["--web-seed", &url, "-vv"]).finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    assert!(
        !outcome.output.contains("secret") && !outcome.output.contains("bWU6c2VjcmV0"),
        "{}",
        outcome.output
    );
    assert!(server.heard().iter().all(|head| head.contains("authorization: Basic bWU6c2VjcmV0\r\n")));
}

#[test]
fn only_a_web_seed_with_a_valid_certificate_is_asked() {
    let sample = Sample::small();
    for (shown, why_not) in [
        ("good", None),
        ("expired", Some("has expired")),
        ("other-host", Some("is for another host")),
        ("self-signed", Some("is not signed by a trusted authority")),
    ] {
        let server = WebServer::start_file_tls(&sample.payload, shown);
        let folder = TestFolder::new();
        let url = format!("https://localhost:{}/", server.port());
        let program = get(&sample, &folder, &["--web-seed", &url, "--ca-file", &certificate("authority")]);
        match why_not {
            None => {
                let outcome = program.finish(LIMIT);
                assert_eq!(outcome.code, Some(0), "{}", outcome.output);
                sample.assert_downloaded(&folder.path().join("out"));
            }
            Some(why) => {
                wait_for(&program, &format!("its certificate {why}"));
                assert!(server.heard().is_empty(), "{shown}");
            }
        }
    }
}

#[test]
fn a_torrent_makes_us_ask_no_server_on_this_host() {
    let server = WebServer::start_file(b"secret");
    let sample = Sample::small().with_web_seed(&format!("http://localhost:{}/", server.port()));
    let folder = TestFolder::new();
    let program = get(&sample, &folder, &[]);
    wait_for(&program, "is on this host");
    assert!(server.heard().is_empty());
}

#[test]
fn a_web_seed_that_sends_wrong_bytes_is_left_and_the_file_comes_from_a_peer() {
    let sample = Sample::small();
    let mut wrong = sample.payload.clone();
    wrong.iter_mut().for_each(|byte| *byte ^= 1);
    let server = WebServer::start_file(&wrong);
    let peer = ScriptedPeer::honest(&sample);
    let folder = TestFolder::new();
    let url = format!("http://127.0.0.1:{}/", server.port());
    let mut program = get(&sample, &folder, &["--web-seed", &url]);
    wait_for(&program, "it sent wrong data");
    assert!(program.is_running(), "it cannot be complete");
    drop(program);
    let peer = peer.address().to_string();
    let outcome = get(&sample, &folder, &["--web-seed", &url, "--peer", &peer]).finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    sample.assert_downloaded(&folder.path().join("out"));
}
