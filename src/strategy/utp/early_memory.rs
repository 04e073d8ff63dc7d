//! The memory for bytes that came and cannot be used yet, of all connections over uTP of one port together.
//!
//! With TCP the system keeps such bytes. Here they are ours, and whoever leaves a gap and goes on behind it can have us
//! keep all that a window has room for, on each of hundreds of connections. So a connection has a little of its own,
//! and what all of them have beyond that has a bound. What finds no room is dropped, as a path would do, and comes
//! again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that all connections may have beyond what each has of its own.
const SHARED: usize = 4 * 1024 * 1024;

/// How much of what they share is taken.
#[derive(Debug, Default)]
pub struct EarlyMemory(AtomicUsize);

/// What one connection has of it.
#[derive(Debug, Default)]
pub(super) struct EarlyShare {
    memory: Arc<EarlyMemory>,
    taken: usize,
}

impl EarlyShare {
    /// A share of this, which has nothing yet.
    pub(super) fn of(memory: Arc<EarlyMemory>) -> EarlyShare {
        EarlyShare { memory, taken: 0 }
    }

    /// Takes what is missing to so many bytes. False if there are fewer; then it takes none.
    pub(super) fn claim(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.taken);
        let shared = &self.memory.0;
        let fits = more == 0 || shared.fetch_add(more, Ordering::Relaxed).saturating_add(more) <= SHARED;
        if fits {
            self.taken += more;
        } else {
            shared.fetch_sub(more, Ordering::Relaxed);
        }
        fits
    }

    /// Gives back what is beyond so many bytes.
    pub(super) fn settle(&mut self, bytes: usize) {
        let less = self.taken.saturating_sub(bytes);
        if less > 0 {
            self.taken -= less;
            self.memory.0.fetch_sub(less, Ordering::Relaxed);
        }
    }
}

impl Drop for EarlyShare {
    fn drop(&mut self) {
        self.settle(0);
    }
}
