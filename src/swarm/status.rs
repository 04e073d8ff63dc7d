//! What the screen is told.

use super::{Coordinator, Phase};
use crate::message::{Snapshot, Stall};
use std::time::{Duration, Instant};

/// When nothing moved for so long, the user is told why.
const STALLED: Duration = Duration::from_secs(10);

impl Coordinator<'_> {
    /// How the download stands.
    pub(super) fn snapshot(&self, now: Instant) -> Snapshot {
        Snapshot {
            done: self.pieces.stored_bytes(),
            total: self.pieces.wanted_bytes(),
            left: self.geometry.total_size().saturating_sub(self.pieces.stored_bytes()),
            rate: self.counters.down.per_second(),
            uploaded: self.counters.uploaded,
            up_rate: self.counters.up.per_second(),
            peers: self.roster.greeted().count(),
            seeds: self.roster.greeted().filter(|(_, peer)| peer.is_seed()).count(),
            unchoked: self.roster.greeted().filter(|(_, peer)| peer.unchoked).count(),
            received: self.counters.received,
            wasted: self.counters.wasted,
            interested: self.roster.greeted().filter(|(_, peer)| peer.wants_ours).count(),
            served: self.roster.greeted().filter(|(key, _)| self.choker.is_unchoked(*key)).count(),
            finishing: self.phase == Phase::Finishing,
            seeding: self.phase == Phase::Seeding,
            stall: self.stall(now),
        }
    }

    fn stall(&self, now: Instant) -> Option<Stall> {
        let moving = now.saturating_duration_since(self.counters.progress) < STALLED;
        if moving || self.phase != Phase::Downloading {
            return None;
        }
        let greeted = || self.roster.greeted().map(|(_, peer)| peer);
        Some(if self.disk_is_behind() {
            Stall::SlowDisk
        } else if self.candidates.known() == 0 && greeted().next().is_none() {
            Stall::NoPeers(self.tracker_trouble.clone())
        } else if greeted().next().is_none() {
            Stall::Unreachable(self.candidates.known(), self.peer_trouble.clone())
        } else if greeted().all(|peer| peer.wanted == 0) {
            Stall::NobodyHas(self.first_missing())
        } else if greeted().filter(|peer| peer.wanted > 0).all(|peer| !peer.unchoked) {
            Stall::AllChoke
        } else {
            Stall::Silent
        })
    }

    /// Whether peers wait for us because we wait for the disk.
    pub(super) fn disk_is_behind(&self) -> bool {
        let no_room = self.counters.verified_waiting > 0 && !self.pieces.has_room();
        no_room || self.shared.writer.is_full()
    }

    /// The number of a piece that nobody has, or else of the first that we miss.
    fn first_missing(&self) -> u32 {
        let nobodys = self.pieces.rarity().without_partial_peer();
        let missing = || self.geometry.pieces().find(|piece| self.pieces.wants(*piece));
        nobodys.or_else(missing).map_or(0, |piece| piece.get())
    }
}

/// A rate that is quick to follow, for people to look at.
#[derive(Debug)]
pub(super) struct Gauge {
    rate: f64,
    counted: u64,
    at: Instant,
}

impl Gauge {
    pub(super) fn new(now: Instant) -> Gauge {
        Gauge { rate: 0.0, counted: 0, at: now }
    }

    /// Several times a second: how many bytes have passed in all.
    pub(super) fn tick(&mut self, bytes: u64, now: Instant) {
        let seconds = now.saturating_duration_since(self.at).as_secs_f64().max(1e-3);
        let seen = bytes.saturating_sub(self.counted) as f64 / seconds;
        // What was known before loses half of its weight every two seconds.
        let old = if self.rate == 0.0 { 0.0 } else { 0.5_f64.powf(seconds / 2.0) };
        *self = Gauge { rate: self.rate * old + seen * (1.0 - old), counted: bytes, at: now };
    }

    pub(super) fn per_second(&self) -> f64 {
        self.rate
    }
}
