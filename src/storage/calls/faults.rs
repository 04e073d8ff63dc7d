//! Faults of the disk, for tests: any system call that `calls` makes can fail.
//!
//! They concern the thread that asked for them, and those that it hands work to: tests run side by side.

use super::Call;
use std::cell::RefCell;
use std::io;
use std::sync::{Arc, Mutex};

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
    /// Reads and writes take no more than this many bytes.
    Short(usize),
}

/// A disk that fails: the calls that were made to it.
#[derive(Clone)]
pub struct Disk {
    fault: Option<Fault>,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Disk {
    /// From now on the calls of this thread go to this disk, and those of the threads that it hands work to,
    /// until what is returned is dropped.
    pub fn with(fault: Option<Fault>) -> Disk {
        let disk = Disk { fault, calls: Arc::default() };
        DISK.set(Some(disk.clone()));
        disk
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.calls).clone()
    }

    /// The disk works again.
    pub fn mend() {
        DISK.set(None);
    }
}

pub(super) fn next(what: Call) -> Option<io::Error> {
    let disk = DISK.with_borrow(Clone::clone)?;
    let mut calls = lock(&disk.calls);
    calls.push(what);
    match disk.fault? {
        Fault::Once(at, error) if at + 1 == calls.len() => Some(error.into()),
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

pub fn handed_on<Done>(work: impl FnOnce() -> Done) -> impl FnOnce() -> Done {
    let disk = DISK.with_borrow(Clone::clone);
    move || {
        DISK.set(disk);
        work()
    }
}
