//! The map of the pieces for the live view, in buckets of neighbours.
//!
//! States are counted 64 pieces at a time. How many peers have a piece has to be looked up piece by piece, so of a
//! torrent of very many pieces only a part is looked at each time, and the rest is told as it was found before.

use super::{PieceMap, Wanted};
use crate::message::Bucket;
use crate::piece::mask;
use std::ops::Range;

/// The most buckets.
const MOST_BUCKETS: u32 = 2048;
/// The most pieces whose availability is looked up for one look.
const MOST_LOOKED_UP: u32 = 64 * 1024;

/// What was found of the availability of each bucket.
#[derive(Debug, Default)]
pub struct Survey {
    found: Vec<Found>,
    /// The bucket with which the next look begins.
    next: usize,
}

/// How many partial peers have the pieces of a bucket.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    /// The rarest of those that are missing, or of all where none is.
    rarest: u16,
    /// It was looked up.
    #[cfg(test)]
    is_known: bool,
}

impl PieceMap {
    /// The buckets. `seeds` of the peers have every piece and do not count as partial ones.
    pub fn survey(&mut self, seeds: u32) -> Vec<Bucket> {
        let count = self.geometry.piece_count();
        let size = bucket_size(count);
        let ranges: Vec<Range<u32>> =
            (0..count.div_ceil(size)).map(|bucket| range(bucket, size, count)).collect();
        self.look_up(&ranges, MOST_LOOKED_UP.div_ceil(size));
        let bucket = |(range, found): (&Range<u32>, &Found)| {
            let mut bucket = self.count(range);
            let is_missing = bucket.stored + bucket.open + bucket.unwanted < bucket.pieces;
            bucket.rarest = if is_missing { u32::from(found.rarest).saturating_add(seeds) } else { 0 };
            bucket
        };
        ranges.iter().zip(&self.survey.found).map(bucket).collect()
    }

    /// Whether nobody has ever looked.
    #[cfg(test)]
    pub fn was_never_surveyed(&self) -> bool {
        self.survey.found.capacity() == 0
    }

    /// Looks up the availability of so many buckets, where the last look has ended.
    fn look_up(&mut self, ranges: &[Range<u32>], most: u32) {
        self.survey.found.resize(ranges.len(), Found::default());
        for _ in 0..ranges.len().min(most as usize) {
            let at = if self.survey.next < ranges.len() { self.survey.next } else { 0 };
            self.survey.next = at + 1;
            if let (Some(range), Some(found)) = (ranges.get(at), self.survey.found.get_mut(at)) {
                let all = self.rarity.availabilities(range.clone());
                let least = all.iter().copied().min().unwrap_or(0);
                let missing = |number: &u32| has(self.rarity.choosable().words(), *number);
                let rarest = range.clone().zip(all).filter(|(number, _)| missing(number));
                found.rarest = rarest.map(|(_, peers)| *peers).min().unwrap_or(least);
                #[cfg(test)]
                {
                    found.is_known = true;
                }
            }
        }
    }

    /// The states of these pieces.
    fn count(&self, range: &Range<u32>) -> Bucket {
        let pieces = range.end.saturating_sub(range.start);
        let (mut stored, mut missing, mut wanted) = (0, 0, 0);
        for at in range.start / 64..range.end.div_ceil(64) {
            let of = |words: &[u64]| words.get(at as usize).copied().unwrap_or(0) & mask(at, range);
            let (is_stored, is_missing) = (of(self.stored.words()), of(self.rarity.choosable().words()));
            stored += is_stored.count_ones();
            missing += is_missing.count_ones();
            wanted += match &self.wanted {
                Wanted::All => mask(at, range),
                Wanted::Nothing => is_stored | is_missing,
                Wanted::Some(bits, _) => of(bits.words()) | is_stored | is_missing,
            }
            .count_ones();
        }
        let unwanted = pieces.saturating_sub(wanted);
        Bucket {
            pieces,
            stored,
            // A piece that is on its way to the disk, too.
            open: wanted.saturating_sub(stored).saturating_sub(missing),
            unwanted,
            rarest: 0,
        }
    }
}

/// How many pieces a bucket has: one, or a power of two, so that no word of a bitfield is in two buckets in part.
fn bucket_size(count: u32) -> u32 {
    count.div_ceil(MOST_BUCKETS).max(1).next_power_of_two()
}

fn range(bucket: u32, size: u32, count: u32) -> Range<u32> {
    let start = bucket.saturating_mul(size);
    start..start.saturating_add(size).min(count)
}

fn has(words: &[u64], number: u32) -> bool {
    words.get(number as usize / 64).is_some_and(|word| word & (1 << (63 - number % 64)) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::piece::{Bitfield, Geometry};
    use crate::strategy::PeerPieces;

    fn map(count: u32, stored: &[u32], wanted: Option<&[u32]>) -> (Geometry, PieceMap) {
        let geometry = Geometry::new(u64::from(count), 1).unwrap();
        let bits = |numbers: &[u32]| {
            let mut bits = Bitfield::none(count);
            numbers.iter().for_each(|number| assert!(bits.insert(geometry.piece(*number).unwrap())));
            bits
        };
        let mut random = fastrand::Rng::with_seed(1);
        let mut map = PieceMap::new(geometry, bits(stored), u64::MAX, &mut random);
        if let Some(wanted) = wanted {
            map.want_only(bits(wanted), &mut random);
        }
        (geometry, map)
    }

    #[test]
    fn a_small_torrent_has_a_bucket_for_each_piece() {
        let (geometry, mut map) = map(5, &[1], Some(&[0, 1, 2, 3]));
        let at = |number| geometry.piece(number).unwrap();
        let opened = map.open_one_of([at(2)]).unwrap();
        map.rarity_mut().gained(at(0));
        map.rarity_mut().gained(at(0));
        map.rarity_mut().gained(at(4));
        let buckets = map.survey(1);
        let bucket = Bucket { pieces: 1, ..Bucket::default() };
        let expected = [
            Bucket { rarest: 3, ..bucket },
            Bucket { stored: 1, ..bucket },
            Bucket { open: 1, ..bucket },
            Bucket { rarest: 1, ..bucket },
            Bucket { unwanted: 1, ..bucket },
        ];
        assert_eq!(buckets, expected);
        // On its way to the disk it is not missing.
        map.verified(opened);
        assert_eq!(map.survey(1), expected);
    }

    #[test]
    fn however_many_pieces_there_are_the_buckets_are_few_and_have_them_all() {
        for count in [1, 63, 64, 65, 2047, 2048, 2049, 100_000, 2_097_152] {
            let (geometry, mut map) = map(count, &[count - 1], None);
            let opened = map.open(&PeerPieces::All, &mut fastrand::Rng::with_seed(2));
            assert_eq!(opened.is_some(), count > 1);
            map.rarity_mut().gained(geometry.piece(0).unwrap());
            // After so many looks each bucket was looked up.
            (0..count / MOST_LOOKED_UP).for_each(|_| drop(map.survey(0)));
            let buckets = map.survey(0);
            assert!(buckets.len() <= MOST_BUCKETS as usize, "{count}");
            let sum = |of: fn(&Bucket) -> u32| buckets.iter().map(of).sum::<u32>();
            assert_eq!(sum(|bucket| bucket.pieces), count);
            assert_eq!((sum(|bucket| bucket.stored), sum(|bucket| bucket.unwanted)), (1, 0), "{count}");
            assert_eq!(sum(|bucket| bucket.open), u32::from(count > 1), "{count}");
            let (last, others) = buckets.split_last().unwrap();
            assert!(others.iter().all(|bucket| bucket.pieces == buckets[0].pieces));
            assert!(last.pieces <= buckets[0].pieces);
        }
    }

    #[test]
    fn one_look_looks_up_no_more_than_its_share() {
        let (geometry, mut map) = map(2_097_152, &[], None);
        let all = PeerPieces::All;
        assert!(all.has(geometry.piece(0).unwrap()));
        geometry.pieces().for_each(|piece| map.rarity_mut().gained(piece));
        let known = |map: &PieceMap| map.survey.found.iter().filter(|found| found.is_known).count();
        map.survey(0);
        let first = known(&map);
        assert_eq!(first, (MOST_LOOKED_UP / 1024) as usize);
        map.survey(0);
        assert_eq!(known(&map), 2 * first);
    }
}
