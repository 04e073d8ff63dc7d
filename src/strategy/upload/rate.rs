//! Bytes a second, averaged over the last twenty seconds. BEP 3 ("choking") asks for such an average, so that
//! a short burst or pause does not change who is unchoked.

use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);
/// Seconds that are remembered.
const SECONDS: usize = 20;

/// The rate of one direction of one connection.
///
/// It is the mean since the first byte after a silence of twenty seconds, and over one second at least. So
/// the first second of a peer counts in full.
#[derive(Debug)]
pub struct Rate {
    /// Bytes in each second, the current one first.
    seconds: [u64; SECONDS],
    /// When the current second began.
    second_start: Instant,
    /// Nothing passed in the twenty seconds before this.
    active_since: Instant,
    last_tick: Instant,
}

impl Rate {
    /// A rate of nothing.
    pub fn new(now: Instant) -> Rate {
        Rate { seconds: [0; SECONDS], second_start: now, active_since: now, last_tick: now }
    }

    /// This many bytes passed.
    pub fn add(&mut self, bytes: u64) {
        if let Some(second) = self.seconds.first_mut() {
            *second = second.saturating_add(bytes);
        }
    }

    /// The time has come to `now`. To be called several times a second.
    pub fn tick(&mut self, now: Instant) {
        self.last_tick = now.max(self.last_tick);
        for _ in 0..SECONDS {
            if now.saturating_duration_since(self.second_start) < SECOND {
                break;
            }
            self.seconds.rotate_right(1);
            self.seconds.first_mut().into_iter().for_each(|second| *second = 0);
            self.second_start += SECOND;
        }
        if now.saturating_duration_since(self.second_start) >= SECOND {
            self.second_start = now;
        }
        if self.bytes() == 0 {
            self.active_since = self.last_tick;
        }
    }

    /// Bytes a second, as of the last tick.
    pub fn per_second(&self) -> f64 {
        // The current second is not over; the others are whole.
        let current = self.last_tick.saturating_duration_since(self.second_start);
        let remembered = current + SECOND * (SECONDS as u32 - 1);
        let time = self.last_tick.saturating_duration_since(self.active_since).min(remembered).max(SECOND);
        self.bytes() as f64 / time.as_secs_f64()
    }

    fn bytes(&self) -> u64 {
        self.seconds.iter().fold(0, |sum, second| sum.saturating_add(*second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(250);

    /// Adds `bytes` before each of four ticks a second.
    fn live(rate: &mut Rate, now: &mut Instant, seconds: u32, bytes: u64) {
        for _ in 0..seconds * 4 {
            rate.add(bytes);
            *now += TICK;
            rate.tick(*now);
        }
    }

    #[test]
    fn a_steady_rate_is_exact_from_the_first_second_on() {
        let mut now = Instant::now();
        let mut rate = Rate::new(now);
        for _ in 0..100 {
            live(&mut rate, &mut now, 1, 250_000);
            assert_eq!(rate.per_second(), 1_000_000.0);
        }
    }

    #[test]
    fn the_first_second_counts_in_full_after_any_silence() {
        let mut now = Instant::now();
        let mut rate = Rate::new(now);
        live(&mut rate, &mut now, 100, 0);
        live(&mut rate, &mut now, 1, 1 << 18);
        assert_eq!(rate.per_second(), f64::from(1 << 20));
        live(&mut rate, &mut now, 1, 0);
        assert_eq!(rate.per_second(), f64::from(1 << 19));
    }

    #[test]
    fn bytes_of_twenty_seconds_ago_do_not_count_and_rare_bursts_give_a_low_rate() {
        let mut now = Instant::now();
        let mut rate = Rate::new(now);
        live(&mut rate, &mut now, 10, 1000);
        live(&mut rate, &mut now, 20, 0);
        assert_eq!(rate.per_second(), 0.0);
        for _ in 0..10 {
            live(&mut rate, &mut now, 1, 3750);
            live(&mut rate, &mut now, 14, 0);
        }
        live(&mut rate, &mut now, 5, 0);
        assert!(rate.per_second() <= 1600.0, "{}", rate.per_second());
    }

    #[test]
    fn a_clock_that_jumps_and_huge_numbers_do_no_harm() {
        let mut now = Instant::now();
        let mut rate = Rate::new(now);
        rate.add(u64::MAX);
        rate.add(u64::MAX);
        assert_eq!(rate.per_second(), u64::MAX as f64);
        now += Duration::from_secs(1_000_000);
        rate.tick(now);
        assert_eq!(rate.per_second(), 0.0);
        rate.tick(now - SECOND);
        rate.add(5);
        rate.tick(now + SECOND);
        assert_eq!(rate.per_second(), 5.0);
    }
}
