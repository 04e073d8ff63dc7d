//! Bytes on their way out: cut into packets, numbered, and kept until the peer has acknowledged them. Pure.
//!
//! A packet that was sent keeps its number and its bytes for ever, since the numbers count packets and not bytes: what
//! is lost is sent again as it was. Behind the packets wait bytes that are not cut yet.

use super::flights::Flights;
use super::sequence::{MAX_PACKETS, SequenceSet, distance};
use crate::wire::utp::Kind;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Bytes that a buffer keeps while it is empty.
const KEPT: usize = 128 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Flying,
    Lost,
    Acknowledged,
}

/// A packet that was sent.
#[derive(Clone, Copy, Debug)]
struct Sent {
    kind: Kind,
    /// Where its bytes begin, counted from the beginning of the conversation, and how many they are.
    start: u64,
    length: u16,
    /// Its last flight, when that was, and how many there were.
    flight: u64,
    at: Instant,
    times: u8,
    fate: Fate,
    /// The first time it was larger than it had to be, to try whether such packets arrive.
    tries_larger: bool,
}

impl Sent {
    /// Whether its last flight may have been lost for its size: that says nothing of how much the way carries.
    fn was_too_large(&self) -> bool {
        self.tries_larger && self.times == 1
    }
}

/// A packet that should leave now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// What it is.
    pub kind: Kind,
    /// Its number.
    pub sequence: u16,
    start: u64,
    /// Bytes in it.
    pub length: usize,
    /// Bytes in front of them that mean nothing.
    pub filling: usize,
}

/// What an acknowledgement says.
#[derive(Clone, Copy, Debug, Default)]
pub struct News {
    /// Bytes that have arrived.
    pub bytes: usize,
    /// Packets that have arrived.
    pub packets: usize,
    /// The time from the last flight that landed to now, if it is sure which one it was.
    pub round_trip: Option<Duration>,
    /// Whether the packet that tried a larger size arrived as it was, if it is known by now.
    pub larger_arrived: Option<bool>,
}

/// What was sent and what will be.
#[derive(Clone, Debug)]
pub struct SendWindow {
    /// Packets that were sent; the first one is not acknowledged.
    sent: VecDeque<Sent>,
    /// The number of the first one.
    first: u16,
    acknowledged: SequenceSet,
    /// The bytes of those packets, then those that are in no packet yet.
    bytes: VecDeque<u8>,
    /// Where the bytes begin, and where those begin that are in no packet, counted as in [`Sent`].
    start: u64,
    cut: u64,
    /// Packets to send again. Some of them may have arrived since.
    lost: VecDeque<u16>,
    in_flight: usize,
    flights: Flights,
    /// The flight that left only to ask what has come.
    asking: Option<u64>,
}

impl SendWindow {
    /// The first packet will have this number.
    pub fn new(first: u16) -> SendWindow {
        SendWindow {
            sent: VecDeque::new(),
            first,
            acknowledged: SequenceSet::default(),
            bytes: VecDeque::new(),
            start: 0,
            cut: 0,
            lost: VecDeque::new(),
            in_flight: 0,
            flights: Flights::new(),
            asking: None,
        }
    }

    /// The number of the next new packet.
    pub fn next_sequence(&self) -> u16 {
        self.first.wrapping_add(self.sent.len() as u16)
    }

    /// The number of the packet that the peer waits for, or of the next new one.
    pub fn unacknowledged(&self) -> u16 {
        self.first
    }

    /// Bytes that are kept.
    pub fn buffered(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes that are in no packet yet.
    pub fn unsent(&self) -> usize {
        self.bytes.len().saturating_sub((self.cut - self.start) as usize)
    }

    /// Bytes that have left and neither arrived nor got lost, as far as we know.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether all packets are acknowledged.
    pub fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// Whether there may be one more packet.
    pub fn is_full(&self) -> bool {
        self.sent.len() >= MAX_PACKETS - 1
    }

    /// The number of the next flight.
    pub fn next_flight(&self) -> u64 {
        self.flights.next()
    }

    /// Takes bytes to send.
    pub fn write(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    /// Makes a packet without bytes, which has not left yet.
    pub fn prepare(&mut self, kind: Kind, now: Instant) {
        let flight = self.flights.next();
        self.lost.push_back(self.next_sequence());
        let (start, fate) = (self.cut, Fate::Lost);
        self.sent.push_back(Sent {
            kind,
            start,
            length: 0,
            flight,
            at: now,
            times: 0,
            fate,
            tries_larger: false,
        });
    }

    /// Makes the next packet, of so many of the unsent bytes.
    pub fn send(&mut self, kind: Kind, length: usize, now: Instant) -> Outgoing {
        let length = length.min(self.unsent()).min(u16::MAX.into());
        let sequence = self.next_sequence();
        let flight = self.flights.depart(sequence);
        let start = self.cut;
        self.sent.push_back(Sent {
            kind,
            start,
            length: length as u16,
            flight,
            at: now,
            times: 1,
            fate: Fate::Flying,
            tries_larger: false,
        });
        self.cut += length as u64;
        self.in_flight += length;
        Outgoing { kind, sequence, start, length, filling: 0 }
    }

    /// Makes the next packet, of so many of the unsent bytes, and fills it up to this size. If it is lost, it leaves
    /// again without the filling.
    pub fn send_larger(&mut self, length: usize, size: usize, now: Instant) -> Outgoing {
        let packet = self.send(Kind::Data, length, now);
        if let Some(sent) = self.sent.back_mut() {
            sent.tries_larger = true;
        }
        Outgoing { filling: size.saturating_sub(packet.length), ..packet }
    }

    /// A packet without bytes that takes no number.
    pub fn without_number(&self, kind: Kind) -> Outgoing {
        Outgoing { kind, sequence: self.next_sequence(), start: self.cut, length: 0, filling: 0 }
    }

    /// The next packet that is lost, if the window has room for it. One may leave in any case, and the one that the peer
    /// waits for, when it leaves for the second time.
    pub fn send_again(&mut self, window: usize, now: Instant) -> Option<Outgoing> {
        while let Some(sequence) = self.lost.front().copied() {
            let at = usize::try_from(distance(self.first, sequence)).ok();
            let lost = at.and_then(|at| self.sent.get_mut(at)).filter(|sent| sent.fate == Fate::Lost);
            if let Some(sent) = lost {
                let length = usize::from(sent.length);
                let is_urgent = sequence == self.first && sent.times == 1;
                if self.in_flight > 0 && self.in_flight + length > window && !is_urgent {
                    return None;
                }
                (sent.fate, sent.at, sent.times) = (Fate::Flying, now, sent.times.saturating_add(1));
                sent.flight = self.flights.depart(sequence);
                self.in_flight += length;
                self.lost.pop_front();
                return Some(Outgoing { kind: sent.kind, sequence, start: sent.start, length, filling: 0 });
            }
            self.lost.pop_front();
        }
        None
    }

    /// Appends the bytes of a packet.
    pub fn copy(&self, packet: &Outgoing, into: &mut Vec<u8>) {
        let start = packet.start.saturating_sub(self.start) as usize;
        let (front, back) = self.bytes.as_slices();
        let in_front = front.get(start..).unwrap_or_default();
        let in_front = in_front.get(..packet.length).unwrap_or(in_front);
        into.extend_from_slice(in_front);
        let start = start.saturating_sub(front.len());
        let rest = back.get(start..).unwrap_or_default();
        let rest = rest.get(..packet.length - in_front.len()).unwrap_or(rest);
        into.extend_from_slice(rest);
    }

    /// The peer has everything up to a packet, and those of the mask, which begins two behind it. `least` is the
    /// shortest time that an answer takes. None if it acknowledges what was never sent.
    pub fn acknowledge(
        &mut self,
        upto: u16,
        mask: Option<&[u8]>,
        least: Option<Duration>,
        now: Instant,
    ) -> Option<News> {
        let count = distance(self.first, upto) + 1;
        if count > self.sent.len() as i32 {
            return None;
        }
        let mut news = News::default();
        let Ok(count) = usize::try_from(count) else { return Some(news) };
        let mut last_flight = None;
        for _ in 0..count {
            self.settle(0, &mut news, &mut last_flight, least, now);
            self.acknowledged.remove(self.first);
            if let Some(sent) = self.sent.pop_front() {
                let length = usize::from(sent.length).min(self.bytes.len());
                self.bytes.drain(..length);
                self.start += length as u64;
            }
            self.first = self.first.wrapping_add(1);
        }
        for (number, chunk) in (0u16..).zip(mask.unwrap_or_default().chunks(8)) {
            let from = upto.wrapping_add(2).wrapping_add(64 * number);
            let Ok(at) = usize::try_from(distance(self.first, from)) else { break };
            if at >= self.sent.len() {
                break;
            }
            let mut new = word(chunk) & !self.acknowledged.word_from(from);
            while new != 0 {
                self.settle(at + new.trailing_zeros() as usize, &mut news, &mut last_flight, least, now);
                new &= new - 1;
            }
        }
        if self.bytes.is_empty() && self.bytes.capacity() > KEPT {
            self.bytes = VecDeque::new();
        }
        Some(news)
    }

    /// Notes that a packet has arrived.
    fn settle(
        &mut self,
        at: usize,
        news: &mut News,
        last_flight: &mut Option<u64>,
        least: Option<Duration>,
        now: Instant,
    ) {
        let Some(sent) = self.sent.get_mut(at).filter(|sent| sent.fate != Fate::Acknowledged) else { return };
        let took = now.saturating_duration_since(sent.at);
        match (sent.fate, sent.times) {
            (Fate::Flying, 1) if *last_flight < Some(sent.flight) => {
                (*last_flight, news.round_trip) = (Some(sent.flight), Some(took));
            }
            (Fate::Flying, 1) => {}
            // This is the answer to an earlier flight: the last one has not been away for long enough.
            (Fate::Flying, _) if least.is_none_or(|least| took >= least / 2) => {}
            _ if self.asking == Some(sent.flight) => {}
            _ => self.flights.was_late(sent.flight),
        }
        if sent.fate == Fate::Flying {
            self.in_flight -= usize::from(sent.length);
            self.flights.land(sent.flight);
        }
        sent.fate = Fate::Acknowledged;
        news.bytes += usize::from(sent.length);
        news.packets += 1;
        if sent.tries_larger {
            // An answer that comes too soon is one to the first time that it left.
            let is_first = sent.times == 1 || least.is_some_and(|least| took < least / 2);
            news.larger_arrived = Some(is_first);
        }
        self.acknowledged.insert(self.first.wrapping_add(at as u16));
    }

    /// Looks for packets that are lost. Returns the last flight among them.
    pub fn find_lost(&mut self) -> Option<u64> {
        let mut last = None;
        while let Some((sequence, number)) = self.flights.next_lost() {
            if self.lose(sequence, number) {
                last = Some(number);
            }
        }
        last
    }

    /// The packet that the peer waits for is lost. Returns its flight, if it was on its way and not too large.
    pub fn lose_first(&mut self) -> Option<u64> {
        let number = self.sent.front()?.flight;
        self.lose(self.first, number).then_some(number)
    }

    /// All that left before this flight is lost. Returns the last flight among it.
    pub fn lose_before(&mut self, flight: u64) -> Option<u64> {
        let mut last = None;
        for (number, sent) in (0..).zip(&mut self.sent) {
            if sent.fate == Fate::Flying && sent.flight < flight {
                sent.fate = Fate::Lost;
                self.in_flight -= usize::from(sent.length);
                self.lost.push_back(self.first.wrapping_add(number));
                if !sent.was_too_large() {
                    last = last.max(Some(sent.flight));
                }
            }
        }
        last
    }

    /// The oldest packet on its way counts as lost, so that it leaves once more. If its answer is only late, that says
    /// nothing of packets that overtake each other.
    pub fn lose_oldest_flying(&mut self) {
        let flying = (0..).zip(&self.sent).find(|(_, sent)| sent.fate == Fate::Flying);
        if let Some((number, flight)) = flying.map(|(number, sent)| (number, sent.flight)) {
            self.lose(self.first.wrapping_add(number), flight);
            self.asking = Some(self.flights.next());
        }
    }

    /// Whether it was lost just now, and not for its size.
    fn lose(&mut self, sequence: u16, flight: u64) -> bool {
        let at = usize::try_from(distance(self.first, sequence)).ok();
        let sent = at.and_then(|at| self.sent.get_mut(at));
        let is_lost = |sent: &&mut Sent| sent.fate == Fate::Flying && sent.flight == flight;
        let Some(sent) = sent.filter(is_lost) else { return false };
        sent.fate = Fate::Lost;
        self.in_flight -= usize::from(sent.length);
        self.lost.push_back(sequence);
        !sent.was_too_large()
    }

    /// Everything that is not acknowledged is lost.
    pub fn lose_all(&mut self) {
        self.flights.give_up();
        self.lost.clear();
        self.in_flight = 0;
        for (number, sent) in (0..).zip(&mut self.sent) {
            if sent.fate != Fate::Acknowledged {
                sent.fate = Fate::Lost;
                self.lost.push_back(self.first.wrapping_add(number));
            }
        }
    }
}

/// Up to eight bytes of a mask, the first one lowest.
fn word(chunk: &[u8]) -> u64 {
    chunk.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}
