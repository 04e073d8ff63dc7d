//! The last words to the trackers: `completed`, if it was not said, and `stopped`.

use super::Announcer;
use crate::tracker::TrackerNews;
use log::debug;
use std::sync::atomic::Ordering;
use std::time::Instant;

impl<News: Fn(TrackerNews)> Announcer<News> {
    pub(super) fn end(&mut self, is_complete: bool, deadline: Instant) {
        if is_complete {
            let now = Instant::now();
            self.tier.completed(now);
            if self.tier.due().is_some_and(|due| due <= now) {
                self.announce(deadline.saturating_duration_since(now) / 2);
            }
        }
        self.announce_stopped(deadline);
    }

    /// Tells each tracker that knows us that we leave. Each has a part of the time, so that a silent one does
    /// not cost the next its word.
    fn announce_stopped(&self, deadline: Instant) {
        self.is_leaving.store(true, Ordering::Release);
        let fresh = self.client.anew();
        let mut waiting = self.tier.stopped_turns().count() as u32;
        for turn in self.tier.stopped_turns() {
            let left = || deadline.saturating_duration_since(Instant::now());
            // Without a turn it is tried all the same: there is no later.
            let _pass = self.exchanges.enter(Instant::now() + left() / 2);
            let within = left() / waiting.max(1);
            waiting = waiting.saturating_sub(1);
            let mut outcome = self.ask(&self.client, turn, within);
            // What was under way at half of the time was aborted, and its client can announce no more. If that
            // is this announce itself, both came at the same moment.
            if outcome.is_err() && self.client.is_aborted() {
                outcome = self.ask(&fresh, turn, within.min(left()));
            }
            if let Err(error) = outcome {
                debug!("tracker {}: sending 'stopped' failed: {error}", turn.tracker.site());
            }
        }
    }
}
