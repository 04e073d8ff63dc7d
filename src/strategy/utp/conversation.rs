//! One connection over uTP.

use crate::wire::utp::Packet;
use std::time::Instant;

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
    /// The peer sends nothing more, and all that it sent has come. What we wrote before still goes to it.
    Closed,
    /// The peer knows no such connection.
    Reset,
    /// The peer did not answer for too long.
    TimedOut,
    /// We closed it, and the peer knows.
    Ours,
}

/// One connection, without its socket and its clock.
#[derive(Debug)]
pub struct Conversation {
    ids: (u16, u16),
    state: State,
}

#[allow(missing_docs, unused_variables)]
impl Conversation {
    pub fn connect(first_id: u16, first_sequence: u16, now: Instant) -> Conversation {
        Conversation { ids: (first_id, first_id.wrapping_add(1)), state: State::Connecting }
    }
    pub fn accept(syn: &Packet, first_sequence: u16, now: Instant) -> Option<Conversation> {
        None
    }
    pub fn ids(&self) -> (u16, u16) {
        self.ids
    }
    pub fn state(&self) -> State {
        self.state
    }
    pub fn take(&mut self, packet: &Packet, now: Instant) {}
    pub fn expire(&mut self, now: Instant) {}
    pub fn due(&self) -> Option<Instant> {
        None
    }
    pub fn next_packet(&mut self, now: Instant, into: &mut Vec<u8>) -> bool {
        false
    }
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        0
    }
    pub fn room(&self) -> usize {
        0
    }
    pub fn read(&mut self, into: &mut [u8]) -> usize {
        0
    }
    pub fn peek(&self, into: &mut [u8]) -> usize {
        0
    }
    pub fn readable(&self) -> usize {
        0
    }
    pub fn peer_closed(&self) -> bool {
        false
    }
    pub fn close(&mut self, now: Instant) {}
    pub fn is_finished(&self) -> bool {
        false
    }
}
