//! The blocks of one open piece, which peers owe us which of them, and who may send it.

use super::comparison::Comparison;
use crate::message::{BlockCounts, PeerKey};
use crate::piece::{Assembly, PieceIndex, Span};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a piece that was wrong is fetched from one peer alone, so that we learn which peer lies. If it
/// takes longer, finding the liar costs more than the lies.
const MAX_EXCLUSIVE: Duration = Duration::from_secs(30);

/// How long others leave a newcomer's piece to it.
const MAX_ALONE: Duration = Duration::from_secs(5);

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
    /// It does not become complete until it is known who lied.
    is_held_back: bool,
    /// What was said of its blocks, if it was wrong before and is fetched crosswise.
    comparison: Option<Comparison>,
    /// The peers whose blocks it has.
    senders: Vec<PeerKey>,
    /// Peers that were convicted meanwhile: what is still to be heard of their blocks counts for nothing.
    refused: Vec<PeerKey>,
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
pub enum PieceSource {
    /// Every peer, and one that has proved itself began it.
    Anyone,
    /// Every peer, and none of those that send it has proved itself yet.
    Newcomers,
    /// This peer, which has not proved itself, as long as others have something else to send: if the piece is
    /// wrong, we know who lied. Whoever helps makes it one of [`PieceSource::Newcomers`].
    Newcomer(PeerKey),
    /// The piece was wrong before. This time it comes from one peer alone, so that a wrong piece convicts that peer.
    /// `None` until there is such a peer, and after it has choked us, rejected a request or left.
    OnePeer(Option<PeerKey>),
    /// The piece was wrong before. This time each block counts when two peers have sent the same: see `comparison.rs`.
    Compared,
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
    /// A piece of `blocks` free blocks.
    pub fn new(assembly: Assembly, blocks: u32, source: PieceSource, now: Instant) -> OpenPiece {
        OpenPiece {
            assembly: Arc::new(assembly),
            blocks: vec![BlockState::Free; blocks as usize],
            free: blocks,
            twice: 0,
            search_from: 0,
            opened: now,
            source,
            is_held_back: false,
            comparison: None,
            senders: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// A piece that was wrong before and is fetched crosswise.
    pub fn compared(assembly: Assembly, blocks: u32, comparison: Comparison, now: Instant) -> OpenPiece {
        let open = OpenPiece::new(assembly.compared(), blocks, PieceSource::Compared, now);
        OpenPiece { comparison: Some(comparison), ..open }
    }

    /// What was said of its blocks, if it is fetched crosswise.
    pub fn comparison(&self) -> Option<&Comparison> {
        self.comparison.as_ref()
    }

    /// The same, to note what is said.
    pub fn comparison_mut(&mut self) -> Option<&mut Comparison> {
        self.comparison.as_mut()
    }

    /// Whether this peer may be asked for a free block to compare it.
    pub fn may_be_compared(&self, peer: PeerKey) -> bool {
        // Nearly no piece is compared, and this is asked often.
        self.comparison.is_some() && self.room_to_compare(peer) > 0 && self.first_to_compare(peer).is_some()
    }

    /// How many more blocks to compare this peer may owe us.
    fn room_to_compare(&self, peer: PeerKey) -> u32 {
        let most = self.comparison.as_ref().map_or(0, Comparison::most);
        most.saturating_sub(self.owed_by(peer).count() as u32)
    }

    fn first_to_compare(&self, peer: PeerKey) -> Option<usize> {
        let comparison = self.comparison.as_ref()?;
        let may_ask = |(number, state): (u32, &BlockState)| {
            *state == BlockState::Free && comparison.may_ask(peer, number)
        };
        (0..).zip(&self.blocks).position(may_ask)
    }

    /// The numbers of the blocks that this peer owes us.
    pub fn owed_by(&self, peer: PeerKey) -> impl Iterator<Item = u32> {
        let numbered = (0..).zip(&self.blocks);
        numbered.filter(move |(_, state)| state.holders().contains(&Some(peer))).map(|(number, _)| number)
    }

    /// Whether no block of it is on its way and no juror can be asked for one.
    pub fn is_stuck(&self) -> bool {
        let Some(comparison) = &self.comparison else { return false };
        let numbered = (0..).zip(&self.blocks);
        let mut free = numbered.filter(|(_, state)| **state == BlockState::Free);
        !self.is_leased() && !free.any(|(number, _)| comparison.has_juror_for(number))
    }

    /// Who may send it.
    pub fn source(&self) -> PieceSource {
        self.source
    }

    /// The peer that is to send it alone.
    pub fn owner(&self) -> Option<PeerKey> {
        match self.source {
            PieceSource::Newcomer(owner) => Some(owner),
            PieceSource::OnePeer(owner) => owner,
            PieceSource::Anyone | PieceSource::Newcomers | PieceSource::Compared => None,
        }
    }

    /// Whether this peer may be asked for a free block.
    pub fn is_open_to(&self, peer: PeerKey) -> bool {
        match self.source {
            _ if self.is_held_back && self.missing() <= 1 => false,
            PieceSource::Anyone | PieceSource::Newcomers => true,
            PieceSource::Newcomer(owner) => owner == peer,
            PieceSource::OnePeer(owner) => owner == Some(peer),
            PieceSource::Compared => self.may_be_compared(peer),
        }
    }

    /// The same of a peer for which there is nothing else to send: it helps a newcomer with its piece.
    pub fn is_open_to_helper(&self, helper: PeerKey) -> bool {
        match self.source {
            PieceSource::Newcomer(owner) => self.is_open_to(owner),
            _ => self.is_open_to(helper),
        }
    }

    /// Whether its last block is left out.
    pub fn hold_back(&mut self, is_held_back: bool) {
        if self.is_held_back != is_held_back {
            self.assembly.hold_back(is_held_back);
        }
        self.is_held_back = is_held_back;
    }

    /// Whether it was wrong before, so that it is not for everyone.
    pub fn is_exclusive(&self) -> bool {
        matches!(self.source, PieceSource::OnePeer(_) | PieceSource::Compared)
    }

    /// A peer is asked for blocks of it.
    pub fn asked_of(&mut self, peer: PeerKey) {
        if matches!(self.source, PieceSource::Newcomer(owner) if owner != peer) {
            self.source = PieceSource::Newcomers;
        }
    }

    /// The peers whose blocks it has.
    pub fn senders(&self) -> &[PeerKey] {
        &self.senders
    }

    /// This peer has sent a block of it. False if nothing of that peer counts.
    pub fn sent_by(&mut self, peer: PeerKey) -> bool {
        if self.refused.contains(&peer) {
            return false;
        }
        if !self.senders.contains(&peer) {
            self.senders.push(peer);
        }
        true
    }

    /// Nothing of this peer counts any more.
    pub fn refuse(&mut self, peer: PeerKey) {
        self.senders.retain(|sender| *sender != peer);
        self.refused.push(peer);
    }

    /// Whether it was opened no longer ago than this.
    pub fn is_younger(&self, age: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.opened) < age
    }

    /// Whether some block is free.
    pub fn has_free(&self) -> bool {
        self.free > 0
    }

    /// How many free blocks may be asked of peers. Of a piece that is held back one is left out, or the last one would
    /// come, and not be taken.
    pub fn askable(&self) -> u32 {
        self.free.saturating_sub(u32::from(self.is_held_back))
    }

    /// How many blocks were asked for or have come.
    pub fn asked(&self) -> u32 {
        (self.blocks.len() as u32).saturating_sub(self.free)
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

    /// How its blocks stand.
    pub fn block_counts(&self) -> BlockCounts {
        let is_on_its_way = |state: &&BlockState| state.holders().iter().any(Option::is_some);
        BlockCounts {
            came: self.received(),
            on_their_way: self.blocks.iter().filter(is_on_its_way).count() as u32,
            all: self.blocks.len() as u32,
        }
    }

    /// The peers that were asked for blocks which have not come, then the others that have sent some.
    pub fn askers(&self) -> Vec<PeerKey> {
        let holders = self.blocks.iter().flat_map(|state| state.holders()).flatten();
        let mut askers: Vec<PeerKey> = Vec::new();
        for peer in holders.chain(self.senders.iter().copied()) {
            if !askers.contains(&peer) {
                askers.push(peer);
            }
        }
        askers
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
        if self.comparison.is_some() {
            return self.lease_to_compare(piece, peer, most);
        }
        let most = most.min(self.askable());
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
        self.asked_of(peer);
        (count > 0).then_some(Span { piece, first, count })
    }

    fn lease_to_compare(&mut self, piece: PieceIndex, peer: PeerKey, most: u32) -> Option<Span> {
        let most = most.min(self.room_to_compare(peer));
        let first = self.first_to_compare(peer)?;
        let comparison = self.comparison.as_ref()?;
        let mut count = 0;
        let numbered = (0..).zip(&mut self.blocks).skip(first).take(most as usize);
        for (_, state) in numbered
            .take_while(|(number, state)| **state == BlockState::Free && comparison.may_ask(peer, *number))
        {
            *state = BlockState::Leased(peer);
            count += 1;
        }
        self.free = self.free.saturating_sub(count);
        (count > 0).then_some(Span { piece, first: u32::try_from(first).ok()?, count })
    }

    /// Makes this peer the one that sends it alone.
    pub fn assign(&mut self, peer: PeerKey) {
        if matches!(self.source, PieceSource::OnePeer(_)) {
            self.source = PieceSource::OnePeer(Some(peer));
        }
    }

    /// If this peer alone was to send the piece, another peer may now send it alone. A newcomer keeps its own:
    /// it may choke us for a moment only.
    pub fn release(&mut self, peer: PeerKey) {
        if self.source == PieceSource::OnePeer(Some(peer)) {
            self.source = PieceSource::OnePeer(None);
        }
        if let Some(comparison) = &mut self.comparison {
            comparison.left(peer);
        }
    }

    /// If one peer alone was to send the piece and has not sent it in time, every peer may send it.
    pub fn share_if_overdue(&mut self, now: Instant) {
        match self.source {
            PieceSource::OnePeer(_) if !self.is_younger(MAX_EXCLUSIVE, now) => {
                self.source = PieceSource::Anyone
            }
            PieceSource::Newcomer(_) if !self.is_younger(MAX_ALONE, now) => {
                self.source = PieceSource::Newcomers
            }
            _ => {}
        }
    }
}
