//! A bitfield has one bit for each piece. It says which pieces a peer has, or which we have.
//!
//! On the wire the high bit of the first byte is piece 0, and the spare bits at the end are zero
//! (BEP 3, "bitfield"). In memory the bits are in 64-bit words, so that a search skips 64 pieces at a time.

use super::geometry::{Geometry, PieceIndex};
use std::ops::Range;

/// A set of pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bitfield {
    words: Vec<u64>,
    length: u32,
    ones: u32,
}

impl Bitfield {
    /// The empty set of a torrent of `length` pieces.
    pub fn none(length: u32) -> Bitfield {
        Bitfield { words: vec![0; length.div_ceil(64) as usize], length, ones: 0 }
    }

    /// The set of all pieces of a torrent of `length` pieces.
    pub fn all(length: u32) -> Bitfield {
        let mut words = vec![u64::MAX; length.div_ceil(64) as usize];
        if let (Some(last), used @ 1..) = (words.last_mut(), length % 64) {
            *last = u64::MAX << (64 - used);
        }
        Bitfield { words, length, ones: length }
    }

    /// A set as it goes over the wire. `None` if the number of bytes is wrong or a spare bit is set.
    pub fn from_wire(bytes: &[u8], length: u32) -> Option<Bitfield> {
        Bitfield::from_peer(bytes, length).filter(|set| set.to_wire() == bytes)
    }

    /// A set as a peer sends it. `None` if the number of bytes is wrong. The spare bits behind the last piece should be
    /// zero (BEP 3), but they say nothing, and some peer that sets them may be the only one.
    pub fn from_peer(bytes: &[u8], length: u32) -> Option<Bitfield> {
        if bytes.len() != length.div_ceil(8) as usize {
            return None;
        }
        let mut words: Vec<u64> = bytes
            .chunks(8)
            .map(|chunk| {
                let mut word = [0; 8];
                word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
                u64::from_be_bytes(word)
            })
            .collect();
        if let (Some(last), used @ 1..) = (words.last_mut(), length % 64) {
            *last &= u64::MAX << (64 - used);
        }
        let ones = words.iter().map(|word| word.count_ones()).sum();
        Some(Bitfield { words, length, ones })
    }

    /// The set as it goes over the wire.
    pub fn to_wire(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_be_bytes()).collect();
        bytes.truncate(self.length.div_ceil(8) as usize);
        bytes
    }

    /// Whether the piece is in the set.
    pub fn has(&self, piece: PieceIndex) -> bool {
        self.words.get(piece.slot() / 64).is_some_and(|word| word & bit(piece) != 0)
    }

    /// Adds the piece to the set. False if it was there already, or is not a piece of this torrent.
    pub fn insert(&mut self, piece: PieceIndex) -> bool {
        if piece.get() >= self.length || self.has(piece) {
            return false;
        }
        if let Some(word) = self.words.get_mut(piece.slot() / 64) {
            *word |= bit(piece);
            self.ones += 1;
        }
        true
    }

    /// Adds all pieces of another set of the same torrent.
    pub fn insert_all(&mut self, other: &Bitfield) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, more)| *word |= more);
        self.ones = self.words.iter().map(|word| word.count_ones()).sum();
    }

    /// The pieces of this set that another one of the same torrent lacks. A step for every 64 pieces.
    #[must_use]
    pub fn without(&self, other: &Bitfield) -> Bitfield {
        let theirs = other.words.iter().copied().chain(std::iter::repeat(0));
        let words: Vec<u64> = self.words.iter().zip(theirs).map(|(word, theirs)| word & !theirs).collect();
        let ones = words.iter().map(|word| word.count_ones()).sum();
        Bitfield { words, length: self.length, ones }
    }

    /// Removes the piece from the set. False if it was not there.
    pub fn remove(&mut self, piece: PieceIndex) -> bool {
        if !self.has(piece) {
            return false;
        }
        if let Some(word) = self.words.get_mut(piece.slot() / 64) {
            *word &= !bit(piece);
            self.ones -= 1;
        }
        true
    }

    /// The pieces in the set, in order. Takes a step for each of them, and one for every 64 pieces of the
    /// torrent.
    pub fn iter(&self, geometry: Geometry) -> impl Iterator<Item = PieceIndex> + '_ {
        (0..).zip(&self.words).flat_map(move |(at, word): (u32, &u64)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let first = left.leading_zeros();
                left &= !(1_u64 << 63).checked_shr(first)?;
                geometry.piece(at.checked_mul(64)?.checked_add(first)?)
            })
        })
    }

    /// How many pieces are in the set.
    pub fn count(&self) -> u32 {
        self.ones
    }

    /// How many of these pieces are in the set.
    pub fn count_in(&self, pieces: Range<u32>) -> u32 {
        let words = pieces.start / 64..pieces.end.div_ceil(64);
        let ones =
            |at: u32| self.words.get(at as usize).map_or(0, |word| (word & mask(at, &pieces)).count_ones());
        words.map(ones).sum()
    }

    /// How many pieces the torrent has.
    pub fn length(&self) -> u32 {
        self.length
    }

    /// Whether every piece is in the set.
    pub fn is_full(&self) -> bool {
        self.ones == self.length
    }

    /// The bits, 64 pieces a word, the first piece in the highest bit.
    pub fn words(&self) -> &[u64] {
        &self.words
    }
}

/// The bits of these pieces in the [word](Bitfield::words) of this number.
pub fn mask(word: u32, pieces: &Range<u32>) -> u64 {
    let first = word.saturating_mul(64);
    let from_on = |at: u32| u64::MAX.checked_shr(at.saturating_sub(first)).unwrap_or(0);
    from_on(pieces.start) & !from_on(pieces.end)
}

fn bit(piece: PieceIndex) -> u64 {
    1 << (63 - piece.get() % 64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::piece::Geometry;

    #[test]
    fn the_wire_form_comes_back_as_it_went() {
        for length in [0, 1, 7, 8, 9, 63, 64, 65, 200] {
            let cut = Geometry::new(u64::from(length) * 16, 16).unwrap();
            let mut set = Bitfield::none(length);
            for piece in cut.pieces().step_by(3) {
                assert!(set.insert(piece) && !set.insert(piece) && set.has(piece));
            }
            assert!(set.iter(cut).eq(cut.pieces().step_by(3)));
            assert_eq!(set.to_wire().len(), length.div_ceil(8) as usize);
            assert_eq!(Bitfield::from_wire(&set.to_wire(), length), Some(set));
            let all = Bitfield::all(length);
            assert!(all.is_full());
            assert_eq!(Bitfield::from_wire(&all.to_wire(), length), Some(all));
        }
    }

    #[test]
    fn what_one_has_and_the_other_lacks() {
        for length in [1, 63, 64, 65, 200] {
            let cut = Geometry::new(u64::from(length) * 16, 16).unwrap();
            let (mut thirds, mut halves) = (Bitfield::none(length), Bitfield::none(length));
            cut.pieces().step_by(3).for_each(|piece| _ = thirds.insert(piece));
            cut.pieces().step_by(2).for_each(|piece| _ = halves.insert(piece));
            let new = thirds.without(&halves);
            assert!(new.iter(cut).eq(cut.pieces().filter(|piece| piece.get() % 6 == 3)));
            assert_eq!(new.count() as usize, new.iter(cut).count());
            assert_eq!(thirds.without(&Bitfield::none(0)), thirds);
        }
    }

    #[test]
    fn the_first_piece_is_the_high_bit() {
        let cut = Geometry::new(12, 1).unwrap();
        let mut set = Bitfield::none(12);
        set.insert(cut.piece(0).unwrap());
        set.insert(cut.piece(9).unwrap());
        assert_eq!(set.to_wire(), [0x80, 0x40]);
    }

    #[test]
    fn a_wrong_length_or_a_spare_bit_is_refused() {
        assert!(Bitfield::from_wire(&[0xff], 8).is_some());
        assert!(Bitfield::from_wire(&[0xff], 7).is_none());
        assert!(Bitfield::from_wire(&[0xff, 0], 8).is_none());
        assert!(Bitfield::from_wire(&[], 8).is_none());
        assert!(Bitfield::from_wire(&[0; 9], 64).is_none());
    }

    #[test]
    fn a_peers_spare_bits_say_nothing_and_its_wrong_lengths_are_refused() {
        assert_eq!(Bitfield::from_peer(&[0xff], 7), Some(Bitfield::all(7)));
        assert_eq!(Bitfield::from_peer(&[0xff; 9], 65), Some(Bitfield::all(65)));
        assert_eq!(Bitfield::from_peer(&[0, 0x7f], 9), Some(Bitfield::none(9)));
        assert!(Bitfield::from_peer(&[0xff, 0], 8).is_none());
        assert!(Bitfield::from_peer(&[0xff], 9).is_none());
    }
}
