//! What time brings: rates, silent peers, the end of patience.

use super::{Coordinator, End};
use crate::message::{Order, PeerKey};
use log::debug;
use std::time::{Duration, Instant};

/// A peer that owes us blocks and sends none for so long is snubbing us: others get its leases.
const SNUBBED: Duration = Duration::from_secs(60);
/// So many times in a row, and it may go.
const MOST_SNUBS: u32 = 3;
/// When the roster is full, a peer that gave nothing for so long makes room for another.
const IDLE: Duration = Duration::from_secs(90);

impl Coordinator<'_> {
    /// Runs four times a second.
    pub(super) fn tick(&mut self, now: Instant) -> Option<End> {
        self.measure(now);
        let owing = self.roster.all_mut().filter(|(_, peer)| !peer.in_flight.is_empty());
        owing.for_each(|(_, peer)| peer.pipeline.tick(now));
        self.give_up_on_silent_peers(now);
        self.make_room(now);
        self.spend(now);
        self.give_up_orphan();
        self.leases.share_overdue(now);
        self.fill_starving(now);
        if self.candidates.waiting() == 0 && self.roster.len() < self.limits.max_peers && !self.finishing {
            (self.doors.need_peers)();
        }
        if (self.doors.is_stopped)() {
            return Some(End::Stopped);
        }
        let snapshot = self.snapshot(now);
        (self.doors.show)(snapshot);
        let waited = now.saturating_duration_since(self.counters.progress);
        let patience_ends = self.limits.timeout.is_some_and(|timeout| waited >= timeout);
        (patience_ends && !self.finishing).then_some(End::TimedOut)
    }

    fn measure(&mut self, now: Instant) {
        let counters = &mut self.counters;
        let seconds = now.saturating_duration_since(counters.last_tick).as_secs_f64().max(1e-3);
        let seen = counters.received.saturating_sub(counters.measured) as f64 / seconds;
        // What was known before loses half of its weight every two seconds.
        let old = if counters.rate == 0.0 { 0.0 } else { 0.5_f64.powf(seconds / 2.0) };
        counters.rate = counters.rate * old + seen * (1.0 - old);
        counters.measured = counters.received;
        counters.last_tick = now;
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
        let silent: Vec<PeerKey> = self
            .roster
            .all()
            .filter(|(_, peer)| !peer.in_flight.is_empty())
            .filter(|(_, peer)| now.saturating_duration_since(peer.last_block) >= SNUBBED)
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
            if self.roster.get(key).is_some_and(|peer| peer.snubs >= MOST_SNUBS) {
                self.let_go(key, "it was asked and sent nothing for three minutes");
            } else if let Some(peer) = self.roster.get_mut(key) {
                peer.starving = true;
            }
            self.fill_starving_but(key, now);
        }
    }

    fn make_room(&mut self, now: Instant) {
        let full = self.roster.len() >= self.limits.max_peers;
        if !full || self.candidates.next_due().is_none_or(|due| due > now) {
            return;
        }
        let idle = self
            .roster
            .greeted()
            .filter(|(_, peer)| peer.in_flight.is_empty())
            .filter(|(_, peer)| now.saturating_duration_since(peer.last_block.max(peer.since)) >= IDLE)
            .min_by_key(|(_, peer)| peer.last_block)
            .map(|(key, _)| key);
        if let Some(key) = idle {
            self.let_go(key, "it gives nothing and others wait");
        }
    }
}
