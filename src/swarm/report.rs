//! What the screen is told.

use super::Coordinator;
use crate::message::{Snapshot, Stall};
use std::time::{Duration, Instant};

/// When nothing moved for so long, the user is told why.
const STALLED: Duration = Duration::from_secs(10);

impl Coordinator<'_> {
    /// How the download stands.
    pub(super) fn snapshot(&self, now: Instant) -> Snapshot {
        Snapshot {
            done: self.pieces.stored_bytes(),
            total: self.geometry.total_size(),
            rate: self.counters.rate,
            peers: self.roster.greeted().count(),
            seeds: self.roster.greeted().filter(|(_, peer)| peer.is_seed()).count(),
            unchoked: self.roster.greeted().filter(|(_, peer)| peer.unchoked).count(),
            received: self.counters.received,
            wasted: self.counters.wasted,
            finishing: self.finishing,
            stall: self.stall(now),
        }
    }

    fn stall(&self, now: Instant) -> Option<Stall> {
        let moving = now.saturating_duration_since(self.counters.progress) < STALLED;
        if moving || self.finishing || self.pieces.is_complete() {
            return None;
        }
        let greeted = || self.roster.greeted().map(|(_, peer)| peer);
        Some(if self.disk_is_behind() {
            Stall::SlowDisk
        } else if self.candidates.known() == 0 {
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
        let nobodys = self.pieces.rarity().nobodys();
        let missing = || self.geometry.pieces().find(|piece| !self.pieces.stored().has(*piece));
        nobodys.or_else(missing).map_or(0, |piece| piece.get())
    }
}
