//! Magnet links: the metadata and the payload from programs that are not ours, and to them.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::MIB;
use crate::foreign::{Foreign, Leecher, Nodes};
use crate::payload::Payload;
use crate::support::addresses::free_address;
use crate::support::folder::TestFolder;
use crate::support::instance::Instance;

/// For any one download here, on a loaded machine.
const LIMIT: Duration = Duration::from_secs(90);

/// Downloads by a link, with these arguments, and compares. At an address of its own: libtorrent, which
/// finds itself at a tracker and connects to itself from 127.0.0.1, then takes no peer from there.
fn fetch(payload: &Payload, link: &str, arguments: &[&str]) {
    let output = TestFolder::new();
    let outcome = Instance::get(link.as_ref(), output.path(), arguments).program.finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "it printed:\n{}", outcome.output);
    payload.assert_identical(output.path());
}

#[test]
fn a_link_alone_is_enough_to_find_libtorrent_and_to_download() {
    let payload = Payload::single(MIB);
    let mut nodes = Nodes::start(12, 66);
    nodes.seed(&payload);
    let (known, output) = (nodes.arguments(), TestFolder::new());
    let known: Vec<&str> = known.iter().map(String::as_str).chain(["--no-lan"]).collect();
    let instance = Instance::get_in_public(payload.magnet().as_ref(), output.path(), &known);
    let outcome = instance.program.finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "it printed:\n{}", outcome.output);
    payload.assert_identical(output.path());
}

#[test]
fn libtorrent_finds_our_seed_by_a_link_alone_and_downloads() {
    let payload = Payload::single(MIB);
    let mut nodes = Nodes::start(12, 67);
    let known = nodes.arguments();
    let known: Vec<&str> = known.iter().map(String::as_str).chain(["--no-lan"]).collect();
    let (_seed, _) = Instance::seed_in_public(&payload.torrent(), &payload.complete(), &known);
    nodes.wait_for_announce();
    let output = TestFolder::new();
    nodes.get(&payload.magnet(), output.path());
    payload.assert_identical(output.path());
}

#[test]
fn the_metadata_comes_from_each_program() {
    let payload = Payload::hundred_files();
    let start: [fn(&Payload) -> Foreign; 3] = [
        Foreign::libtorrent,
        |payload| Foreign::aria2(payload, 0),
        |payload| Foreign::transmission(payload, 0),
    ];
    for start in start {
        // Alone: one that knows us from before would come and give it.
        let seeder = start(&payload);
        fetch(&payload, &payload.magnet(), &["--peer", &seeder.address().to_string()]);
    }
}

#[test]
fn a_tracker_of_the_link_introduces_libtorrent() {
    let address = free_address(Ipv4Addr::LOCALHOST);
    let announce = format!("http://{address}/announce");
    let payload = Payload::single_announced(MIB, &announce);
    let tracker = Foreign::opentracker(address, &payload.info_hash());
    let _seeder = Foreign::libtorrent(&payload);
    tracker.wait_for_seeders(&payload.info_hash(), 1);
    fetch(&payload, &format!("{}&tr={announce}", payload.magnet()), &[]);
}

#[test]
fn aria2_gets_the_metadata_from_our_seed() {
    let address = free_address(Ipv4Addr::LOCALHOST);
    let announce = format!("http://{address}/announce");
    let payload = Payload::single_announced(8 * MIB + 3, &announce);
    let tracker = Foreign::opentracker(address, &payload.info_hash());
    let _seed = Instance::seed(&payload.torrent(), &payload.complete(), &[]);
    tracker.wait_for_seeders(&payload.info_hash(), 1);
    let leecher = Leecher::aria2_by_link(&format!("{}&tr={announce}", payload.magnet()));
    leecher.wait_until_complete();
    leecher.assert_identical(&payload);
}
