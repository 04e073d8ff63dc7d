//! How long an address waits after a failure before it is tried again.
//!
//! The wait grows with every failure in a row, so that no address is hammered. How long it is also depends
//! on how badly we need peers. While only a handful are connected, every peer counts: one that was just
//! starting when we tried it first must not stay untried for long. So the first wait is little more than a
//! second, and each further one is half as long again: whoever appears late is found in half of the time that
//! it was late. When there are plenty, nothing is urgent: ten seconds, then thirty, and so on.
//!
//! A peer that the user or the magnet link names is another matter. It is no hearsay, it is often the only one,
//! and often it is started after us. So it is tried every few seconds for the first minutes, however many peers
//! there are.
//!
//! The need may change while an address waits. So both times are computed when the attempt fails, and the
//! current need picks one of them.

use std::time::{Duration, Instant};

/// With fewer connected peers than this, peers are needed badly.
const ENOUGH_PEERS: usize = 5;
/// The shortest first wait while peers are needed badly. The longest is half as long again.
pub(super) const FIRST_URGENT_WAIT: Duration = Duration::from_secs(1);
/// The factor by which each further wait is longer, while peers are needed badly.
const URGENT_GROWTH: f64 = 1.5;
/// The first wait while there are plenty of peers, give or take a quarter.
pub(super) const FIRST_RELAXED_WAIT: Duration = Duration::from_secs(10);
/// The factor by which each further wait is longer, while there are plenty of peers.
const RELAXED_GROWTH: f64 = 3.0;
/// The first wait of an address that seems to lead to a peer with which we are connected at another one. It doubles
/// with each further one. If we are wrong, somebody else is there, so it is not left alone for ever.
const SECOND_WAY_WAIT: Duration = Duration::from_secs(120);
const SECOND_WAY_GROWTH: f64 = 2.0;
/// Waits grow no further than this, give or take a quarter.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(15 * 60);
/// While there are plenty of peers, the wait of a peer that was useful is divided by this.
const USEFUL_DIVISOR: u32 = 5;

/// The factor by which each wait of a peer that was named is longer, once it has failed for minutes.
const NAMED_GROWTH: f64 = 2.0;
/// The first waits of a peer that was named; the last of them is that of all further ones...
const NAMED_WAITS: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(3), Duration::from_secs(5)];
/// ...for so many failures in a row. From then on the wait doubles...
const NAMED_FAILURES: u32 = 40;
/// ...up to this.
const MAX_NAMED_WAIT: Duration = Duration::from_secs(60);

/// What a connection that failed or ended says about the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptFailure {
    /// The address did not answer. It may answer later.
    Unreachable,
    /// The peer answered, and the connection was closed or reset before the peer had sent anything that we
    /// asked for. The first time this may be an accident: the peer was just starting, or both sides
    /// connected to each other at once and both connections were closed.
    ClosedEarly,
    /// The peer closed it without a word, likely since we are connected with it at another of its addresses.
    SecondWay,
    /// The peer sent what we asked for, and then the connection ended. It may well work again soon.
    Ended,
    /// The peer did harm, is this program itself, or is of no use. We never connect to it again.
    Banned,
}

/// How badly we need peers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Need {
    /// Fewer than a handful are connected, as at the start.
    #[default]
    Urgent,
    /// There are plenty.
    Relaxed,
}

impl Need {
    /// The need of a torrent with this many connected peers.
    pub fn of(connected: usize) -> Need {
        if connected < ENOUGH_PEERS { Need::Urgent } else { Need::Relaxed }
    }
}

/// When an address may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RetryTimes {
    urgent: Instant,
    relaxed: Instant,
    /// It is to be tried at once, the other way, plain or encrypted.
    pub otherwise: bool,
}

impl RetryTimes {
    /// At once.
    pub fn now(now: Instant) -> RetryTimes {
        RetryTimes { urgent: now, relaxed: now, otherwise: false }
    }

    /// At once, the other way.
    pub fn otherwise(now: Instant) -> RetryTimes {
        RetryTimes { otherwise: true, ..RetryTimes::now(now) }
    }

    /// After a failure. `failures` is the number of failures in a row, with this one.
    pub fn after(
        failure: AttemptFailure,
        failures: u32,
        now: Instant,
        random: &mut fastrand::Rng,
    ) -> RetryTimes {
        // Random, so that peers that were lost together are not all tried again together, and so that two
        // clients that closed each other's connection do not collide again.
        let chance = random.f64();
        let urgent = grown(FIRST_URGENT_WAIT, URGENT_GROWTH, failures);
        let urgent = urgent.mul_f64(1.0 + chance / 2.0);
        let relaxed = grown(FIRST_RELAXED_WAIT, RELAXED_GROWTH, failures).mul_f64(0.75 + chance / 2.0);
        let relaxed = match failure {
            AttemptFailure::ClosedEarly if failures <= 1 => urgent,
            AttemptFailure::Ended => relaxed / USEFUL_DIVISOR,
            AttemptFailure::SecondWay => return RetryTimes::of_second_way(failures, now, chance),
            AttemptFailure::ClosedEarly | AttemptFailure::Unreachable | AttemptFailure::Banned => relaxed,
        };
        RetryTimes { urgent: now + urgent.min(relaxed), relaxed: now + relaxed, otherwise: false }
    }

    /// After a failure of a peer that the user or the magnet link named.
    pub fn of_named(failures: u32, now: Instant, random: &mut fastrand::Rng) -> RetryTimes {
        let [.., steady] = NAMED_WAITS;
        let first = NAMED_WAITS.get(failures.saturating_sub(1) as usize).copied().unwrap_or(steady);
        let wait = grown(first, NAMED_GROWTH, failures.saturating_sub(NAMED_FAILURES).saturating_add(1));
        let at = now + wait.min(MAX_NAMED_WAIT).mul_f64(0.9 + random.f64() / 5.0);
        RetryTimes::now(at)
    }

    /// After so many failures in a row of an address that seems to be a second way to a peer.
    fn of_second_way(failures: u32, now: Instant, chance: f64) -> RetryTimes {
        let wait = grown(SECOND_WAY_WAIT, SECOND_WAY_GROWTH, failures);
        RetryTimes::now(now + wait.mul_f64(0.75 + chance / 2.0))
    }

    /// The time that counts at this need.
    pub fn due(self, need: Need) -> Instant {
        match need {
            Need::Urgent => self.urgent,
            Need::Relaxed => self.relaxed,
        }
    }
}

/// `first`, grown once for every failure after the first.
fn grown(first: Duration, growth: f64, failures: u32) -> Duration {
    // The bound keeps the numbers finite; the waits have long stopped growing then.
    let times = failures.saturating_sub(1).min(30).cast_signed();
    first.mul_f64(growth.powi(times)).min(MAX_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The waits after one failure, two in a row, and so on, in seconds.
    fn waits(failure: AttemptFailure, need: Need) -> Vec<f64> {
        let (now, mut random) = (Instant::now(), fastrand::Rng::with_seed(4));
        let wait = |failures| RetryTimes::after(failure, failures, now, &mut random).due(need) - now;
        (1..=40).map(wait).map(|wait| wait.as_secs_f64()).collect()
    }

    #[test]
    fn while_peers_are_needed_the_waits_begin_at_a_second_and_grow_by_half() {
        for failure in [AttemptFailure::Unreachable, AttemptFailure::ClosedEarly] {
            let waits = waits(failure, Need::Urgent);
            for (wait, shortest) in waits.iter().zip([1.0, 1.5, 2.25, 3.375, 5.0625, 7.59375, 11.390625]) {
                assert!((shortest..=1.5 * shortest).contains(wait), "{waits:?}");
            }
        }
    }

    #[test]
    fn where_there_are_plenty_of_peers_the_waits_are_longer() {
        let waits = waits(AttemptFailure::Unreachable, Need::Relaxed);
        for (wait, mean) in waits.iter().zip([10.0, 30.0, 90.0, 270.0, 810.0]) {
            assert!((0.75 * mean..=1.25 * mean).contains(wait), "{waits:?}");
        }
    }

    #[test]
    fn no_wait_is_longer_than_a_quarter_of_an_hour_and_a_bit() {
        for need in [Need::Urgent, Need::Relaxed] {
            let waits = waits(AttemptFailure::Unreachable, need);
            assert!(waits.iter().all(|wait| *wait <= MAX_WAIT.as_secs_f64() * 1.25), "{waits:?}");
            let late = waits.iter().skip(20).all(|wait| *wait >= MAX_WAIT.as_secs_f64() * 0.75);
            assert!(late, "an address that keeps failing is hardly tried at all: {waits:?}");
        }
    }

    #[test]
    fn one_early_close_is_an_accident_at_any_need_and_two_are_not() {
        let waits = waits(AttemptFailure::ClosedEarly, Need::Relaxed);
        assert!((1.0..=2.0).contains(&waits[0]) && waits[1] >= 22.5, "{waits:?}");
    }

    #[test]
    fn a_peer_that_was_useful_is_tried_again_soon() {
        assert!(waits(AttemptFailure::Ended, Need::Relaxed)[0] <= 2.5);
        assert!(waits(AttemptFailure::Ended, Need::Urgent)[0] <= 2.0);
    }

    #[test]
    fn to_need_peers_badly_never_makes_a_wait_longer() {
        let (now, mut random) = (Instant::now(), fastrand::Rng::with_seed(5));
        for failure in [AttemptFailure::Unreachable, AttemptFailure::ClosedEarly, AttemptFailure::Ended] {
            for failures in 0..60 {
                let times = RetryTimes::after(failure, failures, now, &mut random);
                assert!(times.due(Need::Urgent) <= times.due(Need::Relaxed));
                assert!(times.due(Need::Urgent) > now);
            }
        }
    }

    #[test]
    fn a_named_peer_is_tried_every_few_seconds_for_minutes_and_then_once_a_minute() {
        let (now, mut random) = (Instant::now(), fastrand::Rng::with_seed(6));
        let mut wait = |failures| {
            let times = RetryTimes::of_named(failures, now, &mut random);
            assert_eq!(times.due(Need::Urgent), times.due(Need::Relaxed));
            (times.due(Need::Urgent) - now).as_secs_f64()
        };
        let waits: Vec<f64> = (1..=100).map(&mut wait).collect();
        let means = [1.0, 2.0, 3.0].into_iter().chain([5.0; 37]).chain([10.0, 20.0, 40.0]).chain([60.0; 57]);
        for (wait, mean) in waits.iter().zip(means) {
            assert!((0.9 * mean..=1.1 * mean).contains(wait), "{waits:?}");
        }
        assert!(wait(u32::MAX) <= 66.0);
    }

    #[test]
    fn fewer_than_five_are_a_handful() {
        assert_eq!([0, 4, 5, 100].map(Need::of), [Need::Urgent, Need::Urgent, Need::Relaxed, Need::Relaxed]);
        assert_eq!(Need::default(), Need::Urgent);
    }
}
