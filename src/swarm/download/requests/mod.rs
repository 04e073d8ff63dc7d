//! The one table of requests: which peer owes us which block of the open pieces.
//!
//! A *lease* is the promise of one block by one peer. Each block of an open piece is free, leased to one
//! peer, leased to two (in the end game), or received. The same leases stand a second time in a queue for
//! each peer, the oldest in front, because most questions are about one peer: what does it owe us, and how
//! long will that take. Both views live here and change together, so no caller can forget one of them:
//!
//! > a block stands in a peer's queue exactly while that block is leased to that peer.
//!
//! What can happen to a request, and the method for each:
//!
//! | event | method |
//! |---|---|
//! | a peer has room for more | [`Requests::next_for`] |
//! | an idle peer takes over from a slow one | [`Requests::take_over`] |
//! | the block came | [`Requests::received`] |
//! | the peer rejected it (BEP 6) | [`Requests::rejected`] |
//! | the peer choked us, snubs us or left | [`Requests::take_back`] |
//! | the piece is complete | [`Requests::close`] |
//! | the piece is complete and wrong | [`Requests::piece_failed`] |
//! | no peer may be asked for the rest of it | [`Requests::idle`], then [`Requests::close`] |

mod open_piece;

use crate::message::PeerKey;
use crate::piece::{Assembly, Block, Geometry, PieceIndex, Span};
use crate::swarm::ordered_list::OrderedList;
use crate::swarm::peers::Restriction;
use open_piece::{BlockState, OpenPiece};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// What a peer is to be asked for, and where the blocks go.
pub type Leased = (Span, Arc<Assembly>);

/// The open pieces of one torrent, and what each peer owes us.
#[derive(Debug)]
pub struct Requests {
    geometry: Geometry,
    open: OrderedList<PieceIndex, OpenPiece>,
    /// The open pieces that have a free block, in the order in which that was found: the oldest first.
    with_free: Vec<PieceIndex>,
    /// What each peer was asked for, the oldest request in front. A peer that owes nothing may be missing.
    queues: OrderedList<PeerKey, VecDeque<Block>>,
}

/// What a block's arrival means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It was missing. These peers were asked for it as well and need not send it any more.
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
        Requests { geometry, open: OrderedList::new(), with_free: Vec::new(), queues: OrderedList::new() }
    }

    /// Opens a piece. `exclusive`: it was wrong before, and one peer alone may send it now.
    pub fn open(&mut self, assembly: Assembly, exclusive: bool, now: Instant) {
        let piece = assembly.piece();
        let blocks = self.geometry.block_count(piece);
        self.open.insert(piece, OpenPiece::new(assembly, blocks, exclusive, now));
        self.with_free.push(piece);
    }

    /// Closes a piece that is verified or given up. What peers still owe of it is forgotten.
    pub fn close(&mut self, piece: PieceIndex) -> Option<Arc<Assembly>> {
        self.with_free.retain(|other| *other != piece);
        let open = self.open.remove(piece)?;
        if open.is_leased() {
            self.queues.iter_mut().for_each(|(_, queue)| queue.retain(|block| block.piece != piece));
        }
        Some(open.assembly)
    }

    /// The piece is complete and wrong: closes it. The peers that still owe blocks of it, and which blocks:
    /// this attempt has no use for them, and the next one will ask again.
    pub fn piece_failed(&mut self, piece: PieceIndex) -> Vec<(PeerKey, Vec<Block>)> {
        let mut owed = Vec::new();
        for (peer, queue) in self.queues.iter() {
            let blocks: Vec<Block> = queue.iter().filter(|block| block.piece == piece).copied().collect();
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

    /// Leases up to `most` free blocks in a row, of the piece that has waited longest, to a peer that may be
    /// asked for what is `allowed`.
    pub fn next_for(&mut self, peer: PeerKey, allowed: &Restriction<'_>, most: u32) -> Option<Leased> {
        let open = &self.open;
        let is_for_it = |piece: &PieceIndex| {
            allowed.allows(*piece) && open.get(*piece).is_none_or(|open| open.is_open_to(peer))
        };
        let at = self.with_free.iter().position(is_for_it)?;
        let piece = *self.with_free.get(at)?;
        let open = self.open.get_mut(piece)?;
        let span = open.lease_free(piece, peer, most)?;
        if !open.has_free() {
            self.with_free.remove(at);
        }
        let assembly = Arc::clone(&open.assembly);
        self.enqueue(peer, span.blocks());
        Some((span, assembly))
    }

    /// Leases blocks that the peer `from` owes us to `helper` as well, from the far end of what it owes:
    /// `most` at most. With `insist`, a block that two peers owe us already is taken from the one that was
    /// asked first. Also the requests that this displaced, which need a `cancel`.
    pub fn take_over(
        &mut self,
        helper: PeerKey,
        from: PeerKey,
        allowed: &Restriction<'_>,
        most: usize,
        insist: bool,
    ) -> (Vec<Leased>, Vec<(PeerKey, Block)>) {
        let owed: Vec<Block> = self.owed_by(from).rev().collect();
        let (mut taken, mut displaced) = (Vec::new(), Vec::new());
        for block in owed.into_iter().filter(|block| allowed.allows(block.piece)) {
            if taken.len() >= most {
                break;
            }
            let Some((assembly, before)) = self.lease_again(helper, block, insist) else { continue };
            taken.push((Span { piece: block.piece, first: block.number, count: 1 }, assembly));
            displaced.extend(before.map(|peer| (peer, block)));
        }
        (taken, displaced)
    }

    /// Leases a block that another peer owes us to a second peer. With `insist`, a block that two owe us
    /// goes to the helper in place of the first, which is returned.
    fn lease_again(
        &mut self,
        helper: PeerKey,
        block: Block,
        insist: bool,
    ) -> Option<(Arc<Assembly>, Option<PeerKey>)> {
        let open = self.open.get_mut(block.piece).filter(|open| !open.is_exclusive())?;
        let displaced = match open.state(block.number)? {
            BlockState::Leased(first) if first != helper => {
                open.set(block.number, BlockState::LeasedTwice(first, helper));
                None
            }
            BlockState::LeasedTwice(one, two) if insist && one != helper && two != helper => {
                open.set(block.number, BlockState::LeasedTwice(two, helper));
                Some(one)
            }
            _ => return None,
        };
        let assembly = Arc::clone(&open.assembly);
        displaced.into_iter().for_each(|peer| self.strike(peer, block));
        self.enqueue(helper, std::iter::once(block));
        Some((assembly, displaced))
    }

    /// The block came from this peer and is in this assembly. If that is not the open one, it belongs to an
    /// attempt that failed: the block is still missing in the new attempt, and still owed.
    pub fn received(&mut self, peer: PeerKey, block: Block, assembly: &Arc<Assembly>) -> Arrival {
        let Some(open) = self.open.get_mut(block.piece) else { return Arrival::Useless };
        if !Arc::ptr_eq(&open.assembly, assembly) {
            return Arrival::Useless;
        }
        let state = match open.state(block.number) {
            None | Some(BlockState::Received) => return Arrival::Useless,
            Some(state) => state,
        };
        open.set(block.number, BlockState::Received);
        if state == BlockState::Free && !open.has_free() {
            // A late block, after its lease was taken back.
            self.with_free.retain(|piece| *piece != block.piece);
        }
        let holders = state.holders();
        holders.into_iter().flatten().for_each(|holder| self.strike(holder, block));
        Arrival::Useful { cancel: holders.map(|holder| holder.filter(|holder| *holder != peer)) }
    }

    /// The peer will not send this block. False where it does not owe it.
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
            self.with_free.push(block.piece);
        }
        self.strike(peer, block);
        true
    }

    /// Takes back all that the peer owes us: it choked us, snubs us or left. The blocks are free for other
    /// peers, and so is a piece that it alone was to send. What it owed, the oldest first.
    pub fn take_back(&mut self, peer: PeerKey) -> Vec<Block> {
        let owed: Vec<Block> = self.owed_by(peer).collect();
        owed.iter().for_each(|block| _ = self.rejected(peer, *block));
        self.release_exclusive(peer);
        self.queues.remove(peer);
        owed
    }

    /// What the peer owes us, the oldest request first.
    pub fn owed_by(&self, peer: PeerKey) -> impl DoubleEndedIterator<Item = Block> {
        self.queues.get(peer).into_iter().flatten().copied()
    }

    /// How many blocks the peer owes us.
    pub fn count(&self, peer: PeerKey) -> usize {
        self.queues.get(peer).map_or(0, VecDeque::len)
    }

    /// How many blocks all peers owe us together.
    pub fn count_all(&self) -> usize {
        self.queues.iter().map(|(_, queue)| queue.len()).sum()
    }

    /// The open pieces of which some blocks are free and none is leased, and how many blocks of each came.
    pub fn idle(&self) -> impl Iterator<Item = (PieceIndex, u32)> {
        let open = self.with_free.iter().filter_map(|piece| Some((*piece, self.open.get(*piece)?)));
        open.filter(|(_, open)| !open.is_leased()).map(|(piece, open)| (piece, open.received()))
    }

    /// What this peer alone may send may come from another peer alone: it choked us, rejected a request or
    /// left.
    pub fn release_exclusive(&mut self, peer: PeerKey) {
        self.open.iter_mut().for_each(|(_, open)| open.release_exclusive(peer));
    }

    /// What one peer alone may send and has not sent for long may come from all.
    pub fn share_overdue(&mut self, now: Instant) {
        self.open.iter_mut().for_each(|(_, open)| open.share_if_overdue(now));
    }

    fn enqueue(&mut self, peer: PeerKey, blocks: impl Iterator<Item = Block>) {
        if self.queues.get(peer).is_none() {
            self.queues.insert(peer, VecDeque::new());
        }
        if let Some(queue) = self.queues.get_mut(peer) {
            queue.extend(blocks);
        }
    }

    fn strike(&mut self, peer: PeerKey, block: Block) {
        let Some(queue) = self.queues.get_mut(peer) else { return };
        // Nearly always the oldest one.
        if queue.front() == Some(&block) {
            queue.pop_front();
        } else if let Some(at) = queue.iter().position(|other| *other == block) {
            queue.remove(at);
        }
    }
}

#[cfg(test)]
mod tests;
