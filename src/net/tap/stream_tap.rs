//! The door of one connection, which the two threads that speak over it share.
//!
//! Most of its functions are marked as cold: they are called from many places, where nearly always nobody listens.

use super::framer::{Framed, Framer, Passing};
use super::{Connection, Direction, Known, Seen, StreamEnd, StreamEvent, Tap};
use crate::metainfo::InfoHash;
use crate::strategy::Security;
use crate::thread::lock;
use crate::wire::PeerId;
use crate::wire::extension::ExtensionHandshake;
use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Bytes of a file that are read at a time, where somebody wants to see them.
const COPY_BYTES: usize = 16 * 1024;

/// The door of one connection.
#[derive(Debug)]
pub struct StreamTap {
    tap: Tap,
    connection: Connection,
    /// Each is used by the one thread that reads or writes.
    received: Mutex<Lane>,
    sent: Mutex<Lane>,
    /// The last opening whose listeners were told what is known.
    told: AtomicU64,
    known: Mutex<Known>,
    has_ended: AtomicBool,
}

/// One direction.
#[derive(Debug)]
struct Lane {
    framer: Framer,
    /// The last opening of the door that was noticed here.
    opening: u64,
}

/// Where bytes stand that pass.
#[derive(Clone, Copy)]
enum Place<'a> {
    /// A message begins with them.
    Start,
    /// They follow these, with which a message begins.
    Behind(&'a [u8]),
    /// Nobody says.
    Unknown,
}

impl Tap {
    /// The door of a new connection, if there is one.
    pub(in crate::net) fn connection(
        &self,
        address: SocketAddr,
        [incoming, is_utp]: [bool; 2],
        local: impl FnOnce() -> Option<SocketAddr>,
    ) -> Option<StreamTap> {
        let number = self.next_number()?;
        Some(StreamTap::new(self.clone(), Connection { number, address, local: local(), incoming, is_utp }))
    }
}

impl StreamTap {
    fn new(tap: Tap, connection: Connection) -> StreamTap {
        let (opening, wants_blocks) = (tap.opening(), tap.wants_blocks());
        let spares = wants_blocks.then(|| tap.spares());
        let lane = || Mutex::new(Lane { framer: Framer::new(spares.clone()), opening });
        let stream = StreamTap {
            tap,
            connection,
            received: lane(),
            sent: lane(),
            told: AtomicU64::new(opening),
            known: Mutex::default(),
            has_ended: AtomicBool::new(false),
        };
        stream.tell(StreamEvent::Open);
        stream
    }

    /// Whether somebody listens.
    pub(in crate::net) fn is_open(&self) -> bool {
        self.tap.is_open()
    }

    /// These bytes have come.
    #[cold]
    #[inline(never)]
    pub(in crate::net) fn received(&self, bytes: &[u8]) {
        self.pass(Direction::In, Place::Unknown, Passing::Bytes(bytes));
    }

    /// These bytes have come behind others, with which a message begins.
    #[cold]
    #[inline(never)]
    pub(in crate::net) fn received_behind(&self, start: &[u8], bytes: &[u8]) {
        self.pass(Direction::In, Place::Behind(start), Passing::Bytes(bytes));
    }

    /// These bytes go, and a message begins with them.
    #[cold]
    #[inline(never)]
    pub(in crate::net) fn sent(&self, bytes: &[u8]) {
        self.pass(Direction::Out, Place::Start, Passing::Bytes(bytes));
    }

    /// These bytes go.
    #[cold]
    #[inline(never)]
    pub(in crate::net) fn sent_on(&self, bytes: &[u8]) {
        self.pass(Direction::Out, Place::Unknown, Passing::Bytes(bytes));
    }

    /// So many zeros go.
    #[cold]
    #[inline(never)]
    pub(in crate::net) fn sent_zeros(&self, length: u64) {
        self.pass(Direction::Out, Place::Unknown, Passing::Unseen(length));
    }

    /// So many bytes of this file go, from `offset` on. They are read only where somebody wants the bytes of blocks.
    #[cold]
    #[inline(never)]
    pub(in crate::net) fn sent_file(&self, file: &File, offset: u64, length: u64) {
        let (mut room, mut done) = ([0; COPY_BYTES], 0);
        while lock(&self.sent).framer.keeps_all() && done < length {
            let left = usize::try_from(length - done).unwrap_or(COPY_BYTES);
            let room = room.get_mut(..left.min(COPY_BYTES)).unwrap_or_default();
            // Whoever sends it finds the same, and says so.
            let Ok(read @ 1..) = file.read_at(room, offset.saturating_add(done)) else { break };
            self.sent_on(room.get(..read).unwrap_or_default());
            done += read as u64;
        }
        self.pass(Direction::Out, Place::Unknown, Passing::Unseen(length - done));
    }

    /// Our handshake goes, in a key exchange: nobody could see it there.
    #[cold]
    #[inline(never)]
    pub fn sent_hidden(&self, handshake: &[u8]) {
        self.sent(handshake);
    }

    fn pass(&self, direction: Direction, place: Place<'_>, passing: Passing<'_>) {
        let opening = self.tap.opening();
        if opening == 0 {
            return;
        }
        let lane = if direction == Direction::In { &self.received } else { &self.sent };
        let mut lane = lock(lane);
        if lane.opening != opening {
            // What passed while the door was closed was not counted.
            if lane.opening < self.tap.since() {
                lane.framer.lose();
            }
            lane.opening = opening;
        }
        let start = match place {
            _ if !lane.framer.is_lost() => &[],
            Place::Start => [].as_slice(),
            Place::Behind(start) => start,
            Place::Unknown => return,
        };
        lane.framer.find();
        self.tell_what_is_known(opening);
        let mut tell = |message| self.message(direction, message);
        lane.framer.pass(Passing::Bytes(start), &mut tell);
        lane.framer.pass(passing, &mut tell);
    }

    /// To each opening once.
    fn tell_what_is_known(&self, opening: u64) {
        if self.told.fetch_max(opening, Ordering::Relaxed) < opening {
            let known = lock(&self.known).clone();
            self.tell(StreamEvent::Joined(Box::new(known)));
        }
    }

    /// What is written after the end reaches nobody.
    fn message(&self, direction: Direction, message: Framed) {
        if !self.has_ended.load(Ordering::Relaxed) {
            self.tell(StreamEvent::Message(direction, message));
        }
    }

    /// Keys were exchanged and agree on this: the conversation begins. To be called whether somebody listens or not.
    pub(in crate::net) fn secured(&self, security: Security) {
        let opening = self.tap.opening();
        let [mut received, mut sent] = [&self.received, &self.sent].map(|lane| lock(lane));
        let since = self.tap.since();
        let saw = |lane: &Lane| opening != 0 && lane.opening >= since && !lane.framer.is_lost();
        let saw_it_all = saw(&received) && saw(&sent);
        let counts = (received.framer.keys_exchanged(), sent.framer.keys_exchanged());
        (received.opening, sent.opening) = (opening, opening);
        drop((received, sent));
        if saw_it_all {
            let (received, sent) = counts;
            self.tell(StreamEvent::KeysExchanged { received, sent, security });
        }
    }

    /// The connection is about this torrent, and the peer says that it is this one.
    pub(in crate::net) fn is_about(&self, info_hash: InfoHash, peer_id: PeerId) {
        let mut known = lock(&self.known);
        (known.info_hash, known.peer_id) = (Some(info_hash), Some(peer_id));
    }

    /// The peer says that it can do this.
    pub(in crate::net) fn speaks(&self, theirs: &ExtensionHandshake) {
        let mut known = lock(&self.known);
        known.theirs = theirs.clone().after(&known.theirs);
    }

    /// Why the next messages of this name, so many, are sent.
    #[cold]
    #[inline(never)]
    pub fn why(&self, message: &'static str, count: usize, why: String) {
        self.tell(StreamEvent::Why { message, count, why });
    }

    /// The connection has ended. This is told once. To be called whether somebody listens or not.
    #[cold]
    #[inline(never)]
    pub(in crate::net) fn ended(&self, end: StreamEnd) {
        if !self.has_ended.swap(true, Ordering::Relaxed) {
            for (direction, framer) in [(Direction::In, &self.received), (Direction::Out, &self.sent)] {
                let rest = lock(framer).framer.rest();
                rest.into_iter().for_each(|rest| self.tell(StreamEvent::Unfinished(direction, rest)));
            }
            self.tell(StreamEvent::Ended(end));
        }
    }

    #[inline(never)]
    fn tell(&self, event: StreamEvent) {
        self.tap.tell(|| Seen::Stream(self.connection, event));
    }
}
