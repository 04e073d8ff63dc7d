//! Everything through a proxy, or web addresses alone.
//!
//! The names here are known to the proxy only, and the addresses are nobody's. So what is reached was reached through
//! it.

use crate::support::addresses::nobody;
use crate::support::extension::extend;
use crate::support::folder::TestFolder;
use crate::support::instance::Instance;
use crate::support::metadata::link;
use crate::support::program::{Outcome, Program};
use crate::support::proxy::{Manner, Proxy};
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::talk::MODERN;
use crate::support::tracker::Tracker;
use crate::support::web_server::WebServer;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);
/// An address that nobody has (RFC 5737).
const PEER: &str = "192.0.2.7:6881";

/// Where a URL leads.
fn address(url: &str) -> SocketAddr {
    url.trim_start_matches("http://").split('/').next().unwrap().parse().unwrap()
}

/// Runs it with these variables, and with everything on that a user has.
fn start(variables: &[(&str, &str)], arguments: &[&str]) -> Program {
    let mut command = Command::new(env!("CARGO_BIN_EXE_femtotorrent"));
    command.args(arguments).env("XDG_CACHE_HOME", "/dev/null").stdin(Stdio::null());
    command.envs(variables.iter().copied());
    Program::launch(command)
}

fn assert_done(outcome: &Outcome, sample: &Sample, folder: &TestFolder) {
    assert_eq!(outcome.code, Some(0), "it printed:\n{}", outcome.output);
    sample.assert_downloaded(folder.path());
}

#[test]
fn the_tracker_and_the_peer_are_reached_through_each_kind_of_proxy() {
    let seed = ScriptedPeer::seed(&Sample::small()).then(|talk| talk.serve());
    for (login, manner) in [("", Manner::Good), ("me:p%40ss@", Manner::Login("me", "p@ss"))] {
        for scheme in ["socks5h", "socks5", "http"] {
            let tracker = Tracker::start(&[PEER.parse().unwrap()]);
            let ways = [("tracker.example:80", address(&tracker.url())), (PEER, seed.address())];
            let proxy = Proxy::start(manner, &ways);
            let sample = Sample::small().with_tracker("http://tracker.example/announce");
            let (folder, at) = (TestFolder::new(), format!("{scheme}://{login}{}", proxy.address()));
            let torrent = sample.write_torrent(folder.path());
            let output = folder.path().to_str().unwrap();
            let outcome = start(&[], &["get", &torrent, "-o", output, "--proxy", &at]).finish(LIMIT);
            assert_done(&outcome, &sample, &folder);
            let line = "which looks up all names; incoming connections, the DHT, local discovery";
            assert!(
                outcome.output.contains(line) && !outcome.output.contains("p%40ss"),
                "{}",
                outcome.output
            );
            let announced = &tracker.announces()[0];
            // Port 1 stands for no port (src/tracker/announce.rs), and nothing else says where we are.
            assert_eq!((announced.get("port").as_str(), announced.get("ip").as_str()), ("1", ""));
            assert!(announced.header("proxy-authorization").is_none() || scheme == "http");
            let mut asked = proxy.asked();
            asked.sort();
            asked.dedup();
            assert_eq!(asked, [PEER, "tracker.example:80"], "{at}");
        }
    }
}

#[test]
fn only_the_proxy_looks_up_the_names_of_peers() {
    let sample = Sample::small();
    let (tell, told) = channel();
    let seed = ScriptedPeer::seed(&sample).speaking(MODERN).then(move |talk| {
        let _ = tell.send(extend(talk)?);
        talk.serve()
    });
    let proxy = Proxy::start(Manner::Good, &[("seed.example:6881", seed.address())]);
    let (folder, at) = (TestFolder::new(), format!("socks5h://{}", proxy.address()));
    let (torrent, output) = (sample.write_torrent(folder.path()), folder.path().to_str().unwrap());
    let arguments = ["get", &torrent, "-o", output, "--proxy", &at, "--peer", "seed.example:6881", "-v"];
    let outcome = start(&[], &arguments).finish(LIMIT);
    assert_done(&outcome, &sample, &folder);
    assert!(outcome.output.contains("stands for seed.example:6881"), "{}", outcome.output);
    // Neither a port of ours, nor what we call the peer among ourselves.
    let said = told.recv_timeout(LIMIT).unwrap();
    assert_eq!((said.port, said.your_address), (None, None));
    // What a magnet link names near by is not asked, in whatever spelling.
    let names = "&x.pe=far.example:1&x.pe=router:1&x.pe=printer.local:1&x.pe=127.1:1&x.pe=0x7f000001:1";
    let program = start(&[], &["show", &format!("{}{names}", link(&sample)), "--proxy", &at, "-v"]);
    program
        .wait_for(LIMIT, |line| line.contains("cannot connect to far.example:1: host unreach").then_some(()));
    program.terminate();
    let printed = program.finish(LIMIT).output;
    assert!(!proxy.asked().iter().any(|asked| !asked.contains("example")), "{:?}\n{printed}", proxy.asked());
}

#[test]
fn a_proxy_that_fails_is_named_and_no_peer_is_blamed_for_it() {
    let sample = Sample::small();
    let seed = ScriptedPeer::seed(&sample).then(|talk| talk.serve());
    for (scheme, manner, expected) in [
        ("socks5h", Manner::Closing, "closed the connection without an answer (is it a socks5h:// proxy?)"),
        ("socks5h", Manner::Hanging, "does not answer (is it running, is it a socks5h:// proxy?)"),
        ("socks5h", Manner::Login("me", "pw"), "requires a user name and password (use socks5h://USER"),
        ("socks5h", Manner::Sending(b"HTTP/1.1 400 Bad\r\n\r\n"), "it does not speak SOCKS5"),
        ("socks5h", Manner::Sending(b"\x05\x07"), "it chose a method that was not offered"),
        ("socks5h", Manner::Sending(b"\x05\0\x05\0\0\x09"), "an unknown type of address"),
        ("socks5h", Manner::Endless, "it does not speak SOCKS5"),
        ("socks5h", Manner::Refusing(7, 0), "does not connect to other hosts"),
        ("http", Manner::Closing, "closed the connection without an answer (is it a http:// proxy?)"),
        ("http", Manner::Login("me", "pw"), "requires a user name and password (use http://USER"),
        ("http", Manner::Sending(b"SSH-2.0-x\r\n"), "it does not speak HTTP"),
        ("http", Manner::Endless, "its answer does not end"),
        ("http", Manner::Refusing(0, 501), "does not connect to other hosts: status 501"),
    ] {
        let proxy = Proxy::start(manner, &[(PEER, seed.address())]);
        let (folder, at) = (TestFolder::new(), format!("{scheme}://{}", proxy.address()));
        let (torrent, output) = (sample.write_torrent(folder.path()), folder.path().to_str().unwrap());
        let program = start(&[], &["get", &torrent, "-o", output, "--proxy", &at, "--peer", PEER, "-v"]);
        let words = format!("warning: the proxy {} ", proxy.address());
        program.wait_for(LIMIT, |line| (line.contains(&words) && line.contains(expected)).then_some(()));
        // It had nothing against the peer: when the proxy works, the peer is there at once.
        proxy.becomes(Manner::Good);
        let outcome = program.finish(LIMIT);
        assert_done(&outcome, &sample, &folder);
        let complaints = outcome.output.matches(&words).count();
        assert_eq!(complaints, 1, "once is enough:\n{}", outcome.output);
    }
}

#[test]
fn a_peer_that_the_proxy_cannot_reach_fails_alone() {
    let sample = Sample::small();
    let seed = ScriptedPeer::seed(&sample).then(|talk| talk.serve());
    for (scheme, expected) in [("socks5h", "host unreachable"), ("http", "status 503")] {
        let proxy = Proxy::start(Manner::Good, &[(PEER, seed.address())]);
        let (folder, at) = (TestFolder::new(), format!("{scheme}://{}", proxy.address()));
        let (torrent, output) = (sample.write_torrent(folder.path()), folder.path().to_str().unwrap());
        let peers = ["--peer", "192.0.2.8:1", "--peer", "[2001:db8::1]:2", "--peer", PEER];
        let arguments = [&["get", &torrent, "-o", output, "--proxy", &at, "-v"][..], &peers].concat();
        let outcome = start(&[], &arguments).finish(LIMIT);
        assert_done(&outcome, &sample, &folder);
        for dead in ["192.0.2.8:1", "[2001:db8::1]:2"] {
            let line = format!("{dead}: the proxy {} cannot connect: {expected}", proxy.address());
            assert!(outcome.output.contains(&line), "{line}\n{}", outcome.output);
        }
    }
}

#[test]
fn a_proxy_that_lies_or_drips_costs_one_connection_and_ends_no_run() {
    let sample = Sample::small();
    let seed = ScriptedPeer::seed(&sample).then(|talk| talk.serve());
    for (scheme, manner, expected) in [
        ("socks5h", Manner::Lying, "closed the connection"),
        ("http", Manner::Lying, "closed the connection"),
        ("socks5h", Manner::Dripping(Duration::from_secs(2)), "cannot connect in time"),
        ("http", Manner::Dripping(Duration::from_secs(1)), "cannot connect in time"),
    ] {
        let proxy = Proxy::start(manner, &[(PEER, seed.address())]);
        let (folder, at) = (TestFolder::new(), format!("{scheme}://{}", proxy.address()));
        let (torrent, output) = (sample.write_torrent(folder.path()), folder.path().to_str().unwrap());
        let program = start(&[], &["get", &torrent, "-o", output, "--proxy", &at, "--peer", PEER, "-v"]);
        program.wait_for(LIMIT, |line| line.contains(expected).then_some(()));
        proxy.becomes(Manner::Good);
        assert_done(&program.finish(LIMIT), &sample, &folder);
    }
}

#[test]
fn why_nothing_moves_behind_a_dead_proxy_is_said_at_the_end() {
    let at = format!("socks5h://{}", nobody());
    let sample = Sample::small().with_tracker("http://tracker.example/announce");
    let folder = TestFolder::new();
    let (torrent, output) = (sample.write_torrent(folder.path()), folder.path().to_str().unwrap());
    let arguments = ["get", &torrent, "-o", output, "--proxy", &at, "--timeout", "12"];
    let outcome = start(&[], &arguments).finish(LIMIT);
    assert_eq!(outcome.code, Some(2), "{}", outcome.output);
    let dead =
        format!("the proxy {} cannot be reached: connection refused", at.trim_start_matches("socks5h://"));
    let tracker = format!("no peers: http://tracker.example: {dead}");
    assert!(outcome.output.contains(&tracker), "{}", outcome.output);
    let outcome = start(&[], &[&arguments[..], &["--peer", PEER]].concat()).finish(LIMIT);
    assert_eq!(outcome.code, Some(2), "{}", outcome.output);
    assert!(outcome.output.contains(&format!("{dead} (is it running")), "{}", outcome.output);
}

#[test]
fn an_http_proxy_that_answers_for_the_tracker_is_named_beside_it() {
    let proxy = Proxy::start(Manner::Sending(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"), &[]);
    let sample = Sample::small().with_tracker("http://tracker.example/announce");
    let folder = TestFolder::new();
    let (torrent, output) = (sample.write_torrent(folder.path()), folder.path().to_str().unwrap());
    let at = format!("http://{}", proxy.address());
    let (get, by) = (["get", &torrent, "-o", output, "--timeout", "2"], [("http_proxy", at.as_str())]);
    for is_variable in [false, true] {
        let (variables, more) =
            if is_variable { (&by[..], &[][..]) } else { (&[][..], &["--proxy", &at][..]) };
        let outcome = start(variables, &[&get[..], more].concat()).finish(LIMIT);
        assert_eq!(outcome.code, Some(2), "{}", outcome.output);
        let both = format!("it, or the proxy {} before it, answered with HTTP status 403", proxy.address());
        assert!(outcome.output.contains(&both), "{}", outcome.output);
    }
}

#[test]
fn trackers_over_udp_are_named_and_not_asked() {
    let listening = UdpSocket::bind("127.0.0.1:0").unwrap();
    listening.set_nonblocking(true).unwrap();
    let udp = format!("udp://{}/announce", listening.local_addr().unwrap());
    let proxy = Proxy::start(Manner::Good, &[]);
    let at = format!("socks5h://{}", proxy.address());
    let folder = TestFolder::new();
    let torrent = Sample::small().with_tracker(&udp).write_torrent(folder.path());
    let output = folder.path().to_str().unwrap();
    let site = udp.trim_end_matches("/announce");
    let named = format!("skipped, because UDP trackers cannot be reached through a proxy: {site}");
    let outcome = start(&[], &["get", &torrent, "-o", output, "--proxy", &at]).finish(LIMIT);
    assert_eq!(outcome.code, Some(6), "{}", outcome.output);
    assert!(outcome.output.contains(&named), "{}", outcome.output);
    assert!(outcome.output.contains("no tracker that a proxy can reach"), "{}", outcome.output);
    let outcome = start(&[], &["show", &torrent, "--scrape", "--proxy", &at]).finish(LIMIT);
    assert_eq!(outcome.code, Some(6), "{}", outcome.output);
    assert!(outcome.output.contains("UDP trackers cannot be reached through a proxy"), "{}", outcome.output);
    assert!(listening.recv_from(&mut [0; 64]).is_err(), "it heard something");
    assert_eq!(proxy.asked(), [""; 0]);
}

#[test]
fn what_would_go_past_the_proxy_is_refused_with_a_word() {
    let folder = TestFolder::new();
    let torrent = Sample::small().write_torrent(folder.path());
    let secret = "secret-word";
    for (variables, arguments, expected) in [
        (vec![], vec!["--proxy", "socks5h://h:1", "--port", "7"], "--port cannot be used with --proxy"),
        (
            vec![],
            vec!["--proxy", "http://h:1", "--dht-node", "h:1"],
            "--dht-node cannot be used with --proxy",
        ),
        (vec![], vec!["--proxy", "http://h:1", "--tracker", "UDP://h:1"], "UDP does not go through a proxy"),
        (
            vec![],
            vec!["--proxy", "socks4://me:secret-word@h:1"],
            "only http:// and socks5h:// proxies are supported",
        ),
        (vec![], vec!["--proxy", "h:1"], "expected socks5h://HOST:PORT or http://HOST:PORT"),
        (
            vec![("ALL_PROXY", "socks4://me:secret-word@h:1")],
            vec![],
            "the variable ALL_PROXY names a proxy: only http://",
        ),
        (
            vec![("https_proxy", "https://me:secret-word@h:1")],
            vec![],
            "https_proxy names a proxy: proxies over TLS",
        ),
    ] {
        let outcome = start(&variables, &[&["show", &torrent][..], &arguments].concat()).finish(LIMIT);
        assert_eq!(outcome.code, Some(28), "{}", outcome.output);
        assert!(outcome.output.contains(expected) && !outcome.output.contains(secret), "{}", outcome.output);
    }
    let mapped = ["get", &torrent, "--proxy", "http://h:1", "--map-port"];
    let outcome = start(&[], &mapped).finish(LIMIT);
    assert!(outcome.output.contains("--map-port cannot be used with --proxy"), "{}", outcome.output);
    assert_eq!(outcome.code, Some(28));
    for arguments in [vec!["--proxy", "none"], vec!["--proxy", "socks5h://127.0.0.1:1"]] {
        let variables = [("ALL_PROXY", "socks4://h:1")];
        let outcome = start(&variables, &[&["show", &torrent][..], &arguments].concat()).finish(LIMIT);
        assert_eq!(outcome.code, Some(0), "{}", outcome.output);
    }
}

#[test]
fn the_environment_sends_web_addresses_through_its_proxy_and_peers_past_it() {
    let sample = Sample::small().with_tracker("http://tracker.example/announce");
    let tracker = Tracker::start(&[]);
    let proxy = Proxy::start(Manner::Good, &[("tracker.example:80", address(&tracker.url()))]);
    let at = proxy.address().to_string();
    let alone = |name| vec![(name, at.as_str())];
    for (variables, is_detoured) in [
        (alone("http_proxy"), true),
        (alone("all_proxy"), true),
        (alone("ALL_PROXY"), true),
        (alone("HTTP_PROXY"), false),
        (vec![("http_proxy", at.as_str()), ("no_proxy", "other.example,.EXAMPLE")], false),
    ] {
        let (folder, before) = (TestFolder::new(), tracker.announces().len());
        let (torrent, output) = (sample.write_torrent(folder.path()), folder.path().to_str().unwrap());
        let program = start(&variables, &["get", &torrent, "-o", output, "--no-dht", "--no-lan", "-v"]);
        let outcome = if is_detoured {
            "tracker.example: 0 peers, next announce in"
        } else {
            "tracker.example: cannot"
        };
        program.wait_for(LIMIT, |line| line.contains(outcome).then_some(()));
        program.terminate();
        let printed = program.finish(LIMIT).output;
        assert_eq!(tracker.announces().len() > before, is_detoured, "{variables:?}\n{printed}");
        let said = printed.contains("http:// addresses go through the proxy http://127.0.0.1:");
        assert_eq!(said, variables[0].0 != "HTTP_PROXY", "{variables:?}\n{printed}");
        if is_detoured {
            assert_ne!(tracker.announces().last().unwrap().get("port"), "1", "peers can connect to us");
        }
    }
    let seed = ScriptedPeer::seed(&sample).then(|talk| talk.serve());
    let (folder, peer) = (TestFolder::new(), seed.address().to_string());
    let (torrent, output) = (sample.write_torrent(folder.path()), folder.path().to_str().unwrap());
    let arguments = ["get", &torrent, "-o", output, "--no-dht", "--no-lan", "--peer", &peer];
    let outcome = start(&alone("all_proxy"), &arguments).finish(LIMIT);
    assert_done(&outcome, &sample, &folder);
    assert!(proxy.asked().iter().all(|asked| asked == "tracker.example:80"), "{:?}", proxy.asked());
}

#[test]
fn a_stranger_leads_us_through_a_proxy_to_nothing_near_by() {
    for host in
        ["127.0.0.1", "127.1", "0x7f000001", "localhost", "[::1]", "router", "nas.local", "x.internal"]
    {
        let moved =
            format!("HTTP/1.1 302 Found\r\nLocation: http://{host}/secret\r\nContent-Length: 0\r\n\r\n");
        let server = WebServer::start(moved.as_bytes());
        let there = SocketAddr::from(([127, 0, 0, 1], server.port()));
        let proxy = Proxy::start(Manner::Good, &[("far.example:80", there)]);
        for scheme in ["socks5h", "http"] {
            let at = format!("{scheme}://{}", proxy.address());
            let outcome = start(&[], &["show", "http://far.example/x", "--proxy", &at]).finish(LIMIT);
            assert_eq!(outcome.code, Some(6), "{}", outcome.output);
            let is_refused = [": not followed", "name belongs to a local network"];
            assert!(
                is_refused.iter().any(|words| outcome.output.contains(words)),
                "{host}: {}",
                outcome.output
            );
        }
        assert_eq!(proxy.asked(), ["far.example:80"; 2], "{host}");
    }
}

#[test]
fn web_seeds_are_reached_through_each_kind_of_proxy_which_looks_up_their_names() {
    let sample = Sample::single(300_000, 65_536).with_web_seed("http://web.example/");
    let server = WebServer::start_file(&sample.payload);
    let there = SocketAddr::from(([127, 0, 0, 1], server.port()));
    for scheme in ["socks5h", "http"] {
        let proxy = Proxy::start(Manner::Good, &[("web.example:80", there), ("typed.example:80", there)]);
        let at = format!("{scheme}://{}", proxy.address());
        for (more, expected) in [
            (&[][..], "web.example:80"),
            (&["--no-web-seeds", "--web-seed", "http://typed.example/"][..], "typed.example:80"),
        ] {
            let (folder, before) = (TestFolder::new(), proxy.asked().len());
            let (torrent, output) = (sample.write_torrent(folder.path()), folder.path().to_str().unwrap());
            let arguments = [&["get", &torrent, "-o", output, "--proxy", &at][..], more].concat();
            assert_done(&start(&[], &arguments).finish(LIMIT), &sample, &folder);
            let asked = proxy.asked();
            assert!(asked.len() > before && asked[before..].iter().all(|one| one == expected), "{asked:?}");
        }
    }
}

#[test]
fn a_peer_that_wants_encryption_is_found_out_and_served_through_each_kind_of_proxy() {
    let (sample, folder) = (Sample::small(), TestFolder::new());
    let torrent = folder.path().join(sample.write_torrent(folder.path()));
    sample.write_payload(folder.path());
    let (_seed, seeds_at) = Instance::seed(&torrent, folder.path(), &["--encryption", "require"]);
    for scheme in ["socks5h", "http"] {
        let proxy = Proxy::start(Manner::Good, &[("seed.example:6881", seeds_at)]);
        let at = format!("{scheme}://{}", proxy.address());
        for named in [torrent.to_str().unwrap(), &link(&sample)] {
            let output = TestFolder::new();
            let into = output.path().to_str().unwrap();
            let arguments = ["get", named, "-o", into, "--proxy", &at, "--peer", "seed.example:6881", "-v"];
            let outcome = start(&[], &arguments).finish(LIMIT);
            assert_done(&outcome, &sample, &output);
            assert!(proxy.asked().iter().all(|one| one == "seed.example:6881"), "{:?}", proxy.asked());
        }
    }
}
