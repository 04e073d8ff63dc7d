//! A simulated network of DHT nodes: the clock is a counter, and packets are values in a queue.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use femtotorrent::address::IpFamily;
use femtotorrent::chance;
use femtotorrent::discovery::dht::packet::{Body, Method, Packet, Query, Response};
use femtotorrent::discovery::dht::{Contact, Node, NodeId, NodeSettings, Output};
use femtotorrent::metainfo::InfoHash;

/// Bytes of a query of ours behind its method: transaction ID, version, and that it is a query.
const TAIL: usize = b"1:t4:tttt1:v4:vvvv1:y1:qe".len();

pub enum HostKind {
    Honest,
    /// The same, but it has a random ID and knows nothing of BEP 42, as many nodes in the world.
    WithoutBep42,
    /// Answers with nodes that are not there, cannot be, or are attackers too.
    Attacker,
    Dead,
}

pub struct SimulatedHost {
    pub address: SocketAddr,
    pub kind: HostKind,
    pub node: Node,
    /// When it wakes up, as far as that is in the queue.
    wakes: Option<Duration>,
    /// Queries for peers that it sent.
    pub get_peers: usize,
    /// Bytes of the packets that it sent or was sent, with those that the network adds.
    pub bytes: usize,
}

enum SimulatedEvent {
    Wake(usize),
    Packet { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
}

pub struct World {
    start: Instant,
    passed: Duration,
    pub random: fastrand::Rng,
    pub hosts: Vec<SimulatedHost>,
    places: HashMap<SocketAddr, usize>,
    /// When each event happens, and its number.
    queue: BinaryHeap<Reverse<(Duration, usize)>>,
    events: HashMap<usize, SimulatedEvent>,
    numbered: usize,
    /// Which host found which peer of which torrent.
    pub found: Vec<(usize, InfoHash, SocketAddr)>,
    /// The addresses that a peer of a torrent was announced to.
    pub announced_to: HashSet<(InfoHash, SocketAddr)>,
    /// How many of a hundred packets are lost.
    loss: u32,
    /// The longest time that a packet takes.
    delay: Duration,
}

impl World {
    pub fn new(seed: u64, loss: u32, delay: Duration) -> World {
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
            announced_to: HashSet::new(),
            loss,
            delay,
        }
    }

    fn now(&self) -> Instant {
        self.start + self.passed
    }

    pub fn add(&mut self, address: SocketAddr, kind: HostKind) -> usize {
        let family = IpFamily::of(address.ip());
        let id = match kind {
            HostKind::WithoutBep42 => NodeId::random(&mut self.random),
            _ => NodeId::for_address(address.ip(), &mut self.random),
        };
        let settings = NodeSettings { family, read_only: false, id: Some(id) };
        let node = Node::new(settings, self.random.fork(), self.now());
        let place = self.hosts.len();
        self.hosts.push(SimulatedHost { address, kind, node, wakes: None, get_peers: 0, bytes: 0 });
        assert_eq!(self.places.insert(address, place), None);
        place
    }

    fn put(&mut self, at: Duration, event: SimulatedEvent) {
        self.numbered += 1;
        self.events.insert(self.numbered, event);
        self.queue.push(Reverse((at, self.numbered)));
    }

    /// Does something with a node, and then carries out what it wants done.
    pub fn with(&mut self, place: usize, act: impl FnOnce(&mut Node, Instant)) {
        let now = self.now();
        act(&mut self.hosts[place].node, now);
        let from = self.hosts[place].address;
        while let Some(output) = self.hosts[place].node.next_output() {
            match output {
                Output::Send { to, packet } => {
                    let head = packet.len().saturating_sub(TAIL);
                    self.hosts[place].get_peers += usize::from(packet[..head].ends_with(b"1:q9:get_peers"));
                    if packet[..head].ends_with(b"1:q13:announce_peer") {
                        self.announced_to.insert((announced_in(&packet), to));
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
            self.put(wakes, SimulatedEvent::Wake(place));
        }
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        for end in [from, to] {
            if let Some(place) = self.places.get(&end) {
                self.hosts[*place].bytes += bytes.len() + 28;
            }
        }
        if self.random.u32(..100) >= self.loss {
            let delay = self.delay.mul_f64(0.2 + 0.8 * self.random.f64());
            self.put(self.passed + delay, SimulatedEvent::Packet { from, to, bytes });
        }
    }

    pub fn run(&mut self, time: Duration) {
        let end = self.passed + time;
        while let Some(Reverse((at, number))) = self.queue.peek().copied()
            && at <= end
        {
            self.queue.pop();
            self.passed = self.passed.max(at);
            match self.events.remove(&number).unwrap() {
                SimulatedEvent::Wake(place) if self.hosts[place].wakes == Some(at) => {
                    self.hosts[place].wakes = None;
                    if !matches!(self.hosts[place].kind, HostKind::Dead) {
                        self.with(place, Node::tick);
                    }
                }
                SimulatedEvent::Wake(_) => {}
                SimulatedEvent::Packet { from, to, bytes } => self.arrive(from, to, &bytes),
            }
        }
        self.passed = end;
    }

    fn arrive(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let Some(place) = self.places.get(&to).copied() else { return };
        match self.hosts[place].kind {
            HostKind::Dead => {}
            HostKind::Honest => self.with(place, |node, now| node.receive(bytes, from, now)),
            HostKind::WithoutBep42 => {
                let Some(packet) = Packet::from_wire(bytes) else { return };
                let bytes = Packet { external: None, ..packet }.to_wire();
                self.with(place, |node, now| node.receive(&bytes, from, now));
            }
            HostKind::Attacker => match Packet::from_wire(bytes) {
                Some(Packet { transaction, body: Body::Query(query), .. }) => {
                    let answer = self.malicious_answer(place, from, transaction, &query);
                    self.send(to, from, answer);
                }
                _ => self.with(place, |node, now| node.receive(bytes, from, now)),
            },
        }
    }

    /// The answer of an attacker: it leads nowhere.
    fn malicious_answer(
        &mut self,
        place: usize,
        from: SocketAddr,
        transaction: &[u8],
        query: &Query<'_>,
    ) -> Vec<u8> {
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
        let attackers = self.hosts.iter().filter(|host| matches!(host.kind, HostKind::Attacker));
        let mut addresses: Vec<SocketAddr> = attackers.map(|attacker| attacker.address).collect();
        chance::shuffle(&mut addresses, &mut self.random);
        addresses.truncate(3);
        for nowhere in ["127.0.0.1:80", "224.0.0.1:80", "7.7.7.7:0", "7.8.9.1:6881", "7.8.8.1:6881"] {
            addresses.push(nowhere.parse().unwrap());
        }
        addresses.extend([from, host.address]);
        let nodes = close.iter().zip(addresses).map(|(id, address)| Contact { id: *id, address }).collect();
        // Some use their own ID, others one that is close to what is searched for.
        let id = if place.is_multiple_of(20) { host.node.id() } else { close[0] };
        let values = vec!["127.0.0.1:22".parse().unwrap(), "224.0.0.9:9".parse().unwrap()];
        let body = Body::Response(Response { id, nodes, values, token: Some(b"lie"), samples: None });
        let external = "66.66.66.66:6".parse().ok();
        Packet { transaction, body, read_only: false, external, version: b"" }.to_wire()
    }
}

/// The torrent that this packet announces a peer of.
fn announced_in(packet: &[u8]) -> InfoHash {
    match Packet::from_wire(packet).unwrap().body {
        Body::Query(Query { method: Method::AnnouncePeer { info_hash, .. }, .. }) => info_hash,
        other => panic!("{other:?}"),
    }
}
