//! Encrypted connections (message stream encryption) to programs that take no others, and from them.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use crate::foreign::{Foreign, Leecher};
use crate::payload::Payload;
use crate::support::addresses::free_address;
use crate::support::folder::TestFolder;
use crate::support::instance::Instance;
use crate::{LIMIT, MIB};

/// What a libtorrent that encrypts may allow after the handshake.
const LEVELS: [&str; 3] = ["rc4", "plaintext", "both"];
/// The ways in which aria2 takes only encrypted connections.
const ARIA2: [&[&str]; 3] = [
    &["--bt-require-crypto=true", "--bt-min-crypto-level=arc4"],
    &["--bt-require-crypto=true", "--bt-min-crypto-level=plain"],
    &["--bt-force-encryption=true"],
];
/// What a user of ours may want with such peers.
const OURS: [&str; 3] = ["allow", "prefer", "require"];

/// Whether two such users meet: with us everything is encrypted where we prefer or require it.
fn meet(level: &str, ours: &str) -> bool {
    level != "plaintext" || ours == "allow"
}

/// Downloads from this peer alone, and compares. Returns what the program said.
fn fetch(payload: &Payload, torrent: &Path, peer: SocketAddr, encryption: &str) -> String {
    let (output, peer) = (TestFolder::new(), peer.to_string());
    let arguments = ["--peer", &peer, "--encryption", encryption, "-v"];
    let outcome = Instance::get(torrent, output.path(), &arguments).program.finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "--encryption {encryption}; it printed:\n{}", outcome.output);
    payload.assert_identical(output.path());
    outcome.output
}

/// Whether it said that the connection was this.
fn said(output: &str, what: &str) -> bool {
    output.lines().any(|line| line.contains(": connected: ") && line.ends_with(what))
}

#[test]
fn libtorrent_that_encrypts_seeds_to_us() {
    let payload = Payload::single(4 * MIB + 1);
    for level in LEVELS {
        let seed = Foreign::libtorrent_encrypting(&payload, level);
        for ours in OURS.into_iter().filter(|ours| meet(level, ours)) {
            let output = fetch(&payload, &payload.torrent(), seed.address(), ours);
            let expected = if level == "rc4" { "(encrypted)" } else { "(encrypted handshake)" };
            assert!(said(&output, expected) || level == "both", "{level}, {ours}:\n{output}");
        }
    }
}

#[test]
fn aria2_that_encrypts_seeds_to_us() {
    let payload = Payload::single(4 * MIB + 1);
    for options in ARIA2 {
        let seed = Foreign::aria2_with(&payload, 0, options);
        for ours in OURS {
            fetch(&payload, &payload.torrent(), seed.address(), ours);
        }
    }
}

#[test]
fn transmission_that_encrypts_seeds_to_us() {
    let payload = Payload::single(4 * MIB + 1);
    for ours in OURS {
        let seed = Foreign::transmission_encrypting(&payload);
        fetch(&payload, &payload.torrent(), seed.address(), ours);
    }
}

#[test]
fn programs_that_take_both_seed_to_us_whatever_we_want() {
    let payload = Payload::single(2 * MIB + 1);
    for ours in ["off", "allow", "prefer", "require"] {
        // Each anew: one that knows us from before would come to us.
        let start: [fn(&Payload) -> Foreign; 3] = [
            Foreign::libtorrent,
            |payload| Foreign::aria2(payload, 0),
            |payload| Foreign::transmission(payload, 0),
        ];
        for start in start {
            let seed = start(&payload);
            let output = fetch(&payload, &payload.torrent(), seed.address(), ours);
            let is_plain = said(&output, "(not encrypted)");
            assert_eq!(is_plain, matches!(ours, "off" | "allow"), "{ours}:\n{output}");
        }
    }
}

#[test]
fn libtorrent_that_encrypts_downloads_from_our_seed() {
    let payload = Payload::single(8 * MIB + 1);
    for level in LEVELS {
        // Where we prefer encryption, we let the peer that connects to us have its way.
        for ours in OURS.into_iter().filter(|ours| meet(level, ours) || *ours == "prefer") {
            let arguments = ["--encryption", ours];
            let (_seed, address) = Instance::seed(&payload.torrent(), &payload.complete(), &arguments);
            let leecher = Leecher::libtorrent_encrypting(&payload, &[address], level);
            leecher.wait_until_complete();
            leecher.assert_identical(&payload);
        }
    }
}

#[test]
fn we_connect_to_a_libtorrent_that_encrypts_and_serve_it() {
    let payload = Payload::single(8 * MIB + 1);
    for level in LEVELS {
        for ours in OURS.into_iter().filter(|ours| meet(level, ours)) {
            let leecher = Leecher::libtorrent_encrypting(&payload, &[], level);
            let peer = leecher.address().to_string();
            let arguments = ["--encryption", ours, "--peer", &peer];
            let (_seed, _) = Instance::seed(&payload.torrent(), &payload.complete(), &arguments);
            leecher.wait_until_complete();
            leecher.assert_identical(&payload);
        }
    }
}

#[test]
fn aria2_that_encrypts_downloads_from_our_seed() {
    for options in ARIA2 {
        for ours in ["allow", "require"] {
            let tracker = free_address(Ipv4Addr::LOCALHOST);
            let payload = Payload::single_announced(8 * MIB + 1, &format!("http://{tracker}/announce"));
            let tracker = Foreign::opentracker(tracker, &payload.info_hash());
            let (_seed, _) = Instance::seed(&payload.torrent(), &payload.complete(), &["--encryption", ours]);
            tracker.wait_for_seeders(&payload.info_hash(), 1);
            let leecher = Leecher::aria2_with(&payload, options);
            leecher.wait_until_complete();
            leecher.assert_identical(&payload);
        }
    }
}

#[test]
fn we_connect_to_a_transmission_that_encrypts_and_serve_it() {
    let payload = Payload::single(8 * MIB + 1);
    for ours in OURS {
        let leecher = Leecher::transmission_encrypting(&payload);
        let peer = leecher.address().to_string();
        let arguments = ["--encryption", ours, "--peer", &peer];
        let _seed = Instance::seed(&payload.torrent(), &payload.complete(), &arguments);
        leecher.wait_until_complete();
        leecher.assert_identical(&payload);
    }
}

#[test]
fn a_link_is_enough_where_all_peers_encrypt() {
    let payload = Payload::hundred_files();
    let link = payload.magnet();
    for ours in OURS {
        let start: [fn(&Payload) -> Foreign; 5] = [
            |payload| Foreign::libtorrent_encrypting(payload, "rc4"),
            |payload| Foreign::libtorrent_encrypting(payload, "both"),
            |payload| Foreign::aria2_with(payload, 0, ARIA2[0]),
            |payload| Foreign::aria2_with(payload, 0, ARIA2[1]),
            Foreign::transmission_encrypting,
        ];
        for start in start {
            // Alone: one that knows us from before would come and give it.
            let seed = start(&payload);
            fetch(&payload, link.as_ref(), seed.address(), ours);
        }
    }
}

#[test]
fn where_all_peers_encrypt_and_the_user_does_not_the_way_out_is_named() {
    let payload = Payload::single(MIB);
    let seed = Foreign::libtorrent_encrypting(&payload, "rc4");
    let (output, peer) = (TestFolder::new(), seed.address().to_string());
    let arguments = ["--peer", &peer, "--encryption", "off", "--timeout", "25"];
    let outcome = Instance::get(&payload.torrent(), output.path(), &arguments).program.finish(LIMIT);
    assert_ne!(outcome.code, Some(0));
    assert!(outcome.output.contains("--encryption allow"), "{}", outcome.output);
}
