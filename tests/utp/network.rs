//! A network on a virtual clock: conversations, and lines between them that delay, lose, double and reorder packets,
//! with a queue in front of what is slow. Everything is decided by a seed.

use femtotorrent::strategy::utp::{Conversation, EndReason, State};
use femtotorrent::wire::utp::Packet;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// Bytes of the headers below ours, over IPv4.
const BELOW: usize = 28;

/// One direction of a way. Several conversations may share it.
#[derive(Clone, Debug)]
pub struct Line {
    pub delay: Duration,
    /// At most so much longer, by chance.
    pub jitter: Duration,
    /// In a thousand packets.
    pub loss: u32,
    pub doubled: u32,
    /// So many come later than others that left after them.
    pub late: u32,
    /// Bytes in a second; none if it is as fast as you like.
    pub rate: Option<u64>,
    /// Bytes that wait for a slow line at most.
    pub queue: u64,
    /// When the line is free, and how long packets have waited for it: the longest wait, all waits and how many.
    pub free_at: Duration,
    pub waits: (Duration, Duration, u32),
    /// Packets that are larger are lost.
    pub largest: usize,
    /// Replaces the room that packets tell of, by chance up to this.
    pub room: Option<u32>,
    /// Nothing comes through in this time.
    pub dead: (Duration, Duration),
}

impl Line {
    pub fn with_delay(milliseconds: u64) -> Line {
        Line {
            delay: Duration::from_millis(milliseconds),
            jitter: Duration::ZERO,
            loss: 0,
            doubled: 0,
            late: 0,
            rate: None,
            queue: u64::MAX,
            free_at: Duration::ZERO,
            waits: (Duration::ZERO, Duration::ZERO, 0),
            largest: usize::MAX,
            room: None,
            dead: (Duration::ZERO, Duration::ZERO),
        }
    }

    pub fn slow(self, rate: u64, queue: u64) -> Line {
        Line { rate: Some(rate), queue, ..self }
    }
}

/// One end of a conversation, with a program that writes, reads and closes.
pub struct Host {
    pub talk: Option<Conversation>,
    peer: usize,
    /// By which line its packets leave.
    line: usize,
    /// How far its clock is ahead, and how many microseconds it gains in a second.
    pub ahead: Duration,
    pub gains: i64,
    /// Bytes to write, how many are written, to read, and how many were read.
    pub to_write: u64,
    pub written: u64,
    pub to_read: u64,
    pub read: u64,
    /// The program reads so many bytes each time, and rests after it.
    pub reads: (usize, Duration),
    next_read: Duration,
    /// It closes when it has written and read everything.
    pub closes: bool,
    pub ended: Option<EndReason>,
    /// When all was read.
    pub done_at: Option<Duration>,
    pub begins: Duration,
    salt: u64,
    pub packets_sent: u64,
}

impl Host {
    /// What it writes at a place.
    fn byte(&self, at: u64) -> u8 {
        ((at + self.salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u8
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Arriving {
    at: Duration,
    number: u64,
    host: usize,
    bytes: Vec<u8>,
}

pub struct Network {
    pub now: Duration,
    start: Instant,
    pub lines: Vec<Line>,
    pub hosts: Vec<Host>,
    arriving: BinaryHeap<Reverse<Arriving>>,
    number: u64,
    pub random: fastrand::Rng,
    buffer: Vec<u8>,
    /// How many microseconds the clocks of the next hosts gain in a second.
    pub gains: [i64; 2],
    /// The programs of the next hosts read so many bytes each time, and rest after it.
    pub reads: (usize, Duration),
}

impl Network {
    pub fn new(seed: u64, lines: Vec<Line>) -> Network {
        Network {
            now: Duration::ZERO,
            start: Instant::now(),
            lines,
            hosts: Vec::new(),
            arriving: BinaryHeap::new(),
            number: 0,
            random: fastrand::Rng::with_seed(seed),
            buffer: Vec::new(),
            gains: [0; 2],
            reads: (usize::MAX, Duration::ZERO),
        }
    }

    /// Two hosts: the first one connects after some time. Its packets leave by the first line. Returns their numbers.
    pub fn connect(&mut self, lines: (usize, usize), bytes: (u64, u64), begins: Duration) -> (usize, usize) {
        let first = self.hosts.len();
        for (peer, line, to_write, to_read, salt) in
            [(first + 1, lines.0, bytes.0, bytes.1, 1), (first, lines.1, bytes.1, bytes.0, 2)]
        {
            self.hosts.push(Host {
                talk: None,
                peer,
                line,
                ahead: Duration::from_secs(3 * salt),
                gains: self.gains[salt as usize - 1],
                to_write,
                written: 0,
                to_read,
                read: 0,
                reads: self.reads,
                next_read: Duration::ZERO,
                closes: true,
                ended: None,
                done_at: None,
                begins,
                salt: salt + first as u64,
                packets_sent: 0,
            });
        }
        (first, first + 1)
    }

    fn clock(&self, host: usize) -> Instant {
        let host = &self.hosts[host];
        // All clocks are ahead by more than the slow ones lose.
        let gained = 1_000_000 + self.now.as_micros() as i64 * host.gains / 1_000_000;
        self.start + host.ahead + self.now + Duration::from_micros(gained as u64)
    }

    /// When the host's clock is there.
    fn moment(&self, host: usize, clock: Instant) -> Duration {
        let left = clock.saturating_duration_since(self.clock(host));
        if left.is_zero() {
            return self.now;
        }
        // A microsecond more for what rounding lost.
        self.now + left.mul_f64(1.0 - self.hosts[host].gains as f64 / 1e6) + Duration::from_micros(1)
    }

    /// Runs until nothing is left to happen, all hosts have ended, or the time is over.
    pub fn run(&mut self, until: Duration) {
        let mut steps = 0;
        loop {
            steps += 1;
            assert!(steps < 20_000_000, "time stands still at {:?}", self.now);
            let next = self.next_moment();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            self.now = self.now.max(next);
            self.begin();
            let mut touched = Vec::new();
            while self.arriving.peek().is_some_and(|Reverse(arriving)| arriving.at <= self.now) {
                let Some(Reverse(arriving)) = self.arriving.pop() else { break };
                self.deliver(&arriving);
                touched.push(arriving.host);
            }
            for host in 0..self.hosts.len() {
                let due = self.due(host).is_some_and(|due| due <= self.now);
                if due || touched.contains(&host) {
                    self.turn(host);
                }
            }
        }
    }

    fn next_moment(&self) -> Option<Duration> {
        let hosts = (0..self.hosts.len()).filter_map(|host| self.due(host));
        let arriving = self.arriving.peek().map(|Reverse(arriving)| arriving.at);
        hosts.chain(arriving).min()
    }

    fn due(&self, number: usize) -> Option<Duration> {
        let host = &self.hosts[number];
        let Some(talk) = &host.talk else {
            let begins = number.is_multiple_of(2) && host.ended.is_none();
            return begins.then_some(host.begins);
        };
        let reads = (talk.readable() > 0).then_some(host.next_read);
        talk.due().map(|due| self.moment(number, due)).into_iter().chain(reads).min()
    }

    fn begin(&mut self) {
        for number in (0..self.hosts.len()).step_by(2) {
            let host = &self.hosts[number];
            if host.talk.is_none() && host.ended.is_none() && host.begins <= self.now {
                let (id, sequence) = (self.random.u16(..), self.random.u16(..));
                let now = self.clock(number);
                self.hosts[number].talk = Some(Conversation::connect(id, sequence, now));
                self.turn(number);
            }
        }
    }

    fn deliver(&mut self, arriving: &Arriving) {
        let now = self.clock(arriving.host);
        let packet = Packet::read(&arriving.bytes).unwrap();
        let sequence = self.random.u16(..);
        let host = &mut self.hosts[arriving.host];
        match &mut host.talk {
            Some(talk) => talk.take(&packet, now),
            // Packets of a conversation that is over find nobody.
            None if host.ended.is_none() => host.talk = Conversation::accept(&packet, sequence, now),
            None => {}
        }
    }

    /// The program of a host does what it can, and what is due leaves.
    fn turn(&mut self, number: usize) {
        let now = self.clock(number);
        let Some(mut talk) = self.hosts[number].talk.take() else { return };
        talk.expire(now);
        let peer = self.hosts[number].peer;
        let mut bytes = [0; 16 * 1024];
        // A program reads and writes again as long as there is something.
        loop {
            let host = &mut self.hosts[number];
            let want =
                (host.to_write - host.written).min(talk.room() as u64).min(bytes.len() as u64) as usize;
            let want = bytes.get_mut(..want).unwrap();
            (host.written..).zip(want.iter_mut()).for_each(|(at, byte)| *byte = host.byte(at));
            let written = talk.write(want);
            assert_eq!(written, want.len());
            host.written += written as u64;
            let mut read = 0;
            if host.next_read <= self.now {
                let length = host.reads.0.min(bytes.len());
                read = talk.read(&mut bytes[..length]);
                if read > 0 && host.reads.1 > Duration::ZERO {
                    host.next_read = self.now + host.reads.1;
                }
                let from = self.hosts[number].read;
                for (at, byte) in (from..).zip(&bytes[..read]) {
                    assert_eq!(*byte, self.hosts[peer].byte(at), "byte {at}");
                }
                let host = &mut self.hosts[number];
                host.read += read as u64;
                assert!(host.read <= host.to_read);
                if host.read == host.to_read && host.done_at.is_none() {
                    host.done_at = Some(self.now);
                }
            }
            let mut packet = std::mem::take(&mut self.buffer);
            while talk.next_packet(now, &mut packet) {
                assert!(packet.len() <= 1352);
                self.send(number, &packet);
            }
            self.buffer = packet;
            if written == 0 && read == 0 {
                break;
            }
        }
        let host = &mut self.hosts[number];
        let is_over = matches!(talk.state(), State::Ended(reason) if reason != EndReason::Closed);
        if host.closes && host.written == host.to_write && host.read == host.to_read && !is_over {
            talk.close(now);
            let mut packet = std::mem::take(&mut self.buffer);
            while talk.next_packet(now, &mut packet) {
                self.send(number, &packet);
            }
            self.buffer = packet;
        }
        let host = &mut self.hosts[number];
        if let State::Ended(reason) = talk.state() {
            host.ended = Some(reason);
        }
        if !talk.is_finished() {
            host.talk = Some(talk);
        }
    }

    /// Sends a datagram from a host to its peer.
    pub fn send(&mut self, from: usize, bytes: &[u8]) {
        let (number, to) = (self.hosts[from].line, self.hosts[from].peer);
        self.hosts[from].packets_sent += 1;
        let line = &mut self.lines[number];
        let mut leaves = self.now;
        let is_dead = (line.dead.0..line.dead.1).contains(&self.now);
        if bytes.len() > line.largest || is_dead {
            return;
        }
        if let Some(rate) = line.rate {
            let size = (bytes.len() + BELOW) as u64;
            let waits = line.free_at.saturating_sub(self.now);
            if waits.as_nanos() as u64 / 1000 * rate / 1_000_000 + size > line.queue {
                return;
            }
            let takes = Duration::from_nanos(size * 1_000_000_000 / rate);
            line.free_at = self.now + waits + takes;
            line.waits = (line.waits.0.max(waits), line.waits.1 + waits, line.waits.2 + 1);
            leaves = line.free_at;
        }
        if self.random.u32(..1000) < line.loss {
            return;
        }
        let copies = if self.random.u32(..1000) < line.doubled { 2 } else { 1 };
        for _ in 0..copies {
            let mut at = leaves + line.delay + line.jitter.mul_f64(self.random.f64());
            if self.random.u32(..1000) < line.late {
                at += Duration::from_millis(self.random.u64(1..40));
            }
            let mut bytes = bytes.to_vec();
            if let Some(most) = line.room {
                let room = match self.random.u32(..4) {
                    0 => 0,
                    1 => self.random.u32(..2000),
                    _ => self.random.u32(..=most),
                };
                bytes[12..16].copy_from_slice(&room.to_be_bytes());
            }
            self.number += 1;
            self.arriving.push(Reverse(Arriving { at, number: self.number, host: to, bytes }));
        }
    }
}
