//! How many peers we upload to at once: what the upload rate suggests, and more where more are of use.
//!
//! Runs on the coordinator's thread, and sees bytes and time only.
//!
//! [`unchoke_slots`](super::unchoke_slots) takes the rate for what our line can send. Where each peer takes less than
//! its share of that, the rate is only what these few peers take, and the rule would hold us to it: four peers that
//! take 15 kB/s each are 60 kB/s, for which four slots are right. So while others wait, we *try* half as many slots
//! again, and keep them if the total grew by more than half of what it would if the new peers took as much as the
//! others do. Then twice as many are tried, and so on, up to the point where each has enough. If the total did not
//! grow, our line is the limit: the slots are taken back, since few slots make whole pieces pass on sooner, and the
//! next trial comes after a pause, which doubles. Slots that were found so are tried for in the other direction as
//! well: a third of them is taken away, for good if next to nothing was lost by it.
//!
//! While something is missing it is the same with the slots that nobody has a claim to, since no other peer gives us
//! anything for them. If the line is full, who had one would take from those that give.

use super::choker::MAX_SLOTS;
use std::time::{Duration, Instant};

/// A peer that was unchoked now has been sent something by then.
const SETTLING: Duration = Duration::from_secs(2);
/// The choker takes slots away in its rounds, of which there is one every ten seconds.
const SETTLING_WITH_FEWER: Duration = Duration::from_secs(12);
/// How long the rate is measured.
const WINDOW: Duration = Duration::from_secs(4);
/// The pause after a trial that did not help, at first and at the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(480);
/// What of the growth that more slots promise has to come.
const LEAST_GAIN: f64 = 0.5;
/// What of the loss that fewer slots threaten may come.
const MOST_LOSS: f64 = 0.2;
/// A rate is steady if it has not grown by more than this since the last window.
const STEADY: f64 = 1.1;
/// Up to this number slots are tried however little each of them sends...
const FEW: usize = 8;
/// ...and more of them only while each sends so much, in bytes a second. Where other torrents or programs share the line,
/// more slots always bring us more, at their cost. So there has to be an end.
const LEAST_EACH: f64 = 8.0 * 1024.0;
/// While we seed, more slots are tried only while each sends less than this, in bytes a second. Where each sends more,
/// the rule gives more than eight, which is as many as other clients have.
const MOST_EACH: f64 = 32.0 * 1024.0;
/// From this share of the user's limit on, the limit is reached.
const AT_LIMIT: f64 = 0.9;

/// How we upload now.
#[derive(Clone, Copy, Debug)]
pub struct Uploading {
    /// Slots that the rule gives, or that there is a claim to.
    pub by_rule: usize,
    /// Whether everything is there.
    pub seeding: bool,
    /// Peers that want one and may have it.
    pub wanted: usize,
    /// Peers that are served now. For a few seconds they may be more than there are slots.
    pub served: usize,
    /// Bytes that were sent in all.
    pub sent: u64,
    /// The user's limit in bytes a second.
    pub limit: Option<u64>,
}

/// Finds how many peers we upload to at once.
#[derive(Debug)]
pub struct SlotCount {
    /// Slots that were found by trying, or are tried now. They count where they are more than the rule gives.
    found: usize,
    trial: Option<Trial>,
    /// When the running measurement begins, and how much was sent up to then, once it has begun.
    from: Instant,
    sent_before: Option<u64>,
    /// The last rate that was measured without a trial.
    last_rate: Option<f64>,
    fewer_next: bool,
    pause: Duration,
    next_trial: Instant,
}

/// Another number of slots is tried: what there was before.
#[derive(Clone, Copy, Debug)]
struct Trial {
    slots: usize,
    rate: f64,
}

impl SlotCount {
    /// Nothing is tried yet.
    pub fn new(now: Instant) -> SlotCount {
        SlotCount {
            found: 0,
            trial: None,
            from: now + SETTLING,
            sent_before: None,
            last_rate: None,
            fewer_next: false,
            pause: FIRST_PAUSE,
            next_trial: now,
        }
    }

    /// The number of slots. To be called several times a second.
    pub fn slots(&mut self, state: Uploading, now: Instant) -> usize {
        if self.trial.is_none() && state.served > state.by_rule.max(self.found) {
            // What they take is no measure of what the slots bring.
            (self.last_rate, self.sent_before) = (None, None);
            self.from = self.from.max(now);
        } else if now >= self.from {
            let before = *self.sent_before.get_or_insert_with(|| {
                self.from = now;
                state.sent
            });
            let time = now.saturating_duration_since(self.from);
            if time >= WINDOW {
                let rate = state.sent.saturating_sub(before) as f64 / time.as_secs_f64();
                let settling = self.measured(rate, state, now);
                self.from = now + settling;
                self.sent_before = None;
            }
        }
        state.by_rule.max(self.found)
    }

    /// A window is over, in which this was the rate. How long to wait for the next window.
    fn measured(&mut self, rate: f64, state: Uploading, now: Instant) -> Duration {
        let slots = state.by_rule.max(self.found).min(state.wanted);
        if let Some(trial) = self.trial.take() {
            return self.judge(trial, slots, rate, state, now);
        }
        let is_steady = self.last_rate.is_some_and(|last| rate <= last * STEADY);
        let best = self.last_rate.map_or(rate, |last| rate.max(last));
        self.last_rate = Some(rate);
        let now = Trial { slots, rate: best };
        match is_steady && rate > 0.0 && self.next_trial <= self.from {
            false => Duration::ZERO,
            true if self.fewer_next && slots > state.by_rule => self.try_fewer(now, state),
            true => self.try_more(now, slots / 2, state),
        }
    }

    /// Keeps what was tried, or takes it back.
    fn judge(&mut self, trial: Trial, slots: usize, rate: f64, state: Uploading, now: Instant) -> Duration {
        let in_proportion = trial.rate * slots as f64 / trial.slots.max(1) as f64;
        let is_more = slots > trial.slots;
        let is_better = if is_more {
            rate - trial.rate >= (in_proportion - trial.rate) * LEAST_GAIN
        } else {
            trial.rate - rate <= (trial.rate - in_proportion) * MOST_LOSS
        };
        self.last_rate = None;
        match (is_more, is_better) {
            (true, true) => {
                self.pause = FIRST_PAUSE;
                return self.try_more(Trial { slots, rate }, slots, state);
            }
            (false, true) if slots > state.by_rule => {
                return self.try_fewer(Trial { slots, rate: rate.max(trial.rate) }, state);
            }
            (_, true) => {}
            (_, false) => self.found = trial.slots,
        }
        self.fewer_next = is_more;
        self.next_trial = now + self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        if is_more { SETTLING_WITH_FEWER } else { SETTLING }
    }

    /// Tries so many slots more, if there are peers for them and the user's limit leaves room.
    fn try_more(&mut self, now: Trial, more: usize, state: Uploading) -> Duration {
        let has_room = state.limit.is_none_or(|limit| now.rate < limit as f64 * AT_LIMIT);
        let most = if now.rate >= now.slots as f64 * LEAST_EACH { MAX_SLOTS } else { FEW };
        let slots = now.slots.saturating_add(more.max(1)).min(state.wanted).min(most);
        let is_fast = state.seeding && now.rate >= now.slots as f64 * MOST_EACH;
        if !has_room || is_fast || slots <= now.slots {
            self.fewer_next = true;
            return Duration::ZERO;
        }
        self.found = slots;
        self.trial = Some(now);
        SETTLING
    }

    /// Tries a third less.
    fn try_fewer(&mut self, now: Trial, state: Uploading) -> Duration {
        self.found = now.slots.saturating_sub((now.slots / 3).max(1)).max(state.by_rule);
        self.trial = Some(now);
        SETTLING_WITH_FEWER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line that sends so much, and peers of which each takes so much at the most, in bytes a second.
    struct Line {
        count: SlotCount,
        capacity: f64,
        each: f64,
        state: Uploading,
        now: Instant,
    }

    impl Line {
        fn new(capacity: f64, peers: usize, each: f64) -> Line {
            let now = Instant::now();
            let state =
                Uploading { by_rule: 4, seeding: true, wanted: peers, served: 0, sent: 0, limit: None };
            Line { count: SlotCount::new(now), capacity, each, state, now }
        }

        /// The most and the mean number of slots in this time.
        fn live(&mut self, seconds: u32) -> (usize, f64) {
            let (mut most, mut sum) = (0, 0);
            for _ in 0..seconds * 4 {
                self.now += Duration::from_millis(250);
                let slots = self.count.slots(self.state, self.now);
                let rate = (self.each * slots.min(self.state.wanted) as f64).min(self.capacity);
                self.state.sent += (rate / 4.0) as u64;
                self.state.served = slots.min(self.state.wanted);
                (most, sum) = (most.max(slots), sum + slots);
            }
            (most, sum as f64 / f64::from(seconds * 4))
        }

        fn slots(&mut self) -> usize {
            self.count.slots(self.state, self.now)
        }
    }

    #[test]
    fn where_each_peer_takes_little_all_get_a_slot_within_a_minute() {
        let mut line = Line::new(1e9, 40, 15_000.0);
        line.live(60);
        assert_eq!(line.slots(), 40);
        // They have it most of the time from then on.
        let (most, mean) = line.live(3600);
        assert!(most == 40 && mean > 38.0, "{most} {mean}");
    }

    #[test]
    fn a_full_line_keeps_the_slots_of_the_rule_but_for_rare_trials() {
        assert_eq!(Line::new(200_000.0, 50, 1e6).live(3600), (4, 4.0), "each has enough");
        let (most, mean) = Line::new(100_000.0, 50, 1e6).live(3600);
        assert!(most <= 6 && mean < 4.2, "{most} {mean}");
    }

    #[test]
    fn as_many_slots_are_found_as_fill_the_line() {
        let mut line = Line::new(200_000.0, 50, 10_000.0);
        line.live(300);
        let (most, mean) = line.live(3600);
        assert!((16.0..32.0).contains(&mean) && most <= 50, "{most} {mean}");
    }

    #[test]
    fn slots_that_are_of_no_use_any_more_are_given_up() {
        let mut line = Line::new(600_000.0, 40, 15_000.0);
        line.live(120);
        assert_eq!(line.slots(), 40);
        // Faster peers have come in their place.
        line.each = 500_000.0;
        line.live(1200);
        let (_, mean) = line.live(600);
        assert!(mean < 6.0, "{mean}");
    }

    #[test]
    fn where_others_share_the_line_and_more_slots_always_bring_more_there_is_an_end() {
        let mut line = Line::new(1e9, 100, 15_000.0);
        for _ in 0..3600 {
            // A line of 400 kB/s on which somebody else has fifty connections.
            line.each = 400_000.0 / (50.0 + line.slots() as f64);
            line.live(1);
        }
        assert!(line.slots() <= 8, "{}", line.slots());
    }

    #[test]
    fn nothing_is_tried_at_the_users_limit_nor_without_a_peer_that_waits() {
        let mut line = Line::new(200_000.0, 50, 1e6);
        line.state.limit = Some(200_000);
        assert_eq!(line.live(3600), (4, 4.0));
        assert_eq!(Line::new(1e9, 4, 1000.0).live(3600), (4, 4.0));
        assert_eq!(Line::new(1e9, 0, 0.0).live(3600), (4, 4.0));
        assert_eq!(Line::new(1e9, 50, 0.0).live(3600), (4, 4.0), "nobody takes anything");
    }
}
