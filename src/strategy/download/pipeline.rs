//! How many requests to keep on their way to one peer.
//!
//! Too few, and the peer waits for us between blocks. Too many, and the blocks that it is slow to send
//! are blocks that nobody else is asked for, its socket and ours are full of data that only waits, and
//! both sides work harder for the same rate. What the line holds is its rate times its round trip, and
//! neither is known at the start; nor is how the peer serves, at once or twice a second.
//!
//! So the depth is found by trying. It begins at 16 and doubles as long as doubling pays (slow start, as
//! in TCP): one pipeline of blocks passes for the change to arrive, the next is measured, and where the
//! rate is not clearly higher the doubling ends. The last one stays as slack, for a peer whose thread
//! is not always awake. Later the depth is tried out again, now and then, and goes back where that
//! brings nothing. It never holds more than four seconds of the peer's rate.
//!
//! Measured against a fixed four seconds, that is 500 requests for every fast peer: on loopback a fifth
//! less CPU, and the same rate across a round trip of 100 ms.
//!
//! A peer that told us how many requests it queues (`reqq`, BEP 10) is believed. From one that did
//! not, 50 are accepted everywhere; it has to prove that it answers those before it is sent more.

use std::time::{Duration, Instant};

/// Requests before anything is known of the peer.
const SLOWEST_START: u32 = 16;
/// The deepest pipeline of all: at 16 KiB a block, 60 MiB/s across a round trip of 130 ms.
const DEEPEST: u32 = 500;
/// What a peer that named no limit takes for certain.
const UNPROVEN: u32 = 50;
/// How much of the peer's rate the pipeline holds at the most.
const HELD: Duration = Duration::from_secs(4);
const FEWEST: u32 = 2;
/// Of a raise that pays, at least this part comes back as rate. On a line that was half empty, all of it.
const PAYS: f64 = 0.15;
/// Rates over less than this say more about threads than about lines.
const SHORTEST_MEASURE: Duration = Duration::from_millis(30);
/// After a doubling that did not pay; twice as long after the next.
const FIRST_REST: Duration = Duration::from_secs(2);
const LONGEST_REST: Duration = Duration::from_secs(60);
const BLOCK_BYTES: f64 = crate::piece::BLOCK_LENGTH as f64;

/// The pipeline of one peer.
#[derive(Debug)]
pub struct Pipeline {
    depth: u32,
    limit: u32,
    named_limit: bool,
    /// What memory allows this peer, and whether it could use more than that.
    share: u32,
    held_back: bool,
    phase: Phase,
    slow_start: bool,
    rest: Duration,
    /// Blocks that still belong to the depth before.
    passing: u32,
    /// Blocks that came since `measured_from`.
    measured: u32,
    measured_from: Instant,
    /// Blocks since the last tick, and when that was.
    ticked: u32,
    ticked_from: Instant,
    /// Blocks a second, over the last seconds.
    rate: Option<f64>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// The depth was raised. With what it was and the blocks a second that it brought, if there was one.
    Trying(Option<(u32, f64)>),
    /// The depth is as it should be, until then.
    Resting(Instant),
}

impl Pipeline {
    /// The pipeline of a peer that has just been greeted.
    pub fn new(now: Instant) -> Pipeline {
        Pipeline {
            depth: SLOWEST_START,
            limit: UNPROVEN,
            named_limit: false,
            share: DEEPEST,
            held_back: false,
            phase: Phase::Trying(None),
            slow_start: true,
            rest: FIRST_REST,
            passing: 0,
            measured: 0,
            measured_from: now,
            ticked: 0,
            ticked_from: now,
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
        self.depth.min(self.share)
    }

    /// Memory allows this peer so many requests and no more. Nothing deeper is tried, since it would show
    /// nothing.
    pub fn share(&mut self, share: u32) {
        self.share = share;
    }

    /// Whether the peer might be faster if memory allowed it more requests.
    pub fn is_held_back(&self) -> bool {
        self.held_back
    }

    /// Bytes a second, over the last seconds.
    pub fn rate(&self) -> f64 {
        self.rate.unwrap_or(0.0) * BLOCK_BYTES
    }

    /// Blocks came.
    pub fn received(&mut self, blocks: u32, now: Instant) {
        self.ticked = self.ticked.saturating_add(blocks);
        if self.passing > 0 {
            // What came together with the last of them is left out: its time is not known.
            self.passing = self.passing.saturating_sub(blocks);
            self.measured_from = now;
            return;
        }
        self.measured = self.measured.saturating_add(blocks);
        let elapsed = now.saturating_duration_since(self.measured_from);
        if self.measured >= self.depth() && elapsed >= SHORTEST_MEASURE {
            self.conclude(elapsed, now);
        }
    }

    /// A request was refused: the peer does not take as many as we thought.
    pub fn refused(&mut self, now: Instant) {
        self.depth = (self.depth / 2).max(FEWEST).min(self.limit);
        self.stay(now);
    }

    /// The peer gave nothing for a minute: one request, to see whether it comes back.
    pub fn snubbed(&mut self, now: Instant) {
        self.depth = 1;
        self.slow_start = true;
        self.phase = Phase::Trying(None);
        self.measure_from(now, 0);
    }

    /// It is asked again after it had owed nothing: what was measured until now was our silence.
    pub fn begin(&mut self, now: Instant) {
        self.measure_from(now, 0);
        self.ticked = 0;
        self.ticked_from = now;
    }

    /// About once a second while it owes us blocks: what the rate has become.
    pub fn tick(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.ticked_from).as_secs_f64();
        if elapsed < 0.5 {
            return;
        }
        let seen = f64::from(self.ticked) / elapsed;
        // What was known before loses half of its weight every second.
        let old = 0.5_f64.powf(elapsed);
        self.rate = Some(self.rate.map_or(seen, |rate| rate * old + seen * (1.0 - old)));
        self.ticked = 0;
        self.ticked_from = now;
        let measured_for = now.saturating_duration_since(self.measured_from);
        if measured_for >= HELD {
            // So slow that one pipeline takes longer than it should hold.
            self.depth = self.depth.min(self.held());
            self.stay(now);
        }
    }

    /// One pipeline at this depth has come: was it worth it, and what now?
    fn conclude(&mut self, elapsed: Duration, now: Instant) {
        let rate = f64::from(self.measured) / elapsed.as_secs_f64();
        if !self.named_limit && self.depth >= self.limit {
            // A whole pipeline at the limit was answered: the peer takes more than we thought.
            self.limit = self.limit.saturating_mul(2).min(DEEPEST);
        }
        match self.phase {
            Phase::Trying(Some((before, slower)))
                if before > SLOWEST_START && !pays(self.depth, rate, before, slower) =>
            {
                if !self.slow_start {
                    self.depth = before.min(self.limit);
                }
                self.stay(now);
            }
            Phase::Resting(until) if now < until => {
                self.depth = self.depth.min(self.held());
                self.measure_from(now, 0);
            }
            Phase::Trying(_) | Phase::Resting(_) => {
                let before = self.depth();
                let wanted = before.saturating_mul(2).min(self.limit).min(self.held());
                self.held_back = wanted > self.share;
                let deeper = wanted.min(self.share);
                if deeper <= before {
                    self.measure_from(now, 0);
                } else {
                    self.depth = deeper;
                    self.phase = Phase::Trying(Some((before, rate)));
                    self.measure_from(now, before);
                }
            }
        }
    }

    /// Blocks in four seconds at the rate of the last ones; more than any limit while it is not known.
    fn held(&self) -> u32 {
        let held = self.rate.map(|rate| (rate * HELD.as_secs_f64()).ceil() as u32);
        held.unwrap_or(u32::MAX).max(FEWEST)
    }

    fn stay(&mut self, now: Instant) {
        self.held_back = false;
        self.slow_start = false;
        self.phase = Phase::Resting(now + self.rest);
        self.rest = self.rest.saturating_mul(2).min(LONGEST_REST);
        self.measure_from(now, 0);
    }

    fn measure_from(&mut self, now: Instant, passing: u32) {
        self.passing = passing;
        self.measured = 0;
        self.measured_from = now;
    }
}

/// Whether raising the depth brought enough.
fn pays(depth: u32, rate: f64, depth_before: u32, rate_before: f64) -> bool {
    let raise = f64::from(depth) / f64::from(depth_before.max(1)) - 1.0;
    rate >= rate_before * (1.0 + raise * PAYS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets a peer answer at `rate` blocks a second with a round trip of `delay`, for `seconds`.
    fn run(pipeline: &mut Pipeline, start: Instant, rate: f64, delay: f64, seconds: u32) {
        let step = 0.01;
        let mut sent: Vec<f64> = Vec::new();
        let mut asked: std::collections::VecDeque<f64> = std::collections::VecDeque::new();
        let mut free_at = 0.0_f64;
        for tick in 1..=seconds * 100 {
            let at = f64::from(tick) * step;
            while asked.len() < pipeline.depth() as usize {
                // The peer sends a block when the request has come and the line is free.
                free_at = free_at.max(at) + 1.0 / rate;
                asked.push_back(free_at.max(at + delay));
            }
            sent.clear();
            while asked.front().is_some_and(|due| *due <= at) {
                sent.extend(asked.pop_front());
            }
            let now = start + Duration::from_secs_f64(at);
            if !sent.is_empty() {
                pipeline.received(sent.len() as u32, now);
            }
            if tick % 25 == 0 {
                pipeline.tick(now);
            }
        }
    }

    #[test]
    fn a_slow_peer_never_holds_more_than_four_seconds_of_its_rate() {
        let start = Instant::now();
        let mut pipeline = Pipeline::new(start);
        run(&mut pipeline, start, 2.0, 0.05, 30);
        assert!((2..=9).contains(&pipeline.depth()), "{}", pipeline.depth());
        assert!((pipeline.rate() / BLOCK_BYTES - 2.0).abs() < 0.5, "{}", pipeline.rate());
    }

    #[test]
    fn a_fast_and_far_peer_gets_the_deepest_pipeline_within_two_seconds() {
        let start = Instant::now();
        let mut pipeline = Pipeline::new(start);
        run(&mut pipeline, start, 1e5, 0.1, 2);
        assert_eq!(pipeline.depth(), DEEPEST);
    }

    #[test]
    fn a_near_peer_gets_what_fills_its_line_and_not_more() {
        let start = Instant::now();
        let mut pipeline = Pipeline::new(start);
        // The line holds 20 blocks.
        run(&mut pipeline, start, 1000.0, 0.02, 10);
        assert!((32..=128).contains(&pipeline.depth()), "{}", pipeline.depth());
    }

    #[test]
    fn a_line_that_gets_longer_is_noticed() {
        let start = Instant::now();
        let mut pipeline = Pipeline::new(start);
        run(&mut pipeline, start, 1000.0, 0.02, 5);
        let later = start + Duration::from_secs(5);
        run(&mut pipeline, later, 1000.0, 0.4, 60);
        assert!(pipeline.depth() > 300, "{}", pipeline.depth());
    }

    #[test]
    fn a_peer_that_named_its_limit_never_gets_more() {
        let start = Instant::now();
        for reqq in [1, 20, 250, 100_000] {
            let mut pipeline = Pipeline::new(start);
            pipeline.named_limit(reqq);
            run(&mut pipeline, start, 1e5, 0.1, 5);
            assert_eq!(pipeline.depth(), reqq.min(DEEPEST));
        }
    }

    #[test]
    fn a_peer_that_named_no_limit_gets_fifty_until_it_has_answered_those() {
        let start = Instant::now();
        let mut pipeline = Pipeline::new(start);
        let mut deepest = 0;
        for answered in 0..98 {
            pipeline.received(1, start + Duration::from_millis(answered * 40));
            deepest = deepest.max(pipeline.depth());
        }
        assert_eq!(deepest, UNPROVEN);
        run(&mut pipeline, start + Duration::from_secs(4), 1e5, 0.1, 5);
        assert!(pipeline.depth() > UNPROVEN);
    }

    #[test]
    fn refusals_and_silence_make_it_shallow_and_blocks_deep_again() {
        let start = Instant::now();
        let mut pipeline = Pipeline::new(start);
        run(&mut pipeline, start, 1e5, 0.1, 3);
        pipeline.refused(start);
        assert_eq!(pipeline.depth(), DEEPEST / 2);
        pipeline.snubbed(start);
        assert_eq!(pipeline.depth(), 1);
        run(&mut pipeline, start + Duration::from_secs(60), 1e5, 0.1, 5);
        assert!(pipeline.depth() > 100, "{}", pipeline.depth());
    }

    #[test]
    fn a_peer_that_lets_us_wait_before_it_unchokes_still_begins_with_sixteen() {
        let start = Instant::now();
        let mut pipeline = Pipeline::new(start);
        let unchoked = start + Duration::from_secs(30);
        pipeline.begin(unchoked);
        pipeline.tick(unchoked + Duration::from_millis(250));
        assert_eq!(pipeline.depth(), SLOWEST_START);
        run(&mut pipeline, unchoked, 1e5, 0.1, 3);
        assert_eq!(pipeline.depth(), DEEPEST);
    }
}
