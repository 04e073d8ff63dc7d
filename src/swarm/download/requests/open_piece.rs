//! The blocks of one open piece, and which peers owe us each of them.

use crate::message::PeerKey;
use crate::piece::{Assembly, PieceIndex, Span};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a piece that failed may come from one peer alone, so that we learn which peer lies. If it takes
/// longer, the lesson costs more than the lies.
const MAX_EXCLUSIVE: Duration = Duration::from_secs(30);

/// A piece of which some blocks are missing.
#[derive(Debug)]
pub struct OpenPiece {
    pub assembly: Arc<Assembly>,
    blocks: Vec<BlockState>,
    free: u32,
    /// Every block before this one is not free: where the search for a free block begins.
    search_from: u32,
    opened: Instant,
    source: PieceSource,
}

/// Which peers owe us a block. It is in exactly one of these states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockState {
    /// No peer was asked for it.
    Free,
    /// This peer was asked.
    Leased(PeerKey),
    /// Both were asked: the end game.
    LeasedTwice(PeerKey, PeerKey),
    /// It came.
    Received,
}

/// Which peers may send a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PieceSource {
    Anyone,
    /// The piece was wrong before. It comes from one peer alone this time, so that a wrong piece convicts
    /// that peer: the first that takes a lease.
    OnePeer(Option<PeerKey>),
}

impl BlockState {
    /// The peers that owe us the block.
    pub fn holders(self) -> [Option<PeerKey>; 2] {
        match self {
            BlockState::Free | BlockState::Received => [None, None],
            BlockState::Leased(one) => [Some(one), None],
            BlockState::LeasedTwice(one, other) => [Some(one), Some(other)],
        }
    }
}

impl OpenPiece {
    /// A piece of `blocks` free blocks. `exclusive`: one peer alone may send it.
    pub fn new(assembly: Assembly, blocks: u32, exclusive: bool, now: Instant) -> OpenPiece {
        OpenPiece {
            assembly: Arc::new(assembly),
            blocks: vec![BlockState::Free; blocks as usize],
            free: blocks,
            search_from: 0,
            opened: now,
            source: if exclusive { PieceSource::OnePeer(None) } else { PieceSource::Anyone },
        }
    }

    /// Whether this peer may be asked for a free block.
    pub fn is_open_to(&self, peer: PeerKey) -> bool {
        match self.source {
            PieceSource::Anyone | PieceSource::OnePeer(None) => true,
            PieceSource::OnePeer(Some(only)) => only == peer,
        }
    }

    /// Whether one peer alone may send it.
    pub fn is_exclusive(&self) -> bool {
        self.source != PieceSource::Anyone
    }

    /// Whether some block is free.
    pub fn has_free(&self) -> bool {
        self.free > 0
    }

    /// Whether some peer owes us a block of it.
    pub fn is_leased(&self) -> bool {
        self.blocks.iter().any(|state| !matches!(state, BlockState::Free | BlockState::Received))
    }

    /// How many blocks came.
    pub fn received(&self) -> u32 {
        self.blocks.iter().filter(|state| **state == BlockState::Received).count() as u32
    }

    /// How a block stands.
    pub fn state(&self, number: u32) -> Option<BlockState> {
        self.blocks.get(number as usize).copied()
    }

    /// Puts a block into another state.
    pub fn set(&mut self, number: u32, to: BlockState) {
        let Some(state) = self.blocks.get_mut(number as usize) else { return };
        let was_free = *state == BlockState::Free;
        *state = to;
        match (was_free, to == BlockState::Free) {
            (false, true) => {
                self.free += 1;
                self.search_from = self.search_from.min(number);
            }
            (true, false) => self.free -= 1,
            _ => {}
        }
    }

    /// Leases the first free blocks in a row to a peer, `most` at most.
    pub fn lease_free(&mut self, piece: PieceIndex, peer: PeerKey, most: u32) -> Option<Span> {
        let from = self.search_from as usize;
        let skipped = self.blocks.iter().skip(from).take_while(|state| **state != BlockState::Free).count();
        let first = from + skipped;
        let is_free = |state: &&mut BlockState| **state == BlockState::Free;
        let mut count = 0;
        for state in self.blocks.iter_mut().skip(first).take_while(is_free).take(most as usize) {
            *state = BlockState::Leased(peer);
            count += 1;
        }
        self.free = self.free.saturating_sub(count);
        let first = u32::try_from(first).ok()?;
        self.search_from = first + count;
        if self.source == PieceSource::OnePeer(None) {
            self.source = PieceSource::OnePeer(Some(peer));
        }
        (count > 0).then_some(Span { piece, first, count })
    }

    /// This peer may leave the piece to another that sends it alone.
    pub fn release_exclusive(&mut self, peer: PeerKey) {
        if self.source == PieceSource::OnePeer(Some(peer)) {
            self.source = PieceSource::OnePeer(None);
        }
    }

    /// Opens a piece to every peer that one peer alone has not sent in time.
    pub fn share_if_overdue(&mut self, now: Instant) {
        if now.saturating_duration_since(self.opened) > MAX_EXCLUSIVE {
            self.source = PieceSource::Anyone;
        }
    }
}
