//! When something of a connection is due next, for all connections of a port.
//!
//! The thread that receives looks at the first entry alone, however many there are. A connection has one entry at most.
//! It is moved only if something is due earlier: what is due later is found out when the entry's time has come. So the
//! acknowledgements of a transfer, each of which puts off the time at which a packet counts as lost, cost nothing here.

use crate::thread::lock;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// The entries of a port. A connection is a `T`.
#[derive(Debug)]
pub(super) struct Timers<T>(Mutex<Inside<T>>);

#[derive(Debug)]
struct Inside<T> {
    /// By time, and by the number of the connection.
    due: BTreeMap<(Instant, u64), Arc<T>>,
    /// Until when the thread sleeps, while it does.
    sleeps_until: Option<Instant>,
}

impl<T> Default for Timers<T> {
    fn default() -> Timers<T> {
        Timers(Mutex::new(Inside { due: BTreeMap::new(), sleeps_until: None }))
    }
}

impl<T> Timers<T> {
    /// Moves the entry of a connection, which has this number, from one time to another. Whether the thread has to be
    /// woken.
    pub(super) fn set(
        &self,
        (number, link): (u64, &Arc<T>),
        before: Option<Instant>,
        due: Option<Instant>,
    ) -> bool {
        let mut inside = lock(&self.0);
        if let Some(before) = before {
            inside.due.remove(&(before, number));
        }
        let Some(due) = due else { return false };
        inside.due.insert((due, number), Arc::clone(link));
        match inside.sleeps_until {
            // It is woken once: then it sleeps no longer.
            Some(until) if due < until => inside.sleeps_until.take().is_some(),
            _ => false,
        }
    }

    /// The thread is awake. Takes out a connection whose time has come.
    pub(super) fn next(&self, now: Instant) -> Option<Arc<T>> {
        let mut inside = lock(&self.0);
        inside.sleeps_until = None;
        let first = inside.due.first_entry().filter(|first| first.key().0 <= now)?;
        Some(first.remove())
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        lock(&self.0).due.len()
    }

    /// The thread is about to sleep. Until when it may, as far as these entries go.
    pub(super) fn sleep(&self, longest: Instant) -> Option<Instant> {
        let mut inside = lock(&self.0);
        let first = inside.due.first_key_value().map(|((due, _), _)| *due);
        inside.sleeps_until = Some(first.unwrap_or(longest));
        first
    }
}
