//! What was sent to which peer, collected from the outboxes.

use crate::message::HangUp;
use crate::swarm::Coordinator;
use std::time::{Duration, Instant};

/// How long a peer may take to read one block. The system has no deadline for a block as a whole.
const BLOCK_DEADLINE: Duration = Duration::from_secs(60);
/// A peer that sent a block in this time is sending.
const SENDING: Duration = Duration::from_secs(1);

impl Coordinator<'_> {
    /// Counts what was asked for and sent since the last tick, and disconnects the peers that do not read it.
    /// Runs in every tick.
    pub(in crate::swarm) fn count_uploads(&mut self, now: Instant) {
        for (_, peer) in self.roster.all_mut() {
            let account = peer.worker.account();
            self.statistics.sent(account.sent);
            peer.upload.total = peer.upload.total.saturating_add(account.sent);
            peer.upload.rate.add(account.sent);
            if account.sent > 0 {
                peer.upload.last_sent = now;
            }
            if account.sent > 0 || account.is_asking {
                peer.upload.asked_at = Some(now);
            }
            peer.upload.counted_at = now;
            peer.catch_up();
            let is_late = |since| now.saturating_duration_since(since) > BLOCK_DEADLINE;
            if account.sending_since.is_some_and(is_late) {
                peer.worker.hang_up(HangUp::DoesNotRead);
            }
            peer.upload.rate.tick(now);
            peer.download.rate.tick(now);
            if now.saturating_duration_since(peer.download.last_block) < SENDING {
                peer.download.pace = peer.download.rate.per_second();
            }
        }
    }
}
