//! Downloads that are written to a stream: a window of pieces, a reader, and nothing that could be uploaded.

use super::*;
use std::collections::BTreeSet;

/// Bytes in a piece of these scenes.
const PIECE: u64 = 4 * BLOCK_LENGTH as u64;

/// 64 pieces of four blocks, and memory for four pieces.
fn scene() -> Scene {
    let order = PieceOrder { is_stream: true, ..PieceOrder::default() };
    let uploads = UploadPolicy { limit: Some(0), ..UploadPolicy::default() };
    Scene { pieces: 64, memory: 4 * PIECE, timeout: Some(30 * SECOND), order, uploads, ..Scene::default() }
}

/// The pieces of which a peer owes us blocks.
fn asked(world: &World, key: PeerKey) -> Vec<u32> {
    let asked: BTreeSet<u32> = world.owed(key).into_iter().map(|block| block.piece.get()).collect();
    asked.into_iter().collect()
}

/// The peer sends all of a piece, and it verifies.
fn complete(world: &mut World, key: PeerKey, piece: u32) {
    for block in world.owed(key).into_iter().filter(|block| block.piece.get() == piece) {
        let assembly = world.coordinator.requests.assembly(block.piece).unwrap();
        world.hear(key, [News::Blocks(Span { piece: block.piece, first: block.number, count: 1 }, assembly)]);
    }
    world.hear(key, [News::Verified(world.piece(piece), Vec::new())]);
}

#[test]
fn nothing_is_asked_for_beyond_the_window_which_moves_on_as_pieces_leave() {
    let mut world = scene().start();
    let seed = world.seed(1);
    assert_eq!(asked(&world, seed), [0, 1, 2, 3]);
    complete(&mut world, seed, 2);
    complete(&mut world, seed, 1);
    world.wait(SECOND);
    assert_eq!(asked(&world, seed), [0, 3], "the first one has not left");
    complete(&mut world, seed, 0);
    world.tell(Event::Stored([0, 1, 2].map(|number| world.piece(number)).to_vec()));
    // Three quarters of the memory are on their way.
    assert_eq!(asked(&world, seed), [3, 4, 5]);
    complete(&mut world, seed, 3);
    assert_eq!(asked(&world, seed), [4, 5, 6]);
}

#[test]
fn what_a_peer_allows_while_it_chokes_us_is_not_asked_for_beyond_the_window_either() {
    let mut world = scene().start();
    let key = world.dial(address(1), 1);
    let allowed = [9, 2].map(|number| News::AllowedFast(world.piece(number)));
    world.hear(key, [News::HaveAll].into_iter().chain(allowed));
    world.wait(SECOND);
    assert_eq!(asked(&world, key), [2]);
}

#[test]
fn the_first_piece_can_be_opened_again_however_full_the_memory_is() {
    let mut world = scene().start();
    let seed = world.seed(1);
    (1..4).for_each(|piece| complete(&mut world, seed, piece));
    world.outside.borrow_mut().granted = Some(PIECE);
    world.wait(SECOND);
    let (piece, now) = (world.piece(0), world.now);
    world.coordinator.give_up(piece, now);
    world.wait(SECOND);
    assert_eq!(asked(&world, seed), [0]);
}

#[test]
fn where_nobody_has_the_next_piece_that_is_said_though_later_ones_wait() {
    let mut world = scene().start();
    let peer = world.dial(address(1), 1);
    let pieces = world.bitfield(&(1..64).collect::<Vec<u32>>());
    world.hear(peer, [News::Bitfield(pieces), News::Unchoked]);
    (1..4).for_each(|piece| complete(&mut world, peer, piece));
    world.wait(15 * SECOND);
    assert_eq!(world.snapshot().stall, Some(Stall::NobodyHas(0)));
}

#[test]
fn no_peer_hears_that_we_have_what_has_left() {
    let mut world = scene().start();
    let (seed, leecher) = (world.seed(1), world.dial(address(2), 2));
    world.hear(leecher, [News::Bitfield(world.bitfield(&[])), News::Interested(true)]);
    (0..4).for_each(|piece| complete(&mut world, seed, piece));
    world.tell(Event::Stored((0..4).map(|number| world.piece(number)).collect()));
    world.wait(30 * SECOND);
    let orders = world.orders(leecher);
    let is_lie = |order: &Order| match order {
        Order::Introduce { pieces, upload_only, .. } => pieces.count() > 0 || *upload_only,
        Order::Have(_) | Order::Unchoke | Order::AllowFast(_) | Order::UploadOnly(_) => true,
        _ => false,
    };
    assert!(!orders.is_empty() && !orders.iter().any(is_lie), "{orders:?}");
}

#[test]
fn a_reader_that_stops_ends_nothing_and_no_peer_is_blamed() {
    let mut world = scene().start();
    let (seed, other) = (world.seed(1), world.seed(2));
    complete(&mut world, seed, 0);
    assert!(!world.owed(seed).is_empty());
    assert_eq!(world.wait(600 * SECOND), None, "the timeout does not count");
    assert_eq!((world.hung_up(seed), world.hung_up(other)), (None, None));
    assert_eq!(world.snapshot().stall, Some(Stall::SlowReader));
    // It goes on, and now the peers are slow.
    world.tell(Event::Stored(vec![world.piece(0)]));
    assert_eq!(world.wait(29 * SECOND), None);
    assert_eq!(world.wait(2 * SECOND), Some(RunEnd::TimedOut));
}

#[test]
fn a_slow_reader_has_no_more_memory_claimed() {
    let mut world = Scene { memory: 64 << 20, pieces: 2000, ..scene() }.start();
    let seed = world.seed(1);
    for _ in 0..200 {
        // All of the window is there, and one piece leaves every half second.
        while let Some(piece) = asked(&world, seed).first() {
            complete(&mut world, seed, *piece);
        }
        let head = world.coordinator.pieces.stored().count();
        world.wait(SECOND / 2);
        world.tell(Event::Stored(vec![world.piece(head)]));
    }
    let claims = &world.outside.borrow().claims;
    assert_eq!(claims.iter().map(|claim| claim.wanted).max(), Some(6 << 20));
}
