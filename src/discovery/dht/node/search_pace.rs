//! When the next lookup for a torrent runs.
//!
//! Pure. A lookup costs some twenty nodes a packet each. Every quarter of an hour is often enough to find who
//! came in the meantime, and to renew our announce, which nodes forget after half an hour. If nobody sends us
//! anything, lookups run at growing distances, so that two peers that start together find each other soon and
//! a torrent that nobody shares any more is not looked for without end.

use crate::strategy::Supply;
use std::time::{Duration, Instant};

/// The wait while we are well supplied with peers, and the longest.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// The waits while nobody sends us anything, in seconds: after the first lookup, the second, and so on.
const WAITS: [u64; 6] = [5, 15, 30, 60, 120, 300];
/// The shortest wait while a few peers send us something.
const THIN: Duration = Duration::from_secs(60);
/// If we were well supplied for so long, the waits are short again.
const SETTLED: Duration = Duration::from_secs(5 * 60);

/// The pace of the lookups for one torrent.
#[derive(Debug)]
pub(super) struct SearchPace {
    supply: Supply,
    /// Since when the supply has been good.
    good_since: Option<Instant>,
    /// When the last lookup ended.
    ended: Option<Instant>,
    /// How many there were since the waits were short.
    steps: usize,
    /// When the next lookup runs, if that is before its time.
    hurried: Option<Instant>,
}

impl SearchPace {
    /// The first lookup is due now. As long as nobody says otherwise, there are no peers.
    pub fn new(now: Instant) -> SearchPace {
        SearchPace { supply: Supply::Nobody, good_since: None, ended: None, steps: 0, hurried: Some(now) }
    }

    /// When the next lookup is due.
    pub fn due(&self) -> Option<Instant> {
        let grown = self.steps.checked_sub(1).and_then(|step| WAITS.get(step));
        let grown = grown.map_or(LONGEST, |seconds| Duration::from_secs(*seconds));
        let wait = match self.supply {
            Supply::Nobody => grown,
            Supply::Thin => grown.max(THIN),
            Supply::Good => LONGEST,
        };
        self.ended.map(|ended| ended + wait).into_iter().chain(self.hurried).min()
    }

    /// How well we are supplied with peers from now on.
    pub fn supply(&mut self, supply: Supply, now: Instant) {
        let was_good = self.good_since.is_some_and(|since| now.saturating_duration_since(since) >= SETTLED);
        if supply == Supply::Good {
            self.good_since.get_or_insert(now);
        } else {
            if was_good {
                // As after a first lookup: the next is due five seconds after the last one.
                self.steps = 1;
            }
            self.good_since = None;
        }
        self.supply = supply;
    }

    /// A lookup begins.
    pub fn begins(&mut self) {
        self.hurried = None;
    }

    /// A lookup is over.
    pub fn ended(&mut self, now: Instant) {
        self.ended = Some(now);
        self.steps = self.steps.saturating_add(1);
    }

    /// The next lookup is due when this time has passed since the last one.
    pub fn hurry(&mut self, wait: Duration, now: Instant) {
        let soonest = self.ended.map_or(now, |ended| now.max(ended + wait));
        self.hurried = Some(self.hurried.map_or(soonest, |before| before.min(soonest)));
    }

    /// All that is known may be wrong: the next lookup is due now, and the waits are short again.
    pub fn restart(&mut self, now: Instant) {
        *self = SearchPace { supply: self.supply, ended: self.ended, ..SearchPace::new(now) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// When lookups begin in an hour, in seconds, if each takes no time and the supply is this one.
    fn times(supply: Supply) -> Vec<u64> {
        let start = Instant::now();
        let (mut pace, mut times) = (SearchPace::new(start), Vec::new());
        pace.supply(supply, start);
        while let Some(due) = pace.due().filter(|due| *due <= start + 3600 * SECOND) {
            times.push((due - start).as_secs());
            pace.begins();
            pace.ended(due);
        }
        times
    }

    #[test]
    fn lookups_run_every_quarter_of_an_hour_or_at_growing_distances() {
        assert_eq!(times(Supply::Good), [0, 900, 1800, 2700, 3600]);
        assert_eq!(times(Supply::Nobody), [0, 5, 20, 50, 110, 230, 530, 1430, 2330, 3230]);
        assert_eq!(times(Supply::Thin), [0, 60, 120, 180, 240, 360, 660, 1560, 2460, 3360]);
    }

    #[test]
    fn the_waits_are_short_again_only_after_a_time_in_which_all_was_well() {
        let start = Instant::now();
        let mut pace = SearchPace::new(start);
        pace.begins();
        (0..9).for_each(|_| pace.ended(start));
        for (good_for, due) in [(10, 900), (250, 900), (300, 5)] {
            pace.supply(Supply::Good, start);
            let now = start + good_for * SECOND;
            pace.supply(Supply::Nobody, now);
            assert_eq!(pace.due(), Some(start + due * SECOND), "good for {good_for} s");
        }
    }

    #[test]
    fn an_interruption_makes_a_lookup_due_at_once() {
        let start = Instant::now();
        let mut pace = SearchPace::new(start);
        pace.begins();
        (0..9).for_each(|_| pace.ended(start));
        pace.supply(Supply::Good, start);
        pace.restart(start + SECOND);
        assert_eq!(pace.due(), Some(start + SECOND));
    }
}
