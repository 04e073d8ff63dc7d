//! How many bytes may be on their way at once (RFC 6817, "LEDBAT"; BEP 29, "congestion control"). Pure.
//!
//! While packets wait less than the target in queues, the window grows, by two packets in a round trip at most. When
//! they wait longer, it shrinks. So the queue on the way stays at the target, however large it could become, and traffic
//! that fills it further has us step back. Lost packets halve the window, as with TCP.
//!
//! Who comes when there is a queue already takes it for a part of the way, and would push the others out. So now and
//! then a conversation that fills the line pauses, until what it has sent is through, and sees how long the way is
//! without it (draft-irtf-iccrg-ledbat-plus-plus, "slowdown").

use std::time::{Duration, Instant};

/// How long packets may wait in queues because of us.
const TARGET: Duration = Duration::from_millis(100);
/// Bytes by which the window grows in a round trip while no packet waits.
const GAIN: f64 = 3000.0;
/// The same while packets wait for nearly as long as they may, and the target keeps it in check: conversations that
/// share a line become equal by that, since all grow by as much, but shrink by a share.
const LEAST_GAIN: f64 = 1000.0;
/// The window at first, in packets.
const FIRST_PACKETS: f64 = 4.0;
/// The smallest window, in packets, as in RFC 6817. Behind a single packet is none whose answer tells that it is lost.
const LEAST_PACKETS: f64 = 2.0;
/// The largest window. Peers have no room for more.
const MAX_WINDOW: f64 = 1024.0 * 1024.0;
/// The time between two pauses: at first, and as long as it can become. It doubles each time.
const FIRST_INTERVAL: Duration = Duration::from_secs(2);
const MAX_INTERVAL: Duration = Duration::from_secs(32);
/// The window in a pause, in packets.
const PAUSED_PACKETS: f64 = 2.0;

/// The window of one conversation.
#[derive(Clone, Copy, Debug)]
pub struct Congestion {
    window: f64,
    /// Bytes of a packet.
    packet: f64,
    /// Below this the window doubles in each round trip, to find out what the line can carry.
    slow_start_below: f64,
    /// Flights before this one left when the window was larger: what they say of losses is old.
    since_flight: u64,
    /// When the next pause is due, or when this one is over.
    next_pause: Instant,
    is_paused: bool,
    interval: Duration,
}

impl Congestion {
    /// The window of a new conversation with packets of so many bytes.
    pub fn new(packet: usize, now: Instant) -> Congestion {
        let packet = packet as f64;
        Congestion {
            window: FIRST_PACKETS * packet,
            packet,
            slow_start_below: MAX_WINDOW,
            since_flight: 0,
            next_pause: now + FIRST_INTERVAL,
            is_paused: false,
            interval: FIRST_INTERVAL,
        }
    }

    /// Bytes that may be on their way.
    pub fn window(&self) -> usize {
        self.window as usize
    }

    /// Pauses if it is time, or goes on. False if the window stays as it is. `round_trip` is the usual time of one.
    pub fn pause(&mut self, waited: Option<Duration>, round_trip: Duration, now: Instant) -> bool {
        let fills = self.window > self.slow_start_below && waited.is_some_and(|waited| waited > TARGET / 2);
        if now < self.next_pause || !self.is_paused && !fills {
            return !self.is_paused;
        }
        self.is_paused = !self.is_paused;
        if self.is_paused {
            // Most of the window is found again at once.
            self.slow_start_below = self.window * 0.75;
            self.window = (PAUSED_PACKETS * self.packet).min(self.window);
            // After one the queue is empty, and after another one we know how long the way is.
            self.next_pause = now + 2 * round_trip;
        } else {
            self.interval = (self.interval * 2).min(MAX_INTERVAL);
            self.next_pause = now + self.interval;
            self.window = self.window.max(self.slow_start_below / 4.0);
        }
        !self.is_paused
    }

    /// So many bytes have arrived. `waited` is how long packets wait in queues now, if it is known. `is_full`: the
    /// window was what held us back.
    pub fn arrived(&mut self, bytes: usize, waited: Option<Duration>, is_full: bool) {
        let bytes = (bytes as f64).min(self.window);
        let over = waited.map_or(0.0, |waited| waited.as_secs_f64() / TARGET.as_secs_f64() - 1.0);
        if self.window < self.slow_start_below {
            // What is under way already will make the queue longer than it is now.
            if over < -0.5 || waited.is_none() {
                if is_full {
                    self.set(self.window + bytes);
                }
                return;
            }
            self.slow_start_below = self.window;
        }
        let share = bytes / self.window;
        let grown = (GAIN * -over).clamp(LEAST_GAIN, GAIN);
        // In a round trip no more than the half.
        let shrunk = self.window * over.clamp(0.0, 0.5);
        if is_full || shrunk > grown {
            self.set(self.window + share * (grown - shrunk));
        }
    }

    /// A flight was lost. `next_flight` is the next to leave.
    pub fn lost(&mut self, flight: u64, next_flight: u64) {
        // Once for each round trip.
        if flight >= self.since_flight {
            self.since_flight = next_flight;
            self.set(self.window / 2.0);
            self.slow_start_below = self.window;
        }
    }

    /// No answer came to anything. `next_flight` is the next to leave.
    pub fn timed_out(&mut self, next_flight: u64) {
        self.since_flight = next_flight;
        // The second time in a row the window says nothing more.
        let least = self.least();
        let large = if self.window > least { self.window } else { self.slow_start_below };
        self.slow_start_below = (large / 2.0).max(least);
        self.window = least;
    }

    /// Nothing was sent for some round trips: what the line can carry is not sure any more.
    pub fn rested(&mut self) {
        let first = FIRST_PACKETS * self.packet;
        if self.window > first {
            self.slow_start_below = self.window * 0.75;
            self.window = first;
        }
    }

    fn least(&self) -> f64 {
        LEAST_PACKETS * self.packet
    }

    fn set(&mut self, window: f64) {
        self.window = window.clamp(self.least(), MAX_WINDOW);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: usize = 1000;

    /// The window after one round trip in which packets wait so many milliseconds.
    fn round_trip(congestion: &mut Congestion, waited: u64) -> usize {
        let mut left = congestion.window();
        while left > 0 {
            let bytes = left.min(PACKET);
            congestion.arrived(bytes, Some(Duration::from_millis(waited)), true);
            left -= bytes;
        }
        congestion.window()
    }

    /// One that is past its slow start.
    fn settled(window: usize) -> Congestion {
        let window = window as f64;
        Congestion { window, slow_start_below: 0.0, ..Congestion::new(PACKET, Instant::now()) }
    }

    #[test]
    fn it_doubles_until_packets_begin_to_wait() {
        let mut congestion = Congestion::new(PACKET, Instant::now());
        assert_eq!(
            (0..3).map(|_| round_trip(&mut congestion, 10)).collect::<Vec<_>>(),
            [8000, 16_000, 32_000]
        );
        let before = congestion.window();
        assert!(round_trip(&mut congestion, 60) < before + 3 * PACKET);
        assert!(round_trip(&mut congestion, 0) < before + 6 * PACKET, "and not again");
    }

    #[test]
    fn it_keeps_the_wait_at_the_target() {
        let mut congestion = settled(100_000);
        let grown = round_trip(&mut congestion, 0) - 100_000;
        assert!((2900..=3000).contains(&grown), "{grown}");
        let before = congestion.window();
        assert!(round_trip(&mut congestion, 50) < before + 1600);
        let before = congestion.window() as f64;
        let after = round_trip(&mut congestion, 110) as f64;
        assert!(after < before * 0.93 && after > before * 0.88, "{before} {after}");
        let before = congestion.window() as f64;
        let after = round_trip(&mut congestion, 5000) as f64;
        assert!(after > before * 0.5 && after < before * 0.65, "{before} {after}");
    }

    #[test]
    fn a_window_that_is_not_used_does_not_grow() {
        for mut congestion in [Congestion::new(PACKET, Instant::now()), settled(50_000)] {
            let before = congestion.window();
            congestion.arrived(PACKET, Some(Duration::ZERO), false);
            assert_eq!(congestion.window(), before);
        }
    }

    #[test]
    fn losses_halve_it_once_a_round_trip_and_leave_two_packets() {
        let mut congestion = settled(64_000);
        for flight in 0..20 {
            congestion.lost(flight, 20);
        }
        assert_eq!(congestion.window(), 32_000);
        for round in 1..20 {
            congestion.lost(round * 20, round * 20 + 20);
        }
        assert_eq!(congestion.window(), 2 * PACKET);
        let mut congestion = settled(64_000);
        congestion.timed_out(20);
        assert_eq!(congestion.window(), 2 * PACKET);
        congestion.lost(19, 21);
        for _ in 0..5 {
            round_trip(&mut congestion, 0);
        }
        assert!((32_000..36_000).contains(&congestion.window()), "{}", congestion.window());
        // However long a round trip is, it never grows without end.
        for _ in 0..10_000 {
            round_trip(&mut congestion, 0);
        }
        assert_eq!(congestion.window(), 1024 * 1024);
    }
}
