//! Faults of the disk, for tests: any system call that `calls` makes can fail.
//!
//! They concern the thread that asked for them, and those that it hands work to: tests run side by side.

use super::Call;
use std::cell::RefCell;
use std::io;
use std::sync::{Arc, Condvar, Mutex};

use rustix::io::Errno;

use crate::thread::lock;

thread_local! {
    static DISK: RefCell<Option<Disk>> = const { RefCell::new(None) };
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This call, counted from zero, fails once.
    Once(usize, Errno),
    /// All calls of this kind fail.
    Always(Call, Errno),
    /// The writer's calls of this kind take until [`Disk::release`].
    Stuck(Call),
    /// Reads and writes take no more than this many bytes.
    Short(usize),
}

/// A disk that fails: the calls that were made to it.
#[derive(Clone)]
pub struct Disk {
    fault: Option<Fault>,
    calls: Arc<Mutex<Vec<Call>>>,
    /// Whether the writer is stuck, and whether it may go on.
    stuck: Arc<(Mutex<(bool, bool)>, Condvar)>,
}

impl Disk {
    /// From now on the calls of this thread go to this disk, and those of the threads that it hands work to,
    /// until what is returned is dropped.
    pub fn with(fault: Option<Fault>) -> Disk {
        let disk = Disk { fault, calls: Arc::default(), stuck: Arc::default() };
        DISK.set(Some(disk.clone()));
        disk
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.calls).clone()
    }

    /// What is stuck goes on.
    pub fn release(&self) {
        lock(&self.stuck.0).1 = true;
        self.stuck.1.notify_all();
    }

    /// Whether the writer is, or was, stuck.
    pub fn is_stuck(&self) -> bool {
        lock(&self.stuck.0).0
    }

    /// The disk works again, as far as this thread sees.
    pub fn mend() {
        DISK.set(None);
    }
}

pub(super) fn next(what: Call) -> Option<io::Error> {
    let disk = DISK.with_borrow(Clone::clone)?;
    let count = {
        let mut calls = lock(&disk.calls);
        calls.push(what);
        calls.len()
    };
    match disk.fault? {
        Fault::Once(at, error) if at + 1 == count => Some(error.into()),
        Fault::Stuck(which) if which == what && std::thread::current().name() == Some("writer") => {
            lock(&disk.stuck.0).0 = true;
            drop(disk.stuck.1.wait_while(lock(&disk.stuck.0), |(_, released)| !*released));
            None
        }
        Fault::Always(which, error) if which == what => Some(error.into()),
        _ => None,
    }
}

pub(super) fn shortened(length: usize) -> usize {
    match DISK.with_borrow(|disk| disk.as_ref().and_then(|disk| disk.fault)) {
        Some(Fault::Short(most)) => length.min(most),
        _ => length,
    }
}

/// Work for another thread, on which the calls fail as they do on this one.
pub fn handed_on<Done>(work: impl FnOnce() -> Done) -> impl FnOnce() -> Done {
    let disk = DISK.with_borrow(Clone::clone);
    move || {
        DISK.set(disk);
        work()
    }
}
