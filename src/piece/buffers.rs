//! The spare buffers of all torrents.
//!
//! Each piece is put together in a buffer. A new buffer costs a page fault for every 4 KiB, and what is freed on
//! one thread and allocated on another, the C library may keep twice. So the writer gives a buffer back when its
//! piece is on disk, and the next piece that is opened, of whatever torrent, takes it from here. The order is that
//! of a stack, because the most recently used buffer is the one that is still in the cache.

use crate::thread::lock;
use std::sync::Mutex;

/// The buffers that wait for their next piece. Any thread may ask; the lock is held while a few dozen are looked
/// through.
#[derive(Debug)]
pub struct BufferPool(Mutex<SpareBuffers>);

#[derive(Debug)]
struct SpareBuffers {
    buffers: Vec<Vec<u8>>,
    /// Bytes in them.
    bytes: u64,
    /// Bytes in buffers that were taken and not given back.
    in_use: u64,
    /// The most bytes of both together, as far as spare buffers decide it.
    most: u64,
}

/// The most buffers that are kept.
const MAX_BUFFERS: usize = 1024;

impl BufferPool {
    /// A pool that keeps spare buffers as long as there are no more than so many bytes in all buffers.
    pub fn new(most: u64) -> BufferPool {
        BufferPool(Mutex::new(SpareBuffers { buffers: Vec::new(), bytes: 0, in_use: 0, most }))
    }

    /// A buffer of `length` bytes. Its content is left over from an earlier piece.
    pub fn take(&self, length: usize) -> Vec<u8> {
        // A much longer one would waste memory.
        let fits = |buffer: &Vec<u8>| buffer.capacity() >= length && buffer.capacity() / 2 <= length;
        let mut freed = Vec::new();
        let spare = {
            let mut spare = lock(&self.0);
            let found = spare.buffers.iter().rposition(fits).map(|position| spare.remove(position));
            let bytes = found.as_ref().map_or(length, Vec::capacity) as u64;
            spare.in_use = spare.in_use.saturating_add(bytes);
            // The least recently used ones make room for a new one.
            while spare.is_too_much() && !spare.buffers.is_empty() {
                freed.push(spare.remove(0));
            }
            found
        };
        // The lock is not held while the system takes the memory back.
        drop(freed);
        // New zeroed memory costs nothing until it is written.
        let mut buffer = spare.unwrap_or_else(|| vec![0; length]);
        buffer.resize(length, 0);
        buffer
    }

    /// Gives a buffer back.
    pub fn give(&self, buffer: Vec<u8>) {
        let mut spare = lock(&self.0);
        let bytes = buffer.capacity() as u64;
        spare.in_use = spare.in_use.saturating_sub(bytes);
        spare.bytes = spare.bytes.saturating_add(bytes);
        spare.buffers.push(buffer);
        if spare.is_too_much() || spare.buffers.len() > MAX_BUFFERS {
            let last = spare.buffers.len().saturating_sub(1);
            let freed = spare.remove(last);
            drop(spare);
            drop(freed);
        }
    }

    /// Bytes in spare buffers.
    pub fn spare_bytes(&self) -> u64 {
        lock(&self.0).bytes
    }

    /// Frees all spare buffers: no piece is in memory, and none is expected. What was not given back is forgotten.
    pub fn free(&self) {
        let mut spare = lock(&self.0);
        let freed = std::mem::take(&mut spare.buffers);
        (spare.bytes, spare.in_use) = (0, 0);
        drop(spare);
        drop(freed);
    }
}

impl SpareBuffers {
    fn remove(&mut self, position: usize) -> Vec<u8> {
        let buffer = self.buffers.remove(position);
        self.bytes = self.bytes.saturating_sub(buffer.capacity() as u64);
        buffer
    }

    fn is_too_much(&self) -> bool {
        self.bytes.saturating_add(self.in_use) > self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_was_given_back_is_used_again_for_pieces_of_about_its_length() {
        let pool = BufferPool::new(1000);
        let (long, short) = (pool.take(300), pool.take(100));
        let (long_address, short_address) = (long.as_ptr(), short.as_ptr());
        pool.give(short);
        pool.give(long);
        let (again, other) = (pool.take(60), pool.take(200));
        assert_eq!((again.as_ptr(), again.len()), (short_address, 60));
        assert_eq!((other.as_ptr(), other.len()), (long_address, 200));
    }

    #[test]
    fn in_use_and_spare_there_are_no_more_bytes_than_allowed() {
        let pool = BufferPool::new(250);
        let bytes = || pool.spare_bytes();
        let [one, two, three] = [(); 3].map(|()| pool.take(100));
        pool.give(one);
        assert_eq!(bytes(), 0, "two are in use");
        pool.give(two);
        assert_eq!(bytes(), 100);
        pool.give(three);
        assert_eq!(bytes(), 200);
        // A new one of another length takes the place of both.
        let long = pool.take(240);
        assert_eq!(bytes(), 0);
        pool.give(long);
        assert_eq!(bytes(), 240);
        pool.free();
        assert_eq!(bytes(), 0);
    }
}
