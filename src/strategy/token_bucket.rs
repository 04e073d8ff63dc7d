//! How often something may be done: so many a second, with a little saved up.

use std::time::{Duration, Instant};

/// A bucket of permits that fills evenly.
#[derive(Debug)]
pub struct TokenBucket {
    each: Duration,
    most: u32,
    /// When the bucket was, or would be, empty.
    empty_at: Instant,
}

impl TokenBucket {
    /// `a_second` permits a second, and at most as many at once.
    pub fn new(a_second: u32, now: Instant) -> TokenBucket {
        TokenBucket::every(Duration::from_secs(1) / a_second.max(1), a_second, now)
    }

    /// One permit in each such time, and at most `most` at once.
    pub fn every(each: Duration, most: u32, now: Instant) -> TokenBucket {
        let saved = each.saturating_mul(most);
        TokenBucket { each, most, empty_at: now.checked_sub(saved).unwrap_or(now) }
    }

    /// Takes a permit. False where there is none.
    pub fn take(&mut self, now: Instant) -> bool {
        if self.next(now) > now {
            return false;
        }
        let fullest = now.checked_sub(self.each.saturating_mul(self.most)).unwrap_or(now);
        self.empty_at = self.empty_at.max(fullest) + self.each;
        true
    }

    /// Gives back a permit that was not used after all.
    pub fn give_back(&mut self) {
        self.empty_at = self.empty_at.checked_sub(self.each).unwrap_or(self.empty_at);
    }

    /// When there is a permit: now or later.
    pub fn next(&self, now: Instant) -> Instant {
        (self.empty_at + self.each).max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_so_many_a_second() {
        let start = Instant::now() + Duration::from_secs(60);
        let mut pace = TokenBucket::new(18, start);
        assert_eq!((0..100).filter(|_| pace.take(start)).count(), 18);
        let mut taken = 0;
        for millisecond in 1..=2000 {
            taken += u32::from(pace.take(start + Duration::from_millis(millisecond)));
        }
        assert!((35..=36).contains(&taken), "{taken}");
        let next = pace.next(start);
        assert!(pace.take(next));
        assert!(!pace.take(next));
        pace.give_back();
        assert!(pace.take(next) && !pace.take(next));
    }
}
