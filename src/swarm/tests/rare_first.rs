//! Which pieces a peer is asked for that alone has them.

use super::*;

/// A peer that has proved itself and has these pieces alone.
fn partial(world: &mut World, host: u8, pieces: &[u32]) -> PeerKey {
    let key = world.dial(address(host), host);
    world.coordinator.roster.get_mut(key).unwrap().download.trust.proved();
    let pieces = world.bitfield(pieces);
    world.hear(key, [News::Bitfield(pieces), News::Unchoked]);
    key
}

/// The pieces that a peer owes us blocks of.
fn owed_pieces(world: &World, key: PeerKey) -> Vec<u32> {
    let mut pieces: Vec<u32> = world.owed(key).iter().map(|block| block.piece.get()).collect();
    pieces.dedup();
    pieces
}

#[test]
fn a_seed_is_asked_for_what_only_seeds_have_and_not_for_what_others_may_send() {
    let mut world = Scene { blocks: 64, ..Scene::default() }.start();
    let slow = partial(&mut world, 1, &[0, 1]);
    let begun = owed_pieces(&world, slow);
    let [piece] = *begun else { panic!("{begun:?}") };
    assert!(world.owed(slow).len() < 64, "much of piece {piece} is free");
    let seed = world.seed(2);
    for _ in 0..150 {
        let pieces = owed_pieces(&world, seed);
        assert!(pieces.iter().all(|piece| *piece >= 2), "{pieces:?}");
        world.deliver(seed, 1);
    }
    let begun = world.coordinator.requests.shared().filter(|piece| piece.get() >= 2).count();
    assert!(begun <= 1, "{begun} pieces have free blocks: what is open is completed first");
}

#[test]
fn a_partial_peer_is_asked_for_what_no_other_partial_peer_has() {
    let mut world = Scene { blocks: 64, ..Scene::default() }.start();
    partial(&mut world, 1, &[0, 1]);
    let other = partial(&mut world, 2, &[0, 1, 5]);
    assert_eq!(owed_pieces(&world, other), [5]);
}

#[test]
fn a_seed_goes_on_with_an_open_piece_where_nothing_is_rare_or_memory_is_short_or_the_user_wants_an_order() {
    let blocks = 64;
    let sequential = PieceOrder { is_sequential: true, ..PieceOrder::default() };
    let one_piece = u64::from(blocks * BLOCK_LENGTH);
    for (others, order, memory) in [
        (vec![0, 1, 2, 3, 4, 5, 6, 7], PieceOrder::default(), 32 << 20),
        (vec![0, 1], PieceOrder::default(), one_piece),
        (vec![0, 1], sequential, 32 << 20),
    ] {
        let mut world = Scene { blocks, order, memory, ..Scene::default() }.start();
        let slow = partial(&mut world, 1, &others);
        let seed = world.seed(2);
        assert_eq!(owed_pieces(&world, seed), owed_pieces(&world, slow), "{others:?}, {memory}");
    }
}

#[test]
fn a_stream_goes_on_in_its_order_where_all_that_may_be_open_is() {
    let order = PieceOrder { is_stream: true, ..PieceOrder::default() };
    let memory = 2 * 64 * u64::from(BLOCK_LENGTH);
    let mut world = Scene { blocks: 64, order, memory, ..Scene::default() }.start();
    let slow = partial(&mut world, 1, &[0]);
    let seed = world.seed(2);
    for _ in 0..64 {
        if !owed_pieces(&world, seed).contains(&1) {
            world.deliver(seed, 1);
        }
    }
    let left = world.owed(slow);
    world.hear(slow, std::iter::once(News::Choked).chain(left.iter().copied().map(News::Rejected)));
    world.requests(seed);
    for _ in 0..64 {
        let is_free = world.coordinator.requests.shared().any(|piece| piece.get() == 0);
        world.deliver(seed, 1);
        let asked = world.requests(seed);
        assert!(!is_free || asked.first().is_none_or(|span| span.piece.get() == 0), "{asked:?}");
    }
    assert!(
        world.coordinator.requests.shared().all(|piece| piece.get() != 0),
        "what the other owed was asked for"
    );
}
