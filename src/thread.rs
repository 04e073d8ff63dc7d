//! Starting threads, each with a name and a stack of a size that suits what it does, and the locks between
//! them.
//!
//! A debugger, `top` and a panic show the name. The stack is small: the standard library reserves two MiB,
//! and with two threads for each peer that is more than a router has. Memory that is never touched costs only
//! address space, but a 32-bit host has little of that, too.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

/// Bytes in the stack that the standard library gives a thread. It is for threads that run code of the
/// system, such as its resolver, since we do not know how much that needs.
pub const SYSTEM_STACK: usize = 2 * 1024 * 1024;

/// Starts a thread that runs `life` and then ends, with a stack of this many bytes.
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
    Builder::new().name(name).stack_size(stack_bytes).spawn(life)
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
}
