//! Which tracker of a tier to ask, when, and what to say.
//!
//! Pure: the time and the random numbers are arguments. A tier is a list of trackers that can replace each
//! other (BEP 12). They are shuffled once. The first tracker that answers moves to the front and is asked
//! from then on, at the pace that it sets (the file `pace.rs`). When it fails, the next one is asked at once.
//! Only when all of them have failed does the tier wait, longer each time. The first time round, the more trackers there
//! are behind a silent one, the shorter it is waited for: lists of a hundred trackers are common, most of which are dead.
//! A tracker that says when it may be asked again, or never, is obeyed (BEP 31).
//!
//! Events are kept for each tracker and not for the tier: a tracker that has never heard `started` from us
//! must not get `completed`, and only trackers that know us are told when we leave.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::address::{Protocol, TrackerAddress};
use super::announce::AnnounceEvent;
use super::answer::Answer;
use super::error::{RetryIn, TrackerError};
use super::pace::Pace;
use crate::chance;
use crate::strategy::{Interruption, Supply};

/// Trackers of one tier that are asked. Without a limit a torrent could make its users send requests to any number of
/// hosts; but the one that lives may be the last one of a long list.
const MAX_TRACKERS: usize = 1_000;

/// The first time round, before any tracker has answered, so much is shared by the one that is asked and those behind
/// it, and each gets this at least. The next time there is time enough.
const FIRST_ROUND: Duration = Duration::from_secs(20);
const LEAST_PATIENCE: Duration = Duration::from_secs(4);

/// The wait after all trackers of the tier have failed. It doubles each time that they do.
const FIRST_BACK_OFF: Duration = Duration::from_secs(15);

/// The same before any of them has answered: a server that just starts, or a network that is not up yet. The
/// second wait is as long, and then they double.
const FIRST_BACK_OFF_AT_START: Duration = Duration::from_secs(5);

/// The shortest wait after a refusal: what a tracker has decided, it will not decide otherwise so soon. One of the first
/// round may be of the moment: the server has just started, or has too much to do.
const AFTER_A_REFUSAL: Duration = Duration::from_secs(60);
const AFTER_THE_FIRST_REFUSAL: Duration = Duration::from_secs(15);

/// The longest wait after failures, which is also the common interval between announces.
const MAX_BACK_OFF: Duration = Duration::from_secs(30 * 60);

/// One tier of trackers.
#[derive(Debug)]
pub struct Tier {
    /// The trackers in the order in which they are asked: the first one, and the others.
    first: TierTracker,
    others: Vec<TierTracker>,
    /// The position of the tracker to ask next: 0 is the first.
    current: usize,
    /// When to ask it.
    next: NextAnnounce,
    /// How well we are supplied with peers.
    supply: Supply,
    /// Early announces in a row.
    early: u32,
    /// How many times in a row all of them have failed.
    failed_rounds: u32,
    /// One has answered since the start, or since an interruption.
    settled: bool,
    /// The download is complete, which each tracker should hear once.
    completed: bool,
}

/// When to ask the tracker whose turn it is.
#[derive(Debug)]
enum NextAnnounce {
    /// Then, whatever happens.
    At(Instant),
    /// It has answered, and says itself when to come back.
    Paced(Pace),
    /// All trackers of the tier want to be left alone.
    Never,
}

/// The tracker to ask next, and what to say besides [`Counts`](super::Counts).
#[derive(Clone, Copy, Debug)]
pub struct Turn<'a> {
    /// The tracker to ask.
    pub tracker: &'a TrackerAddress,
    /// Why, unless the interval has passed.
    pub event: Option<AnnounceEvent>,
    /// The tracker id that it wants to see.
    pub tracker_id: Option<&'a [u8]>,
}

/// One tracker of the tier, and what it has heard from us.
#[derive(Debug)]
struct TierTracker {
    address: TrackerAddress,
    /// It has answered `started`, so it knows us.
    started: bool,
    /// It has answered `completed`.
    completed: bool,
    /// The tracker id that it wants to see in the next announce.
    id: Option<Vec<u8>>,
    /// It wants to be left alone until then, or for good (BEP 31).
    rest: Rest,
}

/// Until when a tracker is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rest {
    Until(Instant),
    ForGood,
}

impl Tier {
    /// A tier of these trackers, the first of which is due now. Each tracker is in it once, no matter how
    /// many times it is named, and there are 1,000 at most. `None` if there are none.
    pub fn new(addresses: Vec<TrackerAddress>, now: Instant, random: &mut Rng) -> Option<Tier> {
        let mut known = HashSet::new();
        let rest = Rest::Until(now);
        let mut trackers: Vec<TierTracker> = addresses
            .into_iter()
            .filter(|address| known.insert(address.secret_text().to_owned()))
            .map(|address| TierTracker { address, started: false, completed: false, id: None, rest })
            .collect();
        chance::shuffle(&mut trackers, random);
        trackers.truncate(MAX_TRACKERS);
        let mut trackers = trackers.into_iter();
        let (first, others) = (trackers.next()?, trackers.collect());
        Some(Tier {
            first,
            others,
            current: 0,
            next: NextAnnounce::At(now),
            supply: Supply::Nobody,
            early: 0,
            failed_rounds: 0,
            settled: false,
            completed: false,
        })
    }

    /// When the next announce is due. `None` if all trackers of the tier want to be left alone.
    pub fn due(&self) -> Option<Instant> {
        match &self.next {
            NextAnnounce::At(due) => Some(*due),
            NextAnnounce::Paced(pace) => Some(pace.due(self.supply)),
            NextAnnounce::Never => None,
        }
    }

    /// The tracker to ask next, and what to say.
    pub fn turn(&self) -> Turn<'_> {
        let other = self.current.checked_sub(1).and_then(|at| self.others.get(at));
        let tracker = other.unwrap_or(&self.first);
        tracker.turn(self.event(tracker))
    }

    /// How long to wait for the answer of the tracker that is asked next, if not as long as any exchange may take.
    pub fn patience(&self) -> Option<Duration> {
        let behind = u32::try_from(self.others.len().saturating_sub(self.current)).unwrap_or(u32::MAX);
        let share = FIRST_ROUND.checked_div(behind.saturating_add(1)).unwrap_or(FIRST_ROUND);
        (self.is_first_round() && behind > 0).then(|| share.max(LEAST_PATIENCE))
    }

    /// Whether none has answered since the start, and not all of them have failed.
    fn is_first_round(&self) -> bool {
        !self.settled && self.failed_rounds == 0
    }

    fn trackers(&self) -> impl Iterator<Item = &TierTracker> {
        std::iter::once(&self.first).chain(&self.others)
    }

    fn trackers_mut(&mut self) -> impl Iterator<Item = &mut TierTracker> {
        std::iter::once(&mut self.first).chain(&mut self.others)
    }

    /// Moves the tracker whose turn it is to the front. The others keep their order.
    fn move_to_front(&mut self) {
        if let Some(at) = self.current.checked_sub(1)
            && let Some(passed) = self.others.get_mut(..=at)
        {
            passed.rotate_right(1);
            if let Some(current) = passed.first_mut() {
                std::mem::swap(current, &mut self.first);
            }
        }
        self.current = 0;
    }

    fn event(&self, tracker: &TierTracker) -> Option<AnnounceEvent> {
        match (tracker.started, self.completed && !tracker.completed) {
            (false, _) => Some(AnnounceEvent::Started),
            (true, true) => Some(AnnounceEvent::Completed),
            (true, false) => None,
        }
    }

    /// The tracker that was due has answered: it moves to the front, and its pace says when it is due again.
    pub fn answered(&mut self, answer: &Answer, now: Instant) {
        self.count_early(now);
        (self.failed_rounds, self.settled) = (0, true);
        let heard = self.turn().event;
        self.move_to_front();
        let tracker = &mut self.first;
        match heard {
            Some(AnnounceEvent::Started) => tracker.started = true,
            Some(AnnounceEvent::Completed) => tracker.completed = true,
            Some(AnnounceEvent::Stopped) | None => {}
        }
        if answer.tracker_id.is_some() {
            tracker.id.clone_from(&answer.tracker_id);
        }
        let protocol = tracker.address.protocol().unwrap_or(Protocol::Udp);
        self.next = NextAnnounce::Paced(Pace::new(protocol, answer, self.early, now));
        self.hurry_for_an_event(now);
    }

    /// The tracker that was due has not answered, or has refused: the next one is due at once, or after a
    /// wait if all have failed. A tracker that says when it may be asked again is left alone until then
    /// (BEP 31).
    pub fn failed(&mut self, error: &TrackerError, now: Instant, random: &mut Rng) {
        self.count_early(now);
        let rest = match error {
            TrackerError::RefusedFor(_, RetryIn::Time(time)) => Rest::Until(now + *time),
            TrackerError::RefusedFor(_, RetryIn::Never) => Rest::ForGood,
            TrackerError::Refused(_) if self.is_first_round() => Rest::Until(now + AFTER_THE_FIRST_REFUSAL),
            TrackerError::Refused(_) => Rest::Until(now + AFTER_A_REFUSAL),
            _ => Rest::Until(now),
        };
        let current = self.current;
        self.trackers_mut().skip(current).take(1).for_each(|tracker| tracker.rest = rest);
        let can_be_asked = |tracker: &TierTracker| tracker.rest <= Rest::Until(now);
        let other = self.trackers().skip(current + 1).position(can_be_asked);
        match other {
            Some(place) => {
                self.current = current + 1 + place;
                self.next = NextAnnounce::At(now);
            }
            None => self.round_failed(now, random),
        }
    }

    /// All trackers that can be asked have failed.
    fn round_failed(&mut self, now: Instant, random: &mut Rng) {
        // Some more or less, so that clients that lost a tracker at the same moment do not all come back at
        // the same moment. At the start there is no such moment.
        let (first, doublings, spread) = match self.settled {
            true => (FIRST_BACK_OFF, self.failed_rounds, 0.25),
            false => (FIRST_BACK_OFF_AT_START, self.failed_rounds.saturating_sub(1), 0.1),
        };
        let wait = first.saturating_mul(2_u32.saturating_pow(doublings)).min(MAX_BACK_OFF);
        self.failed_rounds = self.failed_rounds.saturating_add(1);
        self.wait_until(now + wait.mul_f64(1.0 - spread + 2.0 * spread * random.f64()));
    }

    /// Notes whether the announce whose outcome is known now was an early one.
    fn count_early(&mut self, now: Instant) {
        if let NextAnnounce::Paced(pace) = &self.next {
            self.early = pace.early_when_asked(self.supply, now);
        }
    }

    /// How well we are supplied with peers from now on. Without any, the next announce is due as soon as the
    /// tracker allows it. A tier whose trackers have all failed still waits for its time.
    pub fn supply(&mut self, supply: Supply) {
        self.supply = supply;
    }

    /// The host was suspended, so that more time has passed than it seems; or it has another address now,
    /// which trackers are to know. What has failed may work now, and is due at once.
    pub fn interrupted(&mut self, interruption: Interruption, now: Instant) {
        (self.settled, self.failed_rounds) = (false, 0);
        if let Interruption::Slept(time) = interruption {
            self.early = 0;
            self.trackers_mut().for_each(|tracker| tracker.rest.slept(time));
        }
        match (&mut self.next, interruption) {
            (NextAnnounce::Paced(pace), Interruption::Slept(time)) => pace.slept(time),
            (NextAnnounce::Paced(pace), _) => pace.moved(),
            (NextAnnounce::At(_), _) => self.wait_until(now),
            (NextAnnounce::Never, _) => {}
        }
    }

    /// Waits until then, and longer if all trackers want that.
    fn wait_until(&mut self, time: Instant) {
        let rests = self.trackers().map(|tracker| tracker.rest.max(Rest::Until(time)));
        (self.next, self.current) = match rests.enumerate().map(|(at, rest)| (rest, at)).min() {
            Some((Rest::Until(due), at)) => (NextAnnounce::At(due), at),
            _ => (NextAnnounce::Never, 0),
        };
    }

    /// The download is complete: announces that at once, or, if all trackers of the tier have failed, with
    /// the next announce.
    pub fn completed(&mut self, now: Instant) {
        self.completed = true;
        self.hurry_for_an_event(now);
    }

    fn hurry_for_an_event(&mut self, now: Instant) {
        if self.turn().event.is_some() && matches!(self.next, NextAnnounce::Paced(_)) {
            self.next = NextAnnounce::At(now);
        }
    }

    /// The announces that tell the trackers that know us that we leave, the one to the tracker that answered
    /// last first.
    pub fn stopped_turns(&self) -> impl Iterator<Item = Turn<'_>> {
        let known = self.trackers().filter(|tracker| tracker.started);
        known.map(|tracker| tracker.turn(Some(AnnounceEvent::Stopped)))
    }
}

impl Rest {
    /// The host was suspended for so long.
    fn slept(&mut self, time: Duration) {
        if let Rest::Until(end) = self {
            *end = end.checked_sub(time).unwrap_or(*end);
        }
    }
}

impl TierTracker {
    fn turn(&self, event: Option<AnnounceEvent>) -> Turn<'_> {
        Turn { tracker: &self.address, event, tracker_id: self.id.as_deref() }
    }
}

#[cfg(test)]
mod tests;
