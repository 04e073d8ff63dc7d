//! Tells the choker (`strategy/upload/choker/`) how the peers do, and sends the orders that follow from its
//! decisions.

use crate::message::Order;
use crate::strategy::{self, ChokerPeer};
use crate::swarm::Coordinator;
use log::debug;
use std::time::Instant;

impl Coordinator<'_> {
    /// Has the choker look at the peers.
    pub(in crate::swarm) fn rechoke(&mut self, now: Instant) {
        let views: Vec<ChokerPeer> = self
            .roster
            .greeted()
            .map(|(key, peer)| ChokerPeer {
                key,
                peer_interested: peer.flags.peer_interested && !peer.is_seed(),
                download_rate: peer.download.rate.per_second(),
                upload_rate: peer.upload.rate.per_second(),
                snubbing: peer.download.snubs > 0,
                connected_at: peer.since,
                interested_after: peer.upload.interested_after,
                asked_at: peer.upload.asked_at,
                counted_at: peer.upload.counted_at,
            })
            .collect();
        let (seeding, slots) = (self.is_seeding(), self.slot_count());
        for (key, unchoke) in self.slots.decide(&views, seeding, slots, now, &mut self.random) {
            if let Some(peer) = self.roster.get(key) {
                debug!("{}: {}", peer.address, if unchoke { "unchoked by us" } else { "choked by us" });
                let name = if unchoke { "unchoke" } else { "choke" };
                peer.worker.explain(name, 1, || self.slots.reason(key, seeding).to_owned());
                peer.order(if unchoke { Order::Unchoke } else { Order::Choke });
            }
        }
    }

    /// How many peers we upload to at once.
    fn slot_count(&self) -> usize {
        match self.settings.uploads.limit {
            Some(0) => 0,
            Some(limit) => strategy::unchoke_slots(limit as f64),
            None => strategy::unchoke_slots(self.statistics.upload_rate()),
        }
    }
}
