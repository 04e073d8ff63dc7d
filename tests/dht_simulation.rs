//! Networks of simulated nodes: the clock is a counter, and packets are values in a queue.

#![cfg(test)]

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use femtotorrent::address::IpFamily;
use femtotorrent::discovery::dht::packet::{Body, Method, Packet, Query, Response};
use femtotorrent::discovery::dht::{Contact, Node, NodeId, Output, Settings};
use femtotorrent::metainfo::InfoHash;

const SECOND: Duration = Duration::from_secs(1);

/// The port that a torrent's peers announce.
const PORT: u16 = 51_413;

/// Bytes of a query of ours behind its name: transaction id, version, and that it is a query.
const TAIL: usize = b"1:t4:tttt1:v4:vvvv1:y1:qe".len();

enum Kind {
    Honest,
    /// The same, but it has any name and hears nothing of BEP 42, as many in the world.
    Plain,
    /// Answers with nodes that are not there, cannot be, or are in the same game.
    Liar,
    Dead,
}

struct Host {
    address: SocketAddr,
    kind: Kind,
    node: Node,
    /// When it wakes up, as far as that is in the queue.
    wakes: Option<Duration>,
    /// Queries for peers.
    lookups: usize,
    /// Of packets that it sent or was sent, with what the network adds.
    bytes: usize,
}

enum Event {
    Wake(usize),
    Packet { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
}

struct World {
    start: Instant,
    passed: Duration,
    random: fastrand::Rng,
    hosts: Vec<Host>,
    places: HashMap<SocketAddr, usize>,
    /// What happens when, in the order in which it was put there.
    queue: BinaryHeap<Reverse<(Duration, usize)>>,
    events: HashMap<usize, Event>,
    numbered: usize,
    /// Who heard of which peer of which torrent.
    found: Vec<(usize, InfoHash, SocketAddr)>,
    /// Who was told of a peer of which torrent.
    told: HashSet<(InfoHash, SocketAddr)>,
    /// Of a hundred packets so many are lost.
    lost: u32,
    /// The longest way that a packet takes.
    distance: Duration,
}

impl World {
    fn new(seed: u64, lost: u32, distance: Duration) -> World {
        World {
            start: Instant::now(),
            passed: Duration::ZERO,
            random: fastrand::Rng::with_seed(seed),
            hosts: Vec::new(),
            places: HashMap::new(),
            queue: BinaryHeap::new(),
            events: HashMap::new(),
            numbered: 0,
            found: Vec::new(),
            told: HashSet::new(),
            lost,
            distance,
        }
    }

    fn now(&self) -> Instant {
        self.start + self.passed
    }

    fn add(&mut self, address: SocketAddr, kind: Kind) -> usize {
        let family = IpFamily::of(address.ip());
        let id = match kind {
            Kind::Plain => NodeId::random(&mut self.random),
            _ => NodeId::for_address(address.ip(), &mut self.random),
        };
        let settings = Settings { family, read_only: false, id: Some(id) };
        let node = Node::new(settings, self.random.fork(), self.now());
        let place = self.hosts.len();
        self.hosts.push(Host { address, kind, node, wakes: None, lookups: 0, bytes: 0 });
        assert_eq!(self.places.insert(address, place), None);
        place
    }

    fn put(&mut self, at: Duration, event: Event) {
        self.numbered += 1;
        self.events.insert(self.numbered, event);
        self.queue.push(Reverse((at, self.numbered)));
    }

    /// Does something with a node, and then what it wants done.
    fn with(&mut self, place: usize, act: impl FnOnce(&mut Node, Instant)) {
        let now = self.now();
        act(&mut self.hosts[place].node, now);
        let from = self.hosts[place].address;
        while let Some(output) = self.hosts[place].node.next_output() {
            match output {
                Output::Send { to, packet } => {
                    let head = packet.len().saturating_sub(TAIL);
                    self.hosts[place].lookups += usize::from(packet[..head].ends_with(b"1:q9:get_peers"));
                    if packet[..head].ends_with(b"1:q13:announce_peer") {
                        self.told.insert((announced_in(&packet), to));
                    }
                    self.send(from, to, packet);
                }
                Output::Found { info_hash, peers } => {
                    self.found.extend(peers.into_iter().map(|peer| (place, info_hash, peer)));
                }
            }
        }
        let wakes = self.hosts[place].node.next_deadline() - self.start;
        if self.hosts[place].wakes.is_none_or(|before| wakes < before) {
            self.hosts[place].wakes = Some(wakes);
            self.put(wakes, Event::Wake(place));
        }
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        for end in [from, to] {
            if let Some(place) = self.places.get(&end) {
                self.hosts[*place].bytes += bytes.len() + 28;
            }
        }
        if self.random.u32(..100) >= self.lost {
            let way = self.distance.mul_f64(0.2 + 0.8 * self.random.f64());
            self.put(self.passed + way, Event::Packet { from, to, bytes });
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.passed + time;
        while let Some(Reverse((at, number))) = self.queue.peek().copied()
            && at <= end
        {
            self.queue.pop();
            self.passed = self.passed.max(at);
            match self.events.remove(&number).unwrap() {
                Event::Wake(place) if self.hosts[place].wakes == Some(at) => {
                    self.hosts[place].wakes = None;
                    if !matches!(self.hosts[place].kind, Kind::Dead) {
                        self.with(place, Node::tick);
                    }
                }
                Event::Wake(_) => {}
                Event::Packet { from, to, bytes } => self.arrive(from, to, &bytes),
            }
        }
        self.passed = end;
    }

    fn arrive(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let Some(place) = self.places.get(&to).copied() else { return };
        match self.hosts[place].kind {
            Kind::Dead => {}
            Kind::Honest => self.with(place, |node, now| node.receive(bytes, from, now)),
            Kind::Plain => {
                let Some(packet) = Packet::from_wire(bytes) else { return };
                let bytes = Packet { external: None, ..packet }.to_wire();
                self.with(place, |node, now| node.receive(&bytes, from, now));
            }
            Kind::Liar => match Packet::from_wire(bytes) {
                Some(Packet { transaction, body: Body::Query(query), .. }) => {
                    let lie = self.lie(place, from, transaction, &query);
                    self.send(to, from, lie);
                }
                _ => self.with(place, |node, now| node.receive(bytes, from, now)),
            },
        }
    }

    /// An answer that leads nowhere.
    fn lie(&mut self, place: usize, from: SocketAddr, transaction: &[u8], query: &Query<'_>) -> Vec<u8> {
        let target = match query.method {
            Method::FindNode(target) => target,
            Method::GetPeers(info_hash) => NodeId(info_hash.0),
            _ => NodeId([0; 20]),
        };
        let close: Vec<NodeId> = (0..10)
            .map(|_| {
                let mut id = target;
                self.random.fill(&mut id.0[3..]);
                id
            })
            .collect();
        let host = &self.hosts[place];
        let liars = self.hosts.iter().filter(|host| matches!(host.kind, Kind::Liar));
        let mut addresses: Vec<SocketAddr> = liars.map(|liar| liar.address).collect();
        self.random.shuffle(&mut addresses);
        addresses.truncate(3);
        for nowhere in ["127.0.0.1:80", "224.0.0.1:80", "7.7.7.7:0", "7.8.9.1:6881", "7.8.8.1:6881"] {
            addresses.push(nowhere.parse().unwrap());
        }
        addresses.extend([from, host.address]);
        let nodes = close.iter().zip(addresses).map(|(id, address)| Contact { id: *id, address }).collect();
        // Some are who they say, others say to be next to whatever is searched for.
        let id = if place.is_multiple_of(20) { host.node.id() } else { close[0] };
        let values = vec!["127.0.0.1:22".parse().unwrap(), "224.0.0.9:9".parse().unwrap()];
        let body = Body::Response(Response { id, nodes, values, token: Some(b"lie") });
        let external = "66.66.66.66:6".parse().ok();
        Packet { transaction, body, read_only: false, external, version: b"" }.to_wire()
    }
}

/// So many nodes in networks of their own, and all know somebody.
fn network(world: &mut World, count: usize, kind: impl Fn(usize) -> Kind) {
    let ask_some = |world: &mut World, place: usize, among: usize| {
        for _ in 0..3.min(among) {
            let known = world.hosts[world.random.usize(..among)].address;
            world.with(place, |node, now| node.contact(known, now));
        }
    };
    for number in 0..count {
        let ip = IpAddr::from([50, (number / 250) as u8, (number % 250) as u8, 7]);
        let place = world.add(SocketAddr::new(ip, 6881), kind(number));
        ask_some(world, place, number);
        world.run(SECOND / 50);
    }
    // Whoever knows few asks again, as `bootstrap` has it.
    for _ in 0..4 {
        world.run(5 * SECOND);
        for place in 0..count {
            if world.hosts[place].node.is_thin() {
                ask_some(world, place, count);
            }
        }
    }
    world.run(5 * SECOND);
}

/// One in so many lies.
fn liars(among: usize) -> impl Fn(usize) -> Kind {
    move |number| if number > 0 && number.is_multiple_of(among) { Kind::Liar } else { Kind::Honest }
}

/// The torrent that this packet announces a peer of.
fn announced_in(packet: &[u8]) -> InfoHash {
    match Packet::from_wire(packet).unwrap().body {
        Body::Query(Query { method: Method::AnnouncePeer { info_hash, .. }, .. }) => info_hash,
        other => panic!("{other:?}"),
    }
}

fn torrent(number: usize) -> InfoHash {
    InfoHash(NodeId::random(&mut fastrand::Rng::with_seed(number as u64)).0)
}

/// Somebody who is there and does not lie.
fn anybody(world: &mut World) -> usize {
    loop {
        let place = world.random.usize(..world.hosts.len());
        if matches!(world.hosts[place].kind, Kind::Honest) {
            return place;
        }
    }
}

/// Has nodes announce these torrents: who announced which.
fn announce(world: &mut World, torrents: impl Iterator<Item = usize>) -> Vec<(usize, usize)> {
    let mut announced = Vec::new();
    for number in torrents {
        let place = anybody(world);
        world.with(place, |node, now| node.search(torrent(number), Some(PORT), now));
        announced.push((number, place));
        world.run(SECOND / 20);
    }
    world.run(10 * SECOND);
    for (number, place) in &announced {
        world.with(*place, |node, _| node.forget(torrent(*number)));
    }
    announced
}

/// Has so many others search for each of these. How many searches there were, how many of them did not find
/// the peer, and how many queries it took.
fn search(world: &mut World, announced: &[(usize, usize)], times: usize) -> (usize, usize, usize) {
    let queries = |world: &World| world.hosts.iter().map(|host| host.lookups).sum::<usize>();
    let (before, mut missing) = (queries(world), HashSet::new());
    for (number, owner) in announced {
        let peer = SocketAddr::new(world.hosts[*owner].address.ip(), PORT);
        for _ in 0..times {
            let place = anybody(world);
            if place != *owner && missing.insert((place, torrent(*number), peer)) {
                world.with(place, |node, now| node.search(torrent(*number), None, now));
            }
        }
        world.run(SECOND / 20);
    }
    world.run(4 * SECOND);
    let all = missing.len();
    for found in &world.found {
        missing.remove(found);
    }
    (all, missing.len(), queries(world) - before)
}

#[test]
fn in_a_thousand_nodes_whoever_announced_is_found() {
    let mut world = World::new(1, 1, SECOND / 10);
    network(&mut world, 1_000, |_| Kind::Honest);
    let announced = announce(&mut world, 0..100);
    let (all, missing, queries) = search(&mut world, &announced, 2);
    assert!(missing * 100 <= all, "{missing} of {all}");
    assert!(queries <= all * 20, "{queries} queries for {all}");
}

#[test]
fn in_a_thousand_nodes_of_which_a_third_is_gone_and_a_tenth_lies_whoever_announced_is_found() {
    let mut world = World::new(2, 1, SECOND / 10);
    network(&mut world, 1_000, liars(10));
    let mut announced = announce(&mut world, 0..50);
    let mut gone = 0;
    while gone < world.hosts.len() / 3 {
        let place = anybody(&mut world);
        world.hosts[place].kind = Kind::Dead;
        gone += 1;
    }
    announced.extend(announce(&mut world, 50..100));
    let (all, missing, queries) = search(&mut world, &announced, 2);
    assert!(missing * 100 <= all, "{missing} of {all}");
    assert!(queries <= all * 40, "{queries} queries for {all}");
    let could_be_a_peer = |peer: &SocketAddr| !peer.ip().is_loopback() && !peer.ip().is_multicast();
    assert!(world.found.iter().all(|(_, _, peer)| could_be_a_peer(peer)));
    // Nor did they talk anybody into another name.
    let honest = world.hosts.iter().filter(|host| matches!(host.kind, Kind::Honest));
    assert!(honest.clone().all(|host| host.node.id().is_valid_for(host.address.ip())));
    assert!(honest.clone().all(|host| host.node.external().is_none_or(|ip| ip == host.address.ip())));
}

#[test]
fn where_most_have_any_name_an_announce_reaches_those_whom_others_ask() {
    let mut world = World::new(5, 1, SECOND / 10);
    network(&mut world, 500, |number| if number % 10 > 0 { Kind::Plain } else { Kind::Honest });
    let mut reached = 0;
    for (number, _) in announce(&mut world, 0..50) {
        let info_hash = torrent(number);
        let far = |host: &Host| NodeId(info_hash.0).distance(host.node.id());
        let mut closest: Vec<&Host> = world.hosts.iter().collect();
        closest.sort_by_key(|host| far(host));
        reached += closest[..8].iter().filter(|host| world.told.contains(&(info_hash, host.address))).count();
    }
    assert!(reached >= 50 * 7, "{reached} of {}", 50 * 8);
}

/// Nodes on the loopback network, which know the first one and nobody else.
fn loopback(count: u8) -> World {
    let mut world = World::new(3, 0, Duration::from_millis(1));
    for number in 1..=count {
        let place = world.add(SocketAddr::from(([127, 0, 0, number], 6881)), Kind::Honest);
        let first = world.hosts[0].address;
        world.with(place, |node, now| node.contact(first, now));
        world.run(Duration::from_millis(5));
    }
    world
}

#[test]
fn thirty_nodes_on_one_machine_find_each_other_at_once_and_with_few_queries() {
    let mut world = loopback(30);
    let mut searches = 0;
    for (number, owner) in [(1, 29), (2, 0), (3, 15)] {
        world.with(owner, |node, now| node.search(torrent(number), Some(PORT), now));
        world.run(SECOND / 10);
        let before: usize = world.hosts.iter().map(|host| host.lookups).sum();
        let others: Vec<usize> = (0..30).filter(|place| *place != owner).collect();
        for place in &others {
            world.with(*place, |node, now| node.search(torrent(number), None, now));
        }
        world.run(SECOND / 10);
        let peer = SocketAddr::new(world.hosts[owner].address.ip(), PORT);
        for place in &others {
            assert!(world.found.contains(&(*place, torrent(number), peer)), "{place}");
            world.with(*place, |node, _| node.forget(torrent(number)));
        }
        searches += world.hosts.iter().map(|host| host.lookups).sum::<usize>() - before;
        world.with(owner, |node, _| node.forget(torrent(number)));
    }
    assert!(searches <= 3 * 29 * 12, "{searches} queries for {}", 3 * 29);
}

#[test]
fn in_a_network_of_two_or_three_the_second_to_come_is_found() {
    for count in [2, 3] {
        let mut world = World::new(4, 0, Duration::from_millis(1));
        let first: SocketAddr = "127.0.0.1:6881".parse().unwrap();
        for number in 1..=count {
            let place = world.add(SocketAddr::from(([127, 0, 0, number], 6881)), Kind::Honest);
            world.with(place, |node, now| node.search(torrent(1), Some(PORT + u16::from(number)), now));
            if number > 1 {
                world.with(place, |node, now| node.contact(first, now));
            }
        }
        world.run(SECOND / 2);
        for place in 0..usize::from(count) {
            for number in (1..=count).filter(|number| usize::from(*number) != place + 1) {
                let peer = SocketAddr::from(([127, 0, 0, number], PORT + u16::from(number)));
                assert!(world.found.contains(&(place, torrent(1), peer)), "{place} of {count}: {peer}");
            }
        }
    }
}

#[test]
fn a_network_where_nobody_searches_is_quiet_and_stays_together() {
    let mut world = loopback(30);
    world.run(60 * SECOND);
    world.hosts.iter_mut().for_each(|host| host.bytes = 0);
    world.run(3600 * SECOND);
    for host in &world.hosts {
        assert!(host.bytes < 3600 * 1_000, "{} bytes in an hour", host.bytes);
        assert!(host.node.good_nodes().len() >= 8);
    }
}
