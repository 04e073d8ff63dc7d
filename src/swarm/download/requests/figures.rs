//! What can be read off the table of requests: what each peer owes, and how much is missing.

use super::Requests;
use super::open_piece::OpenPiece;
use crate::message::PeerKey;
use crate::piece::{Assembly, Block, PieceIndex};
use std::collections::VecDeque;
use std::sync::Arc;

impl Requests {
    /// The assembly of an open piece.
    pub fn assembly(&self, piece: PieceIndex) -> Option<Arc<Assembly>> {
        self.open.get(piece).map(|open| Arc::clone(&open.assembly))
    }

    /// The open pieces, by their numbers.
    pub fn open_pieces(&self) -> impl Iterator<Item = (PieceIndex, &OpenPiece)> {
        self.open.iter()
    }

    /// The open pieces that have all their blocks.
    #[cfg(test)]
    pub fn complete_pieces(&self) -> Vec<PieceIndex> {
        let is_complete = |open: &OpenPiece| !open.has_free() && !open.is_leased();
        self.open.iter().filter(|(_, open)| is_complete(open)).map(|(piece, _)| piece).collect()
    }

    /// What the peer owes us, the oldest request first.
    pub fn owed_by(&self, peer: PeerKey) -> impl DoubleEndedIterator<Item = Block> {
        self.queues.get(peer).into_iter().flatten().map(|owed| owed.block)
    }

    /// Whether the peer owes us this block.
    pub fn is_owed_by(&self, peer: PeerKey, block: Block) -> bool {
        let state = self.open.get(block.piece).and_then(|open| open.state(block.number));
        state.is_some_and(|state| state.holders().contains(&Some(peer)))
    }

    /// How many blocks the peer owes us.
    pub fn count(&self, peer: PeerKey) -> usize {
        self.queues.get(peer).map_or(0, VecDeque::len)
    }

    /// How many blocks all peers owe us together.
    pub fn count_all(&self) -> usize {
        self.queues.iter().map(|(_, queue)| queue.len()).sum()
    }

    /// Whether no block of the open pieces is free.
    pub fn is_all_asked(&self) -> bool {
        self.with_free.is_empty()
    }

    /// How many free blocks of an open piece may be asked of peers.
    pub(super) fn askable(&self, piece: PieceIndex, open: &OpenPiece) -> u32 {
        match self.limited {
            Some((limited, most)) if limited == piece => {
                open.askable().min(most.saturating_sub(open.asked()))
            }
            _ => open.askable(),
        }
    }

    /// How many blocks of an open piece have come.
    pub fn received_of(&self, piece: PieceIndex) -> u32 {
        self.open.get(piece).map_or(0, OpenPiece::received)
    }

    /// How many blocks of the open pieces have not come.
    pub fn missing(&self) -> usize {
        self.missing
    }

    /// How many blocks two peers owe us.
    pub fn count_twice(&self) -> usize {
        self.open.iter().map(|(_, open)| open.twice() as usize).sum()
    }

    /// The open pieces that have free blocks and no leased one.
    pub fn idle(&self) -> impl Iterator<Item = PieceIndex> {
        let is_idle = |piece: &PieceIndex| self.open.get(*piece).is_some_and(|open| !open.is_leased());
        self.with_free.iter().copied().filter(is_idle)
    }

    /// Those of them of which nothing has come.
    pub fn unbegun(&self) -> Vec<PieceIndex> {
        let is_unbegun = |piece: &PieceIndex| self.open.get(*piece).is_some_and(|open| open.received() == 0);
        self.idle().filter(is_unbegun).collect()
    }
}
