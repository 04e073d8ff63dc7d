//! Whom we upload to: what the choker (`strategy/upload/choker/`) is told, and what it decides.

use crate::message::{Order, PeerKey};
use crate::strategy::{self, View};
use crate::swarm::{Coordinator, Phase};
use log::debug;
use std::time::{Duration, Instant};

/// Between two looks of the choker at the peers, but for those at each tick.
const BETWEEN_CHOKES: Duration = Duration::from_millis(10);

impl Coordinator<'_> {
    /// Has the choker look at the peers.
    pub(in crate::swarm) fn rechoke(&mut self, now: Instant) {
        self.rechoked = now;
        self.rechoke_at = None;
        let views: Vec<View<PeerKey>> = self
            .roster
            .greeted()
            .map(|(key, peer)| View {
                key,
                interested: peer.wants_ours && !peer.is_seed(),
                gives: peer.gives.per_second(),
                takes: peer.takes.per_second(),
                snubs: peer.snubs > 0,
                since: peer.since,
            })
            .collect();
        let seeding = self.phase == Phase::Seeding;
        let slots = self.slots();
        for (key, unchoke) in self.choker.decide(&views, seeding, slots, now, &mut self.random) {
            if let Some(peer) = self.roster.get_mut(key) {
                debug!("{}: {}", peer.address, if unchoke { "we unchoke it" } else { "we choke it" });
                peer.order(if unchoke { Order::Unchoke } else { Order::Choke });
            }
        }
    }

    /// The same for a change that should not wait for the next tick. Only so soon, since such changes may
    /// come thick and fast: a peer may say ten thousand times a second that it is interested, and that it
    /// is not.
    pub(in crate::swarm) fn rechoke_soon(&mut self, now: Instant) {
        let due = self.rechoked + BETWEEN_CHOKES;
        if due <= now {
            self.rechoke(now);
        } else {
            self.rechoke_at = Some(due);
        }
    }

    /// How many peers we upload to at once.
    fn slots(&self) -> usize {
        match self.giving.limit {
            Some(0) => 0,
            Some(limit) => strategy::slots(limit as f64),
            None => strategy::slots(self.counters.upload_rate.per_second()),
        }
    }
}
