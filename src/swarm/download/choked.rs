//! Peers that choke us, and what becomes of the requests that they will not answer. Whether such a peer is
//! asked again soon is for `strategy/download/standing.rs` to say.

use crate::message::{HangUp, PeerKey};
use crate::swarm::Coordinator;
use std::time::Instant;

impl Coordinator<'_> {
    /// A peer chokes us: it answers no request, except for its allowed-fast set.
    pub(in crate::swarm) fn choked(&mut self, key: PeerKey, now: Instant) {
        let owes = self.requests.count(key) > 0;
        let Some(peer) = self.roster.get_mut(key) else { return };
        (peer.flags.peer_choking, peer.flags.choking_since) = (true, now);
        peer.download.rejections = 0;
        let silence = owes.then(|| now.saturating_duration_since(peer.download.last_block));
        if !peer.download.standing.choked(silence, now) {
            self.disconnect(key, HangUp::ChokeFlood);
            return;
        }
        if peer.download.standing.rests(now) {
            // It may be our requests that it chokes us for: more than its queue has room for, or of several pieces.
            peer.download.pipeline.stalled(now);
        }
        // With BEP 6 it rejects each request by itself; without, it forgets them all.
        let rejects = peer.greeting.is_some_and(|greeting| greeting.fast);
        let freed = if rejects { Vec::new() } else { self.requests.take_back(key) };
        self.requests.release_exclusive(key);
        if !freed.is_empty() {
            // Others come first, whatever this one says next.
            self.fill_hungry(Some(key), now);
        }
    }

    /// A peer chokes us no longer.
    pub(in crate::swarm) fn unchoked(&mut self, key: PeerKey, now: Instant) {
        let owes = self.requests.count(key) > 0;
        let Some(peer) = self.roster.get_mut(key).filter(|peer| !peer.leaving) else { return };
        (peer.flags.peer_choking, peer.flags.choking_since) = (false, now);
        let is_new_turn = peer.download.standing.unchoked(now);
        // A peer that owes us blocks since before it choked us gets no new minute for them, and one that
        // chokes us for a moment only none at all.
        if !owes {
            peer.download.last_block = peer.download.standing.silent_since(now);
            peer.download.overtaken &= !is_new_turn;
        }
    }
}
