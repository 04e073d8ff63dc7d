//! The one table of requests: which peer owes us which block of the open pieces.
//!
//! A *lease* says that one block was requested of one peer. Each block of an open piece is free, leased to
//! one peer, leased to two (in the end game), or received. Each lease is in a second place, too: in a queue
//! for its peer, the oldest in front, because most questions are about one peer: what does it owe us, and how
//! long will that take? Both views are in this module and change together, so no caller can forget one of
//! them:
//!
//! > a block is in a peer's queue exactly while it is leased to that peer.
//!
//! These are all the things that can happen to a request, and the method for each:
//!
//! | event | method |
//! |---|---|
//! | a peer can take more requests | [`Requests::next_for`] |
//! | an idle peer takes over from a slow or silent one | [`Requests::take_over`] |
//! | the block came | [`Requests::received`] |
//! | the peer rejected it (BEP 6) | [`Requests::rejected`] |
//! | the peer forgot it and sends later ones | [`Requests::passed_over`], then [`Requests::give_back`] |
//! | the peer choked us, snubs us or left | [`Requests::take_back`] |
//! | the piece is complete | [`Requests::close`] |
//! | the piece is complete and wrong | [`Requests::piece_failed`] |
//! | no peer may be asked for the rest of it | [`Requests::idle`], then [`Requests::close`] |
//! | a peer was convicted, and nothing of it counts | [`Requests::refuse`] |
//! | some peer has lied, and it is not known which | [`Requests::hold_back`] |
//! | the block came and is not taken | [`Requests::not_taken`] |
//!
//! `scope.rs` has the questions that are asked before: which pieces a peer has to do with, and who may send them;
//! `inquired.rs` the pieces that were wrong; `figures.rs` what can be read off the table.

mod comparison;
mod figures;
mod inquired;
mod open_piece;
mod scope;

use crate::message::{Lease, PeerKey};
use crate::piece::{Assembly, Block, Geometry, PieceIndex, Span};
use crate::swarm::ordered_list::OrderedList;
use crate::swarm::peers::Restriction;
pub use comparison::Comparison;
pub use open_piece::PieceSource;
use open_piece::{BlockState, OpenPiece};
pub use scope::{ExclusivePiece, Within};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// The open pieces of one torrent, and what each peer owes us.
#[derive(Debug)]
pub struct Requests {
    geometry: Geometry,
    open: OrderedList<PieceIndex, OpenPiece>,
    /// The open pieces that have a free block. The piece that has had one for longest comes first, or the first one
    /// in the payload.
    with_free: Vec<PieceIndex>,
    is_in_order: bool,
    /// No piece that several may send becomes complete.
    holds_back: bool,
    /// A piece of which only so many blocks are asked for.
    limited: Option<(PieceIndex, u32)>,
    /// How many blocks of the open pieces have not come.
    missing: usize,
    /// The blocks that each peer owes us, the oldest request in front. A peer that owes nothing may be
    /// missing.
    queues: OrderedList<PeerKey, VecDeque<OwedBlock>>,
}

/// A block that a peer was asked for and has not sent.
#[derive(Clone, Copy, Debug)]
struct OwedBlock {
    block: Block,
    /// How many blocks the peer sent that it was asked for later.
    passed_over: u32,
}

/// A piece that was given up.
#[derive(Debug)]
pub struct GivenUp {
    /// What had come.
    pub assembly: Arc<Assembly>,
    /// How many blocks that is.
    pub received: u32,
    /// Which peers still owe which of the others.
    pub owed: Vec<(PeerKey, Vec<Block>)>,
}

/// What a block's arrival means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It was missing. These other peers were asked for it, too, and need not send it any more.
    Useful {
        /// The peers to send a `cancel`.
        cancel: [Option<PeerKey>; 2],
    },
    /// It was there already, or its piece is not open.
    Useless,
}

impl Requests {
    /// An empty table: no piece is open.
    pub fn new(geometry: Geometry) -> Requests {
        Requests {
            geometry,
            open: OrderedList::new(),
            with_free: Vec::new(),
            is_in_order: false,
            holds_back: false,
            limited: None,
            missing: 0,
            queues: OrderedList::new(),
        }
    }

    /// The same for pieces that are needed in the order of the payload.
    pub fn in_order(geometry: Geometry) -> Requests {
        Requests { is_in_order: true, ..Requests::new(geometry) }
    }

    /// Opens a piece.
    pub fn open(&mut self, assembly: Assembly, source: PieceSource, now: Instant) {
        let piece = assembly.piece();
        let blocks = self.geometry.block_count(piece);
        self.missing += blocks as usize;
        let mut open = OpenPiece::new(assembly, blocks, source, now);
        open.hold_back(self.holds_back && !open.is_exclusive());
        self.open.insert(piece, open);
        self.has_free_now(piece);
    }

    /// Closes a piece that is verified or given up. The requests for its blocks are forgotten.
    pub fn close(&mut self, piece: PieceIndex) -> Option<Arc<Assembly>> {
        self.with_free.retain(|other| *other != piece);
        let open = self.open.remove(piece)?;
        self.missing -= open.missing() as usize;
        if open.is_leased() {
            self.queues.iter_mut().for_each(|(_, queue)| queue.retain(|owed| owed.block.piece != piece));
        }
        Some(open.assembly)
    }

    /// The piece is complete and wrong: closes it. Returns which peers still owe which of its blocks. This
    /// attempt has no use for them, and the next one will request them again.
    pub fn piece_failed(&mut self, piece: PieceIndex) -> Vec<(PeerKey, Vec<Block>)> {
        let mut owed = Vec::new();
        for (peer, queue) in self.queues.iter() {
            let blocks: Vec<Block> =
                queue.iter().map(|owed| owed.block).filter(|block| block.piece == piece).collect();
            if !blocks.is_empty() {
                owed.push((peer, blocks));
            }
        }
        self.close(piece);
        owed
    }

    /// Whether the piece of this assembly is open with another assembly: this one belongs to an attempt
    /// that failed.
    pub fn is_outdated(&self, assembly: &Arc<Assembly>) -> bool {
        self.open.get(assembly.piece()).is_some_and(|open| !Arc::ptr_eq(&open.assembly, assembly))
    }

    /// Of this piece, if there is one, no more than so many blocks are asked for from now on. Of all others each block
    /// is.
    pub fn limit(&mut self, limited: Option<(PieceIndex, u32)>) {
        self.limited = limited;
    }

    /// Leases up to `most` free blocks in a row to a peer. They are of the piece that it alone is to send, or else of
    /// the first piece with free blocks that the peer is `allowed` to be asked for and that is `within` what it may
    /// have to do with.
    pub fn next_for(
        &mut self,
        peer: PeerKey,
        allowed: &Restriction<'_>,
        within: &Within,
        most: u32,
    ) -> Option<Lease> {
        let open = |piece: &PieceIndex| self.open.get(*piece).filter(|open| self.askable(*piece, open) > 0);
        let is_its = |open: &OpenPiece| open.owner() == Some(peer) || open.may_be_compared(peer);
        let is_own = |piece: &PieceIndex| allowed.allows(*piece) && open(piece).is_some_and(is_its);
        let is_for_it = |piece: &PieceIndex| {
            allowed.allows(*piece) && open(piece).is_some_and(|open| within.contains(*piece, open, peer))
        };
        let own = self.with_free.iter().position(is_own);
        let at = own.or_else(|| self.with_free.iter().position(is_for_it))?;
        let piece = *self.with_free.get(at)?;
        let most = most.min(self.askable(piece, self.open.get(piece)?));
        let open = self.open.get_mut(piece)?;
        let span = open.lease_free(piece, peer, most)?;
        if !open.has_free() {
            self.with_free.remove(at);
        }
        let assembly = Arc::clone(&open.assembly);
        self.enqueue(peer, span.blocks());
        Some(Lease { assembly, span })
    }

    /// Leases blocks that the peer `from` owes us to `helper`, too: from the far end of what the peer owes, as
    /// long as `pays` says so of the block's place in that queue (the oldest request has place 1) and of the number
    /// of blocks that the helper gets with it. At most `most` blocks are owed by two peers then that were owed by one.
    /// A block that two owe us already is left to them, unless both are `silent`: then the helper takes the place of
    /// `from`. Also returns the blocks that `from` thereby owes us no longer, for a `cancel`.
    pub fn take_over(
        &mut self,
        helper: PeerKey,
        from: PeerKey,
        (allowed, within): (&Restriction<'_>, &Within),
        silent: &[PeerKey],
        most: usize,
        pays: impl Fn(usize, usize) -> bool,
    ) -> (Vec<Lease>, Vec<Block>) {
        let owed: Vec<(usize, Block)> = (1..).zip(self.owed_by(from)).collect();
        let (mut taken, mut displaced) = (Vec::new(), Vec::new());
        for (place, block) in owed.into_iter().rev().filter(|(_, block)| allowed.allows(block.piece)) {
            if !pays(place, taken.len() + 1) {
                break;
            }
            let is_for_it =
                |open: &&mut OpenPiece| !open.is_exclusive() && within.contains(block.piece, open, helper);
            let Some(open) = self.open.get_mut(block.piece).filter(is_for_it) else { continue };
            let (state, displaces) = match open.state(block.number) {
                Some(BlockState::Leased(first))
                    if first != helper && taken.len() - displaced.len() < most =>
                {
                    (BlockState::LeasedTwice(first, helper), false)
                }
                Some(BlockState::LeasedTwice(one, two))
                    if [one, two].iter().all(|holder| *holder != helper && silent.contains(holder)) =>
                {
                    (BlockState::LeasedTwice(if one == from { two } else { one }, helper), true)
                }
                _ => continue,
            };
            open.set(block.number, state);
            open.asked_of(helper);
            let span = Span { piece: block.piece, first: block.number, count: 1 };
            taken.push(Lease { assembly: Arc::clone(&open.assembly), span });
            self.enqueue(helper, std::iter::once(block));
            if displaces {
                self.strike(from, block);
                displaced.push(block);
            }
        }
        (taken, displaced)
    }

    /// The block came from this peer and is in this assembly. If the piece is open with another assembly,
    /// this one belongs to an attempt that failed. Then the block is still missing in the new attempt, and
    /// still owed.
    pub fn received(&mut self, peer: PeerKey, block: Block, assembly: &Arc<Assembly>) -> Arrival {
        let Some(open) = self.open.get_mut(block.piece) else { return Arrival::Useless };
        if !Arc::ptr_eq(&open.assembly, assembly) {
            return Arrival::Useless;
        }
        let state = match open.state(block.number) {
            None | Some(BlockState::Received) => return Arrival::Useless,
            Some(state) => state,
        };
        if !open.sent_by(peer) {
            return Arrival::Useless;
        }
        open.set(block.number, BlockState::Received);
        if let Some(comparison) = open.comparison_mut() {
            comparison.agreed(peer, block.number);
        }
        self.missing -= 1;
        if state == BlockState::Free && !open.has_free() {
            // The block came late: its lease had been taken back.
            self.with_free.retain(|piece| *piece != block.piece);
        }
        let cancel = state.holders().map(|holder| holder.filter(|holder| *holder != peer));
        self.strike_delivered(peer, block);
        cancel.into_iter().flatten().for_each(|holder| self.strike(holder, block));
        Arrival::Useful { cancel }
    }

    /// The peer will not send this block. False if it does not owe it.
    pub fn rejected(&mut self, peer: PeerKey, block: Block) -> bool {
        let Some(open) = self.open.get_mut(block.piece) else { return false };
        let state = match open.state(block.number) {
            Some(BlockState::Leased(holder)) if holder == peer => BlockState::Free,
            Some(BlockState::LeasedTwice(one, two)) if one == peer => BlockState::Leased(two),
            Some(BlockState::LeasedTwice(one, two)) if two == peer => BlockState::Leased(one),
            _ => return false,
        };
        let had_free = open.has_free();
        open.set(block.number, state);
        if !had_free && open.has_free() {
            self.has_free_now(block.piece);
        }
        self.strike(peer, block);
        true
    }

    /// Takes back all that the peer owes us: it choked us, snubs us or left. Its blocks can be leased to
    /// other peers, and so can a piece that it alone was to send. Returns what it owed, the oldest request
    /// first.
    pub fn take_back(&mut self, peer: PeerKey) -> Vec<Block> {
        let owed: Vec<Block> = self.owed_by(peer).collect();
        owed.iter().for_each(|block| _ = self.rejected(peer, *block));
        self.release_exclusive(peer);
        self.queues.remove(peer);
        owed
    }

    /// What the peer may have forgotten: the blocks that it has passed over more than `limit` times while it sent
    /// others that it was asked for later.
    pub fn passed_over(&self, peer: PeerKey, limit: u32) -> Vec<Block> {
        let queue = self.queues.get(peer).into_iter().flatten();
        // A block is passed over at least as often as those behind it.
        queue.take_while(|owed| owed.passed_over > limit).map(|owed| owed.block).collect()
    }

    /// The peer is not asked for these any more.
    pub fn give_back(&mut self, peer: PeerKey, blocks: &[Block]) {
        blocks.iter().for_each(|block| _ = self.rejected(peer, *block));
    }

    /// Closes a piece that is given up.
    pub fn give_up(&mut self, piece: PieceIndex) -> Option<GivenUp> {
        let received = self.open.get(piece)?.received();
        let assembly = self.assembly(piece)?;
        Some(GivenUp { assembly, received, owed: self.piece_failed(piece) })
    }

    /// A piece that this peer alone was to send may now come from others, because this one choked us, rejected a
    /// request or left.
    pub fn release_exclusive(&mut self, peer: PeerKey) {
        self.open.iter_mut().for_each(|(_, open)| open.release(peer));
    }

    /// Nothing that this peer has sent of a piece, or sends of it, counts any more. `dropped` are the blocks that its
    /// assembly has lost thereby: they are missing again.
    pub fn refuse(&mut self, piece: PieceIndex, peer: PeerKey, dropped: &[u32]) {
        let Some(open) = self.open.get_mut(piece) else { return };
        let had_free = open.has_free();
        open.refuse(peer);
        for number in dropped {
            if open.state(*number) == Some(BlockState::Received) {
                open.set(*number, BlockState::Free);
                self.missing += 1;
            }
        }
        if !had_free && open.has_free() {
            self.has_free_now(piece);
        }
    }

    /// A piece that one peer alone was to send and has not sent in time may come from all peers.
    pub fn share_overdue(&mut self, now: Instant) {
        self.open.iter_mut().for_each(|(_, open)| open.share_if_overdue(now));
    }

    /// An open piece that had no free block has one now.
    fn has_free_now(&mut self, piece: PieceIndex) {
        let before = |other: &PieceIndex| *other < piece;
        let at = if self.is_in_order { self.with_free.partition_point(before) } else { self.with_free.len() };
        self.with_free.insert(at, piece);
    }

    fn enqueue(&mut self, peer: PeerKey, blocks: impl Iterator<Item = Block>) {
        if self.queues.get(peer).is_none() {
            self.queues.insert(peer, VecDeque::new());
        }
        if let Some(queue) = self.queues.get_mut(peer) {
            queue.extend(blocks.map(|block| OwedBlock { block, passed_over: 0 }));
        }
    }

    /// The peer sent this block: it has passed over those that it was asked for earlier.
    fn strike_delivered(&mut self, peer: PeerKey, block: Block) {
        let Some(queue) = self.queues.get_mut(peer) else { return };
        // Nearly always there is none: most peers answer in the order of the requests.
        if let Some(at) = queue.iter().position(|owed| owed.block == block) {
            queue.iter_mut().take(at).for_each(|owed| owed.passed_over = owed.passed_over.saturating_add(1));
            queue.remove(at);
        }
    }

    fn strike(&mut self, peer: PeerKey, block: Block) {
        let Some(queue) = self.queues.get_mut(peer) else { return };
        // It is nearly always the oldest request.
        if let Some(at) = queue.iter().position(|owed| owed.block == block) {
            queue.remove(at);
        }
    }
}

#[cfg(test)]
mod tests;
