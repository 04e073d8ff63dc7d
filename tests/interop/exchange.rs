//! Peer exchange (BEP 11) in a chain of three, where the middle is so slow that no peer gets the payload from
//! it: one end has to find the other by what the middle says.

use std::net::Ipv4Addr;

use crate::foreign::{Foreign, Leecher};
use crate::payload::Payload;
use crate::support::addresses::free_address;
use crate::support::folder::TestFolder;
use crate::support::instance::Instance;
use crate::{LIMIT, MIB};

/// Bytes a second.
const SLOW: u64 = 4096;

#[test]
fn we_find_a_seed_through_libtorrent() {
    let payload = Payload::single(2 * MIB);
    let (_seed, address) = Instance::seed(&payload.torrent(), &payload.complete(), &[]);
    let middle = Leecher::libtorrent_at(&payload, &[address], SLOW);
    let output = TestFolder::new();
    let knows = middle.address().to_string();
    let leecher = Instance::get(&payload.torrent(), output.path(), &["--peer", &knows]);
    let outcome = leecher.program.finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "it printed:\n{}", outcome.output);
    payload.assert_identical(output.path());
}

#[test]
fn libtorrent_finds_a_seed_through_us() {
    let payload = Payload::single(2 * MIB);
    let seed = Foreign::libtorrent(&payload);
    let port = free_address(Ipv4Addr::UNSPECIFIED).port();
    let (rate, knows) = (SLOW.to_string(), seed.address().to_string());
    let slow = ["-v", "--down-limit", &rate, "--port", &port.to_string(), "--peer", &knows];
    let output = TestFolder::new();
    let middle = Instance::get(&payload.torrent(), output.path(), &slow);
    middle.wait_for(": connected");
    let leecher = Leecher::libtorrent(&payload, &[middle.address(port)]);
    leecher.wait_until_complete();
    leecher.assert_identical(&payload);
}
