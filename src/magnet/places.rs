//! The places for peers that are asked for metadata: how many are free, who may have to give one up, and whether more
//! peers should be looked for.

use super::search::{AskedPeer, MetadataSearch};
use crate::message::PeerKey;
use crate::strategy::{PeerCounts, Places, Supply};
use std::time::{Duration, Instant};

/// While others wait for its place, a peer may take so long to say that it has metadata.
const SILENT: Duration = Duration::from_secs(4);

impl MetadataSearch<'_> {
    /// How well we are supplied with peers. One that does not send the metadata is gone soon, so whoever is
    /// connected counts as sending it.
    pub(super) fn supply(&self, now: Instant) -> Supply {
        if self.places(now).free == 0 {
            return Supply::Good;
        }
        let candidates = self.dialer.candidates();
        let is_new = |peer: &&AskedPeer| !peer.is_greeted() && !candidates.has_failed(peer.address);
        let (untried, dead) = candidates.untried_and_dead();
        let serving = self.peers.values().filter(|peer| peer.is_greeted()).count();
        let promising = untried + self.dialer.first_attempts() + self.peers.values().filter(is_new).count();
        Supply::of(PeerCounts { serving, promising, dead })
    }

    /// How many of those that are asked have connected to us.
    pub(super) fn incoming_count(&self) -> usize {
        self.peers.values().filter(|peer| peer.incoming).count()
    }

    /// How many peers we may connect to.
    pub(super) fn places(&self, now: Instant) -> Places {
        let incoming = self.incoming_count();
        // We may always connect to one peer, however many incoming peers there are.
        let most = self.max_peers.saturating_sub(incoming).max(1);
        let free = most.saturating_sub(self.peers.len() - incoming);
        let for_untried = if free > 0 { 0 } else { self.silent(now).count() };
        Places { free, for_untried }
    }

    /// The peers that we connected to and that have not said in [`SILENT`] that they have metadata, or say that they have
    /// so much that there is no memory for it now. They keep their places while nobody else wants them.
    pub(super) fn silent(&self, now: Instant) -> impl Iterator<Item = PeerKey> {
        let late = move |peer: &AskedPeer| now.saturating_duration_since(peer.since) >= SILENT;
        let late = self.peers.iter().filter(move |(_, peer)| !peer.incoming && late(peer));
        late.map(|(key, _)| *key).filter(|key| {
            let assembly = self.context.assembly();
            !assembly.is_source(*key) || assembly.waits_for_room(*key)
        })
    }
}
