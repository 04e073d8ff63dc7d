//! How many bytes a second, over the last twenty seconds (BEP 3, "choking", asks for such an average).

use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);
/// How many seconds are remembered.
const SECONDS: usize = 20;

/// The rate of one direction of one connection.
///
/// It is the mean since the first byte that came after a silence of twenty seconds, and of at least one
/// second: so a peer's first second counts in full.
#[derive(Debug)]
pub struct Rate {
    /// Bytes in each second, this one first.
    seconds: [u64; SECONDS],
    /// When this second began.
    second: Instant,
    /// Nothing came before, for twenty seconds.
    from: Instant,
    ticked: Instant,
}

impl Rate {
    /// A rate of nothing.
    pub fn new(now: Instant) -> Rate {
        Rate { seconds: [0; SECONDS], second: now, from: now, ticked: now }
    }

    /// This many bytes passed.
    pub fn add(&mut self, bytes: u64) {
        if let Some(second) = self.seconds.first_mut() {
            *second = second.saturating_add(bytes);
        }
    }

    /// To be called several times a second.
    pub fn tick(&mut self, now: Instant) {
        self.ticked = now.max(self.ticked);
        for _ in 0..SECONDS {
            if now.saturating_duration_since(self.second) < SECOND {
                break;
            }
            self.seconds.rotate_right(1);
            self.seconds.first_mut().into_iter().for_each(|second| *second = 0);
            self.second += SECOND;
        }
        if now.saturating_duration_since(self.second) >= SECOND {
            self.second = now;
        }
        if self.bytes() == 0 {
            self.from = self.ticked;
        }
    }

    /// Bytes a second, as of the last tick.
    pub fn per_second(&self) -> f64 {
        // This second has only begun; the others are whole.
        let this = self.ticked.saturating_duration_since(self.second);
        let remembered = this + SECOND * (SECONDS as u32 - 1);
        let time = self.ticked.saturating_duration_since(self.from).min(remembered).max(SECOND);
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

    /// Adds `bytes` before every tick for so many seconds.
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
    fn what_came_twenty_seconds_ago_does_not_count_and_a_burst_now_and_then_is_no_rate() {
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
    fn a_clock_that_jumps_and_numbers_without_end_do_no_harm() {
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
