use super::retry::{FIRST_RELAXED_WAIT, FIRST_URGENT_WAIT, MAX_WAIT};
use super::*;
use std::time::Duration;

/// Enough connected peers, so that no more are needed.
const PLENTY: usize = 50;

fn address(last: u16) -> SocketAddr {
    format!("127.0.{}.{}:6881", last / 250, last % 250 + 1).parse().unwrap()
}

#[test]
fn an_address_is_tried_once_and_again_after_a_growing_wait() {
    let (mut candidates, mut random) = (Candidates::default(), fastrand::Rng::with_seed(1));
    let start = Instant::now();
    assert!(candidates.add(address(1), Source::Tracker, start));
    assert!(!candidates.add(address(1), Source::Tracker, start));
    let mut now = start;
    let mut waits = Vec::new();
    for _ in 0..12 {
        assert_eq!(candidates.next(now), Some(address(1)));
        assert_eq!(candidates.next(now), None);
        candidates.failed(address(1), AttemptFailure::Unreachable, now, &mut random);
        assert_eq!(candidates.next(now), None);
        let due = candidates.next_due().unwrap();
        waits.push(due - now);
        now = due;
    }
    assert!(waits[0] >= FIRST_URGENT_WAIT && waits[..8].is_sorted(), "{waits:?}");
    assert!(waits.iter().all(|wait| *wait <= MAX_WAIT.mul_f64(1.25)));
    candidates.failed(address(1), AttemptFailure::Banned, now, &mut random);
    candidates.failed(address(1), AttemptFailure::Ended, now, &mut random);
    assert_eq!(candidates.next(now + MAX_WAIT * 10), None);
    assert!(!candidates.add(address(1), Source::Tracker, now));
}

#[test]
fn after_two_connections_that_were_lost_at_once_the_second_try_is_soon_and_the_third_is_not() {
    let (mut candidates, mut random) = (Candidates::default(), fastrand::Rng::with_seed(1));
    candidates.set_connected(PLENTY);
    let now = Instant::now();
    candidates.add(address(1), Source::Dht, now);
    assert_eq!(candidates.next(now), Some(address(1)));
    candidates.failed(address(1), AttemptFailure::ClosedEarly, now, &mut random);
    assert!(candidates.add_incoming(address(1)));
    candidates.failed(address(1), AttemptFailure::ClosedEarly, now, &mut random);
    let now = now + 2 * FIRST_URGENT_WAIT;
    assert_eq!(candidates.next(now), Some(address(1)));
    candidates.failed(address(1), AttemptFailure::Unreachable, now, &mut random);
    assert!(candidates.add_incoming(address(1)));
    candidates.failed(address(1), AttemptFailure::ClosedEarly, now, &mut random);
    assert_eq!(candidates.next(now + FIRST_RELAXED_WAIT), None);
}

#[test]
fn while_peers_are_needed_addresses_that_failed_are_tried_again_soon_and_the_need_may_change() {
    let (mut candidates, mut random) = (Candidates::default(), fastrand::Rng::with_seed(1));
    let now = Instant::now();
    candidates.set_connected(PLENTY);
    candidates.add(address(1), Source::Tracker, now);
    candidates.next(now);
    candidates.failed(address(1), AttemptFailure::Unreachable, now, &mut random);
    let soon = now + 2 * FIRST_URGENT_WAIT;
    assert!(candidates.next_due().is_some_and(|due| due > soon));
    assert_eq!(candidates.next(soon), None);
    // All others left meanwhile.
    candidates.set_connected(1);
    assert!(candidates.next_due().is_some_and(|due| due <= soon));
    assert_eq!(candidates.next(soon), Some(address(1)));
}

#[test]
fn six_peers_that_were_just_starting_are_all_tried_again_within_two_seconds() {
    let (mut candidates, mut random) = (Candidates::default(), fastrand::Rng::with_seed(1));
    let now = Instant::now();
    candidates.set_connected(1);
    for last in 0..6 {
        candidates.add(address(last), Source::Tracker, now);
        let at = candidates.next(now).unwrap();
        candidates.failed(at, AttemptFailure::ClosedEarly, now, &mut random);
    }
    assert_eq!(candidates.next(now), None);
    let soon = now + Duration::from_secs(2);
    assert_eq!(std::iter::from_fn(|| candidates.next(soon)).count(), 6);
}

#[test]
fn no_dead_address_is_tried_twice_before_the_rest_were_tried_once() {
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut candidates, mut now) = (Candidates::default(), Instant::now());
        candidates.draw_lots(random.fork());
        for number in 0..400 {
            // Some have spare ports, and some are named by several sources.
            let at = far(random.u16(..100), random.u16(1..8));
            let source = random.choice([Source::Tracker, Source::Dht, Source::Lan, told_by(1), told_by(2)]);
            candidates.add(at, source.unwrap(), now);
            candidates.add(address(number), Source::Tracker, now);
        }
        let all = candidates.known();
        let mut tried = std::collections::HashSet::new();
        for attempt in 0..all {
            // Slow enough that the first ones are due again many times.
            now += Duration::from_secs(1);
            let at = candidates.next(now).unwrap();
            assert!(tried.insert(at), "{at} comes again at attempt {attempt} of {all}");
            let failure = [AttemptFailure::Unreachable, AttemptFailure::ClosedEarly];
            candidates.failed(at, random.choice(failure).unwrap(), now, &mut random);
        }
    }
}

#[test]
fn what_promises_most_is_tried_first_and_a_peer_that_is_known_to_be_good_gets_a_second_chance() {
    let (mut candidates, mut random) = (Candidates::default(), fastrand::Rng::with_seed(1));
    let now = Instant::now();
    for (number, source) in [
        (1, Source::Dht),
        (2, Source::Tracker),
        (3, told_by(1)),
        (4, Source::Tracker),
        (4, Source::Dht),
        (5, Source::Tracker),
    ] {
        candidates.add(far(number, 1), source, now);
    }
    assert!(candidates.add_incoming(far(6, 1)) && candidates.add_incoming(far(5, 1)));
    candidates.proved_useful(far(5, 1));
    (5..7).for_each(|number| candidates.release(far(number, 1), now));
    candidates.add_from_user(far(7, 1), now);
    let mut order = |now| std::iter::from_fn(|| candidates.next(now)).collect::<Vec<_>>();
    let tried = order(now);
    assert_eq!(tried[..3], [far(7, 1), far(5, 1), far(6, 1)]);
    assert!(tried[3..5].contains(&far(3, 1)) && tried[3..5].contains(&far(4, 1)), "{tried:?}");
    for at in tried {
        candidates.failed(at, AttemptFailure::Unreachable, now, &mut random);
    }
    let later = now + 3 * FIRST_URGENT_WAIT;
    candidates.add(far(8, 1), Source::Tracker, later);
    let second: Vec<_> = std::iter::from_fn(|| candidates.next(later)).take(3).collect();
    assert_eq!(second[2], far(8, 1), "{second:?}");
    assert!(second.contains(&far(5, 1)) && second.contains(&far(7, 1)), "{second:?}");
}

#[test]
fn an_address_that_never_answers_is_tried_less_and_less_often_however_badly_peers_are_needed() {
    let (mut candidates, mut random) = (Candidates::default(), fastrand::Rng::with_seed(1));
    let start = Instant::now();
    candidates.add(address(1), Source::Tracker, start);
    let mut attempts = 0;
    for second in 0..3600 {
        let now = start + Duration::from_secs(second);
        if candidates.next(now).is_some() {
            attempts += 1;
            candidates.failed(address(1), AttemptFailure::Unreachable, now, &mut random);
        }
    }
    assert!((12..=20).contains(&attempts), "{attempts} in an hour");
}

#[test]
fn a_peer_that_connected_to_us_is_not_connected_to_until_it_is_gone() {
    let (mut candidates, mut random) = (Candidates::default(), fastrand::Rng::with_seed(1));
    let now = Instant::now();
    candidates.add(address(1), Source::Tracker, now);
    for last in [1, 2] {
        assert!(candidates.add_incoming(address(last)) && !candidates.add_incoming(address(last)));
    }
    assert_eq!(candidates.next(now), None);
    candidates.failed(address(2), AttemptFailure::Ended, now, &mut random);
    assert_eq!(candidates.next(now + MAX_WAIT), Some(address(2)));
}

#[test]
fn an_earlier_connection_marks_its_address_as_connected_once_and_only_where_it_waits() {
    let mut candidates = Candidates::default();
    let now = Instant::now();
    candidates.add(address(1), Source::Tracker, now);
    assert!(candidates.mark_connected(address(1)) && !candidates.mark_connected(address(1)));
    assert_eq!(candidates.next(now), None, "we do not connect to it again");
    candidates.release(address(1), now);
    assert_eq!(candidates.next(now), Some(address(1)));
    assert!(!candidates.mark_connected(address(1)), "there is a newer connection");
    assert!(!candidates.mark_connected(address(2)) && candidates.known() == 1);
}

#[test]
fn at_most_a_thousand_are_kept_and_failures_make_room() {
    let (mut candidates, mut random) = (Candidates::default(), fastrand::Rng::with_seed(1));
    let now = Instant::now();
    for last in 0..5000 {
        candidates.add(address(last), Source::Tracker, now);
    }
    assert_eq!(candidates.known(), MAX_CANDIDATES);
    let tried = candidates.next(now).unwrap();
    candidates.failed(tried, AttemptFailure::Unreachable, now, &mut random);
    assert!(candidates.add(address(6000), Source::Tracker, now));
    assert!(!candidates.add(address(6001), Source::Tracker, now));
    assert_eq!(candidates.known(), MAX_CANDIDATES);
}

#[test]
fn an_address_that_cannot_be_a_peer_is_not_kept() {
    let mut candidates = Candidates::default();
    for address in ["0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1", "1.2.3.4:0", "[::]:1", "[ff02::1]:1"] {
        assert!(!candidates.add(address.parse().unwrap(), Source::Tracker, Instant::now()), "{address}");
    }
    assert!(candidates.add("[::ffff:1.2.3.4]:5".parse().unwrap(), Source::Tracker, Instant::now()));
    assert!(!candidates.add("1.2.3.4:5".parse().unwrap(), Source::Tracker, Instant::now()));
}

fn far(number: u16, port: u16) -> SocketAddr {
    format!("5.6.{}.{}:{port}", number / 250, number % 250 + 1).parse().unwrap()
}

fn told_by(last: u8) -> Source {
    Source::Pex(IpAddr::from([1, 2, 3, last]))
}

#[test]
fn one_host_is_kept_at_some_ports_only() {
    let mut candidates = Candidates::default();
    let now = Instant::now();
    let sources = [Source::Tracker, told_by(0)];
    for port in 1..=1000 {
        candidates.add(far(1, port), sources[usize::from(port % 2)], now);
    }
    assert_eq!(candidates.known(), MAX_SPARE_PORTS);
    let told = (1..=1000).filter(|port| candidates.add(far(3, *port), told_by(0), now));
    assert_eq!(told.count(), MAX_PORTS, "no peer can make us keep spare ones");
    // Nor can a host that connects to us and names many ports have us connect to them later.
    let added = (1..=1000).filter(|port| candidates.add_incoming(far(2, *port)));
    assert_eq!(added.count(), MAX_PORTS);
    for port in 1..=10 {
        assert!(candidates.add(SocketAddr::from(([127, 0, 0, 1], port)), Source::Tracker, now));
    }
}

#[test]
fn the_spare_ports_of_a_host_come_after_everything_else_and_once_each() {
    let (mut candidates, mut random) = (Candidates::default(), fastrand::Rng::with_seed(1));
    let start = Instant::now();
    for port in 1..=10 {
        candidates.add(far(1, port), Source::Tracker, start);
    }
    (2..40).for_each(|number| assert!(candidates.add(far(number, 1), Source::Dht, start)));
    let mut tried = Vec::new();
    for second in 0..15 {
        while let Some(at) = candidates.next(start + Duration::from_secs(second)) {
            candidates.failed(at, AttemptFailure::Unreachable, start, &mut random);
            tried.push(at);
        }
    }
    let is_spare = |at: &SocketAddr| at.ip() == far(1, 1).ip() && at.port() > MAX_PORTS as u16;
    assert!(!tried[..42].iter().any(is_spare), "{tried:?}");
    assert!(tried[42..48].iter().all(is_spare), "{tried:?}");
    assert_eq!(tried.iter().filter(|at| is_spare(at)).count(), 6, "{tried:?}");
}

#[test]
fn addresses_from_peers_have_their_share_and_each_peer_has_a_part_of_it() {
    let (mut candidates, mut random) = (Candidates::default(), fastrand::Rng::with_seed(1));
    let now = Instant::now();
    let tell = |candidates: &mut Candidates, from: u8, numbers: std::ops::Range<u16>| {
        let source = told_by(from);
        numbers.filter(|number| candidates.add(far(*number, 1), source, now)).count()
    };
    assert_eq!(tell(&mut candidates, 0, 0..10_000), MAX_FROM_ONE_PEER);
    assert_eq!(tell(&mut candidates, 1, 100..200), MAX_FROM_ONE_PEER);
    assert_eq!(tell(&mut candidates, 2, 200..300), MAX_FROM_PEERS - 2 * MAX_FROM_ONE_PEER);
    assert_eq!(tell(&mut candidates, 3, 300..400), 0);
    // The other sources keep their places. An address that a tracker knows too is one of theirs.
    assert!(!candidates.add(far(0, 1), Source::Tracker, now));
    assert_eq!(tell(&mut candidates, 3, 300..400), 1);
    candidates.proved_useful(far(1, 1));
    assert_eq!(tell(&mut candidates, 3, 301..400), 1);
    let found = (1_000..3_000).filter(|number| candidates.add(far(*number, 1), Source::Tracker, now));
    assert_eq!(found.count(), MAX_CANDIDATES - MAX_FROM_PEERS - 2);
    // A failed address of a peer makes room for another one from the same peer.
    candidates.failed(far(150, 1), AttemptFailure::Unreachable, now, &mut random);
    assert_eq!(tell(&mut candidates, 1, 400..500), 1);
    assert_eq!(candidates.known(), MAX_CANDIDATES);
}

#[test]
fn among_equals_the_highest_priority_comes_first_and_our_own_address_never_comes() {
    let mut candidates = Candidates::default();
    let now = Instant::now();
    let us: SocketAddr = "9.8.7.6:5".parse().unwrap();
    candidates.add(far(999, 1), Source::Tracker, now);
    candidates.set_external(us);
    assert!(!candidates.add(us, Source::Tracker, now));
    for number in 0..20 {
        candidates.add(far(number * 250, 1), Source::Tracker, now);
    }
    let order: Vec<u32> =
        std::iter::from_fn(|| candidates.next(now)).map(|at| peer_priority(us, at)).collect();
    assert_eq!(order.len(), 21);
    assert!(order.is_sorted_by(|earlier, later| earlier >= later), "{order:?}");
}

#[test]
fn the_dht_and_the_local_network_leave_half_of_the_places_to_other_sources() {
    for source in [Source::Dht, Source::Lan] {
        let mut candidates = Candidates::default();
        let now = Instant::now();
        let kept = (0..2_000).filter(|number| candidates.add(far(*number, 1), source, now));
        assert_eq!(kept.count(), MAX_FROM_DHT_OR_LAN);
        let kept = (2_000..4_000).filter(|number| candidates.add(far(*number, 1), Source::Tracker, now));
        assert_eq!(kept.count(), MAX_CANDIDATES - MAX_FROM_DHT_OR_LAN);
    }
}

#[test]
fn all_sources_but_some_can_be_forgotten_and_the_user_is_always_kept() {
    let mut candidates = Candidates::default();
    let now = Instant::now();
    candidates.add_from_user(far(0, 1), now);
    for (number, source) in
        [(0, Source::Dht), (1, Source::Dht), (2, Source::Dht), (3, told_by(1)), (4, Source::Lan)]
    {
        candidates.add(far(number, 1), source, now);
    }
    candidates.add(far(2, 1), Source::Tracker, now);
    candidates.add(far(2, 1), told_by(1), now);
    candidates.add_incoming(far(5, 1));
    candidates.retain_sources(|source| source == Source::Tracker);
    let mut left: Vec<_> = std::iter::from_fn(|| candidates.next(now)).collect();
    left.sort();
    assert_eq!(left, [far(0, 1), far(2, 1)]);
    candidates.release(far(2, 1), now);
    assert_eq!((candidates.next(now), candidates.next(now)), (Some(far(2, 1)), None));
}

#[test]
fn a_link_local_address_keeps_its_interface() {
    let now = Instant::now();
    let mut candidates = Candidates::default();
    let there: SocketAddr = "[fe80::7%2]:80".parse().unwrap();
    assert!(candidates.add(there, Source::Lan, now));
    assert_eq!(candidates.next(now), Some(there));
    assert!(candidates.add("[::ffff:192.0.2.1]:80".parse().unwrap(), Source::Dht, now));
    assert_eq!(candidates.next(now), Some("192.0.2.1:80".parse().unwrap()));
}

#[test]
fn a_named_peer_that_comes_up_two_minutes_late_is_met_within_seconds() {
    for (source, most) in [(Source::User, 6.0), (Source::Magnet, 6.0), (Source::Tracker, 120.0)] {
        let (mut candidates, mut random) = (Candidates::default(), fastrand::Rng::with_seed(1));
        let start = Instant::now();
        let up_at = start + Duration::from_secs(120);
        match source {
            Source::User => candidates.add_from_user(far(1, 1), start),
            _ => assert!(candidates.add(far(1, 1), source, start)),
        }
        candidates.set_connected(0);
        let mut now = start;
        while now < up_at {
            assert_eq!(candidates.next(now), Some(far(1, 1)));
            candidates.failed(far(1, 1), AttemptFailure::Unreachable, now, &mut random);
            now = candidates.next_due().unwrap();
        }
        let late = (now - up_at).as_secs_f64();
        assert!(late <= most && (most < 10.0 || late > 6.0), "{source:?}: {late} s");
    }
}
