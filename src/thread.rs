//! Starting threads: each has a name and a stack of a size that suits what it does.
//!
//! The name is what a debugger, `top` and a panic show. The stack is small, because a thread per peer times
//! the two MiB that the standard library reserves is more than a router has; memory that is never touched
//! costs nothing but address space, of which a 32-bit host has little too.

use std::io;
use std::thread::{Builder, JoinHandle};

/// The stack that the standard library gives a thread. For threads that run code of the system of which we do
/// not know what it needs, such as its resolver.
pub const SYSTEM_STACK: usize = 2 * 1024 * 1024;

/// Starts a thread with a stack of so many bytes, whose whole life is the function `life`.
///
/// # Errors
///
/// What the system says where it has no room for another thread.
pub fn spawn(
    name: impl Into<String>,
    stack_bytes: usize,
    life: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    spawn_boxed(name.into(), stack_bytes, Box::new(life))
}

/// Not generic, so that the program holds the code that starts a thread only once.
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
