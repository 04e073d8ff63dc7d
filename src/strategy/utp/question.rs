//! The question what has come, when the answer to the last packets is late (RFC 8985, "tail loss probe"). Pure.
//!
//! A lost packet is found out by the answers to those behind it. Behind the last ones is nothing, and where the answer
//! itself is lost, nothing repeats it. Then one packet leaves once more, after two round trips, and the answer to it
//! tells of all. Without it, the wait is the long one, which shrinks the window as well: on a line that loses one packet
//! in twenty most of the time would be spent in it.
//!
//! It is asked once, until something is acknowledged. After that it is the long wait's turn.

use super::send_window::SendWindow;
use std::time::{Duration, Instant};

/// The question of one conversation.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Question {
    due: Option<Instant>,
    /// When it was asked, or everything was sent again, and the next flight then.
    asked: Option<(Instant, u64)>,
}

impl Question {
    /// Whether it was asked, and nothing was acknowledged since.
    pub fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// From now on it should be asked at this time.
    pub fn ask_at(&mut self, due: Option<Instant>) {
        self.due = due;
    }

    /// When it should be asked.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// It is asked, or everything is sent again.
    pub fn asked(&mut self, sending: &SendWindow, now: Instant) {
        *self = Question { due: None, asked: Some((now, sending.next_flight())) };
    }

    /// Something was acknowledged, and an answer takes so long at least. What left before the question, and is not there
    /// when the answer to it comes, is lost. Returns the last flight among it.
    pub fn answered(
        &mut self,
        sending: &mut SendWindow,
        least: Option<Duration>,
        now: Instant,
    ) -> Option<u64> {
        self.due = None;
        let (at, flight) = self.asked.take()?;
        let is_answer = least.is_none_or(|least| now >= at + least / 2);
        is_answer.then(|| sending.lose_before(flight)).flatten()
    }
}
