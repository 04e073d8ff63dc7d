//! What a peer asked us for and has not got yet.
//!
//! The reading half of a worker enters requests and cancels, the writing half takes them out as fast as the
//! connection and the upload limit let it. Everything here has a bound: a peer that asks faster than it
//! reads fills a request queue of [`MAX_REQUESTS`] and is then rejected, and one that goes on is
//! disconnected.
//!
//! Three things stand behind one lock, each in its file: the [`UploadQueue`] of blocks, the
//! [`MetadataQueue`], and the [`UploadAccount`] of what was sent. They share the lock because whether the
//! outbox may sleep depends on both queues at one moment: a request that came in between would wait for the
//! keep-alive.

mod hash_queue;
mod metadata_queue;
mod upload_account;
mod upload_queue;

pub use upload_account::UploadAccount;
pub use upload_queue::{MAX_REQUESTS, Unserved};

use crate::message::Violation;
use crate::piece::{BLOCK_LENGTH, PieceIndex};
use crate::thread::lock;
use crate::wire::{BlockRequest, HashRequest};
use hash_queue::HashQueue;
use metadata_queue::MetadataQueue;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;
use upload_queue::UploadQueue;

/// Requests that we do not serve, because we choke the peer or it has too many, before we disconnect: as
/// many as can be on their way when we choke it, and again as many.
const MAX_UNSERVED: u32 = 1000;
/// Rejects that wait to be sent before we disconnect.
const MAX_REJECTS: usize = 2000;

/// What one peer asked for. Both halves of the worker use it.
#[derive(Debug, Default)]
pub struct PeerRequests {
    queues: Mutex<Queues>,
}

#[derive(Debug, Default)]
struct Queues {
    uploads: UploadQueue,
    metadata: MetadataQueue,
    hashes: HashQueue,
    account: UploadAccount,
    /// The id that the peer gave to `lt_donthave` (BEP 54). 0: it does not understand it.
    dont_have_id: u8,
    /// The outbox waits for its orders and would not notice a request.
    outbox_sleeps: bool,
}

/// What there is to answer.
#[derive(Clone, Copy, Debug)]
pub struct PendingAnswers {
    /// There are requests to reject.
    pub rejects: bool,
    /// Bytes of the block or piece of the metadata that is next.
    pub next_length: Option<u32>,
}

/// What is to be sent next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextUpload {
    /// A block of this piece.
    Block(PieceIndex, BlockRequest),
    /// A piece of the metadata.
    Metadata {
        /// The id that the peer gave to messages about metadata.
        message_id: u8,
        /// Which piece of the metadata.
        piece: u32,
        /// Bytes in it.
        length: u32,
    },
    /// Hashes (BEP 52).
    Hashes {
        /// Which.
        request: HashRequest,
        /// Whether they are to be sent. Otherwise the request is to be rejected.
        is_served: bool,
    },
}

impl PeerRequests {
    /// The peer speaks the Fast extension (BEP 6), or does not.
    pub fn set_fast(&self, fast: bool) {
        self.lock().uploads.set_fast(fast);
    }

    /// Enters a request for a part of this piece. Returns whether the outbox has to be woken.
    ///
    /// # Errors
    ///
    /// The peer has asked too often for what it does not get.
    pub fn request(&self, piece: PieceIndex, request: BlockRequest) -> Result<bool, Violation> {
        let mut queues = self.lock();
        let is_answered = queues.uploads.request(piece, request)?;
        if queues.uploads.next().is_some() {
            queues.account.asked();
        }
        Ok(queues.must_wake(is_answered))
    }

    /// Takes a request back. Returns whether the outbox has to be woken.
    ///
    /// # Errors
    ///
    /// The peer takes back requests that it never made, again and again.
    pub fn cancel(&self, request: BlockRequest) -> Result<bool, Violation> {
        let mut queues = self.lock();
        let is_answered = queues.uploads.cancel(request)?;
        Ok(queues.must_wake(is_answered))
    }

    /// The peer takes messages about the metadata under this id; with 0, no longer.
    pub fn set_metadata_id(&self, message_id: u8) {
        self.lock().metadata.set_message_id(message_id);
    }

    /// The peer understands `lt_donthave` (BEP 54) under this id; with 0, no longer.
    pub fn set_dont_have_id(&self, message_id: u8) {
        self.lock().dont_have_id = message_id;
    }

    /// The id for `lt_donthave`, if the peer understands that.
    pub fn dont_have_id(&self) -> Option<u8> {
        Some(self.lock().dont_have_id).filter(|id| *id != 0)
    }

    /// Enters a request for a piece of the metadata of `length` bytes; `None`, where we cannot give it. The
    /// metadata has `pieces` in all. Returns whether the outbox has to be woken.
    ///
    /// # Errors
    ///
    /// The peer has asked too often for what it does not get.
    pub fn request_metadata(&self, piece: u32, length: Option<u32>, pieces: u32) -> Result<bool, Violation> {
        let mut queues = self.lock();
        let is_answered = queues.metadata.request(piece, length, pieces)?;
        Ok(queues.must_wake(is_answered))
    }

    /// Enters a request for hashes, of a torrent with this many pieces; `None`, where we give no hashes. Returns whether the
    /// outbox has to be woken.
    ///
    /// # Errors
    ///
    /// The peer asks and does not read the answers.
    pub fn request_hashes(&self, request: HashRequest, pieces: Option<u32>) -> Result<bool, Violation> {
        let mut queues = self.lock();
        queues.hashes.request(request, pieces)?;
        Ok(queues.must_wake(true))
    }

    /// From now on the peer is served.
    pub fn unchoke(&self) {
        let mut queues = self.lock();
        queues.uploads.unchoke();
        queues.metadata.forgive();
    }

    /// From now on the peer is not served, except for its allowed-fast set. Its other requests are rejected.
    pub fn choke(&self) {
        self.lock().uploads.choke();
    }

    /// The peer may request these pieces even while we choke it (BEP 6), up to this many bytes in all.
    pub fn allow_fast(&self, pieces: Vec<PieceIndex>, bytes: u64) {
        self.lock().uploads.allow_fast(pieces, bytes);
    }

    /// Takes out the requests that are to be rejected, and why.
    pub fn take_rejects(&self) -> Vec<(BlockRequest, Unserved)> {
        self.lock().uploads.take_rejects()
    }

    /// Takes out the pieces of the metadata that are to be rejected, with the id for such messages.
    pub fn take_metadata_rejects(&self) -> Option<(u8, Vec<u32>)> {
        self.lock().metadata.take_rejects()
    }

    /// What there is to answer.
    pub fn pending(&self) -> PendingAnswers {
        let queues = self.lock();
        PendingAnswers { rejects: queues.has_rejects(), next_length: queues.next().map(NextUpload::length) }
    }

    /// Takes out what is next, if it has no more bytes than the upload limit has released. From now on, a
    /// block counts as being sent.
    pub fn next(&self, released: u32, now: Instant) -> Option<NextUpload> {
        let mut queues = self.lock();
        let next = queues.next().filter(|next| next.length() <= released)?;
        match next {
            NextUpload::Block(..) => {
                queues.uploads.pop();
                queues.account.begin(now);
            }
            NextUpload::Metadata { .. } => queues.metadata.pop(),
            NextUpload::Hashes { .. } => queues.hashes.pop(),
        }
        Some(next)
    }

    /// The block that was taken out cannot be sent. False where the peer does not understand a reject.
    pub fn reject(&self, request: BlockRequest) -> bool {
        let mut queues = self.lock();
        queues.account.abandon();
        queues.uploads.reject(request, Unserved::Gone)
    }

    /// The outbox is about to sleep, and wants to be woken by the next request. Returns false where it has
    /// something to do instead. Where it `waits_for_limit`, for the moment in which the upload limit releases
    /// the next block, a block in the queue is nothing new.
    pub fn sleep(&self, waits_for_limit: bool) -> bool {
        let mut queues = self.lock();
        queues.outbox_sleeps = !queues.has_rejects() && (waits_for_limit || queues.next().is_none());
        queues.outbox_sleeps
    }

    /// The block was sent.
    pub fn sent(&self, bytes: u32) {
        let mut queues = self.lock();
        // A peer that goes on taking what it asks for means no harm by asking for too much.
        queues.uploads.forgive();
        queues.metadata.forgive();
        queues.account.sent(bytes);
    }

    /// What was sent since this was asked last.
    pub fn account(&self) -> UploadAccount {
        let mut queues = self.lock();
        let waits = queues.uploads.next().is_some();
        queues.account.settle(waits)
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        lock(&self.queues)
    }
}

impl NextUpload {
    /// Bytes in it.
    pub fn length(self) -> u32 {
        match self {
            NextUpload::Block(_, request) => request.length,
            NextUpload::Metadata { length, .. } => length,
            NextUpload::Hashes { is_served: false, .. } => 0,
            NextUpload::Hashes { request, .. } => request
                .range
                .length
                .saturating_add(request.range.uncles())
                .saturating_mul(32)
                .min(BLOCK_LENGTH),
        }
    }
}

impl Queues {
    /// Metadata and hashes go first: they are little, and a peer that asks for it can do nothing else.
    fn next(&self) -> Option<NextUpload> {
        self.metadata.next().or_else(|| self.hashes.next()).or_else(|| self.uploads.next())
    }

    fn has_rejects(&self) -> bool {
        self.uploads.has_rejects() || self.metadata.has_rejects()
    }

    /// Whether the outbox sleeps although it has an answer to send. It is woken once.
    fn must_wake(&mut self, has_answer: bool) -> bool {
        has_answer && std::mem::take(&mut self.outbox_sleeps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::piece::{Geometry, NodeRange};

    /// A request for a block, as the tests of the queues use it too.
    pub fn block(index: u32, begin: u32) -> (PieceIndex, BlockRequest) {
        let piece = Geometry::new(1 << 30, 1 << 20).unwrap().piece(index).unwrap();
        (piece, BlockRequest { index, begin, length: 16384 })
    }

    fn request(requests: &PeerRequests, index: u32, begin: u32) -> bool {
        let (piece, request) = block(index, begin);
        requests.request(piece, request).unwrap()
    }

    fn next(requests: &PeerRequests) -> Option<NextUpload> {
        requests.next(u32::MAX, Instant::now())
    }

    fn upload(index: u32, begin: u32) -> Option<NextUpload> {
        let (piece, request) = block(index, begin);
        Some(NextUpload::Block(piece, request))
    }

    #[test]
    fn a_sleeping_outbox_is_woken_once_by_whatever_it_has_to_answer() {
        let requests = PeerRequests::default();
        requests.set_fast(true);
        requests.set_metadata_id(3);
        requests.unchoke();
        assert!(requests.sleep(false));
        assert!(request(&requests, 1, 0), "the outbox is woken");
        assert!(!request(&requests, 1, 16384), "but once");
        assert!(!requests.sleep(false), "there are blocks to send");
        assert!(requests.sleep(true), "their time has not come");
        assert!(requests.cancel(block(1, 0).1).unwrap(), "a reject waits for no time");
        assert!(!requests.sleep(true));
        assert_eq!(requests.take_rejects(), [(block(1, 0).1, Unserved::Cancelled)]);
        assert_eq!(next(&requests), upload(1, 16384));
        assert!(requests.sleep(false));
        assert!(requests.request_metadata(1, None, 1).unwrap(), "a reject is an answer too");
        assert_eq!(requests.take_metadata_rejects(), Some((3, vec![1])));
    }

    #[test]
    fn metadata_goes_before_blocks_and_nothing_before_the_limit_has_released_it() {
        let requests = PeerRequests::default();
        requests.set_metadata_id(3);
        requests.unchoke();
        request(&requests, 1, 0);
        requests.request_metadata(0, Some(7), 1).unwrap();
        assert_eq!(requests.pending().next_length, Some(7));
        assert_eq!(requests.next(6, Instant::now()), None);
        let metadata = NextUpload::Metadata { message_id: 3, piece: 0, length: 7 };
        assert_eq!(requests.next(7, Instant::now()), Some(metadata));
        assert_eq!(requests.next(16383, Instant::now()), None);
        assert_eq!(requests.next(16384, Instant::now()), upload(1, 0));
        assert_eq!(next(&requests), None);
    }

    #[test]
    fn hashes_wait_until_the_limit_has_released_them_and_a_refusal_does_not() {
        let requests = PeerRequests::default();
        let range = NodeRange { base_layer: 0, index: 0, length: 4, proof_layers: 3 };
        let request = HashRequest { pieces_root: [7; 32], range };
        let hashes = |request, is_served| Some(NextUpload::Hashes { request, is_served });
        requests.request_hashes(request, Some(1000)).unwrap();
        // Of the three layers above, the first follows from the hashes.
        assert_eq!(requests.pending().next_length, Some((4 + 2) * 32));
        assert_eq!(requests.next(6 * 32 - 1, Instant::now()), None);
        assert_eq!(requests.next(6 * 32, Instant::now()), hashes(request, true));
        // The limit never releases more than a block.
        let many = HashRequest { range: NodeRange { length: 512, proof_layers: 10, ..range }, ..request };
        requests.request_hashes(many, Some(1000)).unwrap();
        assert_eq!(requests.next(BLOCK_LENGTH, Instant::now()), hashes(many, true));
        let endless = HashRequest { range: NodeRange { length: u32::MAX, ..range }, ..request };
        for (request, pieces) in [(endless, Some(1000)), (request, None)] {
            requests.request_hashes(request, pieces).unwrap();
            assert_eq!(requests.next(0, Instant::now()), hashes(request, false));
        }
    }

    #[test]
    fn the_account_says_what_was_sent_and_what_is_being_sent() {
        let (requests, now) = (PeerRequests::default(), Instant::now());
        requests.unchoke();
        request(&requests, 1, 0);
        request(&requests, 1, 16384);
        requests.next(u32::MAX, now);
        assert_eq!(requests.account(), UploadAccount { sent: 0, sending_since: Some(now), is_asking: true });
        requests.sent(16384);
        assert_eq!(requests.account(), UploadAccount { sent: 16384, sending_since: None, is_asking: true });
        requests.next(u32::MAX, now);
        assert!(!requests.reject(block(1, 16384).1), "the peer does not speak the Fast extension");
        assert_eq!(requests.account(), UploadAccount::default());
    }
}
