//! What we requested from a peer: the gate that every block passes.
//!
//! The coordinator sends a [`Lease`] before the request leaves, so when the answer is here its lease
//! is too: either in the ledger already or in the channel. A block without a lease may be *late*: it was
//! requested twice, or given up in the meantime. Any other is *unasked*: it came twice, or was never
//! requested. That does no harm beyond its bytes. So it is dropped, and the peer is borne with as long as it
//! has sent at least as many blocks that we wanted; what is more than that is a flood.

use crate::message::Lease;
use crate::piece::{Assembly, Block};
use crossbeam_channel::Receiver;
use std::collections::HashMap;
use std::sync::Arc;

/// From this many pieces on, those that are done are taken out.
const MANY: usize = 64;

/// Blocks that a peer may send unasked beyond those that it was asked for.
const MAX_UNASKED: u32 = 32;

/// The leases of one peer.
#[derive(Debug)]
pub struct Ledger {
    leases: Receiver<Lease>,
    pieces: HashMap<u32, LedgerEntry>,
    /// How many blocks may still come for which the lease is gone.
    late: u32,
    /// How many unasked blocks it may still send.
    unasked_left: u32,
    /// A block has come that was asked for.
    served: bool,
    /// The number of pieces at which those that are done are next taken out.
    clean_at: usize,
}

#[derive(Debug)]
struct LedgerEntry {
    assembly: Arc<Assembly>,
    /// The blocks that were requested and have not come, as bits.
    requested: Vec<u64>,
}

/// Whether a block was requested.
#[derive(Debug)]
pub enum BlockClaim {
    /// It was, and belongs here.
    Leased(Arc<Assembly>),
    /// It was once. It is of no use any more.
    Late,
    /// It was not, or it came before. It is of no use.
    Unasked,
    /// Nor were many before it.
    Flood,
}

impl Ledger {
    /// An empty ledger that takes its leases from this channel.
    pub fn new(leases: Receiver<Lease>) -> Ledger {
        Ledger {
            leases,
            pieces: HashMap::new(),
            late: 0,
            unasked_left: MAX_UNASKED,
            served: false,
            clean_at: MANY,
        }
    }

    /// Takes out a block that came.
    pub fn claim(&mut self, block: Block) -> BlockClaim {
        self.enter_leases();
        match self.take_out(block) {
            Some(assembly) => {
                self.unasked_left = self.unasked_left.saturating_add(1);
                self.served = true;
                BlockClaim::Leased(assembly)
            }
            None if self.late > 0 => {
                self.late -= 1;
                BlockClaim::Late
            }
            None => match self.unasked_left.checked_sub(1) {
                Some(left) => {
                    self.unasked_left = left;
                    BlockClaim::Unasked
                }
                None => BlockClaim::Flood,
            },
        }
    }

    /// Whether a block has come that was asked for.
    pub fn has_been_served(&self) -> bool {
        self.served
    }

    /// Takes out a block that the peer rejects. False where it was not requested.
    pub fn reject(&mut self, block: Block) -> bool {
        self.enter_leases();
        self.take_out(block).is_some()
    }

    /// Where the leases come from. It disconnects when the coordinator lets go of the worker.
    pub fn leases(&self) -> &Receiver<Lease> {
        &self.leases
    }

    /// Enters the leases that have come.
    pub fn enter_leases(&mut self) {
        while let Ok(lease) = self.leases.try_recv() {
            self.enter(&lease);
        }
        self.clean();
    }

    /// Enters a lease.
    pub fn enter(&mut self, lease: &Lease) {
        let entry = self
            .pieces
            .entry(lease.span.piece.get())
            .or_insert_with(|| LedgerEntry { assembly: Arc::clone(&lease.assembly), requested: Vec::new() });
        if !Arc::ptr_eq(&entry.assembly, &lease.assembly) {
            // The piece was wrong and is put together anew: its blocks that are still to come are of no use.
            self.late = self.late.saturating_add(entry.outstanding());
            *entry = LedgerEntry { assembly: Arc::clone(&lease.assembly), requested: Vec::new() };
        }
        for block in lease.span.blocks() {
            if !entry.request(block.number) {
                self.late = self.late.saturating_add(1);
            }
        }
    }

    fn clean(&mut self) {
        if self.pieces.len() >= self.clean_at {
            let late = &mut self.late;
            self.pieces.retain(|_, entry| {
                let done = entry.assembly.is_done();
                if done {
                    *late = late.saturating_add(entry.outstanding());
                }
                !done
            });
            self.clean_at = MANY.max(self.pieces.len() * 2);
        }
    }

    fn take_out(&mut self, block: Block) -> Option<Arc<Assembly>> {
        let entry = self.pieces.get_mut(&block.piece.get())?;
        let word = entry.requested.get_mut(block.number as usize / 64)?;
        let bit = 1 << (block.number % 64);
        if *word & bit == 0 {
            return None;
        }
        *word &= !bit;
        if entry.outstanding() == 0 {
            return self.pieces.remove(&block.piece.get()).map(|entry| entry.assembly);
        }
        Some(Arc::clone(&entry.assembly))
    }
}

impl LedgerEntry {
    /// Enters a block. False where it was entered before and has not come.
    fn request(&mut self, block: u32) -> bool {
        let at = block as usize / 64;
        if self.requested.len() <= at {
            self.requested.resize(at + 1, 0);
        }
        let bit = 1 << (block % 64);
        self.requested.get_mut(at).is_some_and(|word| {
            let new = *word & bit == 0;
            *word |= bit;
            new
        })
    }

    fn outstanding(&self) -> u32 {
        self.requested.iter().map(|word| word.count_ones()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::piece::{Geometry, PieceDigest, Span};
    use crossbeam_channel::unbounded;

    #[test]
    fn a_block_is_claimed_once_and_a_block_that_was_not_requested_is_unasked() {
        let geometry = Geometry::new(1 << 20, 1 << 18).unwrap();
        let piece = geometry.piece(1).unwrap();
        let (sender, leases) = unbounded();
        let mut ledger = Ledger::new(leases);
        let block = |number| Block { piece, number };
        assert!(matches!(ledger.claim(block(0)), BlockClaim::Unasked));
        let assembly = Arc::new(Assembly::new(&geometry, piece, PieceDigest::default(), Vec::new()));
        let lease =
            |first, count| Lease { assembly: Arc::clone(&assembly), span: Span { piece, first, count } };
        sender.send(lease(0, 3)).unwrap();
        assert!(matches!(ledger.claim(block(1)), BlockClaim::Leased(_)));
        assert!(matches!(ledger.claim(block(1)), BlockClaim::Unasked));
        assert!(ledger.reject(block(2)) && !ledger.reject(block(2)));
        assert!(matches!(ledger.claim(block(3)), BlockClaim::Unasked));
        assert!(matches!(ledger.claim(block(0)), BlockClaim::Leased(_)));
        // Requested twice: the second answer is late, not unasked.
        sender.send(lease(0, 1)).unwrap();
        sender.send(lease(0, 1)).unwrap();
        assert!(matches!(ledger.claim(block(0)), BlockClaim::Leased(_)));
        assert!(!ledger.reject(block(0)));
        assert!(matches!(ledger.claim(block(0)), BlockClaim::Late));
        assert!(matches!(ledger.claim(block(0)), BlockClaim::Unasked));
    }

    #[test]
    fn a_peer_that_sends_every_block_twice_is_borne_with_and_a_flood_of_unasked_blocks_is_not() {
        let geometry = Geometry::new(1 << 24, 1 << 24).unwrap();
        let piece = geometry.piece(0).unwrap();
        let (sender, leases) = unbounded();
        let mut ledger = Ledger::new(leases);
        let assembly = Arc::new(Assembly::new(&geometry, piece, PieceDigest::default(), Vec::new()));
        sender.send(Lease { assembly, span: Span { piece, first: 0, count: 1024 } }).unwrap();
        for number in 0..512 {
            let block = Block { piece, number };
            assert!(matches!(ledger.claim(block), BlockClaim::Leased(_)));
            assert!(matches!(ledger.claim(block), BlockClaim::Unasked));
        }
        let again = Block { piece, number: 0 };
        let borne = (0..1000).take_while(|_| matches!(ledger.claim(again), BlockClaim::Unasked)).count();
        assert_eq!(borne, MAX_UNASKED as usize);
        assert!(matches!(ledger.claim(again), BlockClaim::Flood));
    }
}
