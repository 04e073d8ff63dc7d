//! How much memory metadata may take that is not verified yet. It grows with time, and the caller says what time it is.
//!
//! Two peers that claim 60 MB and send them could fill all that we would ever allow within a second. Metadata longer than
//! 4 MiB is rare, and whoever wants one can wait for it.

use super::MAX_METADATA_SIZE;
use std::time::Instant;

/// Bytes at first, and how many more with each second.
const FIRST_ROOM: u64 = 4 << 20;
const ROOM_A_SECOND: u64 = 1 << 20;

/// The bytes that all attempts together may have.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) bytes: u64,
    /// When the first peer was asked.
    begun: Option<Instant>,
}

impl Room {
    pub(super) fn new() -> Room {
        Room { bytes: FIRST_ROOM, begun: None }
    }

    /// It is now this time. The first such time is the beginning.
    pub(super) fn passed(&mut self, now: Instant) {
        let begun = *self.begun.get_or_insert(now);
        let more = ROOM_A_SECOND.saturating_mul(now.saturating_duration_since(begun).as_secs());
        self.bytes = FIRST_ROOM.saturating_add(more).min(MAX_METADATA_SIZE);
    }
}
