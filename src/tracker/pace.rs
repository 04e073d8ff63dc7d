//! When a tracker that has answered is asked again.
//!
//! Pure. A tracker names an *interval*, and that is when it is asked, in a healthy swarm of any size. It may
//! be asked early only if we lack peers, and then at growing distances, so that a torrent that nobody shares
//! any more costs its tracker little more than one that is well:
//!
//! - Over HTTP a client may ask early if it needs peers (BEP 3), but not before the *min interval*. If nobody
//!   sends us anything, we ask after one minute, or after the min interval if that is longer. If a few do and
//!   most addresses were dead, after five.
//! - Over UDP a client should wait for the interval unless an event has occurred (BEP 15). It counts as one
//!   that not a single address of the answer is of any use: otherwise a torrent whose first list is stale
//!   would stand for half an hour. Even then we wait for five minutes, the shortest distance at which the most
//!   common library announces by itself, so that trackers are used to it.
//!
//! A new address of ours is told at once, before the min interval too: peers that the tracker sends to the old one find
//! nobody. The tracker knows us by `key`. An address that changes again and again is told once a minute.
//!
//! Each early announce in a row doubles the wait, up to the interval. With the usual half hour that makes at
//! most five over HTTP and three over UDP, whatever comes and goes: only an announce at the ordinary time, in
//! a swarm that is well, makes the next wait short again.

use std::time::{Duration, Instant};

use super::address::Protocol;
use super::answer::Answer;
use crate::strategy::Supply;

/// The shortest time between two announces, whatever a tracker says.
const SHORTEST: Duration = Duration::from_secs(60);

/// The wait before a tracker hears of a new address, the first time. It doubles as that of other early announces, up to
/// the shortest time.
const AFTER_A_MOVE: Duration = Duration::from_secs(5);

/// The first wait before an early announce, unless the tracker names a longer one.
const SOON: Duration = Duration::from_secs(60);

/// The same where a few peers send us something, and over UDP.
const LATER: Duration = Duration::from_secs(5 * 60);

/// The time of the next announce to a tracker, which depends on how well we are supplied with peers.
#[derive(Debug)]
pub struct Pace {
    protocol: Protocol,
    /// When it answered last.
    answered: Instant,
    /// The times that have to pass before an early announce and before an ordinary one.
    shortest: Duration,
    interval: Duration,
    /// Early announces in a row, up to its last answer.
    early: u32,
    /// It knows us by an address that we do not have any more.
    moved: bool,
}

impl Pace {
    /// The tracker has answered. `early` is what [`Pace::early_when_asked`] was.
    pub fn new(protocol: Protocol, answer: &Answer, early: u32, now: Instant) -> Pace {
        let shortest = answer.min_interval.unwrap_or_default().max(SHORTEST);
        let interval = answer.interval.max(shortest);
        Pace { protocol, answered: now, shortest, interval, early, moved: false }
    }

    /// When the tracker is asked again if nothing else happens.
    pub fn due(&self, supply: Supply) -> Instant {
        let first = match (supply, self.protocol) {
            _ if self.moved => {
                let wait = AFTER_A_MOVE.saturating_mul(2_u32.saturating_pow(self.early));
                return self.answered + wait.min(SHORTEST);
            }
            (Supply::Nobody, Protocol::Http) => SOON,
            (Supply::Nobody, Protocol::Udp) | (Supply::Thin, Protocol::Http) => LATER,
            (Supply::Thin, Protocol::Udp) | (Supply::Good, _) => self.interval,
        };
        let grown = first.saturating_mul(2_u32.saturating_pow(self.early));
        self.answered + grown.max(self.shortest).min(self.interval)
    }

    /// How many early announces in a row there have been with the one that is made now.
    pub fn early_when_asked(&self, supply: Supply, now: Instant) -> u32 {
        if now < self.answered + self.interval {
            self.early.saturating_add(1)
        } else if supply == Supply::Good {
            0
        } else {
            self.early
        }
    }

    /// The host was suspended for so long. For the tracker that time has passed.
    pub fn slept(&mut self, time: Duration) {
        self.answered = self.answered.checked_sub(time).unwrap_or(self.answered);
        self.early = 0;
    }

    /// We leave by another address now, which the tracker is to know.
    pub fn moved(&mut self) {
        self.moved = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60;

    /// When a tracker is asked in two hours if the supply is this one all the time, in seconds.
    fn times(protocol: Protocol, answer: &str, supply: Supply) -> Vec<u64> {
        let start = Instant::now();
        let answer = Answer::parse(answer.as_bytes()).unwrap();
        let (mut pace, mut times) = (Pace::new(protocol, &answer, 0, start), vec![0]);
        loop {
            let due = pace.due(supply);
            if due - start > Duration::from_secs(120 * MINUTE) {
                return times;
            }
            times.push((due - start).as_secs());
            pace = Pace::new(protocol, &answer, pace.early_when_asked(supply, due), due);
        }
    }

    const HALF_AN_HOUR: &str = "d8:intervali1800ee";

    #[test]
    fn the_interval_holds_while_we_are_well_supplied() {
        for protocol in [Protocol::Http, Protocol::Udp] {
            let half_hours = [0, 30, 60, 90, 120].map(|minutes| minutes * MINUTE);
            assert_eq!(times(protocol, HALF_AN_HOUR, Supply::Good), half_hours);
        }
    }

    #[test]
    fn early_announces_come_at_growing_distances_and_end_with_the_interval() {
        let nobody = [0, 60, 180, 420, 900, 1860, 3660, 5460];
        assert_eq!(times(Protocol::Http, HALF_AN_HOUR, Supply::Nobody), nobody);
        let later = [0, 300, 900, 2100, 3900, 5700];
        assert_eq!(times(Protocol::Udp, HALF_AN_HOUR, Supply::Nobody), later);
        assert_eq!(times(Protocol::Http, HALF_AN_HOUR, Supply::Thin), later);
        let half_hours = [0, 1800, 3600, 5400, 7200];
        assert_eq!(times(Protocol::Udp, HALF_AN_HOUR, Supply::Thin), half_hours);
    }

    #[test]
    fn no_announce_comes_before_the_minimum() {
        let minimum = "d8:intervali1800e12:min intervali900ee";
        assert_eq!(times(Protocol::Http, minimum, Supply::Nobody)[..4], [0, 900, 1800, 2700]);
        let tiny = "d8:intervali1800e12:min intervali1ee";
        assert_eq!(times(Protocol::Http, tiny, Supply::Nobody)[..3], [0, 60, 180]);
        let above = "d8:intervali60e12:min intervali900ee";
        assert_eq!(times(Protocol::Http, above, Supply::Good)[..3], [0, 900, 1800]);
    }

    #[test]
    fn a_supply_that_comes_and_goes_makes_no_wait_short_again() {
        let now = Instant::now();
        let answer = Answer::parse(HALF_AN_HOUR.as_bytes()).unwrap();
        let pace = Pace::new(Protocol::Http, &answer, 3, now);
        let minute = Duration::from_secs(MINUTE);
        assert_eq!(pace.early_when_asked(Supply::Good, now + 9 * minute), 4);
        assert_eq!(pace.early_when_asked(Supply::Nobody, now + 30 * minute), 3);
        assert_eq!(pace.early_when_asked(Supply::Good, now + 30 * minute), 0);
    }

    #[test]
    fn time_asleep_counts_and_a_new_address_is_told_at_once_but_not_each_of_many() {
        let now = Instant::now();
        let answer = Answer::parse(b"d8:intervali1800e12:min intervali900ee").unwrap();
        let mut pace = Pace::new(Protocol::Udp, &answer, 3, now);
        pace.slept(Duration::from_secs(8 * 60 * MINUTE));
        assert!(pace.due(Supply::Good) < now);
        for (early, seconds) in [(0, 5), (1, 10), (2, 20), (3, 40), (4, 60), (99, 60)] {
            let mut pace = Pace::new(Protocol::Udp, &answer, early, now);
            pace.moved();
            assert_eq!(pace.due(Supply::Good), now + Duration::from_secs(seconds), "{early} early ones");
        }
    }
}
