//! Peers that lie, and those of which we do not know whether they do.

use super::*;
use crate::piece::Suspects;

/// Two peers have sent parts of a piece, which is wrong.
fn fails(world: &mut World, piece: PieceIndex, senders: [PeerKey; 2]) {
    let assembly = world.coordinator.requests.assembly(piece).unwrap();
    let suspects = Suspects::new(senders.map(|sender| (sender, [0; 20])));
    world.hear(senders[0], [News::Corrupt(assembly, suspects)]);
}

#[test]
fn a_newcomer_has_to_do_with_one_piece_until_it_has_proved_itself() {
    let mut world = Scene { pieces: 16, blocks: 32, ..Scene::default() }.start();
    let (_proved, key) = (world.seed(1), world.newcomer(2));
    let piece = world.owed(key)[0].piece;
    for _ in 0..32 {
        assert!(world.owed(key).iter().all(|block| block.piece == piece));
        world.deliver(key, 1);
    }
    assert_eq!(world.owed(key), [], "it has sent all of it");
    world.hear(key, [News::Verified(piece, Vec::new())]);
    assert!(!world.owed(key).is_empty());
}

/// The pieces that a peer has to do with when it has sent so many blocks.
fn pieces_after(world: &mut World, key: PeerKey, blocks: usize) -> usize {
    (0..blocks).for_each(|_| world.deliver(key, 1));
    world.coordinator.requests.pieces_of(key).len()
}

#[test]
fn a_newcomer_is_not_bounded_before_a_piece_was_wrong_if_it_is_alone_or_its_pieces_are_large() {
    let mut alone = Scene { pieces: 16, blocks: 32, ..Scene::default() }.start();
    let key = alone.newcomer(1);
    assert!(pieces_after(&mut alone, key, 31) > 1, "it is the only peer");
    let large = Scene { pieces: 16, blocks: 128, ..Scene::default() };
    let mut world = large.start();
    let (_proved, key) = (world.seed(1), world.newcomer(2));
    assert!(pieces_after(&mut world, key, 127) > 1, "no piece was wrong");
    let mut world = Scene { pieces: 16, blocks: 128, ..Scene::default() }.start();
    let senders = [world.seed(1), world.seed(2)];
    let piece = world.owed(senders[0])[0].piece;
    fails(&mut world, piece, senders);
    let key = world.newcomer(3);
    assert_eq!(pieces_after(&mut world, key, 127), 1, "one was");
}

#[test]
fn no_newcomer_stands_idle_because_another_one_has_begun_a_part_of_a_small_torrent() {
    let mut world = Scene { pieces: 5, blocks: 4, ..Scene::default() }.start();
    let pair = [1, 2].map(|host| {
        let key = world.dial(address(host), host);
        world.hear(key, [News::HaveAll]);
        key
    });
    for key in pair {
        world.hear(key, [News::Unchoked]);
    }
    let pieces = pair.map(|key| world.coordinator.requests.pieces_of(key).len());
    assert!(pieces.iter().all(|count| *count > 0), "{pieces:?}");
}

#[test]
fn the_retry_does_not_wait_for_a_peer_that_falls_silent() {
    let mut world = Scene { pieces: 16, blocks: 32, ..Scene::default() }.start();
    let (one, other) = (world.seed(1), world.seed(2));
    let newcomer = world.newcomer(3);
    let piece = world.owed(one)[0].piece;
    fails(&mut world, piece, [newcomer, one]);
    let sender = |world: &World| world.coordinator.requests.exclusive()[0].1;
    assert_eq!(sender(&world), Some(other), "it had no part in the failure");
    let parts = world.owed(other).iter().filter(|block| block.piece == piece).count();
    assert!(parts > 0);
    // Both owe us blocks, and only the first sends.
    for _ in 0..12 {
        world.wait(SECOND);
        world.deliver(one, 16);
    }
    assert_eq!(sender(&world), Some(one));
}

#[test]
fn the_newcomer_is_blamed_first_and_the_piece_comes_again_from_a_peer_that_has_proved_itself() {
    let mut world = Scene { pieces: 16, blocks: 32, ..Scene::default() }.start();
    let (proved, newcomer) = (world.seed(1), world.newcomer(2));
    let piece = world.owed(proved)[0].piece;
    fails(&mut world, piece, [newcomer, proved]);
    assert_eq!(world.coordinator.requests.exclusive(), [(piece, Some(proved), Vec::new())]);
    assert_eq!(world.owed(newcomer), [], "not even of other pieces");
    assert!(!world.owed(proved).is_empty());
    world.wait(4 * SECOND);
    assert!(!world.owed(newcomer).is_empty(), "it may still be honest");
    world.hear(proved, [News::Verified(piece, Vec::new())]);
    let peer = world.coordinator.roster.get(newcomer).unwrap();
    assert!(peer.download.trust.is_proved(), "its block was right");
}

#[test]
fn what_a_convicted_peer_has_sent_of_other_pieces_is_asked_of_others() {
    let mut world = Scene { pieces: 16, blocks: 32, ..Scene::default() }.start();
    let (liar, other) = (world.seed(1), world.seed(2));
    let piece = world.owed(liar)[0].piece;
    world.deliver(liar, 3);
    assert_eq!(world.coordinator.requests.senders(piece), [liar]);
    world.hear(other, [News::Verified(world.piece(0), vec![liar])]);
    assert_eq!(world.hung_up(liar), Some(HangUp::WrongData));
    assert_eq!(world.coordinator.requests.senders(piece), []);
}

#[test]
fn the_other_ports_of_a_liars_host_come_last() {
    let mut world = Scene::default().start();
    let at = |port| SocketAddr::new(address(1).ip(), port);
    let liar = world.newcomer(1);
    let [proved, newcomer] = [7001, 7002].map(|port| {
        let key = world.dial(at(port), port.to_le_bytes()[0]);
        world.hear(key, [News::HaveAll, News::Unchoked]);
        key
    });
    world.coordinator.roster.get_mut(proved).unwrap().download.trust.proved();
    world.hear(proved, [News::Verified(world.piece(0), vec![liar])]);
    assert_eq!(world.hung_up(liar), Some(HangUp::WrongData));
    assert_eq!((world.hung_up(newcomer), world.hung_up(proved)), (Some(HangUp::NearLiars), None));
    world.outside.borrow_mut().dialed.clear();
    world.tell(Event::Found(Source::Tracker, vec![at(7003)]));
    assert_eq!(world.outside.borrow().dialed, []);
    // Nobody sends anything.
    world.wait(6 * SECOND);
    assert!(world.outside.borrow().dialed.contains(&at(7003)));
    assert!(!world.outside.borrow().dialed.contains(&address(1)), "the liar itself is never met again");
}
