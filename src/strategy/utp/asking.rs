//! When a conversation asks what has come of its last packets (see `question`). Pure.

use super::conversation::{Conversation, State};
use std::time::Instant;

impl Conversation {
    /// A packet leaves, or an answer came: from now on it is waited for the answer to the last packets.
    pub(super) fn expect_answer(&mut self, now: Instant) {
        if self.state == State::Connecting || self.question.is_asked() || self.sending.is_empty() {
            return;
        }
        let is_alone = self.sending.in_flight() <= self.way.size.payload();
        self.question.ask_at(self.way.round_trip.until_asked(is_alone).map(|wait| now + wait));
    }

    /// Asks, if it is time.
    pub(super) fn ask(&mut self, now: Instant) {
        if self.is_finished() || self.question.due().is_none_or(|due| now < due) {
            return;
        }
        self.question.asked(&self.sending, now);
        self.sending.lose_oldest_flying();
        // The answer has its time, before everything is lost.
        let wait = self.way.round_trip.until_asked(true).unwrap_or_default();
        self.patience = self.patience.map(|patience| patience.max(now + wait));
    }
}
