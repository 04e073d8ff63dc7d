use super::*;

/// A choker and its peers, whose interest and rates are what a test says.
struct Crowd {
    peers: Vec<ChokerPeer>,
    /// Peers that are interested and never ask for a block.
    never_ask: std::ops::Range<u32>,
    choker: Choker,
    random: fastrand::Rng,
    now: Instant,
}

impl Crowd {
    /// This many peers, which are interested, and upload and download nothing.
    fn new(count: u32) -> Crowd {
        let now = Instant::now();
        let peer = |key| ChokerPeer {
            key: PeerKey(key),
            peer_interested: true,
            download_rate: 0.0,
            upload_rate: 0.0,
            snubbing: false,
            connected_at: now,
            interested_after: Some(Duration::ZERO),
            asked_at: None,
            counted_at: now,
        };
        Crowd {
            peers: (0..count).map(peer).collect(),
            never_ask: 0..0,
            choker: Choker::new(now),
            random: fastrand::Rng::with_seed(7),
            now,
        }
    }

    /// Every peer but those that never ask asks for blocks whenever it is unchoked.
    fn decide(&mut self, seeding: bool, slots: usize) -> Vec<(PeerKey, bool)> {
        self.peers.iter_mut().for_each(|peer| peer.counted_at = self.now);
        for peer in self.peers.iter_mut().filter(|peer| !self.never_ask.contains(&peer.key.0)) {
            if self.choker.is_unchoked(peer.key) {
                peer.asked_at = Some(self.now);
            }
        }
        self.choker.decide(&self.peers, seeding, slots, self.now, &mut self.random)
    }

    fn live(&mut self, seconds: u32, seeding: bool, slots: usize) {
        for _ in 0..seconds * 4 {
            self.now += Duration::from_millis(250);
            self.decide(seeding, slots);
        }
    }

    fn is_unchoked(&self, key: u32) -> bool {
        self.choker.is_unchoked(PeerKey(key))
    }

    fn unchoked(&self) -> Vec<u32> {
        self.peers.iter().map(|peer| peer.key.0).filter(|key| self.is_unchoked(*key)).collect()
    }
}

#[test]
fn two_peers_that_meet_without_any_pieces_start_at_once() {
    assert_eq!(Crowd::new(1).decide(false, 4), [(PeerKey(0), true)]);
    assert_eq!(Crowd::new(1).decide(true, 4), [(PeerKey(0), true)]);
    let mut crowd = Crowd::new(10);
    assert_eq!(crowd.decide(false, 4).len(), 4);
}

#[test]
fn without_slots_no_peer_is_unchoked() {
    let mut crowd = Crowd::new(10);
    for seeding in [false, true] {
        crowd.live(100, seeding, 0);
        assert!(crowd.unchoked().is_empty());
    }
}

#[test]
fn the_fastest_uploaders_have_the_regular_slots_and_one_slot_is_optimistic() {
    let mut crowd = Crowd::new(20);
    for key in 5..12 {
        crowd.peers[key].download_rate = key as f64;
    }
    crowd.live(60, false, 4);
    let unchoked = crowd.unchoked();
    assert!([9, 10, 11].iter().all(|best| unchoked.contains(best)), "{unchoked:?}");
    assert_eq!(unchoked.len(), 4);
    // A peer that uploads faster than they do takes the slot of the slowest of them within a round.
    crowd.peers[6].download_rate = 100.0;
    crowd.live(21, false, 4);
    assert!(crowd.is_unchoked(6) && crowd.is_unchoked(11) && crowd.is_unchoked(10));
}

#[test]
fn four_peers_that_upload_to_us_keep_four_slots() {
    let mut crowd = Crowd::new(4);
    crowd.peers.iter_mut().for_each(|peer| peer.download_rate = f64::from(peer.key.0 + 1));
    crowd.decide(false, 4);
    for _ in 0..1000 {
        crowd.now += Duration::from_millis(250);
        assert_eq!(crowd.decide(false, 4), []);
    }
}

#[test]
fn a_peer_that_had_its_chance_and_gave_nothing_takes_no_upload_from_those_that_give() {
    let mut crowd = Crowd::new(10);
    crowd.peers[0].download_rate = 1000.0;
    crowd.live(120, false, 8);
    for _ in 0..400 {
        crowd.live(1, false, 8);
        assert!(crowd.is_unchoked(0));
        assert!(crowd.unchoked().len() <= 2, "{:?}", crowd.unchoked());
    }
}

#[test]
fn a_snubbing_peer_has_no_regular_slot_and_may_have_an_optimistic_one() {
    let mut crowd = Crowd::new(12);
    crowd.peers.iter_mut().take(4).for_each(|peer| peer.download_rate = 1000.0);
    crowd.live(60, false, 4);
    crowd.peers[0].snubbing = true;
    crowd.live(40, false, 4);
    let mut seen = 0;
    for _ in 0..2000 {
        crowd.live(1, false, 4);
        seen += u32::from(crowd.is_unchoked(0));
        assert!([1, 2, 3].iter().all(|giver| crowd.is_unchoked(*giver)));
    }
    assert!((30..600).contains(&seen), "{seen} of 2000 s");
}

#[test]
fn a_free_slot_is_filled_at_once() {
    let mut crowd = Crowd::new(5);
    crowd.peers[4].peer_interested = false;
    crowd.live(13, false, 4);
    crowd.peers[4].peer_interested = true;
    crowd.peers[1].peer_interested = false;
    crowd.now += Duration::from_millis(250);
    assert_eq!(crowd.decide(false, 4), [(PeerKey(4), true)]);
    // The peer that is no longer interested was not choked for that. It goes on when it is interested again.
    assert!(crowd.is_unchoked(1));
    crowd.choker.left(PeerKey(2));
    crowd.peers.remove(2);
    crowd.peers.push(ChokerPeer { key: PeerKey(9), connected_at: crowd.now, ..crowd.peers[0] });
    crowd.now += Duration::from_millis(250);
    assert_eq!(crowd.decide(false, 4), [(PeerKey(9), true)]);
}

#[test]
fn a_peer_without_interest_gives_up_its_slot_for_good_only_where_others_need_it() {
    let mut crowd = Crowd::new(4);
    crowd.live(1, false, 4);
    crowd.peers[0].peer_interested = false;
    crowd.live(100, false, 4);
    assert!(crowd.is_unchoked(0));
    crowd.peers.push(ChokerPeer { key: PeerKey(9), peer_interested: true, ..crowd.peers[0] });
    crowd.live(20, false, 4);
    assert_eq!(crowd.unchoked(), [1, 2, 3, 9]);
}

#[test]
fn when_the_download_is_complete_the_unchoked_peers_stay_unchoked() {
    let mut crowd = Crowd::new(20);
    crowd.peers.iter_mut().take(10).for_each(|peer| peer.download_rate = 1000.0);
    crowd.live(100, false, 8);
    let before = crowd.unchoked();
    crowd.peers.iter_mut().for_each(|peer| peer.download_rate = 0.0);
    crowd.live(10, true, 8);
    let after = crowd.unchoked();
    assert_eq!(after.len(), 8);
    assert!(after.iter().filter(|key| before.contains(key)).count() >= 6, "{before:?} {after:?}");
}

#[test]
fn while_seeding_a_peer_that_downloads_twice_as_fast_keeps_its_slot() {
    let mut crowd = Crowd::new(20);
    crowd.peers.iter_mut().for_each(|peer| peer.upload_rate = 1000.0);
    crowd.live(1, true, 8);
    let fast = crowd.unchoked()[3];
    crowd.peers[fast as usize].upload_rate = 4000.0;
    for _ in 0..300 {
        crowd.live(1, true, 8);
        assert!(crowd.is_unchoked(fast));
        assert_eq!(crowd.unchoked().len(), 8);
    }
}

/// How long a peer waits that comes when others have been there for a while that never ask, in seconds.
fn wait_behind_idle(idle: u32, head_start: u32, seeding: bool) -> f64 {
    let mut crowd = Crowd::new(idle);
    crowd.never_ask = 0..idle;
    crowd.live(head_start, seeding, 4);
    crowd.peers.push(ChokerPeer { key: PeerKey(999), connected_at: crowd.now, ..crowd.peers[0] });
    let came = crowd.now;
    crowd.decide(seeding, 4);
    while !crowd.is_unchoked(999) {
        assert!(crowd.now < came + Duration::from_secs(300), "{idle} idle peers keep it waiting");
        crowd.now += Duration::from_millis(250);
        crowd.decide(seeding, 4);
    }
    (crowd.now - came).as_secs_f64()
}

#[test]
fn peers_that_never_ask_keep_no_other_from_a_slot() {
    for seeding in [true, false] {
        for (idle, most) in [(4, 0.25), (12, 0.5), (40, 1.0), (200, 1.5)] {
            let all_had_a_turn = wait_behind_idle(idle, 60, seeding);
            assert_eq!(all_had_a_turn, 0.0, "{idle} idle peers, seeding: {seeding}");
            let all_are_new = wait_behind_idle(idle, 0, seeding);
            assert!(all_are_new <= most, "{idle} new idle peers: {all_are_new} s");
        }
    }
}

#[test]
fn peers_that_never_ask_take_no_slot_from_those_that_upload_to_us() {
    let mut crowd = Crowd::new(200);
    crowd.never_ask = 4..200;
    crowd.peers.iter_mut().take(3).for_each(|peer| peer.download_rate = 1000.0);
    let idle = crowd.peers.split_off(4);
    crowd.live(15, false, 4);
    for newcomer in idle {
        crowd.peers.push(ChokerPeer { connected_at: crowd.now, ..newcomer });
        crowd.live(1, false, 4);
        assert!([0, 1, 2].iter().all(|giver| crowd.is_unchoked(*giver)), "{:?}", crowd.unchoked());
    }
}

#[test]
fn a_far_peer_has_the_time_for_its_first_request() {
    for (interested_after, expected) in [(100, 12), (600, 4), (5000, 4)] {
        let mut crowd = Crowd::new(20);
        crowd.never_ask = 0..20;
        let after = Duration::from_millis(interested_after);
        crowd.peers.iter_mut().for_each(|peer| peer.interested_after = Some(after));
        crowd.decide(true, 4);
        crowd.now += Duration::from_millis(400);
        crowd.decide(true, 4);
        assert_eq!(crowd.unchoked().len(), expected, "{interested_after} ms");
    }
    // It is not held against a peer that nobody has looked yet.
    let mut crowd = Crowd::new(20);
    crowd.decide(true, 4);
    let changes =
        crowd.choker.decide(&crowd.peers, true, 4, crowd.now + Duration::from_millis(400), &mut crowd.random);
    assert_eq!(changes, []);
}

#[test]
fn peers_that_never_ask_take_no_slot_from_those_that_do() {
    for seeding in [true, false] {
        let mut crowd = Crowd::new(44);
        crowd.never_ask = 0..40;
        crowd.live(60, seeding, 4);
        let mut served = 0;
        for _ in 0..600 {
            crowd.live(1, seeding, 4);
            served += (40..44).filter(|key| crowd.is_unchoked(*key)).count();
            assert!(crowd.unchoked().len() <= 8);
        }
        assert!(served >= 2380, "{served} of 2400 s, seeding: {seeding}");
    }
}

#[test]
fn a_peer_that_asks_again_has_its_slot_like_any_other() {
    let mut crowd = Crowd::new(4);
    crowd.never_ask = 0..4;
    crowd.live(60, true, 4);
    assert_eq!(crowd.unchoked().len(), 4, "nobody else waits");
    let wastes_slots = |crowd: &Crowd, key| crowd.choker.records[&PeerKey(key)].wastes_slots;
    assert!(wastes_slots(&crowd, 2));
    crowd.never_ask = 0..2;
    crowd.live(1, true, 4);
    assert!(!wastes_slots(&crowd, 2) && wastes_slots(&crowd, 1));
}

#[test]
fn a_peer_that_has_left_is_forgotten() {
    let mut crowd = Crowd::new(50);
    crowd.live(1, false, 10);
    crowd.peers.truncate(3);
    crowd.live(1, false, 10);
    assert_eq!(crowd.choker.records.len(), 3);
    assert!(!crowd.is_unchoked(30));
}

#[test]
fn slots_grow_with_the_square_root_of_the_rate() {
    for (rate, expected) in
        [(0.0, 4), (1e3, 4), (102_400.0, 5), (1_048_576.0, 16), (10_485_760.0, 50), (1e12, 200), (-1.0, 4)]
    {
        assert_eq!(unchoke_slots(rate), expected, "{rate}");
    }
    assert_eq!(unchoke_slots(f64::NAN), 4);
}
