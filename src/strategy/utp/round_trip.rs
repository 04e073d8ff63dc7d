//! How long an answer takes, and so how long to wait for one before it counts as lost (BEP 29, "timeouts", which is
//! RFC 6298 with other bounds). Pure.

use std::time::Duration;

/// The wait before anything was measured.
const FIRST_TIMEOUT: Duration = Duration::from_secs(1);
/// The shortest wait. The peer may hold back an acknowledgement, and queues fill at once.
const MIN_TIMEOUT: Duration = Duration::from_millis(500);
/// So long programs in use hold back the acknowledgement of a single packet.
const HELD_BACK: Duration = Duration::from_millis(100);
/// The longest wait. It doubles each time in vain.
const MAX_TIMEOUT: Duration = Duration::from_secs(16);

/// What was measured.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoundTrip {
    /// The mean, in which the last measurement counts an eighth. None before the first one.
    mean: Option<Duration>,
    /// The mean of how far the measurements are from the mean.
    deviation: Duration,
    /// The shortest.
    least: Option<Duration>,
    /// The last one.
    last: Option<Duration>,
    /// How often in a row the wait was in vain.
    in_vain: u32,
}

impl RoundTrip {
    /// A packet that was sent once was acknowledged after this time.
    pub fn measured(&mut self, time: Duration) {
        match self.mean {
            None => (self.mean, self.deviation) = (Some(time), time / 2),
            Some(mean) => {
                self.deviation = (self.deviation * 3 + mean.abs_diff(time)) / 4;
                self.mean = Some((mean * 7 + time) / 8);
            }
        }
        self.least = Some(self.least.map_or(time, |least| least.min(time)));
        self.last = Some(time);
    }

    /// Something was acknowledged, so the line is alive.
    pub fn answered(&mut self) {
        self.in_vain = 0;
    }

    /// The wait was in vain. The next one is twice as long.
    pub fn waited_in_vain(&mut self) {
        self.in_vain += 1;
    }

    /// How long to wait now.
    pub fn timeout(&self) -> Duration {
        let wait = self.mean.map_or(FIRST_TIMEOUT, |mean| (mean + 4 * self.deviation).max(MIN_TIMEOUT));
        wait.saturating_mul(1 << self.in_vain.min(6)).min(MAX_TIMEOUT)
    }

    /// How long to wait for the answer to the last packets before it is asked for (RFC 8985, "tail loss probe").
    /// `is_alone`: it is a single one, whose acknowledgement the peer may hold back. None where nothing was measured, or
    /// where the wait for everything is over first.
    pub fn until_asked(&self, is_alone: bool) -> Option<Duration> {
        let mean = self.mean?;
        let held_back = if is_alone { HELD_BACK } else { HELD_BACK / 4 };
        let wait = (mean * 2).max(mean + 4 * self.deviation) + held_back;
        (wait < self.timeout()).then_some(wait)
    }

    /// The usual time; that of a line across the world before anything was measured.
    pub fn usual(&self) -> Duration {
        self.mean.unwrap_or(Duration::from_millis(200))
    }

    /// The shortest time that an answer has taken.
    pub fn least(&self) -> Option<Duration> {
        self.least
    }

    /// The time that the last answer took.
    pub fn last(&self) -> Option<Duration> {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_packets_are_asked_for_before_everything_counts_as_lost() {
        let milliseconds = Duration::from_millis;
        let mut round_trip = RoundTrip::default();
        assert_eq!(round_trip.until_asked(false), None, "nothing was measured");
        (0..50).for_each(|_| round_trip.measured(milliseconds(20)));
        assert_eq!(round_trip.until_asked(false), Some(milliseconds(65)));
        assert_eq!(round_trip.until_asked(true), Some(milliseconds(140)));
        (0..50).for_each(|_| round_trip.measured(milliseconds(600)));
        assert_eq!(round_trip.until_asked(false), None, "the other wait is shorter");
    }

    #[test]
    fn the_wait_follows_what_was_measured_and_doubles_in_vain() {
        let milliseconds = Duration::from_millis;
        let mut round_trip = RoundTrip::default();
        assert_eq!(round_trip.timeout(), FIRST_TIMEOUT);
        round_trip.measured(milliseconds(20));
        assert_eq!(round_trip.timeout(), MIN_TIMEOUT);
        round_trip.measured(milliseconds(2000));
        assert!(round_trip.timeout() > milliseconds(2000) && round_trip.timeout() < milliseconds(3000));
        for _ in 0..200 {
            round_trip.measured(milliseconds(600));
        }
        assert!(round_trip.timeout() < milliseconds(620));
        round_trip.waited_in_vain();
        round_trip.waited_in_vain();
        assert!(round_trip.timeout() > milliseconds(2390));
        for _ in 0..100 {
            round_trip.waited_in_vain();
        }
        assert_eq!(round_trip.timeout(), MAX_TIMEOUT);
        round_trip.answered();
        assert!(round_trip.timeout() < milliseconds(620));
    }
}
