//! The places for peers that are asked for metadata: how many are free, who may have to give one up, and whether more
//! peers should be looked for.

use super::search::{AskedPeer, MetadataSearch};
use crate::message::PeerKey;
use crate::strategy::{PeerCounts, Places, Supply};
use std::time::{Duration, Instant};

/// While others wait for its place, a peer may take so long to say that it has metadata.
const SILENT: Duration = Duration::from_secs(4);
/// While others wait for its place, a peer may take so long to send the metadata. Most is sent in a second; who sends as
/// slowly as nobody forbids would keep an honest peer waiting for minutes, and many such ones for hours.
const SLOW: Duration = Duration::from_secs(20);

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
        let for_untried = if free > 0 { 0 } else { self.replaceable(now).count() };
        Places { free, for_untried }
    }

    /// The peers that we connected to and that have not said in [`SILENT`] that they have metadata, or say that they have
    /// so much that there is no memory for it now; behind them those that have not sent all of it in [`SLOW`]. They keep
    /// their places while nobody else wants them, and of the slow ones as many as have a quarter of the places in any
    /// case: what a peer has sent is kept as long as one is there that has the same.
    pub(super) fn replaceable(&self, now: Instant) -> impl Iterator<Item = PeerKey> {
        let late = |patience| {
            let late = move |peer: &AskedPeer| now.saturating_duration_since(peer.since) >= patience;
            let late = self.peers.iter().filter(move |(_, peer)| !peer.incoming && late(peer));
            late.map(|(key, _)| *key)
        };
        let is_silent = |key: &PeerKey| {
            let assembly = self.context.assembly();
            !assembly.is_source(*key) || assembly.waits_for_room(*key)
        };
        let slow = late(SLOW).filter(move |key| !is_silent(key)).skip(self.max_peers.div_ceil(4));
        late(SILENT).filter(is_silent).chain(slow)
    }
}
