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

    /// Replaces the figures. What was downloaded never becomes less, although a piece may turn out to be wrong
    /// after its blocks were counted: some trackers add up the differences, and would take a negative one for a huge
    /// one.
    pub fn set(&self, counts: Counts) {
        let mut totals = lock(&self.0);
        *totals = Counts { downloaded: counts.downloaded.max(totals.downloaded), ..counts };
    }

    /// The figures now.
    pub fn get(&self) -> Counts {
        *lock(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_downloaded_never_becomes_less() {
        let totals = Totals::default();
        for (downloaded, told) in [(5, 5), (3, 5), (6, 6)] {
            totals.set(Counts { uploaded: downloaded, downloaded, left: downloaded });
            assert_eq!(totals.get(), Counts { uploaded: downloaded, downloaded: told, left: downloaded });
        }
    }
}
