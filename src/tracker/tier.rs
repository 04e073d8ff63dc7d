//! Which tracker of a tier to ask, when, and what to say.
//!
//! Pure: the time and the random numbers are arguments. A tier is a list of trackers that can replace each
//! other (BEP 12). They are shuffled once. The first tracker that answers moves to the front and is asked
//! from then on. When it fails, the next one is asked at once. Only when all of them have failed does the
//! tier wait, longer each time.
//!
//! Events are kept for each tracker and not for the tier: a tracker that has never heard `started` from us
//! must not get `completed`, and only trackers that know us are told when we leave.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::address::TrackerAddress;
use super::announce::AnnounceEvent;
use super::answer::Answer;

/// Trackers of one tier that are asked. Without a limit a torrent could make its users send requests to many
/// hosts.
const MAX_TRACKERS: usize = 32;

/// The time after which an early announce is allowed if the tracker names a shorter one or none.
const MIN_WAIT: Duration = Duration::from_secs(60);

/// The wait after all trackers of the tier have failed. It doubles each time that they do.
const FIRST_BACK_OFF: Duration = Duration::from_secs(15);

/// The longest such wait, which is also the common interval between announces.
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
    due: Instant,
    /// Before this time only an event is a reason to announce.
    earliest: Instant,
    /// How many times in a row all of them have failed.
    failed_rounds: u32,
    /// The download is complete, which each tracker should hear once.
    completed: bool,
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
}

impl Tier {
    /// A tier of these trackers, the first of which is due now. Each tracker is in it once, no matter how
    /// many times it is named, and there are 32 at most. `None` if there are none.
    pub fn new(addresses: Vec<TrackerAddress>, now: Instant, random: &mut Rng) -> Option<Tier> {
        let mut known = HashSet::new();
        let mut trackers: Vec<TierTracker> = addresses
            .into_iter()
            .filter(|address| known.insert(address.secret_text().to_owned()))
            .map(|address| TierTracker { address, started: false, completed: false, id: None })
            .collect();
        random.shuffle(&mut trackers);
        trackers.truncate(MAX_TRACKERS);
        let mut trackers = trackers.into_iter();
        let (first, others) = (trackers.next()?, trackers.collect());
        Some(Tier { first, others, current: 0, due: now, earliest: now, failed_rounds: 0, completed: false })
    }

    /// When the next announce is due.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// The tracker to ask next, and what to say.
    pub fn turn(&self) -> Turn<'_> {
        let other = self.current.checked_sub(1).and_then(|at| self.others.get(at));
        let tracker = other.unwrap_or(&self.first);
        tracker.turn(self.event(tracker))
    }

    fn trackers(&self) -> impl Iterator<Item = &TierTracker> {
        std::iter::once(&self.first).chain(&self.others)
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

    /// The tracker that was due has answered: it moves to the front, and is due again after its interval.
    pub fn answered(&mut self, answer: &Answer, now: Instant) {
        self.failed_rounds = 0;
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
        let shortest = answer.min_interval.unwrap_or_default().max(MIN_WAIT);
        self.earliest = now + shortest;
        self.due = now + answer.interval.max(shortest);
        self.hurry_for_an_event(now);
    }

    /// The tracker that was due has not answered, or has refused: the next one is due at once, or after a
    /// wait if all have failed.
    pub fn failed(&mut self, now: Instant, random: &mut Rng) {
        self.due = now;
        self.current += 1;
        if self.current <= self.others.len() {
            return;
        }
        self.current = 0;
        let doubled =
            FIRST_BACK_OFF.saturating_mul(1_u32.checked_shl(self.failed_rounds).unwrap_or(u32::MAX));
        self.failed_rounds = self.failed_rounds.saturating_add(1).min(31);
        // Up to a quarter more or less, so that clients that lost a tracker at the same moment do not all
        // come back at the same moment.
        self.due += doubled.min(MAX_BACK_OFF).mul_f64(0.75 + 0.5 * random.f64());
    }

    /// Peers run short: announces as soon as the tracker allows it. A tier whose trackers have all failed
    /// still waits for its time.
    pub fn need_peers(&mut self, now: Instant) {
        if self.failed_rounds == 0 {
            self.due = self.due.min(self.earliest.max(now));
        }
    }

    /// The download is complete: announces that at once, or, if all trackers of the tier have failed, with
    /// the next announce.
    pub fn completed(&mut self, now: Instant) {
        self.completed = true;
        self.hurry_for_an_event(now);
    }

    fn hurry_for_an_event(&mut self, now: Instant) {
        let waiting = self.turn().event.is_some();
        if waiting && self.failed_rounds == 0 {
            self.due = self.due.min(now);
        }
    }

    /// The announces that tell the trackers that know us that we leave, the one to the tracker that answered
    /// last first.
    pub fn stopped_turns(&self) -> impl Iterator<Item = Turn<'_>> {
        let known = self.trackers().filter(|tracker| tracker.started);
        known.map(|tracker| tracker.turn(Some(AnnounceEvent::Stopped)))
    }
}

impl TierTracker {
    fn turn(&self, event: Option<AnnounceEvent>) -> Turn<'_> {
        Turn { tracker: &self.address, event, tracker_id: self.id.as_deref() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// A tier of trackers a, b, c, ..., and the order in which it asks them.
    fn tier(names: &str, now: Instant, random: &mut Rng) -> Tier {
        let addresses = names.chars().map(|name| TrackerAddress::new(&format!("http://{name}/"))).collect();
        Tier::new(addresses, now, random).unwrap()
    }

    fn host(tier: &Tier) -> String {
        tier.turn().tracker.host().to_owned()
    }

    fn event(tier: &Tier) -> Option<AnnounceEvent> {
        tier.turn().event
    }

    fn answer(text: &str) -> Answer {
        Answer::parse(format!("d{text}e").as_bytes()).unwrap()
    }

    #[test]
    fn the_trackers_of_a_tier_are_shuffled() {
        let now = Instant::now();
        let mut random = Rng::with_seed(1);
        let firsts: HashSet<String> = (0..100).map(|_| host(&tier("abc", now, &mut random))).collect();
        assert_eq!(firsts.len(), 3);
    }

    #[test]
    fn a_tracker_that_is_named_twice_is_asked_once_and_the_number_is_bounded() {
        let now = Instant::now();
        let mut random = Rng::with_seed(1);
        assert_eq!(tier("aaab", now, &mut random).trackers().count(), 2);
        let many = (0..1_000).map(|port| TrackerAddress::new(&format!("http://a:{port}/"))).collect();
        assert_eq!(Tier::new(many, now, &mut random).unwrap().trackers().count(), MAX_TRACKERS);
        assert!(Tier::new(Vec::new(), now, &mut random).is_none());
    }

    #[test]
    fn the_next_tracker_is_due_at_once_and_the_one_that_answers_moves_to_the_front() {
        let mut now = Instant::now();
        let mut random = Rng::with_seed(7);
        let mut tier = tier("abcd", now, &mut random);
        let order: Vec<String> = tier.trackers().map(|one| one.address.host().to_owned()).collect();
        for expected in order.iter().take(2) {
            assert_eq!((host(&tier), tier.due()), (expected.clone(), now));
            tier.failed(now, &mut random);
        }
        assert_eq!((host(&tier), tier.due()), (order[2].clone(), now));
        tier.answered(&answer("8:intervali600e"), now);
        assert_eq!((host(&tier), tier.due()), (order[2].clone(), now + 10 * MINUTE));

        // When it fails later, the others follow in the order that they had before.
        now += 10 * MINUTE;
        tier.failed(now, &mut random);
        assert_eq!((host(&tier), tier.due()), (order[0].clone(), now));
        tier.failed(now, &mut random);
        assert_eq!((host(&tier), tier.due()), (order[1].clone(), now));
    }

    #[test]
    fn the_wait_doubles_each_time_that_all_have_failed_up_to_half_an_hour() {
        let mut now = Instant::now();
        let mut random = Rng::with_seed(3);
        let mut tier = tier("ab", now, &mut random);
        for seconds in [15, 30, 60, 120, 240, 480, 960, 1_800, 1_800] {
            tier.failed(now, &mut random);
            assert_eq!(tier.due(), now);
            tier.failed(now, &mut random);
            let wait = (tier.due() - now).as_secs_f64();
            let expected = f64::from(seconds);
            assert!(wait >= expected * 0.75 && wait <= expected * 1.25, "{wait} is not about {seconds}");
            now = tier.due();
        }
        for _ in 0..200 {
            tier.failed(now, &mut random);
        }
        tier.answered(&answer("8:intervali600e"), now);
        for _ in 0..2 {
            tier.failed(now, &mut random);
        }
        assert!(tier.due() - now < MINUTE, "an answer resets the wait");
    }

    #[test]
    fn peers_are_asked_for_early_but_not_before_the_minimum() {
        let now = Instant::now();
        let mut random = Rng::with_seed(3);
        let mut tier = tier("a", now, &mut random);
        for (given, minimum) in [
            ("8:intervali1800e12:min intervali300e", 5 * MINUTE),
            ("8:intervali1800e12:min intervali1e", MINUTE),
            ("8:intervali1800e", MINUTE),
        ] {
            tier.answered(&answer(given), now);
            assert_eq!(tier.due(), now + 30 * MINUTE);
            tier.need_peers(now);
            assert_eq!(tier.due(), now + minimum, "{given}");
            tier.need_peers(now + 40 * MINUTE);
            assert_eq!(tier.due(), now + minimum, "what is due is not put off");
        }
        tier.answered(&answer("8:intervali60e12:min intervali900e"), now);
        assert_eq!(tier.due(), now + 15 * MINUTE, "the minimum holds for the ordinary announce too");
    }

    #[test]
    fn a_tier_that_has_failed_is_not_hurried() {
        let now = Instant::now();
        let mut random = Rng::with_seed(3);
        let mut tier = tier("a", now, &mut random);
        tier.failed(now, &mut random);
        let due = tier.due();
        tier.need_peers(now);
        tier.completed(now);
        assert_eq!(tier.due(), due);
    }

    #[test]
    fn each_tracker_hears_started_then_completed_once() {
        let now = Instant::now();
        let mut random = Rng::with_seed(3);
        let mut tier = tier("ab", now, &mut random);
        let hour = answer("8:intervali3600e10:tracker id1:x");
        assert_eq!(event(&tier), Some(AnnounceEvent::Started));
        assert_eq!(tier.stopped_turns().count(), 0);
        tier.answered(&hour, now);
        assert_eq!((event(&tier), tier.due()), (None, now + 60 * MINUTE));
        assert_eq!(tier.stopped_turns().count(), 1);
        assert_eq!(tier.turn().tracker_id, Some(b"x".as_slice()));

        tier.completed(now);
        assert_eq!((event(&tier), tier.due()), (Some(AnnounceEvent::Completed), now));
        tier.answered(&answer("8:intervali3600e"), now);
        assert_eq!((event(&tier), tier.due()), (None, now + 60 * MINUTE));
        assert_eq!(tier.turn().tracker_id, Some(b"x".as_slice()), "an answer without an id keeps it");

        // The second tracker gets both, one right after the other, when it takes over.
        tier.failed(now, &mut random);
        assert_eq!(event(&tier), Some(AnnounceEvent::Started));
        assert_eq!(tier.turn().tracker_id, None);
        tier.answered(&hour, now);
        assert_eq!((event(&tier), tier.due()), (Some(AnnounceEvent::Completed), now));
        tier.answered(&hour, now);
        assert_eq!((event(&tier), tier.due()), (None, now + 60 * MINUTE));
        assert_eq!(tier.stopped_turns().count(), 2);
    }
}
