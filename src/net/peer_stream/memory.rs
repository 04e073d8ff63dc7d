//! A connection in memory, for tests and for simulated swarms: two pipes, one in each direction.
//!
//! It behaves as TCP does where the two threads of a worker can tell: a pipe holds a bounded number of bytes
//! and a writer waits for room, a read waits as long as it may, and shutting one end down ends the other.

use super::{PeerStream, Transport, WRITE_DEADLINE};
use crate::thread::lock;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes that a pipe holds where a test asks for no other number.
const CAPACITY: usize = 256 * 1024;

impl PeerStream {
    /// Both ends of a connection in memory.
    pub fn in_memory() -> (PeerStream, PeerStream) {
        PeerStream::in_memory_with(CAPACITY, WRITE_DEADLINE)
    }

    /// The same, where each direction holds `capacity` bytes and a write waits for room for this time.
    pub fn in_memory_with(capacity: usize, write_deadline: Duration) -> (PeerStream, PeerStream) {
        let (there, back) = (Arc::new(Pipe::new(capacity)), Arc::new(Pipe::new(capacity)));
        let end = |incoming: &Arc<Pipe>, outgoing: &Arc<Pipe>| {
            PeerStream::over(Box::new(Memory {
                incoming: Arc::clone(incoming),
                outgoing: Arc::clone(outgoing),
                longest_wait: Mutex::default(),
                write_deadline,
            }))
        };
        (end(&back, &there), end(&there, &back))
    }
}

/// One end.
#[derive(Debug)]
struct Memory {
    incoming: Arc<Pipe>,
    outgoing: Arc<Pipe>,
    /// How long a read waits; without end where no limit was set.
    longest_wait: Mutex<Option<Duration>>,
    write_deadline: Duration,
}

/// The bytes of one direction.
#[derive(Debug)]
struct Pipe {
    state: Mutex<PipeState>,
    changed: Condvar,
    capacity: usize,
}

#[derive(Debug, Default)]
struct PipeState {
    bytes: VecDeque<u8>,
    closed: bool,
}

impl Pipe {
    fn new(capacity: usize) -> Pipe {
        Pipe { state: Mutex::default(), changed: Condvar::new(), capacity }
    }

    fn lock(&self) -> MutexGuard<'_, PipeState> {
        lock(&self.state)
    }

    /// Waits until the pipe is closed or `ready`, and not longer than this.
    fn wait_until(
        &self,
        ready: impl Fn(&PipeState) -> bool,
        longest: Option<Duration>,
    ) -> io::Result<MutexGuard<'_, PipeState>> {
        let not_yet = |state: &mut PipeState| !state.closed && !ready(state);
        let longest = longest.unwrap_or(Duration::MAX);
        let waited = self.changed.wait_timeout_while(self.lock(), longest, not_yet);
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(state) }
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }
}

impl Memory {
    /// Waits for bytes and copies them, without taking them out.
    fn look(&self, into: &mut [u8]) -> io::Result<(MutexGuard<'_, PipeState>, usize)> {
        let longest = *lock(&self.longest_wait);
        let state = self.incoming.wait_until(|state| !state.bytes.is_empty(), longest)?;
        let copied = into.iter_mut().zip(&state.bytes).map(|(to, from)| *to = *from).count();
        Ok((state, copied))
    }
}

impl Transport for Memory {
    fn wait_at_most(&self, wait: Duration) -> io::Result<()> {
        *lock(&self.longest_wait) = Some(wait);
        Ok(())
    }

    fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        let (mut state, count) = self.look(into)?;
        state.bytes.drain(..count);
        drop(state);
        self.incoming.changed.notify_all();
        Ok(count)
    }

    fn peek(&self, into: &mut [u8]) -> io::Result<usize> {
        self.look(into).map(|(_, count)| count)
    }

    fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        let (pipe, capacity) = (&self.outgoing, self.outgoing.capacity);
        while !bytes.is_empty() {
            let mut state =
                pipe.wait_until(|state| state.bytes.len() < capacity, Some(self.write_deadline))?;
            if state.closed {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            let (now, later) = bytes.split_at(bytes.len().min(capacity - state.bytes.len()));
            state.bytes.extend(now);
            bytes = later;
            drop(state);
            pipe.changed.notify_all();
        }
        Ok(())
    }

    fn shut_down(&self) {
        self.incoming.close();
        self.outgoing.close();
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.shut_down();
    }
}
