//! The upload slots: when the choker looks at the peers, and which ones it has unchoked.

use crate::message::PeerKey;
use crate::strategy::{Choker, ChokerPeer};
use std::time::{Duration, Instant};

/// The least time between two looks of the choker at the peers, apart from those in every tick. There has to
/// be one, because a peer may say ten thousand times a second that it is interested, and that it is not.
const MIN_INTERVAL: Duration = Duration::from_millis(10);

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

    /// Something changed that should not wait for the next tick: has the choker look as soon as it may.
    pub fn rechoke_soon(&mut self, now: Instant) {
        self.due = Some(now.max(self.last + MIN_INTERVAL));
    }

    /// When the choker is to look again, if that is before the next tick.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether the peer had the time to ask for something in a slot.
    pub fn had_its_time(&self, key: PeerKey, now: Instant) -> bool {
        self.choker.had_its_time(key, now)
    }

    /// Whether the peer is unchoked.
    pub fn is_unchoked(&self, key: PeerKey) -> bool {
        self.choker.is_unchoked(key)
    }

    /// Why the peer is unchoked, or choked.
    pub fn reason(&self, key: PeerKey, seeding: bool) -> &'static str {
        self.choker.reason(key, seeding)
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
    fn however_often_something_changes_the_choker_looks_once_in_ten_milliseconds() {
        let start = Instant::now();
        let mut slots = UploadSlots::new(start);
        let mut random = fastrand::Rng::with_seed(1);
        slots.rechoke_soon(start);
        assert_eq!(slots.due(), Some(start + MIN_INTERVAL));
        let later = start + Duration::from_millis(15);
        slots.rechoke_soon(later);
        assert_eq!(slots.due(), Some(later));
        slots.decide(&[], false, 4, later, &mut random);
        assert_eq!(slots.due(), None);
        slots.rechoke_soon(later);
        assert_eq!(slots.due(), Some(later + MIN_INTERVAL));
    }
}
