//! Who may connect to us, and who has to wait.

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn start() -> Instant {
    Instant::now() + Duration::from_secs(100_000)
}

#[test]
fn a_network_that_comes_too_often_waits_and_no_other_does() {
    let now = start();
    let mut arrivals = Arrivals::new(now);
    let enter = |arrivals: &mut Arrivals, from: &str, now| {
        (0..10_000).filter(|_| arrivals.may_enter(ip(from), now)).count()
    };
    assert_eq!(enter(&mut arrivals, "192.0.2.1", now), AT_ONCE as usize);
    assert_eq!(enter(&mut arrivals, "::ffff:192.0.2.1", now), 0);
    assert_eq!(enter(&mut arrivals, "192.0.2.2", now), AT_ONCE as usize);
    assert_eq!(enter(&mut arrivals, "2001:db8::1", now), AT_ONCE as usize);
    assert_eq!(enter(&mut arrivals, "2001:db8::2", now), 0);
    for us in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
        assert_eq!(enter(&mut arrivals, us, now), 10_000);
    }
    assert_eq!(enter(&mut arrivals, "192.0.2.1", now + 10 * INTERVAL), 10);
}

#[test]
fn from_however_many_networks_they_come_all_together_have_a_pace() {
    let now = start();
    let mut arrivals = Arrivals::new(now);
    let from = |number: u32| IpAddr::from((0x3200_0000 + number).to_be_bytes());
    let entered = (0..10_000).filter(|number| arrivals.may_enter(from(*number), now)).count();
    assert_eq!(entered, ALL_AT_ONCE as usize);
    let later = now + Duration::from_secs(1);
    let entered = (0..10_000).filter(|number| arrivals.may_enter(from(*number), later)).count();
    assert_eq!(entered, ALL_A_SECOND as usize);
}

#[test]
fn a_crowd_of_many_networks_waits_now_and_then_and_one_network_keeps_nobody_waiting() {
    let now = start();
    let mut arrivals = Arrivals::new(now);
    let mut come = |number: u32| {
        arrivals.may_enter(IpAddr::from((0x3200_0000 + number).to_be_bytes()), now);
        arrivals.crowd_waits().is_some()
    };
    assert!(!(0..10_000).any(|_| come(1)), "one network has its own pace");
    let waited: Vec<u32> = (1000..3000).filter(|number| come(*number)).collect();
    let first = 1000 + ALL_AT_ONCE - AT_ONCE + CROWD - 1;
    assert_eq!(waited.first(), Some(&first));
    assert!(waited.windows(2).all(|two| two[1] - two[0] == CROWD));
    assert!(!(0..1000).any(|_| come(1)), "others that are turned away are no crowd");
}

#[test]
fn from_however_many_networks_key_exchanges_come_they_have_a_pace() {
    let now = start();
    let mut arrivals = Arrivals::new(now);
    let from = |number: u32| IpAddr::from((0x3200_0000 + number).to_be_bytes());
    let mut begun = |now| (0..10_000).filter(|number| arrivals.may_exchange_keys(from(*number), now)).count();
    assert_eq!(begun(now), EXCHANGES_AT_ONCE as usize);
    assert_eq!(begun(now + Duration::from_secs(1)), EXCHANGES_A_SECOND as usize);
    assert!((0..1_000).all(|_| arrivals.may_exchange_keys(ip("127.0.0.1"), now)));
}

#[test]
fn connections_that_lead_nowhere_count_as_several() {
    let now = start();
    let mut arrivals = Arrivals::new(now);
    let enter = |arrivals: &mut Arrivals, now| {
        let entered = arrivals.may_enter(ip("192.0.2.1"), now);
        arrivals.came_in_vain(ip("192.0.2.1"), 499, now);
        entered
    };
    let entered = (0..10_000).filter(|_| enter(&mut arrivals, now)).count();
    assert_eq!(entered, (AT_ONCE / IN_VAIN) as usize);
    assert!(!arrivals.may_enter(ip("192.0.2.1"), now));
    assert!(arrivals.may_enter(ip("192.0.2.1"), now + IN_VAIN * INTERVAL));
}

#[test]
fn once_the_first_ones_led_nowhere_each_further_one_waits_for_as_long_as_it_counts() {
    let now = start();
    let mut arrivals = Arrivals::new(now);
    let mut come = |now| {
        let enters = arrivals.may_enter(ip("192.0.2.1"), now);
        if enters {
            arrivals.came_in_vain(ip("192.0.2.1"), 0, now);
        }
        enters
    };
    assert_eq!((0..1000).filter(|_| come(now)).count(), (AT_ONCE / IN_VAIN) as usize);
    let minutes = (1..=6000).filter(|tenth| come(now + *tenth * INTERVAL / 10)).count();
    assert!((70..=76).contains(&minutes), "in ten minutes {minutes}");
    // Many that were under way together, and all led nowhere, keep the next one waiting no longer than one.
    let later = now + Duration::from_secs(10_000);
    assert_eq!((0..1000).filter(|_| arrivals.may_enter(ip("192.0.2.1"), later)).count(), AT_ONCE as usize);
    (0..AT_ONCE).for_each(|_| arrivals.came_in_vain(ip("192.0.2.1"), 0, later));
    assert!(!arrivals.may_enter(ip("192.0.2.1"), later + (IN_VAIN - 1) * INTERVAL));
    assert!(arrivals.may_enter(ip("192.0.2.1"), later + IN_VAIN * INTERVAL));
}

#[test]
fn who_tells_of_thousands_of_pieces_in_vain_cannot_do_so_again_and_again() {
    let now = start();
    let mut arrivals = Arrivals::new(now);
    let mut come = |now| {
        let enters = arrivals.may_enter(ip("192.0.2.1"), now);
        if enters {
            arrivals.came_in_vain(ip("192.0.2.1"), 65_536, now);
        }
        enters
    };
    assert_eq!((0..100).filter(|_| come(now)).count(), 2);
    let hour = (0..3600).filter(|second| come(now + *second * INTERVAL)).count();
    assert!((20..=30).contains(&hour), "{hour}");
}

#[test]
fn a_network_from_which_a_flood_came_stays_away_for_ten_minutes() {
    let now = start();
    let mut arrivals = Arrivals::new(now);
    for from in ["192.0.2.1", "2001:db8::1", "127.0.0.1"] {
        arrivals.refuse(ip(from), now);
    }
    let networks = [
        ("192.0.2.1", false),
        ("192.0.2.2", true),
        ("2001:db8::9", false),
        ("2001:db8:0:1::1", true),
        ("127.0.0.1", true),
    ];
    for (from, may_enter) in networks {
        assert_eq!(arrivals.may_enter(ip(from), now + REFUSED / 2), may_enter, "{from}");
    }
    assert!(networks.iter().all(|(from, _)| arrivals.may_enter(ip(from), now + REFUSED)));
}

#[test]
fn who_has_many_ipv6_networks_leaves_room_for_others() {
    let now = start();
    let mut arrivals = Arrivals::new(now);
    let from = |number: u32| ip(&format!("2001:db8:0:{:x}::1", number % 60_000));
    let entered = (0..10_000).filter(|number| arrivals.may_enter(from(*number), now)).count();
    assert_eq!(entered, MANY_AT_ONCE as usize);
    assert!(arrivals.may_enter(ip("2001:db8:1::1"), now) && arrivals.may_enter(ip("192.0.2.1"), now));
    assert_eq!(arrivals.networks.len(), MANY_AT_ONCE as usize + 4);
}

#[test]
fn an_address_of_our_own_network_may_stand_for_many_peers() {
    let now = start();
    let mut arrivals = Arrivals::new(now);
    for router in ["192.168.1.1", "172.17.0.1", "::ffff:10.0.2.100", "fe80::1"] {
        let entered = (0..100).filter(|_| {
            arrivals.came_in_vain(ip(router), 1_000_000, now);
            arrivals.may_enter(ip(router), now)
        });
        assert_eq!(entered.count(), 100, "{router}");
    }
    let now = now + Duration::from_secs(100);
    let mut all = (0..10_000).filter(|_| arrivals.may_enter(ip("172.17.0.1"), now));
    assert_eq!(all.by_ref().count(), MANY_AT_ONCE as usize);
    assert!(arrivals.may_enter(ip("192.0.2.1"), now), "it leaves room for others");
}

#[test]
fn after_a_flood_an_address_that_may_stand_for_many_is_slow_and_is_not_kept_out() {
    let mut now = start();
    let mut arrivals = Arrivals::new(now);
    let enter = |arrivals: &mut Arrivals, from: &str, now| {
        (0..400).filter(|_| arrivals.may_enter(ip(from), now)).count()
    };
    for from in ["127.0.0.1", "192.168.1.1", "::ffff:10.0.2.100", "::1", "fe80::1"] {
        arrivals.refuse(ip(from), now);
        assert_eq!(enter(&mut arrivals, from, now), SLOW_AT_ONCE as usize, "{from}");
        // Another flood brings no new ones.
        arrivals.refuse(ip(from), now);
        assert_eq!(enter(&mut arrivals, from, now + SLOW_INTERVAL), 1, "{from}");
        now += 2 * REFUSED;
        assert_eq!(enter(&mut arrivals, from, now), 400, "{from}");
        now += REFUSED;
    }
    assert_eq!(enter(&mut arrivals, "192.168.1.2", now), 400, "another one is as it was");
    let many: Vec<String> = (0..50).map(|host| format!("10.0.0.{host}")).collect();
    many.iter().for_each(|from| arrivals.refuse(ip(from), now));
    let mut all = |now| many.iter().map(|from| enter(&mut arrivals, from, now)).sum::<usize>();
    assert_eq!(all(now), SLOW_ONES_AT_ONCE as usize, "all that have flooded have a pace together");
    assert_eq!(all(now + Duration::from_secs(1)), SLOW_ONES_A_SECOND as usize);
}

#[test]
fn however_many_networks_come_the_memory_has_a_bound() {
    let now = start();
    let mut arrivals = Arrivals::new(now);
    for number in 0..10 * MAX_NETWORKS as u32 {
        let from = IpAddr::from((0x3200_0000 + number).to_be_bytes());
        arrivals.may_enter(from, now);
        assert!(arrivals.networks.len() <= MAX_NETWORKS);
    }
    let mut arrivals = Arrivals::new(now);
    arrivals.refuse(ip("192.0.2.1"), now);
    for number in 0..MAX_NETWORKS as u32 {
        arrivals.may_enter(IpAddr::from((0x3200_0000 + number).to_be_bytes()), now);
    }
    assert!(!arrivals.may_enter(ip("192.0.2.1"), now), "others who come do not make us forget it");
}
