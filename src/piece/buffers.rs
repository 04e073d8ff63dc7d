//! The spare buffers of one torrent.
//!
//! A piece is put together in a buffer of its own, and the system charges a page fault for every
//! four kilobytes of a fresh one. So the writer gives a buffer back when its piece is on disk, and
//! the next piece that opens takes it from here. The stack order matters: the buffer that was used
//! last is the one that is still in the cache.

use std::sync::{Mutex, PoisonError};

/// Where buffers wait for their next piece. Any thread may ask; the lock is held for a push or a pop.
#[derive(Debug)]
pub struct BufferPool {
    spare: Mutex<Vec<Vec<u8>>>,
    most: usize,
}

impl BufferPool {
    /// A pool that keeps at most `most` spare buffers.
    pub fn new(most: usize) -> BufferPool {
        BufferPool { spare: Mutex::default(), most }
    }

    /// A buffer of this many bytes. What stands in it is left over from an earlier piece.
    pub fn take(&self, length: usize) -> Vec<u8> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut buffer = spare.unwrap_or_default();
        if buffer.len() < length && buffer.capacity() < length {
            // Fresh zeroed memory costs nothing until it is written; growing would copy the old bytes.
            buffer = vec![0; length];
        }
        buffer.resize(length, 0);
        buffer
    }

    /// Gives a buffer back.
    pub fn give(&self, buffer: Vec<u8>) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < self.most {
            spare.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_was_given_back_is_used_again_and_no_more_than_the_most_are_kept() {
        let pool = BufferPool::new(1);
        let (first, second) = (pool.take(100), pool.take(100));
        let address = first.as_ptr();
        pool.give(first);
        pool.give(second);
        let (again, fresh) = (pool.take(50), pool.take(50));
        assert_eq!((again.as_ptr(), again.len()), (address, 50));
        assert_ne!(fresh.as_ptr(), address);
    }
}
