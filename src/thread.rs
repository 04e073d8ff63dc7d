//! Starting threads, each with a name and a stack of a size that suits what it does, and the locks between
//! them.
//!
//! A debugger, `top` and a panic show the name. The stack is small: the standard library reserves two MiB,
//! and with two threads for each peer that is more than a router has. Memory that is never touched costs only
//! address space, but a 32-bit host has little of that, too.
//!
//! Threads are few where a container, a service or `ulimit -u` limits them, so starting one returns an error
//! and never panics. A panic is a defect of ours or of a library. It ends one thread and not the process, and
//! never in silence: [`spawn`] reports it, and whoever waits for word of the thread gets it from a guard that
//! says the last word when it is dropped.

use log::error;
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle, park};

/// Bytes in the stack that the standard library gives a thread. It is for threads that run code of the
/// system, such as its resolver, since we do not know how much that needs.
pub const SYSTEM_STACK: usize = 2 * 1024 * 1024;

/// Bytes in the stack of a thread that only waits: as many as one of a peer has, since the system may keep a
/// stack for the next thread that wants one of its size.
const WAITING_STACK: usize = 128 * 1024;

/// What is left of a thread, or of a part of its work, that panicked. The text of the panic is on standard
/// error by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panicked;

/// Starts a thread that runs `life` and then ends, with a stack of this many bytes. If `life` panics, the log
/// says so.
///
/// # Errors
///
/// The system cannot start another thread.
pub fn spawn(
    name: impl Into<String>,
    stack_bytes: usize,
    life: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    spawn_boxed(name.into(), stack_bytes, Box::new(life))
}

/// Runs this. A panic in it goes no further.
///
/// What the work has in its hands when it panics must not be used again, except behind a lock (see [`lock`])
/// or a channel.
///
/// # Errors
///
/// It panicked.
pub fn caught<Outcome>(work: impl FnOnce() -> Outcome) -> Result<Outcome, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Panicked)
}

/// How many threads the system lets us start now, up to `wanted`. Starts as many, and ends them again, since
/// no system says it in another way: the limit may be that of a user, a container or a service.
pub fn room(wanted: usize) -> usize {
    // A thread that only parks allocates nothing, which would cost memory that is kept for each thread.
    let waiting = (0..wanted).map_while(|_| spawn("room", WAITING_STACK, park).ok());
    let waiting: Vec<JoinHandle<()>> = waiting.collect();
    let room = waiting.len();
    for thread in waiting {
        thread.thread().unpark();
        let _ = thread.join();
    }
    room
}

/// Waits for a lock and takes it.
///
/// The standard library marks a lock as poisoned when a thread panics while it holds it. Here each lock is
/// held for a few statements that leave its data whole, so the data is as good then as before.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Not generic, so that the binary has the code that starts a thread only once.
fn spawn_boxed(
    name: String,
    stack_bytes: usize,
    life: Box<dyn FnOnce() + Send>,
) -> io::Result<JoinHandle<()>> {
    #[cfg(test)]
    let left = limit::take()?;
    let (builder, guarded) = (Builder::new().name(name.clone()).stack_size(stack_bytes), move || {
        #[cfg(test)]
        limit::set(left);
        if caught(life).is_err() {
            error!("the thread {name} failed because of a bug in this program; the others continue");
        }
    });
    builder.spawn(guarded).map_err(|error| match error.kind() {
        // This kind would be taken for a wait that has come to its end.
        ErrorKind::WouldBlock => io::Error::other(
            "the system allows no more threads (raise ulimit -u or the limit of the container)",
        ),
        _ => error,
    })
}

/// For tests: a limit of the threads that the calling thread, and each that it starts, may start, as a system
/// has one.
#[cfg(test)]
pub mod limit {
    use std::cell::Cell;
    use std::io::{Error, Result};

    thread_local! {
        static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
    }

    /// From now on the calling thread may start this many threads, until the limit is dropped.
    pub fn allow(threads: usize) -> Limit {
        LEFT.set(Some(threads));
        Limit
    }

    /// See [`allow`].
    pub struct Limit;

    impl Drop for Limit {
        fn drop(&mut self) {
            LEFT.set(None);
        }
    }

    pub(super) fn take() -> Result<Option<usize>> {
        let left = match LEFT.get() {
            Some(0) => return Err(Error::other("the test allows no more threads")),
            left => left.map(|left| left - 1),
        };
        LEFT.set(left);
        Ok(left)
    }

    pub(super) fn set(left: Option<usize>) {
        LEFT.set(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_has_the_name_that_it_was_given() {
        let (tell, told) = std::sync::mpsc::channel();
        let name = move || _ = tell.send(std::thread::current().name().map(str::to_owned));
        let thread = spawn("one of many", 64 * 1024, name).unwrap();
        assert_eq!(told.recv().unwrap().as_deref(), Some("one of many"));
        thread.join().unwrap();
    }

    #[test]
    fn a_panic_ends_its_thread_and_no_other() {
        let thread = spawn("panics", 256 * 1024, || panic!("a panic that a test wants")).unwrap();
        thread.join().unwrap();
        assert_eq!(caught(|| 7), Ok(7));
        assert_eq!(caught(|| panic!("a panic that a test wants")), Err::<(), _>(Panicked));
    }

    #[test]
    fn the_room_for_threads_is_what_the_system_gives() {
        assert_eq!(room(5), 5);
        let _limit = limit::allow(3);
        assert_eq!(room(5), 3);
        assert!(spawn("one too many", 64 * 1024, || ()).is_err());
    }
}
