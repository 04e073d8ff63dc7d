//! Gaps: runs of missing pieces, one behind the other.
//!
//! A web seed (BEP 19) is asked for bytes by HTTP, and each request costs a round trip in which nothing comes. So
//! it should send many pieces in a row with one request, while *rarest first* takes a piece here and a piece there.
//! Both go together:
//!
//! - A web seed is given a long gap, or a part of one, and goes on through it from piece to piece. Which part that is,
//!   is chance: of peers that all asked for the same one, none would have anything for the others. If another web seed
//!   is on its way through the gap, the second one begins in the middle of what is left.
//! - What one web seed is to send is taken: neither another one nor a peer begins a piece there while there is any
//!   other. An answer over HTTP cannot be made shorter once it was asked for, so what others send of it comes twice.
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
/// So many of the rarest pieces are looked at for one that is not taken.
const FREE_PROBES: usize = 4096;

/// The missing pieces of one torrent, as runs.
#[derive(Clone, Copy)]
pub struct Gaps<'a> {
    /// How the payload is cut.
    pub geometry: Geometry,
    /// The pieces that may be chosen.
    pub rarity: &'a Rarity,
    /// A gap of so many pieces is long enough.
    pub enough: u32,
    /// The pieces that others are to send.
    pub taken: &'a [Range<u32>],
}

impl<'a> Gaps<'a> {
    /// The same without these pieces, which others are to send.
    pub fn without(self, taken: &'a [Range<u32>]) -> Gaps<'a> {
        Gaps { taken, ..self }
    }

    /// A piece that may be begun and that nobody is to send yet: this one, or else the rarest.
    pub fn free(&self, piece: PieceIndex, has: &PeerPieces) -> Option<PieceIndex> {
        let others = self.rarity.rarest_first().take(FREE_PROBES);
        std::iter::once(piece).chain(others).find(|piece| has.has(*piece) && !self.is_taken(piece.get()))
    }

    fn is_taken(&self, number: u32) -> bool {
        self.taken.iter().any(|run| run.contains(&number))
    }

    /// The missing pieces from this one on that follow each other, up to a gap that is long enough.
    pub fn from(&self, first: u32, has: &PeerPieces) -> Range<u32> {
        self.beginning(first..first.saturating_add(self.enough), has)
    }

    /// The beginning of this run, up to the first piece that is not missing.
    pub fn beginning(&self, run: Range<u32>, has: &PeerPieces) -> Range<u32> {
        let is_missing = |number: &u32| {
            let piece = self.geometry.piece(*number);
            piece.is_some_and(|it| self.rarity.has(it) && has.has(it)) && !self.is_taken(*number)
        };
        let count = run.clone().take_while(is_missing).count() as u32;
        run.start..run.start.saturating_add(count)
    }

    /// The first missing piece of these, and all that follow it.
    pub fn first(&self, has: &PeerPieces) -> Option<Range<u32>> {
        let runs = (0..self.geometry.piece_count()).map(|number| self.beginning(number..u32::MAX, has));
        runs.into_iter().find(|run| !run.is_empty())
    }

    /// The pieces that a server which has these should send next, by their numbers: so many at most.
    pub fn choose(&self, has: &PeerPieces, most: u32, random: &mut fastrand::Rng) -> Option<Range<u32>> {
        let near = self.rarity.rarest_first().take(PROBES).filter(|piece| has.has(*piece)).take(SAMPLES);
        let picked = self.rarity.pick(has, false, random);
        let picked = picked.and_then(|piece| self.free(piece, has));
        let mut best: Option<Range<u32>> = None;
        for sample in near.filter(|piece| !self.is_taken(piece.get())).chain(picked) {
            let gap = self.around(sample, has);
            if best.as_ref().is_none_or(|best| gap.len() > best.len()) {
                best = Some(gap);
            }
            if best.as_ref().is_some_and(|best| best.len() >= self.enough as usize) {
                break;
            }
        }
        let best = best?;
        // Whatever part is chosen, what remains on either side of it is as long, or nothing.
        let parts = best.len() as u32 / self.enough.max(1);
        let start = best.start + random.u32(..parts.max(1)) * self.enough;
        Some(start..best.end.min(start.saturating_add(most.max(1))))
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
                self.rarity.has(other)
                    && has.has(other)
                    && self.rarity.availability(other) == rarity
                    && !self.is_taken(*number)
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
    fn missing(ranges: impl IntoIterator<Item = Range<u32>>) -> (Geometry, Rarity, fastrand::Rng) {
        missing_by(3, ranges)
    }

    fn missing_by(
        seed: u64,
        ranges: impl IntoIterator<Item = Range<u32>>,
    ) -> (Geometry, Rarity, fastrand::Rng) {
        let geometry = Geometry::new(100, 1).unwrap();
        let mut missing = Bitfield::none(100);
        ranges.into_iter().flatten().for_each(|at| assert!(missing.insert(geometry.piece(at).unwrap())));
        let mut random = fastrand::Rng::with_seed(seed);
        (geometry, Rarity::new(geometry, &missing, &mut random), random)
    }

    fn gaps<'a>(geometry: Geometry, rarity: &'a Rarity, enough: u32) -> Gaps<'a> {
        Gaps { geometry, rarity, enough, taken: &[] }
    }

    #[test]
    fn a_server_gets_the_longest_gap_and_nobody_begins_what_another_one_is_to_send() {
        let (geometry, rarity, mut random) = missing([3..9, 20..60, 80..85]);
        let gaps = gaps(geometry, &rarity, 100);
        assert_eq!(gaps.choose(&PeerPieces::All, 100, &mut random), Some(20..60));
        let taken = vec![20..58, 100..100];
        let besides = gaps.without(&taken);
        // A sample is looked at, which may miss the longest now and then. What chance brings depends on the processor.
        let chosen: Vec<_> = (0..64)
            .filter_map(|seed| {
                let (_, rarity, mut random) = missing_by(seed, [3..9, 20..60, 80..85]);
                Gaps { rarity: &rarity, ..besides }.choose(&PeerPieces::All, 100, &mut random)
            })
            .collect();
        assert!(chosen.len() == 64 && chosen.iter().all(|gap| [3..9, 58..60, 80..85].contains(gap)));
        let longest = chosen.iter().filter(|gap| **gap == (3..9)).count();
        assert!(longest > 40, "{longest} of 64");
        assert_eq!(besides.beginning(3..30, &PeerPieces::All), 3..9);
        assert_eq!(besides.beginning(20..60, &PeerPieces::All), 20..20);
        let piece = |number| geometry.piece(number).unwrap();
        for number in [3, 25, 58, 84] {
            let free = besides.free(piece(number), &PeerPieces::All).unwrap();
            let left = besides.leave_whole(free, &PeerPieces::All);
            assert!(
                ![free, left].iter().any(|piece| taken[0].contains(&piece.get())),
                "{number} {free:?} {left:?}"
            );
        }
        let all = std::iter::once(0..100).collect::<Vec<_>>();
        assert_eq!(gaps.without(&all).free(piece(3), &PeerPieces::All), None);
        assert_eq!(gaps.without(&all).choose(&PeerPieces::All, 100, &mut random), None);
        let mut few = Bitfield::none(100);
        [4, 5, 81].into_iter().for_each(|number| assert!(few.insert(piece(number))));
        assert_eq!(gaps.choose(&PeerPieces::Some(few), 100, &mut random), Some(4..6));
        assert_eq!(gaps.choose(&PeerPieces::Some(Bitfield::none(100)), 100, &mut random), None);
    }

    #[test]
    fn a_gap_goes_on_to_its_end_or_as_far_as_is_enough() {
        let (geometry, rarity, mut random) = missing([3..9, 20..60]);
        let gaps = gaps(geometry, &rarity, 10);
        let from = |first| gaps.from(first, &PeerPieces::All);
        assert_eq!([3, 6, 9, 25, 55].map(from), [3..9, 6..9, 9..9, 25..35, 55..60]);
        let beginning = |run| gaps.beginning(run, &PeerPieces::All);
        assert_eq!([4..7, 4..30, 30..90, 9..20].map(beginning), [4..7, 4..9, 30..60, 9..9]);
        let starts: Vec<u32> = (0..50)
            .filter_map(|_| gaps.choose(&PeerPieces::All, u32::MAX, &mut random))
            .inspect(|run| assert_eq!(run.end, 60, "to the end of the gap"))
            .map(|run| run.start)
            .collect();
        assert!([20, 30, 40, 50].iter().all(|start| starts.contains(start)), "{starts:?}");
    }

    #[test]
    fn of_a_very_long_gap_a_part_is_chosen_by_chance() {
        let (geometry, rarity, mut random) = missing(std::iter::once(0..95));
        let gaps = gaps(geometry, &rarity, 10);
        let mut starts: Vec<u32> = (0..200)
            .filter_map(|_| gaps.choose(&PeerPieces::All, gaps.enough, &mut random))
            .inspect(|run| assert_eq!(run.len(), 10))
            .map(|run| run.start)
            .collect();
        starts.sort_unstable();
        starts.dedup();
        assert_eq!(starts, [0, 10, 20, 30, 40, 50, 60, 70, 80]);
    }

    #[test]
    fn what_no_peer_has_comes_first() {
        let (geometry, mut rarity, mut random) = missing(std::iter::once(0..100));
        for piece in geometry.pieces().filter(|piece| !(70..75).contains(&piece.get())) {
            rarity.gained(piece);
        }
        let gaps = gaps(geometry, &rarity, 5);
        assert_eq!(gaps.choose(&PeerPieces::All, gaps.enough, &mut random), Some(70..75));
    }

    #[test]
    fn a_peer_takes_the_end_of_a_short_gap_and_any_piece_of_a_long_one() {
        let (geometry, rarity, _) = missing([3..9, 20..60]);
        let gaps = gaps(geometry, &rarity, 10);
        let instead = |number| gaps.leave_whole(geometry.piece(number).unwrap(), &PeerPieces::All).get();
        assert_eq!([3, 5, 8].map(instead), [8, 8, 8]);
        assert_eq!([20, 33, 59].map(instead), [20, 33, 59]);
    }
}
