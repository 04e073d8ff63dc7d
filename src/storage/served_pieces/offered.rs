//! Which pieces are offered to peers: those on the disk whose files are what they were when they verified.

use std::sync::Mutex;

use super::lock;
use crate::piece::{Bitfield, PieceIndex};

/// The set of offered pieces, shared by all threads.
pub(super) struct OfferedPieces {
    pieces: Mutex<Bitfield>,
}

impl OfferedPieces {
    /// These pieces are offered.
    pub fn new(pieces: Bitfield) -> OfferedPieces {
        OfferedPieces { pieces: Mutex::new(pieces) }
    }

    /// The pieces that are offered now.
    pub fn all(&self) -> Bitfield {
        lock(&self.pieces).clone()
    }

    /// Whether this piece is offered now.
    pub fn has(&self, piece: PieceIndex) -> bool {
        lock(&self.pieces).has(piece)
    }

    /// Offers a piece.
    pub fn insert(&self, piece: PieceIndex) {
        lock(&self.pieces).insert(piece);
    }

    /// Stops offering these pieces. Returns how many of them were offered.
    pub fn remove(&self, pieces: impl Iterator<Item = PieceIndex>) -> usize {
        let mut offered = lock(&self.pieces);
        pieces.filter(|piece| offered.remove(*piece)).count()
    }
}
