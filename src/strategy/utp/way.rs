//! What is known of the way to the peer: how long it takes, how much it carries, and how large a packet may be. Pure.

use super::congestion::Congestion;
use super::delay::Delays;
use super::packet_size::{FULL_PAYLOAD, PacketSize};
use super::round_trip::RoundTrip;
use super::send_window::News;
use std::time::Instant;

/// So often the same acknowledgement comes, from a peer that names no early packets, before one is lost.
const MAX_REPEATS: u8 = 3;

/// The way to the peer.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    pub round_trip: RoundTrip,
    pub delays: Delays,
    pub congestion: Congestion,
    pub size: PacketSize,
    /// How often in a row no answer came.
    timeouts: u32,
    /// How often the last acknowledgement was repeated.
    repeats: u8,
}

impl Way {
    /// Nothing is known yet.
    pub fn new(now: Instant) -> Way {
        Way {
            round_trip: RoundTrip::default(),
            delays: Delays::new(now),
            congestion: Congestion::new(FULL_PAYLOAD, now),
            size: PacketSize::new(),
            timeouts: 0,
            repeats: 0,
        }
    }

    /// Packets have arrived, and the last one took so many microseconds, by clocks that do not agree; 0 if that is not
    /// known. `is_full`: the window was what held us back.
    pub fn arrived(&mut self, news: &News, delay: u32, is_full: bool, now: Instant) {
        (self.timeouts, self.repeats) = (0, 0);
        if let Some(arrived) = news.larger_arrived {
            self.size.tried(arrived);
        }
        self.round_trip.answered();
        if let Some(time) = news.round_trip {
            self.round_trip.measured(time);
        }
        let waited = (delay != 0).then(|| self.delays.went(delay, now));
        // None waits for longer than the whole round trip takes.
        let waited = waited.map(|waited| self.round_trip.last().map_or(waited, |last| last.min(waited)));
        if self.congestion.pause(waited, self.round_trip.usual(), now) {
            self.congestion.arrived(news.bytes, waited, is_full);
        }
    }

    /// The last acknowledgement has come once more. True if that means that a packet is lost.
    pub fn is_repeated(&mut self) -> bool {
        self.repeats = self.repeats.saturating_add(1);
        self.repeats == MAX_REPEATS
    }

    /// The peer has no room, and says so: it is there.
    pub fn is_alive(&mut self) {
        self.timeouts = 0;
    }

    /// No answer came to the oldest packet. Returns how often in a row.
    pub fn timed_out(&mut self, next_flight: u64) -> u32 {
        self.timeouts += 1;
        self.congestion.timed_out(next_flight);
        self.timeouts
    }
}
