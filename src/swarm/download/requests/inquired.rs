//! Requests for the pieces that were wrong before, and what the others wait for meanwhile.
//! `swarm/download/inquiry.rs` decides that, and asks here.

use super::{Comparison, OpenPiece, Requests};
use crate::message::PeerKey;
use crate::piece::{Assembly, Block, PieceIndex};
use std::time::{Duration, Instant};

impl Requests {
    /// Opens a piece that was wrong before, to fetch it crosswise.
    pub fn open_compared(&mut self, assembly: Assembly, comparison: Comparison, now: Instant) {
        let piece = assembly.piece();
        let blocks = self.geometry.block_count(piece);
        self.missing += blocks as usize;
        self.open.insert(piece, OpenPiece::compared(assembly, blocks, comparison, now));
        self.has_free_now(piece);
    }

    /// The peer sent a block that was not taken. If its piece is compared, nobody else had sent the same.
    pub fn not_taken(&mut self, peer: PeerKey, block: Block) {
        if self.rejected(peer, block)
            && let Some(comparison) = self.open.get_mut(block.piece).and_then(OpenPiece::comparison_mut)
        {
            comparison.disputed(peer, block.number);
        }
    }

    /// This peer is not asked any more what it thinks of a piece that is compared. What it owes us of it is asked of
    /// others.
    pub fn leaves_comparison(&mut self, piece: PieceIndex, peer: PeerKey) {
        let owed: Vec<Block> = self.owed_by(peer).filter(|block| block.piece == piece).collect();
        owed.into_iter().for_each(|block| _ = self.rejected(peer, block));
        if let Some(open) = self.open.get_mut(piece) {
            open.release(peer);
        }
    }

    /// Takes back what a suspect owes us, but what is needed to find out who lied.
    pub fn take_back_shared(&mut self, peer: PeerKey) -> Vec<Block> {
        let is_shared = |block: &Block| self.open.get(block.piece).is_some_and(|open| !open.is_exclusive());
        let owed: Vec<Block> = self.owed_by(peer).filter(is_shared).collect();
        owed.iter().for_each(|block| _ = self.rejected(peer, *block));
        owed
    }

    /// Whether the pieces that are open now or later become complete, but those that failed before. Of each one that does
    /// not, a block is left out.
    pub fn hold_back(&mut self, holds_back: bool) {
        if self.holds_back || holds_back {
            self.holds_back = holds_back;
            for (_, open) in self.open.iter_mut() {
                open.hold_back(holds_back && !open.is_exclusive());
            }
        }
    }

    /// The pieces that are compared.
    pub fn compared(&self) -> Vec<PieceIndex> {
        let compared = self.open.iter().filter(|(_, open)| open.comparison().is_some());
        compared.map(|(piece, _)| piece).collect()
    }

    /// The peers that owe us blocks of a piece.
    pub fn holders(&self, piece: PieceIndex) -> Vec<PeerKey> {
        let owes =
            |peer: PeerKey| self.open.get(piece).is_some_and(|open| open.owed_by(peer).next().is_some());
        self.queues.iter().map(|(peer, _)| peer).filter(|peer| owes(*peer)).collect()
    }

    /// Whether something may come of a comparison that takes so long at most.
    pub fn is_comparable(&self, piece: PieceIndex, longest: Duration, now: Instant) -> bool {
        let Some(open) = self.open.get(piece) else { return true };
        !open.is_stuck() && open.is_younger(longest, now)
    }

    /// Whether more of what was sent of a piece that is compared was said by one alone than by two.
    pub fn is_disputed(&self, piece: PieceIndex) -> bool {
        self.open.get(piece).and_then(OpenPiece::comparison).is_some_and(Comparison::is_disputed)
    }

    /// The peers that have agreed with another one over this piece.
    pub fn credible(&self, piece: PieceIndex) -> Vec<PeerKey> {
        let comparison = self.open.get(piece).and_then(OpenPiece::comparison);
        comparison.map(|comparison| comparison.credible().to_vec()).unwrap_or_default()
    }

    /// Whether any piece that was wrong before is being fetched again.
    pub fn has_exclusive(&self) -> bool {
        self.open.iter().any(|(_, open)| open.is_exclusive())
    }

    /// Whether this piece was wrong before and is being fetched again.
    pub fn is_exclusive(&self, piece: PieceIndex) -> bool {
        self.open.get(piece).is_some_and(OpenPiece::is_exclusive)
    }
}
