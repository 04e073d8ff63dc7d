mod floods;
mod outages;

use super::packet::{Body, Method, PROTOCOL_ERROR, Packet, Query, Response, UNKNOWN_METHOD, Want};
use super::{Contact, Node, NodeId, NodeSettings, Output};
use crate::address::IpFamily;
use crate::bencode::Value;
use crate::metainfo::InfoHash;
use crate::strategy::Supply;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// A node, the time, and other nodes that the test plays.
struct Setup {
    node: Node,
    now: Instant,
    random: fastrand::Rng,
    /// The nodes that have answered.
    ids: Vec<(SocketAddr, NodeId)>,
}

/// A query of the node: the address that it goes to, its transaction ID, and its method.
type Asked = (SocketAddr, Vec<u8>, String);

fn setup(family: IpFamily, read_only: bool) -> Setup {
    let (now, mut random) = (Instant::now(), fastrand::Rng::with_seed(1));
    let node = Node::new(NodeSettings { family, read_only, id: None }, random.fork(), now);
    Setup { node, now, random, ids: Vec::new() }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

impl Setup {
    fn sent(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        let sends = std::iter::from_fn(|| self.node.next_output());
        let sent = sends.filter_map(|output| match output {
            Output::Send { to, packet } => Some((to, packet)),
            Output::Found { .. } => None,
        });
        sent.collect()
    }

    /// The queries among what it sends.
    fn asked(&mut self) -> Vec<Asked> {
        let queries = |(to, packet): (SocketAddr, Vec<u8>)| {
            let Packet { transaction, body: Body::Query(query), .. } = Packet::from_wire(&packet)? else {
                return None;
            };
            Some((to, transaction.to_vec(), query.method.name().to_owned()))
        };
        self.sent().into_iter().filter_map(queries).collect()
    }

    fn reply(&mut self, asked: &Asked, from: SocketAddr, id: NodeId, nodes: Vec<Contact>) {
        let response = Response { id, nodes, values: Vec::new(), token: Some(b"token"), samples: None };
        self.say(&asked.1, from, Body::Response(response), false);
    }

    fn say(&mut self, transaction: &[u8], from: SocketAddr, body: Body<'_>, read_only: bool) -> usize {
        let packet = Packet { transaction, body, read_only, external: None, version: b"" }.to_wire();
        self.node.receive(&packet, from, self.now);
        packet.len()
    }

    /// Asks something: the length of the query, and the answer.
    fn ask(&mut self, from: SocketAddr, method: Method<'_>) -> (usize, Vec<u8>) {
        let id = NodeId::random(&mut self.random);
        let length = self.say(b"tt", from, Body::Query(Query { id, method, want: None }), true);
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "{method:?}");
        (length, sent.remove(0).1)
    }

    /// Has nodes answer, all with a valid ID.
    fn fill(&mut self, addresses: impl Iterator<Item = SocketAddr>) {
        for address in addresses {
            self.node.contact(address, self.now);
            for asked in self.asked() {
                let id = NodeId::for_address(asked.0.ip(), &mut self.random);
                self.ids.push((asked.0, id));
                self.reply(&asked, asked.0, id, Vec::new());
            }
            self.sent();
            self.now += SECOND;
            self.node.tick(self.now);
        }
    }
}

fn token(answer: &[u8]) -> Vec<u8> {
    let Body::Response(response) = Packet::from_wire(answer).unwrap().body else { panic!() };
    response.token.unwrap().to_vec()
}

/// A node with a full table that keeps two hundred peers of the torrent, and a stranger to it.
fn full_node(family: IpFamily, torrent: InfoHash) -> (Setup, SocketAddr) {
    let mut setup = setup(family, false);
    let host = |network: u8, number: u16| match family {
        IpFamily::V4 => SocketAddr::from(([network, number as u8, 1, 1], number)),
        IpFamily::V6 => SocketAddr::from(([0x2001, 0xdb8, network.into(), number, 0, 0, 0, 1], number)),
    };
    setup.fill((1..40).map(|number| host(60, number)));
    for number in 1..200 {
        let peer = host(61, number);
        setup.node.remember(torrent, peer, peer);
    }
    setup.sent();
    (setup, host(9, 65_535))
}

#[test]
fn no_answer_to_a_stranger_is_three_times_its_query() {
    for family in IpFamily::BOTH {
        let info_hash = [7; 20];
        let (mut setup, stranger) = full_node(family, InfoHash(info_hash));
        let announced = setup.node.id();
        let methods = [
            Method::Ping,
            Method::FindNode(announced),
            Method::GetPeers(InfoHash(info_hash)),
            Method::GetPeers(InfoHash([8; 20])),
            Method::AnnouncePeer { info_hash: InfoHash(info_hash), port: Some(1), token: b"none" },
            Method::AnnouncePeer { info_hash: InfoHash(info_hash), port: None, token: b"" },
            Method::Malformed,
            Method::Unknown,
            Method::SampleInfoHashes(announced),
        ];
        let mut of_strangers = Vec::new();
        for method in methods {
            setup.now += SECOND;
            let (asked, answer) = setup.ask(stranger, method);
            assert!(answer.len() < 3 * asked, "{method:?}: {} for {asked}", answer.len());
            of_strangers.push(answer.len());
        }
        // A sender that may be a node is asked as well, and that counts.
        for (number, method) in (1_u8..).zip(methods) {
            let mut stranger = stranger;
            stranger.set_ip(match stranger.ip() {
                IpAddr::V4(_) => [70, number, 1, 1].into(),
                IpAddr::V6(_) => [0x2001, 0xdba, number.into(), 0, 0, 0, 0, 1].into(),
            });
            // Near our own ID, where the table has room.
            let mut id = setup.node.id();
            id.0[19] ^= number;
            setup.now += SECOND;
            let asked = setup.say(b"t", stranger, Body::Query(Query { id, method, want: None }), false);
            let sent: Vec<usize> = setup.sent().iter().map(|(_, packet)| packet.len()).collect();
            assert!(
                sent.len() == 2 && sent.iter().sum::<usize>() < 3 * asked,
                "{method:?}: {sent:?} for {asked}"
            );
        }
        // A good token proves the address, and then there is more.
        let (_, answer) = setup.ask(stranger, methods[3]);
        let token = token(&answer);
        setup.ask(stranger, Method::AnnouncePeer { info_hash: InfoHash([9; 20]), port: None, token: &token });
        for (method, before) in methods.into_iter().zip(of_strangers).skip(1).take(3) {
            setup.now += SECOND;
            let (_, answer) = setup.ask(stranger, method);
            assert!(answer.len() > before || method != methods[2]);
            assert!(answer.len() >= before && answer.len() <= 1_024, "{method:?}: {}", answer.len());
        }
    }
}

#[test]
fn who_indexes_the_dht_gets_a_sample_of_the_torrents_and_nodes_beside_it() {
    for family in IpFamily::BOTH {
        let (mut setup, stranger) = full_node(family, InfoHash([7; 20]));
        let target = setup.node.id();
        let all: Vec<InfoHash> = (0..50).map(|number| InfoHash([100 + number; 20])).collect();
        all.iter().for_each(|hash| setup.node.remember(*hash, stranger, stranger));
        setup.sent();
        let (_, answer) = setup.ask(stranger, Method::SampleInfoHashes(target));
        let value = Value::parse(&answer).unwrap();
        let values = value.dictionary().unwrap().get("r").and_then(Value::dictionary).unwrap();
        let number = |key: &str| values.get(key).and_then(Value::integer);
        assert_eq!((number("num"), number("interval")), (Some(51), Some(600)));
        let samples = values.get("samples").and_then(Value::bytes).unwrap();
        assert_eq!(samples.len(), 20 * 20);
        assert!(samples.chunks(20).all(|hash| hash[0] == 7 || all.iter().any(|known| known.0 == hash)));
        let Body::Response(response) = Packet::from_wire(&answer).unwrap().body else { panic!() };
        assert_eq!(response.nodes.len(), 8);
    }
}

#[test]
fn an_announce_needs_the_token_of_its_own_address() {
    let mut setup = setup(IpFamily::V4, false);
    let (one, other) = (address("9.9.9.9:9"), address("8.8.8.8:8"));
    let info_hash = [7; 20];
    let token = token(&setup.ask(one, Method::GetPeers(InfoHash(info_hash))).1);
    let error = |answer: &[u8]| match Packet::from_wire(answer).unwrap().body {
        Body::Error(code) => Some(code),
        _ => None,
    };
    let announce = |port| Method::AnnouncePeer { info_hash: InfoHash(info_hash), port, token: &token };
    assert_eq!(error(&setup.ask(other, announce(Some(5))).1), Some(PROTOCOL_ERROR));
    assert_eq!(error(&setup.ask(one, announce(None)).1), None);
    setup.now += 11 * 60 * SECOND;
    assert_eq!(error(&setup.ask(one, announce(Some(5))).1), Some(PROTOCOL_ERROR));
    assert_eq!(error(&setup.ask(one, Method::Unknown).1), Some(UNKNOWN_METHOD));
    let (_, answer) = setup.ask(other, Method::GetPeers(InfoHash(info_hash)));
    let packet = Packet::from_wire(&answer).unwrap();
    let Body::Response(response) = packet.body else { panic!() };
    assert_eq!((response.values, packet.external), (vec![one], Some(other)));
}

#[test]
fn an_answer_counts_from_where_it_was_asked_for_and_once() {
    let mut setup = setup(IpFamily::V4, false);
    setup.node.contact(address("9.9.9.9:9"), setup.now);
    let asked = setup.asked().remove(0);
    assert_eq!((asked.0, asked.2.as_str()), (address("9.9.9.9:9"), "find_node"));
    let id = NodeId([1; 20]);
    for from in ["9.9.9.9:10", "9.9.9.8:9", "[::ffff:9.9.9.8]:9", "[2001:db8::1]:9"] {
        setup.reply(&asked, address(from), id, Vec::new());
    }
    setup.reply(&(asked.0, b"no".to_vec(), String::new()), asked.0, id, Vec::new());
    assert!(setup.node.good_nodes().is_empty());
    setup.reply(&asked, asked.0, id, Vec::new());
    assert_eq!(setup.node.good_nodes(), [asked.0]);
    let far = Contact { id, address: address("7.7.7.7:7") };
    setup.reply(&asked, asked.0, id, vec![far]);
    assert!(setup.asked().is_empty());
}

#[test]
fn an_address_that_cannot_be_a_node_or_that_the_sender_cannot_know_is_not_asked() {
    let mut setup = setup(IpFamily::V4, false);
    setup.node.contact(address("9.9.9.9:9"), setup.now);
    let asked = setup.asked().remove(0);
    let bad = ["127.0.0.1:1", "10.0.0.1:1", "192.168.1.1:1", "224.0.0.1:1", "0.0.0.0:1", "255.255.255.255:1"];
    let more = ["9.9.7.7:0", "[2001:db8::1]:1", "9.9.9.9:9", "9.9.9.1:1"];
    let mut nodes: Vec<Contact> = bad
        .into_iter()
        .chain(more)
        .map(|text| Contact { id: NodeId::random(&mut setup.random), address: address(text) })
        .collect();
    nodes.push(Contact { id: setup.node.id(), address: address("6.6.6.6:6") });
    nodes.push(Contact { id: NodeId([3; 20]), address: address("5.5.5.5:5") });
    setup.reply(&asked, asked.0, NodeId([1; 20]), nodes);
    let asked: Vec<SocketAddr> = setup.asked().into_iter().map(|asked| asked.0).collect();
    assert_eq!(asked, [address("5.5.5.5:5")]);
    for text in bad.into_iter().skip(3).chain(["9.9.9.9:0", "[2001:db8::1]:1"]) {
        setup.node.contact(address(text), setup.now);
    }
    assert!(setup.asked().is_empty());
}

#[test]
fn a_node_that_asks_is_asked_before_it_is_known_and_one_that_answers_no_queries_is_not() {
    let mut setup = setup(IpFamily::V4, false);
    let query = |random: &mut fastrand::Rng| {
        Body::Query(Query { id: NodeId::random(random), method: Method::Ping, want: None })
    };
    let (body, other) = (query(&mut setup.random), query(&mut setup.random));
    setup.say(b"a", address("9.9.9.9:9"), body, true);
    assert!(setup.asked().is_empty());
    setup.say(b"a", address("8.8.8.8:8"), other, false);
    let asked = setup.asked();
    assert_eq!((asked.len(), asked[0].2.as_str()), (1, "ping"));
    assert!(setup.node.good_nodes().is_empty() && setup.node.knows_few_nodes());
    setup.reply(&asked[0], asked[0].0, NodeId([1; 20]), Vec::new());
    assert_eq!(setup.node.good_nodes(), [asked[0].0]);
    // A flood of strangers makes us ask few of them.
    let mut pings = 0;
    for number in 0..2_000_u16 {
        let [high, low] = number.to_be_bytes();
        let body = query(&mut setup.random);
        setup.say(b"a", SocketAddr::from(([7, high, low, 7], 7)), body, false);
        pings += setup.asked().len();
    }
    assert!(pings <= 40, "{pings}");
}

#[test]
fn a_read_only_node_says_so_and_answers_nothing() {
    let mut setup = setup(IpFamily::V4, true);
    let ping = Body::Query(Query { id: NodeId([1; 20]), method: Method::Ping, want: None });
    setup.say(b"a", address("9.9.9.9:9"), ping, false);
    assert!(setup.sent().is_empty());
    setup.node.contact(address("9.9.9.9:9"), setup.now);
    let sent = setup.sent();
    assert!(sent.len() == 1 && Packet::from_wire(&sent[0].1).unwrap().read_only);
}

#[test]
fn only_nodes_of_our_own_network_are_named_and_none_where_others_are_wanted() {
    let mut setup = setup(IpFamily::V4, false);
    setup.fill((1..5).map(|number| SocketAddr::from(([60, number, 1, 1], 1))));
    for (want, named) in [
        (None, true),
        (Some(Want { v4: true, v6: true }), true),
        (Some(Want { v4: false, v6: true }), false),
        (Some(Want::default()), false),
    ] {
        let id = NodeId([1; 20]);
        let body = Body::Query(Query { id, method: Method::FindNode(id), want });
        setup.say(b"a", address("9.9.9.9:9"), body, true);
        let sent = setup.sent().remove(0).1;
        let Body::Response(response) = Packet::from_wire(&sent).unwrap().body else { panic!() };
        assert_eq!(!response.nodes.is_empty(), named, "{want:?}");
    }
}

#[test]
fn our_id_follows_our_address_once_most_nodes_agree_on_it() {
    let mut setup = setup(IpFamily::V4, false);
    let before = setup.node.id();
    let seen = address("5.6.7.8:1");
    for number in 1..20 {
        let from = SocketAddr::from(([60, number, 1, 1], 1));
        setup.node.contact(from, setup.now);
        for (to, transaction, _) in setup.asked() {
            let id = NodeId::for_address(to.ip(), &mut setup.random);
            let body = Body::Response(Response::bare(id));
            let external = Some(if number % 3 == 0 { address("1.2.3.4:5") } else { seen });
            let packet = Packet { transaction: &transaction, body, read_only: false, external, version: b"" };
            setup.node.receive(&packet.to_wire(), to, setup.now);
        }
        setup.now += SECOND;
        setup.node.tick(setup.now);
    }
    assert!(setup.node.id() != before && setup.node.id().is_valid_for(seen.ip()));
    assert_eq!(setup.node.external(), Some(seen.ip()));
    assert!(setup.node.good_nodes().len() >= 8);
}

#[test]
fn the_supply_of_peers_decides_how_often_a_torrent_is_looked_up() {
    let mut setup = setup(IpFamily::V4, false);
    setup.fill((1..9).map(|number| SocketAddr::from(([127, 0, 0, number], 1))));
    let info_hash = [5; 20];
    let rounds = |setup: &mut Setup, seconds: u32, supply: Supply| {
        let mut rounds = 0;
        for _ in 0..seconds {
            setup.now += SECOND;
            setup.node.tick(setup.now);
            setup.node.supply(InfoHash(info_hash), supply, setup.now);
            loop {
                let asked = setup.asked();
                let first = address("127.0.0.1:1");
                rounds += asked.iter().filter(|asked| asked.0 == first && asked.2 == "get_peers").count();
                for asked in &asked {
                    let (_, id) = *setup.ids.iter().find(|(known, _)| *known == asked.0).unwrap();
                    setup.reply(asked, asked.0, id, Vec::new());
                }
                if asked.is_empty() {
                    break;
                }
            }
        }
        rounds
    };
    setup.node.search(InfoHash(info_hash), None, setup.now);
    assert_eq!(rounds(&mut setup, 61, Supply::Nobody), 4);
    assert_eq!(rounds(&mut setup, 1_800, Supply::Good), 2);
    assert_eq!(rounds(&mut setup, 300, Supply::Nobody), 5);
    setup.node.interrupted(InfoHash(info_hash), setup.now);
    assert_eq!(rounds(&mut setup, 61, Supply::Nobody), 4);
    setup.node.forget(InfoHash(info_hash));
    assert_eq!(rounds(&mut setup, 1_000, Supply::Nobody), 0);
}

#[test]
fn no_cut_and_no_flipped_bit_of_an_answer_panics() {
    let mut setup = setup(IpFamily::V4, false);
    setup.node.contact(address("9.9.9.9:9"), setup.now);
    let asked = setup.asked().remove(0);
    let nodes = vec![Contact { id: NodeId([3; 20]), address: address("5.5.5.5:5") }];
    let response = Response {
        id: NodeId([1; 20]),
        nodes,
        values: vec![address("1.1.1.1:1")],
        token: Some(b"t"),
        samples: None,
    };
    let body = Body::Response(response);
    let mut packet =
        Packet { transaction: &asked.1, body, read_only: false, external: Some(asked.0), version: b"" }
            .to_wire();
    for end in 0..packet.len() {
        setup.node.receive(&packet[..end], asked.0, setup.now);
    }
    for bit in 0..packet.len() * 8 {
        packet[bit / 8] ^= 1 << (bit % 8);
        setup.node.receive(&packet, asked.0, setup.now);
        packet[bit / 8] ^= 1 << (bit % 8);
    }
    setup.node.receive(&[0; 65_536], asked.0, setup.now);
}
