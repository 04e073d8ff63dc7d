//! A token bucket: limits how often something may be done, both per second and in one burst. Pure.
//!
//! Tokens drop into a bucket at an even rate, until it is full. Doing the thing takes one or more out. So it
//! may be done as often as the rate allows, and a pause saves up for a burst of one full bucket. The bucket
//! is stored as one point in time, that at which it was, or would have been, empty: what has dropped in since
//! then is in the bucket. So no counter has to be updated, and no fraction of a token gets lost.

use std::time::{Duration, Instant};

/// A bucket of tokens that fills evenly.
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket {
    /// The time in which one token drops in.
    interval: Duration,
    /// Tokens in a full bucket.
    burst: u32,
    /// When the bucket was empty, or would be.
    empty_at: Instant,
}

impl TokenBucket {
    /// A full bucket with as many tokens as drop into it in a second.
    pub fn new(per_second: u32, now: Instant) -> TokenBucket {
        TokenBucket::with_burst(per_second, per_second, now)
    }

    /// A full bucket: `per_second` tokens drop into it each second, and it has room for `burst` of them.
    pub fn with_burst(per_second: u32, burst: u32, now: Instant) -> TokenBucket {
        TokenBucket::every(Duration::from_secs(1) / per_second.max(1), burst, now)
    }

    /// A full bucket: one token drops into it in each such interval, and it has room for `burst` of them.
    pub fn every(interval: Duration, burst: u32, now: Instant) -> TokenBucket {
        let mut bucket = TokenBucket { interval, burst, empty_at: now };
        bucket.empty_at = bucket.full_since(now);
        bucket
    }

    /// Takes a token. False if there is none.
    pub fn take(&mut self, now: Instant) -> bool {
        self.take_many(1, now)
    }

    /// Takes this many tokens. False if there are fewer; then it takes none.
    pub fn take_many(&mut self, tokens: u32, now: Instant) -> bool {
        if !self.has(tokens, now) {
            return false;
        }
        self.empty_at = self.empty_at.max(self.full_since(now)) + self.interval.saturating_mul(tokens);
        true
    }

    /// Takes this many tokens whether or not it has them. What is missing drops in before there is one again: as many
    /// as a full bucket has, at most.
    pub fn charge(&mut self, tokens: u32, now: Instant) {
        self.charge_up_to(tokens, self.burst, now);
    }

    /// The same, where so many are missing at most in the end, unless more are missing already.
    pub fn charge_up_to(&mut self, tokens: u32, debt: u32, now: Instant) {
        let charged = self.empty_at.max(self.full_since(now)) + self.interval.saturating_mul(tokens);
        self.empty_at = charged.min(self.empty_at.max(now + self.interval.saturating_mul(debt)));
    }

    /// Whether it has this many tokens.
    pub fn has(&self, tokens: u32, now: Instant) -> bool {
        tokens <= self.burst && self.empty_at + self.interval.saturating_mul(tokens) <= now
    }

    /// Whether there is no room for a further token.
    pub fn is_full(&self, now: Instant) -> bool {
        self.has(self.burst, now)
    }

    /// Gives back a token that was not used after all.
    pub fn give_back(&mut self) {
        self.empty_at = self.empty_at.checked_sub(self.interval).unwrap_or(self.empty_at);
    }

    /// When there is a token: now or later.
    pub fn next(&self, now: Instant) -> Instant {
        (self.empty_at + self.interval).max(now)
    }

    /// When a bucket that has become full at this moment was empty. On a host that was started just now
    /// there may be no such time; then it counts as empty.
    fn full_since(&self, now: Instant) -> Instant {
        now.checked_sub(self.interval.saturating_mul(self.burst)).unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_debt_is_paid_back_and_has_a_bound() {
        let start = Instant::now() + 60 * SECOND;
        let mut bucket = TokenBucket::new(10, start);
        bucket.charge(4, start);
        assert_eq!((0..100).filter(|_| bucket.take(start)).count(), 6);
        bucket.charge(5, start);
        assert!(!bucket.take(start + SECOND / 2) && bucket.take(start + SECOND * 6 / 10));
        bucket.charge(u32::MAX, start + SECOND);
        assert!(!bucket.take(start + SECOND * 2) && bucket.take(start + SECOND * 21 / 10));
    }

    #[test]
    fn a_small_debt_grows_no_further_and_makes_no_larger_one_smaller() {
        let start = Instant::now() + 60 * SECOND;
        let mut bucket = TokenBucket::every(SECOND, 10, start);
        bucket.charge_up_to(7, 2, start);
        assert_eq!((0..100).filter(|_| bucket.take(start)).count(), 3);
        (0..100).for_each(|_| bucket.charge_up_to(7, 2, start));
        assert!(!bucket.take(start + 2 * SECOND) && bucket.take(start + 3 * SECOND));
        bucket.charge(u32::MAX, start);
        bucket.charge_up_to(7, 2, start);
        assert!(!bucket.take(start + 10 * SECOND) && bucket.take(start + 11 * SECOND));
    }

    #[test]
    fn a_burst_and_then_an_even_rate() {
        let start = Instant::now() + 60 * SECOND;
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

    #[test]
    fn a_bucket_fills_up_and_no_further() {
        let start = Instant::now() + 60 * SECOND;
        let mut bucket = TokenBucket::with_burst(2, 5, start);
        let taken = |bucket: &mut TokenBucket, now| (0..20).filter(|_| bucket.take(now)).count();
        assert!(bucket.is_full(start) && !bucket.has(6, start + 1000 * SECOND));
        assert_eq!(taken(&mut bucket, start), 5);
        assert_eq!(taken(&mut bucket, start + SECOND), 2);
        assert!(!bucket.is_full(start + SECOND));
        assert_eq!(taken(&mut bucket, start + 1000 * SECOND), 5);
        assert_eq!(taken(&mut bucket, start), 0);
    }

    #[test]
    fn many_tokens_are_taken_together_or_not_at_all() {
        let start = Instant::now() + 60 * SECOND;
        let mut bucket = TokenBucket::with_burst(12_000, 100_000, start);
        assert!(bucket.take_many(60_000, start) && !bucket.take_many(60_000, start));
        assert!(bucket.take_many(39_000, start));
        assert!(bucket.has(12_000, start + SECOND) && !bucket.has(14_000, start + SECOND));
    }
}
