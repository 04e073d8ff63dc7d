//! Whether what a peer sends is believed to be right, before the piece that it is part of has its digest. Pure.
//!
//! Nothing is known of a peer at first: it is a *newcomer*. A block of its that is in a verified piece was right, so
//! that peer has *proved* itself. If it has sent a part of a piece that was wrong, it is a *suspect*, until that piece
//! verifies: then its block was right, or wrong, and the peer is convicted. A suspect is a newcomer again, and rests
//! first: the piece is fetched anew meanwhile, which mostly ends the matter.

use std::time::{Duration, Instant};

/// How long a suspect is not asked for anything. If the piece has not verified by then, so be it.
const REST: Duration = Duration::from_secs(3);

/// What is known of one peer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trust {
    has_sent_good: bool,
    suspected_until: Option<Instant>,
    is_suspect: bool,
    has_held_up: bool,
}

impl Trust {
    /// Whether it has proved itself and is no suspect.
    pub fn is_proved(self) -> bool {
        self.has_sent_good && !self.is_suspect
    }

    /// Whether it has ever sent something that was right.
    pub fn has_sent_good(self) -> bool {
        self.has_sent_good
    }

    /// A block of its was right. Returns whether it had not proved itself before.
    pub fn proved(&mut self) -> bool {
        let before = self.is_proved();
        *self = Trust { has_sent_good: true, has_held_up: self.has_held_up, ..Trust::default() };
        !before
    }

    /// It has sent a part of a piece that was wrong.
    pub fn suspected(&mut self, now: Instant) {
        self.is_suspect = true;
        self.suspected_until = Some(now + REST);
    }

    /// It may be asked at once.
    pub fn wake(&mut self) {
        self.suspected_until = None;
    }

    /// It has fallen silent over a piece that was left to it. Returns whether this is the first time.
    pub fn held_up(&mut self) -> bool {
        !std::mem::replace(&mut self.has_held_up, true)
    }

    /// Whether it is not asked for anything now.
    pub fn rests(self, now: Instant) -> bool {
        self.suspected_until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newcomer_proves_itself_and_a_suspect_has_to_do_it_again() {
        let now = Instant::now();
        let mut trust = Trust::default();
        assert!(!trust.is_proved() && !trust.rests(now));
        assert!(trust.proved() && !trust.proved() && trust.is_proved());
        trust.suspected(now);
        assert!(!trust.is_proved() && trust.has_sent_good());
        assert!(trust.rests(now) && !trust.rests(now + REST));
        assert!(trust.proved() && trust.is_proved() && !trust.rests(now));
        trust.suspected(now);
        trust.wake();
        assert!(!trust.is_proved() && !trust.rests(now), "chosen to send the piece again");
    }
}
