//! The upload slots: when the choker looks at the peers, and whom it has unchoked.

use crate::message::PeerKey;
use crate::strategy::{Choker, ChokerPeer};
use std::time::{Duration, Instant};

/// Between two looks of the choker at the peers that a change brings about. Such changes may come thick and
/// fast: a peer may say ten thousand times a second that it is interested, and that it is not.
const MIN_BETWEEN: Duration = Duration::from_millis(10);

/// The choker and its timer.
#[derive(Debug)]
pub struct UploadSlots {
    choker: Choker,
    last: Instant,
    /// When the choker is to look again, if that is before the next tick.
    due: Option<Instant>,
}

impl UploadSlots {
    /// No peer is unchoked.
    pub fn new(now: Instant) -> UploadSlots {
        UploadSlots { choker: Choker::new(now), last: now, due: None }
    }

    /// Has the choker look at the peers. The peers to choke or to unchoke.
    pub fn decide(
        &mut self,
        peers: &[ChokerPeer],
        seeding: bool,
        slots: usize,
        now: Instant,
        random: &mut fastrand::Rng,
    ) -> Vec<(PeerKey, bool)> {
        self.last = now;
        self.due = None;
        self.choker.decide(peers, seeding, slots, now, random)
    }

    /// Something changed that should not wait for the next tick.
    pub fn look_soon(&mut self, now: Instant) {
        self.due = Some(now.max(self.last + MIN_BETWEEN));
    }

    /// When the choker is to look again, if that is before the next tick.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether the peer is unchoked.
    pub fn is_unchoked(&self, key: PeerKey) -> bool {
        self.choker.is_unchoked(key)
    }

    /// The peer is gone.
    pub fn left(&mut self, key: PeerKey) {
        self.choker.left(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_that_come_thick_and_fast_bring_a_look_each_ten_milliseconds() {
        let start = Instant::now();
        let mut slots = UploadSlots::new(start);
        let mut random = fastrand::Rng::with_seed(1);
        slots.look_soon(start);
        assert_eq!(slots.due(), Some(start + MIN_BETWEEN));
        let later = start + Duration::from_millis(15);
        slots.look_soon(later);
        assert_eq!(slots.due(), Some(later));
        slots.decide(&[], false, 4, later, &mut random);
        assert_eq!(slots.due(), None);
        slots.look_soon(later);
        assert_eq!(slots.due(), Some(later + MIN_BETWEEN));
    }
}
