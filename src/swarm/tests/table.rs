//! Whole downloads: the tables agree with each other at every moment.

use super::*;

#[test]
fn a_download_from_two_seeds_ends_with_every_piece_stored_once() {
    let mut world = Scene::default().start();
    let seeds = [world.seed(1), world.seed(2)];
    let mut stored = Vec::new();
    for round in 0..200 {
        for key in seeds {
            world.deliver(key, 3);
        }
        let complete: Vec<PieceIndex> = world.coordinator.requests.complete_pieces();
        for piece in complete {
            world.hear(seeds[0], [News::Verified(piece, Vec::new())]);
            world.tell(Event::Stored(vec![piece]));
            stored.push(piece);
        }
        if world.outside.borrow().finish_told {
            break;
        }
        assert!(round < 199, "{:?}", world.snapshot());
    }
    stored.sort();
    assert_eq!(stored, world.geometry.pieces().collect::<Vec<_>>());
    assert_eq!(world.coordinator.requests.count_all(), 0);
    assert_eq!(world.tell(Event::WriterEnded { finished: true }), Some(RunEnd::Done));
}

#[test]
fn nothing_is_asked_of_a_peer_that_chokes_us_or_has_nothing() {
    let mut world = Scene::default().start();
    let choking = world.dial(address(1), 1);
    world.hear(choking, [News::HaveAll]);
    let empty = world.dial(address(2), 2);
    world.hear(empty, [News::Bitfield(world.bitfield(&[])), News::Unchoked]);
    assert!(world.owed(choking).is_empty() && world.owed(empty).is_empty());
    world.hear(choking, [News::Unchoked]);
    assert!(!world.owed(choking).is_empty());
    world.hear(choking, [News::Choked]);
    let blocks = world.owed(choking);
    assert!(!blocks.is_empty(), "a peer that speaks BEP 6 rejects each request by itself");
    world.hear(choking, blocks.into_iter().map(News::Rejected));
    assert!(world.owed(choking).is_empty());
}
