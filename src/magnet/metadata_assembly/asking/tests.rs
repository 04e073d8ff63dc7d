//! Which peer is asked for what, on lines that are fast, thin or dead.

use super::super::{Verdict, tests::called};
use super::*;
use crate::wire::metadata::PIECE;

const PEERS: u32 = 30;
const LENGTH: usize = PIECE as usize;

/// An assembly of so many pieces, which all of thirty peers have, and when it began.
fn of_pieces(pieces: u64) -> (MetadataAssembly, Instant) {
    let (mut assembly, begun) = (MetadataAssembly::new(called([0; 20])), Instant::now());
    assembly.passed(begun);
    let size = pieces * u64::from(PIECE);
    (0..PEERS).for_each(|key| assembly.joined(PeerKey(key), size).unwrap());
    (assembly, begun)
}

/// Asks each of them for as many pieces as it is to be asked for, four at most. Who is asked for what.
fn ask_all(assembly: &mut MetadataAssembly) -> Vec<(u32, u32)> {
    let mut asked = Vec::new();
    for key in 0..PEERS {
        let owed = assembly.peers.iter().find(|peer| peer.key == PeerKey(key)).unwrap().requested.len();
        let more = std::iter::from_fn(|| assembly.next(PeerKey(key))).take(4 - owed);
        asked.extend(more.map(|piece| (key, piece)));
    }
    asked
}

#[test]
fn on_a_thin_line_nothing_comes_twice_as_long_as_some_of_it_comes() {
    let (mut assembly, begun) = of_pieces(4);
    assert_eq!(ask_all(&mut assembly), [(0, 0), (0, 1), (0, 2), (0, 3)]);
    // A piece comes within two seconds, a bit of it every tenth.
    for tenth in 1..=60 {
        assembly.passed(begun + Duration::from_millis(100) * tenth);
        assembly.heard(PeerKey(0));
        if tenth % 20 == 0 {
            let kept = assembly.received(PeerKey(0), tenth / 20 - 1, None, &[0; LENGTH]);
            assert_eq!(kept, Verdict::Kept);
        }
        // What comes pauses for as long as is usual there.
        assembly.answers_in(PeerKey(0), Duration::from_millis(400));
        assembly.passed(begun + Duration::from_millis(100) * tenth + Duration::from_millis(90));
        assert_eq!(ask_all(&mut assembly), [], "{tenth}");
    }
}

#[test]
fn among_thirty_silent_peers_each_is_asked_after_a_few_looks() {
    let (mut assembly, begun) = of_pieces(4);
    let mut asked = vec![ask_all(&mut assembly).len()];
    for look in 1..=5 {
        assembly.passed(begun + SHORTEST_WAIT * look);
        asked.push(ask_all(&mut assembly).len());
    }
    assert_eq!(asked, [4, 4, 8, 16, 32, 56], "all of 30 are asked for all 4");
}

#[test]
fn of_much_metadata_no_more_is_asked_for_at_once_than_comes_in_time() {
    let (mut assembly, begun) = of_pieces(300);
    assert_eq!(ask_all(&mut assembly).len(), WINDOW as usize);
    // These came fast: there is room for as many more.
    for (key, piece) in (0..WINDOW).map(|piece| (piece / 4, piece)) {
        assert_eq!(assembly.received(PeerKey(key), piece, None, &[0; LENGTH]), Verdict::Kept);
    }
    let asked = ask_all(&mut assembly);
    assert_eq!(asked.len(), 2 * WINDOW as usize);
    // And these slowly, though never with a pause.
    assembly.passed(begun + FAST + SHORTEST_WAIT);
    (0..PEERS).for_each(|key| assembly.heard(PeerKey(key)));
    for (key, piece) in asked {
        assert_eq!(assembly.received(PeerKey(key), piece, None, &[0; LENGTH]), Verdict::Kept);
    }
    assert_eq!(ask_all(&mut assembly).len(), 2 * WINDOW as usize);
}

#[test]
fn who_sends_a_byte_now_and_then_holds_nobody_up_who_is_faster() {
    let (mut assembly, begun) = of_pieces(8);
    assert_eq!(ask_all(&mut assembly).len(), 8);
    // The first dribbles, and the second has sent its four at once.
    let moment = Duration::from_millis(10);
    assembly.passed(begun + moment);
    for piece in 4..8 {
        assert_eq!(assembly.received(PeerKey(1), piece, None, &[0; LENGTH]), Verdict::Kept);
    }
    let mut asked = Vec::new();
    for time in 2..10 {
        assembly.passed(begun + moment * time);
        assembly.heard(PeerKey(0));
        asked.extend(ask_all(&mut assembly));
    }
    assert_eq!(asked, [(1, 0), (1, 1), (1, 2), (1, 3)]);
}

#[test]
fn where_nobody_has_shown_that_it_is_faster_a_dribble_is_waited_for_ten_seconds() {
    let (mut assembly, begun) = of_pieces(1);
    let mut asked = Vec::new();
    for tenth in 0..=350 {
        assembly.passed(begun + Duration::from_millis(100) * tenth);
        (0..PEERS).for_each(|key| assembly.heard(PeerKey(key)));
        asked.extend(ask_all(&mut assembly).into_iter().map(|(key, _)| (tenth / 10, key)));
    }
    assert_eq!(asked, [(0, 0), (10, 1), (30, 2)]);
}

#[test]
fn a_reject_or_a_farewell_frees_the_piece_at_once_and_silence_while_others_send_in_two_seconds() {
    let (mut assembly, begun) = of_pieces(12);
    assert_eq!(ask_all(&mut assembly).len(), 8);
    assembly.rejected(PeerKey(0), 0);
    assert_eq!(assembly.next(PeerKey(2)), Some(0));
    assembly.left(PeerKey(1));
    assert_eq!([3, 3, 3, 3].map(|key| assembly.next(PeerKey(key))), [4, 5, 6, 7].map(Some));
    assembly.passed(begun + SILENCE - Duration::from_millis(1));
    [2, 3].into_iter().for_each(|key| assembly.heard(PeerKey(key)));
    assert_eq!(assembly.next(PeerKey(4)), None, "the window is full");
    assembly.passed(begun + SILENCE);
    let asked: Vec<_> = std::iter::from_fn(|| assembly.next(PeerKey(4))).collect();
    assert_eq!(asked, [8, 9, 10, 11, 1, 2], "the three of the first peer are late, which makes room for six");
}
