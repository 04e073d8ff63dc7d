//! A token bucket: limits how often something may be done, and allows short bursts.
//!
//! Tokens flow into a bucket at an even rate, until it is full. Doing the thing once takes one token. So it
//! may be done as often as the rate allows, and a pause saves up for a burst of one bucket.

use std::time::{Duration, Instant};

/// A bucket of tokens that fills evenly. It holds those of one second.
#[derive(Debug)]
pub struct TokenBucket {
    /// The time in which one token flows in.
    interval: Duration,
    /// Tokens in a full bucket.
    capacity: u32,
    /// The bucket holds what has flowed in since this time.
    empty_at: Instant,
}

impl TokenBucket {
    /// `per_second` tokens a second, and at most as many at once. The bucket is full.
    pub fn new(per_second: u32, now: Instant) -> TokenBucket {
        let interval = Duration::from_secs(1) / per_second.max(1);
        let saved = interval.saturating_mul(per_second);
        TokenBucket { interval, capacity: per_second, empty_at: now.checked_sub(saved).unwrap_or(now) }
    }

    /// Takes a token. False where there is none.
    pub fn take(&mut self, now: Instant) -> bool {
        if self.next(now) > now {
            return false;
        }
        let fullest = now.checked_sub(self.interval.saturating_mul(self.capacity)).unwrap_or(now);
        self.empty_at = self.empty_at.max(fullest) + self.interval;
        true
    }

    /// Gives back a token that was not used after all.
    pub fn give_back(&mut self) {
        self.empty_at = self.empty_at.checked_sub(self.interval).unwrap_or(self.empty_at);
    }

    /// When there is a token: now or later.
    pub fn next(&self, now: Instant) -> Instant {
        (self.empty_at + self.interval).max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_an_even_rate() {
        let start = Instant::now() + Duration::from_secs(60);
        let mut bucket = TokenBucket::new(18, start);
        assert_eq!((0..100).filter(|_| bucket.take(start)).count(), 18);
        let mut taken = 0;
        for millisecond in 1..=2000 {
            taken += u32::from(bucket.take(start + Duration::from_millis(millisecond)));
        }
        assert!((35..=36).contains(&taken), "{taken}");
        let next = bucket.next(start);
        assert!(bucket.take(next));
        assert!(!bucket.take(next));
        bucket.give_back();
        assert!(bucket.take(next) && !bucket.take(next));
    }
}
