//! What happens as time passes: rates, peers that snub us, the memory budget, the timeout.

use super::{Coordinator, RunEnd};
use crate::message::{HangUp, PeerKey};
use log::debug;
use std::time::{Duration, Instant};

/// A peer that owes us blocks and sends none for this long snubs us: its leases go to others.
const SNUBBED: Duration = Duration::from_secs(60);
/// A file from which nothing was sent for this long, or twice as long, is closed.
const IDLE_FILE: Duration = Duration::from_secs(10);
/// Snubs in a row after which we disconnect.
const MAX_SNUBS: u32 = 3;

impl Coordinator<'_> {
    /// Runs four times a second. Says whether the run is to end.
    pub(super) fn tick(&mut self, now: Instant) -> Option<RunEnd> {
        self.look_after_peers(now);
        self.look_around(now);
        // Without a peer nobody will ask for it in a moment.
        if now >= self.timers.files || self.roster.len() == 0 {
            self.timers.files = now + IDLE_FILE;
            self.environment.close_idle_files();
        }
        self.rest_web_seeds(now);
        self.look_after_web_seeds(now);
        self.report_supply(now);
        if self.environment.is_stopped() {
            return Some(self.stopped());
        }
        // Another torrent may have made room for a connection, and as time passes so do peers that do nothing.
        self.timers.dial = self.timers.dial.or(Some(now));
        self.show(now);
        self.goal_or_timeout(now)
    }

    /// Rates, slots and memory; what peers owe; those that are silent.
    fn look_after_peers(&mut self, now: Instant) {
        self.count_uploads(now);
        self.statistics.tick(now);
        if self.roster.senders().next().is_none() {
            self.statistics.alone();
        }
        self.roster.count_sources(now);
        self.share_out_memory(now);
        self.make_place_for_others(now);
        self.rechoke(now);
        self.super_seed_tick(now);
        let requests = &self.requests;
        let owing = self.roster.all_mut().filter(|(key, _)| requests.count(*key) > 0);
        owing.for_each(|(_, peer)| peer.download.pipeline.tick(now));
        self.take_back_overdue(now);
        self.snub_silent_peers(now);
        self.end_dead_connections(now);
        self.send_pex(now);
        self.adjust_budget(now);
        self.give_up_orphan(now);
        self.look_after_retries(now);
        self.ask_again_for_wrong_pieces(now);
        self.fill_hungry(None, now);
    }

    /// Shows how the download stands, and what else somebody looks at.
    fn show(&mut self, now: Instant) {
        let snapshot = self.snapshot(now);
        if self.environment.wants_peers() {
            self.environment.show_peers(self.with_copies(&snapshot), self.peer_table(now));
        }
        if self.environment.wants_sight() {
            let sight = self.sight(now);
            self.environment.show_sight(sight);
        }
        self.environment.show(snapshot);
    }

    /// Whether the run has seeded enough, or had no progress for longer than the user waits.
    fn goal_or_timeout(&self, now: Instant) -> Option<RunEnd> {
        if self.has_seeded_enough(now) {
            return Some(RunEnd::Done);
        }
        // How long a reader takes for what is there is the user's business.
        let may_end = self.is_downloading() && !self.pieces.waits_for_reader();
        let timeout = self.settings.limits.timeout.filter(|_| may_end);
        let patience_ends = timeout.is_some_and(|timeout| self.statistics.idle_for(now) >= timeout);
        patience_ends.then_some(RunEnd::TimedOut)
    }

    fn snub_silent_peers(&mut self, now: Instant) {
        if self.is_disk_behind() {
            // It is we who keep the peers waiting.
            self.roster.all_mut().for_each(|(_, peer)| peer.download.last_block = now);
            return;
        }
        let patience = SNUBBED.saturating_add(self.limited_wait());
        let silent: Vec<PeerKey> = self
            .roster
            .all()
            // A peer whose requests were taken back may have nothing to answer any more: it chokes us, or it has
            // nothing that we want. Then its silence is no fault.
            .filter(|(key, peer)| {
                let still_silent = peer.download.overtaken && peer.may_be_asked().is_some();
                self.requests.count(*key) > 0 || still_silent
            })
            .filter(|(_, peer)| now.saturating_duration_since(peer.download.last_block) >= patience)
            .map(|(key, _)| key)
            .collect();
        for key in silent {
            let blocks = self.requests.take_back(key);
            let Some(peer) = self.roster.get_mut(key) else { continue };
            debug!("{}: no block in 60 s", peer.name());
            peer.cancel(blocks, "no block in 60 s");
            peer.download.snubs += 1;
            peer.download.pipeline.snubbed(now);
            peer.download.last_block = now;
            peer.download.standing.snubbed();
            peer.download.overtaken = false;
            peer.download.starving = true;
            if peer.download.snubs >= MAX_SNUBS {
                self.disconnect(key, HangUp::Snubbed);
            }
            self.fill_hungry(Some(key), now);
        }
    }
}
