//! The buffer between a stream and the frames in it.
//!
//! One `read` brings as many frames as fit, because a system call for each block costs more than copying the
//! block. The buffer begins small and doubles when a read fills it: only a peer that sends blocks, and faster
//! than we read, has a large one, and all of them together stay within [`ReadMemory`], so that one fast peer
//! reads half a megabyte at a time and fifty do not take fifty times that.

use crate::message::{PeerError, Wait};
use crate::net::{PeerStream, Throttle};
use crate::wire::{Frame, FrameLimits, Message};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

const MIN_BYTES: usize = 16 * 1024;
/// Reading half a megabyte at a time costs half as much as 64 KiB at a time; a megabyte gains nothing more,
/// and does not fit the cache.
const MAX_BYTES: usize = 512 * 1024;
/// What the buffers of all peers together may have beyond the smallest size.
const MAX_GROWTH: usize = 2 * 1024 * 1024;

/// How many bytes the read buffers of all peers together have beyond the smallest size.
#[derive(Debug, Default)]
pub struct ReadMemory(AtomicUsize);

impl ReadMemory {
    fn take(&self, bytes: usize) -> bool {
        let taken = self.0.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) <= MAX_GROWTH;
        if !taken {
            self.give_back(bytes);
        }
        taken
    }

    fn give_back(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Bytes that were read, of which some are used up.
#[derive(Debug)]
pub struct ReadBuffer {
    bytes: Vec<u8>,
    /// Up to here the bytes are used up.
    used: usize,
    /// Up to here bytes were read.
    held: usize,
    memory: Arc<ReadMemory>,
    /// Bytes that we took from the memory for all buffers.
    taken: usize,
    /// Bytes of the frame that is still coming.
    needed: usize,
    /// The peer has shown that it is worth more memory.
    grows: bool,
}

impl ReadBuffer {
    /// An empty buffer. It grows to the longest frame, and no further before [`ReadBuffer::may_grow`].
    pub fn new(memory: Arc<ReadMemory>) -> ReadBuffer {
        ReadBuffer::holding(memory, Vec::new())
    }

    /// The same, with bytes in it that were read before.
    pub fn holding(memory: Arc<ReadMemory>, mut bytes: Vec<u8>) -> ReadBuffer {
        let held = bytes.len();
        bytes.resize(held.max(MIN_BYTES), 0);
        ReadBuffer { bytes, used: 0, held, memory, taken: 0, needed: 0, grows: false }
    }

    /// From now on it grows as far as the memory for all buffers allows: the peer sends what we asked for.
    pub fn may_grow(&mut self) {
        self.grows = true;
    }

    /// The bytes that were read and not used up.
    pub fn unused(&self) -> &[u8] {
        self.bytes.get(self.used..self.held).unwrap_or_default()
    }

    /// The bytes of the last message that had not come as a whole.
    pub fn needed(&self) -> usize {
        self.needed
    }

    /// Takes the next message out of the buffer, if all of it is there.
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

    /// Waits for more bytes, and until the download limit lets them come.
    pub fn fill(&mut self, stream: &PeerStream, down: &Throttle) -> Result<(), PeerError> {
        self.bytes.copy_within(self.used..self.held, 0);
        self.held -= self.used;
        self.used = 0;
        if self.needed > self.bytes.len() {
            // The length passed the limits, so a frame can be this long.
            self.bytes.resize(self.needed, 0);
        }
        let asked = self.bytes.len() - self.held;
        let read = match down.limit() {
            None => stream.read_behind(self.held, &mut self.bytes),
            Some(_) => read_limited(stream, down, self.held, &mut self.bytes),
        };
        let read = read.map_err(|error| end_reason(stream, error))?;
        if read == 0 {
            return Err(stream.hung_up().map_or(PeerError::Closed, PeerError::HungUp));
        }
        self.held += read;
        let length = self.bytes.len();
        if self.grows && read == asked && length < MAX_BYTES && self.memory.take(length) {
            self.taken += length;
            self.bytes.resize(length * 2, 0);
        }
        Ok(())
    }
}

impl Drop for ReadBuffer {
    fn drop(&mut self) {
        self.memory.give_back(self.taken);
    }
}

/// Reads no more than the download limit lets come now. Only bytes that are there are reserved, so that
/// peers that send nothing do not keep other peers waiting. The bytes are left in the stream meanwhile, so
/// that it fills up and slows its peer down.
fn read_limited(stream: &PeerStream, down: &Throttle, held: usize, buffer: &mut [u8]) -> io::Result<usize> {
    let room = buffer.get_mut(held..).unwrap_or_default();
    let portion = room.len().min(down.portion());
    let there = stream.wait_for_bytes(room.get_mut(..portion).unwrap_or_default())?;
    stream.pause_until(down.take(there, Instant::now()));
    if stream.hung_up().is_some() {
        return Ok(0);
    }
    stream.read_behind(held, buffer.get_mut(..held.saturating_add(there)).unwrap_or_default())
}

fn end_reason(stream: &PeerStream, error: io::Error) -> PeerError {
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
    use std::time::Duration;

    #[test]
    fn a_limited_reader_takes_a_portion_at_a_time_and_misses_nothing() {
        let (stream, peer) = PeerStream::in_memory();
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
    fn a_reader_that_waits_for_the_limit_ends_when_we_hang_up() {
        let (stream, peer) = PeerStream::in_memory();
        peer.write_all(&[0; 1_000]).unwrap();
        let down = Throttle::limited(1);
        down.take(1 << 20, Instant::now());
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| ReadBuffer::new(Arc::default()).fill(&stream, &down));
            stream.hang_up(HangUp::Released);
            assert!(matches!(reader.join().unwrap(), Err(PeerError::HungUp(HangUp::Released))));
        });
    }

    #[test]
    fn a_buffer_doubles_when_a_read_fills_it_and_gives_its_growth_back() {
        let (stream, peer) = PeerStream::in_memory();
        let (memory, down) = (Arc::<ReadMemory>::default(), Throttle::unlimited());
        let mut buffer = ReadBuffer::new(Arc::clone(&memory));
        peer.write_all(&[0; MIN_BYTES - 1]).unwrap();
        buffer.fill(&stream, &down).unwrap();
        assert_eq!(buffer.bytes.len(), MIN_BYTES, "the read did not fill it");
        peer.write_all(&[0; 1]).unwrap();
        buffer.fill(&stream, &down).unwrap();
        assert_eq!(buffer.bytes.len(), MIN_BYTES, "the peer has sent nothing of use");
        buffer.may_grow();
        buffer.held -= 1;
        peer.write_all(&[0; 100]).unwrap();
        buffer.fill(&stream, &down).unwrap();
        assert_eq!((buffer.bytes.len(), buffer.taken), (2 * MIN_BYTES, MIN_BYTES));
        assert!(memory.take(MAX_GROWTH - MIN_BYTES) && !memory.take(1));
        peer.write_all(&[0; 2 * MIN_BYTES]).unwrap();
        buffer.fill(&stream, &down).unwrap();
        assert_eq!(buffer.bytes.len(), 2 * MIN_BYTES, "the memory for all buffers is used up");
        drop(buffer);
        assert!(memory.take(MIN_BYTES) && !memory.take(1));
    }

    #[test]
    fn a_frame_is_put_together_from_several_reads_and_silence_ends_the_wait() {
        let (stream, peer) = PeerStream::in_memory();
        let down = Throttle::unlimited();
        let limits = FrameLimits::for_pieces(8);
        let mut buffer = ReadBuffer::holding(Arc::default(), vec![0, 0, 0]);
        assert!(buffer.next(&limits).unwrap().is_none());
        for part in [[5, 4].as_slice(), &[0, 0, 0], &[7, 0]] {
            peer.write_all(part).unwrap();
            buffer.fill(&stream, &down).unwrap();
        }
        assert!(matches!(buffer.next(&limits), Ok(Some(Message::Have(7)))));
        assert!(matches!(buffer.next(&limits), Ok(None)));
        assert_eq!(buffer.unused(), [0]);
        stream.wait_at_most(Duration::from_millis(1)).unwrap();
        let end = buffer.fill(&stream, &down);
        assert!(matches!(end, Err(PeerError::TimedOut(Wait::Message))));
        stream.hang_up(HangUp::Idle);
        assert!(matches!(buffer.fill(&stream, &down), Err(PeerError::HungUp(HangUp::Idle))));
    }
}
