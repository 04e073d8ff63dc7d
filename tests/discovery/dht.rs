//! The distributed hash table: nodes at addresses of their own, 127.0.x.1 and so on.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use femtotorrent::address::IpFamily;
use femtotorrent::discovery::dht::{Dht, DhtOptions};
use femtotorrent::message::Event;
use femtotorrent::metainfo::InfoHash;
use femtotorrent::net::BindAddress;

use crate::support::addresses::free_address;
use crate::support::folder::TestFolder;

/// How long we wait for what is sure to come: long enough for a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The options of a node at this address that knows no other.
pub fn options(ip: impl Into<IpAddr>) -> DhtOptions {
    DhtOptions {
        bind_address: BindAddress::only(ip.into()),
        port: 0,
        read_only: false,
        nodes: Vec::new(),
        routers: false,
        saved: None,
        saves: true,
        tap: Default::default(),
        utp: None,
    }
}

/// A node at this address that begins with these other nodes.
pub fn node(ip: [u8; 4], others: &[(String, u16)]) -> Dht {
    Dht::start(DhtOptions { nodes: others.to_vec(), ..options(ip) }).unwrap()
}

/// The host and port by which other nodes are told of the node at this address.
pub fn host_and_port(ip: [u8; 4], dht: &Dht) -> (String, u16) {
    (IpAddr::from(ip).to_string(), dht.port(IpFamily::V4).unwrap())
}

/// `count` nodes at 127.0.`network`.1 and following that all begin with the first, and its host and port.
pub fn network(network: u8, count: u8) -> (Vec<Dht>, (String, u16)) {
    let first = [127, 0, network, 1];
    let mut nodes = vec![node(first, &[])];
    let first_node = host_and_port(first, &nodes[0]);
    nodes
        .extend((2..=count).map(|number| node([127, 0, network, number], std::slice::from_ref(&first_node))));
    (nodes, first_node)
}

/// The inbox of a torrent.
pub fn inbox() -> (Sender<Event>, Receiver<Event>) {
    bounded(64)
}

/// Waits until this peer is found.
pub fn wait_for(inbox: &Receiver<Event>, peer: SocketAddr) {
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
fn in_a_network_of_thirty_a_peer_that_is_announced_is_found() {
    let (nodes, _) = network(81, 30);
    let hash = [0x81; 20];
    let ((events, _inbox), (wanting, wanted)) = (inbox(), inbox());
    let _announcing = nodes[7].search(InfoHash(hash), Some(7_777), events);
    let _searching = nodes[22].search(InfoHash(hash), None, wanting);
    wait_for(&wanted, SocketAddr::from(([127, 0, 81, 8], 7_777)));
}

#[test]
fn the_port_that_a_router_has_opened_is_announced_instead_of_ours() {
    let (nodes, _) = network(89, 3);
    let hash = InfoHash([0x89; 20]);
    let ((events, _inbox), (wanting, wanted), (again, found)) = (inbox(), inbox(), inbox());
    let announcing = nodes[1].search(hash, Some(7_777), events);
    let searching = nodes[2].search(hash, None, wanting);
    wait_for(&wanted, SocketAddr::from(([127, 0, 89, 2], 7_777)));
    drop(searching);
    // These nodes have IPv4 alone, whose port is the first one.
    announcing.announce([Some(7_778), Some(7_779)]);
    let _searching = nodes[2].search(hash, None, again);
    wait_for(&found, SocketAddr::from(([127, 0, 89, 2], 7_778)));
}

#[test]
fn a_dead_node_and_a_host_name_that_does_not_exist_delay_no_other() {
    let silent = UdpSocket::bind("127.0.82.9:0").unwrap();
    let (nodes, good) = network(82, 3);
    let dead = ("127.0.82.9".to_owned(), silent.local_addr().unwrap().port());
    let unknown = ("no host has this name".to_owned(), 6881);
    let ours = node([127, 0, 82, 8], &[dead, unknown.clone(), good]);
    let ((events, _inbox), (wanting, wanted)) = (inbox(), inbox());
    let _announcing = nodes[1].search(InfoHash([0x82; 20]), Some(7_777), events);
    let _searching = ours.search(InfoHash([0x82; 20]), None, wanting);
    wait_for(&wanted, SocketAddr::from(([127, 0, 82, 2], 7_777)));
    // With these two alone there is no network. The node still ends at once.
    let alone = node([127, 0, 82, 7], &[unknown]);
    drop(alone.search(InfoHash([0x82; 20]), None, bounded(1).0));
}

#[test]
fn nodes_are_found_by_host_names_and_by_those_that_torrents_name() {
    let first = node([127, 0, 0, 1], &[]);
    let (_, port) = host_and_port([127, 0, 0, 1], &first);
    let by_name = ("localhost".to_owned(), port);
    let second = node([127, 0, 83, 2], std::slice::from_ref(&by_name));
    let third = node([127, 0, 83, 3], &[]);
    third.contact_names(&[by_name]);
    let fourth = node([127, 0, 83, 4], &[]);
    fourth.contact(SocketAddr::from(([127, 0, 0, 1], port)));
    let (events, _inbox) = inbox();
    let _announcing = second.search(InfoHash([0x83; 20]), Some(7_777), events);
    for other in [&third, &fourth] {
        let (wanting, wanted) = inbox();
        let _searching = other.search(InfoHash([0x83; 20]), None, wanting);
        wait_for(&wanted, SocketAddr::from(([127, 0, 83, 2], 7_777)));
    }
}

#[test]
fn the_nodes_of_the_last_run_are_enough_to_begin_with() {
    let (nodes, first) = network(84, 12);
    let folder = TestFolder::new();
    let saved = Some(folder.path().join("cache/femtotorrent"));
    let hash = [0x84; 20];
    let announced = SocketAddr::from(([127, 0, 84, 5], 7_777));
    let (events, _inbox) = inbox();
    let _announcing = nodes[4].search(InfoHash(hash), Some(announced.port()), events);
    let begin = |nodes: &[(String, u16)]| {
        Dht::start(DhtOptions { nodes: nodes.to_vec(), saved: saved.clone(), ..options([127, 0, 84, 200]) })
            .unwrap()
    };
    let (wanting, wanted) = inbox();
    let ours = begin(&[first]);
    let searching = ours.search(InfoHash(hash), None, wanting);
    wait_for(&wanted, announced);
    drop((searching, ours));

    let (wanting, wanted) = inbox();
    let again = begin(&[]);
    let _searching = again.search(InfoHash(hash), None, wanting);
    wait_for(&wanted, announced);
}

#[test]
fn a_malformed_file_of_nodes_is_no_error() {
    let folder = TestFolder::new();
    for rubbish in [&b""[..], b"d1:4d5:nodes6:\x7f\x00\x00\x01\x00\x00ee", &[0xff; 100_000]] {
        std::fs::write(folder.path().join("dht"), rubbish).unwrap();
        let saved = Some(folder.path().to_path_buf());
        drop(Dht::start(DhtOptions { saved, ..options([127, 0, 85, 1]) }).unwrap());
    }
}

#[test]
fn peers_that_an_inbox_has_no_room_for_come_later() {
    let (nodes, _) = network(86, 4);
    let hash = [0x86; 20];
    let (events, _inbox) = inbox();
    let _announcing = nodes[1].search(InfoHash(hash), Some(7_777), events);
    let ((other_events, other), (wanting, wanted)) = (inbox(), bounded(1));
    wanting.send(Event::Stop).unwrap();
    let _searching = nodes[2].search(InfoHash(hash), None, wanting);
    let _also = nodes[3].search(InfoHash(hash), None, other_events);
    wait_for(&other, SocketAddr::from(([127, 0, 86, 2], 7_777)));
    assert!(matches!(wanted.recv_timeout(DEADLINE), Ok(Event::Stop)));
    wait_for(&wanted, SocketAddr::from(([127, 0, 86, 2], 7_777)));
}

#[test]
fn the_nodes_of_ipv6_are_a_separate_network() {
    let here = IpAddr::from(Ipv6Addr::LOCALHOST);
    let first = match Dht::start(options(here)) {
        Ok(first) => first,
        // There is nothing to test on a host without IPv6.
        Err(_) => return assert!(UdpSocket::bind((here, 0)).is_err()),
    };
    assert_eq!(first.port(IpFamily::V4), None);
    let first_node = (here.to_string(), first.port(IpFamily::V6).unwrap());
    let second = Dht::start(DhtOptions { nodes: vec![first_node], ..options(here) }).unwrap();
    let ((events, _inbox), (wanting, wanted)) = (inbox(), inbox());
    let _announcing = second.search(InfoHash([0x87; 20]), Some(7_777), events);
    let _searching = first.search(InfoHash([0x87; 20]), None, wanting);
    wait_for(&wanted, SocketAddr::new(here, 7_777));
}

#[test]
fn a_search_that_has_ended_finds_nothing_and_a_later_one_counts() {
    let (nodes, _) = network(88, 4);
    let hash = [0x88; 20];
    let (events, _inbox) = inbox();
    let _announcing = nodes[1].search(InfoHash(hash), Some(7_777), events);
    let ((one, first), (two, second)) = (inbox(), inbox());
    let earlier = nodes[2].search(InfoHash(hash), None, one);
    let _later = nodes[2].search(InfoHash(hash), None, two);
    drop(earlier);
    wait_for(&second, SocketAddr::from(([127, 0, 88, 2], 7_777)));
    // What the earlier search has found before its end is there, and then its sender is gone, so this ends.
    first.iter().for_each(drop);
}

#[test]
fn both_families_share_a_port_and_leave_it_when_they_end() {
    // Nobody else is given it when it is let go.
    let preferred = free_address([127, 0, 0, 1]).port();
    let options = DhtOptions { bind_address: BindAddress::any(), port: preferred, ..options([127, 0, 0, 1]) };
    let dht = Dht::start(options.clone()).unwrap();
    let ports = [dht.port(IpFamily::V4), dht.port(IpFamily::V6)];
    assert!(ports.contains(&Some(preferred)) && ports.iter().flatten().all(|port| *port == preferred));
    // The port is taken, so another one is used.
    let other = Dht::start(options).unwrap();
    assert_ne!(other.port(IpFamily::V4).or(other.port(IpFamily::V6)), Some(preferred));
    drop(dht);
    UdpSocket::bind(("127.0.0.1", preferred)).unwrap();
}

#[test]
fn with_a_bind_address_that_the_host_does_not_have_there_is_no_dht() {
    for ip in ["192.0.2.77", "2001:db8::1"] {
        let ip: IpAddr = ip.parse().unwrap();
        Dht::start(options(ip)).unwrap_err();
    }
}
