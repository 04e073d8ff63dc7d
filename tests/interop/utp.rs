//! Connections over uTP (BEP 29) with programs that take no others, or are not reached otherwise.

use std::net::SocketAddr;

use crate::foreign::{Foreign, Leecher};
use crate::payload::Payload;
use crate::support::folder::TestFolder;
use crate::support::instance::Instance;
use crate::support::udp_front::UdpFront;
use crate::{LIMIT, MIB};

/// Downloads from this peer alone, over uTP, and compares.
fn fetch(payload: &Payload, seed: SocketAddr, encryption: &str) {
    let (output, peer) = (TestFolder::new(), seed.to_string());
    let arguments = ["--peer", &peer, "--encryption", encryption, "--json"];
    let outcome = Instance::get(&payload.torrent(), output.path(), &arguments).program.finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "{encryption}; it printed:\n{}", outcome.output);
    assert!(outcome.output.contains(r#""transport":"utp""#), "{encryption}:\n{}", outcome.output);
    payload.assert_identical(output.path());
}

#[test]
fn libtorrent_without_tcp_seeds_to_us() {
    let payload = Payload::single(8 * MIB + 1);
    for (level, ours) in [(None, "off"), (Some("rc4"), "allow")] {
        let seed = Foreign::libtorrent_over_utp(&payload, level);
        fetch(&payload, seed.address(), ours);
    }
}

#[test]
fn transmission_behind_what_lets_only_udp_through_seeds_to_us() {
    let payload = Payload::single(8 * MIB + 1);
    let seed = Foreign::transmission_with_utp(&payload);
    fetch(&payload, UdpFront::of(seed.address(), 0).address(), "allow");
}

#[test]
fn libtorrent_without_tcp_downloads_from_us() {
    let payload = Payload::single(8 * MIB + 1);
    let (_seed, address) = Instance::seed(&payload.torrent(), &payload.complete(), &[]);
    for level in [None, Some("rc4")] {
        let leecher = Leecher::libtorrent_over_utp(&payload, &[address], level);
        leecher.wait_until_complete();
        leecher.assert_identical(&payload);
    }
}
