//! When everything is there: ends the download, or seeds until a goal is reached.

use crate::message::{HangUp, Order, PeerKey};
use crate::strategy::AttemptFailure;
use crate::swarm::{Coordinator, Phase};
use std::time::Instant;

impl Coordinator<'_> {
    /// If every wanted piece is on disk, tells the writer to finish, and disconnects the peers unless we are
    /// to seed.
    pub(in crate::swarm) fn finish_if_complete(&mut self, now: Instant) {
        if !self.is_downloading() || !self.pieces.is_done() {
            return;
        }
        if self.settings.uploads.seeding.is_none() {
            self.count_uploads(now);
            self.let_all_go(now);
        }
        if self.environment.finish_writing() {
            self.phase = Phase::Finishing;
        }
    }

    /// Disconnects every peer. If the writer finds that pieces were lost, they are needed once more.
    fn let_all_go(&mut self, now: Instant) {
        for (key, peer) in self.roster.all() {
            self.slots.left(key);
            if let Some(pieces) = peer.partial_pieces() {
                self.pieces.rarity_mut().lost_all(pieces);
            }
            for address in peer.dial.iter().chain(&peer.also_at) {
                self.dialer.candidates_mut().release(*address, now);
            }
        }
        self.tell_all_gone();
        self.roster.clear();
    }

    /// The download is safe on the disk. From here on we only upload.
    pub(in crate::swarm) fn begin_seeding(&mut self, now: Instant) {
        self.phase = Phase::Seeding { since: now };
        let snapshot = self.snapshot(now);
        self.environment.completed(snapshot);
        let keys: Vec<PeerKey> = self.roster.greeted().map(|(key, _)| key).collect();
        for key in keys {
            if let Some(peer) = self.roster.get(key)
                && let Some(greeting) = peer.greeting
            {
                peer.order(Order::UploadOnly(greeting));
            }
            self.part_from_seed(key, now);
        }
    }

    /// Disconnects a peer that wants nothing while we want nothing: a connection between two seeds is of no
    /// use.
    pub(in crate::swarm) fn part_from_seed(&mut self, key: PeerKey, now: Instant) {
        let seeding = self.is_seeding();
        let Some(peer) = self.roster.get_mut(key).filter(|peer| seeding && peer.wants_nothing()) else {
            return;
        };
        if let Some(address) = peer.dial.take() {
            self.dialer.failed(address, AttemptFailure::Banned, now);
        }
        self.disconnect(key, HangUp::BothSeeds);
    }

    /// Whether one of the user's goals is reached.
    pub(in crate::swarm) fn has_seeded_enough(&self, now: Instant) -> bool {
        let (Phase::Seeding { since }, Some(goals)) = (self.phase, self.settings.uploads.seeding) else {
            return false;
        };
        let payload = self.pieces.wanted_bytes().max(1) as f64;
        let ratio = self.statistics.bytes_uploaded() as f64 / payload;
        goals.ratio.is_some_and(|goal| ratio >= goal)
            || goals.time.is_some_and(|goal| now.saturating_duration_since(since) >= goal)
    }
}
