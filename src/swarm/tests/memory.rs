//! Memory: what several torrents share, and what becomes of pieces where it is short.

use super::*;
use crate::strategy::MemoryClaim;

/// Pieces of four blocks, of which others have what this torrent may not have.
fn short_of_memory() -> World {
    let scene = Scene { timeout: Some(60 * SECOND), ..Scene::default() };
    let world = scene.start();
    world.outside.borrow_mut().granted = Some(0);
    world
}

fn last_claim(world: &World) -> MemoryClaim {
    *world.outside.borrow().claims.last().unwrap()
}

#[test]
fn without_memory_nothing_is_asked_for_and_nobody_is_blamed_until_some_is_free() {
    let mut world = short_of_memory();
    let seed = world.seed(1);
    assert!(world.requests(seed).is_empty());
    assert_eq!(world.wait(600 * SECOND), None, "the timeout does not count");
    assert_eq!((world.snapshot().stall, world.hung_up(seed)), (Some(Stall::NoMemory), None));
    let piece = u64::from(4 * BLOCK_LENGTH);
    assert_eq!(last_claim(&world), MemoryClaim { used: 0, wanted: 8 * piece, piece });
    world.outside.borrow_mut().granted = Some(piece);
    world.tell(Event::MemoryFree);
    assert_eq!(world.owed(seed).len(), 4, "one piece");
    assert_eq!(world.snapshot().stall, None);
}

#[test]
fn who_cannot_use_memory_claims_none() {
    let mut world = Scene { pieces: 1, ..Scene::default() }.start();
    world.wait(SECOND);
    assert_eq!(last_claim(&world).wanted, 0, "there is no peer");
    let seed = world.seed(1);
    world.hear(seed, [News::Choked]);
    world.wait(SECOND);
    assert_eq!((last_claim(&world).wanted, last_claim(&world).used), (65_536, 65_536), "a piece is open");
    world.hear(seed, [News::Unchoked]);
    world.deliver(seed, 4);
    world.hear(seed, [News::Verified(world.piece(0), Vec::new())]);
    world.outside.borrow_mut().memory_is_wanted = true;
    world.tell(Event::Stored(vec![world.piece(0)]));
    assert_eq!((last_claim(&world).wanted, last_claim(&world).used), (0, 0), "and at once");
}

#[test]
fn a_piece_that_no_peer_may_send_is_given_up_for_another_torrent() {
    let mut world = Scene::default().start();
    let seed = world.seed(1);
    world.deliver(seed, 1);
    world.gone(seed, PeerError::Closed);
    world.wait(SECOND);
    let used = last_claim(&world).used;
    assert!(used > 0, "nobody needs it");
    world.outside.borrow_mut().memory_is_wanted = true;
    world.wait(10 * SECOND);
    assert_eq!(last_claim(&world).used, 0);
    assert_eq!(world.snapshot().wasted, u64::from(BLOCK_LENGTH));
}

#[test]
fn a_first_peer_that_comes_late_is_asked_for_as_much_as_one_that_comes_at_once() {
    for late in [Duration::ZERO, 3 * SECOND] {
        let mut world = Scene { pieces: 64, ..Scene::default() }.start();
        world.wait(late);
        let seed = world.seed(1);
        assert_eq!(world.owed(seed).len(), 16, "after {late:?}");
    }
}

#[test]
fn an_open_piece_that_no_peer_can_complete_is_given_up_only_when_its_memory_is_needed() {
    let mut world =
        Scene { pieces: 8, blocks: 4, memory: u64::from(4 * BLOCK_LENGTH), ..Scene::default() }.start();
    let leaving = world.dial(address(1), 1);
    world.hear(leaving, [News::Bitfield(world.bitfield(&[0])), News::Unchoked]);
    world.deliver(leaving, 1);
    world.gone(leaving, PeerError::Closed);
    assert_eq!(world.coordinator.requests.idle().count(), 1);
    world.wait(SECOND);
    assert_eq!(world.coordinator.requests.idle().count(), 1, "nothing needs its memory");
    let staying = world.dial(address(2), 2);
    world.hear(staying, [News::Bitfield(world.bitfield(&[1])), News::Unchoked]);
    world.wait(SECOND);
    assert!(world.owed(staying).iter().all(|block| block.piece == world.piece(1)));
    assert_eq!(world.owed(staying).len(), 4);
    assert_eq!(world.snapshot().wasted, u64::from(BLOCK_LENGTH));
}

#[test]
fn where_there_is_memory_for_one_piece_a_newcomer_helps_with_it_and_keeps_off_the_next() {
    let memory = 20 * u64::from(BLOCK_LENGTH);
    let mut world = Scene { pieces: 4, blocks: 20, memory, ..Scene::default() }.start();
    let silent = [world.newcomer(1), world.newcomer(2)];
    let first = world.owed(silent[0])[0].piece;
    assert_eq!(silent.map(|key| world.owed(key).len()).iter().sum::<usize>(), 20, "they hold all of it");
    let honest = world.newcomer(3);
    let began = world.now;
    while silent.iter().any(|key| !world.owed(*key).is_empty()) {
        world.wait(SECOND / 2);
        assert!(world.owed(honest).iter().all(|block| block.piece == first));
        world.deliver(honest, 16);
        assert!(world.now < began + 40 * SECOND, "it was of no help");
    }
}
