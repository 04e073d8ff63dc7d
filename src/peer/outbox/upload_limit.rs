//! What the upload limit of the process lets one outbox send.
//!
//! A block has to be paid for before it goes: its bytes are reserved under the [`Throttle`], and when their
//! time has come they are released. One reservation at a time, so that each peer has its turn.

use crate::net::Throttle;
use crate::piece::BLOCK_LENGTH;
use std::sync::Arc;
use std::time::Instant;

/// One outbox's share of the upload limit.
#[derive(Debug)]
pub struct UploadLimit {
    throttle: Arc<Throttle>,
    /// Bytes that were reserved, and when they may go.
    reserved: Option<(u32, Instant)>,
    /// Bytes that may go.
    released: u32,
}

impl UploadLimit {
    /// A share of what this throttle allows.
    pub fn new(throttle: Arc<Throttle>) -> UploadLimit {
        UploadLimit { throttle, reserved: None, released: 0 }
    }

    /// Reserves bytes for an upload of `length` bytes, where they are neither reserved nor released yet.
    pub fn reserve(&mut self, length: u32, now: Instant) {
        if self.reserved.is_none() && self.released < length {
            // A long block waits its turn more than once, so that its peer gets no more than others.
            let portion = length.saturating_sub(self.released).min(BLOCK_LENGTH);
            self.reserved = Some((portion, self.throttle.take(portion as usize, now)));
        }
    }

    /// When the reserved bytes may go, if any are reserved.
    pub fn due(&self) -> Option<Instant> {
        self.reserved.map(|(_, due)| due)
    }

    /// How many bytes may go now.
    pub fn released(&mut self, now: Instant) -> u32 {
        if let Some((bytes, _)) = self.reserved.take_if(|(_, due)| *due <= now) {
            self.refund(bytes);
        }
        self.released
    }

    /// Released bytes are sent.
    pub fn spend(&mut self, bytes: u32) {
        self.released = self.released.saturating_sub(bytes);
    }

    /// Bytes that were spent are not sent after all: the next upload may have them.
    pub fn refund(&mut self, bytes: u32) {
        self.released = self.released.saturating_add(bytes);
    }

    /// Gives back what was reserved for uploads that are no longer wanted: other peers wait for it.
    pub fn give_back(&mut self) {
        let reserved = self.reserved.take().map_or(0, |(bytes, _)| bytes);
        let bytes = std::mem::take(&mut self.released).saturating_add(reserved);
        self.throttle.give_back(bytes as usize);
    }
}

impl Drop for UploadLimit {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_long_upload_is_reserved_in_portions_and_goes_when_all_are_released() {
        let (mut now, length) = (Instant::now(), 2 * BLOCK_LENGTH + 1);
        let mut limit = UploadLimit::new(Arc::new(Throttle::limited(u64::from(BLOCK_LENGTH))));
        for (portion, seconds) in [(1, 1), (2, 2)] {
            limit.reserve(length, now);
            limit.reserve(length, now);
            now += Duration::from_secs(1);
            assert_eq!(limit.due(), Some(now), "reserved once, for second {seconds}");
            assert_eq!(limit.released(now), portion * BLOCK_LENGTH);
        }
        limit.reserve(length, now);
        assert_eq!(limit.released(now), 2 * BLOCK_LENGTH);
        let due = limit.due().unwrap();
        assert!(due > now && due < now + Duration::from_millis(1), "one byte is left to reserve");
        assert_eq!(limit.released(due), length);
        limit.spend(length);
        assert_eq!((limit.released(due), limit.due()), (0, None));
    }

    #[test]
    fn what_is_not_sent_is_free_for_other_peers() {
        let (throttle, now) = (Arc::new(Throttle::limited(u64::from(BLOCK_LENGTH))), Instant::now());
        let mut limit = UploadLimit::new(Arc::clone(&throttle));
        limit.reserve(BLOCK_LENGTH, now);
        limit.give_back();
        assert_eq!(limit.due(), None);
        limit.reserve(BLOCK_LENGTH, now);
        drop(limit);
        let mut other = UploadLimit::new(throttle);
        other.reserve(BLOCK_LENGTH, now);
        assert!(other.due().unwrap() <= now + Duration::from_secs(1));
    }

    #[test]
    fn a_block_that_cannot_be_sent_pays_for_the_next() {
        let (mut limit, now) = (UploadLimit::new(Arc::new(Throttle::unlimited())), Instant::now());
        limit.reserve(100, now);
        assert_eq!(limit.released(now), 100);
        limit.spend(100);
        limit.refund(100);
        limit.reserve(100, now);
        assert_eq!((limit.due(), limit.released(now)), (None, 100));
    }
}
