//! The hashes that a peer requested (BEP 52).
//!
//! As with metadata, every peer gets them, choked or not, but only so often in the life of a connection: one who joins by
//! a magnet link can do nothing before it has them.

use super::NextUpload;
use crate::message::Violation;
use crate::piece::{MAX_RANGE, NodeRange};
use crate::wire::HashRequest;
use std::collections::VecDeque;

/// How often each hash is served on average...
const TIMES_EACH: u64 = 4;
/// ...and how many hashes are served beyond that.
const AND_MORE: u64 = 16 * MAX_RANGE as u64;
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
    /// Enters a request, of a torrent with this many pieces; `None`, where we give no hashes. It is answered either way.
    pub fn request(&mut self, request: HashRequest, pieces: Option<u32>) -> Result<(), Violation> {
        if self.queue.len() >= MAX_QUEUED {
            return Err(Violation::MetadataRequestFlood);
        }
        let most = |pieces: u32| u64::from(pieces).saturating_mul(TIMES_EACH).saturating_add(AND_MORE);
        let NodeRange { length, proof_layers, .. } = request.range;
        let asked = self.accepted.saturating_add(length.into()).saturating_add(proof_layers.into());
        let is_served = pieces.is_some_and(|pieces| asked <= most(pieces));
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

    const RANGE: NodeRange = NodeRange { base_layer: 2, index: 0, length: MAX_RANGE, proof_layers: 0 };
    const REQUEST: HashRequest = HashRequest { pieces_root: [7; 32], range: RANGE };

    #[test]
    fn hashes_are_given_a_few_times_and_then_refused() {
        let mut queue = HashQueue::default();
        let mut answers = Vec::new();
        for _ in 0..30 {
            queue.request(REQUEST, Some(1024)).unwrap();
            let Some(NextUpload::Hashes { is_served, .. }) = queue.next() else { panic!() };
            answers.push(is_served);
            queue.pop();
        }
        assert_eq!(answers.iter().filter(|is_served| **is_served).count(), 4 * 2 + 16);
        assert!(queue.next().is_none());
        let range = NodeRange { length: u32::MAX, proof_layers: u32::MAX, ..RANGE };
        queue.request(HashRequest { range, ..REQUEST }, Some(1024)).unwrap();
        assert!(matches!(queue.next(), Some(NextUpload::Hashes { is_served: false, .. })));
    }

    #[test]
    fn the_hashes_that_lead_to_the_root_count_as_well() {
        let mut queue = HashQueue::default();
        let range = NodeRange { length: 1, proof_layers: 11, ..RANGE };
        let mut served = 0;
        for _ in 0..2000 {
            queue.request(HashRequest { range, ..REQUEST }, Some(1024)).unwrap();
            served += usize::from(matches!(queue.next(), Some(NextUpload::Hashes { is_served: true, .. })));
            queue.pop();
        }
        assert_eq!(served, (4 * 1024 + 16 * 512) / 12);
    }

    #[test]
    fn where_nothing_is_uploaded_each_request_is_rejected() {
        let mut queue = HashQueue::default();
        queue.request(REQUEST, None).unwrap();
        let rejected = queue.next().unwrap();
        assert!(matches!(rejected, NextUpload::Hashes { is_served: false, .. }));
        assert_eq!(rejected.length(), 0, "what the limit lets go at once");
    }

    #[test]
    fn answers_that_the_peer_does_not_read_have_a_bound() {
        let mut queue = HashQueue::default();
        let taken = (0..).take_while(|_| queue.request(REQUEST, Some(1024)).is_ok());
        assert_eq!(taken.count(), MAX_QUEUED);
    }
}
