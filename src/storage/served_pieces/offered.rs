//! Which pieces are offered to peers: those on the disk whose files are what they were when they verified.
//!
//! A piece of a file that another program has touched is *in doubt*: peers may know of it, and do not get it,
//! until a second look has shown whether it is still right.

use std::sync::Mutex;

use super::lock;
use crate::piece::{Bitfield, Geometry, PieceIndex};

/// The set of offered pieces, shared by all threads.
pub(super) struct OfferedPieces {
    sets: Mutex<Sets>,
}

/// A piece is in one of the sets at most. One in none was never on the disk.
struct Sets {
    offered: Bitfield,
    in_doubt: Bitfield,
    /// A second look found them wrong, or found no file.
    wrong: Bitfield,
}

impl OfferedPieces {
    /// These pieces are offered.
    pub fn new(pieces: Bitfield) -> OfferedPieces {
        let none = || Bitfield::none(pieces.length());
        let (in_doubt, wrong) = (none(), none());
        OfferedPieces { sets: Mutex::new(Sets { offered: pieces, in_doubt, wrong }) }
    }

    /// The pieces that a new peer is told of: those in doubt among them, since most are right, and it would
    /// never hear of them later.
    pub fn told(&self, geometry: Geometry) -> Bitfield {
        let sets = lock(&self.sets);
        let mut told = sets.offered.clone();
        sets.in_doubt.iter(geometry).for_each(|piece| _ = told.insert(piece));
        told
    }

    /// The pieces that are offered now.
    pub fn certain(&self) -> Bitfield {
        lock(&self.sets).offered.clone()
    }

    /// Whether this piece is offered now.
    pub fn has(&self, piece: PieceIndex) -> bool {
        lock(&self.sets).offered.has(piece)
    }

    /// Whether this piece is neither offered nor in doubt.
    pub fn lacks(&self, piece: PieceIndex) -> bool {
        let sets = lock(&self.sets);
        !sets.offered.has(piece) && !sets.in_doubt.has(piece)
    }

    /// The pieces that a second look found wrong, if there are any.
    pub fn lost(&self) -> Option<Bitfield> {
        Some(lock(&self.sets).wrong.clone()).filter(|wrong| wrong.count() > 0)
    }

    /// Whether this piece was offered once and is not now.
    pub fn was_withdrawn(&self, piece: PieceIndex) -> bool {
        let sets = lock(&self.sets);
        sets.in_doubt.has(piece) || sets.wrong.has(piece)
    }

    /// Offers a piece: it was written, or a second look found it right.
    pub fn insert(&self, piece: PieceIndex) {
        let mut sets = lock(&self.sets);
        sets.in_doubt.remove(piece);
        sets.wrong.remove(piece);
        sets.offered.insert(piece);
    }

    /// Does not offer these pieces until a second look. Returns how many of them were offered.
    pub fn doubt(&self, pieces: impl Iterator<Item = PieceIndex>) -> usize {
        let mut sets = lock(&self.sets);
        let offered = pieces.filter(|piece| {
            let was_offered = sets.offered.remove(*piece);
            was_offered && sets.in_doubt.insert(*piece)
        });
        offered.count()
    }

    /// A second look found these pieces wrong.
    pub fn condemn(&self, pieces: impl Iterator<Item = PieceIndex>) {
        let mut sets = lock(&self.sets);
        for piece in pieces {
            if sets.offered.remove(piece) || sets.in_doubt.remove(piece) {
                sets.wrong.insert(piece);
            }
        }
    }

    /// Those of these pieces that are not offered, but were.
    pub fn withdrawn(&self, pieces: impl Iterator<Item = PieceIndex>) -> Bitfield {
        let sets = lock(&self.sets);
        let mut found = Bitfield::none(sets.offered.length());
        let pieces = pieces.filter(|piece| sets.in_doubt.has(*piece) || sets.wrong.has(*piece));
        pieces.for_each(|piece| _ = found.insert(piece));
        found
    }

    /// Those of these pieces that are, or were, on the disk.
    pub fn stored(&self, pieces: impl Iterator<Item = PieceIndex>) -> Bitfield {
        let sets = lock(&self.sets);
        let mut found = Bitfield::none(sets.offered.length());
        let is_stored = |piece: &PieceIndex| {
            [&sets.offered, &sets.in_doubt, &sets.wrong].iter().any(|set| set.has(*piece))
        };
        pieces.filter(is_stored).for_each(|piece| _ = found.insert(piece));
        found
    }

    /// These pieces are not on the disk any more, and will be written again.
    pub fn forget(&self, pieces: impl Iterator<Item = PieceIndex>) {
        let mut sets = lock(&self.sets);
        for piece in pieces {
            sets.offered.remove(piece);
            sets.in_doubt.remove(piece);
            sets.wrong.remove(piece);
        }
    }
}
