//! The buffer between a socket and the frames in it.
//!
//! One `read` brings as many frames as fit, because a system call for each block costs more than the
//! block's copy. The buffer begins small and doubles when a read fills it: only a peer that sends
//! faster than we look has a large one, and all of them together stay within [`ReadMemory`], so that
//! one fast peer reads half a megabyte at a time and fifty do not take fifty times that.

use crate::message::{PeerError, Wait};
use crate::net::{PeerStream, Throttle};
use crate::wire::{Frame, FrameLimits, Message};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

const SMALLEST: usize = 16 * 1024;
/// Half a megabyte a read halves the cost of 64 KiB; a megabyte gains nothing more and leaves the cache.
const LARGEST: usize = 512 * 1024;
/// What the buffers of all peers may have beyond the smallest.
const ALL_TOGETHER: usize = 2 * 1024 * 1024;

/// How many bytes the read buffers of all peers have beyond the smallest.
#[derive(Debug, Default)]
pub struct ReadMemory(AtomicUsize);

impl ReadMemory {
    fn take(&self, bytes: usize) -> bool {
        let taken = self.0.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) <= ALL_TOGETHER;
        if !taken {
            self.give(bytes);
        }
        taken
    }

    fn give(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Bytes that were read, of which some are used up.
#[derive(Debug)]
pub struct ReadBuffer {
    bytes: Vec<u8>,
    used: usize,
    held: usize,
    memory: Arc<ReadMemory>,
    /// What we took from it.
    taken: usize,
    /// Bytes of the frame that is still coming.
    needed: usize,
}

impl ReadBuffer {
    /// An empty buffer that grows as far as the memory for all of them allows, and always to the
    /// longest frame.
    pub fn new(memory: Arc<ReadMemory>) -> ReadBuffer {
        ReadBuffer::holding(memory, Vec::new())
    }

    /// The same, with bytes in it that were read before.
    pub fn holding(memory: Arc<ReadMemory>, mut bytes: Vec<u8>) -> ReadBuffer {
        let held = bytes.len();
        bytes.resize(held.max(SMALLEST), 0);
        ReadBuffer { bytes, used: 0, held, memory, taken: 0, needed: 0 }
    }

    /// The bytes that were read and not used up.
    pub fn unused(&self) -> &[u8] {
        self.bytes.get(self.used..self.held).unwrap_or_default()
    }

    /// Takes the next message out of the buffer, if it is there as a whole.
    pub fn next(&mut self, limits: &FrameLimits) -> Result<Option<Message<'_>>, PeerError> {
        let held = self.bytes.get(self.used..self.held).unwrap_or_default();
        match Frame::parse(held, limits).map_err(PeerError::Frame)? {
            Frame::Whole(message, length) => {
                self.used += length;
                Ok(Some(message))
            }
            Frame::Partial(needed) => {
                self.needed = needed;
                Ok(None)
            }
        }
    }

    /// Waits for more bytes, and until they may come.
    pub fn fill(&mut self, stream: &PeerStream, down: &Throttle) -> Result<(), PeerError> {
        self.bytes.copy_within(self.used..self.held, 0);
        self.held -= self.used;
        self.used = 0;
        if self.needed > self.bytes.len() {
            // The length passed the limits, so a frame can be this long.
            self.bytes.resize(self.needed, 0);
        }
        let room = self.bytes.get_mut(self.held..).unwrap_or_default();
        let asked = room.len();
        let read = match down.limit() {
            None => stream.read(room),
            Some(_) => read_in_turn(stream, down, room),
        };
        let read = read.map_err(|error| farewell(stream, error))?;
        if read == 0 {
            return Err(stream.hung_up().map_or(PeerError::Closed, PeerError::HungUp));
        }
        self.held += read;
        let length = self.bytes.len();
        if read == asked && length < LARGEST && self.memory.take(length) {
            self.taken += length;
            self.bytes.resize(length * 2, 0);
        }
        Ok(())
    }
}

impl Drop for ReadBuffer {
    fn drop(&mut self) {
        self.memory.give(self.taken);
    }
}

/// Reads no more than may come now. Only bytes that are there are reserved, so that peers that have
/// nothing to say keep nobody waiting; and they are left in the socket meanwhile, so that it fills and
/// slows its peer down.
fn read_in_turn(stream: &PeerStream, down: &Throttle, room: &mut [u8]) -> io::Result<usize> {
    let portion = room.len().min(down.portion());
    let there = stream.peek(room.get_mut(..portion).unwrap_or_default())?;
    stream.pause_until(down.take(there, Instant::now()));
    if stream.hung_up().is_some() {
        return Ok(0);
    }
    stream.read(room.get_mut(..there).unwrap_or_default())
}

fn farewell(stream: &PeerStream, error: io::Error) -> PeerError {
    match (stream.hung_up(), error.kind()) {
        (Some(why), _) => PeerError::HungUp(why),
        (_, io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) => PeerError::TimedOut(Wait::Message),
        _ => PeerError::Lost(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::HangUp;
    use crate::net::BindAddress;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    fn stream() -> (PeerStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stream = PeerStream::connect(BindAddress::any(), address, Duration::from_secs(20)).unwrap();
        (stream, listener.accept().unwrap().0)
    }

    #[test]
    fn a_limited_reader_takes_a_portion_at_a_time_and_leaves_out_nothing() {
        let (stream, mut peer) = stream();
        let sent: Vec<u8> = (0..10_000_u32).map(|number| number as u8).collect();
        peer.write_all(&sent).unwrap();
        let down = Throttle::limited(64 * 1_000);
        let mut buffer = ReadBuffer::new(Arc::default());
        while buffer.held < sent.len() {
            let before = buffer.held;
            buffer.fill(&stream, &down).unwrap();
            assert!((1..=1_000).contains(&(buffer.held - before)));
        }
        assert_eq!(buffer.bytes[..buffer.held], sent);
        drop(peer);
        assert!(matches!(buffer.fill(&stream, &down), Err(PeerError::Closed)));
    }

    #[test]
    fn a_reader_that_waits_for_its_turn_ends_when_we_hang_up() {
        let (stream, mut peer) = stream();
        peer.write_all(&[0; 1_000]).unwrap();
        let down = Throttle::limited(1);
        down.take(1 << 20, Instant::now());
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| ReadBuffer::new(Arc::default()).fill(&stream, &down));
            stream.hang_up(HangUp::Released);
            assert!(matches!(reader.join().unwrap(), Err(PeerError::HungUp(HangUp::Released))));
        });
    }
}
