//! How many connections to peers all torrents of the process have together.
//!
//! Each takes a file descriptor, of which a process has a limited number. The torrents share them: a busy one
//! may have all that the idle ones do not use, but for a few, so that a torrent that is asked for has one as well.

use std::sync::Arc;

/// Counts the connections, and knows how many there should be at most.
#[derive(Clone, Debug)]
pub struct ConnectionCount {
    places: Arc<()>,
    most: usize,
    kept: usize,
}

/// Of a torrent with fewer connections than this another one may be among the last.
const FEW: usize = 2;

/// One connection. It no longer counts when this is dropped.
#[derive(Debug)]
pub struct CountedConnection(#[expect(dead_code, reason = "it counts by being there")] Arc<()>);

impl ConnectionCount {
    /// There are none yet. At most this many should be, for so many torrents.
    pub fn at_most(most: usize, torrents: usize) -> ConnectionCount {
        let kept = torrents.saturating_sub(1).saturating_mul(FEW).min(most / 4);
        ConnectionCount { places: Arc::default(), most, kept }
    }

    /// Whether there should be another connection, of a torrent that has this many.
    pub fn has_room(&self, connected: usize) -> bool {
        let kept = if connected < FEW { 0 } else { self.kept };
        Arc::strong_count(&self.places) - 1 < self.most.saturating_sub(kept)
    }

    /// Counts one more, whether there is room or not.
    pub fn add(&self) -> CountedConnection {
        CountedConnection(Arc::clone(&self.places))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_counts_until_it_is_dropped() {
        let count = ConnectionCount::at_most(2, 1);
        let first = count.add();
        assert!(count.has_room(1));
        let _second = count.add();
        assert!(!count.has_room(0) && !count.has_room(2));
        drop(first);
        assert!(count.has_room(1));
    }

    #[test]
    fn the_last_ones_are_for_torrents_that_have_hardly_any() {
        let count = ConnectionCount::at_most(8, 300);
        let mut all: Vec<_> = (0..6).map(|_| count.add()).collect();
        assert!(!count.has_room(6) && count.has_room(1) && count.has_room(0));
        all.extend([count.add(), count.add()]);
        assert!(!count.has_room(0));
    }
}
