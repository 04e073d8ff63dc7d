//! Memory for open pieces: what this torrent may have of what all torrents of the process share.
//!
//! The budget (`strategy/download/budget.rs`) says how much would make the download faster. That much is claimed,
//! four times a second, and whenever there is none and a piece could be opened. A torrent that is complete, or whose
//! peers send nothing, claims nothing. Where others wait for memory, what a stored piece took is given back at once.

use crate::strategy::MemoryClaim;
use crate::swarm::Coordinator;
use std::time::Instant;

impl Coordinator<'_> {
    /// Allows more memory while that makes the download faster.
    pub(in crate::swarm) fn adjust_budget(&mut self, now: Instant) {
        let is_short = self.roster.senders().any(|(_, peer)| {
            peer.may_be_asked().is_some()
                && (peer.download.pipeline.is_held_by_memory()
                    || peer.download.pipeline.wanted_depth() > self.share_of_memory(peer.memory_parts())
                    || peer.download.starving
                    || peer.download.left_out)
        });
        // A larger window makes no reader faster.
        let waits = self.pieces.waits_for_reader();
        let is_short = is_short && !waits && !self.pieces.rarity().is_empty();
        self.budget.tick(self.statistics.bytes_received(), is_short, now);
        self.claim_memory(now);
        if self.budget.waits_for_memory(now).is_some() {
            // It is we who keep the peers waiting.
            self.statistics.excused(now);
        }
    }

    /// Claims the memory that could be used now, and gives the rest back.
    pub(in crate::swarm) fn claim_memory(&mut self, now: Instant) {
        let (used, piece) = (self.pieces.memory_used(), u64::from(self.geometry.piece_length()));
        let can_use_more = self.is_downloading()
            && self.roster.senders().any(|(_, peer)| peer.wanted > 0 && peer.may_be_asked().is_some());
        let more = if can_use_more { self.pieces.missing_bytes() } else { 0 };
        let wanted = self.budget.wanted().min(used.saturating_add(more)).max(used);
        let granted = self.environment.claim_memory(MemoryClaim { used, wanted, piece });
        self.budget.granted(granted, wanted, now);
        self.pieces.allow(self.budget.allowance(), !self.environment.is_memory_wanted());
    }

    /// Claims memory for a first piece, if there is none.
    pub(in crate::swarm) fn claim_first_piece(&mut self, now: Instant) {
        if self.pieces.memory_used() == 0 && !self.pieces.has_room() {
            self.claim_memory(now);
        }
    }

    /// Gives back what stored pieces took, if others wait for it.
    pub(in crate::swarm) fn give_memory_back(&mut self, now: Instant) {
        if self.environment.is_memory_wanted() {
            self.claim_memory(now);
        }
    }

    /// There is memory again, for which this torrent waited.
    pub(in crate::swarm) fn memory_is_free(&mut self, now: Instant) {
        self.claim_memory(now);
        self.fill_hungry(None, now);
    }
}
