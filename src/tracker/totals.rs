//! The figures that every announce carries, kept where both sides reach them.

use std::sync::{Mutex, PoisonError};

use super::announce::Counts;

/// How far a torrent is: set by the coordinator, read by the announcers.
///
/// A lock rather than three atomics, because 64-bit atomics do not exist on every 32-bit host and
/// because three figures of different moments would not add up. It is held for a copy of 24 bytes.
#[derive(Debug, Default)]
pub struct Totals(Mutex<Counts>);

impl Totals {
    /// The figures at the start.
    pub fn new(counts: Counts) -> Totals {
        Totals(Mutex::new(counts))
    }

    /// Replaces the figures.
    pub fn set(&self, counts: Counts) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = counts;
    }

    /// The figures now.
    pub fn get(&self) -> Counts {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
