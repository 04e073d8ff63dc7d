//! The word to end, for a thread that mostly waits for something from the network.
//!
//! The thread names what it waits for; whoever wants it to end wakes it there.

use crate::thread::lock;
use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Ends a wait.
pub type Wake = Box<dyn Fn() + Send>;

/// Whether the thread is to end, and how to wake it.
#[derive(Default)]
pub struct Halt {
    is_set: AtomicBool,
    wake: Mutex<Option<Wake>>,
}

impl Halt {
    /// From now on a wait that is begun can be ended so. To be called by the thread itself, right before it waits.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConnectionAborted`]: it is to end.
    pub fn wakes_by(&self, wake: Wake) -> io::Result<()> {
        *lock(&self.wake) = Some(wake);
        self.check()
    }

    /// The thread waits no more for what it named.
    pub fn awake(&self) {
        *lock(&self.wake) = None;
    }

    /// Whether the thread may go on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConnectionAborted`]: it is to end.
    pub fn check(&self) -> io::Result<()> {
        if self.is_set.load(Ordering::SeqCst) { Err(ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }

    /// Has the thread end.
    pub fn set(&self) {
        self.is_set.store(true, Ordering::SeqCst);
        lock(&self.wake).iter().for_each(|wake| wake());
    }
}

impl fmt::Debug for Halt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Halt({})", self.is_set.load(Ordering::Relaxed))
    }
}
