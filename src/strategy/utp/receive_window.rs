//! Bytes on their way in: what comes early is kept until what is missing has come, and what is in order waits for the
//! reader. Pure.

use super::sequence::{MAX_PACKETS, SequenceSet, distance};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Room at first.
const FIRST_ROOM: usize = 256 * 1024;
/// Room for a peer that is far away and fast, and whose bytes are read as they come. It is all that one peer can make
/// us keep, twice: what is in order always finds room beside what is early.
const MAX_ROOM: usize = 1024 * 1024;
/// Bytes that a buffer keeps while it is empty.
const KEPT: usize = 128 * 1024;
/// Bytes of the longest mask that we send: one bit for each packet that can come early.
pub const MAX_MASK: usize = MAX_PACKETS / 8;

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It is the next one.
    InOrder,
    /// It is the next one, and behind it others had come, or it is the last one.
    FillsGap,
    /// It is kept, since one before it is missing.
    Early,
    /// It has come before, is behind the end, or finds no room.
    Useless,
}

/// What came.
#[derive(Clone, Debug)]
pub struct ReceiveWindow {
    /// The number of the next packet.
    next: u16,
    /// In order, and not read yet.
    ready: VecDeque<u8>,
    /// Behind the next packet, from the one after it on. The last one is there.
    early: VecDeque<Option<Vec<u8>>>,
    early_set: SequenceSet,
    early_bytes: usize,
    /// The number of the packet that says that there are no more.
    last: Option<u16>,
    room: usize,
    /// Bytes that came since the moment.
    came: (usize, Instant),
    /// Nobody reads any more.
    is_unread: bool,
}

impl ReceiveWindow {
    /// The first packet will have this number.
    pub fn new(next: u16, now: Instant) -> ReceiveWindow {
        ReceiveWindow {
            next,
            ready: VecDeque::new(),
            early: VecDeque::new(),
            early_set: SequenceSet::default(),
            early_bytes: 0,
            last: None,
            room: FIRST_ROOM,
            came: (0, now),
            is_unread: false,
        }
    }

    /// Up to this packet everything has come.
    pub fn acknowledgement(&self) -> u16 {
        self.next.wrapping_sub(1)
    }

    /// Bytes that may come.
    pub fn free(&self) -> usize {
        self.room.saturating_sub(self.ready.len() + self.early_bytes)
    }

    /// Bytes that may come where none are waiting.
    pub fn room(&self) -> usize {
        self.room
    }

    /// Whether everything has come that ever will.
    pub fn is_complete(&self) -> bool {
        self.last.is_some_and(|last| distance(last, self.next) == 1)
    }

    /// Bytes that can be read.
    pub fn readable(&self) -> usize {
        self.ready.len()
    }

    /// Copies bytes that can be read, without taking them. Returns how many.
    pub fn peek(&self, into: &mut [u8]) -> usize {
        let (front, back) = self.ready.as_slices();
        let first = front.len().min(into.len());
        let (start, rest) = into.split_at_mut(first);
        start.copy_from_slice(front.get(..first).unwrap_or_default());
        let second = back.len().min(rest.len());
        let (rest, _) = rest.split_at_mut(second);
        rest.copy_from_slice(back.get(..second).unwrap_or_default());
        first + second
    }

    /// Takes bytes. Returns how many.
    pub fn read(&mut self, into: &mut [u8]) -> usize {
        let count = self.peek(into);
        self.ready.drain(..count);
        if self.ready.is_empty() && self.ready.capacity() > KEPT {
            self.ready = VecDeque::new();
        }
        count
    }

    /// Nobody reads any more: what comes is acknowledged and thrown away.
    pub fn discard(&mut self) {
        self.is_unread = true;
        self.ready = VecDeque::new();
    }

    /// A packet with bytes has come. `round_trip` is the time that it takes until the peer knows of a larger window.
    pub fn data(&mut self, sequence: u16, payload: &[u8], round_trip: Duration, now: Instant) -> Arrival {
        let ahead = distance(self.next, sequence);
        if self.last.is_some_and(|last| distance(last, sequence) >= 0) {
            return Arrival::Useless;
        }
        match usize::try_from(ahead) {
            Ok(0) if self.ready.len() <= self.room => {
                self.append(payload);
                self.widen(payload.len(), round_trip, now);
                if self.early.is_empty() && !self.is_at_last() { Arrival::InOrder } else { self.close_gap() }
            }
            Ok(ahead @ 1..MAX_PACKETS) if payload.len() <= self.free() => {
                let at = ahead - 1;
                if self.early.len() <= at {
                    self.early.resize(ahead, None);
                }
                let Some(place @ None) = self.early.get_mut(at) else { return Arrival::Useless };
                *place = Some(payload.to_vec());
                self.early_set.insert(sequence);
                self.early_bytes += payload.len();
                Arrival::Early
            }
            _ => Arrival::Useless,
        }
    }

    /// The peer says that there will be no more than up to this packet.
    pub fn fin(&mut self, sequence: u16) -> Arrival {
        let ahead = distance(self.next, sequence);
        // One that is in front of what has come is a lie, or came twice.
        let newest = if self.early.is_empty() { -1 } else { self.early.len() as i32 };
        if self.last.is_some() || ahead <= newest || ahead >= MAX_PACKETS as i32 {
            return Arrival::Useless;
        }
        self.last = Some(sequence);
        if ahead == 0 { self.close_gap() } else { Arrival::Early }
    }

    fn is_at_last(&self) -> bool {
        self.last == Some(self.next)
    }

    fn append(&mut self, payload: &[u8]) {
        if !self.is_unread {
            self.ready.extend(payload);
        }
        self.step();
    }

    fn step(&mut self) {
        self.early_set.remove(self.next);
        self.next = self.next.wrapping_add(1);
    }

    /// The next packet has come: takes those behind it that are there.
    fn close_gap(&mut self) -> Arrival {
        while let Some(place) = self.early.pop_front() {
            let Some(payload) = place else { return Arrival::FillsGap };
            self.early_bytes -= payload.len();
            self.append(&payload);
        }
        if self.is_at_last() {
            self.step();
        }
        Arrival::FillsGap
    }

    /// More room for a peer that fills half of it in one round trip, while the reader keeps pace with it.
    fn widen(&mut self, bytes: usize, round_trip: Duration, now: Instant) {
        let (came, since) = &mut self.came;
        *came += bytes;
        if now.saturating_duration_since(*since) >= round_trip {
            if *came >= self.room / 2 && self.ready.len() <= self.room / 4 {
                self.room = (self.room * 2).min(MAX_ROOM);
            }
            self.came = (0, now);
        }
    }

    /// Writes which packets have come early, as a mask that begins two behind the acknowledgement. Returns how many
    /// bytes of it there are: a multiple of four.
    pub fn mask(&self, into: &mut [u8; MAX_MASK]) -> usize {
        let words = self.early.len().div_ceil(64);
        for (number, chunk) in (0u16..).zip(into.chunks_mut(8).take(words)) {
            let from = self.next.wrapping_add(1).wrapping_add(64 * number);
            chunk.copy_from_slice(&self.early_set.word_from(from).to_le_bytes());
        }
        self.early.len().div_ceil(32) * 4
    }
}
