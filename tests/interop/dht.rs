//! Our node of the distributed hash table among libtorrent's.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};
use femtotorrent::address::IpFamily;
use femtotorrent::discovery::dht::{Dht, DhtOptions};
use femtotorrent::message::Event;
use femtotorrent::metainfo::InfoHash;
use femtotorrent::net::BindAddress;

use crate::foreign::Nodes;

const DEADLINE: Duration = Duration::from_secs(60);

/// Our node at this address, which knows some of theirs.
fn node(ip: [u8; 4], nodes: &Nodes) -> Dht {
    let known = nodes.addresses.iter().take(3);
    Dht::start(DhtOptions {
        bind_address: BindAddress::only(IpAddr::from(ip)),
        port: 0,
        read_only: false,
        nodes: known.map(|node| (node.ip().to_string(), node.port())).collect(),
        routers: false,
        saved: None,
        saves: true,
        tap: Default::default(),
        utp: None,
    })
    .unwrap()
}

fn wait_for(inbox: &Receiver<Event>, peer: SocketAddr) {
    let deadline = Instant::now() + DEADLINE;
    loop {
        match inbox.recv_deadline(deadline) {
            Ok(Event::Found(_, found)) if found.contains(&peer) => return,
            Ok(Event::Found(..)) => {}
            other => panic!("waiting for {peer}: {other:?}"),
        }
    }
}

#[test]
fn what_libtorrent_announces_we_find() {
    let mut nodes = Nodes::start(12, 61);
    let peer = nodes.announce([0x61; 20]);
    let ours = node([127, 0, 61, 100], &nodes);
    let (events, inbox) = bounded(64);
    let _search = ours.search(InfoHash([0x61; 20]), None, events);
    wait_for(&inbox, peer);
}

#[test]
fn what_we_announce_libtorrent_finds() {
    let mut nodes = Nodes::start(12, 62);
    let ours = node([127, 0, 62, 100], &nodes);
    let (events, _inbox) = bounded(64);
    let _search = ours.search(InfoHash([0x62; 20]), Some(7_001), events);
    nodes.find([0x62; 20], SocketAddr::from(([127, 0, 62, 100], 7_001)));
}

#[test]
fn libtorrent_reads_the_sample_of_torrents_that_we_give() {
    let mut nodes = Nodes::start(3, 66);
    let ours = node([127, 0, 66, 100], &nodes);
    let address = SocketAddr::from(([127, 0, 66, 100], ours.port(IpFamily::V4).unwrap()));
    // We are among the closest nodes as soon as they know us.
    let (events, _inbox) = bounded(64);
    let _search = ours.search(InfoHash([0x66; 20]), Some(7_001), events);
    let deadline = Instant::now() + DEADLINE;
    loop {
        assert!(Instant::now() < deadline);
        nodes.announce([0x67; 20]);
        let sample = nodes.sample(address);
        if sample.first().is_some_and(|count| count != "0") {
            assert_eq!(sample, ["1", &"67".repeat(20)]);
            return;
        }
    }
}

#[test]
fn a_lookup_of_ours_costs_at_most_half_as_much_again_as_one_of_libtorrents() {
    let mut nodes = Nodes::start(30, 65);
    let (them, us) = (nodes.addresses[29].ip(), IpAddr::from([127, 0, 65, 100]));
    let ours = node([127, 0, 65, 100], &nodes);
    let (mut their_cost, mut our_cost) = (0, 0);
    for round in 0..8 {
        let hash = [0x65 ^ (round * 31); 20];
        let peer = nodes.announce(hash);
        let before = (nodes.settle(them).0, nodes.settle(us).0);
        nodes.look(hash, peer);
        their_cost += nodes.settle(them).0 - before.0;
        let (events, inbox) = bounded(64);
        let _search = ours.search(InfoHash(hash), None, events);
        wait_for(&inbox, peer);
        our_cost += nodes.settle(us).0 - before.1;
    }
    println!("queries in 8 lookups: libtorrent's {their_cost}, ours {our_cost}");
    assert!(2 * our_cost <= 3 * their_cost, "queries: libtorrent's {their_cost}, ours {our_cost}");
}
