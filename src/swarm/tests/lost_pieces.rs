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

#[test]
fn what_a_peer_does_not_have_any_more_is_asked_of_others_at_once() {
    let mut world = Scene { pieces: 4, ..Scene::default() }.start();
    let seed = world.seed(1);
    let lost = world.owed(seed)[0].piece;
    let owed = world.owed(seed).iter().filter(|block| block.piece == lost).count();
    assert!(owed > 0);
    world.hear(seed, [News::DontHave(lost)]);
    assert!(world.owed(seed).iter().all(|block| block.piece != lost));
    // It is a seed no more, so the rest of its pieces count, once.
    let availability = |world: &World| -> Vec<u16> {
        world.geometry.pieces().map(|piece| world.coordinator.pieces.rarity().availability(piece)).collect()
    };
    let mut expected = vec![1; 4];
    expected[lost.slot()] = 0;
    assert_eq!(availability(&world), expected);
    let other = world.seed(2);
    assert!(world.owed(other).iter().any(|block| block.piece == lost), "nobody is asked for it");
    // It may get the piece again, and lose it again.
    for _ in 0..3 {
        world.hear(seed, [News::Have(lost), News::Have(lost)]);
        assert_eq!(availability(&world), [1; 4]);
        world.hear(seed, [News::DontHave(lost), News::DontHave(lost)]);
        assert_eq!(availability(&world), expected);
    }
    world.gone(seed, PeerError::Closed);
    assert_eq!(availability(&world), [0; 4]);
}

#[test]
fn a_peer_whose_last_piece_that_we_want_is_lost_is_of_no_interest_until_it_has_one() {
    let mut world = Scene { pieces: 4, ..Scene::default() }.start();
    let key = world.dial(address(1), 1);
    world.hear(key, [News::Bitfield(world.bitfield(&[2]))]);
    assert!(world.orders(key).iter().any(is_told_interest));
    world.hear(key, [News::AllowedFast(world.piece(2)), News::DontHave(world.piece(2))]);
    let orders = world.orders(key);
    assert!(orders.iter().any(|order| matches!(order, Order::Interested(false))), "{orders:?}");
    assert!(world.owed(key).is_empty());
    world.hear(key, [News::Have(world.piece(2))]);
    assert!(world.orders(key).iter().any(is_told_interest));
    // What it never had cannot be lost.
    world.hear(key, [News::DontHave(world.piece(0))]);
    assert_eq!(world.coordinator.pieces.rarity().availability(world.piece(0)), 0);
}

#[test]
fn a_user_who_stops_while_files_are_looked_at_for_the_last_time_has_stopped_and_nothing_has_failed() {
    for (stopped, end) in [(true, RunEnd::Stopped), (false, RunEnd::WriterFailed)] {
        let mut world = Scene { pieces: 1, ..Scene::default() }.start();
        let key = world.seed(1);
        store(&mut world, key, 0);
        assert!(world.outside.borrow().finish_told);
        world.outside.borrow_mut().stopped = stopped;
        assert_eq!(world.tell(Event::WriterEnded { finished: false }), Some(end));
    }
}
