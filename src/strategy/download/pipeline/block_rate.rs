//! How many blocks a second one peer sends: at first a guess from the first of them, then what is measured about once a
//! second, where the past counts less and less.

use std::time::{Duration, Instant};

/// A rate that is measured over less time says how threads were scheduled.
pub(super) const MIN_MEASURING_TIME: Duration = Duration::from_millis(30);
/// What comes in less time than this is not measured by itself.
const LEAST_TICK: f64 = 0.5;
/// A peer that was asked and is silent so far sends a block in this many seconds at most.
const SILENT_SECONDS: f64 = 4.0;
/// In blocks a second: nothing is slower than this.
const MIN_RATE: f64 = 1e-6;

/// The rate of one peer.
#[derive(Debug)]
pub(super) struct BlockRate {
    /// Blocks that came since `ticked_at`.
    since_tick: u32,
    /// When the last tick was, or as much later as the peer owed nothing since.
    ticked_at: Instant,
    /// When blocks came or a tick was.
    seen_at: Instant,
    /// Blocks a second, over the last seconds.
    rate: Option<f64>,
    /// The rate was not measured yet. Each further block betters it.
    is_guess: bool,
}

impl BlockRate {
    pub(super) fn new(now: Instant) -> BlockRate {
        BlockRate { since_tick: 0, ticked_at: now, seen_at: now, rate: None, is_guess: true }
    }

    /// Blocks a second; `None` while nothing is known.
    pub(super) fn get(&self) -> Option<f64> {
        self.rate
    }

    pub(super) fn is_guess(&self) -> bool {
        self.is_guess
    }

    /// Seconds from block to block; `None` while nothing is known.
    pub(super) fn block_time(&self) -> Option<f64> {
        self.rate.map(|rate| 1.0 / rate.max(MIN_RATE))
    }

    /// Blocks in this time; `None` while nothing is known.
    pub(super) fn sent_in(&self, time: Duration) -> Option<f64> {
        self.rate.map(|rate| rate * time.as_secs_f64())
    }

    /// Blocks came.
    pub(super) fn received(&mut self, blocks: u32, now: Instant) {
        self.since_tick = self.since_tick.saturating_add(blocks);
        self.seen_at = now;
        if self.is_guess {
            // The first blocks say little, but more than nothing.
            let elapsed = now.saturating_duration_since(self.ticked_at).max(MIN_MEASURING_TIME);
            self.rate = Some(f64::from(self.since_tick) / elapsed.as_secs_f64());
        }
    }

    /// The peer is asked again after it owed nothing. The time since then does not count.
    pub(super) fn resume(&mut self, now: Instant) {
        let counted = self.seen_at.saturating_duration_since(self.ticked_at);
        self.ticked_at = now.checked_sub(counted).unwrap_or(now);
        self.seen_at = now;
    }

    /// The rate follows what came since the last tick, if that is long enough ago. Says whether it was.
    pub(super) fn tick(&mut self, now: Instant) -> bool {
        self.seen_at = now;
        let elapsed = now.saturating_duration_since(self.ticked_at).as_secs_f64();
        if elapsed < LEAST_TICK {
            return false;
        }
        let seen = f64::from(self.since_tick) / elapsed;
        self.rate = match self.rate {
            Some(_) if self.is_guess => Some(seen),
            Some(rate) => {
                // What was known before loses half of its weight every second, or in the time of two blocks if that
                // is longer: between the blocks of a slow peer its rate is not zero.
                let old = 0.5_f64.powf(elapsed / (2.0 / rate).max(1.0));
                Some(rate * old + seen * (1.0 - old))
            }
            None if self.since_tick == 0 && elapsed < SILENT_SECONDS => return true,
            None => Some(seen.max(1.0 / elapsed)),
        };
        self.since_tick = 0;
        self.ticked_at = now;
        self.is_guess = false;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_in_which_nothing_was_owed_does_not_count() {
        let start = Instant::now();
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let is_near = |rate: &BlockRate, expected: f64| {
            assert!(rate.get().is_some_and(|rate| (rate / expected - 1.0).abs() < 0.01), "{rate:?}");
        };
        let mut rate = BlockRate::new(start);
        // It chokes us for ten seconds, then sends 20 blocks a second.
        rate.resume(at(10.0));
        assert!(!rate.tick(at(10.25)) && rate.get().is_none());
        rate.received(10, at(10.5));
        is_near(&rate, 20.0);
        // Nothing more is asked for until it has choked us for another twenty.
        rate.resume(at(30.5));
        rate.received(10, at(31.0));
        assert!(rate.tick(at(31.0)) && !rate.is_guess());
        is_near(&rate, 20.0);
        rate.resume(at(60.0));
        rate.received(10, at(60.5));
        rate.tick(at(60.5));
        is_near(&rate, 20.0);
        // Silence while it owes does count.
        rate.tick(at(61.5));
        is_near(&rate, 10.0);
    }
}
