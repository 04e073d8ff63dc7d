//! Which of the open pieces a peer has to do with, and which it may be asked for.
//!
//! A peer of which nothing is known may lie, and a lie costs the whole piece that it is part of. So a peer that
//! has not proved itself has to do with few pieces at a time. `swarm/download/probation.rs` decides that, and asks here.

use super::{OpenPiece, PieceSource, Requests};
use crate::message::PeerKey;
use crate::piece::{Assembly, PieceIndex};
use std::sync::Arc;

/// The pieces that a peer may be asked for, besides the ones that it alone is to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Within {
    /// All that are not for another peer alone.
    Shared,
    /// Those, and the pieces of newcomers, whom it helps thereby.
    All,
    /// These.
    These(Vec<PieceIndex>),
}

/// An open piece that one peer alone is to send.
#[derive(Debug, PartialEq, Eq)]
pub struct ExclusivePiece {
    /// Its number.
    pub piece: PieceIndex,
    /// That peer, once it is chosen.
    pub owner: Option<PeerKey>,
    /// Those that have sent some of it.
    pub senders: Vec<PeerKey>,
}

impl Within {
    /// Whether this open piece is among them.
    pub(super) fn contains(&self, piece: PieceIndex, open: &OpenPiece, peer: PeerKey) -> bool {
        match self {
            Within::Shared => open.is_open_to(peer),
            Within::All => open.is_open_to_helper(peer),
            Within::These(pieces) => pieces.contains(&piece) && open.is_open_to_helper(peer),
        }
    }
}

impl Requests {
    /// The open pieces that have free blocks and that every peer may send.
    pub fn shared(&self) -> impl Iterator<Item = PieceIndex> {
        let is_for_all =
            |open: &OpenPiece| matches!(open.source(), PieceSource::Anyone | PieceSource::Newcomers);
        self.with_free.iter().copied().filter(move |piece| self.open.get(*piece).is_some_and(is_for_all))
    }

    /// The pieces that the peer has to do with: it has sent blocks of them, owes us some, or is to send them alone.
    pub fn pieces_of(&self, peer: PeerKey) -> Vec<PieceIndex> {
        let mut owed: Vec<PieceIndex> = self.owed_by(peer).map(|block| block.piece).collect();
        owed.sort_unstable();
        owed.dedup();
        let has_part = |piece: PieceIndex, open: &OpenPiece| {
            open.owner() == Some(peer) || open.senders().contains(&peer) || owed.binary_search(&piece).is_ok()
        };
        self.open.iter().filter(|(piece, open)| has_part(*piece, open)).map(|(piece, _)| piece).collect()
    }

    /// How many blocks these pieces have together.
    pub fn blocks_of(&self, pieces: &[PieceIndex]) -> u32 {
        pieces.iter().map(|piece| self.geometry.block_count(*piece)).sum()
    }

    /// The peers whose blocks an open piece has.
    pub fn senders(&self, piece: PieceIndex) -> Vec<PeerKey> {
        self.open.get(piece).map(|open| open.senders().to_vec()).unwrap_or_default()
    }

    /// The open pieces of which this peer has sent blocks.
    pub fn sent_by(&self, peer: PeerKey) -> Vec<(PieceIndex, Arc<Assembly>)> {
        let sent = self.open.iter().filter(|(_, open)| open.senders().contains(&peer));
        sent.map(|(piece, open)| (piece, Arc::clone(&open.assembly))).collect()
    }

    /// How many open pieces none but newcomers send.
    pub fn count_of_newcomers(&self) -> usize {
        let is_theirs =
            |open: &OpenPiece| matches!(open.source(), PieceSource::Newcomer(_) | PieceSource::Newcomers);
        self.open.iter().filter(|(_, open)| is_theirs(open)).count()
    }

    /// The newcomers that send a piece alone.
    pub fn lone_newcomers(&self) -> Vec<PeerKey> {
        let mut owners: Vec<PeerKey> = (self.open.iter())
            .filter_map(|(_, open)| match open.source() {
                PieceSource::Newcomer(owner) => Some(owner),
                _ => None,
            })
            .collect();
        owners.sort_unstable();
        owners.dedup();
        owners
    }

    /// The pieces that this newcomer sends alone.
    pub fn alone_of(&self, newcomer: PeerKey) -> Vec<PieceIndex> {
        let is_its = |open: &OpenPiece| open.source() == PieceSource::Newcomer(newcomer);
        self.open.iter().filter(|(_, open)| is_its(open)).map(|(piece, _)| piece).collect()
    }

    /// The pieces that one peer alone is to send.
    pub fn exclusive(&self) -> Vec<ExclusivePiece> {
        let is_of_one = |open: &OpenPiece| matches!(open.source(), PieceSource::OnePeer(_));
        let exclusive = self.open.iter().filter(|(_, open)| is_of_one(open));
        exclusive
            .map(|(piece, open)| ExclusivePiece {
                piece,
                owner: open.owner(),
                senders: open.senders().to_vec(),
            })
            .collect()
    }

    /// Makes this peer the one that sends an exclusive piece.
    pub fn assign(&mut self, piece: PieceIndex, peer: PeerKey) {
        if let Some(open) = self.open.get_mut(piece) {
            open.assign(peer);
        }
    }
}
