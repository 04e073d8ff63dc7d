//! Downloads from programs that are not ours, and theirs from us.
//!
//! libtorrent, aria2 and Transmission seed or download, nginx is a web seed, opentracker introduces them, miniupnpd
//! lets them in, Dante, Squid and Tinyproxy stand between them, and femtotorrent runs as a process of its own, as a
//! user runs it. `make interop` installs what this needs. Torrents are made
//! by libtorrent and Transmission, so that neither end of any test is our opinion of the protocol.
#![cfg(test)]

mod captures;
mod create;
mod dht;
mod encryption;
mod exchange;
mod foreign;
mod gateways;
mod interface;
mod key_exchanges;
mod lan;
mod leaks;
mod magnets;
mod odd_names;
mod payload;
mod proxies;
mod script;
mod seeding;
#[path = "../support/mod.rs"]
mod support;
mod utp;
mod version_two;
mod web_seeds;

use std::ffi::{OsStr, OsString};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use foreign::Foreign;
use payload::Payload;
use support::addresses::free_address;
use support::folder::TestFolder;
use support::instance::Instance;
use support::program::Program;

const MIB: u64 = 1024 * 1024;
/// For any one download here, 5 GiB on a slow disk included.
const LIMIT: Duration = Duration::from_secs(420);

/// The arguments that fetch a payload from these peers; from the trackers' where there are none.
fn get(payload: &Payload, output: &Path, peers: &[SocketAddr]) -> Vec<OsString> {
    let mut arguments: Vec<OsString> =
        vec!["get".into(), payload.torrent().into(), "-o".into(), output.into()];
    arguments.extend(peers.iter().flat_map(|peer| ["--peer".into(), peer.to_string().into()]));
    arguments
}

/// Downloads and compares.
fn fetch(payload: &Payload, peers: &[SocketAddr]) {
    let output = TestFolder::new();
    let outcome = Program::start(get(payload, output.path(), peers)).finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "it printed:\n{}", outcome.output);
    payload.assert_identical(output.path());
}

#[test]
fn a_single_file_arrives_from_each_program() {
    let payload = Payload::single(10 * MIB + 1);
    fetch(&payload, &[Foreign::libtorrent(&payload).address()]);
    fetch(&payload, &[Foreign::aria2(&payload, 0).address()]);
    fetch(&payload, &[Foreign::transmission(&payload, 0).address()]);
}

#[test]
fn libtorrent_at_two_addresses_keeps_one_connection() {
    let payload = Payload::single(5 * MIB);
    // Which of two connections it closes depends on whether its peer ID or ours is the greater one.
    for name in ["-DE2110-", "-qB4500-"] {
        let (_seed, addresses) = Foreign::libtorrent_at_two_addresses(&payload, MIB / 2, name);
        let output = TestFolder::new();
        let mut arguments = get(&payload, output.path(), &addresses);
        arguments.push("-v".into());
        let outcome = Program::start(arguments).finish(LIMIT);
        assert_eq!(outcome.code, Some(0), "it printed:\n{}", outcome.output);
        payload.assert_identical(output.path());
        let greeted = outcome.output.matches(": connected: ").count();
        assert!(greeted <= 3, "{greeted} connections:\n{}", outcome.output);
    }
}

#[test]
fn a_hundred_files_arrive_from_each_program() {
    let payload = Payload::hundred_files();
    fetch(&payload, &[Foreign::libtorrent(&payload).address()]);
    fetch(&payload, &[Foreign::aria2(&payload, 0).address()]);
    fetch(&payload, &[Foreign::transmission(&payload, 0).address()]);
}

#[test]
fn a_hundred_files_arrive_from_three_programs_at_once() {
    let payload = Payload::hundred_files();
    let seeders =
        [Foreign::libtorrent(&payload), Foreign::aria2(&payload, 0), Foreign::transmission(&payload, 0)];
    fetch(&payload, &seeders.each_ref().map(Foreign::address));
}

#[test]
fn five_gibibytes_arrive_from_libtorrent_and_from_aria2_and_from_three_programs_at_once() {
    let payload = Payload::five_gibibytes();
    let seeders =
        [Foreign::libtorrent(&payload), Foreign::aria2(&payload, 0), Foreign::transmission(&payload, 0)];
    let [libtorrent, aria2, transmission] = seeders.each_ref().map(Foreign::address);
    fetch(&payload, &[libtorrent]);
    fetch(&payload, &[aria2]);
    fetch(&payload, &[libtorrent, aria2, transmission]);
}

#[test]
fn five_gibibytes_arrive_from_transmission() {
    let payload = Payload::five_gibibytes();
    // One answers the 512 requests it lets wait every half second, which is 16 MiB/s and more than five minutes; four of
    // them show the same in a quarter of that.
    let transmissions = [(); 4].map(|()| Foreign::transmission(&payload, 0));
    fetch(&payload, &transmissions.each_ref().map(Foreign::address));
}

#[test]
fn a_seeder_killed_in_the_middle_costs_nothing_but_time() {
    let payload = Payload::single(32 * MIB + 5);
    // Slow enough that the others cannot have finished when the first is killed.
    let rate = 4_000_000;
    let doomed = Foreign::libtorrent_from(&payload, &payload.complete(), rate);
    let others = [Foreign::aria2(&payload, rate), Foreign::transmission(&payload, rate)];
    let output = TestFolder::new();
    let peers = [doomed.address(), others[0].address(), others[1].address()];
    let mut download = Program::start(get(&payload, output.path(), &peers));

    doomed.wait_until_uploaded(2 * MIB);
    drop(doomed);
    assert!(download.is_running(), "the seeder was to be killed in the middle, not after the end");

    let outcome = download.finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "it printed:\n{}", outcome.output);
    payload.assert_identical(output.path());
}

#[test]
fn three_partial_peers_add_up_to_the_whole() {
    let payload = Payload::single(24 * MIB + 77);
    let peers =
        [0, 1, 2].map(|first| Foreign::libtorrent_from(&payload, &payload.every_third_piece(first), 0));
    fetch(&payload, &peers.each_ref().map(Foreign::address));
}

#[test]
fn opentracker_introduces_the_seeders() {
    let address = free_address(Ipv4Addr::LOCALHOST);
    let payload = Payload::single_announced(10 * MIB + 1, &format!("http://{address}/announce"));
    let info_hash = payload.info_hash();
    let tracker = Foreign::opentracker(address, &info_hash);
    let seeders =
        [Foreign::libtorrent(&payload), Foreign::aria2(&payload, 0), Foreign::transmission(&payload, 0)];
    tracker.wait_for_seeders(&info_hash, 3);
    fetch(&payload, &[]);
    drop(seeders);
}

#[test]
fn opentracker_introduces_a_seeder_over_udp_and_says_how_many_there_are() {
    let address = free_address(Ipv4Addr::LOCALHOST);
    let payload = Payload::single_announced(10 * MIB + 1, &format!("udp://{address}/announce"));
    let info_hash = payload.info_hash();
    let tracker = Foreign::opentracker(address, &info_hash);
    let seeder = Foreign::libtorrent(&payload);
    tracker.wait_for_seeders(&info_hash, 1);
    let (torrent, output) = (payload.torrent(), TestFolder::new());
    // At an address of its own: libtorrent, which finds itself at the tracker and connects to itself from
    // 127.0.0.1, then takes no peer from there.
    let outcome = Instance::get(&torrent, output.path(), &[]).program.finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "it printed:\n{}", outcome.output);
    payload.assert_identical(output.path());

    let arguments = [OsStr::new("show"), torrent.as_os_str(), OsStr::new("--scrape")];
    let outcome = Program::start(arguments).finish(LIMIT);
    assert_eq!(outcome.code, Some(0), "it printed:\n{}", outcome.output);
    // The download was announced as completed, and then that it leaves.
    assert!(outcome.output.contains("seeders 1, leechers 0, downloads 1"), "{}", outcome.output);
    drop(seeder);
}
