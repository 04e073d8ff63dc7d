//! How much of the memory budget the open pieces may take.
//!
//! A piece is open while its blocks come in, and takes its length in memory. More open pieces help if the
//! peers are far away or slow: then more blocks can be on their way at once, and fast peers need not wait
//! until slow ones have sent their part of a piece. They do not help if the processor or the disk is the
//! limit, and memory is precious on a small machine. Which of the two is the case cannot be known beforehand,
//! so it is tried: a download begins with a part of the budget. While peers could take more requests than
//! there is memory for, the part grows by a quarter (by a half, if the peers are far). If the rate does not
//! grow with it, the part goes back, and a larger one is tried again later.
//!
//! One piece may always be open, unless it is more than four times as large as the budget: then the session
//! refuses the run. The memory of an open piece is allocated with its first block.
//!
//! All torrents of the process share the memory. So the part that was found is claimed from what they share, and
//! what is granted of it is the allowance.
//!
//! Pure, and used by the coordinator alone.

use crate::piece::BLOCK_LENGTH;
use std::time::{Duration, Instant};

/// Bytes with which a download begins.
const INITIAL_ALLOWANCE: u64 = 10 * 1024 * 1024;
/// The same in pieces, if that is more: one is being filled, the last blocks of the one before are still on their way,
/// one is being written to the disk, and peers need not wait for any of them.
const INITIAL_PIECES: u64 = 4;
/// The same for a download that is written to a stream. Nearly all of it is in use nearly always, since what is there
/// waits for the slowest block of the first piece, or for the reader. So the process as a whole stays below 16 MiB.
const STREAM_ALLOWANCE: u64 = 6 * 1024 * 1024;
/// The reader takes one piece while the next one is filled.
const STREAM_PIECES: u64 = 2;
/// Requests that each peer may have on their way, however many peers share the memory.
const MIN_REQUESTS: u32 = 4;
/// How long a rate is measured.
const MEASURING_TIME: Duration = Duration::from_secs(1);
/// How long the rate takes to follow a change.
const SETTLING_TIME: Duration = Duration::from_millis(700);
/// If as many bytes as are allowed take longer than this to come, in seconds, the peers are far or slow to
/// answer, and larger steps are worth their memory.
const FAR_SECONDS: f64 = 0.1;
/// A step pays if the rate grows by this factor at least.
const MIN_GAIN: f64 = 1.05;
/// The rest after the first step that did not pay. It doubles with each further one.
const FIRST_REST: Duration = Duration::from_secs(5);
const MAX_REST: Duration = Duration::from_secs(60);

/// What one torrent has in memory and could use of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryClaim {
    /// Bytes of pieces that are in memory.
    pub used: u64,
    /// Bytes that it would use if it could, those in use included.
    pub wanted: u64,
    /// Bytes of a piece. Less than one of them is of no use.
    pub piece: u64,
}

/// The allowance of one torrent.
#[derive(Debug)]
pub struct Budget {
    memory: u64,
    /// Bytes of a block: a short piece is one of its own length.
    block: u64,
    /// The part that is being tried.
    allowance: u64,
    /// What was granted of what was claimed.
    granted: u64,
    /// More was claimed.
    is_short: bool,
    /// Since when nothing was granted of what was claimed.
    denied_since: Option<Instant>,
    /// Requests that each peer may have on their way.
    share: u32,
    phase: BudgetPhase,
    rest: Duration,
}

#[derive(Clone, Copy, Debug)]
enum BudgetPhase {
    /// Nothing is tried until this time.
    Resting { until: Instant },
    /// The allowance was raised, and the rate follows until this time.
    Settling { until: Instant, before: BeforeRaise },
    /// The rate is measured from this time on, at which this many bytes were received.
    Measuring { from: Instant, received: u64, before: Option<BeforeRaise> },
}

/// The allowance, and the rate in bytes a second, before the allowance was raised.
#[derive(Clone, Copy, Debug)]
struct BeforeRaise {
    allowance: u64,
    rate: f64,
}

impl Budget {
    /// A budget of `memory` bytes for pieces of `piece_length` bytes.
    pub fn new(memory: u64, piece_length: u32, now: Instant) -> Budget {
        Self::beginning_with(INITIAL_ALLOWANCE, INITIAL_PIECES, memory, piece_length, now)
    }

    /// The same for a download that is written to a stream.
    pub fn of_stream(memory: u64, piece_length: u32, now: Instant) -> Budget {
        Self::beginning_with(STREAM_ALLOWANCE, STREAM_PIECES, memory, piece_length, now)
    }

    fn beginning_with(bytes: u64, pieces: u64, memory: u64, piece_length: u32, now: Instant) -> Budget {
        let pieces = pieces.saturating_mul(piece_length.into());
        let allowance = bytes.max(pieces).min(memory).max(piece_length.into());
        let phase = BudgetPhase::Resting { until: now };
        let (granted, denied_since, share) = (u64::MAX, None, u32::MAX);
        let block = BLOCK_LENGTH.min(piece_length).max(1).into();
        Budget {
            memory,
            block,
            allowance,
            granted,
            is_short: false,
            denied_since,
            share,
            phase,
            rest: FIRST_REST,
        }
    }

    /// Bytes that open and verified pieces may take now.
    pub fn allowance(&self) -> u64 {
        self.allowance.min(self.granted)
    }

    /// Bytes that they would take, if there is memory for them.
    pub fn wanted(&self) -> u64 {
        self.allowance
    }

    /// So many bytes were granted when these were wanted.
    pub fn granted(&mut self, granted: u64, wanted: u64, now: Instant) {
        (self.granted, self.is_short) = (granted, granted < wanted);
        let is_denied = granted == 0 && wanted > 0;
        self.denied_since = is_denied.then(|| self.denied_since.unwrap_or(now));
    }

    /// For how long this torrent has waited for any memory at all, if it does.
    pub fn waits_for_memory(&self, now: Instant) -> Option<Duration> {
        self.denied_since.map(|since| now.saturating_duration_since(since))
    }

    /// How many requests each peer may have on their way.
    pub fn share(&self) -> u32 {
        self.share
    }

    /// Shares three quarters of the allowance out among peers that would have so many requests on their way each.
    /// Those that need less than an equal share leave the rest to the others.
    pub fn share_out(&mut self, mut wanted: Vec<u32>) {
        wanted.sort_unstable();
        // What nobody could use was not claimed, and is there all the same.
        let bytes = if self.is_short { self.allowance() } else { self.allowance };
        let mut left = bytes / 4 * 3 / self.block;
        let mut share = left;
        for (peers, wants) in (1..=wanted.len() as u64).rev().zip(wanted.iter().copied().map(u64::from)) {
            share = left / peers;
            if wants > share {
                break;
            }
            left -= wants;
            // If this was the last one, all of them may want more than we think.
            share = wants + left / wanted.len() as u64;
        }
        self.share = u32::try_from(share).unwrap_or(u32::MAX).max(MIN_REQUESTS);
    }

    /// To be called several times a second. `received` is the number of bytes since the start. `is_short`
    /// says whether peers could take more requests than there is memory for.
    pub fn tick(&mut self, received: u64, is_short: bool, now: Instant) {
        match self.phase {
            BudgetPhase::Resting { until } if now >= until && is_short && self.may_grow() => {
                self.phase = BudgetPhase::Measuring { from: now, received, before: None };
            }
            BudgetPhase::Measuring { from, received: at_start, before }
                if now.saturating_duration_since(from) >= MEASURING_TIME =>
            {
                let seconds = now.saturating_duration_since(from).as_secs_f64();
                let rate = received.saturating_sub(at_start) as f64 / seconds;
                match before {
                    Some(before) if rate < before.rate * MIN_GAIN => {
                        self.allowance = before.allowance;
                        self.phase = BudgetPhase::Resting { until: now + self.rest };
                        self.rest = self.rest.saturating_mul(2).min(MAX_REST);
                    }
                    _ if is_short && self.may_grow() => self.raise(rate, now),
                    _ => self.phase = BudgetPhase::Resting { until: now },
                }
            }
            BudgetPhase::Settling { until, before } if now >= until => {
                self.phase = BudgetPhase::Measuring { from: now, received, before: Some(before) };
            }
            BudgetPhase::Resting { .. } | BudgetPhase::Settling { .. } | BudgetPhase::Measuring { .. } => {}
        }
    }

    /// Whether more would be claimed and could be granted.
    fn may_grow(&self) -> bool {
        self.allowance < self.memory && self.granted >= self.allowance
    }

    fn raise(&mut self, rate: f64, now: Instant) {
        let before = self.allowance;
        let step = if before as f64 > rate * FAR_SECONDS { before / 2 } else { before / 4 };
        // The last step takes the rest with it, if that is too little for a step of its own.
        let last = before.saturating_add(step).saturating_add(before / 4) >= self.memory;
        self.allowance = if last { self.memory } else { before.saturating_add(step) };
        let before = BeforeRaise { allowance: before, rate };
        self.phase = BudgetPhase::Settling { until: now + SETTLING_TIME, before };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The allowances during `seconds`, with a rate that follows from the allowance.
    fn run(seconds: u64, is_short: bool, rate: impl Fn(u64) -> f64) -> Vec<u64> {
        let start = Instant::now();
        let mut budget = Budget::new(32 << 20, 1 << 20, start);
        let (mut received, mut seen) = (0.0, vec![budget.allowance()]);
        for tick in 1..=seconds * 4 {
            received += rate(budget.allowance()) / 4.0;
            budget.tick(received as u64, is_short, start + Duration::from_millis(tick * 250));
            seen.push(budget.allowance());
        }
        seen
    }

    #[test]
    fn where_memory_makes_it_faster_all_of_it_is_used() {
        let seen = run(20, true, |allowance| allowance as f64 * 2.0);
        assert_eq!(seen.last(), Some(&(32 << 20)));
        assert!(seen.is_sorted());
    }

    #[test]
    fn where_memory_does_not_make_it_faster_the_allowance_goes_back() {
        let seen = run(30, true, |_| 1e9);
        assert_eq!(seen.iter().max(), Some(&((10 << 20) * 5 / 4)));
        let raised = seen.iter().filter(|allowance| **allowance > 10 << 20).count();
        assert!(raised < seen.len() / 3, "{raised} of {}", seen.len());
    }

    #[test]
    fn nothing_is_tried_where_no_peer_is_short_and_never_more_than_the_budget() {
        assert!(run(30, false, |allowance| allowance as f64).iter().all(|allowance| *allowance == 10 << 20));
        let small = Budget::new(4 << 20, 1 << 20, Instant::now());
        assert_eq!(small.allowance(), 4 << 20);
        let long = Budget::new(64 << 20, 16 << 20, Instant::now());
        assert_eq!(long.allowance(), 64 << 20, "four pieces");
        assert_eq!(Budget::new(32 << 20, 16 << 20, Instant::now()).allowance(), 32 << 20);
        let stream = |piece: u32| Budget::of_stream(32 << 20, piece << 20, Instant::now()).allowance() >> 20;
        assert_eq!([1, 2, 4, 8, 32].map(stream), [6, 6, 8, 16, 32], "two pieces");
    }

    #[test]
    fn what_slow_peers_do_not_need_the_others_get() {
        // Three quarters of 10 MiB are 480 blocks.
        let share = |wanted: &[u32]| {
            let mut budget = Budget::new(32 << 20, 1 << 20, Instant::now());
            budget.share_out(wanted.to_vec());
            budget.share()
        };
        assert_eq!(share(&[1000, 1000, 1000, 1000]), 120);
        assert_eq!(share(&[1000, 20, 20, 1000]), 220);
        assert_eq!(share(&[1000; 400]), MIN_REQUESTS);
        assert_eq!(share(&[30, 30, 30]), 160, "all may want more than we think");
        assert_eq!(share(&[]), 480);
    }

    #[test]
    fn where_pieces_are_short_what_is_left_of_a_small_torrent_is_many_requests() {
        let now = Instant::now();
        let mut budget = Budget::new(32 << 20, 64, now);
        let left = 400_000;
        budget.granted(left, 2 * left, now);
        budget.share_out(vec![1000]);
        assert_eq!(budget.share(), 4687);
    }

    #[test]
    fn what_was_not_claimed_for_want_of_use_is_shared_out_all_the_same() {
        let now = Instant::now();
        let mut budget = Budget::new(32 << 20, 1 << 20, now);
        for (granted, wanted, share) in [(0, 0, 480), (1 << 20, 1 << 20, 480), (1 << 20, 2 << 20, 48)] {
            budget.granted(granted, wanted, now);
            budget.share_out(Vec::new());
            assert_eq!(budget.share(), share, "{granted} of {wanted}");
        }
    }
}
