//! The memory that the pieces of one torrent take: a piece takes some from the moment that it opens until it is on disk.
//! When the allowance (`strategy/download/budget.rs`) is used up, no further piece opens.
//!
//! A piece may be so large that there is room for one alone. Then the peers would wait each time until it is on disk,
//! which is a third of a second where it takes three to come. So the next one opens *early*, and a part of it may be asked
//! for: the process takes no more memory for it than what has come of it.

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
    /// A piece may open early: nobody else waits for memory.
    may_be_early: bool,
}

impl PieceMemory {
    pub(super) fn new(allowance: u64) -> PieceMemory {
        PieceMemory { allowance, used: 0, verified: 0, may_be_early: true }
    }

    pub(super) fn allow(&mut self, allowance: u64, may_be_early: bool) {
        (self.allowance, self.may_be_early) = (allowance, may_be_early);
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
            || self.is_writing_one(piece)
    }

    /// Bytes of pieces of this length that may be asked for besides those that are open.
    pub(super) fn room(&self, piece: u32) -> u64 {
        let early = if self.is_writing_one(piece) { self.allowance / EARLY_PART } else { 0 };
        self.allowance.saturating_sub(self.used).max(early)
    }

    /// How many bytes of the open piece may be asked for, if it was opened early and its room is not there yet.
    pub(super) fn early_part(&self) -> Option<u64> {
        let is_early = self.verified > 0 && self.used > self.allowance.max(self.verified);
        is_early.then_some(self.allowance / EARLY_PART)
    }

    pub(super) fn opened(&mut self, bytes: u32) {
        self.used = self.used.saturating_add(bytes.into());
    }

    pub(super) fn verified(&mut self, bytes: u32) {
        self.verified = self.verified.saturating_add(bytes.into());
    }

    /// An open piece was given up.
    pub(super) fn discarded(&mut self, bytes: u32) {
        self.used = self.used.saturating_sub(bytes.into());
    }

    /// A verified piece is on disk.
    pub(super) fn stored(&mut self, bytes: u32) {
        self.used = self.used.saturating_sub(bytes.into());
        self.verified = self.verified.saturating_sub(bytes.into());
    }

    /// Whether all that is in memory is one piece on its way to the disk.
    fn is_writing_one(&self, piece: u32) -> bool {
        self.may_be_early && self.used > 0 && self.used == self.verified && self.used <= piece.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_there_is_room_for_one_piece_the_next_opens_early_while_it_is_written() {
        let mut memory = PieceMemory::new(40);
        memory.opened(32);
        assert!(!memory.has_room(32) && memory.early_part().is_none());
        memory.verified(32);
        assert!(memory.has_room(32) && memory.room(32) == 10);
        memory.opened(32);
        assert!(!memory.has_room(32), "one alone");
        assert_eq!((memory.early_part(), memory.used()), (Some(10), 64));
        memory.verified(32);
        assert!(!memory.has_room(32) && memory.early_part().is_none(), "two are written");
        memory.stored(32);
        assert!(memory.has_room(32));
    }

    #[test]
    fn no_piece_opens_early_where_others_wait_or_where_there_is_room() {
        let mut memory = PieceMemory::new(32);
        memory.opened(32);
        memory.verified(32);
        memory.allow(32, false);
        assert!(!memory.has_room(32));
        memory.allow(64, true);
        memory.opened(32);
        assert!(!memory.has_room(32) && memory.early_part().is_none());
    }
}
