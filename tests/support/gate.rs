//! Order between threads: what one of them waits for and another makes true, with a deadline.

use std::io;
use std::sync::{Condvar, Mutex};

use super::talk::DEADLINE;

/// A condition that one thread waits for and another makes true.
///
/// A copy is the same gate, so that every script can hold one. Its memory is never freed: that is a few
/// bytes for each gate of a test.
#[derive(Clone, Copy)]
pub struct Gate(&'static (Mutex<bool>, Condvar));

impl Gate {
    /// A gate that is closed.
    pub fn new() -> Gate {
        Gate(Box::leak(Box::default()))
    }

    /// Opens the gate for good.
    pub fn open(self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Waits until the gate is open. Fails when that takes too long.
    pub fn pass(self) -> io::Result<()> {
        let open = self.0.0.lock().unwrap();
        let (open, _) = self.0.1.wait_timeout_while(open, DEADLINE, |open| !*open).unwrap();
        if *open { Ok(()) } else { Err(io::ErrorKind::TimedOut.into()) }
    }
}

/// A point that several threads must have reached before any of them goes on. A copy is the same point.
#[derive(Clone, Copy)]
pub struct Rendezvous {
    missing: &'static Mutex<usize>,
    complete: Gate,
}

impl Rendezvous {
    /// A point at which this many threads wait for each other.
    pub fn of(threads: usize) -> Rendezvous {
        Rendezvous { missing: Box::leak(Box::new(Mutex::new(threads))), complete: Gate::new() }
    }

    /// Arrives, and waits for the others. A later arrival does not wait. Fails when it takes too long.
    pub fn wait(self) -> io::Result<()> {
        let mut missing = self.missing.lock().unwrap();
        *missing = missing.saturating_sub(1);
        if *missing == 0 {
            self.complete.open();
        }
        drop(missing);
        self.complete.pass()
    }
}
