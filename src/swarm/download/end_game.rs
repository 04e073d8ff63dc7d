//! The end game: who has nothing left to fetch helps the one that takes longest.
//!
//! Near the end every block that is missing was asked for, and the download takes as long as the
//! slowest peer. So a peer with an empty pipeline takes over from the peer whose pipeline will take
//! longest to arrive: from its far end, and about as many blocks as the two then finish together. The
//! slow peer stays asked; whoever sends a block first wins and the other hears `cancel`.
//!
//! The same helps when the memory budget is spent on pieces that a silent peer holds up. Then only
//! blocks of a peer that has sent nothing for a while are asked for again, since otherwise the budget
//! frees itself and asking twice is a waste.

use crate::message::PeerKey;
use crate::piece::{Assembly, Span};
use crate::swarm::Coordinator;
use crate::swarm::peers::Peer;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A peer that owes blocks and sent none for this long holds others up.
const HOLDS_UP: Duration = Duration::from_secs(2);
/// A rate for a peer whose rate is not known yet, in bytes a second.
const UNKNOWN_RATE: f64 = 1024.0;

impl Coordinator<'_> {
    /// Leases blocks that others were asked for, to a peer that has nothing else to do.
    pub(in crate::swarm) fn take_over(
        &mut self,
        key: PeerKey,
        most: u32,
        now: Instant,
    ) -> Vec<(Span, Arc<Assembly>)> {
        let holds_up = HOLDS_UP.saturating_add(self.limited_wait());
        let Some(helper) = self.roster.get(key) else { return Vec::new() };
        let Some(allowed) = helper.may_be_asked() else { return Vec::new() };
        // Nothing else is left for it, whatever others may still have to do.
        let end_game = !self.pieces.rarity().can_choose_from(&helper.has);
        let helper_rate = helper.pipeline.rate().max(UNKNOWN_RATE);
        let mut others: Vec<&Peer> = self
            .roster
            .all()
            .filter(|(other, peer)| *other != key && !peer.in_flight.is_empty())
            .filter(|(_, peer)| end_game || now.saturating_duration_since(peer.last_block) > holds_up)
            .map(|(_, peer)| peer)
            .collect();
        others.sort_by(|one, two| two.time_left().total_cmp(&one.time_left()));
        let leases = &mut self.leases;
        for slow in others {
            let insist = now.saturating_duration_since(slow.last_block) > holds_up;
            let their_rate = slow.pipeline.rate().max(UNKNOWN_RATE);
            let owed = slow.in_flight.len() as f64;
            let part = (owed * helper_rate / (helper_rate + their_rate)).ceil() as usize;
            // What a third peer has taken over already is passed over, unless both are slow.
            let taken: Vec<_> = slow
                .in_flight
                .iter()
                .rev()
                .filter(|block| allowed.allows(block.piece))
                .filter_map(|block| {
                    let assembly = leases.lease_again(key, *block, insist)?;
                    Some((Span { piece: block.piece, first: block.number, count: 1 }, assembly))
                })
                .take(part.clamp(1, most as usize))
                .collect();
            if !taken.is_empty() {
                return taken;
            }
        }
        Vec::new()
    }
}

impl Peer {
    /// Seconds until what it was asked for has come.
    fn time_left(&self) -> f64 {
        self.in_flight.len() as f64 / self.pipeline.rate().max(UNKNOWN_RATE)
    }
}
