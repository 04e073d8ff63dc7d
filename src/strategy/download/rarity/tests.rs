//! Rarity, and what is picked by it.

use super::*;

fn table(pieces: u32) -> (Geometry, Rarity, fastrand::Rng) {
    let geometry = Geometry::new(u64::from(pieces), 1).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    let rarity = Rarity::new(geometry, &Bitfield::all(pieces), &mut random);
    (geometry, rarity, random)
}

#[test]
fn copies_are_whole_ones_and_the_part_of_which_there_is_more() {
    let (geometry, mut rarity, _) = table(4);
    assert_eq!(rarity.copies(), 0.0);
    let pieces: Vec<PieceIndex> = geometry.pieces().collect();
    pieces[..3].iter().for_each(|piece| rarity.gained(*piece));
    assert_eq!(rarity.copies(), 0.75);
    // Those that we have or fetch count as well.
    rarity.take(pieces[3]);
    rarity.gained(pieces[3]);
    rarity.gained(pieces[3]);
    assert_eq!(rarity.copies(), 1.25);
    rarity.lost(pieces[0]);
    assert_eq!(rarity.copies(), 0.75);
}

fn check(rarity: &Rarity) {
    assert!(rarity.order.is_sorted_by_key(|piece| rarity.availability(*piece)));
    assert!(rarity.choosable.words().iter().take(rarity.first_word()).all(|word| *word == 0));
    for (at, piece) in (0..).zip(&rarity.order) {
        assert_eq!(rarity.position_of(*piece), Some(at));
        assert!(rarity.choosable.has(*piece));
    }
    assert_eq!(rarity.choosable.count() as usize, rarity.order.len());
    for (availability, pieces) in (0..).zip(&rarity.spread) {
        let of = rarity.availability.iter().filter(|peers| **peers == availability);
        assert_eq!(of.count(), *pieces as usize, "of availability {availability}");
    }
    for (availability, end) in (0..).zip(&rarity.ends) {
        let at_most = rarity.order.iter().filter(|piece| rarity.availability(**piece) <= availability);
        assert_eq!(at_most.count(), *end as usize, "bucket {availability}");
    }
}

#[test]
fn the_table_stays_in_order_through_any_history() {
    let (geometry, mut rarity, mut random) = table(40);
    for _ in 0..20_000 {
        let piece = geometry.piece(random.u32(..40)).unwrap();
        match random.u8(..5) {
            0 | 1 if rarity.availability(piece) < 9 => rarity.gained(piece),
            2 => rarity.lost(piece),
            3 => rarity.take(piece),
            _ => rarity.put_back(piece),
        }
        check(&rarity);
    }
}

#[test]
fn a_change_moves_as_few_pieces_in_a_large_torrent_as_in_a_small_one() {
    for pieces in [100, 10_000] {
        let (geometry, mut rarity, mut random) = table(pieces);
        for _ in 0..pieces * 4 {
            rarity.gained(geometry.piece(random.u32(..pieces)).unwrap());
        }
        for turn in 0..200 {
            let piece = geometry.piece(random.u32(..pieces)).unwrap();
            let before = rarity.order.clone();
            let buckets = rarity.ends.len() + 1;
            match turn % 4 {
                0 => rarity.gained(piece),
                1 => rarity.lost(piece),
                2 => rarity.take(piece),
                _ => rarity.put_back(piece),
            }
            let moved = before.iter().zip(&rarity.order).filter(|(was, is)| was != is).count();
            assert!(moved <= if turn % 4 < 2 { 2 } else { buckets }, "{moved} of {pieces}");
        }
    }
}

#[test]
fn the_rarest_piece_that_the_peer_has_is_picked() {
    let (geometry, mut rarity, mut random) = table(10);
    let at = |index| geometry.piece(index).unwrap();
    for piece in geometry.pieces() {
        rarity.gained(piece);
        rarity.gained(piece);
    }
    rarity.lost(at(4));
    rarity.lost(at(4));
    rarity.lost(at(7));
    assert_eq!(rarity.pick(&PeerPieces::All, false, &mut random), Some(at(4)));
    let mut some = Bitfield::none(10);
    some.insert(at(7));
    some.insert(at(8));
    assert_eq!(rarity.pick(&PeerPieces::Some(some.clone()), false, &mut random), Some(at(7)));
    rarity.take(at(7));
    assert_eq!(rarity.pick(&PeerPieces::Some(some.clone()), false, &mut random), Some(at(8)));
    rarity.take(at(8));
    assert_eq!(rarity.pick(&PeerPieces::Some(some), false, &mut random), None);
    assert_eq!(rarity.without_partial_peer(), Some(at(4)));
}

#[test]
fn the_one_piece_of_a_peer_is_found_among_a_million() {
    let (geometry, rarity, mut random) = table(1_000_000);
    for index in [0, 63, 64, 777_777, 999_999] {
        let mut one = Bitfield::none(1_000_000);
        one.insert(geometry.piece(index).unwrap());
        assert_eq!(rarity.pick(&PeerPieces::Some(one), false, &mut random), geometry.piece(index));
    }
}

#[test]
fn ties_and_first_pieces_are_random() {
    let picks = |any, seed| {
        let geometry = Geometry::new(1000, 1).unwrap();
        let mut random = fastrand::Rng::with_seed(seed);
        Rarity::new(geometry, &Bitfield::all(1000), &mut random).pick(&PeerPieces::All, any, &mut random)
    };
    for any in [false, true] {
        let distinct: std::collections::HashSet<_> = (0..20).map(|seed| picks(any, seed)).collect();
        assert!(distinct.len() > 10);
    }
}
