use super::*;

struct Crowd {
    views: Vec<View<u32>>,
    choker: Choker<u32>,
    random: fastrand::Rng,
    now: Instant,
}

impl Crowd {
    /// So many peers that are interested and give and take nothing.
    fn new(peers: u32) -> Crowd {
        let now = Instant::now();
        let view = |key| View { key, interested: true, gives: 0.0, takes: 0.0, snubs: false, since: now };
        Crowd {
            views: (0..peers).map(view).collect(),
            choker: Choker::new(now),
            random: fastrand::Rng::with_seed(7),
            now,
        }
    }

    fn decide(&mut self, seeding: bool, slots: usize) -> Vec<(u32, bool)> {
        self.choker.decide(&self.views, seeding, slots, self.now, &mut self.random)
    }

    fn live(&mut self, seconds: u32, seeding: bool, slots: usize) {
        for _ in 0..seconds * 4 {
            self.now += Duration::from_millis(250);
            self.decide(seeding, slots);
        }
    }

    fn unchoked(&self) -> Vec<u32> {
        self.views.iter().map(|view| view.key).filter(|key| self.choker.is_unchoked(*key)).collect()
    }
}

#[test]
fn two_that_meet_with_nothing_begin_at_once() {
    assert_eq!(Crowd::new(1).decide(false, 4), [(0, true)]);
    assert_eq!(Crowd::new(1).decide(true, 4), [(0, true)]);
    let mut crowd = Crowd::new(10);
    assert_eq!(crowd.decide(false, 4).len(), 4);
}

#[test]
fn without_slots_nobody_is_unchoked() {
    let mut crowd = Crowd::new(10);
    for seeding in [false, true] {
        crowd.live(100, seeding, 0);
        assert!(crowd.unchoked().is_empty());
    }
}

#[test]
fn those_who_give_most_have_the_regular_slots_and_one_slot_is_for_the_others() {
    let mut crowd = Crowd::new(20);
    for key in 5..12 {
        crowd.views[key].gives = key as f64;
    }
    crowd.live(60, false, 4);
    let unchoked = crowd.unchoked();
    assert!([9, 10, 11].iter().all(|best| unchoked.contains(best)), "{unchoked:?}");
    assert_eq!(unchoked.len(), 4);
    // Who gives more than they takes the slot of the least within a round.
    crowd.views[6].gives = 100.0;
    crowd.live(21, false, 4);
    assert!(crowd.choker.is_unchoked(6) && crowd.choker.is_unchoked(11) && crowd.choker.is_unchoked(10));
}

#[test]
fn four_who_give_keep_four_slots() {
    let mut crowd = Crowd::new(4);
    crowd.views.iter_mut().for_each(|view| view.gives = f64::from(view.key + 1));
    crowd.decide(false, 4);
    for _ in 0..1000 {
        crowd.now += Duration::from_millis(250);
        assert_eq!(crowd.decide(false, 4), []);
    }
}

#[test]
fn who_had_its_chance_and_gave_nothing_does_not_share_with_those_who_give() {
    let mut crowd = Crowd::new(10);
    crowd.views[0].gives = 1000.0;
    crowd.live(120, false, 8);
    for _ in 0..400 {
        crowd.live(1, false, 8);
        assert!(crowd.choker.is_unchoked(0));
        assert!(crowd.unchoked().len() <= 2, "{:?}", crowd.unchoked());
    }
}

#[test]
fn a_snubbing_peer_has_no_regular_slot_and_may_have_an_optimistic_one() {
    let mut crowd = Crowd::new(12);
    crowd.views.iter_mut().take(4).for_each(|view| view.gives = 1000.0);
    crowd.live(60, false, 4);
    crowd.views[0].snubs = true;
    crowd.live(40, false, 4);
    let mut seen = 0;
    for _ in 0..2000 {
        crowd.live(1, false, 4);
        seen += u32::from(crowd.choker.is_unchoked(0));
        assert!([1, 2, 3].iter().all(|giver| crowd.choker.is_unchoked(*giver)));
    }
    assert!((30..600).contains(&seen), "{seen} of 2000 s");
}

#[test]
fn a_free_slot_is_filled_at_once() {
    let mut crowd = Crowd::new(5);
    crowd.views[4].interested = false;
    crowd.live(13, false, 4);
    crowd.views[4].interested = true;
    crowd.views[1].interested = false;
    crowd.now += Duration::from_millis(250);
    assert_eq!(crowd.decide(false, 4), [(4, true)]);
    // The one that left the slot was not choked for that, and goes on when it is interested again.
    assert!(crowd.choker.is_unchoked(1));
    crowd.choker.left(2);
    crowd.views.remove(2);
    crowd.views.push(View { key: 9, since: crowd.now, ..crowd.views[0] });
    crowd.now += Duration::from_millis(250);
    assert_eq!(crowd.decide(false, 4), [(9, true)]);
}

#[test]
fn a_peer_without_interest_gives_up_its_slot_for_good_only_where_others_need_it() {
    let mut crowd = Crowd::new(4);
    crowd.live(1, false, 4);
    crowd.views[0].interested = false;
    crowd.live(100, false, 4);
    assert!(crowd.choker.is_unchoked(0));
    crowd.views.push(View { key: 9, interested: true, ..crowd.views[0] });
    crowd.live(20, false, 4);
    assert_eq!(crowd.unchoked(), [1, 2, 3, 9]);
}

#[test]
fn when_the_download_is_done_those_who_were_served_still_are() {
    let mut crowd = Crowd::new(20);
    crowd.views.iter_mut().take(10).for_each(|view| view.gives = 1000.0);
    crowd.live(100, false, 8);
    let before = crowd.unchoked();
    crowd.views.iter_mut().for_each(|view| view.gives = 0.0);
    crowd.live(10, true, 8);
    let after = crowd.unchoked();
    assert_eq!(after.len(), 8);
    assert!(after.iter().filter(|key| before.contains(key)).count() >= 6, "{before:?} {after:?}");
}

#[test]
fn who_takes_twice_as_fast_keeps_its_slot_and_others_pass_theirs_on() {
    let mut crowd = Crowd::new(20);
    crowd.views.iter_mut().for_each(|view| view.takes = 1000.0);
    crowd.live(1, true, 8);
    let fast = crowd.unchoked()[3];
    crowd.views[fast as usize].takes = 4000.0;
    for _ in 0..300 {
        crowd.live(1, true, 8);
        assert!(crowd.choker.is_unchoked(fast));
        assert_eq!(crowd.unchoked().len(), 8);
    }
}

#[test]
fn who_is_not_there_any_more_is_forgotten() {
    let mut crowd = Crowd::new(50);
    crowd.live(1, false, 10);
    crowd.views.truncate(3);
    crowd.live(1, false, 10);
    assert_eq!(crowd.choker.known.len(), 3);
    assert!(!crowd.choker.is_unchoked(30));
}

#[test]
fn slots_grow_with_the_root_of_the_rate() {
    for (rate, expected) in
        [(0.0, 4), (1e3, 4), (102_400.0, 5), (1_048_576.0, 16), (10_485_760.0, 50), (1e12, 200), (-1.0, 4)]
    {
        assert_eq!(slots(rate), expected, "{rate}");
    }
    assert_eq!(slots(f64::NAN), 4);
}
