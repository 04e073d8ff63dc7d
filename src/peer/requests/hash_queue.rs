//! The hashes that a peer requested (BEP 52).
//!
//! As with metadata, every peer gets them, choked or not, but only so often in the life of a connection: one who joins by
//! a magnet link can do nothing before it has them.

use super::NextUpload;
use crate::message::Violation;
use crate::wire::HashRequest;
use std::collections::VecDeque;

/// How often each hash is served on average...
const TIMES_EACH: u64 = 4;
/// ...and how many hashes are served beyond that.
const AND_MORE: u64 = 16 * 512;
/// Answers that wait to be sent before we disconnect.
const MAX_QUEUED: usize = 500;

/// The requests of one peer for hashes.
#[derive(Debug, Default)]
pub struct HashQueue {
    /// What is to be answered, and whether with hashes.
    queue: VecDeque<(HashRequest, bool)>,
    /// How many hashes were asked for and are served.
    accepted: u64,
}

impl HashQueue {
    /// Enters a request, of a torrent with this many pieces.
    pub fn request(&mut self, request: HashRequest, pieces: u32) -> Result<(), Violation> {
        if self.queue.len() >= MAX_QUEUED {
            return Err(Violation::MetadataRequestFlood);
        }
        let most = u64::from(pieces).saturating_mul(TIMES_EACH).saturating_add(AND_MORE);
        let asked = self.accepted.saturating_add(request.count.into()).saturating_add(request.proofs.into());
        let is_served = asked <= most;
        if is_served {
            self.accepted = asked;
        }
        self.queue.push_back((request, is_served));
        Ok(())
    }

    /// The request that is next.
    pub fn next(&self) -> Option<NextUpload> {
        self.queue.front().map(|&(request, is_served)| NextUpload::Hashes { request, is_served })
    }

    /// Takes out the request that is next.
    pub fn pop(&mut self) {
        self.queue.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: HashRequest = HashRequest { root: [7; 32], base: 2, index: 0, count: 512, proofs: 0 };

    #[test]
    fn hashes_are_given_a_few_times_and_then_refused() {
        let mut queue = HashQueue::default();
        let mut answers = Vec::new();
        for _ in 0..30 {
            queue.request(REQUEST, 1024).unwrap();
            let Some(NextUpload::Hashes { is_served, .. }) = queue.next() else { panic!() };
            answers.push(is_served);
            queue.pop();
        }
        assert_eq!(answers.iter().filter(|is_served| **is_served).count(), 4 * 2 + 16);
        assert!(queue.next().is_none());
        queue.request(HashRequest { count: u32::MAX, proofs: u32::MAX, ..REQUEST }, 1024).unwrap();
        assert!(matches!(queue.next(), Some(NextUpload::Hashes { is_served: false, .. })));
    }

    #[test]
    fn the_hashes_that_lead_to_the_root_count_as_well() {
        let mut queue = HashQueue::default();
        let one = HashRequest { count: 1, proofs: 11, ..REQUEST };
        let mut served = 0;
        for _ in 0..2000 {
            queue.request(one, 1024).unwrap();
            served += usize::from(matches!(queue.next(), Some(NextUpload::Hashes { is_served: true, .. })));
            queue.pop();
        }
        assert_eq!(served, (4 * 1024 + 16 * 512) / 12);
    }

    #[test]
    fn answers_that_the_peer_does_not_read_have_a_bound() {
        let mut queue = HashQueue::default();
        let taken = (0..).take_while(|_| queue.request(REQUEST, 1024).is_ok());
        assert_eq!(taken.count(), MAX_QUEUED);
    }
}
