//! How many connections to peers all torrents of the process have together.
//!
//! Each takes a file descriptor, of which a process has a limited number. The torrents share them: a busy one
//! may have all that the idle ones do not use.

use std::sync::Arc;

/// Counts the connections, and knows how many there should be at most.
#[derive(Clone, Debug)]
pub struct ConnectionCount {
    places: Arc<()>,
    most: usize,
}

/// One connection. It no longer counts when this is dropped.
#[derive(Debug)]
pub struct CountedConnection(#[expect(dead_code, reason = "it counts by being there")] Arc<()>);

impl ConnectionCount {
    /// There are none yet. At most this many should be.
    pub fn at_most(most: usize) -> ConnectionCount {
        ConnectionCount { places: Arc::default(), most }
    }

    /// Whether there should be another connection.
    pub fn has_room(&self) -> bool {
        Arc::strong_count(&self.places) - 1 < self.most
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
        let count = ConnectionCount::at_most(2);
        let first = count.add();
        assert!(count.has_room());
        let _second = count.add();
        assert!(!count.has_room());
        drop(first);
        assert!(count.has_room());
    }
}
