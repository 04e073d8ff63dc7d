use super::*;
use crate::metainfo::InfoHash;
use sha1::{Digest, Sha1};
use std::time::Duration;

/// What a link with this info-hash calls its torrent.
pub(super) fn called(hash: [u8; 20]) -> Called {
    InfoHash(hash).into()
}

fn info(assembly: &mut MetadataAssembly) -> Option<Vec<u8>> {
    assembly.take().map(|found| found.info)
}

/// Some metadata and its SHA-1.
fn metadata(length: usize) -> (Vec<u8>, [u8; 20]) {
    let bytes: Vec<u8> = (0..length).map(|at| (at / 3 % 251) as u8).collect();
    let digest = Sha1::digest(&bytes).into();
    (bytes, digest)
}

fn piece(bytes: &[u8], number: u32) -> &[u8] {
    bytes.chunks(PIECE as usize).nth(number as usize).unwrap()
}

/// How a peer answers requests.
#[derive(Clone, Copy, PartialEq)]
enum Behavior {
    Honest,
    /// It sends wrong bytes of the right length, from this piece on.
    Corrupts(u32),
    Silent,
    Rejects,
}

/// Lets all peers answer one request each in turn, until the metadata is complete or no peer has anything to
/// do. Returns the peers that are to be banned.
fn run(assembly: &mut MetadataAssembly, bytes: &[u8], peers: &[(u32, Behavior)]) -> Vec<u32> {
    let mut banned = Vec::new();
    for _ in 0..10_000 {
        let mut moved = false;
        for &(key, behavior) in peers {
            let key = PeerKey(key);
            let Some(number) = assembly.next(key) else { continue };
            let good = piece(bytes, number);
            let corrupted: Vec<u8> = good.iter().map(|byte| byte ^ 0x55).collect();
            let answer = match behavior {
                Behavior::Silent => continue,
                Behavior::Rejects => {
                    assembly.rejected(key, number);
                    moved = true;
                    continue;
                }
                Behavior::Corrupts(from) if number >= from => &corrupted[..],
                Behavior::Honest | Behavior::Corrupts(_) => good,
            };
            moved = true;
            match assembly.received(key, number, Some(bytes.len() as u64), answer) {
                Verdict::Kept => {}
                Verdict::Complete => return banned,
                Verdict::Wrong(liars) => banned.extend(liars.iter().map(|liar| liar.0)),
                Verdict::Broke(how) => panic!("{how}"),
            }
        }
        if !moved {
            break;
        }
    }
    banned
}

fn join(assembly: &mut MetadataAssembly, bytes: &[u8], peers: &[(u32, Behavior)]) {
    for (key, _) in peers {
        assembly.joined(PeerKey(*key), bytes.len() as u64).unwrap();
    }
}

#[test]
fn several_peers_send_a_part_each() {
    for length in [1, 16_383, 16_384, 16_385, 100_000] {
        let (bytes, hash) = metadata(length);
        let mut assembly = MetadataAssembly::new(called(hash));
        let peers = [(1, Behavior::Honest), (2, Behavior::Honest), (3, Behavior::Honest)];
        join(&mut assembly, &bytes, &peers);
        assert_eq!(assembly.progress(), (0, length.div_ceil(16_384) as u32));
        assert!(run(&mut assembly, &bytes, &peers).is_empty());
        assert_eq!(info(&mut assembly).as_deref(), Some(&bytes[..]));
        assert_eq!((info(&mut assembly), assembly.next(PeerKey(1))), (None, None));
        assert_eq!(assembly.received(PeerKey(2), 0, None, b""), Verdict::Complete);
    }
}

#[test]
fn each_piece_is_requested_once_before_any_is_requested_again() {
    let (bytes, hash) = metadata(5 * 16_384);
    let mut assembly = MetadataAssembly::new(called(hash));
    join(&mut assembly, &bytes, &[(1, Behavior::Honest), (2, Behavior::Honest)]);
    let asked: Vec<_> = (0..5).map(|turn| assembly.next(PeerKey(1 + turn % 2)).unwrap()).collect();
    assert_eq!(asked, [0, 1, 2, 3, 4]);
    assert_eq!([1, 2].map(|key| assembly.next(PeerKey(key))), [None, None]);
    // Pieces 1 and 3 were requested from the second peer, and the others from the first.
    assembly.passed(Instant::now() + Duration::from_secs(60));
    let again: Vec<_> = std::iter::from_fn(|| assembly.next(PeerKey(2))).collect();
    assert_eq!(again, [0, 2, 4]);
    assert_eq!(std::iter::from_fn(|| assembly.next(PeerKey(1))).count(), 2);
}

#[test]
fn a_peer_that_lies_about_the_size_is_alone() {
    let (bytes, hash) = metadata(50_000);
    let mut assembly = MetadataAssembly::new(called(hash));
    for (key, size) in [(7, 49_999), (8, 1 << 20), (9, 20_000)] {
        assembly.joined(PeerKey(key), size).unwrap();
        assembly.next(PeerKey(key)).unwrap();
    }
    let peers = [(1, Behavior::Honest), (2, Behavior::Honest)];
    join(&mut assembly, &bytes, &peers);
    assert_eq!(assembly.received(PeerKey(9), 0, None, &[0; 16_384]), Verdict::Kept);
    let last = assembly.next(PeerKey(9)).unwrap();
    assert_eq!(
        assembly.received(PeerKey(9), last, None, &[0; 20_000 - 16_384]),
        Verdict::Wrong(vec![PeerKey(9)])
    );
    assert_eq!(assembly.next(PeerKey(9)), None);
    assert!(run(&mut assembly, &bytes, &peers).is_empty());
    assert_eq!(info(&mut assembly), Some(bytes));
}

#[test]
fn impossible_sizes_are_an_error_and_claims_cost_no_memory() {
    let mut assembly = MetadataAssembly::new(called([0; 20]));
    for size in [0, MAX_METADATA_SIZE + 1, 1 << 31, u64::MAX] {
        assert!(assembly.joined(PeerKey(1), size).is_err());
        assert_eq!(assembly.next(PeerKey(1)), None);
    }
    for key in 0..1_000 {
        assembly.joined(PeerKey(key), MAX_METADATA_SIZE - u64::from(key)).unwrap();
    }
    assert_eq!(assembly.attempts.iter().map(|attempt| attempt.pieces.capacity()).sum::<usize>(), 0);
}

#[test]
fn a_sender_of_wrong_pieces_is_found_and_honest_peers_are_not_blamed() {
    let (bytes, hash) = metadata(8 * 16_384 + 5);
    for bad in [0, 4, 8] {
        let mut assembly = MetadataAssembly::new(called(hash));
        let peers = [(1, Behavior::Honest), (2, Behavior::Corrupts(bad)), (3, Behavior::Honest)];
        join(&mut assembly, &bytes, &peers);
        let banned = run(&mut assembly, &bytes, &peers);
        assert!(banned.iter().all(|key| *key == 2), "{banned:?}");
        assert_eq!(info(&mut assembly).as_ref(), Some(&bytes));
    }
}

#[test]
fn the_only_sender_of_a_failed_attempt_is_banned_and_the_others_start_again() {
    let (bytes, hash) = metadata(40_000);
    let mut assembly = MetadataAssembly::new(called(hash));
    join(&mut assembly, &bytes, &[(1, Behavior::Corrupts(0)), (2, Behavior::Honest)]);
    assert_eq!(run(&mut assembly, &bytes, &[(1, Behavior::Corrupts(0))]), [1]);
    assert!(run(&mut assembly, &bytes, &[(2, Behavior::Honest)]).is_empty());
    assert_eq!(info(&mut assembly), Some(bytes));
}

#[test]
fn one_honest_peer_finishes_among_nine_liars() {
    let (bytes, hash) = metadata(12 * 16_384);
    for honest in 0..10 {
        let mut assembly = MetadataAssembly::new(called(hash));
        let behavior = |key| if key == honest { Behavior::Honest } else { Behavior::Corrupts(0) };
        let peers: Vec<_> = (0..10).map(|key| (key, behavior(key))).collect();
        join(&mut assembly, &bytes, &peers);
        let banned = run(&mut assembly, &bytes, &peers);
        assert!(!banned.contains(&honest));
        assert_eq!(info(&mut assembly).as_ref(), Some(&bytes), "{honest}");
    }
}

#[test]
fn if_all_peers_lie_all_are_banned_and_nothing_is_left() {
    let (bytes, hash) = metadata(3 * 16_384);
    let mut assembly = MetadataAssembly::new(called(hash));
    let peers: Vec<_> = (0..10).map(|key| (key, Behavior::Corrupts(key % 3))).collect();
    join(&mut assembly, &bytes, &peers);
    let mut banned = run(&mut assembly, &bytes, &peers);
    banned.sort_unstable();
    assert_eq!(banned, (0..10).collect::<Vec<_>>());
    assert_eq!((info(&mut assembly), assembly.progress()), (None, (0, 0)));
    // A peer that joins now finds no trace of them.
    join(&mut assembly, &bytes, &[(20, Behavior::Honest)]);
    run(&mut assembly, &bytes, &[(20, Behavior::Honest)]);
    assert_eq!(info(&mut assembly), Some(bytes));
}

#[test]
fn a_peer_that_never_answers_and_one_that_rejects_make_no_other_peer_wait() {
    let (bytes, hash) = metadata(100_000);
    let mut assembly = MetadataAssembly::new(called(hash));
    let peers = [(1, Behavior::Silent), (2, Behavior::Rejects), (3, Behavior::Honest)];
    join(&mut assembly, &bytes, &peers);
    while assembly.next(PeerKey(1)).is_some() {}
    assembly.passed(Instant::now() + Duration::from_secs(60));
    assert!(run(&mut assembly, &bytes, &peers).is_empty());
    assert_eq!(info(&mut assembly), Some(bytes));
}

#[test]
fn what_a_peer_sent_for_a_shared_attempt_stays_when_it_leaves() {
    let (bytes, hash) = metadata(40_000);
    let mut assembly = MetadataAssembly::new(called(hash));
    join(&mut assembly, &bytes, &[(1, Behavior::Honest), (2, Behavior::Honest)]);
    let first = assembly.next(PeerKey(1)).unwrap();
    assembly.received(PeerKey(1), first, None, piece(&bytes, first));
    assembly.left(PeerKey(1));
    assert_eq!(assembly.progress(), (1, 3));
    assert_eq!(std::iter::from_fn(|| assembly.next(PeerKey(2))).count(), 2);
    assembly.left(PeerKey(2));
    assert_eq!(assembly.progress(), (0, 0));
}

#[test]
fn a_piece_that_was_not_requested_or_has_a_wrong_length_breaks_the_protocol() {
    let (bytes, hash) = metadata(40_000);
    let asked = || {
        let mut assembly = MetadataAssembly::new(called(hash));
        join(&mut assembly, &bytes, &[(1, Behavior::Honest)]);
        for _ in 0..3 {
            assembly.next(PeerKey(1)).unwrap();
        }
        assembly
    };
    let broke = |verdict| matches!(verdict, Verdict::Broke(_));
    for number in [3, 4, 2_048, u32::MAX] {
        assert!(broke(asked().received(PeerKey(1), number, None, &[0; 16_384])), "{number}");
    }
    for (number, length) in [(0, 0), (0, 16_383), (0, 16_385), (1, 7_232), (2, 7_231), (2, 16_384)] {
        assert!(broke(asked().received(PeerKey(1), number, None, &vec![0; length])), "{number} {length}");
    }
    assert!(broke(asked().received(PeerKey(1), 0, Some(40_001), piece(&bytes, 0))));
    assert!(broke(asked().received(PeerKey(2), 0, None, piece(&bytes, 0))));
    let mut assembly = asked();
    assert_eq!(assembly.received(PeerKey(1), 0, Some(40_000), piece(&bytes, 0)), Verdict::Kept);
    assert!(broke(assembly.received(PeerKey(1), 0, Some(40_000), piece(&bytes, 0))), "a second time");
}

#[test]
fn who_claims_much_gets_memory_little_by_little_and_waits_for_more() {
    let mut assembly = MetadataAssembly::new(called([0; 20]));
    let begun = Instant::now();
    assembly.passed(begun);
    (0..2).for_each(|key| assembly.joined(PeerKey(key), MAX_METADATA_SIZE - u64::from(key)).unwrap());
    let fill = |assembly: &mut MetadataAssembly| {
        for key in (0..2).map(PeerKey).cycle().take(10_000) {
            if let Some(number) = assembly.next(key) {
                assembly.received(key, number, None, &[0; 16_384]);
            }
        }
        assembly.attempts.iter().map(MetadataAttempt::held).sum::<u64>()
    };
    for second in 0..70 {
        assembly.passed(begun + Duration::from_secs(second));
        let held = fill(&mut assembly);
        // The two are asked by turns, and the better one of them displaces the other.
        assert!(held <= ((4 + second) << 20).min(MAX_METADATA_SIZE), "{second}: {held}");
        let waits = assembly.waits_for_room(PeerKey(0)) || assembly.waits_for_room(PeerKey(1));
        assert!(waits || second >= 60, "{second}");
        if second == 1 {
            // One of a usual size is not kept from it.
            assembly.joined(PeerKey(9), 100_000).unwrap();
            assert!(!assembly.waits_for_room(PeerKey(9)) && assembly.next(PeerKey(9)).is_some());
            assembly.left(PeerKey(9));
        }
    }
}

#[test]
fn all_attempts_together_stay_within_their_memory_and_the_best_one_goes_on() {
    let (bytes, hash) = metadata(MAX_METADATA_SIZE as usize);
    let mut assembly = MetadataAssembly::new(called(hash));
    let begun = Instant::now();
    assembly.passed(begun);
    assembly.passed(begun + Duration::from_secs(60));
    // Ten peers that claim a size each, all larger than half of the memory.
    for key in 10..20 {
        assembly.joined(PeerKey(key), MAX_METADATA_SIZE - 16_384 * u64::from(key)).unwrap();
    }
    let junk = vec![0; 16_384];
    for _ in 0..250 {
        for key in 10..20 {
            // They never send their first piece.
            let Some(number) = assembly.next(PeerKey(key)).filter(|number| *number > 0) else { continue };
            assert_eq!(assembly.received(PeerKey(key), number, None, &junk), Verdict::Kept);
        }
        let held: u64 = assembly.attempts.iter().map(MetadataAttempt::held).sum();
        assert!(held <= MAX_METADATA_SIZE);
    }
    // Two peers that agree come before those that are alone, though they need all the memory there is.
    let peers = [(1, Behavior::Honest), (2, Behavior::Honest)];
    join(&mut assembly, &bytes, &peers);
    assert!(run(&mut assembly, &bytes, &peers).is_empty());
    assert_eq!(info(&mut assembly).map(|found| found == bytes), Some(true));
}

/// Metadata of version 2 with two files of three pieces, and what a good peer sends of their digests.
fn version_two() -> (Vec<u8>, [Vec<u8>; 2]) {
    use crate::piece::merkle::Subtree;
    let nodes = [7_u8, 40].map(|first| [[first; 32], [first + 1; 32], [first + 2; 32], [0; 32]]);
    let files = [("a", nodes[0]), ("b", nodes[1])].map(|(name, nodes)| {
        let mut tree = Subtree::default();
        nodes.iter().for_each(|node| tree.push(*node));
        let head = format!("1:{name}d0:d6:lengthi40000e11:pieces root32:");
        [head.as_bytes(), &tree.root(2, [0; 32]), b"ee"].concat()
    });
    let rest = b"e12:meta versioni2e4:name1:x12:piece lengthi16384ee";
    let info = [&b"d9:file treed"[..], &files.concat(), rest].concat();
    (info, nodes.map(|nodes| nodes.as_flattened().to_vec()))
}

#[test]
fn digests_are_taken_from_whoever_was_asked_and_a_liar_is_out() {
    let (bytes, [first, second]) = version_two();
    let hash = crate::metainfo::InfoHashV2::of(std::iter::once(&bytes[..])).truncated();
    let mut assembly = MetadataAssembly::new(hash.into());
    let [honest, liar] = [1, 2].map(PeerKey);
    [honest, liar].into_iter().for_each(|key| assembly.joined(key, bytes.len() as u64).unwrap());
    assert_eq!(assembly.next_hashes(honest), None, "the roots are not known");
    assembly.next(honest);
    assert_eq!(assembly.received(honest, 0, None, &bytes), Verdict::Kept);
    let asked = assembly.next_hashes(honest).unwrap();
    let unasked = Verdict::Broke(Violation::UnaskedMetadata);
    assert_eq!(assembly.received_hashes(liar, &asked, &first), unasked);
    let other = assembly.next_hashes(liar).unwrap();
    assert_eq!(assembly.received_hashes(liar, &other, &first), Verdict::Wrong(vec![liar]));
    assert!(!assembly.is_source(liar));
    assert_eq!(assembly.next_hashes(honest), Some(other));
    assert_eq!(assembly.received_hashes(honest, &asked, &first), Verdict::Kept);
    assert_eq!(assembly.received_hashes(honest, &other, &second), Verdict::Complete);
    assert_eq!(assembly.received_hashes(honest, &other, &second), Verdict::Complete, "and since before");
    let layers = assembly.take().unwrap().layers;
    assert_eq!(layers.iter().map(|(_, layer)| layer.len()).sum::<usize>(), 6 * 32);
}
