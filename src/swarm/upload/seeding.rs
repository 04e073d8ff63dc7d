//! When everything is there: going on for the others, and until when.

use crate::message::{HangUp, Order, PeerKey, Write};
use crate::strategy::Failure;
use crate::swarm::{Coordinator, Phase};
use std::time::{Duration, Instant};

/// How long to seed. Where neither is given, until the user ends it; whichever comes first, where both
/// are.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Goals {
    /// Until so many times the payload was uploaded in this run.
    pub ratio: Option<f64>,
    /// For so long.
    pub time: Option<Duration>,
}

impl Coordinator<'_> {
    /// Everything that is wanted is on disk: have the writer finish, and let the peers go where we do not seed.
    pub(in crate::swarm) fn finish_if_complete(&mut self) {
        if self.phase != Phase::Downloading || !self.pieces.is_done() {
            return;
        }
        if self.giving.seeding.is_none() {
            self.count_uploads(Instant::now());
            self.roster.clear();
        }
        // The writer has stored every piece, so its channel has room.
        if self.shared.writer.try_send(Write::Finish).is_ok() {
            self.phase = Phase::Finishing;
        }
    }

    /// Whether the run is about to end, and nobody new is of any use.
    pub(in crate::swarm) fn is_leaving(&self) -> bool {
        self.phase == Phase::Finishing && self.giving.seeding.is_none()
    }

    /// The download is safe. From here on we only give.
    pub(in crate::swarm) fn begin_seeding(&mut self, now: Instant) {
        self.phase = Phase::Seeding;
        self.seeding_since = now;
        let snapshot = self.snapshot(now);
        (self.doors.completed)(snapshot);
        let keys: Vec<PeerKey> = self.roster.greeted().map(|(key, _)| key).collect();
        for key in keys {
            if let Some(peer) = self.roster.get(key)
                && let Some(greeting) = peer.greeting
            {
                peer.order(Order::UploadOnly(greeting));
            }
            self.part_from_seed(key);
        }
    }

    /// Two that want nothing have nothing to say to each other.
    pub(in crate::swarm) fn part_from_seed(&mut self, key: PeerKey) {
        let seeding = self.phase == Phase::Seeding;
        let Some(peer) = self.roster.get_mut(key).filter(|peer| seeding && peer.wants_nothing()) else {
            return;
        };
        let dial = peer.dial.take();
        if let Some(address) = dial {
            self.candidates.failed(address, Failure::Never, Instant::now(), &mut self.random);
        }
        self.let_go(key, HangUp::BothSeeds);
    }

    /// Whether the user's goals are reached.
    pub(in crate::swarm) fn has_seeded_enough(&self, now: Instant) -> bool {
        let Some(goals) = self.giving.seeding.filter(|_| self.phase == Phase::Seeding) else { return false };
        let seeded = now.saturating_duration_since(self.seeding_since);
        let ratio = goals.ratio.is_some_and(|ratio| self.ratio() >= ratio);
        ratio || goals.time.is_some_and(|time| seeded >= time)
    }

    /// How many times the payload was uploaded in this run.
    fn ratio(&self) -> f64 {
        self.counters.uploaded as f64 / self.pieces.wanted_bytes().max(1) as f64
    }
}
