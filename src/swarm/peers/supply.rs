//! How well we are supplied with peers, which the sources of peers are told, and what is done when the host
//! was suspended or is in another network.

use crate::message::{HangUp, PeerKey};
use crate::strategy::{Interruption, PeerCounts, Supply};
use crate::swarm::Coordinator;
use crate::swarm::peers::Peer;
use std::time::{Duration, Instant};

/// A peer that sent a block in this time serves us, and a new one may do so that long.
const RECENT: Duration = Duration::from_secs(60);
/// After an interruption a peer that owes us blocks has this long to say something.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

impl Coordinator<'_> {
    /// Tells the sources of peers how well we are supplied, if they do not know.
    pub(in crate::swarm) fn report_supply(&mut self, now: Instant) {
        let supply = self.supply(now);
        if let Some(supply) = self.timers.supply_reports.next(supply, now) {
            self.environment.supply(supply);
        }
    }

    fn supply(&self, now: Instant) -> Supply {
        if !self.is_downloading() || self.free_places() == 0 {
            return Supply::Good;
        }
        let candidates = self.dialer.candidates();
        let is_recent = |time| now.saturating_duration_since(time) < RECENT;
        let serves = |peer: &Peer| {
            let download = &peer.download;
            peer.is_connected() && download.useful && download.snubs == 0 && is_recent(download.last_block)
        };
        // An address that failed before promises nothing: a dead one is tried again and again.
        let promises = |peer: &Peer| {
            is_recent(peer.since)
                && !peer.leaving
                && !peer.dial.is_some_and(|address| candidates.has_failed(address))
        };
        let (untried, dead) = candidates.untried_and_dead();
        let mut counts = PeerCounts { serving: 0, promising: untried + self.dialer.first_attempts(), dead };
        for (_, peer) in self.roster.peers() {
            match (serves(peer), promises(peer)) {
                (true, _) => counts.serving += 1,
                (false, true) => counts.promising += 1,
                (false, false) => {}
            }
        }
        Supply::of(counts)
    }

    /// Notices that the host was suspended or is in another network. Then no address and no server is kept waiting
    /// for what failed before, and peers that owe us blocks have to show soon that they are still there: their
    /// connections may be dead, which nothing would tell us. Where the interface that everything leaves by was made
    /// again, they all are.
    pub(in crate::swarm) fn look_around(&mut self, now: Instant) {
        if let Some(interruption) = self.environment.look_around(now) {
            if interruption == Interruption::NewInterface {
                let all: Vec<PeerKey> = self.roster.all().map(|(key, _)| key).collect();
                all.into_iter().for_each(|key| self.disconnect(key, HangUp::InterfaceGone));
            }
            self.dialer.candidates_mut().make_due(now);
            self.roster.web_seeds_mut().look_again();
            self.timers.dial = Some(now);
            let deadline = now + SIGN_OF_LIFE.saturating_add(self.limited_wait());
            let requests = &self.requests;
            let owing = self.roster.greeted_mut().filter(|(key, _)| requests.count(*key) > 0);
            owing.for_each(|(_, peer)| peer.download.must_speak_by = Some(deadline));
        }
        if self.is_disk_behind() {
            // Then the workers do not read.
            return;
        }
        let is_late = |key, peer: &Peer| {
            let owes = self.requests.count(key) > 0 || peer.download.overtaken;
            owes && peer.download.must_speak_by.is_some_and(|deadline| deadline <= now)
        };
        let late: Vec<PeerKey> =
            self.roster.greeted().filter(|(key, peer)| is_late(*key, peer)).map(|(key, _)| key).collect();
        late.into_iter().for_each(|key| self.disconnect(key, HangUp::NoSignOfLife));
    }
}
