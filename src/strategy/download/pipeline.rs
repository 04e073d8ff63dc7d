//! How many requests to keep on their way to one peer (pipelining).
//!
//! A peer sends a block for each request. If we sent the next request only when a block has come, the line
//! would be idle for a round trip after each block. Therefore several are kept on their way. With too few,
//! the peer waits for us between blocks. With too many, the blocks that a slow peer has still to send are
//! blocks that we ask no other peer for, its socket and ours fill with data that only waits, and both sides
//! work harder for the same rate. What the line holds is its rate times its round trip time. Neither is known
//! at the start, nor is how the peer serves its requests: at once, or twice a second.
//!
//! So the depth is found by trying. It begins at 16 and doubles as long as doubling pays (slow start, as in
//! TCP): one pipeline of blocks passes until the change has arrived, the next one is measured, and if the
//! rate is not clearly higher, the doubling ends. The last doubling stays, as slack for a peer whose thread
//! is not always awake. Later a greater depth is tried again now and then, and taken back if it brings
//! nothing. No depth is tried of more than the peer sends in two seconds, and the pipeline never holds more
//! than it sends in four.
//!
//! Where many peers are asked at once, each with 16 requests, much is on its way before anything is known. If their
//! lines are thin, or one thin line is ours, that takes minutes to come, and those that began with more than the others
//! are the last to be done. So where many come at once each begins with its part of what may be on its way, with two at
//! least, and gets one more with each block until it has 16, or what it sends in a second.
//!
//! A near and fast peer would do with few requests, if its threads and ours always ran. They do not, so the pipeline
//! holds what comes in two milliseconds at least. And as a request for each block would be a wake-up and a write for
//! each, here and there, half of such a pipeline goes with one order.
//!
//! A web seed (BEP 19) is no peer: what it is asked for together becomes one request over HTTP, and between two of
//! those the line is idle for a round trip. So it is asked for *runs*: what it sends in some seconds, and again when
//! half of that is left.
//!
//! We believe a peer that tells us how long its request queue is (`reqq`, BEP 10), until it shows that it is shorter.
//! Every client accepts 50 requests, so a peer that does not tell gets no more until it has answered as many.

mod block_rate;

use block_rate::{BlockRate, MIN_MEASURING_TIME};
use std::time::{Duration, Instant};

/// Requests before we know the peer.
const INITIAL_DEPTH: u32 = 16;
/// The same, if as much is on its way already as comes in the next seconds.
const CAREFUL_DEPTH: u32 = 2;
/// A pipeline that began with fewer requests than others do grows to no more than the peer sends in this time, until
/// trying shows that more pay. If all share a thin line, more only fills a router's queue.
const CAREFULLY_HELD: Duration = Duration::from_secs(1);
/// Requests in the deepest pipeline: at 16 KiB a block, 60 MiB/s across a round trip of 130 ms.
const MAX_DEPTH: u32 = 500;
/// Requests that every peer accepts, even one that did not tell its queue length.
const UNTOLD_QUEUE: u32 = 50;
/// The pipeline holds no more than the peer sends in this time.
const MAX_HELD: Duration = Duration::from_secs(4);
/// No greater depth is tried than the peer sends in this time: it would only wait longer.
const MAX_RAISED: Duration = Duration::from_secs(2);
/// The fewest requests that are worth an order of their own; or a quarter of the pipeline, if that is less.
const LARGE_ORDER: u32 = 48;
/// The pipeline holds no less than the peer sends in this time, since threads are not awake at every moment. Less than
/// that is not worth an order of its own either, up to half of the pipeline.
const MOMENT: Duration = Duration::from_millis(2);
/// Requests in the shallowest pipeline of a peer that is not snubbing us.
const MIN_DEPTH: u32 = 2;
/// A raise of the depth pays if the rate grows by at least this part of it. On a line that was half empty,
/// the rate grows by as much as the depth.
const MIN_GAIN: f64 = 0.15;
/// One that is measured over more time was not that of a burst.
const LONG: Duration = Duration::from_millis(250);
/// A peer that sends so many times what it did when a greater depth was of no use has another line now, or the old one
/// to itself.
const MUCH_FASTER: f64 = 4.0;
/// The rest after a raise that did not pay. It doubles with each further one.
const FIRST_REST: Duration = Duration::from_secs(2);
const MAX_REST: Duration = Duration::from_secs(60);
/// A web seed is asked for what it sends in this time, within these bounds: from 1 to 16 MiB.
const RUN_TIME: Duration = Duration::from_secs(3);
const SHORTEST_RUN: u32 = 64;
const LONGEST_RUN: u32 = 1024;
const BLOCK_BYTES: f64 = crate::piece::BLOCK_LENGTH as f64;

/// The pipeline of one peer.
#[derive(Debug)]
pub struct Pipeline {
    /// Requests that may be on their way, if memory allows them.
    depth: u32,
    /// Requests that the peer is known to queue.
    queue_limit: u32,
    /// The peer itself told us its limit, or showed it.
    limit_is_told: bool,
    /// It was seen to take no more than this, whatever it tells.
    longest: u32,
    /// Requests that memory allows this peer.
    memory_share: u32,
    phase: PipelinePhase,
    slow_start: bool,
    /// The peer rejected a request or fell silent, and no greater depth was tried since.
    was_cut: bool,
    /// A greater depth was to be tried, and memory did not allow it.
    is_held: bool,
    rest: Duration,
    /// Blocks still to come that were requested at the depth before.
    passing: u32,
    /// Blocks that came since `measured_from`.
    measured: u32,
    measured_from: Instant,
    rate: BlockRate,
}

#[derive(Clone, Copy, Debug)]
enum PipelinePhase {
    /// The depth was raised. With the depth before and the blocks a second at that depth, unless this is the
    /// first depth of all.
    Trying(Option<(u32, f64)>),
    /// The depth stays as it is, until this time, or until the peer sends much more than these blocks a second.
    Resting { until: Instant, rate: f64 },
    /// Nothing is tried: it is a web seed, and the depth follows its rate.
    Runs,
}

impl Pipeline {
    /// The pipeline of a peer whose handshake is done now.
    pub fn new(now: Instant) -> Pipeline {
        Pipeline {
            depth: INITIAL_DEPTH,
            queue_limit: UNTOLD_QUEUE,
            limit_is_told: false,
            longest: MAX_DEPTH,
            memory_share: MAX_DEPTH,
            phase: PipelinePhase::Trying(None),
            slow_start: true,
            was_cut: false,
            is_held: false,
            rest: FIRST_REST,
            passing: 0,
            measured: 0,
            measured_from: now,
            rate: BlockRate::new(now),
        }
    }

    /// The pipeline of a web seed, which is asked for long runs of blocks.
    pub fn of_runs(now: Instant) -> Pipeline {
        Pipeline { phase: PipelinePhase::Runs, ..Pipeline::new(now) }
    }

    /// Begins with no more requests than this, if nothing came yet: as many as are this peer's part of what many are
    /// asked for at once.
    pub fn begin_with(&mut self, requests: u32) {
        if self.rate.get().is_none() && self.measured == 0 && self.slow_start {
            self.depth = self.depth.min(requests.max(CAREFUL_DEPTH));
        }
    }

    /// The peer told us how many requests it queues (`reqq`, BEP 10).
    pub fn set_queue_limit(&mut self, reqq: u32) {
        self.limit_is_told = true;
        self.queue_limit = reqq.clamp(1, self.longest);
        self.depth = self.depth.min(self.queue_limit);
    }

    /// How many requests may be on their way.
    pub fn depth(&self) -> u32 {
        self.wanted_depth().min(self.memory_share)
    }

    /// How many would be on their way if memory were no limit.
    pub fn wanted_depth(&self) -> u32 {
        if self.is_of_runs() {
            let sent = self.rate.sent_in(RUN_TIME).unwrap_or_default() as u32;
            return sent.clamp(SHORTEST_RUN, LONGEST_RUN);
        }
        let least = if self.was_cut { 0 } else { self.in_a_moment().min(self.queue_limit) };
        self.depth.max(least)
    }

    /// The fewest requests to send at once while others are on their way: each order costs both sides a wake-up.
    pub fn least_order(&self) -> u32 {
        let depth = self.depth();
        if self.is_of_runs() {
            return depth / 2;
        }
        (depth / 4).min(LARGE_ORDER).max(self.in_a_moment().min(depth / 2))
    }

    /// Memory allows this peer no more requests. No greater depth is tried then, since it would show nothing.
    pub fn set_memory_share(&mut self, requests: u32) {
        self.memory_share = requests;
    }

    /// Bytes a second, over the last seconds, or over the last blocks of a slow peer.
    pub fn rate(&self) -> f64 {
        self.rate.get().unwrap_or_default() * BLOCK_BYTES
    }

    /// Whether a greater depth would be tried, if memory allowed it.
    pub fn is_held_by_memory(&self) -> bool {
        self.is_held
    }

    /// Whether the rate was not measured yet, but is a guess from the first blocks.
    pub fn is_guess(&self) -> bool {
        self.rate.is_guess()
    }

    /// Seconds from block to block; `None` while the rate is not known.
    pub fn block_time(&self) -> Option<f64> {
        self.rate.block_time()
    }

    /// Blocks came.
    pub fn received(&mut self, blocks: u32, now: Instant) {
        self.rate.received(blocks, now);
        if self.is_of_runs() {
            return;
        }
        if self.slow_start && self.depth < INITIAL_DEPTH {
            // A block for a block: the depth doubles in each round trip.
            let most = INITIAL_DEPTH.min(self.queue_limit).min(self.sent_in(CAREFULLY_HELD));
            let before = self.depth;
            self.depth = before.saturating_add(blocks).min(most).max(before);
            if self.depth > before {
                // What is asked for now takes a round trip to come, which says nothing of the rate.
                return self.measure_from(now, 1);
            }
        }
        if self.passing > 0 {
            // Blocks that came together with the last of them are left out: their time is not known.
            self.passing = self.passing.saturating_sub(blocks);
            self.measured_from = now;
            return;
        }
        self.measured = self.measured.saturating_add(blocks);
        let elapsed = now.saturating_duration_since(self.measured_from);
        if self.measured >= self.depth() && elapsed >= MIN_MEASURING_TIME {
            self.conclude(elapsed, now);
        }
    }

    /// The peer rejected a request: it does not take as many as we thought. Where every peer takes as few, it has
    /// another reason, and fewer would be of no use.
    pub fn rejected(&mut self, now: Instant) {
        let wanted = self.wanted_depth();
        self.cut((wanted / 2).max(wanted.min(UNTOLD_QUEUE)), now);
    }

    /// The peer goes on sending, and has dropped so many requests in a row. It gets no more than it kept of the others.
    pub fn lost(&mut self, requests: u32, now: Instant) {
        self.takes_at_most(self.depth.saturating_sub(requests));
        self.cut(self.depth, now);
    }

    /// The peer was seen to take no more than so many requests.
    pub fn takes_at_most(&mut self, requests: u32) {
        self.longest = self.longest.min(requests.max(MIN_DEPTH));
        self.set_queue_limit(self.queue_limit);
    }

    /// The peer stopped sending and is asked anew: for a quarter, since its queue may have been too short for more.
    pub fn stalled(&mut self, now: Instant) {
        if !self.is_of_runs() {
            self.cut((self.wanted_depth() / 4).max(MIN_DEPTH), now);
        }
    }

    fn cut(&mut self, depth: u32, now: Instant) {
        self.depth = depth.min(self.queue_limit);
        self.was_cut = true;
        // It takes no more, however fast it is.
        self.rest(f64::INFINITY, now);
    }

    /// The peer sent nothing for a minute. It gets one request, to see whether it comes back.
    pub fn snubbed(&mut self, now: Instant) {
        if self.is_of_runs() {
            return;
        }
        self.depth = 1;
        self.was_cut = true;
        self.slow_start = true;
        self.phase = PipelinePhase::Trying(None);
        self.measure_from(now, 0);
    }

    /// The peer is sent requests again after it owed us nothing. That was our own pause, and does not count.
    pub fn resume(&mut self, now: Instant) {
        self.measure_from(now, 0);
        self.rate.resume(now);
    }

    /// Computes the rate. To be called about once a second while the peer owes us blocks.
    pub fn tick(&mut self, now: Instant) {
        if !self.rate.tick(now) {
            return;
        }
        let measured_for = now.saturating_duration_since(self.measured_from);
        if measured_for >= MAX_HELD && !self.is_of_runs() {
            // The peer is so slow that one pipeline takes longer than it should hold.
            self.depth = self.depth.min(self.sent_in(MAX_HELD));
            self.rest(self.rate.get().unwrap_or(f64::INFINITY), now);
        }
    }

    /// One pipeline of blocks at this depth has come. Decides whether the depth was worth it, and what is
    /// next.
    fn conclude(&mut self, elapsed: Duration, now: Instant) {
        let rate = f64::from(self.measured) / elapsed.as_secs_f64();
        if !self.limit_is_told && self.wanted_depth() >= self.queue_limit {
            // The peer answered a whole pipeline at the limit, so it takes more than we thought.
            self.queue_limit = self.queue_limit.saturating_mul(2).min(MAX_DEPTH);
        }
        match self.phase {
            PipelinePhase::Trying(Some((before, rate_before)))
                if before > INITIAL_DEPTH && !pays(self.depth, rate, before, rate_before) =>
            {
                if !self.slow_start {
                    self.depth = before.min(self.queue_limit);
                }
                self.rest(rate, now);
            }
            PipelinePhase::Resting { until, rate: before } if now < until && rate < before * MUCH_FASTER => {
                self.depth = self.depth.min(self.sent_in(MAX_HELD));
                self.measure_from(now, 0);
            }
            PipelinePhase::Runs => {}
            PipelinePhase::Trying(_) | PipelinePhase::Resting { .. } => {
                let before = self.depth();
                // The rate of the last seconds lags behind one that doubles in each of them. What took long to measure
                // was no burst, and counts as it is.
                let sent = if elapsed >= LONG { (rate * MAX_RAISED.as_secs_f64()) as u32 } else { 0 };
                let most = self.sent_in(MAX_RAISED).max(sent);
                let wanted = before.saturating_mul(2).min(self.queue_limit).min(most);
                let deeper = wanted.min(self.memory_share);
                self.is_held = deeper < wanted;
                if deeper <= before {
                    self.measure_from(now, 0);
                } else {
                    self.depth = deeper;
                    self.was_cut = false;
                    self.phase = PipelinePhase::Trying(Some((before, rate)));
                    self.measure_from(now, before);
                }
            }
        }
    }

    fn is_of_runs(&self) -> bool {
        matches!(self.phase, PipelinePhase::Runs)
    }

    /// Blocks in this time at the present rate; more than any limit while the rate is not known.
    fn sent_in(&self, time: Duration) -> u32 {
        let sent = self.rate.sent_in(time).map_or(u32::MAX, |sent| sent.ceil() as u32);
        sent.max(MIN_DEPTH)
    }

    /// Blocks in [`MOMENT`] at the present rate: none while the rate is not known.
    fn in_a_moment(&self) -> u32 {
        self.rate.sent_in(MOMENT).unwrap_or_default() as u32
    }

    /// No greater depth is tried for a while, unless the peer sends much more than these blocks a second.
    fn rest(&mut self, rate: f64, now: Instant) {
        (self.slow_start, self.is_held) = (false, false);
        self.phase = PipelinePhase::Resting { until: now + self.rest, rate };
        self.rest = self.rest.saturating_mul(2).min(MAX_REST);
        self.measure_from(now, 0);
    }

    fn measure_from(&mut self, now: Instant, passing: u32) {
        self.passing = passing;
        self.measured = 0;
        self.measured_from = now;
    }
}

/// Whether raising the depth brought enough rate.
fn pays(depth: u32, rate: f64, depth_before: u32, rate_before: f64) -> bool {
    let raise = f64::from(depth) / f64::from(depth_before.max(1)) - 1.0;
    rate >= rate_before * (1.0 + raise * MIN_GAIN)
}

#[cfg(test)]
mod tests;
