//! The memory that the pieces of one torrent take: a piece takes some from the moment that it opens until it is on disk.
//! When the allowance (`strategy/download/budget.rs`) is used up, no further piece opens.
//!
//! A piece may be so large that there is room for one alone. Then the fast peers would wait each time until the slow ones
//! have sent their last blocks of it, and all of them until it is on disk: half a second or more where it takes three to
//! come. So the next one opens *early*, and a part of it may be asked for: the process takes no more memory for it than
//! what has come of it.

use crate::piece::{BLOCK_LENGTH, PieceIndex};

/// Of a piece that is opened early, as much may be asked for as this part of the allowance.
const EARLY_PART: u64 = 4;

/// Bytes of memory.
#[derive(Debug)]
pub(super) struct PieceMemory {
    /// What open and verified pieces may take together.
    allowance: u64,
    /// What they take now.
    used: u64,
    /// What the verified ones take of that.
    verified: u64,
    /// How many pieces they are.
    pieces: u32,
    /// The piece that opened last.
    last: Option<PieceIndex>,
    /// A piece may open early: nobody else waits for memory.
    may_be_early: bool,
    /// All that is open was asked for, so that one may do so now.
    is_all_asked: bool,
}

impl PieceMemory {
    pub(super) fn new(allowance: u64) -> PieceMemory {
        PieceMemory {
            allowance,
            used: 0,
            verified: 0,
            pieces: 0,
            last: None,
            may_be_early: true,
            is_all_asked: false,
        }
    }

    pub(super) fn allow(&mut self, allowance: u64, may_be_early: bool) {
        (self.allowance, self.may_be_early) = (allowance, may_be_early);
    }

    /// Whether all blocks of the open pieces were asked for.
    pub(super) fn all_asked(&mut self, is_all_asked: bool) {
        self.is_all_asked = is_all_asked;
    }

    pub(super) fn allowance(&self) -> u64 {
        self.allowance
    }

    pub(super) fn used(&self) -> u64 {
        self.used
    }

    /// Whether a piece of this length may open. If anything is allowed, one may.
    pub(super) fn has_room(&self, piece: u32) -> bool {
        (self.used == 0 && self.allowance > 0)
            || self.used.saturating_add(piece.into()) <= self.allowance
            || self.may_open_early(piece)
    }

    /// Bytes of pieces of this length that may be asked for besides those that are open.
    pub(super) fn room(&self, piece: u32) -> u64 {
        let early = if self.may_open_early(piece) { self.allowance / EARLY_PART } else { 0 };
        self.allowance.saturating_sub(self.used).max(early)
    }

    /// The piece that was opened early, if its room is not there yet, and how many of its blocks may be asked for.
    pub(super) fn early_part(&self) -> Option<(PieceIndex, u32)> {
        let is_early = self.pieces > 1 && self.used > self.allowance.max(self.verified);
        let blocks = self.allowance / EARLY_PART / u64::from(BLOCK_LENGTH);
        Some((self.last.filter(|_| is_early)?, u32::try_from(blocks).unwrap_or(u32::MAX)))
    }

    pub(super) fn opened(&mut self, piece: PieceIndex, bytes: u32) {
        self.last = Some(piece);
        self.pieces = self.pieces.saturating_add(1);
        self.used = self.used.saturating_add(bytes.into());
    }

    pub(super) fn verified(&mut self, bytes: u32) {
        self.verified = self.verified.saturating_add(bytes.into());
    }

    /// An open piece was given up.
    pub(super) fn discarded(&mut self, bytes: u32) {
        self.pieces = self.pieces.saturating_sub(1);
        self.used = self.used.saturating_sub(bytes.into());
    }

    /// A verified piece is on disk.
    pub(super) fn stored(&mut self, bytes: u32) {
        self.pieces = self.pieces.saturating_sub(1);
        self.used = self.used.saturating_sub(bytes.into());
        self.verified = self.verified.saturating_sub(bytes.into());
    }

    /// Whether one piece alone is in memory, of which there is nothing left to ask for: then the next may open before
    /// there is room for it.
    fn may_open_early(&self, piece: u32) -> bool {
        let is_asked = self.is_all_asked || self.used == self.verified;
        self.may_be_early && is_asked && self.pieces == 1 && self.used <= piece.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::piece::Geometry;

    const MIB: u32 = 1024 * 1024;

    fn with(allowance: u32) -> PieceMemory {
        PieceMemory::new((allowance * MIB).into())
    }

    /// Opens a piece of 32 MiB.
    fn open(memory: &mut PieceMemory, number: u32) -> PieceIndex {
        let piece = Geometry::new(1 << 30, 32 * MIB).unwrap().piece(number).unwrap();
        memory.opened(piece, 32 * MIB);
        piece
    }

    #[test]
    fn where_there_is_room_for_one_piece_the_next_opens_early() {
        let mut memory = with(40);
        open(&mut memory, 0);
        assert!(!memory.has_room(32 * MIB) && memory.early_part().is_none(), "there is something to ask for");
        memory.all_asked(true);
        assert!(memory.has_room(32 * MIB) && memory.room(32 * MIB) == u64::from(10 * MIB));
        let early = open(&mut memory, 1);
        assert!(!memory.has_room(32 * MIB), "one alone");
        let part = Some((early, 10 * MIB / BLOCK_LENGTH));
        assert_eq!((memory.early_part(), memory.used()), (part, u64::from(64 * MIB)));
        memory.verified(32 * MIB);
        assert_eq!((memory.early_part(), memory.room(32 * MIB)), (part, 0), "it is on its way to the disk");
        memory.stored(32 * MIB);
        assert!(memory.early_part().is_none(), "the room is there");
        memory.all_asked(false);
        memory.verified(32 * MIB);
        assert!(memory.has_room(32 * MIB), "all that is in memory is on its way to the disk");
        open(&mut memory, 2);
        memory.verified(32 * MIB);
        assert!(!memory.has_room(32 * MIB) && memory.early_part().is_none(), "two are written");
    }

    #[test]
    fn a_piece_larger_than_the_allowance_is_none_that_opened_early() {
        let mut memory = with(8);
        memory.all_asked(true);
        open(&mut memory, 0);
        assert!(memory.early_part().is_none() && memory.has_room(32 * MIB));
        let early = open(&mut memory, 1);
        assert_eq!(memory.early_part(), Some((early, 2 * MIB / BLOCK_LENGTH)));
        memory.discarded(32 * MIB);
        assert!(memory.early_part().is_none());
    }

    #[test]
    fn no_piece_opens_early_where_others_wait_or_where_there_is_room() {
        let mut memory = with(32);
        memory.all_asked(true);
        open(&mut memory, 0);
        memory.allow((32 * MIB).into(), false);
        assert!(!memory.has_room(32 * MIB));
        memory.allow((64 * MIB).into(), true);
        open(&mut memory, 1);
        assert!(!memory.has_room(32 * MIB) && memory.early_part().is_none());
    }
}
