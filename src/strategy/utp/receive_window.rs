//! Bytes on their way in: what comes early is kept until what is missing has come, and what is in order waits for the
//! reader. Pure.

use super::early_memory::EarlyShare;
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
/// Bytes that come early for which a connection needs no share of the memory of all.
const OWN: usize = 8 * 1024;
/// Bytes that may come early before any came in order: what a peer has on its way at first.
const EARLY_AT_FIRST: usize = 20 * 1024;
/// Bytes in order that wait to be read for which it needs none.
const OWN_READY: usize = 64 * 1024;
/// What a place in the list costs beside its bytes, and a packet in it.
const PLACE: usize = size_of::<Option<Vec<u8>>>();
const PACKET: usize = 32;
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
#[derive(Debug)]
pub struct ReceiveWindow {
    /// The number of the next packet.
    next: u16,
    /// In order, and not read yet.
    ready: VecDeque<u8>,
    /// Behind the next packet, from the one after it on. The last one is there.
    early: VecDeque<Option<Vec<u8>>>,
    early_set: SequenceSet,
    early_bytes: usize,
    early_packets: usize,
    /// Bytes that came in order. As much may come early, which is what a peer that speeds up has on its way.
    in_order: usize,
    share: EarlyShare,
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
            early_packets: 0,
            in_order: 0,
            share: EarlyShare::default(),
            last: None,
            room: FIRST_ROOM,
            came: (0, now),
            is_unread: false,
        }
    }

    /// Nothing has come yet. From now on its memory is this share.
    pub fn share(&mut self, share: EarlyShare) {
        self.share = share;
    }

    /// Nothing has come yet, and the first packet will have this number.
    pub fn begin_at(&mut self, next: u16, now: Instant) {
        let share = std::mem::take(&mut self.share);
        *self = ReceiveWindow::new(next, now);
        self.share = share;
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
        self.settle();
        count
    }

    /// Nobody reads any more: what comes is acknowledged and thrown away.
    pub fn discard(&mut self) {
        self.is_unread = true;
        self.ready = VecDeque::new();
        self.settle();
    }

    /// A packet with bytes has come. `round_trip` is the time that it takes until the peer knows of a larger window.
    pub fn data(&mut self, sequence: u16, payload: &[u8], round_trip: Duration, now: Instant) -> Arrival {
        let ahead = distance(self.next, sequence);
        if self.last.is_some_and(|last| distance(last, sequence) >= 0) {
            return Arrival::Useless;
        }
        match usize::try_from(ahead) {
            Ok(0) if self.ready.len() <= self.room && self.has_memory(0, payload.len()) => {
                self.append(payload);
                self.widen(payload.len(), round_trip, now);
                if self.early.is_empty() && !self.is_at_last() { Arrival::InOrder } else { self.close_gap() }
            }
            Ok(ahead @ 1..MAX_PACKETS)
                if payload.len() <= self.free() && self.has_memory(ahead, payload.len()) =>
            {
                let at = ahead - 1;
                if self.early.len() <= at {
                    self.early.resize(ahead, None);
                }
                let Some(place @ None) = self.early.get_mut(at) else { return Arrival::Useless };
                *place = Some(payload.to_vec());
                self.early_set.insert(sequence);
                self.early_bytes += payload.len();
                self.early_packets += 1;
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
        self.in_order = self.in_order.saturating_add(payload.len());
        self.step();
    }

    fn step(&mut self) {
        self.early_set.remove(self.next);
        self.next = self.next.wrapping_add(1);
    }

    /// The next packet has come: takes those behind it that are there.
    fn close_gap(&mut self) -> Arrival {
        while let Some(place) = self.early.pop_front() {
            let Some(payload) = place else { break };
            self.early_bytes -= payload.len();
            self.early_packets -= 1;
            self.append(&payload);
        }
        self.settle();
        if self.early.is_empty() {
            self.early = VecDeque::new();
            if self.is_at_last() {
                self.step();
            }
        }
        Arrival::FillsGap
    }

    /// Whether there is memory for one more packet with so many bytes, so far ahead. 0: it is the next one.
    fn has_memory(&mut self, ahead: usize, bytes: usize) -> bool {
        if ahead == 0 {
            return self.share.claim(self.cost(0, bytes));
        }
        let more = ahead.saturating_sub(self.early.len()) * PLACE + bytes + PACKET;
        self.early_cost() + more <= EARLY_AT_FIRST.saturating_add(self.in_order)
            && self.share.claim(self.cost(more, 0))
    }

    /// What is early takes.
    fn early_cost(&self) -> usize {
        self.early.len() * PLACE + self.early_packets * PACKET + self.early_bytes
    }

    /// What is to be taken of the memory of all, with so much more that is early or in order.
    fn cost(&self, early: usize, ready: usize) -> usize {
        (self.early_cost() + early).saturating_sub(OWN) + (self.ready.len() + ready).saturating_sub(OWN_READY)
    }

    fn settle(&mut self) {
        let cost = self.cost(0, 0);
        self.share.settle(cost);
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

#[cfg(test)]
mod tests {
    use super::super::early_memory::EarlyMemory;
    use super::*;
    use std::sync::Arc;

    const SECOND: Duration = Duration::from_secs(1);

    /// A window of which the next packet is missing and some behind it have come. Returns how many were kept.
    fn with_gap(memory: &Arc<EarlyMemory>, before: usize, bytes: usize) -> (ReceiveWindow, usize) {
        let now = Instant::now();
        let mut window = ReceiveWindow::new(1, now);
        window.share(EarlyShare::of(Arc::clone(memory)));
        for sequence in (1..).take(before / 1024) {
            assert_ne!(window.data(sequence, &[1; 1024], SECOND, now), Arrival::Useless);
            window.read(&mut [0; 1024]);
        }
        let early = (window.next.wrapping_add(1)..).take(1000);
        let kept =
            early.filter(|sequence| window.data(*sequence, &vec![1; bytes], SECOND, now) == Arrival::Early);
        let kept = kept.count();
        (window, kept)
    }

    #[test]
    fn who_leaves_a_gap_at_once_has_little_kept_whatever_the_size_of_its_packets() {
        for bytes in [0, 1, 100, 1000] {
            let (window, kept) = with_gap(&Arc::default(), 0, bytes);
            assert!(kept > 0 && window.early_cost() <= EARLY_AT_FIRST, "{bytes}");
        }
        let (mut window, now) = (ReceiveWindow::new(1, Instant::now()), Instant::now());
        assert_eq!(window.data(1000, b"far ahead", SECOND, now), Arrival::Useless);
    }

    #[test]
    fn who_has_sent_much_in_order_has_as_much_kept_and_all_together_have_a_bound() {
        let memory = Arc::<EarlyMemory>::default();
        assert_eq!(with_gap(&memory, 20 * 1024, 1000).1, 38);
        let mut windows: Vec<_> = (0..100).map(|_| with_gap(&memory, 200 * 1024, 1000)).collect();
        let few = windows.iter().filter(|(_, kept)| *kept < 100).count();
        assert!((75..90).contains(&few), "{few} have little more than their own");
        assert!(windows.iter().all(|(_, kept)| *kept >= OWN / 1064));
        // What is in order and is read comes in however full the memory is.
        let (window, _) = windows.last_mut().unwrap();
        let next = window.next;
        assert_eq!(window.data(next, &[1; 1000], SECOND, Instant::now()), Arrival::FillsGap);
        drop(windows);
        assert!(with_gap(&memory, 200 * 1024, 1000).1 > 150, "what was taken was given back");
    }

    #[test]
    fn what_nobody_reads_takes_of_the_memory_of_all_and_what_is_little_always_comes_in() {
        let (memory, now) = (Arc::<EarlyMemory>::default(), Instant::now());
        let unread = |_| {
            let mut window = ReceiveWindow::new(1, now);
            window.share(EarlyShare::of(Arc::clone(&memory)));
            for sequence in 1..2000 {
                window.data(sequence, &[1; 1000], SECOND, now);
            }
            window
        };
        let windows: Vec<ReceiveWindow> = (0..50).map(unread).collect();
        assert!(windows.iter().all(|window| window.readable() >= OWN_READY - 1000));
        let all: usize = windows.iter().map(ReceiveWindow::readable).sum();
        assert!(all <= 50 * OWN_READY + (4 << 20), "{all}");
    }
}
