//! Pieces that another program has changed on the disk are fetched again before the download is done.

use super::*;

/// The peer sends the piece, and the writer stores it.
fn store(world: &mut World, key: PeerKey, piece: u32) {
    let piece = world.piece(piece);
    world.hear(key, [News::Verified(piece, Vec::new())]);
    world.tell(Event::Stored(vec![piece]));
}

fn is_told_interest(order: &Order) -> bool {
    matches!(order, Order::Interested(true))
}

#[test]
fn pieces_that_were_lost_at_the_end_are_fetched_again_of_the_peers_that_were_let_go() {
    let mut world = Scene { pieces: 1, ..Scene::default() }.start();
    let key = world.seed(1);
    let partial = world.dial(address(2), 2);
    world.hear(partial, [News::Bitfield(world.bitfield(&[0]))]);
    store(&mut world, key, 0);
    assert!(std::mem::take(&mut world.outside.borrow_mut().finish_told));
    assert_eq!(world.coordinator.roster.len(), 0);
    let dialed = world.outside.borrow().dialed.len();
    world.tell(Event::Lost(vec![world.piece(0)]));
    assert_eq!((world.snapshot().done, world.coordinator.is_downloading()), (0, true));
    // What the peers that were let go had is not counted any more.
    assert_eq!(world.coordinator.pieces.rarity().availability(world.piece(0)), 0);
    assert_eq!(world.wait(2 * SECOND), None);
    let mut again = world.outside.borrow().dialed[dialed..].to_vec();
    again.sort();
    assert_eq!(again, [address(1), address(2)]);
    let key = world.answer(address(1));
    world.tell(Event::Greeted(key, greeting(1)));
    world.hear(key, [News::HaveAll, News::Unchoked]);
    assert!(!world.owed(key).is_empty());
    store(&mut world, key, 0);
    assert!(world.outside.borrow().finish_told);
    assert_eq!(world.tell(Event::WriterEnded { finished: true }), Some(RunEnd::Done));
}

#[test]
fn a_peer_that_stayed_is_asked_for_what_was_lost() {
    let uploads = UploadPolicy { seeding: Some(SeedGoals::default()), ..UploadPolicy::default() };
    let mut world = Scene { pieces: 2, stored: vec![1], uploads, ..Scene::default() }.start();
    let key = world.seed(1);
    store(&mut world, key, 0);
    world.orders(key);
    world.tell(Event::Lost(vec![world.piece(1)]));
    assert!(world.orders(key).iter().any(is_told_interest));
    assert!(world.owed(key).iter().all(|block| block.piece == world.piece(1)) && !world.owed(key).is_empty());
    store(&mut world, key, 1);
    assert_eq!(world.tell(Event::WriterEnded { finished: true }), None);
    assert_eq!(world.outside.borrow().completed, 1);
}
