//! Buffers for the bytes of blocks, where somebody wants them, which go from the thread that reads to the one that writes
//! and back.
//!
//! What is allocated on one thread and freed on another the C library gives back to the system and asks for again, and each
//! new page costs a fault: a fifth of the cost of a capture. Here the last one that was given back is the first that is
//! taken, as it is in the cache still.

use crate::thread::lock;
use std::fmt;
use std::sync::{Arc, Mutex};

/// Bytes of one: a block and its head.
const LENGTH: usize = 16 * 1024 + 16;
/// The most that are kept: as many as wait for a slow disk, 32 MiB (`cli/pcap/mod.rs`).
const MOST: usize = 2048;

/// The buffers of one door. All clones are the same.
#[derive(Clone, Default)]
pub struct Spares(Arc<Mutex<Vec<Vec<u8>>>>);

impl Spares {
    /// An empty buffer, in which so many bytes have room.
    pub(super) fn take(&self, length: usize) -> Vec<u8> {
        // What is much shorter than a block would keep the buffer from one.
        if !(LENGTH / 4..=LENGTH).contains(&length) {
            return Vec::with_capacity(length);
        }
        lock(&self.0).pop().unwrap_or_else(|| Vec::with_capacity(LENGTH))
    }

    /// Gives back a buffer that is no longer used, wherever it is from.
    pub fn give(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut spares = lock(&self.0);
        if spares.len() < MOST && (LENGTH..2 * LENGTH).contains(&buffer.capacity()) {
            spares.push(buffer);
        }
    }
}

impl fmt::Debug for Spares {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} spare buffers", lock(&self.0).len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_goes_round_and_only_as_many_are_kept_as_are_worth_it() {
        let spares = Spares::default();
        // A block and its head, and a shorter one.
        for length in [16_397, 5_000] {
            let mut buffer = spares.take(length);
            buffer.extend([7; 16_397]);
            let place = buffer.as_ptr();
            spares.give(buffer);
            let again = spares.take(16_397);
            assert!(again.is_empty() && again.as_ptr() == place, "{length}");
            spares.give(again);
        }
        assert_eq!(lock(&spares.0).len(), 1);
        [0, 17, 100_000].into_iter().for_each(|length| spares.give(spares.take(length)));
        assert_eq!(lock(&spares.0).len(), 1);
        (0..2 * MOST).for_each(|_| spares.give(Vec::with_capacity(LENGTH)));
        assert_eq!(lock(&spares.0).len(), MOST);
    }
}
