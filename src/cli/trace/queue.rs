//! The queue of what was seen, from the threads that speak to the one that writes.
//!
//! To put something in waits for nothing but the lock. There is room for so many things and so many bytes; what comes
//! beyond that is counted and left out. For what all the rest of a connection is understood by there is more room: whoever
//! has missed it would not know for hours which torrent a connection is about.

use crate::net::tap::{Seen, StreamEvent, WebEvent};
use crate::thread::lock;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The most that waits.
pub(in crate::cli) const MOST_WAITING: usize = 16 * 1024;
/// So many more wait where they say what a connection is about.
const MOST_NEEDED: usize = 4 * 1024;
/// Bytes of messages that wait, as a rule.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// As long as something comes, it is looked for after this time, so that those who speak need wake nobody.
const PAUSE: Duration = Duration::from_millis(4);
/// So many bytes are taken at once, while they are in the processor's cache still.
const ENOUGH: usize = 1024 * 1024;
/// At the end nothing may be taken for this long, before we go without having written it all.
const PATIENCE: Duration = Duration::from_secs(5);

/// The queue.
pub(in crate::cli) struct TraceQueue {
    state: Mutex<State>,
    changed: Condvar,
    /// How many things wait at most.
    most: usize,
    /// And so many bytes of messages, and one message more.
    most_bytes: usize,
}

#[derive(Default)]
struct State {
    waiting: Waiting,
    bytes: usize,
    /// How often something was written.
    writes: u64,
    /// Whoever takes waits for the first thing that comes.
    is_asleep: bool,
    /// Nothing more comes.
    is_closed: bool,
    /// Nothing more is taken.
    has_ended: bool,
}

impl State {
    /// Nothing waits, and something may come.
    fn is_idle(&self) -> bool {
        self.waiting.seen.is_empty() && !self.is_closed
    }
}

/// What waits to be written.
#[derive(Default)]
pub(in crate::cli) struct Waiting {
    /// In order, with the times.
    pub(in crate::cli) seen: Vec<(Instant, Seen)>,
    /// How much was left out after it.
    pub(in crate::cli) lost: usize,
}

impl Default for TraceQueue {
    fn default() -> TraceQueue {
        TraceQueue::of_at_most(MOST_WAITING)
    }
}

impl TraceQueue {
    /// An empty queue, in which so many bytes of messages may wait, and one message more.
    pub(in crate::cli) fn with_room(most_bytes: usize) -> TraceQueue {
        TraceQueue { state: Mutex::default(), changed: Condvar::new(), most: MOST_WAITING, most_bytes }
    }

    /// An empty one with room for so many things.
    pub(super) fn of_at_most(most: usize) -> TraceQueue {
        TraceQueue { most, ..TraceQueue::with_room(MOST_BYTES) }
    }

    /// Puts something in, if there is room.
    pub(in crate::cli) fn tell(&self, seen: Seen) {
        let bytes = bytes(&seen);
        let mut state = lock(&self.state);
        if state.is_closed || state.has_ended {
            return;
        }
        let is_full = state.waiting.seen.len() >= self.most || state.bytes >= self.most_bytes;
        let has_room = is_needed(&seen) && state.waiting.seen.len() < self.most.saturating_add(MOST_NEEDED);
        // What was left out stands after all that waits.
        if !has_room && (is_full || state.waiting.lost > 0) {
            state.waiting.lost = state.waiting.lost.saturating_add(1);
            return;
        }
        let was_enough = self.is_enough(&state);
        state.waiting.seen.push((Instant::now(), seen));
        state.bytes = state.bytes.saturating_add(bytes);
        let wakes = std::mem::take(&mut state.is_asleep) || (self.is_enough(&state) && !was_enough);
        drop(state);
        if wakes {
            self.changed.notify_all();
        }
    }

    /// Whether it is not worth the while to wait for more.
    fn is_enough(&self, state: &State) -> bool {
        state.waiting.seen.len() >= self.most / 4 || state.bytes >= ENOUGH
    }

    /// Waits until something waits, and takes it. `None` if nothing more comes.
    pub(in crate::cli) fn take(&self) -> Option<Waiting> {
        let little = |state: &mut State| !state.is_closed && !self.is_enough(state);
        let waited = self.changed.wait_timeout_while(lock(&self.state), PAUSE, little);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.is_asleep = state.is_idle();
        let waited = self.changed.wait_while(state, |state| state.is_idle());
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.bytes = 0;
        // As much will wait the next time, and room for it is not made step by step.
        let room = Waiting { seen: Vec::with_capacity(state.waiting.seen.len()), lost: 0 };
        let waiting = std::mem::replace(&mut state.waiting, room);
        (!waiting.seen.is_empty()).then_some(waiting)
    }

    /// Something was written.
    pub(in crate::cli) fn has_written(&self) {
        let mut state = lock(&self.state);
        state.writes += 1;
        // Nobody waits for it before that.
        if state.is_closed {
            self.changed.notify_all();
        }
    }

    /// Nothing more is taken.
    pub(in crate::cli) fn has_ended(&self) {
        let mut state = lock(&self.state);
        (state.has_ended, state.waiting) = (true, Waiting::default());
        self.changed.notify_all();
    }

    /// Nothing more comes. Waits until all is written, or nothing was for some time: then this is false.
    pub(in crate::cli) fn finish(&self) -> bool {
        let mut state = self.closed();
        loop {
            let seen = state.writes;
            let waits = |state: &mut State| !state.has_ended && state.writes == seen;
            let waited = self.changed.wait_timeout_while(state, PATIENCE, waits);
            let (now, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            if now.has_ended || timeout.timed_out() {
                return now.has_ended;
            }
            state = now;
        }
    }

    /// Nothing more comes.
    #[cfg(any(feature = "watch", test))]
    pub(in crate::cli) fn close(&self) {
        drop(self.closed());
    }

    fn closed(&self) -> MutexGuard<'_, State> {
        let mut state = lock(&self.state);
        state.is_closed = true;
        self.changed.notify_all();
        state
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        lock(&self.state).waiting.seen.len()
    }
}

/// Whether it says what later messages are about.
fn is_needed(seen: &Seen) -> bool {
    match seen {
        Seen::Torrent(..) => true,
        Seen::Stream(_, StreamEvent::Message(_, message)) => message.is_handshake,
        Seen::Stream(_, event) => {
            !matches!(event, StreamEvent::Why { .. } | StreamEvent::Message(..) | StreamEvent::Unfinished(..))
        }
        _ => false,
    }
}

/// Bytes of a message that are kept.
fn bytes(seen: &Seen) -> usize {
    match seen {
        Seen::Stream(_, StreamEvent::Message(_, message) | StreamEvent::Unfinished(_, message)) => {
            message.start.len()
        }
        Seen::Web(_, WebEvent::Bytes(_, message)) => message.start.len(),
        Seen::Packet(_, _, _, packet) => packet.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metainfo::InfoHash;
    use crate::net::tap::{Connection, Known, StreamEnd, Tap};
    use crate::piece::Geometry;
    use std::sync::Arc;

    #[test]
    fn what_a_connection_is_about_is_kept_where_all_else_is_left_out() {
        let torrent = InfoHash([7; 20]);
        let queue = Arc::new(TraceQueue::of_at_most(1));
        let told = Arc::clone(&queue);
        let tap = Tap::to(move |seen| told.tell(seen));
        let stream = |number: u64, event| {
            let address = ([10, 0, 0, 2], 7).into();
            let connection = Connection { number, address, local: None, incoming: false, is_utp: false };
            tap.tell(|| Seen::Stream(connection, event));
        };
        let why = || StreamEvent::Why { message: "have", count: 1, why: String::new() };
        (0..10).for_each(|_| stream(1, why()));
        assert_eq!(queue.waiting(), 1);
        tap.torrent(torrent, Geometry::new(100, 10).unwrap());
        let known = Known { info_hash: Some(torrent), ..Known::default() };
        stream(2, StreamEvent::Joined(Box::new(known)));
        stream(3, StreamEvent::Open);
        stream(2, StreamEvent::Ended(StreamEnd::Closed));
        assert_eq!(queue.waiting(), 5);
        // Those have an end, too.
        (0..10_000).for_each(|number| stream(number, StreamEvent::Open));
        assert!(queue.waiting() < 5_000);
        let waiting = queue.take().unwrap();
        assert_eq!(waiting.seen.len() + waiting.lost, 10_014);
    }
}
