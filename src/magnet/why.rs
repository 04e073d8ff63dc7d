//! Why the metadata does not come: what the search tells the user while it lasts, and at its end.

use super::search::MetadataSearch;
use crate::message::{Stall, TrackerReport};
use std::time::{Duration, Instant};

/// When the search has had no reason to name for this long, it names what the sources of peers wait for.
const PATIENCE: Duration = Duration::from_secs(5);

impl MetadataSearch<'_> {
    /// A tracker answered, or did not.
    pub(super) fn tracker_answered(&mut self, report: &TrackerReport) {
        // A mistyped hash is one that nobody has.
        let hint = if report.outcome == Ok(0) { " (check the info-hash)" } else { "" };
        let trouble = report.trouble().map(|trouble| format!("{trouble}{hint}"));
        self.trouble = trouble.or(self.trouble.take());
    }

    /// What the sources of peers wait for or lack, where that has been going on for some time.
    pub(super) fn search_trouble(&self, now: Instant) -> Option<String> {
        let is_late = now.saturating_duration_since(self.last_progress) >= PATIENCE;
        let nobody = self.dialer.candidates().known() == 0 && self.peers.is_empty();
        (is_late && nobody).then(|| self.environment.search_trouble(now)).flatten()
    }

    /// Why the metadata does not come.
    pub(super) fn stall(&self, now: Instant) -> Stall {
        let known = self.dialer.candidates().known();
        let greeted = self.peers.values().filter(|peer| peer.is_greeted()).count() + self.payload_only.len();
        match (known, greeted) {
            (_, 1..) => Stall::NoMetadata(greeted),
            (0, 0) => Stall::NoPeers(self.trouble.clone().or_else(|| self.environment.search_trouble(now))),
            (known, 0) => Stall::Unreachable(known, self.trouble.clone()),
        }
    }
}
