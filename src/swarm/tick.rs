//! What time brings: rates, silent peers, the end of patience.

use super::{Coordinator, Phase, RunEnd};
use crate::message::{HangUp, Order, PeerKey};
use log::debug;
use std::time::{Duration, Instant};

/// A peer that owes us blocks and sends none for so long is snubbing us: others get its leases.
const SNUBBED: Duration = Duration::from_secs(60);
/// So many times in a row, and it may go.
const MAX_SNUBS: u32 = 3;
/// When the roster is full, a peer that gave nothing for so long makes room for another.
const IDLE: Duration = Duration::from_secs(90);

impl Coordinator<'_> {
    /// Runs four times a second.
    pub(super) fn tick(&mut self, now: Instant) -> Option<RunEnd> {
        self.counters.down.tick(self.counters.received, now);
        self.count_uploads(now);
        self.counters.only_takers = self.roster.greeted().filter(|(_, peer)| peer.wanted == 0).count();
        self.rechoke(now);
        self.super_seed_tick(now);
        let owing = self.roster.all_mut().filter(|(_, peer)| !peer.in_flight.is_empty());
        owing.for_each(|(_, peer)| peer.pipeline.tick(now));
        self.give_up_on_silent_peers(now);
        self.make_room(now);
        self.tell_of_others(now);
        self.spend(now);
        self.give_up_orphan();
        self.leases.share_overdue(now);
        self.fill_starving(now);
        let downloading = self.phase == Phase::Downloading;
        if self.candidates.waiting() == 0 && self.roster.len() < self.limits.max_peers && downloading {
            (self.doors.need_peers)();
        }
        if (self.doors.is_stopped)() {
            return Some(self.stopped());
        }
        let snapshot = self.snapshot(now);
        (self.doors.show)(snapshot);
        let waited = now.saturating_duration_since(self.counters.progress);
        let patience_ends = self.limits.timeout.is_some_and(|timeout| waited >= timeout);
        if self.has_seeded_enough(now) {
            return Some(RunEnd::Done);
        }
        (patience_ends && downloading).then_some(RunEnd::TimedOut)
    }

    /// More memory where it brings more speed.
    fn spend(&mut self, now: Instant) {
        let share = self.share_of_memory();
        let short = self.roster.greeted().any(|(_, peer)| {
            peer.may_be_asked().is_some() && (peer.pipeline.depth() > share || peer.starving)
        });
        let short = short && !self.pieces.rarity().is_empty();
        self.budget.tick(self.counters.received, short, now);
        self.pieces.allow(self.budget.allowance());
    }

    fn give_up_on_silent_peers(&mut self, now: Instant) {
        if self.disk_is_behind() {
            // It is we who keep them waiting.
            self.roster.all_mut().for_each(|(_, peer)| peer.last_block = now);
            return;
        }
        let snubbed = SNUBBED.saturating_add(self.limited_wait());
        let silent: Vec<PeerKey> = self
            .roster
            .all()
            .filter(|(_, peer)| !peer.in_flight.is_empty())
            .filter(|(_, peer)| now.saturating_duration_since(peer.last_block) >= snubbed)
            .map(|(key, _)| key)
            .collect();
        for key in silent {
            if let Some(peer) = self.roster.get_mut(key) {
                debug!("{}: no block in 60 s", peer.address);
                peer.snubs += 1;
                peer.pipeline.snubbed(now);
                peer.last_block = now;
                let blocks = peer.in_flight.iter().copied().collect();
                peer.order(Order::Cancel(blocks));
            }
            self.give_back_all(key);
            if self.roster.get(key).is_some_and(|peer| peer.snubs >= MAX_SNUBS) {
                self.let_go(key, HangUp::Snubbed);
            } else if let Some(peer) = self.roster.get_mut(key) {
                peer.starving = true;
            }
            self.fill_starving_but(key, now);
        }
    }

    fn make_room(&mut self, now: Instant) {
        let full = self.roster.len() >= self.limits.max_peers;
        if full && self.candidates.next_due().is_some_and(|due| due <= now) {
            self.let_idle_go(now);
        }
    }

    /// Lets the peer go that was of no use to either side for the longest time, if there is one.
    pub(super) fn let_idle_go(&mut self, now: Instant) -> bool {
        let idle = self
            .roster
            .greeted()
            // Who waits to be unchoked is not to blame.
            .filter(|(key, peer)| {
                let waits = peer.wants_ours && !self.choker.is_unchoked(*key);
                peer.in_flight.is_empty() && !waits
            })
            .map(|(key, peer)| (key, peer.last_block.max(peer.last_taken)))
            .filter(|(_, last)| now.saturating_duration_since(*last) >= IDLE)
            .min_by_key(|(_, last)| *last)
            .map(|(key, _)| key);
        if let Some(key) = idle {
            self.let_go(key, HangUp::Idle);
        }
        idle.is_some()
    }
}
