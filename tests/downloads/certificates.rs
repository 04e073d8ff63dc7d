//! Which servers are believed over TLS, as trackers and as places of a torrent: those whose certificate is valid,
//! for their host and signed by somebody who is trusted, and no others, with any options.

use std::fs;
use std::time::{Duration, SystemTime};

use crate::support::folder::TestFolder;
use crate::support::program::{Outcome, Program};
use crate::support::sample::Sample;
use crate::support::web_server::{WebServer, certificate};

const LIMIT: Duration = Duration::from_secs(60);

/// Each certificate with the file of `--ca-file`, and why it is refused; `None` if it is not.
const CASES: [(&str, Option<&str>, Option<&str>); 10] = [
    (
        "good",
        None,
        Some(
            "is not signed by a trusted authority (if you trust it, give it or its authority's with --ca-file)",
        ),
    ),
    ("good", Some("authority"), None),
    ("good", Some("self-signed"), Some("is not signed by a trusted authority")),
    ("expired", Some("authority"), Some("has expired (or the clock of this host is wrong)")),
    (
        "other-host",
        Some("authority"),
        Some("is for another host: other.example, www.other.example (check the address)"),
    ),
    ("self-signed", None, Some("is not signed by a trusted authority")),
    ("self-signed", Some("authority"), Some("is not signed by a trusted authority")),
    ("self-signed", Some("self-signed"), None),
    ("self-signed-expired", Some("self-signed-expired"), Some("has expired")),
    ("self-signed-other-host", Some("self-signed-other-host"), Some("is for another host: other.example")),
];

fn http(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn run(arguments: &[&str], trusted: Option<&str>) -> Outcome {
    let mut all: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    all.extend(trusted.into_iter().flat_map(|name| ["--ca-file".to_owned(), certificate(name)]));
    Program::start(all).finish(LIMIT)
}

fn check(outcome: &Outcome, why_not: Option<&str>, what: &str) {
    let expected = if why_not.is_some() { 6 } else { 0 };
    assert_eq!(outcome.code, Some(expected), "{what}: {}", outcome.output);
    let words = why_not.map_or(String::new(), |why| format!("its certificate {why}"));
    assert!(outcome.output.contains(&words), "{what}: {}", outcome.output);
}

#[test]
fn a_torrent_comes_only_from_a_server_with_a_valid_certificate() {
    let sample = Sample::small();
    let folder = TestFolder::new();
    let torrent = fs::read(sample.write_torrent(folder.path())).unwrap();
    for (shown, trusted, why_not) in CASES {
        let server = WebServer::start_tls(&http(&torrent), shown);
        for command in ["show", "verify"] {
            if command == "verify" && why_not.is_none() {
                continue;
            }
            let address = format!("https://localhost:{}/x.torrent", server.port());
            let outcome = run(&[command, &address], trusted);
            check(&outcome, why_not, &format!("{command} {shown} with {trusted:?}"));
        }
        assert_eq!(server.heard().is_empty(), why_not.is_some(), "{shown} with {trusted:?}");
    }
}

#[test]
fn a_tracker_is_asked_only_if_it_has_a_valid_certificate() {
    let sample = Sample::small();
    let folder = TestFolder::new();
    let torrent = sample.write_torrent(folder.path());
    let numbers = b"d8:completei1e10:downloadedi2e10:incompletei3ee";
    let body = [b"d5:filesd20:", sample.info_hash().as_slice(), numbers, b"ee"].concat();
    for (shown, trusted, why_not) in CASES {
        let server = WebServer::start_tls(&http(&body), shown);
        let address = format!("https://127.0.0.1:{}/announce", server.port());
        let outcome = run(&["show", &torrent, "--scrape", "--tracker", &address], trusted);
        check(&outcome, why_not, &format!("{shown} with {trusted:?}"));
        assert_eq!(server.heard().is_empty(), why_not.is_some(), "{shown} with {trusted:?}");
    }
}

#[test]
fn a_download_announces_itself_to_a_tracker_that_the_file_vouches_for() {
    let folder = TestFolder::new();
    let answer = http(b"d8:intervali60e5:peers0:e");
    let server = WebServer::start_tls(&answer, "good");
    let tracker = format!("https://localhost:{}/announce", server.port());
    let torrent = Sample::small().with_tracker(&tracker).write_torrent(folder.path());
    let output = folder.path().to_str().unwrap();
    let arguments = ["get", &torrent, "-o", output, "-v", "--ca-file", &certificate("authority")];
    let program = Program::start(arguments);
    program.wait_for(LIMIT, |line| line.contains("0 peers, next announce in").then_some(()));
    program.terminate();
    program.finish(LIMIT);
    assert!(server.heard()[0].starts_with("GET /announce?info_hash="), "{:?}", server.heard());
}

/// A server sends us from its http address to its https address, as many do, and says what time it is.
#[test]
fn a_certificate_that_is_old_by_our_clock_is_explained_by_that_of_a_server() {
    let folder = TestFolder::new();
    let secure = WebServer::start_tls(&http(b"d8:intervali60e5:peers0:e"), "expired");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    for (date, age, expected) in [
        ("Sun, 26 Nov 2000 00:00:00 GMT".to_owned(), 0, " days ahead of that of http://localhost:"),
        (
            "Sun, 26 Nov 2000 00:00:00 GMT".to_owned(),
            now - 975_196_800,
            "agrees with that of http://localhost:",
        ),
        ("yesterday".to_owned(), 0, "(or the clock of this host is wrong)"),
    ] {
        let location = format!("https://localhost:{}/announce", secure.port());
        let head = format!("Date: {date}\r\nAge: {age}\r\nLocation: {location}");
        let answer = format!("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n{head}\r\n\r\n");
        let plain = WebServer::start(answer.as_bytes());
        let tracker = format!("http://localhost:{}/announce", plain.port());
        let torrent = Sample::small().with_tracker(&tracker).write_torrent(folder.path());
        let authority = certificate("authority");
        let common = ["--timeout", "2", "--no-dht", "--no-lan", "--no-listen", "--ca-file", &authority];
        let output = folder.path().to_str().unwrap();
        for command in ["get", "doctor"] {
            let arguments = [&[command, &torrent, "-d", output][..], &common].concat();
            let outcome = Program::start(arguments).finish(LIMIT);
            let said = outcome.output.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(said.contains(expected), "{command}: {expected:?} is not in {said}");
            let is_told = said.contains("Set the clock of this computer: it is ");
            assert_eq!(is_told, command == "doctor" && expected.contains("ahead"), "{said}");
        }
    }
}

#[test]
fn several_certificates_in_one_file_are_all_believed() {
    let folder = TestFolder::new();
    let bundle = folder.path().join("all.pem");
    let texts = ["self-signed", "authority"].map(|name| fs::read_to_string(certificate(name)).unwrap());
    fs::write(&bundle, format!("A comment.\n{}\n{}", texts[0], texts[1])).unwrap();
    for shown in ["good", "self-signed"] {
        let server = WebServer::start_tls(&http(b"d4:spam4:eggse"), shown);
        let address = format!("https://localhost:{}/", server.port());
        let outcome = run(&["show", &address, "--ca-file", bundle.to_str().unwrap()], None);
        assert_eq!(outcome.code, Some(26), "{}", outcome.output);
    }
}

#[test]
fn a_file_without_certificates_is_refused_before_anything_is_asked() {
    let folder = TestFolder::new();
    let torrent = Sample::small().write_torrent(folder.path());
    let file = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).to_str().unwrap().to_owned()
    };
    let good = fs::read_to_string(certificate("good")).unwrap();
    let cut = good.lines().filter(|line| !line.starts_with("-----END")).collect::<Vec<_>>().join("\n");
    let spoilt = good.replacen("MII", "MIJ", 1);
    for (path, why) in [
        (file("empty", ""), "there are none (expected PEM, with a line -----BEGIN CERTIFICATE-----)"),
        (file("text", "hello\n"), "there are none"),
        (certificate("key"), "there are none"),
        (file("cut", &cut), "it is damaged"),
        (file("spoilt", &spoilt), "one of them is invalid"),
        (file("letters", &good.replace('a', "!")), "it is damaged"),
        ("/dev/zero".to_owned(), "it is larger than 1 MiB"),
        (folder.path().to_str().unwrap().to_owned(), "is a directory"),
        ("no/such/file".to_owned(), "no such file"),
    ] {
        for command in ["get", "seed", "show", "verify"] {
            let outcome = Program::start([command, &torrent, "--ca-file", &path]).finish(LIMIT);
            assert_eq!(outcome.code, Some(28), "{command} {path}: {}", outcome.output);
            let words = format!("cannot use the certificates in {path}: ");
            assert!(outcome.output.contains(&words) && outcome.output.contains(why), "{}", outcome.output);
        }
    }
}
