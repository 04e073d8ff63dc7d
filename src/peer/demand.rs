//! What a peer asked us for and did not get yet.
//!
//! The reading half enters requests and cancels, the writing half takes them out as fast as the
//! connection and the upload limit let it. Everything here has a bound: a peer that asks faster than it
//! reads fills a queue of [`MAX_REQUESTS`] and is then refused, and one that goes on is dropped.
//!
//! A peer that speaks the Fast extension (BEP 6) gets one answer to each request, the block or a
//! refusal; another gets no answer where we do not serve it. Requests for metadata (BEP 9) are answered
//! to everybody, choked or not, but only so many in the life of a connection.

use crate::message::{PeerError, Violation};
use crate::piece::PieceIndex;
use crate::wire::BlockRequest;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// How many requests we keep for a peer, which our handshake tells it (`reqq`).
pub const MAX_REQUESTS: usize = 500;
/// Requests that we do not serve, because it is choked or has too many, before a peer is dropped: as
/// many as can be on their way when we choke it, and again as many.
const MAX_UNWELCOME: u32 = 1000;
/// Refusals that wait to be sent before a peer is dropped.
const MAX_REFUSALS: usize = 2000;
/// Requests for metadata that are served: each piece so many times, and some more.
const METADATA_TIMES: u32 = 4;
const METADATA_AND_MORE: u32 = 16;
/// Cancels of what is not in the queue. Those that cross the block on the way are among them.
const MAX_VAIN_CANCELS: u32 = 10_000;

/// What one peer asked for.
#[derive(Debug)]
pub struct Demand {
    state: Mutex<State>,
}

/// What became of the blocks since somebody asked last.
#[derive(Clone, Copy, Debug)]
pub struct Account {
    /// Bytes that were sent.
    pub sent: u64,
    /// When the block was begun that is being sent.
    pub sending_since: Option<Instant>,
}

/// What there is to answer.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    /// There are requests to refuse.
    pub refusals: bool,
    /// Bytes of the block or piece of the metadata that is next.
    pub next_length: Option<u32>,
}

/// What is to be sent next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A block of this piece.
    Block(PieceIndex, BlockRequest),
    /// A piece of the metadata of so many bytes, under the number that the peer gave to such messages.
    Metadata {
        /// The number of the message.
        number: u8,
        /// Which piece of the metadata.
        piece: u32,
        /// Bytes in it.
        length: u32,
    },
}

/// What one peer asked of the metadata.
#[derive(Debug, Default)]
struct Metadata {
    /// The number that the peer gave to such messages, where it wants any.
    number: Option<u8>,
    /// Pieces to send, and the bytes in each.
    queue: VecDeque<(u32, u32)>,
    refused: Vec<u32>,
    /// How many requests were taken.
    taken: u32,
}

#[derive(Debug)]
struct State {
    /// It speaks BEP 6.
    fast: bool,
    choking: bool,
    /// Pieces that it may ask for all the same, and how many bytes of them.
    gifts: Vec<PieceIndex>,
    gift_bytes: u64,
    queue: VecDeque<(PieceIndex, BlockRequest)>,
    /// Requests that are to be answered with a refusal.
    refused: Vec<BlockRequest>,
    metadata: Metadata,
    unwelcome: u32,
    vain_cancels: u32,
    /// The writing half waits for its orders and would not notice a request.
    asleep: bool,
    account: Account,
}

impl Demand {
    /// Nothing, of a peer that we choke.
    pub fn new() -> Demand {
        let state = State {
            fast: false,
            choking: true,
            gifts: Vec::new(),
            gift_bytes: 0,
            queue: VecDeque::new(),
            refused: Vec::new(),
            metadata: Metadata::default(),
            unwelcome: 0,
            vain_cancels: 0,
            asleep: false,
            account: Account { sent: 0, sending_since: None },
        };
        Demand { state: Mutex::new(state) }
    }

    /// The peer speaks BEP 6, or does not.
    pub fn speaks_fast(&self, fast: bool) {
        self.lock().fast = fast;
    }

    /// Enters a request for a part of this piece. Whether the writing half has to be woken.
    ///
    /// # Errors
    ///
    /// The peer has asked too often for what it does not get.
    pub fn ask(&self, piece: PieceIndex, wanted: BlockRequest) -> Result<bool, PeerError> {
        let mut state = self.lock();
        if state.refused.len() > MAX_REFUSALS {
            return Err(PeerError::Violation(Violation::UnreadAnswers));
        }
        let served = !state.choking || state.take_gift(piece, wanted.length);
        if served && state.queue.len() < MAX_REQUESTS {
            state.queue.push_back((piece, wanted));
            return Ok(std::mem::take(&mut state.asleep));
        }
        state.unwelcome += 1;
        if state.unwelcome > MAX_UNWELCOME {
            return Err(PeerError::Violation(if served {
                Violation::RequestFlood
            } else {
                Violation::RequestsWhileChoked
            }));
        }
        Ok(state.refuse(wanted))
    }

    /// The peer takes messages about the metadata under this number; with 0, not any more.
    pub fn takes_metadata(&self, number: u8) {
        self.lock().metadata.number = Some(number).filter(|number| *number != 0);
    }

    /// Enters a request for a piece of the metadata of `length` bytes; `None`, where we cannot give it. The
    /// metadata has `pieces` in all. Whether the writing half has to be woken.
    ///
    /// # Errors
    ///
    /// The peer has asked too often for what it does not get.
    pub fn ask_metadata(&self, piece: u32, length: Option<u32>, pieces: u32) -> Result<bool, PeerError> {
        let mut state = self.lock();
        if state.metadata.number.is_none() {
            return Ok(false);
        }
        let most = pieces.saturating_mul(METADATA_TIMES).saturating_add(METADATA_AND_MORE);
        if let Some(length) = length.filter(|_| state.metadata.taken < most) {
            state.metadata.taken += 1;
            state.metadata.queue.push_back((piece, length));
            return Ok(std::mem::take(&mut state.asleep));
        }
        state.unwelcome += 1;
        if state.unwelcome > MAX_UNWELCOME || state.metadata.refused.len() > MAX_REFUSALS {
            return Err(PeerError::Violation(Violation::MetadataRequestFlood));
        }
        state.metadata.refused.push(piece);
        Ok(std::mem::take(&mut state.asleep))
    }

    /// Takes a request back. Whether the writing half has to be woken.
    ///
    /// # Errors
    ///
    /// The peer takes back what it never asked for, again and again.
    pub fn cancel(&self, wanted: BlockRequest) -> Result<bool, PeerError> {
        let mut state = self.lock();
        match state.queue.iter().position(|(_, other)| *other == wanted) {
            Some(at) => {
                state.queue.remove(at);
                // BEP 6, "reject": a request that was taken back is answered like any other.
                Ok(state.refuse(wanted))
            }
            None => {
                state.vain_cancels += 1;
                match state.vain_cancels > MAX_VAIN_CANCELS {
                    true => Err(PeerError::Violation(Violation::VainCancels)),
                    false => Ok(false),
                }
            }
        }
    }

    /// From now on the peer is served.
    pub fn unchoke(&self) {
        let mut state = self.lock();
        state.choking = false;
        state.unwelcome = 0;
    }

    /// From now on the peer is not served, but for the pieces that it may ask for all the same. What
    /// it asked for is refused.
    pub fn choke(&self) {
        let mut state = self.lock();
        state.choking = true;
        for (piece, wanted) in std::mem::take(&mut state.queue) {
            if state.take_gift(piece, wanted.length) {
                state.queue.push_back((piece, wanted));
            } else {
                state.refuse(wanted);
            }
        }
    }

    /// The peer may ask for these pieces even while it is choked (BEP 6), for so many bytes in all.
    pub fn allow_fast(&self, pieces: Vec<PieceIndex>, bytes: u64) {
        let mut state = self.lock();
        state.gifts = pieces;
        state.gift_bytes = bytes;
    }

    /// Takes out what is to be refused.
    pub fn refused(&self) -> Vec<BlockRequest> {
        std::mem::take(&mut self.lock().refused)
    }

    /// Takes out the pieces of the metadata that are to be refused, and the number for such messages.
    pub fn refused_metadata(&self) -> (Option<u8>, Vec<u32>) {
        let metadata = &mut self.lock().metadata;
        (metadata.number, std::mem::take(&mut metadata.refused))
    }

    /// What there is to answer.
    pub fn pending(&self) -> Pending {
        let state = self.lock();
        let refusals = !state.refused.is_empty() || !state.metadata.refused.is_empty();
        Pending { refusals, next_length: state.next().map(Next::length) }
    }

    /// Takes out what is next, if it has no more bytes than were paid for. A block is being sent from now
    /// on.
    pub fn next(&self, paid: u32, now: Instant) -> Option<Next> {
        let mut state = self.lock();
        let next = state.next().filter(|next| next.length() <= paid)?;
        match next {
            Next::Block(..) => {
                state.account.sending_since = Some(now);
                state.queue.pop_front();
            }
            Next::Metadata { .. } => drop(state.metadata.queue.pop_front()),
        }
        Some(next)
    }

    /// The block cannot be sent. False where the peer does not understand a refusal.
    pub fn refuse(&self, wanted: BlockRequest) -> bool {
        let mut state = self.lock();
        state.account.sending_since = None;
        state.refuse(wanted);
        state.fast
    }

    /// The writing half wants to be woken by the next request. False where there is something to do;
    /// requests are nothing new where it waits for the time of the next block.
    pub fn sleep(&self, waits_for_its_time: bool) -> bool {
        let mut state = self.lock();
        let refusals = !state.refused.is_empty() || !state.metadata.refused.is_empty();
        state.asleep = !refusals && (waits_for_its_time || state.next().is_none());
        state.asleep
    }

    /// The block was sent.
    pub fn sent(&self, bytes: u32) {
        let mut state = self.lock();
        // Who goes on taking what it asks for means no harm with what it asks too much.
        state.unwelcome = 0;
        state.vain_cancels = 0;
        state.account.sent = state.account.sent.saturating_add(u64::from(bytes));
        state.account.sending_since = None;
    }

    /// What became of the blocks since this was asked last.
    pub fn account(&self) -> Account {
        let account = &mut self.lock().account;
        Account { sent: std::mem::take(&mut account.sent), ..*account }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Next {
    /// Bytes in it.
    pub fn length(self) -> u32 {
        match self {
            Next::Block(_, wanted) => wanted.length,
            Next::Metadata { length, .. } => length,
        }
    }
}

impl State {
    /// Metadata goes first: it is little, and who asks for it can do nothing else.
    fn next(&self) -> Option<Next> {
        let metadata = self.metadata.number.zip(self.metadata.queue.front());
        let metadata = metadata.map(|(number, &(piece, length))| Next::Metadata { number, piece, length });
        metadata.or_else(|| self.queue.front().map(|&(piece, wanted)| Next::Block(piece, wanted)))
    }

    /// Whether a choked peer gets this, which then counts as given.
    fn take_gift(&mut self, piece: PieceIndex, bytes: u32) -> bool {
        let left = self.gift_bytes.checked_sub(u64::from(bytes)).filter(|_| self.gifts.contains(&piece));
        self.gift_bytes = left.unwrap_or(self.gift_bytes);
        left.is_some()
    }

    /// Whether the writing half has to be woken for it.
    fn refuse(&mut self, wanted: BlockRequest) -> bool {
        if self.fast {
            self.refused.push(wanted);
        }
        self.fast && std::mem::take(&mut self.asleep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::piece::Geometry;

    fn wanted(index: u32, begin: u32) -> (PieceIndex, BlockRequest) {
        let piece = Geometry::new(1 << 30, 1 << 20).unwrap().piece(index).unwrap();
        (piece, BlockRequest { index, begin, length: 16384 })
    }

    fn next(demand: &Demand) -> Option<(PieceIndex, BlockRequest)> {
        match demand.next(u32::MAX, Instant::now())? {
            Next::Block(piece, wanted) => Some((piece, wanted)),
            metadata @ Next::Metadata { .. } => panic!("{metadata:?}"),
        }
    }

    fn ask(demand: &Demand, index: u32, begin: u32) -> Result<bool, PeerError> {
        let (piece, wanted) = wanted(index, begin);
        demand.ask(piece, wanted)
    }

    #[test]
    fn a_choked_peer_is_refused_if_it_understands_it_and_dropped_if_it_does_not_stop() {
        for fast in [false, true] {
            let demand = Demand::new();
            demand.speaks_fast(fast);
            for number in 0..MAX_UNWELCOME {
                assert!(ask(&demand, 0, number).is_ok());
            }
            assert!(next(&demand).is_none());
            assert_eq!(demand.refused().len(), if fast { MAX_UNWELCOME as usize } else { 0 });
            assert!(ask(&demand, 0, 0).is_err());
        }
    }

    #[test]
    fn the_queue_has_a_bound_and_a_flood_an_end() {
        let demand = Demand::new();
        demand.speaks_fast(true);
        demand.unchoke();
        let taken = (0..).take_while(|number| ask(&demand, 1, *number).is_ok()).count();
        assert_eq!(taken, MAX_REQUESTS + MAX_UNWELCOME as usize);
        assert_eq!(std::iter::from_fn(|| next(&demand)).count(), MAX_REQUESTS);
    }

    #[test]
    fn a_cancel_takes_a_request_out_and_many_vain_ones_end_it() {
        let demand = Demand::new();
        demand.speaks_fast(true);
        demand.unchoke();
        assert!(demand.sleep(false));
        assert!(ask(&demand, 1, 0).unwrap(), "the outbox is woken");
        assert!(!ask(&demand, 1, 16384).unwrap(), "once");
        assert!(!demand.sleep(false));
        demand.cancel(wanted(1, 0).1).unwrap();
        assert_eq!(demand.refused(), [wanted(1, 0).1]);
        assert_eq!(next(&demand), Some(wanted(1, 16384)));
        for _ in 0..MAX_VAIN_CANCELS {
            assert!(!demand.cancel(wanted(1, 0).1).unwrap());
        }
        assert!(demand.cancel(wanted(1, 0).1).is_err());
    }

    #[test]
    fn refusals_that_nobody_reads_have_a_bound() {
        let demand = Demand::new();
        demand.speaks_fast(true);
        demand.unchoke();
        let taken = (0..).take_while(|number| {
            let asked = ask(&demand, 1, *number).is_ok();
            asked && demand.cancel(wanted(1, *number).1).is_ok()
        });
        assert_eq!(taken.count(), MAX_REFUSALS + 1);
    }

    #[test]
    fn a_choke_drops_the_queue_but_for_what_is_allowed_all_the_same() {
        let demand = Demand::new();
        demand.speaks_fast(true);
        demand.unchoke();
        demand.allow_fast(vec![wanted(2, 0).0], 40_000);
        for (index, begin) in [(1, 0), (2, 0), (3, 0)] {
            ask(&demand, index, begin).unwrap();
        }
        demand.choke();
        assert_eq!(demand.refused(), [wanted(1, 0).1, wanted(3, 0).1]);
        assert_eq!(next(&demand), Some(wanted(2, 0)));
        ask(&demand, 2, 16384).unwrap();
        ask(&demand, 2, 32768).unwrap();
        assert_eq!(next(&demand), Some(wanted(2, 16384)));
        assert_eq!(next(&demand), None, "the gift was of 40,000 bytes");
    }

    #[test]
    fn metadata_is_given_to_everybody_before_blocks_and_a_few_times_only() {
        let demand = Demand::new();
        demand.speaks_fast(true);
        assert!(!demand.ask_metadata(0, Some(7), 1).unwrap(), "nobody knows where to send it");
        demand.takes_metadata(3);
        demand.unchoke();
        ask(&demand, 1, 0).unwrap();
        assert_eq!(next(&demand), Some(wanted(1, 0)));
        assert!(demand.sleep(false));
        assert!(demand.ask_metadata(0, Some(7), 1).unwrap(), "the outbox is woken");
        ask(&demand, 1, 0).unwrap();
        assert_eq!(demand.next(6, Instant::now()), None, "the time for it has not come");
        let metadata = Next::Metadata { number: 3, piece: 0, length: 7 };
        assert_eq!(demand.next(7, Instant::now()), Some(metadata));
        assert_eq!(next(&demand), Some(wanted(1, 0)));
        assert!(demand.sleep(false));
        assert!(demand.ask_metadata(1, None, 1).unwrap(), "a refusal is an answer too");
        assert_eq!(demand.refused_metadata(), (Some(3), vec![1]));
        let given = (0..100).filter(|_| {
            demand.ask_metadata(0, Some(7), 1).unwrap();
            demand.next(7, Instant::now()).is_some()
        });
        assert_eq!(given.count() as u32, METADATA_TIMES + METADATA_AND_MORE - 1);
        let flood = (0..).take_while(|_| demand.ask_metadata(0, Some(7), 1).is_ok());
        assert!(flood.count() <= MAX_UNWELCOME as usize);
    }
}
