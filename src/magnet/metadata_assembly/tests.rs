use super::*;
use crate::metainfo::InfoHash;

/// Some metadata and its SHA-1.
fn metadata(length: usize) -> (Vec<u8>, [u8; 20]) {
    let bytes: Vec<u8> = (0..length).map(|at| (at / 3 % 251) as u8).collect();
    let digest = Sha1::digest(&bytes).into();
    (bytes, digest)
}

fn piece(bytes: &[u8], number: u32) -> &[u8] {
    bytes.chunks(PIECE as usize).nth(number as usize).unwrap()
}

/// How a peer answers.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Honest,
    /// Bad bytes of the right length, from this piece on.
    Garbles(u32),
    Silent,
    Refuses,
}

/// Lets all peers answer one question each in turn, until the metadata is there or nobody has anything to
/// do. Returns the convicted ones.
fn play(gathering: &mut MetadataAssembly, bytes: &[u8], peers: &[(u32, Kind)]) -> Vec<u32> {
    let mut convicted = Vec::new();
    for _ in 0..10_000 {
        let mut moved = false;
        for &(key, kind) in peers {
            let Some(number) = gathering.next(key) else { continue };
            let good = piece(bytes, number);
            let garbled: Vec<u8> = good.iter().map(|byte| byte ^ 0x55).collect();
            let answer = match kind {
                Kind::Silent => continue,
                Kind::Refuses => {
                    gathering.refused(key, number);
                    moved = true;
                    continue;
                }
                Kind::Garbles(from) if number >= from => &garbled[..],
                Kind::Honest | Kind::Garbles(_) => good,
            };
            moved = true;
            match gathering.came(key, number, Some(bytes.len() as u64), answer) {
                Verdict::Kept => {}
                Verdict::Complete => return convicted,
                Verdict::Wrong(liars) => convicted.extend(liars),
                Verdict::Broke(how) => panic!("{how}"),
            }
        }
        if !moved {
            break;
        }
    }
    convicted
}

fn join(gathering: &mut MetadataAssembly, bytes: &[u8], peers: &[(u32, Kind)]) {
    for (key, _) in peers {
        gathering.joined(*key, bytes.len() as u64).unwrap();
    }
}

#[test]
fn several_peers_give_a_part_each() {
    for length in [1, 16_383, 16_384, 16_385, 100_000] {
        let (bytes, hash) = metadata(length);
        let mut gathering = MetadataAssembly::new(InfoHash(hash));
        let peers = [(1, Kind::Honest), (2, Kind::Honest), (3, Kind::Honest)];
        join(&mut gathering, &bytes, &peers);
        assert_eq!(gathering.progress(), (0, length.div_ceil(16_384) as u32));
        assert!(play(&mut gathering, &bytes, &peers).is_empty());
        assert_eq!(gathering.take().as_deref(), Some(&bytes[..]));
        assert_eq!((gathering.take(), gathering.next(1)), (None, None));
        assert_eq!(gathering.came(2, 0, None, b""), Verdict::Complete);
    }
}

#[test]
fn each_piece_is_asked_for_once_before_any_is_asked_for_again() {
    let (bytes, hash) = metadata(5 * 16_384);
    let mut gathering = MetadataAssembly::new(InfoHash(hash));
    join(&mut gathering, &bytes, &[(1, Kind::Honest), (2, Kind::Honest)]);
    let asked: Vec<_> = (0..5).map(|turn| gathering.next(1 + turn % 2).unwrap()).collect();
    assert_eq!(asked, [0, 1, 2, 3, 4]);
    // The second has been asked for 1 and 3, and so has the first for the others.
    let again: Vec<_> = std::iter::from_fn(|| gathering.next(2)).collect();
    assert_eq!(again, [0, 2, 4]);
    assert_eq!(std::iter::from_fn(|| gathering.next(1)).count(), 2);
}

#[test]
fn a_liar_about_the_size_is_alone() {
    let (bytes, hash) = metadata(50_000);
    let mut gathering = MetadataAssembly::new(InfoHash(hash));
    for (key, size) in [(7, 49_999), (8, 1 << 20), (9, 20_000)] {
        gathering.joined(key, size).unwrap();
        gathering.next(key).unwrap();
    }
    let peers = [(1, Kind::Honest), (2, Kind::Honest)];
    join(&mut gathering, &bytes, &peers);
    assert_eq!(gathering.came(9, 0, None, &[0; 16_384]), Verdict::Kept);
    let last = gathering.next(9).unwrap();
    assert_eq!(gathering.came(9, last, None, &[0; 20_000 - 16_384]), Verdict::Wrong(vec![9]));
    assert_eq!(gathering.next(9), None);
    assert!(play(&mut gathering, &bytes, &peers).is_empty());
    assert_eq!(gathering.take(), Some(bytes));
}

#[test]
fn sizes_that_cannot_be_are_refused_and_cost_nothing() {
    let mut gathering = MetadataAssembly::new(InfoHash([0; 20]));
    for size in [0, LARGEST + 1, 1 << 31, u64::MAX] {
        assert!(gathering.joined(1, size).is_err());
        assert_eq!(gathering.next(1), None);
    }
    for key in 0..1_000 {
        gathering.joined(key, LARGEST - u64::from(key)).unwrap();
    }
    assert_eq!(gathering.attempts.iter().map(|attempt| attempt.pieces.capacity()).sum::<usize>(), 0);
}

#[test]
fn a_sender_of_bad_pieces_is_found_and_the_honest_are_not_blamed() {
    let (bytes, hash) = metadata(8 * 16_384 + 5);
    for bad in [0, 4, 8] {
        let mut gathering = MetadataAssembly::new(InfoHash(hash));
        let peers = [(1, Kind::Honest), (2, Kind::Garbles(bad)), (3, Kind::Honest)];
        join(&mut gathering, &bytes, &peers);
        let convicted = play(&mut gathering, &bytes, &peers);
        assert!(convicted.iter().all(|key| *key == 2), "{convicted:?}");
        assert_eq!(gathering.take().as_ref(), Some(&bytes));
    }
}

#[test]
fn who_was_alone_in_an_attempt_that_failed_is_convicted_and_the_others_begin_again() {
    let (bytes, hash) = metadata(40_000);
    let mut gathering = MetadataAssembly::new(InfoHash(hash));
    join(&mut gathering, &bytes, &[(1, Kind::Garbles(0)), (2, Kind::Honest)]);
    assert_eq!(play(&mut gathering, &bytes, &[(1, Kind::Garbles(0))]), [1]);
    assert!(play(&mut gathering, &bytes, &[(2, Kind::Honest)]).is_empty());
    assert_eq!(gathering.take(), Some(bytes));
}

#[test]
fn one_honest_peer_finishes_among_nine_liars() {
    let (bytes, hash) = metadata(12 * 16_384);
    for honest in 0..10 {
        let mut gathering = MetadataAssembly::new(InfoHash(hash));
        let kind = |key| if key == honest { Kind::Honest } else { Kind::Garbles(0) };
        let peers: Vec<_> = (0..10).map(|key| (key, kind(key))).collect();
        join(&mut gathering, &bytes, &peers);
        let convicted = play(&mut gathering, &bytes, &peers);
        assert!(!convicted.contains(&honest));
        assert_eq!(gathering.take().as_ref(), Some(&bytes), "{honest}");
    }
}

#[test]
fn where_all_lie_all_are_convicted_and_nothing_is_left() {
    let (bytes, hash) = metadata(3 * 16_384);
    let mut gathering = MetadataAssembly::new(InfoHash(hash));
    let peers: Vec<_> = (0..10).map(|key| (key, Kind::Garbles(key % 3))).collect();
    join(&mut gathering, &bytes, &peers);
    let mut convicted = play(&mut gathering, &bytes, &peers);
    convicted.sort_unstable();
    assert_eq!(convicted, (0..10).collect::<Vec<_>>());
    assert_eq!((gathering.take(), gathering.progress()), (None, (0, 0)));
    // Who comes now finds no trace of them.
    join(&mut gathering, &bytes, &[(20, Kind::Honest)]);
    play(&mut gathering, &bytes, &[(20, Kind::Honest)]);
    assert_eq!(gathering.take(), Some(bytes));
}

#[test]
fn a_peer_that_never_answers_or_refuses_keeps_nobody_waiting() {
    let (bytes, hash) = metadata(100_000);
    let mut gathering = MetadataAssembly::new(InfoHash(hash));
    let peers = [(1, Kind::Silent), (2, Kind::Refuses), (3, Kind::Honest)];
    join(&mut gathering, &bytes, &peers);
    while gathering.next(1).is_some() {}
    assert!(play(&mut gathering, &bytes, &peers).is_empty());
    assert_eq!(gathering.take(), Some(bytes));
}

#[test]
fn what_a_peer_sent_stays_when_it_leaves_others() {
    let (bytes, hash) = metadata(40_000);
    let mut gathering = MetadataAssembly::new(InfoHash(hash));
    join(&mut gathering, &bytes, &[(1, Kind::Honest), (2, Kind::Honest)]);
    let first = gathering.next(1).unwrap();
    gathering.came(1, first, None, piece(&bytes, first));
    gathering.left(1);
    assert_eq!(gathering.progress(), (1, 3));
    assert_eq!(std::iter::from_fn(|| gathering.next(2)).count(), 2);
    gathering.left(2);
    assert_eq!(gathering.progress(), (0, 0));
}

#[test]
fn what_was_not_asked_for_or_has_a_wrong_length_breaks_the_protocol() {
    let (bytes, hash) = metadata(40_000);
    let asked = || {
        let mut gathering = MetadataAssembly::new(InfoHash(hash));
        join(&mut gathering, &bytes, &[(1, Kind::Honest)]);
        for _ in 0..3 {
            gathering.next(1).unwrap();
        }
        gathering
    };
    let broke = |verdict| matches!(verdict, Verdict::Broke(_));
    for number in [3, 4, 2_048, u32::MAX] {
        assert!(broke(asked().came(1, number, None, &[0; 16_384])), "{number}");
    }
    for (number, length) in [(0, 0), (0, 16_383), (0, 16_385), (1, 7_232), (2, 7_231), (2, 16_384)] {
        assert!(broke(asked().came(1, number, None, &vec![0; length])), "{number} {length}");
    }
    assert!(broke(asked().came(1, 0, Some(40_001), piece(&bytes, 0))));
    assert!(broke(asked().came(2, 0, None, piece(&bytes, 0))));
    let mut gathering = asked();
    assert_eq!(gathering.came(1, 0, Some(40_000), piece(&bytes, 0)), Verdict::Kept);
    assert!(broke(gathering.came(1, 0, Some(40_000), piece(&bytes, 0))), "a second time");
}

#[test]
fn all_attempts_together_stay_within_their_memory_and_the_best_goes_on() {
    let (bytes, hash) = metadata(LARGEST as usize);
    let mut gathering = MetadataAssembly::new(InfoHash(hash));
    // Ten who claim a size each, and none smaller than half of the memory.
    for key in 10..20 {
        gathering.joined(key, LARGEST - 16_384 * u64::from(key)).unwrap();
    }
    let junk = vec![0; 16_384];
    for _ in 0..250 {
        for key in 10..20 {
            // They never send their first piece.
            let Some(number) = gathering.next(key).filter(|number| *number > 0) else { continue };
            assert_eq!(gathering.came(key, number, None, &junk), Verdict::Kept);
        }
        let held: u64 = gathering.attempts.iter().map(Attempt::held).sum();
        assert!(held <= LARGEST);
    }
    // Two who agree come before those who stand alone, though they want all the memory there is.
    let peers = [(1, Kind::Honest), (2, Kind::Honest)];
    join(&mut gathering, &bytes, &peers);
    assert!(play(&mut gathering, &bytes, &peers).is_empty());
    assert_eq!(gathering.take().map(|found| found == bytes), Some(true));
}
