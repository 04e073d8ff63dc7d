//! The figures that every announce carries, shared by the coordinator and the announcers.

use crate::thread::lock;
use std::sync::Mutex;

use super::announce::Counts;

/// How far a torrent is: set by the coordinator's thread, read by the announcers' threads.
///
/// It is a lock and not three atomics, because not every 32-bit host has 64-bit atomics, and because three
/// figures of different moments would not add up. The lock is held only to copy 24 bytes.
#[derive(Debug, Default)]
pub struct Totals(Mutex<Counts>);

impl Totals {
    /// The figures at the start.
    pub fn new(counts: Counts) -> Totals {
        Totals(Mutex::new(counts))
    }

    /// Replaces the figures.
    pub fn set(&self, counts: Counts) {
        *lock(&self.0) = counts;
    }

    /// The figures now.
    pub fn get(&self) -> Counts {
        *lock(&self.0)
    }
}
