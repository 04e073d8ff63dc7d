//! The wires. Each host has an uplink and a downlink of so many bytes a second, which its connections share;
//! between two hosts there is a latency.
//!
//! - An uplink sends one block after the other, of its connections by turns.
//! - A downlink takes blocks in the order in which they arrive.
//! - A connection holds [`WINDOW`] bytes at most that were sent and are not received: what the sockets at both ends
//!   hold. So a slow downlink makes its senders wait, as TCP does.
//! - Where its queue is bounded, as a router's is, a block that finds no room is dropped and sent again by TCP: when the
//!   next block of that connection was received, which makes room, or after a time that doubles. So who has a block in
//!   the queue goes on, and who has none may wait for long.
//! - Messages without a block are so small that they cost no bandwidth, but they never overtake a block of their
//!   own connection.
//! - A lost block is sent again by TCP: it comes late, and everything behind it on the connection waits.

use crate::host::End;
use crate::message::{Message, Segment};
use crate::world::{Happening, World};
use femtotorrent::piece::Block;
use std::collections::VecDeque;
use std::hash::Hash;
use std::time::Duration;

/// Bytes on their way on one connection in one direction.
const WINDOW: u64 = 256 * 1024;
/// What a lost block costs besides a round trip: the least time after which TCP sends again.
const RETRANSMISSION: Duration = Duration::from_millis(200);
/// How many times that time doubles while it is in vain.
const MOST_DOUBLINGS: u32 = 6;

/// How a host is connected to the world.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// Bytes a second that it can send.
    pub up: u64,
    /// Bytes a second that it can receive.
    pub down: u64,
    /// Its own part of each round trip. The round trip of a connection is the sum of both sides' parts.
    pub round_trip: Duration,
    /// The part of its blocks that is lost on the way.
    pub loss: f64,
    /// As much waits in front of its downlink as comes in this time, if that is bounded.
    pub queue: Option<Duration>,
}

/// How a host's line stands.
pub struct LineState {
    pub line: Line,
    /// The connection of which a block is being sent.
    pub sending: Option<End>,
    /// The connections that have blocks to send, the next one in front.
    pub turns: VecDeque<End>,
    /// When the downlink has taken in everything that has arrived.
    pub down_free: Duration,
}

/// One connection as seen from one end.
#[derive(Default)]
pub struct Pipe {
    /// The other end, once it has accepted.
    pub other: Option<End>,
    /// How long a message takes to the other end.
    pub latency: Duration,
    /// This end is closed: it sends nothing more and hears nothing more.
    pub closed: bool,
    /// It stands in its line's `turns`.
    in_turns: bool,
    /// Its window is full.
    is_blocked: bool,
    /// Bytes that it has sent and the other end has not received.
    in_flight: u64,
    /// Messages that wait for the end of the block that is being sent.
    held: VecDeque<Segment>,
    /// When what was sent last arrives at the other end.
    last_arrival: Duration,
    /// When the other end has taken in what arrived last, and how many such things it has still to hear.
    last_delivery: Duration,
    undelivered: u32,
    /// What found no room in the queue of the other end, with all that was sent behind it.
    dropped: VecDeque<Segment>,
    /// When it is sent again, and how many times in vain until now.
    again_at: Option<Duration>,
    in_vain: u32,
}

impl Pipe {
    /// A connection on which nothing was said yet.
    pub fn new(latency: Duration, other: Option<End>) -> Pipe {
        Pipe { latency, other, ..Pipe::default() }
    }
}

impl LineState {
    /// A line that is idle.
    pub fn new(line: Line) -> LineState {
        LineState { line, sending: None, turns: VecDeque::new(), down_free: Duration::ZERO }
    }
}

impl World {
    /// Sends messages behind what was sent before on this connection.
    pub fn send(&mut self, from: End, segment: Segment) {
        let is_sending = self.lines[from.host].sending == Some(from);
        let Some(pipe) = self.pipes.get_mut(&from).filter(|pipe| !pipe.closed) else { return };
        if is_sending {
            pipe.held.push_back(segment);
        } else {
            self.transmit(from, segment, Duration::ZERO);
        }
    }

    /// Closes an end. What it has sent still arrives; what it was about to send does not.
    pub fn close(&mut self, end: End) {
        let Some(pipe) = self.pipes.get_mut(&end).filter(|pipe| !pipe.closed) else { return };
        pipe.closed = true;
        pipe.held.clear();
        self.transmit(end, vec![Message::Close], Duration::ZERO);
    }

    fn transmit(&mut self, from: End, segment: Segment, delay: Duration) {
        let passed = self.clock.passed();
        let Some(pipe) = self.pipes.get_mut(&from) else { return };
        pipe.last_arrival = pipe.last_arrival.max(passed + pipe.latency + delay);
        self.clock.at(pipe.last_arrival, Happening::Arrive(from, segment));
    }

    /// The end has blocks to send.
    pub fn wants_to_send(&mut self, end: End) {
        let Some(pipe) = self.pipes.get_mut(&end).filter(|pipe| !pipe.closed && !pipe.is_blocked) else {
            return;
        };
        if !std::mem::replace(&mut pipe.in_turns, true) {
            self.lines[end.host].turns.push_back(end);
        }
        self.pump(end.host);
    }

    /// Begins to send the next block of a host, if its uplink is idle.
    fn pump(&mut self, host: usize) {
        while self.lines[host].sending.is_none()
            && let Some(end) = self.lines[host].turns.pop_front()
        {
            let Some(pipe) = self.pipes.get_mut(&end) else { continue };
            pipe.in_turns = false;
            pipe.is_blocked = pipe.in_flight >= WINDOW;
            if pipe.closed || pipe.is_blocked {
                continue;
            }
            if let Some(block) = self.hosts[host].next_block(end.key, self.clock.now()) {
                pipe.in_turns = true;
                let bytes = u64::from(self.geometry.block_length(block));
                pipe.in_flight += bytes;
                let line = &mut self.lines[host];
                line.turns.push_back(end);
                line.sending = Some(end);
                self.clock.after(transfer(bytes, line.line.up), Happening::BlockSent(end, block));
            }
        }
        // A host may have to wait until it can send the next one.
        self.set_timer(host);
    }

    /// The last byte of a block has left.
    pub fn block_sent(&mut self, end: End, block: Block) {
        let bytes = self.geometry.block_length(block);
        self.lines[end.host].sending = None;
        self.tally.sent += u64::from(bytes);
        if self.residents[end.host].is_web_server {
            self.tally.sent_by_servers += u64::from(bytes);
        }
        self.hosts[end.host].block_sent(end.key, bytes);
        if let Some(pipe) = self.pipes.get_mut(&end).filter(|pipe| !pipe.closed) {
            let (latency, held) = (pipe.latency, std::mem::take(&mut pipe.held));
            let is_lost = self.random.f64() < self.lines[end.host].line.loss;
            let delay = if is_lost { latency * 2 + RETRANSMISSION } else { Duration::ZERO };
            let right = self.hosts[end.host].tells_the_truth(end.key, block);
            self.transmit(end, vec![Message::Block(block, right)], delay);
            held.into_iter().for_each(|segment| self.transmit(end, segment, Duration::ZERO));
        }
        self.pump(end.host);
    }

    /// Messages have come to the other end of the wire, where blocks wait for the downlink.
    pub fn arrive(&mut self, from: End, segment: Segment) {
        let has_room = self.has_room(from, &segment);
        let Some(pipe) = self.pipes.get_mut(&from) else { return };
        if has_room && pipe.dropped.is_empty() {
            return self.admit(from, segment);
        }
        pipe.dropped.push_back(segment);
        if pipe.again_at.is_none() {
            self.send_again_after(from, RETRANSMISSION);
        }
    }

    /// What was dropped is sent again, if this is the time for it.
    pub fn send_again(&mut self, from: End) {
        let passed = self.clock.passed();
        let Some(pipe) = self.pipes.get_mut(&from).filter(|pipe| pipe.again_at == Some(passed)) else {
            return;
        };
        pipe.again_at = None;
        while let Some(segment) = self.pipes.get_mut(&from).and_then(|pipe| pipe.dropped.pop_front()) {
            if !self.has_room(from, &segment) {
                let Some(pipe) = self.pipes.get_mut(&from) else { return };
                pipe.dropped.push_front(segment);
                pipe.in_vain += 1;
                let wait = RETRANSMISSION * (1 << pipe.in_vain.min(MOST_DOUBLINGS));
                return self.send_again_after(from, wait);
            }
            if let Some(pipe) = self.pipes.get_mut(&from) {
                pipe.in_vain = 0;
            }
            self.admit(from, segment);
        }
    }

    fn send_again_after(&mut self, from: End, wait: Duration) {
        let at = self.clock.passed() + wait;
        if let Some(pipe) = self.pipes.get_mut(&from) {
            pipe.again_at = Some(at);
            self.clock.at(at, Happening::SendAgain(from));
        }
    }

    /// Whether the downlink that these messages have come to has a place for them.
    fn has_room(&self, from: End, segment: &Segment) -> bool {
        let bytes = self.block_bytes(segment);
        let to = self.pipes.get(&from).and_then(|pipe| pipe.other);
        let Some(line) = to.map(|to| &self.lines[to.host]).filter(|_| bytes > 0) else { return true };
        let waits = line.down_free.saturating_sub(self.clock.passed()) + transfer(bytes, line.line.down);
        line.line.queue.is_none_or(|most| waits <= most)
    }

    fn admit(&mut self, from: End, segment: Segment) {
        let passed = self.clock.passed();
        let bytes = self.block_bytes(&segment);
        let Some(pipe) = self.pipes.get_mut(&from) else { return };
        let Some(to) = pipe.other else { return };
        let mut at = pipe.last_delivery.max(passed);
        if bytes > 0 {
            let line = &mut self.lines[to.host];
            line.down_free = line.down_free.max(passed) + transfer(bytes, line.line.down);
            at = at.max(line.down_free);
        }
        if at == passed && pipe.undelivered == 0 {
            self.deliver(from, segment);
        } else {
            pipe.last_delivery = at;
            pipe.undelivered += 1;
            self.clock.at(at, Happening::Deliver(from, segment));
        }
    }

    /// The other end has read the messages behind which others waited.
    pub fn deliver_late(&mut self, from: End, segment: Segment) {
        if let Some(pipe) = self.pipes.get_mut(&from) {
            pipe.undelivered -= 1;
        }
        self.deliver(from, segment);
    }

    fn deliver(&mut self, from: End, segment: Segment) {
        let bytes = self.block_bytes(&segment);
        let Some(pipe) = self.pipes.get_mut(&from) else { return };
        pipe.in_flight -= bytes;
        // The word that it came takes its time, and so does what is sent again.
        let (round_trip, waits) = (pipe.latency * 2, !pipe.dropped.is_empty());
        if bytes > 0 && waits {
            self.send_again_after(from, round_trip);
        }
        let Some(pipe) = self.pipes.get_mut(&from) else { return };
        if std::mem::take(&mut pipe.is_blocked) {
            // The word that there is room takes its time, too.
            self.clock.after(pipe.latency, Happening::HasRoom(from));
        }
        let Some(to) = pipe.other else { return };
        if self.pipes.get(&to).is_none_or(|pipe| pipe.closed) {
            return;
        }
        for message in &segment {
            (self.clock.passed(), to, message.digest()).hash(&mut self.tally.trace);
            if let Message::Block(block, _) = message {
                *self.tally.received.entry((to.host, *block)).or_insert(0) += 1;
            }
        }
        if segment.iter().any(|message| matches!(message, Message::Close))
            && let Some(pipe) = self.pipes.get_mut(&to)
        {
            pipe.closed = true;
        }
        let actions = self.hosts[to.host].hear(to.key, segment, self.clock.now());
        self.carry_out(to.host, actions);
    }

    fn block_bytes(&self, segment: &Segment) -> u64 {
        match segment.as_slice() {
            [Message::Block(block, _)] => self.geometry.block_length(*block).into(),
            _ => 0,
        }
    }
}

/// How long so many bytes take on a line of so many bytes a second.
fn transfer(bytes: u64, rate: u64) -> Duration {
    Duration::from_nanos(bytes * 1_000_000_000 / rate.max(1))
}
