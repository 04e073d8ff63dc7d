//! When the next line of one torrent is due where no terminal is: at most one a minute, and only where something has
//! changed. Whoever reads a log reads it long after, and cron sends it by mail.

use std::time::{Duration, Instant};

/// The least time between two lines that say how far something is.
pub const MINUTE: Duration = Duration::from_secs(60);
/// So much more has to be done, in hundredths.
const STEP: u64 = 10;
/// A seed that changes nothing says so as often as this.
const HOUR: Duration = Duration::from_secs(3600);

/// What was said last, and when.
#[derive(Debug)]
pub struct Pace {
    at: Instant,
    /// How much was done then, in hundredths. `None` where the next line does not wait for more.
    percent: Option<u64>,
    /// The words that were said last about what is in the way.
    trouble: Option<String>,
    /// Something was said.
    has_begun: bool,
}

impl Pace {
    pub fn new(now: Instant) -> Pace {
        Pace { at: now, percent: None, trouble: None, has_begun: false }
    }

    /// Whether nothing was said yet. From now on something was.
    pub fn begins(&mut self, percent: u64, now: Instant) -> bool {
        let begins = !std::mem::replace(&mut self.has_begun, true);
        if begins {
            (self.at, self.percent) = (now, Some(percent));
        }
        begins
    }

    /// Whether a line is due that says that so much is done.
    pub fn is_due(&mut self, percent: u64, now: Instant) -> bool {
        let is_more = self.percent.is_none_or(|said| percent >= said.saturating_add(STEP) || percent < said);
        let due = is_more && self.is_a_minute_ago(now);
        if due {
            (self.at, self.percent) = (now, Some(percent));
        }
        due
    }

    /// Whether a line is due about what is in the way now: where that is another kind of trouble, at once; where only
    /// its words are others, after a minute. Once nothing is in the way, the next line waits for no more than a minute.
    pub fn hears(&mut self, trouble: Option<&str>, is_new_kind: bool, now: Instant) -> bool {
        let Some(trouble) = trouble else {
            if self.trouble.take().is_some() {
                self.percent = None;
            }
            return false;
        };
        let is_new = self.trouble.as_deref() != Some(trouble);
        let due = is_new && (is_new_kind || self.trouble.is_none() || self.is_a_minute_ago(now));
        if due {
            (self.at, self.trouble) = (now, Some(trouble.to_owned()));
        }
        due
    }

    /// Whether a line is due of what has no end: when it has changed, and once an hour.
    pub fn is_due_again(&mut self, has_changed: bool, now: Instant) -> bool {
        let due =
            (has_changed && self.is_a_minute_ago(now)) || now.saturating_duration_since(self.at) >= HOUR;
        if due {
            self.at = now;
        }
        due
    }

    fn is_a_minute_ago(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) >= MINUTE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(from: Instant, seconds: u64) -> Instant {
        from + Duration::from_secs(seconds)
    }

    #[test]
    fn a_line_comes_each_minute_or_each_tenth_whichever_is_later() {
        let start = Instant::now();
        // A hundredth a second, then one a minute.
        for (pause, lines) in [(1, 1), (10, 9), (60, 9)] {
            let mut pace = Pace::new(start);
            assert!(pace.begins(0, start) && !pace.begins(0, start));
            let said = (0..100).filter(|percent| pace.is_due(*percent, seconds(start, percent * pause)));
            assert_eq!(said.count(), lines, "{pause}");
        }
    }

    #[test]
    fn what_is_in_the_way_is_said_once_and_other_words_for_it_after_a_minute() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert!(pace.hears(Some("a"), true, seconds(start, 10)));
        for second in 11..3600 {
            assert!(!pace.hears(Some("a"), false, seconds(start, second)));
        }
        assert!(pace.hears(Some("b"), true, seconds(start, 3600)));
        assert!(!pace.hears(Some("c"), false, seconds(start, 3601)));
        assert!(pace.hears(Some("c"), false, seconds(start, 3660)));
        assert!(!pace.hears(None, false, seconds(start, 3661)));
        assert!(pace.hears(Some("c"), true, seconds(start, 3662)));
    }

    #[test]
    fn after_a_trouble_a_line_waits_for_a_minute_and_not_for_a_tenth() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.begins(31, start);
        assert!(!pace.is_due(32, seconds(start, 100)));
        assert!(pace.hears(Some("a"), true, seconds(start, 110)));
        pace.hears(None, false, seconds(start, 120));
        assert!(!pace.is_due(32, seconds(start, 121)));
        assert!(pace.is_due(32, seconds(start, 170)));
    }

    #[test]
    fn a_seed_speaks_when_something_has_changed_and_once_an_hour() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let said = (0..24 * 3600).filter(|second| pace.is_due_again(false, seconds(start, *second)));
        assert_eq!(said.count(), 23);
        let mut pace = Pace::new(start);
        assert!(!pace.is_due_again(true, seconds(start, 59)) && pace.is_due_again(true, seconds(start, 60)));
        assert!(!pace.is_due_again(true, seconds(start, 61)));
    }
}
