//! The upload or download limit: how many bytes a second may go, over all peers together.
//!
//! One queue in time: a thread that wants to send or read reserves the next stretch of it, as long as its
//! bytes take at the limit, and may go when the stretch is over. So everything that goes by some moment was
//! paid for by then, however many threads there are, and they are served in the order in which they
//! asked. The waiting is left to the caller, which can be woken, and no lock is held meanwhile.
//!
//! Everything that a peer sends counts, and of what we send the blocks and the metadata. Trackers, the DHT
//! and the local network do not count.

use crate::thread::lock;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Time that passed unused and can still be used. Enough to make up for a thread that wakes late.
const MAX_SAVED: Duration = Duration::from_millis(100);
/// A reservation that would be further in the future than this is put here.
const MAX_WAIT: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
/// A portion takes one second divided by this, at the limit.
const PORTIONS_A_SECOND: u64 = 64;
/// Larger portions would save nothing more.
const MAX_PORTION: u64 = 512 * 1024;
const NANOSECONDS: u128 = 1_000_000_000;

/// A limit that many threads share, or none.
#[derive(Debug)]
pub struct Throttle {
    limited: Option<LimitedThrottle>,
}

#[derive(Debug)]
struct LimitedThrottle {
    bytes_per_second: u64,
    queue: Mutex<TimeQueue>,
}

#[derive(Debug, Default)]
struct TimeQueue {
    /// Everything up to this moment is reserved.
    end: Option<Instant>,
    /// What is reserved beyond `end`, in nanoseconds divided by the limit: less than one nanosecond.
    fraction: u128,
}

impl Throttle {
    /// Everything may go at once.
    pub fn unlimited() -> Throttle {
        Throttle { limited: None }
    }

    /// This many bytes may go in a second. With zero, none ever.
    pub fn limited(bytes_per_second: u64) -> Throttle {
        Throttle { limited: Some(LimitedThrottle { bytes_per_second, queue: Mutex::default() }) }
    }

    /// Bytes a second, where there is a limit.
    pub fn limit(&self) -> Option<u64> {
        self.limited.as_ref().map(|limited| limited.bytes_per_second)
    }

    /// Reserves this many bytes. Returns when they may go: `now`, or later.
    pub fn take(&self, bytes: usize, now: Instant) -> Instant {
        self.limited.as_ref().map_or(now, |limited| limited.take(bytes, now))
    }

    /// Gives back what was reserved and will not go.
    pub fn give_back(&self, bytes: usize) {
        if let Some(limited) =
            self.limited.as_ref().filter(|limited| limited.bytes_per_second > 0 && bytes > 0)
        {
            limited.give_back(bytes);
        }
    }

    /// How many bytes a caller should take at once, so that all callers have their turn soon: what the limit
    /// allows in a 64th of a second, at least one byte and at most half a megabyte; half a megabyte where
    /// there is no limit.
    pub fn portion(&self) -> usize {
        let fair = self.limit().map_or(MAX_PORTION, |limit| limit / PORTIONS_A_SECOND);
        usize::try_from(fair.clamp(1, MAX_PORTION)).unwrap_or(usize::MAX)
    }
}

impl LimitedThrottle {
    fn give_back(&self, bytes: usize) {
        let nanoseconds = bytes as u128 * NANOSECONDS / u128::from(self.bytes_per_second);
        let cost = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        let mut queue = lock(&self.queue);
        // Where the queue now ends in the past, the next reservation counts from what can still be used of
        // it.
        queue.end = queue.end.map(|end| end.checked_sub(cost).unwrap_or(end));
    }

    fn take(&self, bytes: usize, now: Instant) -> Instant {
        let furthest = now.checked_add(MAX_WAIT).unwrap_or(now);
        if self.bytes_per_second == 0 {
            return furthest;
        }
        let limit = u128::from(self.bytes_per_second);
        let saved = now.checked_sub(MAX_SAVED).unwrap_or(now);
        let mut queue = lock(&self.queue);
        let start = queue.end.map_or(now, |end| end.max(saved));
        // This fits: a `usize` has at most 64 bits and a billion has 30, of 128.
        let cost = bytes as u128 * NANOSECONDS + queue.fraction;
        let nanoseconds = u64::try_from(cost / limit).unwrap_or(u64::MAX);
        let end = start.checked_add(Duration::from_nanos(nanoseconds)).unwrap_or(furthest).min(furthest);
        *queue = TimeQueue { end: Some(end), fraction: cost % limit };
        end.max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    /// How many bytes each of these takers may send in `seconds`, if each always has more.
    fn sent(limit: u64, takers: usize, take: impl Fn(&Throttle) -> usize, seconds: u64) -> Vec<u64> {
        let throttle = Throttle::limited(limit);
        let start = Instant::now();
        let end = start + Duration::from_secs(seconds);
        let mut sent = vec![0; takers];
        let mut due: BinaryHeap<_> = (0..takers).map(|taker| Reverse((start, taker, 0))).collect();
        while let Some(Reverse((now, taker, goes))) = due.pop() {
            if now > end {
                break;
            }
            sent[taker] += goes as u64;
            let bytes = take(&throttle);
            due.push(Reverse((throttle.take(bytes, now), taker, bytes)));
        }
        sent
    }

    fn within_a_twentieth(all: u64, wanted: u64) -> bool {
        all.abs_diff(wanted) <= wanted / 20
    }

    #[test]
    fn what_is_given_back_is_free_for_other_takers() {
        let start = Instant::now();
        let throttle = Throttle::limited(1000);
        throttle.take(100_000, start);
        throttle.give_back(99_000);
        let next = throttle.take(1000, start);
        assert!(next <= start + Duration::from_millis(2001), "{:?}", next - start);
        Throttle::unlimited().give_back(5);
        Throttle::limited(0).give_back(5);
    }

    #[test]
    fn the_limit_holds_for_any_number_of_takers_and_each_has_an_even_share() {
        for limit in [5_000, 12_345, 500_000, 2_000_000, 99_999_999, 1 << 30, 10_000_000_000] {
            for takers in [1, 3, 50] {
                let sent = sent(limit, takers, Throttle::portion, 10);
                let (all, share) = (sent.iter().sum::<u64>(), 10 * limit / takers as u64);
                assert!(within_a_twentieth(all, 10 * limit), "{limit} among {takers}: {all}");
                let even = sent.iter().all(|one| one.abs_diff(share) <= share / 10);
                assert!(even, "{limit} among {takers}: {sent:?}");
            }
        }
    }

    #[test]
    fn a_byte_a_second_is_a_byte_a_second() {
        assert_eq!(sent(1, 1, Throttle::portion, 10), [10]);
        assert_eq!(sent(1, 50, Throttle::portion, 10).iter().sum::<u64>(), 10);
    }

    #[test]
    fn a_block_that_is_more_than_the_limit_is_paid_for_before_it_goes() {
        let block = 16 * 1024;
        let throttle = Throttle::limited(1_000);
        let start = Instant::now();
        assert_eq!(throttle.take(block, start), start + Duration::from_millis(16_384));
        assert_eq!(throttle.take(block, start), start + Duration::from_millis(2 * 16_384));
        let all: u64 = sent(1_000, 50, |_| block, 3_600).iter().sum();
        assert!(all <= 3_600_000 && within_a_twentieth(all, 3_600_000), "{all}");
    }

    #[test]
    fn single_bytes_cost_what_they_should_at_any_limit() {
        for limit in [7, 999_999_999, 1_000_000_001, 3_000_000_000, 10_000_000_000] {
            let throttle = Throttle::limited(limit);
            let start = Instant::now();
            let last = (0..100_000).map(|_| throttle.take(1, start)).last().unwrap();
            let wanted = (100_000 * NANOSECONDS / u128::from(limit)) as u64;
            assert_eq!(last - start, Duration::from_nanos(wanted), "{limit}");
        }
    }

    #[test]
    fn takers_that_wake_late_lose_nothing_and_idle_time_saves_up_a_tenth_of_a_second() {
        let throttle = Throttle::limited(1_000_000);
        let start = Instant::now();
        let mut now = start;
        for _ in 0..100 {
            now = throttle.take(100_000, now) + Duration::from_millis(30);
        }
        assert_eq!(now - start, Duration::from_millis(100 * 100 + 30));

        let later = now + Duration::from_secs(3_600);
        assert_eq!(throttle.take(100_000, later), later);
        assert_eq!(throttle.take(100_000, later), later + Duration::from_millis(100));
    }

    #[test]
    fn no_number_is_too_large_or_too_small() {
        let now = Instant::now();
        for limit in [0, 1, u64::MAX] {
            let throttle = Throttle::limited(limit);
            for bytes in [0, 1, usize::MAX, usize::MAX] {
                assert!(throttle.take(bytes, now) >= now);
            }
            assert!((1..=512 * 1024).contains(&throttle.portion()));
        }
        let never = Throttle::limited(0).take(1, now);
        assert!(never > now + Duration::from_secs(1 << 30));
        let free = Throttle::unlimited();
        assert_eq!((free.take(usize::MAX, now), free.limit()), (now, None));
    }
}
