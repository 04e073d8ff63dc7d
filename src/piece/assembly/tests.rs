//! Blocks from one sender and from several, right and wrong.

use super::*;

const ONE: PeerKey = PeerKey(1);

fn piece_of(length: u32) -> (Geometry, Vec<u8>, Assembly, BufferPool) {
    let geometry = Geometry::new(u64::from(length), length).unwrap();
    let payload: Vec<u8> = (0..length).map(|at| (at / 7) as u8).collect();
    let piece = geometry.piece(0).unwrap();
    let assembly = Assembly::new(&geometry, piece, PieceDigest::sha1_of(&payload), Vec::new());
    (geometry, payload, assembly, BufferPool::new(1 << 20))
}

fn block(geometry: &Geometry, number: u32) -> (Block, std::ops::Range<usize>) {
    let block = Block { piece: geometry.piece(0).unwrap(), number };
    let begin = geometry.begin(block) as usize;
    (block, begin..begin + geometry.block_length(block) as usize)
}

#[test]
fn blocks_in_any_order_make_a_verified_piece() {
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]] {
        let (geometry, payload, assembly, buffers) = piece_of(3 * BLOCK_LENGTH + 5);
        for (turn, number) in order.into_iter().enumerate() {
            let (block, bytes) = block(&geometry, number);
            match assembly.put(block, &payload[bytes], ONE, &buffers) {
                Put::Kept => assert!(turn < 3),
                Put::Verified { bytes: found, .. } => assert!(turn == 3 && found == payload),
                other => panic!("{other:?}"),
            }
        }
        assert!(assembly.is_done());
    }
}

#[test]
fn a_second_copy_changes_nothing() {
    let (geometry, payload, assembly, buffers) = piece_of(2 * BLOCK_LENGTH);
    let (first, bytes) = block(&geometry, 0);
    assert!(matches!(assembly.put(first, &payload[bytes.clone()], ONE, &buffers), Put::Kept));
    assert!(matches!(assembly.put(first, &vec![9; bytes.len()], PeerKey(2), &buffers), Put::Useless));
    let (second, bytes) = block(&geometry, 1);
    assert!(matches!(assembly.put(second, &payload[bytes.clone()], ONE, &buffers), Put::Verified { .. }));
    assert!(matches!(assembly.put(second, &payload[bytes], ONE, &buffers), Put::Useless));
}

#[test]
fn a_peer_that_sent_wrong_bytes_is_convicted_once_the_true_bytes_are_known() {
    let (geometry, payload, assembly, buffers) = piece_of(3 * BLOCK_LENGTH);
    for number in 0..3 {
        let (block, bytes) = block(&geometry, number);
        let data = if number == 1 { vec![9; bytes.len()] } else { payload[bytes].to_vec() };
        match assembly.put(block, &data, PeerKey(number), &buffers) {
            Put::Kept => {}
            Put::Corrupt(suspects) => {
                assert_eq!(suspects.senders(), [PeerKey(0), PeerKey(1), PeerKey(2)]);
                assert_eq!(suspects.convicted_by(&payload), [PeerKey(1)]);
                return;
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("a wrong block went unnoticed");
}

#[test]
fn the_blocks_of_a_refused_sender_are_dropped_and_the_piece_verifies_all_the_same() {
    // What the hash has seen, and what it has not.
    for wrong in [[0, 3], [2, 3]] {
        let (geometry, payload, assembly, buffers) = piece_of(5 * BLOCK_LENGTH);
        let put = |number: u32, sender: u32| {
            let (block, bytes) = block(&geometry, number);
            let data = if sender == 9 { vec![9; bytes.len()] } else { payload[bytes].to_vec() };
            assembly.put(block, &data, PeerKey(sender), &buffers)
        };
        for number in 0..4 {
            let sender = if wrong.contains(&number) { 9 } else { 1 };
            assert!(matches!(put(number, sender), Put::Kept));
        }
        assert_eq!(assembly.refuse(PeerKey(9)), wrong);
        assert!(matches!(put(wrong[0], 9), Put::Useless), "it sends what nobody takes");
        assert!(matches!(put(4, 1), Put::Kept) && matches!(put(wrong[0], 1), Put::Kept));
        let Put::Verified { bytes, .. } = put(wrong[1], 2) else { panic!("{wrong:?}") };
        assert!(bytes == payload);
        assert_eq!(assembly.refuse(PeerKey(1)), [0; 0], "too late");
    }
}

#[test]
fn the_last_block_of_a_piece_that_is_held_back_is_not_taken() {
    let (geometry, payload, assembly, buffers) = piece_of(2 * BLOCK_LENGTH);
    let put = |number: u32| {
        let (block, bytes) = block(&geometry, number);
        assembly.put(block, &payload[bytes], ONE, &buffers)
    };
    assembly.hold_back(true);
    assert!(matches!(put(1), Put::Kept) && matches!(put(0), Put::Useless));
    assembly.hold_back(false);
    assert!(matches!(put(0), Put::Verified { .. }));
}

#[test]
fn a_block_that_is_compared_is_taken_when_two_have_sent_the_same() {
    let (geometry, payload, _, buffers) = piece_of(2 * BLOCK_LENGTH);
    let (piece, wrong) = (geometry.piece(0).unwrap(), vec![9; BLOCK_LENGTH as usize]);
    let right: Vec<&[u8]> = payload.chunks(BLOCK_LENGTH as usize).collect();
    let attempt = [(PeerKey(1), right[0]), (PeerKey(2), wrong.as_slice())];
    let suspects = Suspects::new(attempt.map(|(sender, bytes)| (sender, Sha1::digest(bytes).into())));
    let assembly = Assembly::new(&geometry, piece, PieceDigest::sha1_of(&payload), vec![suspects]).compared();
    let put = |number, sender, bytes: &[u8]| {
        assembly.put(Block { piece, number }, bytes, PeerKey(sender), &buffers)
    };
    assert!(matches!(put(0, 1, right[0]), Put::Useless), "its own word");
    assert!(matches!(put(0, 3, &wrong), Put::Useless), "nobody else says so");
    assert!(matches!(put(0, 4, right[0]), Put::Kept));
    assert!(matches!(put(1, 4, right[1]), Put::Useless), "the other one lied, or this one");
    assert_eq!(assembly.refuse(PeerKey(9)), [0; 0]);
    let Put::Verified { convicted, .. } = put(1, 1, right[1]) else { panic!("two have sent it") };
    assert_eq!(convicted, [PeerKey(2), PeerKey(3)]);
}

#[test]
fn many_threads_share_one_piece() {
    let (geometry, payload, assembly, buffers) = piece_of(64 * BLOCK_LENGTH);
    let verified = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for first in 0..4 {
            let (geometry, payload, assembly, buffers, verified) =
                (&geometry, &payload, &assembly, &buffers, &verified);
            scope.spawn(move || {
                for number in (first..64).step_by(4) {
                    let (block, bytes) = block(geometry, number);
                    if let Put::Verified { bytes: found, .. } =
                        assembly.put(block, &payload[bytes], PeerKey(first), buffers)
                    {
                        assert!(found == *payload);
                        verified.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(verified.into_inner(), 1);
}
