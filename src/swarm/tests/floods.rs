//! From where nobody is let in, or less often, because of peers that came from there.

use super::*;

#[test]
fn where_a_flood_came_from_nobody_is_let_in_for_some_time() {
    for (why, is_refused) in [
        (PeerError::Violation(Violation::Flood(MessageKind::Have)), true),
        (PeerError::HungUp(HangUp::BitfieldFlood), true),
        (PeerError::Violation(Violation::RequestsWhileChoked), true),
        // One of many peers behind one address has a defect.
        (PeerError::Violation(Violation::BitfieldLength), false),
        (PeerError::Violation(Violation::LongRequest), false),
        (PeerError::HungUp(HangUp::Idle), false),
        (PeerError::Closed, false),
    ] {
        let mut world = Scene::default().start();
        let from = SocketAddr::from(([203, 0, 113, 1], 40_000));
        let key = world.arrive(from).unwrap();
        let text = why.to_string();
        world.gone(key, why);
        assert_eq!(world.outside.borrow().refused == [from.ip()], is_refused, "{text}");
    }
}

#[test]
fn a_peer_that_came_and_left_without_a_block_came_in_vain() {
    let mut world = Scene::default().start();
    let from = SocketAddr::from(([203, 0, 113, 1], 40_000));
    let key = world.arrive(from).unwrap();
    world.tell(Event::Greeted(key, greeting(b'z')));
    world.gone(key, PeerError::Closed);
    assert_eq!(world.outside.borrow().in_vain, [(from.ip(), 0)]);
    // We connected to this one, and this one has sent a block.
    let dialed = world.seed(2);
    world.gone(dialed, PeerError::Closed);
    let key = world.arrive(from).unwrap();
    world.tell(Event::Greeted(key, greeting(b'z')));
    world.coordinator.roster.get_mut(key).unwrap().download.useful = true;
    world.gone(key, PeerError::Closed);
    assert_eq!(world.outside.borrow().in_vain.len(), 1);
}

#[test]
fn many_pieces_that_a_peer_tells_of_at_once_are_taken_in_as_one_after_the_other() {
    let mut world = Scene { pieces: 8, ..Scene::default() }.start();
    let key = world.dial(address(1), 1);
    let told: Vec<_> = [0, 3, 3, 5].map(|piece| world.piece(piece)).into();
    world.hear(key, [News::HaveMany(told)]);
    let rarity = world.coordinator.pieces.rarity();
    let availability: Vec<u16> = world.geometry.pieces().map(|piece| rarity.availability(piece)).collect();
    assert_eq!(availability, [1, 0, 0, 1, 0, 1, 0, 0]);
    let peer = world.coordinator.roster.get(key).unwrap();
    assert_eq!((peer.wanted, peer.told_pieces, peer.flags.am_interested), (3, 4, true));
}

#[test]
fn who_has_nothing_and_then_everything_is_a_seed_that_costs_no_step_for_each_piece() {
    let mut world = Scene::default().start();
    let sudden = world.dial(address(1), 1);
    let none = Bitfield::none(world.geometry.piece_count());
    let all = Bitfield::all(world.geometry.piece_count());
    world.hear(sudden, [News::Bitfield(none), News::AnotherBitfield(all.clone())]);
    let availability = |world: &World| world.coordinator.pieces.rarity().availability(world.piece(3));
    assert_eq!(availability(&world), 0, "seeds say nothing about rarity");
    world.hear(sudden, [News::Unchoked]);
    assert!(!world.requests(sudden).is_empty(), "it is asked as any seed");
    // Who had some is counted piece by piece, and can do that once.
    let gradual = world.dial(address(2), 2);
    let some = world.bitfield(&[3]);
    world.hear(gradual, [News::Bitfield(some), News::AnotherBitfield(all)]);
    assert_eq!(availability(&world), 1);
}

#[test]
fn a_peer_that_leaves_too_many_orders_unread_is_disconnected() {
    let mut world = Scene::default().start();
    let key = world.seed(1);
    let block = world.owed(key)[0];
    let order = |world: &World, count: usize| {
        let peer = world.coordinator.roster.get(key).unwrap();
        (0..count).for_each(|_| peer.cancel(vec![block], "a test"));
    };
    order(&world, 1900);
    assert_eq!(world.hung_up(key), None);
    order(&world, 200);
    assert_eq!(world.hung_up(key), Some(HangUp::DoesNotRead));
}

#[test]
fn a_peer_allows_few_pieces_to_be_asked_for_while_it_chokes_us() {
    let mut world = Scene { pieces: 1000, ..Scene::default() }.start();
    let key = world.dial(address(1), 1);
    let pieces: Vec<News> = (0..1000).map(|piece| News::AllowedFast(world.piece(piece))).collect();
    world.hear(key, pieces);
    assert!(world.coordinator.roster.get(key).unwrap().download.allowed_fast.len() <= 100);
}

/// A seed of eight pieces.
fn seeding() -> Scene {
    let uploads = UploadPolicy { seeding: Some(SeedGoals::default()), ..UploadPolicy::default() };
    Scene { stored: (0..8).collect(), wanted: WantedPieces::Nothing, uploads, ..Scene::default() }
}

#[test]
fn the_pieces_that_a_peer_tells_of_one_by_one_count_where_it_came_in_vain() {
    let mut world = seeding().start();
    let from = SocketAddr::from(([203, 0, 113, 1], 40_000));
    let key = world.arrive(from).unwrap();
    world.tell(Event::Greeted(key, greeting(b'z')));
    let each: Vec<News> = world.geometry.pieces().map(News::Have).collect();
    world.hear(key, each);
    world.gone(key, PeerError::HungUp(HangUp::BothSeeds));
    assert_eq!(world.outside.borrow().in_vain, [(from.ip(), 8)]);
}

#[test]
fn what_another_seed_says_of_its_pieces_when_we_have_let_it_go_costs_nothing() {
    let mut world = seeding().start();
    let key = world.arrive(SocketAddr::from(([203, 0, 113, 1], 40_000))).unwrap();
    world.tell(Event::Greeted(key, greeting(b'z')));
    let (lost, gained) = (world.piece(3), Bitfield::all(world.geometry.piece_count()));
    world.hear(key, [News::HaveAll, News::DontHave(lost)]);
    assert_eq!(world.hung_up(key), Some(HangUp::BothSeeds));
    world.hear(key, [News::AnotherBitfield(gained), News::DontHave(lost)]);
    let rarity = world.coordinator.pieces.rarity();
    assert!(world.geometry.pieces().all(|piece| rarity.availability(piece) == 0));
}
