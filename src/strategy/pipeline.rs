//! How many requests to keep on their way to one peer.
//!
//! Too few, and the peer waits for us between blocks; too many, and the blocks that it is slow to
//! send are blocks that nobody else is asked for. What the line holds is its rate times its round
//! trip, and neither is known at the start. So the depth begins at 16 and doubles whenever a whole
//! pipeline of blocks has come (slow start, as in TCP), until it holds four seconds of the peer's rate.
//!
//! A peer that told us how many requests it queues (`reqq`, BEP 10) is believed. From one that did
//! not, 50 are accepted everywhere; it has to prove that it answers those before it is sent more.

use std::time::{Duration, Instant};

/// Requests before anything is known of the peer.
pub const SLOWEST_START: u32 = 16;
/// The deepest pipeline of all: at 16 KiB a block, 60 MiB/s across a round trip of 130 ms.
const DEEPEST: u32 = 500;
/// What a peer that named no limit takes for certain.
const UNPROVEN: u32 = 50;
/// How much of the peer's rate the pipeline is to hold.
const HELD: Duration = Duration::from_secs(4);
const FEWEST: u32 = 2;
const BLOCK_BYTES: f64 = crate::piece::BLOCK_LENGTH as f64;

/// The pipeline of one peer.
#[derive(Debug)]
pub struct Pipeline {
    depth: u32,
    limit: u32,
    named_limit: bool,
    slow_start: bool,
    /// Blocks of the pipeline that is coming in now, and since when it does.
    round: u32,
    round_since: Instant,
    /// Blocks since the rate was last measured, and when that was.
    unmeasured: u32,
    measured: Instant,
    /// Blocks a second, over the last seconds.
    rate: Option<f64>,
}

impl Pipeline {
    /// The pipeline of a peer that has just been greeted.
    pub fn new(now: Instant) -> Pipeline {
        Pipeline {
            depth: SLOWEST_START,
            limit: UNPROVEN,
            named_limit: false,
            slow_start: true,
            round: 0,
            round_since: now,
            unmeasured: 0,
            measured: now,
            rate: None,
        }
    }

    /// The peer said how many requests it queues.
    pub fn named_limit(&mut self, reqq: u32) {
        self.named_limit = true;
        self.limit = reqq.clamp(1, DEEPEST);
        self.depth = self.depth.min(self.limit);
    }

    /// How many requests may be on their way.
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// Bytes a second, over the last seconds.
    pub fn rate(&self) -> f64 {
        self.rate.unwrap_or(0.0) * BLOCK_BYTES
    }

    /// Blocks came.
    pub fn received(&mut self, blocks: u32, now: Instant) {
        self.unmeasured = self.unmeasured.saturating_add(blocks);
        self.round = self.round.saturating_add(blocks);
        if self.round < self.depth {
            return;
        }
        if !self.named_limit && self.depth >= self.limit {
            // A whole pipeline at the limit was answered: the peer takes more than we thought.
            self.limit = self.limit.saturating_mul(2).min(DEEPEST);
        }
        if self.slow_start {
            self.slow_start = now.saturating_duration_since(self.round_since) < HELD;
            self.depth = self.depth.saturating_mul(2).min(self.limit);
        }
        self.start_round(now);
    }

    /// A request was refused: the peer does not take as many as we thought.
    pub fn refused(&mut self, now: Instant) {
        self.slow_start = false;
        self.depth = (self.depth / 2).max(FEWEST).min(self.limit);
        self.start_round(now);
    }

    /// The peer gave nothing for a minute: one request, to see whether it comes back.
    pub fn snubbed(&mut self, now: Instant) {
        self.slow_start = true;
        self.depth = 1;
        self.start_round(now);
    }

    /// About once a second: what the rate has become.
    pub fn tick(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.measured).as_secs_f64();
        if elapsed < 0.5 {
            return;
        }
        let seen = f64::from(self.unmeasured) / elapsed;
        // What was known before loses half of its weight every second.
        let old = 0.5_f64.powf(elapsed);
        let rate = self.rate.map_or(seen, |rate| rate * old + seen * (1.0 - old));
        self.rate = Some(rate);
        self.unmeasured = 0;
        self.measured = now;

        let round = now.saturating_duration_since(self.round_since);
        self.slow_start &= round < HELD && self.depth < self.limit;
        if !self.slow_start {
            let held = (rate * HELD.as_secs_f64()).ceil() as u32;
            self.depth = held.max(FEWEST).min(self.limit);
        }
    }

    fn start_round(&mut self, now: Instant) {
        self.round = 0;
        self.round_since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets a peer answer at `rate` blocks a second with a round trip of `delay`, for `seconds`.
    fn run(pipeline: &mut Pipeline, start: Instant, rate: f64, delay: f64, seconds: u32) {
        let step = 0.01;
        let mut owed = 0.0;
        for tick in 1..=seconds * 100 {
            let now = start + Duration::from_secs_f64(f64::from(tick) * step);
            owed += (f64::from(pipeline.depth()) / delay).min(rate) * step;
            if owed >= 1.0 {
                pipeline.received(owed as u32, now);
                owed = owed.fract();
            }
            if tick % 100 == 0 {
                pipeline.tick(now);
            }
        }
    }

    #[test]
    fn a_slow_peer_holds_four_seconds_of_its_rate() {
        let start = Instant::now();
        let mut pipeline = Pipeline::new(start);
        run(&mut pipeline, start, 10.0, 0.05, 20);
        assert!((35..=45).contains(&pipeline.depth()), "{}", pipeline.depth());
        assert!((pipeline.rate() / BLOCK_BYTES - 10.0).abs() < 1.0);
    }

    #[test]
    fn a_fast_and_far_peer_gets_the_deepest_pipeline_within_two_seconds() {
        let start = Instant::now();
        let mut pipeline = Pipeline::new(start);
        run(&mut pipeline, start, 1e9, 0.1, 2);
        assert_eq!(pipeline.depth(), DEEPEST);
    }

    #[test]
    fn a_peer_that_named_its_limit_never_gets_more() {
        let start = Instant::now();
        for reqq in [1, 20, 250, 100_000] {
            let mut pipeline = Pipeline::new(start);
            pipeline.named_limit(reqq);
            run(&mut pipeline, start, 1e9, 0.1, 5);
            assert_eq!(pipeline.depth(), reqq.min(DEEPEST));
        }
    }

    #[test]
    fn a_peer_that_named_no_limit_proves_itself_first() {
        let start = Instant::now();
        let mut pipeline = Pipeline::new(start);
        for _ in 0..3 {
            pipeline.received(pipeline.depth(), start + Duration::from_millis(1));
        }
        assert_eq!(pipeline.depth(), 100);
        let mut early = Pipeline::new(start);
        early.received(16, start);
        early.received(32, start);
        assert_eq!(early.depth(), UNPROVEN);
    }

    #[test]
    fn refusals_and_silence_make_it_shallow_and_blocks_deep_again() {
        let start = Instant::now();
        let mut pipeline = Pipeline::new(start);
        run(&mut pipeline, start, 1e9, 0.1, 3);
        pipeline.refused(start);
        assert_eq!(pipeline.depth(), DEEPEST / 2);
        pipeline.snubbed(start);
        assert_eq!(pipeline.depth(), 1);
        run(&mut pipeline, start, 1e9, 0.1, 3);
        assert!(pipeline.depth() > 100);
    }
}
