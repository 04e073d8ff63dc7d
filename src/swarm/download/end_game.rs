//! The end game: a peer that has nothing left to send helps the one that takes longest.
//!
//! Near the end every missing block was asked for, and the download takes as long as the slowest peer. So a
//! peer with an empty pipeline takes over from the peer whose pipeline will take longest to arrive: from the
//! far end of that pipeline, and about as many blocks as the two then finish together. The slow peer stays
//! asked. Whichever sends a block first wins, and the other hears `cancel`.
//!
//! The same helps when the memory budget is spent on pieces that a silent peer holds up. Then only blocks of
//! a peer that has sent nothing for a while are asked for again, since otherwise the budget frees itself and
//! asking twice is a waste.

use super::requests::Leased;
use crate::message::{Order, PeerKey};
use crate::piece::Block;
use crate::swarm::Coordinator;
use crate::swarm::peers::Peer;
use std::time::{Duration, Instant};

/// A peer that owes blocks and sent none for this long holds others up.
const HOLDS_UP: Duration = Duration::from_secs(2);
/// The rate of a peer whose rate is not known yet, in bytes a second.
const UNKNOWN_RATE: f64 = 1024.0;

impl Coordinator<'_> {
    /// Leases blocks that other peers owe us to a peer that has nothing else to send.
    pub(in crate::swarm) fn take_over(&mut self, key: PeerKey, most: u32, now: Instant) -> Vec<Leased> {
        let patience = HOLDS_UP.saturating_add(self.limited_wait());
        let Some(helper) = self.roster.get(key).filter(|peer| !peer.download.overtaken) else {
            return Vec::new();
        };
        let Some(allowed) = helper.may_be_asked() else { return Vec::new() };
        // It has no piece that could still be opened, whatever is left for other peers.
        let end_game = !self.pieces.rarity().can_choose_from(&helper.pieces);
        let helper_rate = known_rate(helper);
        let is_silent = |peer: &Peer| now.saturating_duration_since(peer.download.last_block) > patience;
        let mut others: Vec<(PeerKey, &Peer, f64)> = self
            .roster
            .all()
            .map(|(other, peer)| (other, peer, self.requests.count(other) as f64))
            .filter(|(other, peer, owed)| *other != key && *owed > 0.0 && (end_game || is_silent(peer)))
            .collect();
        let time_left = |(_, peer, owed): &(PeerKey, &Peer, f64)| owed / known_rate(peer);
        others.sort_by(|one, two| time_left(two).total_cmp(&time_left(one)));
        for (slow, peer, owed) in others {
            // A block that two peers owe us is left to them, unless this one is silent: then the helper takes its
            // place.
            let insist = is_silent(peer);
            let part = (owed * helper_rate / (helper_rate + known_rate(peer))).ceil() as usize;
            let part = part.clamp(1, most.max(1) as usize);
            let (taken, displaced) = self.requests.take_over(key, slow, &allowed, part, insist);
            if !taken.is_empty() {
                self.overtake(slow, displaced);
                return taken;
            }
        }
        Vec::new()
    }

    /// Another peer was asked for these blocks in place of this one, which was silent.
    fn overtake(&mut self, silent: PeerKey, blocks: Vec<Block>) {
        if let Some(peer) = self.roster.get_mut(silent).filter(|_| !blocks.is_empty()) {
            peer.download.overtaken = true;
            peer.order(Order::Cancel(blocks));
        }
    }
}

fn known_rate(peer: &Peer) -> f64 {
    peer.download.pipeline.rate().max(UNKNOWN_RATE)
}
