//! What was sent to whom, collected from the outboxes.

use crate::message::HangUp;
use crate::swarm::{Coordinator, Counters};
use std::time::{Duration, Instant};

/// How long a peer may take to read one block.
const DEAF: Duration = Duration::from_secs(60);

impl Coordinator<'_> {
    /// Counts what was sent since the last tick, and lets those go that do not take it. The system has no
    /// deadline for a block as a whole.
    pub(in crate::swarm) fn count_uploads(&mut self, now: Instant) {
        for (_, peer) in self.roster.all_mut() {
            let account = peer.worker.account();
            self.counters.sent(account.sent);
            peer.takes.add(account.sent);
            if account.sent > 0 {
                peer.last_taken = now;
            }
            peer.catch_up();
            if account.sending_since.is_some_and(|since| now.saturating_duration_since(since) > DEAF) {
                peer.worker.hang_up(HangUp::DoesNotRead);
            }
            peer.takes.tick(now);
            peer.gives.tick(now);
        }
        self.counters.upload_rate.tick(now);
        self.counters.up.tick(self.counters.uploaded, now);
    }
}

impl Counters {
    /// So many bytes of blocks were sent.
    pub(in crate::swarm) fn sent(&mut self, bytes: u64) {
        self.uploaded = self.uploaded.saturating_add(bytes);
        self.upload_rate.add(bytes);
    }
}
