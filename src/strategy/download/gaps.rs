//! Gaps: runs of missing pieces, one behind the other.
//!
//! A web seed (BEP 19) is asked for bytes by HTTP, and each request costs a round trip in which nothing comes. So
//! it should send many pieces in a row with one request, while *rarest first* takes a piece here and a piece there.
//! Both go together:
//!
//! - A web seed begins at the start of a long gap, and goes on from piece to piece. If another web seed is on its way
//!   through that gap, it begins in the middle of what is left.
//! - While a web seed is at work, a peer begins a short gap at its end and not in its midst. So gaps become shorter,
//!   but not more. A long gap may well be split: what remains is long enough.
//!
//! Rarity still comes first. A gap is sought around one of the rarest pieces, and a piece that is more common ends it.

use super::rarity::{PeerPieces, Rarity};
use crate::piece::{Geometry, PieceIndex};
use std::ops::Range;

/// Pieces around which a long gap is sought...
const SAMPLES: usize = 16;
/// ...among so many of the rarest.
const PROBES: usize = 256;

/// The missing pieces of one torrent, as runs.
#[derive(Clone, Copy)]
pub struct Gaps<'a> {
    /// How the payload is cut.
    pub geometry: Geometry,
    /// The pieces that may be chosen.
    pub rarity: &'a Rarity,
    /// A gap of so many pieces is long enough.
    pub enough: u32,
}

impl Gaps<'_> {
    /// Where a server that has these pieces should begin. `others`: the pieces with which other servers go on.
    pub fn begin(&self, has: &PeerPieces, others: &[PieceIndex], random: &mut fastrand::Rng) -> Option<PieceIndex> {
        let near = self.rarity.rarest_first().take(PROBES).filter(|piece| has.has(*piece)).take(SAMPLES);
        let mut best: Option<Range<u32>> = None;
        for sample in near.chain(self.rarity.pick(has, false, random)) {
            let mut gap = self.around(sample, has);
            if others.iter().any(|other| other.get() == gap.start) {
                gap.start += gap.len() as u32 / 2;
            }
            if best.as_ref().is_none_or(|best| gap.len() > best.len()) {
                best = Some(gap);
            }
            if best.as_ref().is_some_and(|best| best.len() >= self.enough as usize) {
                break;
            }
        }
        self.geometry.piece(best?.start)
    }

    /// Which piece a peer should send in place of this one, so that a gap is not split into two short ones.
    pub fn leave_whole(&self, piece: PieceIndex, has: &PeerPieces) -> PieceIndex {
        let most = self.enough.saturating_mul(2);
        let gap = self.around_at_most(piece, has, most);
        if gap.len() > most as usize {
            return piece;
        }
        gap.end.checked_sub(1).and_then(|last| self.geometry.piece(last)).unwrap_or(piece)
    }

    /// The gap around a missing piece.
    fn around(&self, piece: PieceIndex, has: &PeerPieces) -> Range<u32> {
        self.around_at_most(piece, has, u32::MAX)
    }

    /// The same, as far as it goes so many pieces in either direction.
    fn around_at_most(&self, piece: PieceIndex, has: &PeerPieces, most: u32) -> Range<u32> {
        let rarity = self.rarity.availability(piece);
        let belongs = |number: &u32| {
            self.geometry.piece(*number).is_some_and(|other| {
                self.rarity.has(other) && has.has(other) && self.rarity.availability(other) == rarity
            })
        };
        let at = piece.get();
        let before = (0..at).rev().take(most as usize).take_while(belongs).count() as u32;
        let behind = (at..u32::MAX).skip(1).take(most as usize).take_while(belongs).count() as u32;
        at - before..at.saturating_add(behind).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::piece::Bitfield;

    /// The pieces of a torrent of 100 that are missing.
    fn missing(ranges: &[Range<u32>]) -> (Geometry, Rarity, fastrand::Rng) {
        let geometry = Geometry::new(100, 1).unwrap();
        let mut missing = Bitfield::none(100);
        ranges.iter().cloned().flatten().for_each(|at| assert!(missing.insert(geometry.piece(at).unwrap())));
        let mut random = fastrand::Rng::with_seed(3);
        (geometry, Rarity::new(geometry, &missing, &mut random), random)
    }

    #[test]
    fn a_server_begins_with_the_longest_gap_and_a_second_one_in_its_midst() {
        let (geometry, rarity, mut random) = missing(&[3..9, 20..60, 80..85]);
        let gaps = Gaps { geometry, rarity: &rarity, enough: 100 };
        let at = |number| geometry.piece(number).unwrap();
        assert_eq!(gaps.begin(&PeerPieces::All, &[], &mut random), Some(at(20)));
        assert_eq!(gaps.begin(&PeerPieces::All, &[at(20)], &mut random), Some(at(40)));
        let mut few = Bitfield::none(100);
        [4, 5, 81].into_iter().for_each(|number| assert!(few.insert(at(number))));
        assert_eq!(gaps.begin(&PeerPieces::Some(few), &[], &mut random), Some(at(4)));
        assert_eq!(gaps.begin(&PeerPieces::Some(Bitfield::none(100)), &[], &mut random), None);
    }

    #[test]
    fn what_no_peer_has_comes_first() {
        let (geometry, mut rarity, mut random) = missing(&[0..100]);
        for piece in geometry.pieces().filter(|piece| !(70..75).contains(&piece.get())) {
            rarity.gained(piece);
        }
        let gaps = Gaps { geometry, rarity: &rarity, enough: 5 };
        assert_eq!(gaps.begin(&PeerPieces::All, &[], &mut random), geometry.piece(70));
    }

    #[test]
    fn a_peer_takes_the_end_of_a_short_gap_and_any_piece_of_a_long_one() {
        let (geometry, rarity, _) = missing(&[3..9, 20..60]);
        let gaps = Gaps { geometry, rarity: &rarity, enough: 10 };
        let instead = |number| gaps.leave_whole(geometry.piece(number).unwrap(), &PeerPieces::All).get();
        assert_eq!([3, 5, 8].map(instead), [8, 8, 8]);
        assert_eq!([20, 33, 59].map(instead), [20, 33, 59]);
    }
}
