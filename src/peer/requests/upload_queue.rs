//! The blocks that a peer requested, and which of them it gets.
//!
//! A peer that we choke gets nothing, except from its allowed-fast set (BEP 6). A peer that speaks the Fast
//! extension gets one answer to each request, the block or a reject; another peer gets no answer where we do
//! not serve it.

use super::{MAX_REJECTS, MAX_UNSERVED, NextUpload};
use crate::message::Violation;
use crate::piece::PieceIndex;
use crate::wire::BlockRequest;
use std::collections::VecDeque;
use std::fmt;

/// How many requests we keep for a peer, which our extension handshake tells it (`reqq`, BEP 10).
pub const MAX_REQUESTS: usize = 500;
/// Cancels of requests that are not in the queue, before we disconnect. Those that cross the block on its
/// way are among them.
const MAX_VAIN_CANCELS: u32 = 10_000;

/// Why a request is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unserved {
    /// We choke the peer.
    Choked,
    /// It has requested too much at once.
    TooMany,
    /// It has taken the request back.
    Cancelled,
    /// We do not have the piece any more.
    Gone,
}

impl fmt::Display for Unserved {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unserved::Choked => out.write_str("we choke it, and each request is answered (BEP 6)"),
            Unserved::TooMany => write!(out, "{MAX_REQUESTS} of its requests wait already"),
            Unserved::Cancelled => {
                out.write_str("it took the request back, and each one is answered (BEP 6)")
            }
            Unserved::Gone => out.write_str("we do not have it any more"),
        }
    }
}

/// The requests of one peer for blocks.
#[derive(Debug)]
pub struct UploadQueue {
    /// The peer speaks the Fast extension (BEP 6).
    fast: bool,
    am_choking: bool,
    /// Pieces that the peer may request even while we choke it.
    allowed_fast: Vec<PieceIndex>,
    /// How many more bytes of them it may request so.
    allowed_fast_bytes: u64,
    queue: VecDeque<(PieceIndex, BlockRequest)>,
    /// Requests that are to be answered with a reject.
    rejects: Vec<(BlockRequest, Unserved)>,
    /// Requests that were not served since the last one that was.
    unserved: u32,
    vain_cancels: u32,
}

impl Default for UploadQueue {
    /// The queue of a peer that we choke, as every connection begins (BEP 3).
    fn default() -> UploadQueue {
        UploadQueue {
            fast: false,
            am_choking: true,
            allowed_fast: Vec::new(),
            allowed_fast_bytes: 0,
            queue: VecDeque::new(),
            rejects: Vec::new(),
            unserved: 0,
            vain_cancels: 0,
        }
    }
}

impl UploadQueue {
    /// The peer speaks the Fast extension (BEP 6), or does not.
    pub fn set_fast(&mut self, fast: bool) {
        self.fast = fast;
    }

    /// Enters a request for a part of this piece. Returns whether there is an answer to send.
    pub fn request(&mut self, piece: PieceIndex, request: BlockRequest) -> Result<bool, Violation> {
        if self.rejects.len() > MAX_REJECTS {
            return Err(Violation::UnreadAnswers);
        }
        let served = !self.am_choking || self.take_allowed_fast(piece, request.length);
        if served && self.queue.len() < MAX_REQUESTS {
            self.queue.push_back((piece, request));
            return Ok(true);
        }
        self.unserved += 1;
        if self.unserved > MAX_UNSERVED {
            return Err(if served { Violation::RequestFlood } else { Violation::RequestsWhileChoked });
        }
        Ok(self.reject(request, if served { Unserved::TooMany } else { Unserved::Choked }))
    }

    /// Takes a request out. Returns whether there is an answer to send.
    pub fn cancel(&mut self, request: BlockRequest) -> Result<bool, Violation> {
        if let Some(at) = self.queue.iter().position(|(_, other)| *other == request) {
            self.queue.remove(at);
            // BEP 6, "reject": a request that was cancelled is answered like any other.
            return Ok(self.reject(request, Unserved::Cancelled));
        }
        self.vain_cancels += 1;
        if self.vain_cancels > MAX_VAIN_CANCELS { Err(Violation::VainCancels) } else { Ok(false) }
    }

    /// From now on the peer is served.
    pub fn unchoke(&mut self) {
        self.am_choking = false;
        self.unserved = 0;
    }

    /// From now on the peer is not served, except for its allowed-fast set. Its other requests are rejected.
    pub fn choke(&mut self) {
        self.am_choking = true;
        for (piece, request) in std::mem::take(&mut self.queue) {
            if self.take_allowed_fast(piece, request.length) {
                self.queue.push_back((piece, request));
            } else {
                self.reject(request, Unserved::Choked);
            }
        }
    }

    /// The peer's allowed-fast set: these pieces, up to this many bytes in all.
    pub fn allow_fast(&mut self, pieces: Vec<PieceIndex>, bytes: u64) {
        self.allowed_fast = pieces;
        self.allowed_fast_bytes = bytes;
    }

    /// Notes a request that is to be rejected. False where the peer does not understand a reject.
    pub fn reject(&mut self, request: BlockRequest, why: Unserved) -> bool {
        if self.fast {
            self.rejects.push((request, why));
        }
        self.fast
    }

    /// Takes out the requests that are to be rejected, and why.
    pub fn take_rejects(&mut self) -> Vec<(BlockRequest, Unserved)> {
        std::mem::take(&mut self.rejects)
    }

    /// Whether there are requests to reject.
    pub fn has_rejects(&self) -> bool {
        !self.rejects.is_empty()
    }

    /// The block that is next.
    pub fn next(&self) -> Option<NextUpload> {
        self.queue.front().map(|&(piece, request)| NextUpload::Block(piece, request))
    }

    /// Takes out the block that is next.
    pub fn pop(&mut self) {
        self.queue.pop_front();
    }

    /// Forgets how often the peer asked in vain.
    pub fn forgive(&mut self) {
        self.unserved = 0;
        self.vain_cancels = 0;
    }

    /// Whether a peer that we choke gets this many bytes of the piece. If so, they count against its limit.
    fn take_allowed_fast(&mut self, piece: PieceIndex, bytes: u32) -> bool {
        let left = self.allowed_fast_bytes.checked_sub(u64::from(bytes));
        match left.filter(|_| self.allowed_fast.contains(&piece)) {
            Some(left) => {
                self.allowed_fast_bytes = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::block;
    use super::*;

    fn queue() -> UploadQueue {
        let mut queue = UploadQueue::default();
        queue.set_fast(true);
        queue
    }

    fn request(queue: &mut UploadQueue, index: u32, begin: u32) -> Result<bool, Violation> {
        let (piece, request) = block(index, begin);
        queue.request(piece, request)
    }

    fn next(queue: &mut UploadQueue) -> Option<(u32, u32)> {
        match queue.next()? {
            NextUpload::Block(_, request) => {
                queue.pop();
                Some((request.index, request.begin))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_choked_peer_is_rejected_if_it_understands_it_and_disconnected_if_it_does_not_stop() {
        for fast in [false, true] {
            let mut queue = UploadQueue::default();
            queue.set_fast(fast);
            for number in 0..MAX_UNSERVED {
                assert_eq!(request(&mut queue, 0, number), Ok(fast));
            }
            assert_eq!(next(&mut queue), None);
            assert_eq!(queue.take_rejects().len(), if fast { MAX_UNSERVED as usize } else { 0 });
            assert_eq!(request(&mut queue, 0, 0), Err(Violation::RequestsWhileChoked));
        }
    }

    #[test]
    fn the_queue_has_a_bound_and_a_flood_an_end() {
        let mut queue = queue();
        queue.unchoke();
        let taken = (0..).take_while(|number| request(&mut queue, 1, *number).is_ok()).count();
        assert_eq!(taken, MAX_REQUESTS + MAX_UNSERVED as usize);
        assert_eq!(request(&mut queue, 1, 0), Err(Violation::RequestFlood));
        assert_eq!(std::iter::from_fn(|| next(&mut queue)).count(), MAX_REQUESTS);
    }

    #[test]
    fn a_cancel_takes_a_request_out_and_many_vain_cancels_end_the_connection() {
        let mut queue = queue();
        queue.unchoke();
        request(&mut queue, 1, 0).unwrap();
        request(&mut queue, 1, 16384).unwrap();
        assert_eq!(queue.cancel(block(1, 0).1), Ok(true));
        assert_eq!(queue.take_rejects(), [(block(1, 0).1, Unserved::Cancelled)]);
        assert_eq!(next(&mut queue), Some((1, 16384)));
        for _ in 0..MAX_VAIN_CANCELS {
            assert_eq!(queue.cancel(block(1, 0).1), Ok(false));
        }
        assert_eq!(queue.cancel(block(1, 0).1), Err(Violation::VainCancels));
    }

    #[test]
    fn rejects_that_the_peer_does_not_read_have_a_bound() {
        let mut queue = queue();
        queue.unchoke();
        let taken = (0..).take_while(|number| {
            let taken = request(&mut queue, 1, *number).is_ok();
            taken && queue.cancel(block(1, *number).1).is_ok()
        });
        assert_eq!(taken.count(), MAX_REJECTS + 1);
        assert_eq!(request(&mut queue, 1, 0), Err(Violation::UnreadAnswers));
    }

    #[test]
    fn a_choke_rejects_the_queue_except_for_the_allowed_fast_set() {
        let mut queue = queue();
        queue.unchoke();
        queue.allow_fast(vec![block(2, 0).0], 40_000);
        for (index, begin) in [(1, 0), (2, 0), (3, 0)] {
            request(&mut queue, index, begin).unwrap();
        }
        queue.choke();
        let choked = |request| (request, Unserved::Choked);
        assert_eq!(queue.take_rejects(), [block(1, 0).1, block(3, 0).1].map(choked));
        assert_eq!(next(&mut queue), Some((2, 0)));
        request(&mut queue, 2, 16384).unwrap();
        request(&mut queue, 2, 32768).unwrap();
        assert_eq!(next(&mut queue), Some((2, 16384)));
        assert_eq!(next(&mut queue), None, "the set was limited to 40,000 bytes");
        assert_eq!(queue.take_rejects(), [choked(block(2, 32768).1)]);
    }
}
