//! The door of one connection, which the two threads that speak over it share.
//!
//! Its functions are marked as cold: they are called from many places, where nearly always nobody watches.

use super::framer::{Framed, Framer, Passing};
use super::{Connection, Direction, Seen, StreamEvent, Tap};
use crate::net::HangUp;
use crate::strategy::Security;
use crate::thread::lock;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes of a file that are read at a time, where somebody wants to see them.
const COPY_BYTES: usize = 16 * 1024;

/// The door of one connection.
#[derive(Debug)]
pub struct StreamTap {
    tap: Tap,
    connection: Connection,
    /// Each is used by the one thread that reads or writes.
    received: Mutex<Framer>,
    sent: Mutex<Framer>,
    has_ended: AtomicBool,
}

impl StreamTap {
    pub(super) fn new(tap: Tap, connection: Connection) -> StreamTap {
        let framer = || Mutex::new(Framer::new(tap.wants_blocks()));
        let (received, sent) = (framer(), framer());
        let stream = StreamTap { tap, connection, received, sent, has_ended: AtomicBool::new(false) };
        stream.tell(StreamEvent::Open);
        stream
    }

    /// These bytes have come.
    #[cold]
    #[inline(never)]
    pub fn received(&self, bytes: &[u8]) {
        lock(&self.received).pass(Passing::Bytes(bytes), |message| self.message(Direction::In, message));
    }

    /// These bytes go.
    #[cold]
    #[inline(never)]
    pub fn sent(&self, bytes: &[u8]) {
        self.pass_out(Passing::Bytes(bytes));
    }

    /// So many zeros go.
    #[cold]
    #[inline(never)]
    pub fn sent_zeros(&self, length: u64) {
        self.pass_out(Passing::Unseen(length));
    }

    /// So many bytes of this file go, from `offset` on. They are read only where somebody wants the bytes of blocks.
    #[cold]
    #[inline(never)]
    pub fn sent_file(&self, file: &File, offset: u64, length: u64) {
        let (mut room, mut done) = ([0; COPY_BYTES], 0);
        while lock(&self.sent).keeps_all() && done < length {
            let left = usize::try_from(length - done).unwrap_or(COPY_BYTES);
            let room = room.get_mut(..left.min(COPY_BYTES)).unwrap_or_default();
            // Whoever sends it finds the same, and says so.
            let Ok(read @ 1..) = file.read_at(room, offset.saturating_add(done)) else { break };
            self.pass_out(Passing::Bytes(room.get(..read).unwrap_or_default()));
            done += read as u64;
        }
        self.pass_out(Passing::Unseen(length - done));
    }

    fn pass_out(&self, passing: Passing<'_>) {
        lock(&self.sent).pass(passing, |message| self.message(Direction::Out, message));
    }

    /// What is written after the end reaches nobody.
    fn message(&self, direction: Direction, message: Framed) {
        if !self.has_ended.load(Ordering::Relaxed) {
            self.tell(StreamEvent::Message(direction, message));
        }
    }

    /// Keys were exchanged and agree on this: the conversation begins.
    #[cold]
    #[inline(never)]
    pub fn secured(&self, security: Security) {
        let (received, sent) = (lock(&self.received).keys_exchanged(), lock(&self.sent).keys_exchanged());
        self.tell(StreamEvent::KeysExchanged { received, sent, security });
    }

    /// Why the next messages of this name, so many, are sent.
    #[cold]
    #[inline(never)]
    pub fn why(&self, message: &'static str, count: usize, why: String) {
        self.tell(StreamEvent::Why { message, count, why });
    }

    /// The connection has ended. This is told once.
    #[cold]
    #[inline(never)]
    pub fn ended(&self, why: Option<HangUp>) {
        if !self.has_ended.swap(true, Ordering::Relaxed) {
            for (direction, framer) in [(Direction::In, &self.received), (Direction::Out, &self.sent)] {
                let rest = lock(framer).rest();
                rest.into_iter().for_each(|rest| self.tell(StreamEvent::Unfinished(direction, rest)));
            }
            self.tell(StreamEvent::Ended(why));
        }
    }

    #[inline(never)]
    fn tell(&self, event: StreamEvent) {
        self.tap.tell(|| Seen::Stream(self.connection, event));
    }
}
