//! What leaves a conversation next. Pure.
//!
//! First what was lost, since the peer waits for it and keeps what is behind it. Then new bytes, as far as the way and
//! the peer have room. Then word that this was all. An acknowledgement is in each of them, and leaves alone where none
//! of them does. There is no waiting until a packet is full: a request of a few bytes should not wait for a second one.
//! But bytes that wait for room anyway wait for enough of it, so that packets do not become small.

use super::conversation::{Closing, Conversation, EndReason, State};
use super::receive_window::MAX_MASK;
use super::send_window::Outgoing;
use crate::wire::utp::{Header, Kind, Packet};
use std::time::Instant;

/// Bytes in front of the mask of early packets.
const EXTENSION_HEADER: usize = 2;
/// Packets for which there has to be room when one of them tries a larger size.
const PACKETS_OF_TRY: usize = 4;

impl Conversation {
    /// Writes the next packet that should leave now, in place of what is there. False if there is none.
    pub fn next_packet(&mut self, now: Instant, into: &mut Vec<u8>) -> bool {
        into.clear();
        if self.is_finished() {
            return false;
        }
        let was_empty = self.sending.is_empty();
        if let Some(packet) = self.next_outgoing(now) {
            // What was waited for before was room.
            if was_empty || self.patience.is_none() {
                self.patience = Some(now + self.wait());
            }
            self.expect_answer(now);
            self.write_packet(&packet, now, into);
            self.sending.copy(&packet, into);
            return true;
        }
        let is_known = self.state != State::Connecting;
        let (free, room) = (self.receiving.free(), self.receiving.room());
        if is_known && (self.acknowledgements.is_due(free, room, now) || self.keeps_alive(now)) {
            self.write_alone(Kind::State, now, into);
            return true;
        }
        false
    }

    /// The packet that tells the peer that there is no such connection any more, in place of what is there.
    pub fn last_word(&mut self, now: Instant, into: &mut Vec<u8>) {
        into.clear();
        self.write_alone(Kind::Reset, now, into);
    }

    /// The next packet that takes a number.
    fn next_outgoing(&mut self, now: Instant) -> Option<Outgoing> {
        let window = self.way.congestion.window().min(self.peer_room);
        let again = self.sending.send_again(window, now);
        if again.is_some() || !self.is_confirmed || self.sending.is_full() {
            return again;
        }
        if self.sending.is_empty() && now >= self.last_sent + self.way.round_trip.timeout() {
            self.way.congestion.rested();
        }
        let unsent = self.sending.unsent();
        if unsent == 0 {
            let is_last = self.closing == Closing::Wanted && self.state != State::Ended(EndReason::Ours);
            return is_last.then(|| {
                self.closing = Closing::Sent;
                self.sending.send(Kind::Fin, 0, now)
            });
        }
        let window = self.way.congestion.window().min(self.peer_room);
        let in_flight = self.sending.in_flight();
        let room = window.saturating_sub(in_flight);
        let payload = self.way.size.payload();
        let length = payload.min(unsent);
        if length <= room {
            // Behind it follow as many as it takes to see soon that it is lost.
            if let Some(larger) =
                self.way.size.untried().filter(|_| unsent.min(room) >= PACKETS_OF_TRY * payload)
            {
                self.way.size.tries();
                return Some(self.sending.send_larger(length, larger, now));
            }
            return Some(self.sending.send(Kind::Data, length, now));
        }
        // A peer with little room gets little, one packet at a time; one without room is asked now and then.
        if in_flight > 0 || !self.sending.is_empty() {
            return None;
        }
        if room == 0 && !self.may_probe {
            self.patience = self.patience.or(Some(now + self.wait()));
            return None;
        }
        self.may_probe = false;
        Some(self.sending.send(Kind::Data, length.min(room.max(1)), now))
    }

    /// A packet that takes no number and has no bytes.
    fn write_alone(&mut self, kind: Kind, now: Instant, into: &mut Vec<u8>) {
        let packet = self.sending.without_number(kind);
        self.write_packet(&packet, now, into);
    }

    /// Everything of a packet but its bytes, for which it leaves room. What has come early is not in it where the bytes
    /// leave no room for that; then it stays owed.
    fn write_packet(&mut self, packet: &Outgoing, now: Instant, into: &mut Vec<u8>) {
        let Outgoing { kind, sequence, .. } = *packet;
        let mut mask = [0; MAX_MASK];
        let needed = self.receiving.mask(&mut mask);
        let fits = packet.length + EXTENSION_HEADER + needed <= self.way.size.payload();
        let length = if fits { needed } else { 0 };
        let free = self.receiving.free();
        let header = Header {
            kind,
            connection_id: if kind == Kind::Syn { self.receive_id } else { self.send_id },
            timestamp: self.clock(now),
            timestamp_difference: self.way.delays.reply(),
            window: free as u32,
            sequence,
            acknowledgement: self.receiving.acknowledgement(),
        };
        let selective = mask.get(..length).filter(|mask| !mask.is_empty());
        Packet { header, selective, payload: &[] }.write_filled(packet.filling, into);
        if length == needed {
            self.acknowledgements.sent(free);
        }
        self.last_sent = now;
    }
}
