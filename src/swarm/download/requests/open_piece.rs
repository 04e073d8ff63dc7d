//! The blocks of one open piece, and which peers owe us which of them.

use crate::message::PeerKey;
use crate::piece::{Assembly, PieceIndex, Span};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a piece that was wrong is fetched from one peer alone, so that we learn which peer lies. If it
/// takes longer, finding the liar costs more than the lies.
const MAX_EXCLUSIVE: Duration = Duration::from_secs(30);

/// A piece of which some blocks are missing.
#[derive(Debug)]
pub struct OpenPiece {
    pub assembly: Arc<Assembly>,
    blocks: Vec<BlockState>,
    free: u32,
    /// How many blocks two peers owe us.
    twice: u32,
    /// No block before this one is free, so the search for a free block begins here.
    search_from: u32,
    opened: Instant,
    source: PieceSource,
}

/// The state of a block: which peers owe it. A block is in exactly one of these states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockState {
    /// No peer was asked for it.
    Free,
    /// This peer was asked.
    Leased(PeerKey),
    /// Both were asked, in the end game.
    LeasedTwice(PeerKey, PeerKey),
    /// It came.
    Received,
}

/// Which peers may send a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PieceSource {
    Anyone,
    /// The piece was wrong before. This time it comes from one peer alone, the first that gets a lease, so
    /// that a wrong piece convicts that peer.
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
            twice: 0,
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

    /// How many blocks two peers owe us.
    pub fn twice(&self) -> u32 {
        self.twice
    }

    /// Whether a peer owes us one of its blocks.
    pub fn is_leased(&self) -> bool {
        self.blocks.iter().any(|state| !matches!(state, BlockState::Free | BlockState::Received))
    }

    /// How many of its blocks were received.
    pub fn received(&self) -> u32 {
        self.blocks.iter().filter(|state| **state == BlockState::Received).count() as u32
    }

    /// How many of its blocks have not come.
    pub fn missing(&self) -> u32 {
        (self.blocks.len() as u32).saturating_sub(self.received())
    }

    /// The state of a block.
    pub fn state(&self, number: u32) -> Option<BlockState> {
        self.blocks.get(number as usize).copied()
    }

    /// Puts a block into another state.
    pub fn set(&mut self, number: u32, to: BlockState) {
        let Some(state) = self.blocks.get_mut(number as usize) else { return };
        let was_free = *state == BlockState::Free;
        self.twice -= u32::from(matches!(*state, BlockState::LeasedTwice(..)));
        self.twice += u32::from(matches!(to, BlockState::LeasedTwice(..)));
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

    /// Leases the first run of free blocks to a peer, at most `most` blocks.
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

    /// If this peer alone was to send the piece, another peer may now send it alone.
    pub fn release_exclusive(&mut self, peer: PeerKey) {
        if self.source == PieceSource::OnePeer(Some(peer)) {
            self.source = PieceSource::OnePeer(None);
        }
    }

    /// If one peer alone was to send the piece and has not sent it in time, every peer may send it.
    pub fn share_if_overdue(&mut self, now: Instant) {
        if now.saturating_duration_since(self.opened) > MAX_EXCLUSIVE {
            self.source = PieceSource::Anyone;
        }
    }
}
