//! Version 2 of torrents (BEP 52), from libtorrent and to it, with the torrent and by a link that has only its hash.
//!
//! The link says nothing of the digests of the pieces: whoever has no more than that asks peers for them.

use crate::foreign::{Foreign, Leecher};
use crate::payload::Payload;
use crate::support::folder::TestFolder;
use crate::support::instance::Instance;
use crate::support::program::Program;
use crate::{LIMIT, fetch};

/// Downloads by the link from this program, and compares.
fn fetch_by_link(payload: &Payload, seeder: &Foreign) {
    let (output, peer) = (TestFolder::new(), seeder.address().to_string());
    let folder = output.path().to_str().unwrap();
    let outcome = Program::start(["get", &payload.magnet(), "--peer", &peer, "-o", folder]).finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "it printed:\n{}", outcome.output);
    payload.assert_identical(output.path());
}

#[test]
fn it_comes_from_libtorrent_by_its_torrent_and_by_its_link() {
    let payload = Payload::version_two("2");
    let seeder = Foreign::libtorrent(&payload);
    fetch(&payload, &[seeder.address()]);
    fetch_by_link(&payload, &seeder);
}

#[test]
fn a_hybrid_one_comes_as_either_version() {
    let payload = Payload::version_two("hybrid");
    let seeder = Foreign::libtorrent(&payload);
    fetch(&payload, &[seeder.address()]);
    fetch_by_link(&payload, &seeder);
}

#[test]
fn libtorrent_gets_it_from_our_seed_by_its_torrent_and_by_its_link() {
    let payload = Payload::version_two("2");
    let (_seed, address) = Instance::seed(&payload.torrent(), &payload.complete(), &[]);
    for leecher in [Leecher::libtorrent(&payload, &[address]), Leecher::libtorrent_by_link(&payload, address)]
    {
        leecher.wait_until_complete();
        leecher.assert_identical(&payload);
    }
}
