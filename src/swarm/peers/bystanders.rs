//! Peers that came in and do nothing: when the places are full, they make room for newcomers.
//!
//! To be let in costs a stranger nothing, so a place must not be a possession. A peer that has neither asked
//! for anything nor has anything for us keeps its place for a few seconds, in which it can show what it came
//! for. After that it keeps it for as long as nobody else comes. A peer that waits for an upload slot does
//! nothing, but that is not its fault. One that has had a slot for a second and asked for nothing waits for nothing.

use crate::message::{HangUp, PeerError, PeerKey};
use crate::swarm::Coordinator;
use crate::swarm::peers::Peer;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// For how long after it came a peer may do nothing, if we seed...
const FIRST_STEPS: Duration = Duration::from_secs(2);
/// ...if it has not said yet that it is interested, which it cannot do before it was told what we have. So a peer that
/// is far away needs a round trip of its line for it...
const FIRST_STEPS_IN_SILENCE: Duration = Duration::from_secs(5);
/// ...and while something is missing. It may well get a piece that we want.
const FIRST_STEPS_OF_A_SOURCE: Duration = Duration::from_secs(30);
/// A peer that did something within this time is doing something.
const LATELY: Duration = Duration::from_secs(90);

impl Coordinator<'_> {
    /// Disconnects a peer that does nothing, so that a newcomer can have its place. Those from networks that
    /// are known for it go first, and a newcomer from such a network waits until others have had the time to
    /// show what they came for.
    pub(in crate::swarm) fn disconnect_bystander(
        &mut self,
        newcomer: IpAddr,
        may_go: fn(&Peer) -> bool,
        now: Instant,
    ) -> bool {
        let is_known = |ip| self.roster.is_bystander(ip, now);
        let downloading = self.is_downloading();
        let patience = |peer: &Peer| match peer.upload.interested_after {
            _ if downloading => FIRST_STEPS_OF_A_SOURCE,
            None => FIRST_STEPS_IN_SILENCE,
            Some(_) => FIRST_STEPS,
        };
        let newcomer_is_known = is_known(newcomer);
        let bystanders =
            self.roster.greeted().filter(|(key, peer)| may_go(peer) && self.does_nothing(*key, peer, now));
        let may_go = bystanders.filter_map(|(key, peer)| {
            let is_known = is_known(peer.address.ip());
            let had_its_time = now.saturating_duration_since(peer.since) >= patience(peer);
            (had_its_time || (is_known && !newcomer_is_known)).then_some((!is_known, peer.since, key))
        });
        let Some((_, _, key)) = may_go.min() else { return false };
        if let Some(peer) = self.roster.get(key) {
            let from = peer.address.ip();
            self.roster.bystanders().note(from, now);
        }
        self.disconnect(key, HangUp::Idle);
        true
    }

    /// A peer has left. Remembers where it came from, if it did nothing.
    pub(in crate::swarm) fn note_bystander(
        &mut self,
        key: PeerKey,
        peer: &Peer,
        why: &PeerError,
        now: Instant,
    ) {
        if !matches!(why, PeerError::HungUp(_)) && peer.is_incoming() && self.does_nothing(key, peer, now) {
            self.roster.bystanders().note(peer.address.ip(), now);
        }
    }

    /// Whether a peer neither gives us anything, nor can, nor makes use of what we give.
    fn does_nothing(&self, key: PeerKey, peer: &Peer, now: Instant) -> bool {
        let is_recent = |at: Instant| now.saturating_duration_since(at) < LATELY;
        let gives = peer.wanted > 0
            || self.requests.count(key) > 0
            || (peer.download.useful && is_recent(peer.download.last_block));
        let takes = peer.upload.asked_at.is_some_and(is_recent);
        let waits = peer.flags.peer_interested && !self.slots.had_its_time(key, now);
        !gives && !takes && !waits
    }
}
