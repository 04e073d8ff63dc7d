//! Virtual time: a queue of what happens when. Time passes only by going on to the next thing that happens,
//! so an hour in which nothing happens costs nothing.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// The clock of one simulated world.
pub struct Clock<T> {
    /// The real time at which the world began. Only differences of it are ever used.
    start: Instant,
    passed: Duration,
    queue: BinaryHeap<Reverse<Appointment<T>>>,
    /// How many appointments were made. Those of the same moment are kept in the order in which they were made.
    made: u64,
}

struct Appointment<T> {
    at: Duration,
    number: u64,
    what: T,
}

impl<T> Clock<T> {
    /// A clock at the beginning of time.
    pub fn new() -> Clock<T> {
        Clock { start: Instant::now(), passed: Duration::ZERO, queue: BinaryHeap::new(), made: 0 }
    }

    /// The time that has passed since the world began.
    pub fn passed(&self) -> Duration {
        self.passed
    }

    /// The time as the code under test takes it.
    pub fn now(&self) -> Instant {
        self.start + self.passed
    }

    /// A time of the code under test, as time since the world began.
    pub fn since_start(&self, time: Instant) -> Duration {
        time.saturating_duration_since(self.start)
    }

    /// Has something happen at a time; at once where that has passed.
    pub fn at(&mut self, at: Duration, what: T) {
        self.made += 1;
        self.queue.push(Reverse(Appointment { at: at.max(self.passed), number: self.made, what }));
    }

    /// Has something happen after a while.
    pub fn after(&mut self, wait: Duration, what: T) {
        self.at(self.passed + wait, what);
    }

    /// Goes on to what happens next, if that is not after `end`. Otherwise the time is `end` then.
    pub fn next(&mut self, end: Duration) -> Option<T> {
        if self.queue.peek().is_none_or(|Reverse(next)| next.at > end) {
            self.passed = end;
            return None;
        }
        let Reverse(next) = self.queue.pop()?;
        self.passed = next.at;
        Some(next.what)
    }
}

impl<T> PartialEq for Appointment<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Appointment<T> {}

impl<T> PartialOrd for Appointment<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Appointment<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

#[test]
fn what_happens_at_one_moment_happens_in_the_order_in_which_it_was_arranged() {
    let mut clock = Clock::new();
    clock.after(Duration::from_secs(2), 'c');
    clock.after(Duration::from_secs(1), 'a');
    clock.after(Duration::from_secs(1), 'b');
    let all: String = std::iter::from_fn(|| clock.next(Duration::from_secs(9))).collect();
    assert_eq!((all.as_str(), clock.passed()), ("abc", Duration::from_secs(9)));
}
