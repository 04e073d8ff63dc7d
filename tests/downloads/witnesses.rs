//! What leaves the program to find peers, as everybody sees it who could: nodes of the DHT, hosts of the
//! local network, and peers. Of a private torrent (BEP 27) none of them may hear.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::exchange::{OUR_PEX, extend};
use crate::folder::TestFolder;
use crate::instance::Instance;
use crate::metadata::private;
use crate::node::Node;
use crate::peer::{Peer, Said};
use crate::sample::Sample;
use crate::tracker::Tracker;
use femtotorrent::discovery::lan::SearchPacket;
use femtotorrent::net::{Group, Origin};
use femtotorrent::wire::Message;

const LIMIT: Duration = Duration::from_secs(60);
/// So long nothing moves, and the program ends: more than any of what is looked for here takes.
const LONG: &str = "3";
/// Reserved bytes of a peer that speaks the Fast extension, the extension protocol, and the DHT (BEP 5).
const WITH_DHT: [u8; 8] = [0, 0, 0, 0, 0, 0x10, 0, 5];
/// The message that names a node's port.
const PORT: Said = Said::Other(9);

/// What was heard of a torrent, or because of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Heard {
    tracker: bool,
    /// Its name at the node that the user named, once asked for and once announced.
    asked: bool,
    announced: bool,
    /// Anything at the node that the torrent names, and at the one that a peer named.
    torrent_node: bool,
    peer_node: bool,
    /// Its name on the local network.
    lan: bool,
    /// The bit in the handshake, and the message that names our node.
    dht_bit: bool,
    port: bool,
    /// That peers may tell of peers, and that they are told of them.
    takes_pex: bool,
    tells_pex: bool,
}

const NOTHING: Heard = Heard {
    tracker: false,
    asked: false,
    announced: false,
    torrent_node: false,
    peer_node: false,
    lan: false,
    dht_bit: false,
    port: false,
    takes_pex: false,
    tells_pex: false,
};

const EVERYTHING: Heard = Heard {
    tracker: true,
    asked: true,
    announced: true,
    torrent_node: true,
    peer_node: true,
    lan: true,
    dht_bit: true,
    port: true,
    takes_pex: true,
    tells_pex: true,
};

/// A torrent and everybody who could hear of it. It names a node of the DHT and a tracker, and that names
/// two peers, which tell us of a node too.
struct Scene {
    sample: Sample,
    folder: TestFolder,
    torrent_node: Node,
    peer_node: Node,
    peers: [Peer; 2],
    tracker: Tracker,
    group: Group,
    /// What the peers saw last: the reserved bytes, and whether they may tell of peers.
    greeted: Arc<Mutex<([u8; 8], bool)>>,
}

impl Scene {
    /// For a torrent that no other test has. Its peers serve, or choke us to the end.
    fn new(name: &str, is_private: bool, serves: bool) -> Scene {
        let make = || {
            let sample = Sample::named(name, 100_000, 16_384);
            if is_private { private(sample) } else { sample }
        };
        let (torrent_node, peer_node) = (Node::start("127.0.79.1"), Node::start("127.0.79.2"));
        let greeted = Arc::<Mutex<([u8; 8], bool)>>::default();
        // The first is where its node is.
        let peers = ["127.0.79.2", "127.0.79.3"].map(|ip| {
            let (sample, greeted, port) = (make(), Arc::clone(&greeted), peer_node.address().port());
            Peer::at(ip, move |talk| {
                talk.greet(&sample, WITH_DHT)?;
                talk.say(Message::HaveAll)?;
                talk.say(Message::Port(port))?;
                let may_tell = extend(talk)?.pex.is_some();
                *greeted.lock().unwrap() = (talk.reserved, may_tell);
                if !serves {
                    return talk.hear_out();
                }
                talk.say(Message::Unchoke)?;
                talk.serve(&sample)
            })
        });
        let tracker = Tracker::start(&peers.each_ref().map(Peer::address));
        let sample = make().with_node(torrent_node.address()).with_tracker(&tracker.url());
        let meeting = "239.192.152.143:6771".parse().unwrap();
        let group = Group::join(meeting, Origin::only([127, 0, 0, 1].into())).unwrap();
        let folder = TestFolder::new();
        sample.write_torrent(folder.path());
        Scene { sample, folder, torrent_node, peer_node, peers, tracker, group, greeted }
    }

    fn torrent(&self) -> std::path::PathBuf {
        self.folder.path().join("sample.torrent")
    }

    /// What was heard until now, where `user_node` is the node that the user named.
    fn heard(&self, user_node: &Node) -> Heard {
        let hash = self.sample.info_hash();
        let (reserved, takes_pex) = *self.greeted.lock().unwrap();
        let said: Vec<Said> = self.peers.iter().flat_map(|peer| peer.record().said).collect();
        Heard {
            tracker: !self.tracker.announces().is_empty(),
            asked: user_node.heard_with(&[b"9:get_peers", &hash]),
            announced: user_node.heard_with(&[b"13:announce_peer", &hash]),
            torrent_node: self.torrent_node.heard(),
            peer_node: self.peer_node.heard(),
            lan: self.is_on_lan(hash),
            dht_bit: reserved[7] & 1 != 0,
            port: said.contains(&PORT),
            takes_pex,
            tells_pex: said.iter().any(|said| matches!(said, Said::Extended(body) if body[0] == OUR_PEX)),
        }
    }

    fn is_on_lan(&self, hash: [u8; 20]) -> bool {
        let mut packet = [0; 2_000];
        // What was sent has arrived, as all of it stays on this host.
        while let Some((length, _)) = self.group.hear(&mut packet, Instant::now()).unwrap() {
            let packet = SearchPacket::from_wire(&packet[..length]);
            if packet.is_some_and(|packet| packet.info_hashes.contains(&hash)) {
                return true;
            }
        }
        false
    }
}

/// Downloads these with these arguments until nothing moves for long. The exit code.
fn run(scenes: &[&Scene], arguments: &[&str]) -> Option<i32> {
    let output = TestFolder::new();
    let others: Vec<String> =
        scenes[1..].iter().map(|scene| scene.torrent().to_str().unwrap().to_owned()).collect();
    let others = others.iter().map(String::as_str).chain(["--timeout", LONG]);
    let all: Vec<&str> = others.chain(arguments.iter().copied()).collect();
    let instance = Instance::get_in_public(&scenes[0].torrent(), output.path(), &all);
    instance.program.finish(LIMIT).code
}

/// What is heard of a public torrent where the program has these arguments, and a node to begin with where it
/// is to have one.
fn heard_of_public(name: &str, node: bool, arguments: &[&str]) -> (Heard, Node) {
    let (scene, user_node) = (Scene::new(name, false, false), Node::start("127.0.79.4"));
    let address = user_node.address().to_string();
    let known = if node { &["--dht-node", &address][..] } else { &[] };
    assert_eq!(run(&[&scene], &[arguments, known].concat()), Some(2));
    (scene.heard(&user_node), user_node)
}

#[test]
fn of_a_public_torrent_everybody_hears() {
    let (heard, _) = heard_of_public("everybody.bin", true, &[]);
    assert_eq!(heard, EVERYTHING);
}

#[test]
fn of_a_private_torrent_nobody_hears_but_its_tracker_and_the_peers_from_there() {
    for (name, serves, code) in [("private one.bin", false, 2), ("private two.bin", true, 0)] {
        let (scene, user_node) = (Scene::new(name, true, serves), Node::start("127.0.79.4"));
        let known = user_node.address().to_string();
        assert_eq!(run(&[&scene], &["--dht-node", &known]), Some(code));
        assert!(!user_node.heard());
        assert_eq!(scene.heard(&user_node), Heard { tracker: true, ..NOTHING });
    }
}

#[test]
fn nor_does_anybody_where_a_public_torrent_runs_beside_it() {
    let user_node = Node::start("127.0.79.4");
    let known = user_node.address().to_string();
    let secret = Scene::new("beside, private.bin", true, false);
    let known_to_all = Scene::new("beside, public.bin", false, false);
    assert_eq!(run(&[&secret, &known_to_all], &["--dht-node", &known]), Some(2));
    assert_eq!(known_to_all.heard(&user_node), EVERYTHING);
    assert_eq!(secret.heard(&user_node), Heard { tracker: true, ..NOTHING });
}

#[test]
fn no_dht_means_none() {
    let (heard, _) = heard_of_public("no DHT.bin", false, &["--no-dht"]);
    let expected = Heard { tracker: true, lan: true, takes_pex: true, tells_pex: true, ..NOTHING };
    assert_eq!(heard, expected);
}

#[test]
fn no_lan_means_none() {
    let (heard, _) = heard_of_public("no LAN.bin", true, &["--no-lan"]);
    assert_eq!(heard, Heard { lan: false, ..EVERYTHING });
}

#[test]
fn no_pex_means_none() {
    let (heard, _) = heard_of_public("no PEX.bin", true, &["--no-pex"]);
    assert_eq!(heard, Heard { takes_pex: false, tells_pex: false, ..EVERYTHING });
}

#[test]
fn who_lets_nobody_connect_asks_and_announces_nothing() {
    let (heard, node) = heard_of_public("no port.bin", true, &["--no-listen"]);
    assert_eq!(heard, Heard { announced: false, lan: false, port: false, ..EVERYTHING });
    assert!(!node.heard_with(&[b"announce_peer"]));
    // It says that it answers nobody (BEP 43).
    assert!(node.heard_with(&[b"9:get_peers", b"2:roi1e"]));
    let (_, node) = heard_of_public("a port.bin", true, &[]);
    assert!(!node.heard_with(&[b"2:roi1e"]));
}

#[test]
fn no_trackers_means_none() {
    let (heard, _) = heard_of_public("no trackers.bin", true, &["--no-trackers"]);
    // There is no peer then.
    let expected = Heard { asked: true, announced: true, torrent_node: true, lan: true, ..NOTHING };
    assert_eq!(heard, expected);
}
