//! One connection: what comes is taken in, and what is due is noted. What leaves is in `departure.rs`. Pure.
//!
//! A connection begins with a packet that is answered with the number of the first packet of the other direction. It
//! ends in each direction with a packet that takes a number, so that it is known whether all before it has come.
//!
//! What comes is believed where it fits: an acknowledgement of what was never sent makes its packet void, and the end
//! of a connection is believed only with its id. Who can send in the name of the peer's address can guess the id; this
//! is no protection against those who see the packets, no more than TCP is.

use super::acknowledgements::Acknowledgements;
use super::question::Question;
use super::receive_window::{Arrival, ReceiveWindow};
use super::send_window::SendWindow;
use super::sequence::distance;
use super::way::Way;
use crate::wire::utp::{Kind, Packet};
use std::time::{Duration, Instant};

/// How often we wait in vain for an answer, twice as long each time: 47 s in all at least.
const MAX_TIMEOUTS: u32 = 7;
/// The same for the first packet, and for the last one: 31 s, and 15 s at least.
const MAX_FIRST_TIMEOUTS: u32 = 5;
/// Routers forget who talks to whom after 30 s without a packet. The peer protocol's own keep-alive comes too late.
const KEEP_ALIVE: Duration = Duration::from_secs(29);
/// Bytes that wait to be cut, beyond those that fit into the window.
const AHEAD: usize = 32 * 1024;

/// How far a conversation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// We have asked for it and have no answer yet.
    Connecting,
    /// Both sides know of it.
    Open,
    /// It is over.
    Ended(EndReason),
}

/// Why a conversation is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The peer sends nothing more, and all that it sent has come. What we write still goes to it.
    Closed,
    /// The peer knows no such connection.
    Reset,
    /// The peer did not answer for too long.
    TimedOut,
    /// We closed it, and the peer has all that we wrote.
    Ours,
}

/// How far our own end of it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    /// More may be written.
    No,
    /// After what is written comes the last packet.
    Wanted,
    /// It has left.
    Sent,
}

/// One connection, without its socket and its clock.
#[derive(Debug)]
pub struct Conversation {
    /// Under which we and the peer know it.
    pub(super) receive_id: u16,
    pub(super) send_id: u16,
    pub(super) state: State,
    pub(super) closing: Closing,
    pub(super) sending: SendWindow,
    pub(super) receiving: ReceiveWindow,
    pub(super) acknowledgements: Acknowledgements,
    pub(super) way: Way,
    /// Bytes that the peer has room for.
    pub(super) peer_room: usize,
    /// When the wait for an acknowledgement is over, or for room at a peer that has none.
    pub(super) patience: Option<Instant>,
    /// When it is asked what has come, long before that.
    pub(super) question: Question,
    /// One packet may leave although the peer has no room, to ask whether that is still so.
    pub(super) may_probe: bool,
    /// When the last packet left.
    pub(super) last_sent: Instant,
    /// Where our clock begins.
    pub(super) epoch: Instant,
    /// The number of the packet with which the peer began.
    syn: Option<u16>,
    /// The peer has said more than its first packet: it is where it says it is, and it knows where our numbers begin.
    /// Before that nothing but the answer leaves, so that nobody can have us send much to a third party.
    pub(super) is_confirmed: bool,
}

impl Conversation {
    /// Asks for a connection. We will know it as `first_id`, and the peer under the number after it. Both numbers
    /// should be random, so that others cannot guess them.
    pub fn connect(first_id: u16, first_sequence: u16, now: Instant) -> Conversation {
        let receiving = ReceiveWindow::new(1, now);
        let ids = (first_id, first_id.wrapping_add(1));
        let mut conversation = Conversation::new(ids, first_sequence, receiving, now);
        conversation.state = State::Connecting;
        conversation.sending.prepare(Kind::Syn, now);
        conversation
    }

    /// Answers one that asks for a connection. None if the packet does not ask for one.
    pub fn accept(syn: &Packet, first_sequence: u16, now: Instant) -> Option<Conversation> {
        let header = &syn.header;
        if header.kind != Kind::Syn {
            return None;
        }
        let receiving = ReceiveWindow::new(header.sequence.wrapping_add(1), now);
        let ids = (header.connection_id.wrapping_add(1), header.connection_id);
        let mut conversation = Conversation::new(ids, first_sequence, receiving, now);
        conversation.syn = Some(header.sequence);
        conversation.peer_room = header.window as usize;
        conversation.note_header(syn, now);
        conversation.acknowledgements.owe_now(now);
        Some(conversation)
    }

    fn new(
        (receive_id, send_id): (u16, u16),
        first: u16,
        receiving: ReceiveWindow,
        now: Instant,
    ) -> Conversation {
        Conversation {
            receive_id,
            send_id,
            state: State::Open,
            closing: Closing::No,
            sending: SendWindow::new(first),
            receiving,
            acknowledgements: Acknowledgements::default(),
            way: Way::new(now),
            peer_room: 0,
            patience: None,
            question: Question::default(),
            may_probe: false,
            last_sent: now,
            epoch: now,
            syn: None,
            is_confirmed: false,
        }
    }

    /// The ids under which we know the connection and under which the peer does: the first one stands in what comes,
    /// the second one in what leaves.
    pub fn ids(&self) -> (u16, u16) {
        (self.receive_id, self.send_id)
    }

    /// How far it is.
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether the peer is where its packets say: it has seen one of ours. Until then nothing that it says is kept.
    pub fn is_confirmed(&self) -> bool {
        self.is_confirmed
    }

    /// Whether nothing more can come or go: it may be forgotten.
    pub fn is_finished(&self) -> bool {
        match self.state {
            State::Ended(EndReason::Reset | EndReason::TimedOut) => true,
            State::Ended(EndReason::Ours) => self.acknowledgements.due().is_none(),
            _ => false,
        }
    }

    /// Whether the peer sends nothing more, and all that it sent has come. Some may wait to be read.
    pub fn peer_closed(&self) -> bool {
        self.receiving.is_complete()
    }

    /// Bytes that can be read.
    pub fn readable(&self) -> usize {
        self.receiving.readable()
    }

    /// Copies bytes that can be read, without taking them. Returns how many.
    pub fn peek(&self, into: &mut [u8]) -> usize {
        self.receiving.peek(into)
    }

    /// Takes bytes that came. Returns how many. A packet may be due afterwards, that tells the peer of the room.
    pub fn read(&mut self, into: &mut [u8]) -> usize {
        self.receiving.read(into)
    }

    /// Bytes that can be written now: what fits into the window, and a little to go on with. What waits here can
    /// neither be taken back nor overtaken.
    pub fn room(&self) -> usize {
        let is_over = matches!(self.state, State::Ended(reason) if reason != EndReason::Closed);
        if is_over || self.closing != Closing::No {
            return 0;
        }
        let window = self.way.congestion.window().min(self.peer_room);
        (window + AHEAD).saturating_sub(self.sending.buffered())
    }

    /// Takes bytes to send. Returns how many.
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        let bytes = bytes.get(..self.room()).unwrap_or(bytes);
        self.sending.write(bytes);
        bytes.len()
    }

    /// Ends it: what is written still goes to the peer, and then word that this was all. What came is acknowledged,
    /// and what comes from now on as well, but thrown away.
    pub fn close(&mut self, now: Instant) {
        if self.closing == Closing::No {
            self.closing = Closing::Wanted;
            self.receiving.discard();
            match self.state {
                State::Connecting => self.state = State::Ended(EndReason::Ours),
                _ => self.acknowledgements.owe_now(now),
            }
        }
    }

    /// Takes in a packet.
    pub fn take(&mut self, packet: &Packet, now: Instant) {
        let header = &packet.header;
        if self.is_finished() {
            return;
        }
        let is_ours = header.connection_id == self.receive_id;
        match header.kind {
            // Programs in use answer with the id that they got.
            Kind::Reset if is_ours || header.connection_id == self.send_id => self.end(EndReason::Reset),
            Kind::Reset => {}
            // Our answer was lost, or the packet came twice.
            Kind::Syn => {
                if self.syn == Some(header.sequence) && header.connection_id == self.send_id {
                    self.acknowledgements.owe_now(now);
                }
            }
            _ if !is_ours => {}
            _ => self.take_ours(packet, now),
        }
    }

    fn take_ours(&mut self, packet: &Packet, now: Instant) {
        let header = &packet.header;
        if self.state == State::Connecting {
            // The number in the answer is that of the first packet of the other direction. What comes before the
            // answer comes again.
            let is_answer = header.kind == Kind::State
                && distance(header.acknowledgement, self.sending.next_sequence()) == 1;
            if !is_answer {
                return;
            }
            self.receiving.begin_at(header.sequence, now);
            self.state = State::Open;
            self.acknowledgements.owe(now);
        }
        if self.acknowledged(packet, now) {
            // Who only guesses that we have answered does not know the number.
            self.is_confirmed |= header.acknowledgement.wrapping_add(1) == self.sending.unacknowledged();
            if !self.is_confirmed {
                return;
            }
            self.note_header(packet, now);
            self.came(packet, now);
        }
    }

    /// What every packet says.
    fn note_header(&mut self, packet: &Packet, now: Instant) {
        let clock = self.clock(now);
        self.way.delays.came(packet.header.timestamp, clock, now);
    }

    /// What the packet says of ours. False if that cannot be.
    fn acknowledged(&mut self, packet: &Packet, now: Instant) -> bool {
        let (header, way) = (&packet.header, &mut self.way);
        let upto = header.acknowledgement;
        let was_full = self.sending.in_flight() + way.size.payload() > way.congestion.window();
        let (next, oldest) = (self.sending.next_sequence(), self.sending.unacknowledged());
        let news = self.sending.acknowledge(upto, packet.selective, way.round_trip.least(), now);
        let Some(news) = news else { return false };
        // One that was overtaken by a newer one says nothing new of the room.
        let is_old = distance(upto, oldest) > 1;
        let room = header.window as usize;
        let is_repeat = upto.wrapping_add(1) == oldest && oldest != next && news.packets == 0;
        let is_plain = header.kind == Kind::State && packet.selective.is_none() && room == self.peer_room;
        if !is_old {
            self.peer_room = room;
            if room < way.size.payload() {
                way.is_alive();
            }
        }
        let mut overdue = None;
        if news.packets > 0 {
            overdue = self.question.answered(&mut self.sending, way.round_trip.least(), now);
            way.arrived(&news, header.timestamp_difference, was_full, now);
            self.patience = (!self.sending.is_empty()).then(|| now + way.round_trip.timeout());
            self.expect_answer(now);
        }
        let way = &mut self.way;
        let mut lost = self.sending.find_lost().max(overdue);
        if is_repeat && is_plain && way.is_repeated() {
            lost = self.sending.lose_first().or(lost);
        }
        if let Some(flight) = lost {
            way.congestion.lost(flight, self.sending.next_flight());
        }
        if self.closing == Closing::Sent && self.sending.is_empty() {
            self.end(EndReason::Ours);
        }
        true
    }

    /// What the packet carries.
    fn came(&mut self, packet: &Packet, now: Instant) {
        let header = &packet.header;
        let arrival = match header.kind {
            Kind::Data => {
                let round_trip = self.way.round_trip.usual();
                self.receiving.data(header.sequence, packet.payload, round_trip, now)
            }
            Kind::Fin => self.receiving.fin(header.sequence),
            _ => return,
        };
        match arrival {
            Arrival::InOrder => self.acknowledgements.owe(now),
            _ => self.acknowledgements.owe_now(now),
        }
        if self.receiving.is_complete() {
            self.end(EndReason::Closed);
        }
    }

    /// Time has passed.
    pub fn expire(&mut self, now: Instant) {
        self.ask(now);
        if self.is_finished() || self.patience.is_none_or(|patience| now < patience) {
            return;
        }
        self.way.round_trip.waited_in_vain();
        self.question.asked(&self.sending, now);
        self.patience = Some(now + self.wait());
        if self.sending.is_empty() {
            self.may_probe = true;
            return;
        }
        let timeouts = self.way.timed_out(self.sending.next_flight());
        let is_alone = distance(self.sending.unacknowledged(), self.sending.next_sequence()) == 1;
        let is_first_or_last = self.state == State::Connecting || self.closing == Closing::Sent && is_alone;
        if timeouts >= if is_first_or_last { MAX_FIRST_TIMEOUTS } else { MAX_TIMEOUTS } {
            return self.end(EndReason::TimedOut);
        }
        self.sending.lose_all();
    }

    /// How long to wait for an answer. A call is repeated sooner than what comes after it: it is small, and who makes it
    /// waits for nothing else.
    pub(super) fn wait(&self) -> Duration {
        let wait = self.way.round_trip.timeout();
        if self.state == State::Connecting { wait * 2 / 5 } else { wait }
    }

    /// When [`expire`](Conversation::expire) must be called at the latest, and then
    /// [`next_packet`](Conversation::next_packet).
    pub fn due(&self) -> Option<Instant> {
        if self.is_finished() {
            return None;
        }
        let keep_alive = (self.state == State::Open).then(|| self.last_sent + KEEP_ALIVE);
        [self.patience, self.question.due(), self.acknowledgements.due(), keep_alive]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn keeps_alive(&self, now: Instant) -> bool {
        self.state == State::Open && now >= self.last_sent + KEEP_ALIVE
    }

    /// Our clock, in microseconds that wrap.
    pub(super) fn clock(&self, now: Instant) -> u32 {
        now.saturating_duration_since(self.epoch).as_micros() as u32
    }

    fn end(&mut self, reason: EndReason) {
        // What the peer does after we have ended it changes nothing, and what ended for good stays so.
        if !self.is_finished() && self.state != State::Ended(EndReason::Ours) {
            self.state = State::Ended(reason);
        }
    }
}
