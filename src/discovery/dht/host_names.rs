//! The host names of nodes that wait to be looked up.
//!
//! One after the other is looked up, by one thread. The end of the DHT waits a moment for it.

use crate::thread::lock;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// The most host names that wait. A torrent could name a million.
const MAX_NAMES: usize = 64;
/// How long the end of the DHT waits for the host name that is being looked up.
const END_PATIENCE: Duration = Duration::from_millis(500);

/// Host names to be looked up.
#[derive(Debug, Default)]
pub(super) struct HostNames {
    state: Mutex<NameQueue>,
    ended: Condvar,
}

/// The same, for who holds the lock.
#[derive(Debug, Default)]
pub(super) struct NameQueue {
    waiting: VecDeque<(String, u16)>,
    /// A thread looks names up.
    pub is_running: bool,
    is_closed: bool,
    /// The user knows that no thread could be started.
    pub is_warned: bool,
    /// Why the last name was not found, until one is.
    pub trouble: Option<String>,
}

impl NameQueue {
    /// A host name and its port wait from now on, unless they do already or too many others do.
    pub fn add(&mut self, node: &(String, u16)) {
        if self.waiting.len() < MAX_NAMES && !self.waiting.contains(node) {
            self.waiting.push_back(node.clone());
        }
    }

    /// Whether a thread is to be started.
    pub fn wants_a_thread(&self) -> bool {
        !self.waiting.is_empty() && !self.is_running && !self.is_closed
    }
}

impl HostNames {
    /// The queue, locked.
    pub fn state(&self) -> MutexGuard<'_, NameQueue> {
        lock(&self.state)
    }

    /// Looks up no more host names, and waits a moment for the one that is being looked up.
    pub fn close(&self) {
        self.state().is_closed = true;
        let _ = self.ended.wait_timeout_while(self.state(), END_PATIENCE, |state| state.is_running);
    }

    /// Why the last name could not be looked up, unless one was found since.
    pub fn trouble(&self) -> Option<String> {
        self.state().trouble.clone()
    }

    /// The next one for the thread that looks names up. If there is none, that thread ends.
    pub fn next(&self) -> Option<(String, u16)> {
        let mut state = self.state();
        let next = state.waiting.pop_front().filter(|_| !state.is_closed);
        if next.is_none() {
            state.is_running = false;
            self.ended.notify_all();
        }
        next
    }
}
