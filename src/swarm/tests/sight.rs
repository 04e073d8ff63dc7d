//! What the live view is given, and that it costs nothing while nobody looks.

use super::*;
use crate::message::{Lull, PeerState, Sight, Transport};
use crate::piece::Suspects;
use crate::swarm::download::PieceSource;
use std::sync::Arc;

impl World {
    /// Asks for a look and waits for it.
    fn look(&mut self) -> Sight {
        self.outside.borrow_mut().sight_wanted = true;
        self.wait(TICK);
        self.outside.borrow_mut().sights.pop().expect("no sight at the next tick")
    }

    fn peer(&mut self, key: PeerKey) -> PeerState {
        self.look().peers.into_iter().find(|peer| peer.record.key == key).unwrap()
    }

    fn lull(&mut self, key: PeerKey) -> Option<Lull> {
        self.peer(key).why.down
    }
}

#[test]
fn nothing_is_made_while_nobody_looks_and_one_sight_for_one_look() {
    let mut world = Scene::default().start();
    world.seed(1);
    world.wait(10 * SECOND);
    assert!(world.outside.borrow().sights.is_empty());
    assert!(world.coordinator.pieces.was_never_surveyed());
    world.outside.borrow_mut().sight_wanted = true;
    // Whoever asked takes nothing.
    world.wait(10 * SECOND);
    assert_eq!(world.outside.borrow().sights.len(), 1);
}

#[test]
fn a_sight_has_the_open_pieces_and_who_fills_them() {
    let mut world = Scene { stored: vec![0], ..Scene::default() }.start();
    let seed = world.seed(1);
    world.deliver(seed, 1);
    let sight = world.look();
    assert_eq!((sight.pieces.count, sight.pieces.length), (8, 4 * BLOCK_LENGTH));
    assert_eq!((sight.pieces.buckets.len(), sight.pieces.copies), (8, 1000));
    assert_eq!(sight.stored, world.bitfield(&[0]));
    let name = address(1).to_string();
    assert!(sight.pieces.open.iter().all(|open| open.from == [name.clone()] && open.availability == 1));
    let came: u32 = sight.pieces.open.iter().map(|open| open.blocks.came).sum();
    let on_their_way: u32 = sight.pieces.open.iter().map(|open| open.blocks.on_their_way).sum();
    assert_eq!((came, on_their_way as usize), (1, world.owed(seed).len()));
    let open: u32 = sight.pieces.buckets.iter().map(|bucket| bucket.open).sum();
    assert_eq!(open as usize, sight.pieces.open.len());
    let peer = &sight.peers[0];
    assert_eq!((peer.record.received, peer.record.wasted), (u64::from(BLOCK_LENGTH), 0));
    assert_eq!((peer.transport, peer.why.down.clone()), (Transport::Tcp, None));
}

#[test]
fn however_many_pieces_are_open_few_are_told() {
    let mut world = Scene { pieces: 3000, blocks: 1, memory: 1 << 40, ..Scene::default() }.start();
    let seed = world.seed(1);
    world.coordinator.pieces.allow(u64::MAX, false);
    for number in 0..3000 {
        let piece = world.piece(number);
        if world.coordinator.pieces.open_one_of([piece]).is_some() {
            let now = world.now;
            world.coordinator.open(piece, PieceSource::Anyone, now);
        }
    }
    let sight = world.look();
    assert!(sight.pieces.open.len() == 256 && sight.pieces.buckets.len() <= 2048);
    assert_eq!(sight.pieces.buckets.iter().map(|bucket| bucket.open).sum::<u32>(), 3000);
    assert!(world.hung_up(seed).is_none());
}

#[test]
fn each_reason_why_a_peer_sends_nothing_is_told() {
    let mut world = Scene { pieces: 64, ..Scene::default() }.start();
    let key = world.dial(address(1), 1);
    assert_eq!(world.lull(key), Some(Lull::NothingSaid));
    world.hear(key, [News::Bitfield(world.bitfield(&[]))]);
    assert_eq!(world.lull(key), Some(Lull::HasNothing));
    world.hear(key, [News::Have(world.piece(0))]);
    world.wait(3 * SECOND);
    let Some(Lull::Chokes(time)) = world.lull(key) else { panic!("it chokes us") };
    assert!(time >= 3 * SECOND, "{time:?}");
    world.hear(key, [News::Unchoked]);
    assert_eq!(world.lull(key), None, "its blocks are on their way");
    world.wait(20 * SECOND);
    let Some(Lull::Silent(time, 0)) = world.lull(key) else { panic!("it is silent") };
    assert!(time >= 20 * SECOND, "{time:?}");
    world.outside.borrow_mut().writer_is_behind = true;
    assert_eq!(world.lull(key), Some(Lull::SlowDisk));
    world.outside.borrow_mut().writer_is_behind = false;
    world.wait(65 * SECOND);
    assert!(matches!(world.lull(key), Some(Lull::Silent(_, 1))), "a minute without a block is a snub");
    // Another sends what it owes.
    let other = world.dial(address(2), 2);
    world.hear(other, [News::Bitfield(world.bitfield(&[0])), News::Unchoked]);
    assert!(!world.owed(other).is_empty() && world.lull(other).is_none());
    world.deliver(other, usize::MAX);
    assert_eq!(world.lull(other), Some(Lull::NothingFree));
    world.coordinator.roster.get_mut(key).unwrap().download.overtaken = true;
    assert_eq!(world.lull(key), Some(Lull::Overtaken));
    let mut doubted = Scene { pieces: 1, blocks: 32, ..Scene::default() }.start();
    let (proved, key) = (doubted.seed(1), doubted.newcomer(2));
    let assembly = doubted.coordinator.requests.assembly(doubted.owed(proved)[0].piece).unwrap();
    let suspects = Suspects::new([(proved, [0; 20]), (key, [0; 20])]);
    doubted.hear(proved, [News::Corrupt(assembly, suspects)]);
    assert_eq!(doubted.lull(key), Some(Lull::Suspect));
    let mut poor = Scene::default().start();
    poor.outside.borrow_mut().granted = Some(0);
    let key = poor.seed(1);
    assert_eq!(poor.lull(key), Some(Lull::NoMemory));
    let mut seeding = Scene { wanted: WantedPieces::Nothing, ..Scene::default() }.start();
    let key = seeding.dial(address(1), 1);
    seeding.hear(key, [News::Bitfield(seeding.bitfield(&[]))]);
    assert_eq!(seeding.lull(key), Some(Lull::NothingWanted));
}

#[test]
fn a_peer_that_wants_nothing_is_not_said_to_wait_for_a_slot() {
    let mut world = Scene { stored: vec![0], ..Scene::default() }.start();
    let seed = world.seed(1);
    assert_eq!(world.peer(seed).why.up, Some("it wants nothing"));
    world.hear(seed, [News::Interested(true)]);
    assert_ne!(world.peer(seed).why.up, Some("it wants nothing"));
}

#[test]
fn what_came_twice_or_too_late_is_counted_where_it_came_from() {
    let mut world = Scene { pieces: 64, ..Scene::default() }.start();
    let seed = world.seed(1);
    let block = world.owed(seed)[0];
    let assembly = world.coordinator.requests.assembly(block.piece).unwrap();
    let span = Span { piece: block.piece, first: block.number, count: 1 };
    world.hear(seed, [News::Blocks(span, Arc::clone(&assembly)), News::Blocks(span, assembly)]);
    world.hear(seed, [News::LateBlock(block)]);
    let record = world.peer(seed).record;
    let length = u64::from(BLOCK_LENGTH);
    assert_eq!((record.received, record.wasted), (3 * length, 2 * length));
}

#[test]
fn a_connection_keeps_its_key_and_another_to_the_same_address_has_its_own() {
    let mut world = Scene::default().start();
    let first = world.seed(1);
    let age = world.peer(first).record.age;
    world.wait(SECOND);
    let second = world.peer(first);
    assert!(second.record.age >= age + SECOND && second.name == address(1).to_string());
    world.gone(first, PeerError::Closed);
    assert!(world.look().peers.is_empty());
}

#[test]
fn what_a_peer_calls_itself_is_fit_to_print_and_cut() {
    let mut world = Scene::default().start();
    let key = world.seed(1);
    let client = Some(format!("\x1b[2J\u{202e}{}", "x".repeat(5000)));
    let handshake = crate::wire::extension::ExtensionHandshake { client, ..Default::default() };
    world.hear(key, [News::ExtensionHandshake(handshake)]);
    let shown = world.peer(key).client;
    assert!(shown.starts_with("\u{fffd}[2J\u{fffd}x") && shown.chars().count() <= 25, "{shown}");
}

#[test]
fn a_web_seed_is_told_as_a_source_and_what_is_wrong_with_it() {
    let web_seeds = vec!["http://one.example/\x1b[2J"];
    let mut world = Scene { web_seeds, ..Scene::default() }.start();
    let sight = world.look();
    let [seed, pex] = sight.sources.as_slice() else { panic!("{:?}", sight.sources) };
    assert_eq!((seed.kind, seed.last.as_str(), seed.is_trouble), ("web seed", "0 bytes/s", false));
    assert_eq!((pex.kind, pex.last.as_str()), ("PEX", "0 addresses known from them"));
    assert_eq!((sight.peers[0].transport, sight.peers[0].why.up), (Transport::Http, None));
    let key = sight.peers[0].record.key;
    let why = crate::message::WebSeedFailure::Failed("503\u{202e}".repeat(200));
    world.gone(key, PeerError::WebSeed(why));
    let sight = world.look();
    let seed = &sight.sources[0];
    assert!(seed.is_trouble && seed.next.is_some_and(|next| next > SECOND), "{seed:?}");
    let text = format!("{}{}", seed.name, seed.last);
    assert!(text.chars().count() < 300 && text.chars().all(crate::text::is_printable), "{text}");
}
