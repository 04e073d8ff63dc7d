use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// A tier of trackers a, b, c, ..., and the order in which it asks them.
fn tier(names: &str, now: Instant, random: &mut Rng) -> Tier {
    let addresses = names.chars().map(|name| TrackerAddress::new(&format!("http://{name}/"))).collect();
    Tier::new(addresses, now, random).unwrap()
}

fn silence() -> TrackerError {
    TrackerError::TimedOut { awaited: "answer", seconds: 30 }
}

fn due(tier: &Tier) -> Instant {
    tier.due().unwrap()
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
    let many = (0..2_000).map(|port| TrackerAddress::new(&format!("http://a:{port}/"))).collect();
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
        assert_eq!((host(&tier), due(&tier)), (expected.clone(), now));
        tier.failed(&silence(), now, &mut random);
    }
    assert_eq!((host(&tier), due(&tier)), (order[2].clone(), now));
    tier.answered(&answer("8:intervali600e"), now);
    tier.supply(Supply::Good);
    assert_eq!((host(&tier), due(&tier)), (order[2].clone(), now + 10 * MINUTE));

    // When it fails later, the others follow in the order that they had before.
    now += 10 * MINUTE;
    tier.failed(&silence(), now, &mut random);
    assert_eq!((host(&tier), due(&tier)), (order[0].clone(), now));
    tier.failed(&silence(), now, &mut random);
    assert_eq!((host(&tier), due(&tier)), (order[1].clone(), now));
}

#[test]
fn the_more_trackers_are_behind_a_silent_one_the_shorter_it_is_waited_for_the_first_time() {
    let now = Instant::now();
    let mut random = Rng::with_seed(7);
    let mut many = tier("abcdefgh", now, &mut random);
    let mut waits = Vec::new();
    for _ in 0..8 {
        waits.push(many.patience().map(|wait| wait.as_secs()));
        many.failed(&silence(), now, &mut random);
    }
    let expected = [4, 4, 4, 4, 5, 6, 10].map(Some);
    assert_eq!(waits, [&expected[..], &[None]].concat(), "the last one has all the time");
    assert_eq!(many.patience(), None, "and each of them in the second round");
    let mut good = tier("abcdefgh", now, &mut random);
    good.answered(&answer("8:intervali600e"), now);
    assert_eq!(good.patience(), None, "it has answered before");
    assert_eq!(tier("a", now, &mut random).patience(), None);
}

/// The waits after all trackers have failed once, twice, and so on, in seconds.
fn back_offs(tier: &mut Tier, mut now: Instant, random: &mut Rng, count: usize) -> Vec<f64> {
    let mut waits = Vec::new();
    for _ in 0..count {
        let trackers = tier.trackers().count();
        for _ in 0..trackers {
            assert!(due(tier) <= now);
            tier.failed(&silence(), now, random);
        }
        waits.push((due(tier) - now).as_secs_f64());
        now = due(tier);
    }
    waits
}

fn assert_about(waits: &[f64], expected: &[u32]) {
    assert_eq!(waits.len(), expected.len());
    for (wait, expected) in waits.iter().zip(expected) {
        let expected = f64::from(*expected);
        assert!(*wait >= expected * 0.75 && *wait <= expected * 1.25, "{waits:?}: {expected}");
    }
}

#[test]
fn a_tier_that_fails_at_the_start_is_tried_again_soon_and_then_less_and_less_often() {
    let now = Instant::now();
    let mut random = Rng::with_seed(3);
    let mut tier = tier("ab", now, &mut random);
    let waits = back_offs(&mut tier, now, &mut random, 12);
    assert_about(&waits, &[5, 5, 10, 20, 40, 80, 160, 320, 640, 1_280, 1_800, 1_800]);
}

#[test]
fn the_wait_after_an_answer_is_longer_and_doubles_up_to_half_an_hour() {
    let now = Instant::now();
    let mut random = Rng::with_seed(3);
    let mut tier = tier("ab", now, &mut random);
    tier.answered(&answer("8:intervali600e"), now);
    let later = due(&tier);
    let waits = back_offs(&mut tier, later, &mut random, 200);
    assert_about(&waits[..9], &[15, 30, 60, 120, 240, 480, 960, 1_800, 1_800]);
    let later = due(&tier);
    tier.answered(&answer("8:intervali600e"), later);
    let waits = back_offs(&mut tier, later + 10 * MINUTE, &mut random, 1);
    assert_about(&waits, &[15]);
}

#[test]
fn the_supply_of_peers_decides_when_the_next_announce_is_due() {
    let mut now = Instant::now();
    let mut random = Rng::with_seed(3);
    let mut tier = tier("a", now, &mut random);
    let half_an_hour = answer("8:intervali1800e");
    tier.answered(&half_an_hour, now);
    for (supply, minutes) in [(Supply::Nobody, 1), (Supply::Thin, 5), (Supply::Good, 30)] {
        tier.supply(supply);
        assert_eq!(due(&tier), now + minutes * MINUTE, "{supply:?}");
    }
    tier.supply(Supply::Nobody);
    for minutes in [1, 2, 4, 8, 16, 30, 30] {
        assert_eq!(due(&tier), now + minutes * MINUTE);
        now = due(&tier);
        tier.answered(&half_an_hour, now);
    }
    // Peers that come and go change nothing; half an hour in which all is well does.
    tier.supply(Supply::Good);
    tier.supply(Supply::Nobody);
    assert_eq!(due(&tier), now + 30 * MINUTE);
    tier.supply(Supply::Good);
    tier.answered(&half_an_hour, due(&tier));
    tier.supply(Supply::Nobody);
    assert_eq!(due(&tier), now + 31 * MINUTE);
}

#[test]
fn an_early_announce_that_fails_counts_as_one() {
    let now = Instant::now();
    let mut random = Rng::with_seed(3);
    let mut tier = tier("ab", now, &mut random);
    let half_an_hour = answer("8:intervali1800e");
    tier.answered(&half_an_hour, now);
    tier.failed(&silence(), now + MINUTE, &mut random);
    tier.answered(&half_an_hour, now + MINUTE);
    assert_eq!(due(&tier), now + 3 * MINUTE);
}

#[test]
fn a_tier_that_has_failed_is_not_hurried() {
    let now = Instant::now();
    let mut random = Rng::with_seed(3);
    let mut tier = tier("a", now, &mut random);
    tier.failed(&silence(), now, &mut random);
    let before = due(&tier);
    tier.supply(Supply::Nobody);
    tier.completed(now);
    assert_eq!(due(&tier), before);
}

#[test]
fn a_tracker_that_says_when_to_come_back_is_left_alone_until_then() {
    let now = Instant::now();
    let mut random = Rng::with_seed(3);
    let mut tier = tier("ab", now, &mut random);
    let first = host(&tier);
    let refusal = |retry_in| TrackerError::RefusedFor("no".into(), retry_in);
    tier.failed(&refusal(RetryIn::Time(15 * MINUTE)), now, &mut random);
    // The other one is tried again and again meanwhile.
    while due(&tier) < now + 15 * MINUTE {
        assert_ne!(host(&tier), first, "{:?}", due(&tier) - now);
        tier.failed(&silence(), due(&tier), &mut random);
    }
    let time = due(&tier);
    assert_eq!(host(&tier), first);
    tier.failed(&refusal(RetryIn::Never), time, &mut random);
    assert_ne!(host(&tier), first);
    tier.failed(&refusal(RetryIn::Never), time, &mut random);
    assert_eq!(tier.due(), None);
    tier.supply(Supply::Nobody);
    tier.completed(time);
    tier.interrupted(Interruption::NewNetwork, time);
    tier.interrupted(Interruption::Slept(60 * MINUTE), time);
    assert_eq!(tier.due(), None);
}

#[test]
fn a_tracker_that_refuses_is_asked_again_soon_the_first_time_and_then_after_a_minute() {
    let mut now = Instant::now();
    let mut random = Rng::with_seed(3);
    let mut tier = tier("a", now, &mut random);
    let refusal = TrackerError::Refused("unregistered torrent".into());
    for seconds in [15, 60, 60] {
        tier.failed(&refusal, now, &mut random);
        assert_eq!(due(&tier), now + Duration::from_secs(seconds));
        now = due(&tier);
    }
    tier.answered(&answer("8:intervali1800e"), now);
    tier.failed(&refusal, now, &mut random);
    assert_eq!(due(&tier), now + MINUTE, "it has known us");
}

#[test]
fn while_a_tracker_that_refuses_is_left_alone_the_others_are_asked() {
    let now = Instant::now();
    let mut random = Rng::with_seed(3);
    let mut tier = tier("ab", now, &mut random);
    tier.failed(&silence(), now, &mut random);
    tier.failed(&silence(), now, &mut random);
    let (now, first) = (due(&tier), host(&tier));
    tier.failed(&TrackerError::Refused("unregistered torrent".into()), now, &mut random);
    let mut others = 0;
    while due(&tier) < now + MINUTE {
        assert_ne!(host(&tier), first, "{:?}", due(&tier) - now);
        tier.failed(&silence(), due(&tier), &mut random);
        others += 1;
    }
    assert!(others >= 4, "{others}");
    assert_eq!(host(&tier), first);
}

#[test]
fn after_a_suspension_a_tier_is_due_by_real_time() {
    let now = Instant::now();
    let mut random = Rng::with_seed(3);
    let mut tier = tier("a", now, &mut random);
    tier.answered(&answer("8:intervali1800e"), now);
    tier.supply(Supply::Good);
    tier.interrupted(Interruption::Slept(10 * MINUTE), now);
    assert_eq!(due(&tier), now + 20 * MINUTE);
    tier.interrupted(Interruption::Slept(8 * 60 * MINUTE), now);
    assert!(due(&tier) < now);
    // The network is not up yet.
    let waits = back_offs(&mut tier, now, &mut random, 3);
    assert_about(&waits, &[5, 5, 10]);
}

#[test]
fn in_a_new_network_a_tier_is_due_soon_after_the_last_answer_or_at_once() {
    let now = Instant::now();
    let mut random = Rng::with_seed(3);
    let mut tier = tier("a", now, &mut random);
    tier.answered(&answer("8:intervali1800e12:min intervali900e"), now);
    tier.supply(Supply::Good);
    tier.interrupted(Interruption::NewNetwork, now);
    assert_eq!(due(&tier), now + Duration::from_secs(5));
    for _ in 0..5 {
        tier.failed(&silence(), due(&tier), &mut random);
    }
    let now = now + 20 * MINUTE;
    tier.interrupted(Interruption::NewNetwork, now);
    assert_eq!(due(&tier), now);
}

#[test]
fn each_tracker_hears_started_then_completed_once() {
    let now = Instant::now();
    let mut random = Rng::with_seed(3);
    let mut tier = tier("ab", now, &mut random);
    tier.supply(Supply::Good);
    let hour = answer("8:intervali3600e10:tracker id1:x");
    assert_eq!(event(&tier), Some(AnnounceEvent::Started));
    assert_eq!(tier.stopped_turns().count(), 0);
    tier.answered(&hour, now);
    assert_eq!((event(&tier), due(&tier)), (None, now + 60 * MINUTE));
    assert_eq!(tier.stopped_turns().count(), 1);
    assert_eq!(tier.turn().tracker_id, Some(b"x".as_slice()));

    tier.completed(now);
    assert_eq!((event(&tier), due(&tier)), (Some(AnnounceEvent::Completed), now));
    tier.answered(&answer("8:intervali3600e"), now);
    assert_eq!((event(&tier), due(&tier)), (None, now + 60 * MINUTE));
    assert_eq!(tier.turn().tracker_id, Some(b"x".as_slice()), "an answer without an id keeps it");

    // The second tracker gets both, one right after the other, when it takes over.
    tier.failed(&silence(), now, &mut random);
    assert_eq!(event(&tier), Some(AnnounceEvent::Started));
    assert_eq!(tier.turn().tracker_id, None);
    tier.answered(&hour, now);
    assert_eq!((event(&tier), due(&tier)), (Some(AnnounceEvent::Completed), now));
    tier.answered(&hour, now);
    assert_eq!((event(&tier), due(&tier)), (None, now + 60 * MINUTE));
    assert_eq!(tier.stopped_turns().count(), 2);
}
