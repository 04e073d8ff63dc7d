//! How much of the memory budget the open pieces may take.
//!
//! More open pieces help where the peers are far away or slow: then more blocks can be on their way at
//! once, and fast peers need not wait until slow ones have finished their part of a piece. They do not
//! help where the processor or the disk is what limits us, and memory is dear on a small machine. Which
//! of the two it is nobody can tell beforehand, so it is tried: a download begins with a part of the
//! budget, and while peers could take more requests than there is room for, the part grows by a quarter
//! (a half, where they are far). Where the rate does not grow with it, it goes back, and is tried again later.
//!
//! One piece may always be open, unless it has more than four times the budget: then the session refuses
//! the run. An open piece allocates with its first block.

use std::time::{Duration, Instant};

/// With how much a download begins, in bytes. Two pieces at least, so that one can fill while the other
/// is written.
const FIRST: u64 = 10 * 1024 * 1024;
/// How long a rate is measured.
const MEASURED: Duration = Duration::from_secs(1);
/// How long a change needs to arrive.
const SETTLING: Duration = Duration::from_millis(700);
/// Where what is allowed takes longer than this to come, in seconds, the peers are far or slow to answer,
/// and larger steps are worth their memory.
const FAR: f64 = 0.1;
/// A step must bring this much more.
const PAYS: f64 = 1.05;
const FIRST_REST: Duration = Duration::from_secs(5);
const LONGEST_REST: Duration = Duration::from_secs(60);

/// The allowance of one torrent.
#[derive(Debug)]
pub struct Budget {
    memory: u64,
    allowance: u64,
    phase: Phase,
    rest: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Nothing is tried until then.
    Resting(Instant),
    /// The allowance was raised, and the rate follows until then. With what both were before.
    Settling(Instant, (u64, f64)),
    /// The rate is measured from there on: bytes received at that time, and what the allowance and the
    /// rate were before it was raised, if it was.
    Measuring(Instant, u64, Option<(u64, f64)>),
}

impl Budget {
    /// A budget of `memory` bytes for pieces of `piece_length` bytes.
    pub fn new(memory: u64, piece_length: u32, now: Instant) -> Budget {
        let allowance = FIRST.max(2 * u64::from(piece_length)).min(memory);
        Budget { memory, allowance, phase: Phase::Resting(now), rest: FIRST_REST }
    }

    /// Bytes that open and verified pieces may take now.
    pub fn allowance(&self) -> u64 {
        self.allowance
    }

    /// Several times a second: how many bytes were received since the start, and whether peers could take
    /// more requests than there is room for.
    pub fn tick(&mut self, received: u64, short: bool, now: Instant) {
        match self.phase {
            Phase::Resting(until) if now >= until && short && self.allowance < self.memory => {
                self.phase = Phase::Measuring(now, received, None);
            }
            Phase::Measuring(from, at, before) if now.saturating_duration_since(from) >= MEASURED => {
                let seconds = now.saturating_duration_since(from).as_secs_f64();
                let rate = received.saturating_sub(at) as f64 / seconds;
                match before {
                    Some((allowance, slower)) if rate < slower * PAYS => {
                        self.allowance = allowance;
                        self.phase = Phase::Resting(now + self.rest);
                        self.rest = self.rest.saturating_mul(2).min(LONGEST_REST);
                    }
                    _ if short && self.allowance < self.memory => self.raise(rate, now),
                    _ => self.phase = Phase::Resting(now),
                }
            }
            Phase::Settling(until, before) if now >= until => {
                self.phase = Phase::Measuring(now, received, Some(before));
            }
            Phase::Resting(_) | Phase::Settling(..) | Phase::Measuring(..) => {}
        }
    }

    fn raise(&mut self, rate: f64, now: Instant) {
        let before = self.allowance;
        let step = if before as f64 > rate * FAR { before / 2 } else { before / 4 };
        // The last step takes what would be too little for a step of its own.
        let last = before.saturating_add(step).saturating_add(before / 4) >= self.memory;
        self.allowance = if last { self.memory } else { before.saturating_add(step) };
        self.phase = Phase::Settling(now + SETTLING, (before, rate));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lives for `seconds` with a rate that follows from the allowance.
    fn live(seconds: u64, short: bool, rate: impl Fn(u64) -> f64) -> Vec<u64> {
        let start = Instant::now();
        let mut budget = Budget::new(32 << 20, 1 << 20, start);
        let (mut received, mut seen) = (0.0, vec![budget.allowance()]);
        for tick in 1..=seconds * 4 {
            received += rate(budget.allowance()) / 4.0;
            budget.tick(received as u64, short, start + Duration::from_millis(tick * 250));
            seen.push(budget.allowance());
        }
        seen
    }

    #[test]
    fn where_memory_brings_speed_all_of_it_is_used() {
        let seen = live(20, true, |allowance| allowance as f64 * 2.0);
        assert_eq!(seen.last(), Some(&(32 << 20)));
        assert!(seen.is_sorted());
    }

    #[test]
    fn where_it_brings_nothing_it_goes_back() {
        let seen = live(30, true, |_| 1e9);
        assert_eq!(seen.iter().max(), Some(&((10 << 20) * 5 / 4)));
        let raised = seen.iter().filter(|allowance| **allowance > 10 << 20).count();
        assert!(raised < seen.len() / 3, "{raised} of {}", seen.len());
    }

    #[test]
    fn nothing_is_tried_where_nobody_is_short_and_never_more_than_there_is() {
        assert!(live(30, false, |allowance| allowance as f64).iter().all(|allowance| *allowance == 10 << 20));
        let small = Budget::new(4 << 20, 1 << 20, Instant::now());
        assert_eq!(small.allowance(), 4 << 20);
        let long = Budget::new(64 << 20, 16 << 20, Instant::now());
        assert_eq!(long.allowance(), 32 << 20);
    }
}
