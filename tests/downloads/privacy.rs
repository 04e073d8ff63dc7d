//! What leaves the program to find peers, as those see it who could hear of it: nodes of the DHT, hosts of the
//! local network, and peers. None of them may hear of a private torrent (BEP 27).
//!
//! That nothing was heard proves something only when there was time to hear it. So each test of an absence runs
//! beside a public torrent or until an event that comes later than what must not happen.

use femtotorrent::metainfo::InfoHash;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::support::dht_node::RecordingNode;
use crate::support::extension::{OUR_PEX, extend};
use crate::support::folder::TestFolder;
use crate::support::instance::Instance;
use crate::support::program::TERMINATED;
use crate::support::sample::Sample;
use crate::support::scripted_peer::ScriptedPeer;
use crate::support::talk::Said;
use crate::support::tracker::Tracker;
use femtotorrent::discovery::lan::SearchPacket;
use femtotorrent::net::{BindAddress, Group};
use femtotorrent::wire::Message;

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

/// A torrent and all who could hear of it. It names a node of the DHT and a tracker, and that names
/// two peers, which tell us of a node too.
struct Scene {
    sample: Sample,
    folder: TestFolder,
    torrent_node: RecordingNode,
    peer_node: RecordingNode,
    peers: [ScriptedPeer; 2],
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
            if is_private { sample.private() } else { sample }
        };
        let (torrent_node, peer_node) =
            (RecordingNode::start("127.0.79.1"), RecordingNode::start("127.0.79.2"));
        let greeted = Arc::<Mutex<([u8; 8], bool)>>::default();
        // The first is where its node is.
        let peers = ["127.0.79.2", "127.0.79.3"].map(|ip| {
            let (sample, greeted, port) = (make(), Arc::clone(&greeted), peer_node.address().port());
            ScriptedPeer::seed(&sample).at(ip).speaking(WITH_DHT).choking().then(move |talk| {
                talk.say(Message::Port(port))?;
                let may_tell = extend(talk)?.pex.is_some();
                *greeted.lock().unwrap() = (talk.reserved, may_tell);
                if !serves {
                    return talk.hear_out();
                }
                talk.say(Message::Unchoke)?;
                talk.serve()
            })
        });
        let tracker = Tracker::start(&peers.each_ref().map(ScriptedPeer::address));
        let sample = make().with_node(torrent_node.address()).with_tracker(&tracker.url());
        let meeting = "239.192.152.143:6771".parse().unwrap();
        let group = Group::join(meeting, BindAddress::only([127, 0, 0, 1].into())).unwrap();
        let folder = TestFolder::new();
        sample.write_torrent(folder.path());
        Scene { sample, folder, torrent_node, peer_node, peers, tracker, group, greeted }
    }

    fn torrent(&self) -> std::path::PathBuf {
        self.folder.path().join("sample.torrent")
    }

    /// What was heard until now, where `user_node` is the node that the user named.
    fn heard(&self, user_node: &RecordingNode) -> Heard {
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
            tells_pex: said.iter().any(tells_pex),
        }
    }

    fn is_on_lan(&self, hash: [u8; 20]) -> bool {
        let mut packet = [0; 2_000];
        // What was sent has arrived, as all of it stays on this host.
        while let Some((length, _)) = self.group.receive(&mut packet, Instant::now()).unwrap() {
            let packet = SearchPacket::from_wire(&packet[..length]);
            if packet.is_some_and(|packet| packet.info_hashes.contains(&InfoHash(hash))) {
                return true;
            }
        }
        false
    }
}

/// Downloads these with these arguments.
fn start(scenes: &[&Scene], output: &TestFolder, arguments: &[&str]) -> Instance {
    let others = scenes[1..].iter().map(|scene| scene.torrent().to_str().unwrap().to_owned());
    let others: Vec<String> = others.collect();
    let all: Vec<&str> = others.iter().map(String::as_str).chain(arguments.iter().copied()).collect();
    Instance::get_in_public(&scenes[0].torrent(), output.path(), &all)
}

/// Downloads with these arguments for as long as it takes a public torrent to be heard of everywhere: what the
/// scene does not show by then, it will not show. The exit code.
fn run_beside_control(scene: &Scene, arguments: &[&str]) -> Option<i32> {
    let output = TestFolder::new();
    let instance = start(&[scene], &output, arguments);
    // The control may not be ahead.
    if !arguments.contains(&"--no-trackers") {
        scene.tracker.wait_for(1);
    }
    let control = Scene::new(&format!("control for {}", scene.sample.name()), false, false);
    let user_node = RecordingNode::start("127.0.79.5");
    run_until_told(&[&control], &["--dht-node", &user_node.address().to_string()]);
    assert_eq!(control.heard(&user_node), EVERYTHING);
    instance.stop().code
}

/// The same until the peers of the last of these were told of each other, which is what takes longest.
fn run_until_told(scenes: &[&Scene], arguments: &[&str]) {
    let output = TestFolder::new();
    let instance = start(scenes, &output, arguments);
    for peer in &scenes[scenes.len() - 1].peers {
        peer.wait_until(|record| record.said.iter().any(tells_pex));
    }
    assert_eq!(instance.stop().code, Some(TERMINATED));
}

fn tells_pex(said: &Said) -> bool {
    matches!(said, Said::Extended(body) if body[0] == OUR_PEX)
}

#[test]
fn only_its_tracker_and_the_peers_from_there_hear_of_a_private_torrent() {
    for (name, serves, more) in [("private one.bin", false, &[][..]), ("private two.bin", true, &["--seed"])]
    {
        let (scene, user_node) = (Scene::new(name, true, serves), RecordingNode::start("127.0.79.4"));
        let known = user_node.address().to_string();
        assert_eq!(run_beside_control(&scene, &[&["--dht-node", &known], more].concat()), Some(TERMINATED));
        assert!(!user_node.heard());
        assert_eq!(scene.heard(&user_node), Heard { tracker: true, ..NOTHING });
    }
}

#[test]
fn a_private_torrent_stays_private_beside_a_public_one_that_all_hear_of() {
    let (user_node, secret) =
        (RecordingNode::start("127.0.79.4"), Scene::new("beside, private.bin", true, false));
    let public = Scene::new("beside, public.bin", false, false);
    run_until_told(&[&secret, &public], &["--dht-node", &user_node.address().to_string()]);
    assert_eq!(public.heard(&user_node), EVERYTHING);
    assert_eq!(secret.heard(&user_node), Heard { tracker: true, ..NOTHING });
}

#[test]
fn no_dht_and_no_pex_mean_none() {
    let (scene, user_node) = (Scene::new("no DHT.bin", false, false), RecordingNode::start("127.0.79.4"));
    assert_eq!(run_beside_control(&scene, &["--no-dht", "--no-pex"]), Some(TERMINATED));
    assert_eq!(scene.heard(&user_node), Heard { tracker: true, lan: true, ..NOTHING });
}

#[test]
fn no_lan_means_none() {
    let (scene, user_node) = (Scene::new("no LAN.bin", false, false), RecordingNode::start("127.0.79.4"));
    run_until_told(&[&scene], &["--no-lan", "--dht-node", &user_node.address().to_string()]);
    assert_eq!(scene.heard(&user_node), Heard { lan: false, ..EVERYTHING });
    assert!(!user_node.heard_with(&[b"2:roi1e"]));
}

#[test]
fn without_a_port_we_ask_and_announce_nothing() {
    let (scene, user_node) = (Scene::new("no port.bin", false, false), RecordingNode::start("127.0.79.4"));
    run_until_told(&[&scene], &["--no-listen", "--dht-node", &user_node.address().to_string()]);
    let expected = Heard { announced: false, lan: false, port: false, ..EVERYTHING };
    assert_eq!(scene.heard(&user_node), expected);
    assert!(!user_node.heard_with(&[b"announce_peer"]));
    // It says that it answers no queries (BEP 43).
    assert!(user_node.heard_with(&[b"9:get_peers", b"2:roi1e"]));
}

#[test]
fn no_trackers_means_none() {
    let (scene, user_node) =
        (Scene::new("no trackers.bin", false, false), RecordingNode::start("127.0.79.4"));
    let known = user_node.address().to_string();
    assert_eq!(run_beside_control(&scene, &["--no-trackers", "--dht-node", &known]), Some(TERMINATED));
    // There is no peer then.
    let expected = Heard { asked: true, announced: true, torrent_node: true, lan: true, ..NOTHING };
    assert_eq!(scene.heard(&user_node), expected);
}
