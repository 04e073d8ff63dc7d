use super::*;
use crate::piece::BLOCK_LENGTH;
use crate::strategy::PeerPieces;

const A: PeerKey = PeerKey(1);
const B: PeerKey = PeerKey(2);
const C: PeerKey = PeerKey(3);
const ALL: Restriction<'static> = Restriction::Has(&PeerPieces::All);

/// A table in which piece 1 is open. It has this many blocks.
fn one_open_piece(blocks: u32, source: PieceSource) -> (Requests, PieceIndex) {
    let length = blocks * BLOCK_LENGTH;
    let geometry = Geometry::new(u64::from(length) * 2, length).unwrap();
    let piece = geometry.piece(1).unwrap();
    let mut requests = Requests::new(geometry);
    open(&mut requests, piece, source);
    (requests, piece)
}

fn open(requests: &mut Requests, piece: PieceIndex, source: PieceSource) {
    let assembly = Assembly::new(&requests.geometry, piece, Default::default(), Vec::new());
    requests.open(assembly, source, Instant::now());
}

fn span(requests: &mut Requests, peer: PeerKey, most: u32) -> Option<(u32, u32)> {
    requests.next_for(peer, &ALL, &Within::Shared, most).map(|lease| (lease.span.first, lease.span.count))
}

fn take_over(requests: &mut Requests, helper: PeerKey, from: PeerKey, silent: &[PeerKey]) -> usize {
    requests.take_over(helper, from, (&ALL, &Within::All), silent, 99, |_, _| true).0.len()
}

fn assembly(requests: &Requests, piece: PieceIndex) -> Arc<Assembly> {
    Arc::clone(&requests.open.get(piece).unwrap().assembly)
}

/// What the header promises: both views agree, and the counters are right.
fn assert_is_consistent(requests: &Requests) {
    let mut leased = Vec::new();
    for (piece, open) in requests.open.iter() {
        let count = requests.geometry.block_count(piece);
        let states = (0..count).map(|number| (number, open.state(number).unwrap()));
        let free = states.clone().filter(|(_, state)| *state == BlockState::Free).count();
        assert_eq!(open.has_free(), free > 0, "{piece:?}");
        let listed = requests.with_free.iter().filter(|other| **other == piece).count();
        assert_eq!(listed, usize::from(free > 0), "{piece:?} has {free} free blocks");
        let twice = states.clone().filter(|(_, state)| matches!(state, BlockState::LeasedTwice(..))).count();
        assert_eq!(open.twice() as usize, twice, "{piece:?}");
        for (number, state) in states {
            let holders = state.holders();
            assert!(holders[0].is_none() || holders[0] != holders[1], "one peer cannot owe a block twice");
            leased.extend(holders.into_iter().flatten().map(|peer| (peer, Block { piece, number })));
        }
    }
    assert!(requests.with_free.iter().all(|piece| requests.open.get(*piece).is_some()));
    let missing = requests.open.iter().map(|(_, open)| open.missing() as usize).sum::<usize>();
    assert_eq!(requests.missing(), missing);
    let queues = requests.queues.iter();
    let mut queued: Vec<_> =
        queues.flat_map(|(peer, queue)| queue.iter().map(move |owed| (peer, owed.block))).collect();
    let order = |one: &(PeerKey, Block)| (one.0, one.1.piece, one.1.number);
    leased.sort_by_key(order);
    queued.sort_by_key(order);
    assert_eq!(leased, queued, "a block is in a peer's queue exactly while it is leased to that peer");
}

#[test]
fn blocks_are_leased_once_and_come_back_when_their_peer_leaves() {
    let (mut requests, piece) = one_open_piece(4, PieceSource::Anyone);
    assert_eq!(span(&mut requests, A, 3), Some((0, 3)));
    assert_eq!(span(&mut requests, B, 3), Some((3, 1)));
    assert_eq!(span(&mut requests, B, 3), None);
    assert!(requests.rejected(A, Block { piece, number: 1 }));
    assert!(!requests.rejected(B, Block { piece, number: 2 }), "only the holder can give a lease back");
    assert_eq!(span(&mut requests, B, 3), Some((1, 1)));
    assert_eq!(requests.take_back(A).iter().map(|block| block.number).collect::<Vec<_>>(), [0, 2]);
    assert_eq!((requests.count(A), requests.count(B), requests.count_all()), (0, 2, 2));
    assert_eq!(span(&mut requests, B, 3), Some((0, 1)));
    assert_is_consistent(&requests);
}

#[test]
fn when_two_were_asked_the_one_that_is_late_gets_a_cancel() {
    let (mut requests, piece) = one_open_piece(2, PieceSource::Anyone);
    let block = Block { piece, number: 0 };
    span(&mut requests, A, 1);
    assert_eq!(take_over(&mut requests, A, A, &[]), 0);
    assert_eq!(take_over(&mut requests, B, A, &[]), 1);
    assert_eq!(take_over(&mut requests, C, A, &[]), 0);
    let assembly = assembly(&requests, piece);
    assert_eq!(requests.received(B, block, &assembly), Arrival::Useful { cancel: [Some(A), None] });
    assert_eq!((requests.count(A), requests.count(B)), (0, 0));
    assert_eq!(requests.received(A, block, &assembly), Arrival::Useless);
    assert!(!requests.rejected(A, block));
    assert_eq!(span(&mut requests, A, 9), Some((1, 1)));
    assert_is_consistent(&requests);
}

#[test]
fn a_third_peer_displaces_one_of_two_silent_ones_and_none_that_was_just_asked() {
    for (from, stays) in [(A, B), (B, A)] {
        let (mut requests, piece) = one_open_piece(1, PieceSource::Anyone);
        let block = Block { piece, number: 0 };
        span(&mut requests, A, 1);
        take_over(&mut requests, B, A, &[]);
        assert_eq!(take_over(&mut requests, C, from, &[]), 0);
        assert_eq!(take_over(&mut requests, C, from, &[from]), 0, "the other one was just asked");
        let (taken, displaced) = requests.take_over(C, from, (&ALL, &Within::All), &[A, B], 99, |_, _| true);
        assert_eq!((taken.len(), displaced), (1, vec![block]));
        assert_eq!((requests.count(from), requests.count(stays), requests.count(C)), (0, 1, 1));
        assert_is_consistent(&requests);
        // The displaced one may send it all the same.
        let assembly = assembly(&requests, piece);
        let cancel = [Some(stays), Some(C)];
        assert_eq!(requests.received(from, block, &assembly), Arrival::Useful { cancel });
        assert_eq!(requests.count_all(), 0);
    }
}

#[test]
fn a_late_block_is_taken_after_its_lease_is_gone() {
    let (mut requests, piece) = one_open_piece(1, PieceSource::Anyone);
    let block = Block { piece, number: 0 };
    span(&mut requests, A, 1);
    requests.rejected(A, block);
    let assembly = assembly(&requests, piece);
    assert_eq!(requests.received(A, block, &assembly), Arrival::Useful { cancel: [None, None] });
    assert_eq!(span(&mut requests, B, 1), None);
    requests.close(piece);
    assert_eq!(requests.received(B, block, &assembly), Arrival::Useless);
    assert!(requests.open.len() == 0 && requests.with_free.is_empty());
}

#[test]
fn a_block_of_an_attempt_that_failed_is_still_missing_in_the_next() {
    let (mut requests, piece) = one_open_piece(2, PieceSource::Anyone);
    span(&mut requests, A, 2);
    let first = assembly(&requests, piece);
    let blocks = vec![Block { piece, number: 0 }, Block { piece, number: 1 }];
    assert_eq!(requests.piece_failed(piece), [(A, blocks.clone())]);
    open(&mut requests, piece, PieceSource::OnePeer(Some(B)));
    assert_eq!(requests.received(A, blocks[0], &first), Arrival::Useless);
    assert!(requests.is_outdated(&first));
    assert_eq!(span(&mut requests, B, 2), Some((0, 2)));
    assert_eq!(requests.received(A, blocks[1], &first), Arrival::Useless);
    assert_eq!(requests.owed_by(B).collect::<Vec<_>>(), blocks);
    assert_is_consistent(&requests);
}

#[test]
fn a_piece_that_was_wrong_comes_from_one_peer_alone() {
    let (mut requests, piece) = one_open_piece(3, PieceSource::OnePeer(None));
    assert_eq!(span(&mut requests, A, 1), None, "it has to be chosen");
    requests.assign(piece, A);
    assert_eq!(span(&mut requests, A, 1), Some((0, 1)));
    assert_eq!(span(&mut requests, B, 1), None);
    assert_eq!(take_over(&mut requests, B, A, &[A]), 0);
    requests.take_back(A);
    assert_eq!(requests.exclusive(), [ExclusivePiece { piece, owner: None, senders: Vec::new() }]);
    requests.assign(piece, B);
    assert_eq!(span(&mut requests, B, 9), Some((0, 3)));
    let much_later = Instant::now() + std::time::Duration::from_secs(31);
    requests.share_overdue(much_later);
    assert_eq!(take_over(&mut requests, A, B, &[]), 3);
    assert_is_consistent(&requests);
}

#[test]
fn others_help_a_newcomer_only_if_there_is_nothing_else_to_send() {
    let (mut requests, piece) = one_open_piece(3, PieceSource::Newcomer(A));
    assert_eq!(span(&mut requests, B, 9), None);
    assert_eq!(span(&mut requests, A, 1), Some((0, 1)));
    assert_eq!((requests.lone_newcomers(), requests.count_of_newcomers()), (vec![A], 1));
    assert_eq!(requests.next_for(B, &ALL, &Within::All, 1).unwrap().span.first, 1);
    assert_eq!((requests.lone_newcomers(), requests.count_of_newcomers()), (vec![], 1));
    assert_eq!(span(&mut requests, C, 9), Some((2, 1)), "it is no longer for one alone");
    assert_eq!((requests.pieces_of(B), requests.pieces_of(PeerKey(4))), (vec![piece], vec![]));
    assert_is_consistent(&requests);
}

#[test]
fn what_a_convicted_peer_has_sent_is_missing_again_and_what_is_still_to_be_heard_of_it_does_not_count() {
    let (mut requests, piece) = one_open_piece(3, PieceSource::Anyone);
    span(&mut requests, A, 2);
    span(&mut requests, B, 1);
    let assembly = assembly(&requests, piece);
    for (peer, number) in [(A, 0), (B, 2)] {
        requests.received(peer, Block { piece, number }, &assembly);
    }
    assert_eq!(requests.senders(piece), [A, B]);
    requests.take_back(A);
    requests.refuse(piece, A, &[0, 1]);
    assert_eq!(requests.received(A, Block { piece, number: 1 }, &assembly), Arrival::Useless);
    assert_is_consistent(&requests);
    assert_eq!((requests.senders(piece), requests.missing()), (vec![B], 2));
    assert_eq!(span(&mut requests, B, 9), Some((0, 2)));
}

/// Random histories of everything that can happen to requests. After each step both views agree, and in the
/// end a peer that answers every request completes every open piece.
#[test]
fn both_views_agree_through_any_history_and_one_honest_peer_completes_all() {
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let blocks = random.u32(1..6);
        let geometry = Geometry::new(u64::from(blocks * BLOCK_LENGTH) * 5, blocks * BLOCK_LENGTH).unwrap();
        let mut requests = Requests::new(geometry);
        for _ in 0..200 {
            step(&mut requests, &mut random);
            assert_is_consistent(&requests);
        }
        let honest = PeerKey(99);
        for peer in 0..4 {
            requests.take_back(PeerKey(peer));
        }
        requests.share_overdue(Instant::now() + std::time::Duration::from_secs(31));
        while let Some(Lease { assembly, span }) = requests.next_for(honest, &ALL, &Within::All, 7) {
            for block in span.blocks() {
                assert!(matches!(requests.received(honest, block, &assembly), Arrival::Useful { .. }));
            }
        }
        let complete =
            |(piece, open): (PieceIndex, &OpenPiece)| open.received() == geometry.block_count(piece);
        assert!(requests.open.iter().all(complete), "seed {seed}: a block was lost");
        assert_eq!(requests.count_all(), 0);
    }
}

fn step(requests: &mut Requests, random: &mut fastrand::Rng) {
    let (peer, other) = (PeerKey(random.u32(0..4)), PeerKey(random.u32(0..4)));
    let piece = requests.geometry.piece(random.u32(0..5)).unwrap();
    let block = Block { piece, number: random.u32(0..6) };
    match random.u32(0..10) {
        0 if requests.open.get(piece).is_none() => {
            let source = match random.u8(..4) {
                0 => PieceSource::OnePeer(Some(peer)),
                1 => PieceSource::Newcomer(peer),
                2 => PieceSource::Newcomers,
                _ => PieceSource::Anyone,
            };
            open(requests, piece, source);
        }
        1 | 2 => {
            let within = if random.bool() { Within::All } else { Within::Shared };
            _ = requests.next_for(peer, &ALL, &within, random.u32(1..4));
        }
        3 => {
            let most = random.usize(1..4);
            let silent: Vec<PeerKey> = [A, B, C].into_iter().filter(|_| random.bool()).collect();
            _ = requests.take_over(peer, other, (&ALL, &Within::All), &silent, 99, |_, taken| taken <= most);
        }
        4 | 5 => {
            let owed: Vec<Block> = requests.owed_by(peer).collect();
            let block = if owed.is_empty() { block } else { owed[random.usize(..owed.len())] };
            if let Some(open) = requests.open.get(block.piece) {
                let assembly = Arc::clone(&open.assembly);
                requests.received(peer, block, &assembly);
            }
        }
        6 => _ = requests.rejected(peer, block),
        7 => _ = requests.take_back(peer),
        8 if random.u32(0..8) == 0 => {
            let owed = requests.piece_failed(piece);
            assert!(owed.iter().all(|(_, blocks)| blocks.iter().all(|block| block.piece == piece)));
        }
        9 if random.u32(0..8) == 0 => {
            requests.take_back(peer);
            let sent = (0..6).filter(|_| random.bool()).collect::<Vec<u32>>();
            requests.refuse(piece, peer, &sent);
        }
        9 => requests.assign(piece, peer),
        _ if random.u32(0..8) == 0 => _ = requests.close(piece),
        _ => {}
    }
}

#[test]
fn a_request_that_is_passed_over_too_often_is_free_again_and_its_order_does_not_matter() {
    let (mut requests, piece) = one_open_piece(20, PieceSource::Anyone);
    span(&mut requests, A, 20);
    let assembly = assembly(&requests, piece);
    let came = |requests: &mut Requests, number| {
        requests.received(A, Block { piece, number }, &assembly);
        let forgotten = requests.passed_over(A, 3);
        requests.give_back(A, &forgotten);
        forgotten
    };
    // The first two are lost. The others come in an order of their own, in which 5 is passed over twice.
    for number in [2, 3, 4] {
        assert_eq!(came(&mut requests, number), []);
    }
    let lost: Vec<u32> = came(&mut requests, 6).iter().map(|block| block.number).collect();
    assert_eq!(lost, [0, 1]);
    assert_eq!(came(&mut requests, 7), []);
    assert_eq!(requests.owed_by(A).next(), Some(Block { piece, number: 5 }));
    assert_is_consistent(&requests);
    assert_eq!(span(&mut requests, B, 9), Some((0, 2)));
    // A lost one that comes after all is taken.
    let late = requests.received(A, Block { piece, number: 0 }, &assembly);
    assert_eq!(late, Arrival::Useful { cancel: [Some(B), None] });
}

#[test]
fn in_order_a_block_that_is_free_again_comes_before_those_of_later_pieces() {
    let geometry = Geometry::new(3 * u64::from(BLOCK_LENGTH), BLOCK_LENGTH).unwrap();
    let next = |mut requests: Requests| {
        geometry.pieces().rev().for_each(|piece| open(&mut requests, piece, PieceSource::Anyone));
        let first = requests.next_for(A, &ALL, &Within::Shared, 9).unwrap().span.piece.get();
        requests.take_back(A);
        assert_is_consistent(&requests);
        (first, requests.next_for(B, &ALL, &Within::Shared, 9).unwrap().span.piece.get())
    };
    assert_eq!(next(Requests::in_order(geometry)), (0, 0));
    assert_eq!(next(Requests::new(geometry)), (2, 1));
}

#[test]
fn the_last_block_of_a_piece_that_is_held_back_is_asked_of_nobody() {
    let (mut requests, piece) = one_open_piece(4, PieceSource::Anyone);
    let there = assembly(&requests, piece);
    requests.hold_back(true);
    assert!(there.is_held_back());
    assert_eq!((span(&mut requests, A, 2), span(&mut requests, B, 9)), (Some((0, 2)), Some((2, 1))));
    (0..2).for_each(|number| _ = requests.received(A, Block { piece, number }, &there));
    requests.received(B, Block { piece, number: 2 }, &there);
    assert_eq!(span(&mut requests, B, 1), None);
    requests.hold_back(false);
    assert_eq!((span(&mut requests, B, 1), there.is_held_back()), (Some((3, 1)), false));
    assert_is_consistent(&requests);
}

#[test]
fn the_last_block_is_not_asked_again_and_again_of_a_newcomer_that_sends_the_piece_alone() {
    let (mut requests, piece) = one_open_piece(4, PieceSource::Newcomer(A));
    let there = assembly(&requests, piece);
    assert_eq!(span(&mut requests, A, 9), Some((0, 4)));
    requests.hold_back(true);
    (0..3).for_each(|number| _ = requests.received(A, Block { piece, number }, &there));
    requests.not_taken(A, Block { piece, number: 3 });
    assert_eq!(span(&mut requests, A, 9), None);
    requests.hold_back(false);
    assert_eq!(span(&mut requests, A, 9), Some((3, 1)));
    assert_is_consistent(&requests);
}

/// A piece of so many blocks that is compared by these, and was all sent by the first when it failed.
fn compared(blocks: u32, jurors: &[PeerKey]) -> (Requests, PieceIndex) {
    let length = blocks * BLOCK_LENGTH;
    let mut requests = Requests::new(Geometry::new(u64::from(length), length).unwrap());
    let piece = requests.geometry.piece(0).unwrap();
    let assembly = Assembly::new(&requests.geometry, piece, Default::default(), Vec::new());
    let attempt = vec![jurors[0]; blocks as usize];
    let comparison = Comparison::new(blocks, jurors.to_vec(), &[attempt]);
    requests.open_compared(assembly, comparison, Instant::now());
    (requests, piece)
}

#[test]
fn a_block_that_is_compared_is_asked_of_none_twice_and_of_jurors_only() {
    let (mut requests, piece) = compared(8, &[A, B, C]);
    assert_eq!(span(&mut requests, A, 9), None, "it has sent all of it already");
    assert_eq!(span(&mut requests, PeerKey(9), 9), None, "no juror");
    assert_eq!(span(&mut requests, B, 9), Some((0, 1)), "a part");
    requests.not_taken(B, Block { piece, number: 0 });
    assert_is_consistent(&requests);
    assert_eq!((span(&mut requests, B, 9), span(&mut requests, C, 9)), (Some((1, 1)), Some((0, 1))));
    requests.not_taken(C, Block { piece, number: 0 });
    requests.leaves_comparison(piece, C);
    let now = Instant::now();
    let longest = std::time::Duration::from_secs(60);
    assert!(requests.is_comparable(piece, longest, now), "a block is on its way");
    for number in 1..8 {
        requests.not_taken(B, Block { piece, number });
        span(&mut requests, B, 9);
    }
    assert!(!requests.is_comparable(piece, longest, now), "nobody is left to ask");
}

#[test]
fn whoever_agrees_is_asked_rather_than_others_and_where_most_lie_these_are_asked_for_little() {
    let peers: Vec<PeerKey> = (1..20).map(PeerKey).collect();
    let mut honest = Comparison::new(64, peers.clone(), &[]);
    honest.agreed(PeerKey(1), 0);
    assert!(honest.may_ask(PeerKey(3), 5));
    honest.agreed(PeerKey(2), 1);
    assert!(!honest.may_ask(PeerKey(3), 5) && honest.may_ask(PeerKey(2), 5));
    honest.disputed(PeerKey(1), 5);
    honest.disputed(PeerKey(2), 5);
    assert!(honest.may_ask(PeerKey(3), 5), "one of the two has lied");
    let mut lying = Comparison::new(64, peers, &[]);
    (1..9).for_each(|number| lying.disputed(PeerKey(number), number));
    let asked: Vec<u32> = (0..64).filter(|number| lying.may_ask(PeerKey(15), *number)).collect();
    assert_eq!(asked, [1, 2], "all are asked for the same");
    lying.agreed(PeerKey(15), 2);
    assert_eq!((0..64).filter(|number| lying.may_ask(PeerKey(15), *number)).count(), 64);
    lying.disputed(PeerKey(15), 1);
    assert!(lying.may_ask(PeerKey(16), 1) && !lying.may_ask(PeerKey(16), 4));
}
