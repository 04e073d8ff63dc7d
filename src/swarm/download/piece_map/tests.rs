use super::*;

#[test]
fn a_piece_goes_through_its_states_in_order_and_no_other_way() {
    let geometry = Geometry::new(10, 4).unwrap();
    let mut random = fastrand::Rng::with_seed(1);
    let mut map = PieceMap::new(geometry, Bitfield::none(3), 4, &mut random);
    let first = map.open(&PeerPieces::All, &mut random).unwrap();
    assert_eq!(map.states[first.slot()], State::Open);
    assert!(map.open(&PeerPieces::All, &mut random).is_none(), "the budget is one piece");
    assert!(!map.store(first));
    assert!(map.discard(first) && !map.discard(first));
    let again = map.open(&PeerPieces::All, &mut random).unwrap();
    map.allow(4, false);
    assert!(map.verified(again) && !map.verified(again) && !map.discard(again));
    assert!(!map.has_room());
    assert!(map.store(again) && !map.store(again));
    assert!(map.has_room() && map.stored().has(again));
    while let Some(piece) = map.open(&PeerPieces::All, &mut random) {
        assert!(map.verified(piece) && map.store(piece));
    }
    assert!(map.is_complete() && map.rarity().is_empty());
    assert_eq!(map.stored_bytes(), 10);
    assert_eq!(map.wanted_of(&PeerPieces::All), 0);
    assert!(map.lose(first) && !map.lose(first) && map.wants(first));
    let others = 10 - u64::from(geometry.length(first));
    assert_eq!((map.stored_bytes(), map.wanted_of(&PeerPieces::All)), (others, 1));
    assert_eq!(map.open(&PeerPieces::All, &mut random), Some(first));
    assert!(map.verified(first) && map.store(first) && map.is_done());
}

#[test]
fn only_what_is_selected_is_wanted_and_the_rest_never_opens() {
    let geometry = Geometry::new(78, 1).unwrap();
    let mut random = fastrand::Rng::with_seed(1);
    let set = |numbers: &[u32]| {
        let mut set = Bitfield::none(78);
        numbers.iter().for_each(|number| assert!(set.insert(geometry.piece(*number).unwrap())));
        set
    };
    let mut map = PieceMap::new(geometry, set(&[3]), 100, &mut random);
    map.want_only(set(&[3, 5, 70]), &mut random);
    assert_eq!((map.wanted_of(&PeerPieces::All), map.wanted_bytes(), map.is_done()), (2, 3, false));
    assert_eq!(map.wanted_of(&PeerPieces::Some(set(&[1, 3, 70, 71]))), 1);
    assert!(map.open_one_of([geometry.piece(1).unwrap()]).is_none());
    while let Some(piece) = map.open(&PeerPieces::All, &mut random) {
        assert!(map.wants(piece) && map.verified(piece) && map.store(piece) && !map.wants(piece));
    }
    assert_eq!(*map.stored(), set(&[3, 5, 70]));
    assert!(map.is_done() && !map.is_complete());
    assert_eq!((map.stored_bytes(), map.wanted_of(&PeerPieces::All)), (3, 0));
}

#[test]
fn a_piece_larger_than_the_budget_opens_alone() {
    let geometry = Geometry::new(100, 50).unwrap();
    let mut random = fastrand::Rng::with_seed(1);
    let mut map = PieceMap::new(geometry, Bitfield::none(2), 4, &mut random);
    let first = map.open(&PeerPieces::All, &mut random).unwrap();
    assert!(map.open(&PeerPieces::All, &mut random).is_none());
    assert_eq!((map.memory_used(), map.missing_bytes()), (50, 50));
    map.allow(0, false);
    assert!(map.discard(first) && map.open(&PeerPieces::All, &mut random).is_none(), "nothing is allowed");
}
