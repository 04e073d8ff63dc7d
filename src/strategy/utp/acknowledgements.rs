//! When to say what has come. Pure.
//!
//! Every packet with bytes carries an acknowledgement. Where none leaves, one of its own does: after two packets that
//! came, a moment after one, and at once where the peer waits for it, as after a gap. One more is owed to a peer that
//! was told that we have no room, when there is room again.

use std::time::{Duration, Instant};

/// The longest that one packet waits for a second one, or for bytes that leave anyway. The smallest window is one
/// packet, and its sender waits for this.
const PATIENCE: Duration = Duration::from_millis(20);
/// So many packets wait together.
const TOGETHER: u8 = 2;

/// What we owe the peer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Acknowledgements {
    /// Packets that came since the last one.
    owed: u8,
    /// By when it should leave.
    due: Option<Instant>,
    /// How much room we have told.
    told: usize,
}

impl Acknowledgements {
    /// A packet came that can wait for another one.
    pub fn owe(&mut self, now: Instant) {
        self.owed = self.owed.saturating_add(1);
        match self.due {
            None => self.due = Some(now + PATIENCE),
            Some(_) if self.owed >= TOGETHER => self.due = Some(now),
            Some(_) => {}
        }
    }

    /// A packet came that cannot wait.
    pub fn owe_now(&mut self, now: Instant) {
        self.due = Some(now);
    }

    /// An acknowledgement leaves that tells of so much room.
    pub fn sent(&mut self, room: usize) {
        *self = Acknowledgements { owed: 0, due: None, told: room };
    }

    /// By when one should leave.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether one should leave now: `free` is the room that there is, of so much when nothing waits.
    pub fn is_due(&self, free: usize, room: usize, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now) || self.told < room / 2 && free >= self.told + room / 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_waits_a_moment_and_two_do_not() {
        let now = Instant::now();
        let mut owed = Acknowledgements::default();
        owed.sent(1000);
        assert!(!owed.is_due(1000, 1000, now));
        owed.owe(now);
        assert!(!owed.is_due(1000, 1000, now) && owed.is_due(1000, 1000, now + PATIENCE));
        owed.owe(now);
        assert!(owed.is_due(1000, 1000, now));
        owed.sent(1000);
        assert_eq!((owed.is_due(1000, 1000, now + PATIENCE), owed.due()), (false, None));
        owed.owe_now(now);
        assert!(owed.is_due(1000, 1000, now));
    }

    #[test]
    fn a_peer_that_waits_for_room_hears_of_it() {
        let now = Instant::now();
        let mut owed = Acknowledgements::default();
        owed.sent(100);
        assert!(!owed.is_due(300, 1000, now) && owed.is_due(350, 1000, now));
        owed.sent(600);
        assert!(!owed.is_due(1000, 1000, now));
    }
}
