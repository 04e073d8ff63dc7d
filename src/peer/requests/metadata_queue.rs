//! The pieces of the metadata that a peer requested (BEP 9).
//!
//! Every peer gets them, choked or not, but only so often in the life of a connection: one who joins by a
//! magnet link can do nothing before it has the metadata.

use super::{MAX_REJECTS, MAX_UNSERVED, NextUpload};
use crate::message::Violation;
use std::collections::VecDeque;

/// How often each piece of the metadata is served on average...
const TIMES_EACH: u32 = 4;
/// ...and how many requests are served beyond that.
const AND_MORE: u32 = 16;

/// The requests of one peer for metadata.
#[derive(Debug, Default)]
pub struct MetadataQueue {
    /// The id that the peer gave to messages about metadata, where it wants any.
    message_id: Option<u8>,
    /// Pieces to send, and the bytes in each.
    queue: VecDeque<(u32, u32)>,
    /// Pieces whose requests are to be answered with a reject.
    rejects: Vec<u32>,
    /// How many requests were accepted.
    accepted: u32,
    /// Requests that were not accepted since a block was sent.
    unserved: u32,
}

impl MetadataQueue {
    /// The peer takes messages about the metadata under this id; with 0, no longer.
    pub fn set_message_id(&mut self, message_id: u8) {
        self.message_id = Some(message_id).filter(|message_id| *message_id != 0);
    }

    /// Enters a request for a piece of `length` bytes; `None`, where we cannot give it. The metadata has
    /// `pieces` in all. Returns whether there is an answer to send.
    pub fn request(&mut self, piece: u32, length: Option<u32>, pieces: u32) -> Result<bool, Violation> {
        if self.message_id.is_none() {
            return Ok(false);
        }
        let most = pieces.saturating_mul(TIMES_EACH).saturating_add(AND_MORE);
        if let Some(length) = length.filter(|_| self.accepted < most) {
            self.accepted += 1;
            self.queue.push_back((piece, length));
            return Ok(true);
        }
        self.unserved += 1;
        if self.unserved > MAX_UNSERVED || self.rejects.len() > MAX_REJECTS {
            return Err(Violation::MetadataRequestFlood);
        }
        self.rejects.push(piece);
        Ok(true)
    }

    /// Takes out the pieces whose requests are to be rejected, with the id for such messages.
    pub fn take_rejects(&mut self) -> Option<(u8, Vec<u32>)> {
        let rejects = std::mem::take(&mut self.rejects);
        self.message_id.map(|message_id| (message_id, rejects))
    }

    /// Whether there are requests to reject.
    pub fn has_rejects(&self) -> bool {
        !self.rejects.is_empty()
    }

    /// The piece that is next.
    pub fn next(&self) -> Option<NextUpload> {
        let (message_id, &(piece, length)) = self.message_id.zip(self.queue.front())?;
        Some(NextUpload::Metadata { message_id, piece, length })
    }

    /// Takes out the piece that is next.
    pub fn pop(&mut self) {
        self.queue.pop_front();
    }

    /// Forgets how often the peer asked in vain.
    pub fn forgive(&mut self) {
        self.unserved = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_gave_no_message_id_gets_no_answer() {
        let mut queue = MetadataQueue::default();
        assert_eq!(queue.request(0, Some(7), 1), Ok(false));
        queue.set_message_id(3);
        assert_eq!(queue.request(0, Some(7), 1), Ok(true));
        assert_eq!(queue.next(), Some(NextUpload::Metadata { message_id: 3, piece: 0, length: 7 }));
        queue.set_message_id(0);
        assert_eq!(queue.request(0, Some(7), 1), Ok(false));
        assert_eq!(queue.next(), None);
    }

    #[test]
    fn each_piece_is_given_a_few_times_then_rejected_and_then_the_connection_ends() {
        let mut queue = MetadataQueue::default();
        queue.set_message_id(3);
        assert_eq!(queue.request(1, None, 1), Ok(true));
        assert_eq!(queue.take_rejects(), Some((3, vec![1])));
        for _ in 0..TIMES_EACH + AND_MORE {
            assert_eq!(queue.request(0, Some(7), 1), Ok(true));
            assert!(queue.next().is_some() && !queue.has_rejects());
            queue.pop();
        }
        let rejected = (0..).take_while(|_| queue.request(0, Some(7), 1).is_ok()).count();
        assert_eq!(rejected, MAX_UNSERVED as usize - 1);
        assert!(queue.next().is_none());
        assert_eq!(queue.take_rejects().map(|(_, rejects)| rejects.len()), Some(rejected));
    }

    #[test]
    fn rejects_that_the_peer_does_not_read_have_a_bound() {
        let mut queue = MetadataQueue::default();
        queue.set_message_id(3);
        let taken = (0..).take_while(|_| {
            queue.forgive();
            queue.request(0, None, 1).is_ok()
        });
        assert_eq!(taken.count(), MAX_REJECTS + 1);
    }
}
