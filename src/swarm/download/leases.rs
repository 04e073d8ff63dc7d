//! Which peer was asked for which block of the open pieces.
//!
//! A *lease* is the promise of one block by one peer. It ends when the block comes, when the peer
//! refuses it, chokes us or leaves (the block is then free for others), or when we give it up because
//! the peer is slow. In the end game a block is leased to a second peer, and whoever is first wins.
//! These are the only ways, and each is a method here.

use crate::message::PeerKey;
use crate::piece::{Assembly, Block, Geometry, PieceIndex, Span};
use crate::swarm::peers::Restriction;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a piece may be fetched from one peer alone, to find out who lies. Longer, and finding out
/// costs more than the lies.
const ALONE_AT_MOST: Duration = Duration::from_secs(30);

/// The open pieces of one torrent.
#[derive(Debug)]
pub struct Leases {
    geometry: Geometry,
    open: HashMap<PieceIndex, OpenPiece>,
    /// The open pieces that have a free block, the one that opened first in front.
    with_free: Vec<PieceIndex>,
}

#[derive(Debug)]
struct OpenPiece {
    assembly: Arc<Assembly>,
    blocks: Vec<BlockState>,
    free: u32,
    /// Blocks before this one are not free.
    search_from: u32,
    since: Instant,
    /// The piece was wrong before: now it comes from one peer alone, so that we know whom to blame.
    only: Only,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Only {
    Anybody,
    WhoeverIsFirst,
    Peer(PeerKey),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BlockState {
    Free,
    Leased(PeerKey),
    LeasedTwice(PeerKey, PeerKey),
    Received,
}

/// What a block's arrival means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It was missing. Somebody else may have been asked for it too, and need not send it any more.
    Useful {
        /// That peer.
        cancel: Option<PeerKey>,
    },
    /// It was there already, or its piece is not open.
    Useless,
}

impl Leases {
    /// No open piece.
    pub fn new(geometry: Geometry) -> Leases {
        Leases { geometry, open: HashMap::new(), with_free: Vec::new() }
    }

    /// Opens a piece, which comes from one peer alone if `alone`.
    pub fn open(&mut self, assembly: Assembly, alone: bool, now: Instant) {
        let piece = assembly.piece();
        let count = self.geometry.block_count(piece);
        let open = OpenPiece {
            assembly: Arc::new(assembly),
            blocks: vec![BlockState::Free; count as usize],
            free: count,
            search_from: 0,
            since: now,
            only: if alone { Only::WhoeverIsFirst } else { Only::Anybody },
        };
        self.open.insert(piece, open);
        self.with_free.push(piece);
    }

    /// The piece is verified or given up: its leases are of no use.
    pub fn close(&mut self, piece: PieceIndex) -> Option<Arc<Assembly>> {
        self.with_free.retain(|other| *other != piece);
        self.open.remove(&piece).map(|open| open.assembly)
    }

    /// Whether the piece of this assembly is open with another: this one is of an attempt that failed.
    pub fn has_another(&self, assembly: &Arc<Assembly>) -> bool {
        self.open.get(&assembly.piece()).is_some_and(|open| !Arc::ptr_eq(&open.assembly, assembly))
    }

    /// Leases up to `most` blocks in a row of an open piece to a peer.
    pub fn lease(
        &mut self,
        peer: PeerKey,
        allowed: &Restriction<'_>,
        most: u32,
    ) -> Option<(Span, Arc<Assembly>)> {
        let open = &mut self.open;
        let (at, piece) = self.with_free.iter().copied().enumerate().find(|(_, piece)| {
            let only = open.get(piece).map_or(Only::Anybody, |open| open.only);
            allowed.allows(*piece) && (only == Only::Peer(peer) || !matches!(only, Only::Peer(_)))
        })?;
        let open = open.get_mut(&piece)?;
        let span = open.lease_free(piece, peer, most)?;
        if open.free == 0 {
            self.with_free.remove(at);
        }
        Some((span, Arc::clone(&open.assembly)))
    }

    /// Leases a block that another peer was asked for to a second one; if `insist`, in the place of the
    /// first of two. `None` where that cannot be.
    pub fn lease_again(&mut self, peer: PeerKey, block: Block, insist: bool) -> Option<Arc<Assembly>> {
        let open = self.open.get_mut(&block.piece)?;
        if open.only != Only::Anybody {
            return None;
        }
        let state = open.blocks.get_mut(block.number as usize)?;
        *state = match *state {
            BlockState::Leased(first) if first != peer => BlockState::LeasedTwice(first, peer),
            BlockState::LeasedTwice(one, two) if insist && one != peer && two != peer => {
                BlockState::LeasedTwice(two, peer)
            }
            _ => return None,
        };
        Some(Arc::clone(&open.assembly))
    }

    /// The block came from this peer and is in this assembly. One that is not the open one's is that of
    /// an attempt that failed: what came late for it is still missing in the new one.
    pub fn receive(&mut self, peer: PeerKey, block: Block, assembly: &Arc<Assembly>) -> Arrival {
        let Some(open) = self.open.get_mut(&block.piece) else { return Arrival::Useless };
        if !Arc::ptr_eq(&open.assembly, assembly) {
            return Arrival::Useless;
        }
        let Some(state) = open.blocks.get_mut(block.number as usize) else { return Arrival::Useless };
        let other = |holder: PeerKey| (holder != peer).then_some(holder);
        let cancel = match *state {
            BlockState::Received => return Arrival::Useless,
            BlockState::Free => {
                // A late block, after its lease was given up.
                open.free -= 1;
                if open.free == 0 {
                    self.with_free.retain(|piece| *piece != block.piece);
                }
                None
            }
            BlockState::Leased(holder) => other(holder),
            BlockState::LeasedTwice(one, two) => other(one).or(other(two)),
        };
        if let Some(state) = open.blocks.get_mut(block.number as usize) {
            *state = BlockState::Received;
        }
        Arrival::Useful { cancel }
    }

    /// The peer will not send this block, or we do not wait for it any more.
    pub fn give_back(&mut self, peer: PeerKey, block: Block) {
        let Some(open) = self.open.get_mut(&block.piece) else { return };
        let Some(state) = open.blocks.get_mut(block.number as usize) else { return };
        match *state {
            BlockState::Leased(holder) if holder == peer => {
                *state = BlockState::Free;
                open.free += 1;
                open.search_from = open.search_from.min(block.number);
                if open.free == 1 {
                    self.with_free.push(block.piece);
                }
            }
            BlockState::LeasedTwice(one, two) if one == peer => *state = BlockState::Leased(two),
            BlockState::LeasedTwice(one, two) if two == peer => *state = BlockState::Leased(one),
            _ => {}
        }
    }
}

impl Leases {
    /// The open pieces of which some blocks are free and none is leased, and how many blocks of each
    /// have come.
    pub fn idle(&self) -> impl Iterator<Item = (PieceIndex, u32)> {
        self.with_free.iter().filter_map(|piece| {
            let blocks = &self.open.get(piece)?.blocks;
            let leased = |state: &BlockState| !matches!(state, BlockState::Free | BlockState::Received);
            let received = blocks.iter().filter(|state| **state == BlockState::Received).count();
            (!blocks.iter().any(leased)).then_some((*piece, received as u32))
        })
    }

    /// Takes back all that the peer was asked for.
    pub fn give_back_all(&mut self, peer: PeerKey) {
        let held = |state: &BlockState| match *state {
            BlockState::Leased(one) => one == peer,
            BlockState::LeasedTwice(one, two) => one == peer || two == peer,
            BlockState::Free | BlockState::Received => false,
        };
        let blocks: Vec<Block> = self
            .open
            .iter()
            .flat_map(|(piece, open)| {
                let numbers = (0..).zip(&open.blocks).filter(|(_, state)| held(state));
                numbers.map(|(number, _)| Block { piece: *piece, number })
            })
            .collect();
        blocks.into_iter().for_each(|block| self.give_back(peer, block));
        self.let_go(peer);
    }

    /// A piece that one peer alone may send, and has not sent for so long, may come from all.
    pub fn share_overdue(&mut self, now: Instant) {
        for open in self.open.values_mut() {
            if open.only != Only::Anybody && now.saturating_duration_since(open.since) > ALONE_AT_MOST {
                open.only = Only::Anybody;
            }
        }
    }

    /// The peer left, or gives nothing: what only it may send may come from somebody else.
    pub fn let_go(&mut self, peer: PeerKey) {
        for open in self.open.values_mut().filter(|open| open.only == Only::Peer(peer)) {
            open.only = Only::WhoeverIsFirst;
        }
    }
}

impl OpenPiece {
    fn lease_free(&mut self, piece: PieceIndex, peer: PeerKey, most: u32) -> Option<Span> {
        let from = self.search_from as usize;
        let is_free = |state: &&mut BlockState| **state == BlockState::Free;
        let skipped = self.blocks.iter().skip(from).take_while(|state| **state != BlockState::Free).count();
        let first = from + skipped;
        let mut count = 0;
        for state in self.blocks.iter_mut().skip(first).take_while(is_free).take(most as usize) {
            *state = BlockState::Leased(peer);
            count += 1;
        }
        self.free = self.free.saturating_sub(count);
        let first = u32::try_from(first).ok()?;
        self.search_from = first + count;
        if self.only == Only::WhoeverIsFirst {
            self.only = Only::Peer(peer);
        }
        (count > 0).then_some(Span { piece, first, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::piece::PieceDigest;
    use crate::strategy::PeerPieces;

    const A: PeerKey = PeerKey(1);
    const B: PeerKey = PeerKey(2);
    const ALL: Restriction<'static> = Restriction::Has(&PeerPieces::All);

    fn one_open_piece(blocks: u32, alone: bool) -> (Leases, PieceIndex) {
        let length = blocks * crate::piece::BLOCK_LENGTH;
        let geometry = Geometry::new(u64::from(length) * 2, length).unwrap();
        let piece = geometry.piece(1).unwrap();
        let mut leases = Leases::new(geometry);
        leases.open(
            Assembly::new(&geometry, piece, PieceDigest::default(), Vec::new()),
            alone,
            Instant::now(),
        );
        (leases, piece)
    }

    fn span(leases: &mut Leases, peer: PeerKey, most: u32) -> Option<(u32, u32)> {
        leases.lease(peer, &ALL, most).map(|(span, _)| (span.first, span.count))
    }

    #[test]
    fn blocks_are_leased_once_and_come_back_when_their_peer_leaves() {
        let (mut leases, piece) = one_open_piece(4, false);
        assert_eq!(span(&mut leases, A, 3), Some((0, 3)));
        assert_eq!(span(&mut leases, B, 3), Some((3, 1)));
        assert_eq!(span(&mut leases, B, 3), None);
        leases.give_back(A, Block { piece, number: 1 });
        leases.give_back(B, Block { piece, number: 2 });
        assert_eq!(span(&mut leases, B, 3), Some((1, 1)), "only the holder can give a lease back");
        assert_eq!(span(&mut leases, B, 3), None);
    }

    #[test]
    fn of_two_who_were_asked_the_second_is_told_to_stop() {
        let (mut leases, piece) = one_open_piece(2, false);
        let block = Block { piece, number: 0 };
        span(&mut leases, A, 1);
        assert!(leases.lease_again(A, block, false).is_none());
        assert!(leases.lease_again(B, block, false).is_some());
        assert!(leases.lease_again(PeerKey(3), block, false).is_none());
        let assembly = Arc::clone(&leases.open[&piece].assembly);
        assert_eq!(leases.receive(B, block, &assembly), Arrival::Useful { cancel: Some(A) });
        assert_eq!(leases.receive(A, block, &assembly), Arrival::Useless);
        leases.give_back(A, block);
        assert_eq!(span(&mut leases, A, 9), Some((1, 1)));
    }

    #[test]
    fn a_late_block_is_taken_after_its_lease_is_gone() {
        let (mut leases, piece) = one_open_piece(1, false);
        let block = Block { piece, number: 0 };
        span(&mut leases, A, 1);
        leases.give_back(A, block);
        let assembly = Arc::clone(&leases.open[&piece].assembly);
        assert_eq!(leases.receive(A, block, &assembly), Arrival::Useful { cancel: None });
        assert_eq!(span(&mut leases, B, 1), None);
        leases.close(piece);
        assert_eq!(leases.receive(B, block, &assembly), Arrival::Useless);
        assert!(leases.open.is_empty() && leases.with_free.is_empty());
    }

    #[test]
    fn a_block_of_an_attempt_that_failed_is_still_missing_in_the_next() {
        let (mut leases, piece) = one_open_piece(2, false);
        let (first, _) = (Arc::clone(&leases.open[&piece].assembly), span(&mut leases, A, 2));
        leases.close(piece);
        leases.open(
            Assembly::new(&leases.geometry, piece, PieceDigest::default(), Vec::new()),
            true,
            Instant::now(),
        );
        assert_eq!(leases.receive(A, Block { piece, number: 0 }, &first), Arrival::Useless);
        assert_eq!(span(&mut leases, B, 2), Some((0, 2)));
        assert_eq!(leases.receive(A, Block { piece, number: 1 }, &first), Arrival::Useless);
        assert_eq!(leases.open[&piece].blocks, [BlockState::Leased(B); 2]);
    }

    #[test]
    fn a_piece_that_was_wrong_comes_from_one_peer_alone() {
        let (mut leases, piece) = one_open_piece(3, true);
        assert_eq!(span(&mut leases, A, 1), Some((0, 1)));
        assert_eq!(span(&mut leases, B, 1), None);
        assert!(leases.lease_again(B, Block { piece, number: 0 }, false).is_none());
        leases.give_back(A, Block { piece, number: 0 });
        assert_eq!(span(&mut leases, B, 1), None);
        leases.let_go(A);
        assert_eq!(span(&mut leases, B, 9), Some((0, 3)));
    }
}
