//! The spare buffers of one torrent.
//!
//! Each piece is put together in a buffer. A new buffer costs a page fault for every 4 KiB. So the writer
//! gives a buffer back when its piece is on disk, and the next piece that is opened takes it from here. The
//! order is that of a stack, because the most recently used buffer is the one that is still in the cache.

use crate::thread::lock;
use std::sync::Mutex;

/// The buffers that wait for their next piece. Any thread may ask; the lock is held for a push or a pop.
#[derive(Debug)]
pub struct BufferPool(Mutex<SpareBuffers>);

#[derive(Debug)]
struct SpareBuffers {
    buffers: Vec<Vec<u8>>,
    most: usize,
}

impl BufferPool {
    /// A pool that keeps at most so many spare buffers.
    pub fn new(most: usize) -> BufferPool {
        BufferPool(Mutex::new(SpareBuffers { buffers: Vec::new(), most }))
    }

    /// From now on at most so many are kept. The others are freed.
    pub fn keep(&self, most: usize) {
        let freed = {
            let mut spare = lock(&self.0);
            spare.most = most;
            let most = most.min(spare.buffers.len());
            spare.buffers.split_off(most)
        };
        // The lock is not held while the system takes the memory back.
        drop(freed);
    }

    /// A buffer of `length` bytes. Its content is left over from an earlier piece.
    pub fn take(&self, length: usize) -> Vec<u8> {
        let spare = lock(&self.0).buffers.pop();
        let mut buffer = spare.unwrap_or_default();
        if buffer.len() < length && buffer.capacity() < length {
            // New zeroed memory costs nothing until it is written; to grow the old buffer would copy its
            // bytes.
            buffer = vec![0; length];
        }
        buffer.resize(length, 0);
        buffer
    }

    /// Gives a buffer back.
    pub fn give(&self, buffer: Vec<u8>) {
        let mut spare = lock(&self.0);
        if spare.buffers.len() < spare.most {
            spare.buffers.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_was_given_back_is_used_again_and_no_more_than_the_maximum_are_kept() {
        let pool = BufferPool::new(1);
        let (first, second) = (pool.take(100), pool.take(100));
        let address = first.as_ptr();
        pool.give(first);
        pool.give(second);
        let (again, fresh) = (pool.take(50), pool.take(50));
        assert_eq!((again.as_ptr(), again.len()), (address, 50));
        assert_ne!(fresh.as_ptr(), address);
        pool.keep(2);
        pool.give(again);
        pool.give(fresh);
        assert_eq!(lock(&pool.0).buffers.len(), 2);
        pool.keep(0);
        assert!(lock(&pool.0).buffers.is_empty());
    }
}
