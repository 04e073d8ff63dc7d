//! What this peer was asked for: the gate that every block passes.
//!
//! The coordinator sends a [`Lease`] before the request leaves, so when the answer is here its lease
//! is too: either in the book already or in the channel. A block without a lease is one that nobody
//! asked for, and ends the connection, but for the few that can be late: what was asked for twice, or
//! what was given up in the meantime.

use crate::message::Lease;
use crate::piece::{Assembly, Block};
use crossbeam_channel::Receiver;
use std::collections::HashMap;
use std::sync::Arc;

/// From this many pieces on, those that are done are struck out.
const MANY: usize = 64;

/// The leases of one peer.
#[derive(Debug)]
pub struct Ledger {
    leases: Receiver<Lease>,
    pieces: HashMap<u32, Entry>,
    /// How many blocks may still come for which the lease is gone.
    late: u32,
    /// The next size at which the book is cleaned.
    clean_at: usize,
}

#[derive(Debug)]
struct Entry {
    assembly: Arc<Assembly>,
    /// The blocks that were asked for and have not come, as bits.
    asked: Vec<u64>,
}

/// Whether a block was asked for.
#[derive(Debug)]
pub enum Claim {
    /// It was, and belongs here.
    Leased(Arc<Assembly>),
    /// It was once. It is of no use any more.
    Late,
    /// It never was.
    Never,
}

impl Ledger {
    /// An empty book that takes its leases from this channel.
    pub fn new(leases: Receiver<Lease>) -> Ledger {
        Ledger { leases, pieces: HashMap::new(), late: 0, clean_at: MANY }
    }

    /// Strikes a block that came.
    pub fn claim(&mut self, block: Block) -> Claim {
        self.take_in();
        match self.strike(block) {
            Some(assembly) => Claim::Leased(assembly),
            None if self.late > 0 => {
                self.late -= 1;
                Claim::Late
            }
            None => Claim::Never,
        }
    }

    /// Strikes a block that the peer refuses. False where it was not asked for it.
    pub fn reject(&mut self, block: Block) -> bool {
        self.take_in();
        self.strike(block).is_some()
    }

    /// Enters the leases that have come.
    pub fn take_in(&mut self) {
        while let Ok(lease) = self.leases.try_recv() {
            let entry = self
                .pieces
                .entry(lease.span.piece.get())
                .or_insert_with(|| Entry { assembly: Arc::clone(&lease.assembly), asked: Vec::new() });
            if !Arc::ptr_eq(&entry.assembly, &lease.assembly) {
                // The piece was wrong and is put together anew: what is still to come is of no use.
                self.late = self.late.saturating_add(entry.outstanding());
                *entry = Entry { assembly: Arc::clone(&lease.assembly), asked: Vec::new() };
            }
            for block in lease.span.blocks() {
                if !entry.ask(block.number) {
                    self.late = self.late.saturating_add(1);
                }
            }
        }
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

    fn strike(&mut self, block: Block) -> Option<Arc<Assembly>> {
        let entry = self.pieces.get_mut(&block.piece.get())?;
        let word = entry.asked.get_mut(block.number as usize / 64)?;
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

impl Entry {
    fn ask(&mut self, block: u32) -> bool {
        let at = block as usize / 64;
        if self.asked.len() <= at {
            self.asked.resize(at + 1, 0);
        }
        let bit = 1 << (block % 64);
        self.asked.get_mut(at).is_some_and(|word| {
            let new = *word & bit == 0;
            *word |= bit;
            new
        })
    }

    fn outstanding(&self) -> u32 {
        self.asked.iter().map(|word| word.count_ones()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::piece::{Geometry, PieceDigest, Span};
    use crossbeam_channel::unbounded;

    #[test]
    fn a_block_is_claimed_once_and_what_nobody_asked_for_never() {
        let geometry = Geometry::new(1 << 20, 1 << 18).unwrap();
        let piece = geometry.piece(1).unwrap();
        let (sender, leases) = unbounded();
        let mut ledger = Ledger::new(leases);
        let block = |number| Block { piece, number };
        assert!(matches!(ledger.claim(block(0)), Claim::Never));
        let assembly = Arc::new(Assembly::new(&geometry, piece, PieceDigest::default(), Vec::new()));
        let lease =
            |first, count| Lease { assembly: Arc::clone(&assembly), span: Span { piece, first, count } };
        sender.send(lease(0, 3)).unwrap();
        assert!(matches!(ledger.claim(block(1)), Claim::Leased(_)));
        assert!(matches!(ledger.claim(block(1)), Claim::Never));
        assert!(ledger.reject(block(2)) && !ledger.reject(block(2)));
        assert!(matches!(ledger.claim(block(3)), Claim::Never));
        assert!(matches!(ledger.claim(block(0)), Claim::Leased(_)));
        // Asked for twice: the second answer is late, not unasked.
        sender.send(lease(0, 1)).unwrap();
        sender.send(lease(0, 1)).unwrap();
        assert!(matches!(ledger.claim(block(0)), Claim::Leased(_)));
        assert!(!ledger.reject(block(0)));
        assert!(matches!(ledger.claim(block(0)), Claim::Late));
        assert!(matches!(ledger.claim(block(0)), Claim::Never));
    }
}
