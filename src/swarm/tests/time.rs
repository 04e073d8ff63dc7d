//! What happens as time passes.

use super::*;

#[test]
fn a_silent_peer_loses_its_leases_after_a_minute_and_its_place_after_three() {
    let mut world = Scene::default().start();
    let silent = world.seed(1);
    let owed = world.owed(silent);
    assert!(!owed.is_empty());
    world.wait(59 * SECOND);
    assert_eq!(world.owed(silent), owed);
    world.orders(silent);
    world.wait(2 * SECOND);
    assert!(matches!(&world.orders(silent)[..], [Order::Cancel(blocks), ..] if *blocks == owed));
    assert_eq!(world.hung_up(silent), None);
    world.wait(180 * SECOND);
    assert_eq!(world.hung_up(silent), Some(HangUp::Snubbed));
}

#[test]
fn a_peer_that_sends_now_and_then_is_not_snubbing() {
    let mut world = Scene { pieces: 64, ..Scene::default() }.start();
    let slow = world.seed(1);
    for _ in 0..10 {
        world.wait(50 * SECOND);
        world.deliver(slow, 1);
    }
    assert_eq!(world.hung_up(slow), None);
}

#[test]
fn while_the_disk_is_behind_no_peer_is_blamed_for_silence() {
    let mut world = Scene::default().start();
    let key = world.seed(1);
    world.outside.borrow_mut().writer_is_behind = true;
    world.wait(600 * SECOND);
    assert_eq!(world.hung_up(key), None);
    assert_eq!(world.snapshot().stall, Some(Stall::SlowDisk));
}

#[test]
fn the_timeout_counts_from_the_last_progress() {
    let mut world = Scene { timeout: Some(30 * SECOND), ..Scene::default() }.start();
    let key = world.seed(1);
    world.wait(20 * SECOND);
    world.deliver(key, 1);
    assert_eq!(world.wait(29 * SECOND), None);
    assert_eq!(world.wait(2 * SECOND), Some(RunEnd::TimedOut));
}

#[test]
fn the_user_stops_a_download_and_ends_a_seed() {
    let mut world = Scene::default().start();
    world.outside.borrow_mut().stopped = true;
    assert_eq!(world.wait(SECOND), Some(RunEnd::Stopped));
    let mut seed =
        Scene { stored: (0..8).collect(), wanted: WantedPieces::Nothing, ..Scene::default() }.start();
    seed.outside.borrow_mut().stopped = true;
    assert_eq!(seed.wait(SECOND), Some(RunEnd::Done));
}

#[test]
fn a_peer_whose_requests_were_taken_back_is_not_blamed_while_it_chokes_us() {
    for (chokes, snubs) in [(true, 0), (false, 1)] {
        let mut world = Scene { pieces: 64, ..Scene::default() }.start();
        let key = world.seed(1);
        for _ in 0..100 {
            world.wait(SECOND / 10);
            world.deliver(key, 1);
        }
        // We cannot connect to it anew.
        world.coordinator.roster.get_mut(key).unwrap().dial = None;
        world.wait(50 * SECOND);
        assert!(world.coordinator.roster.get(key).unwrap().download.overtaken);
        if chokes {
            let owed = world.owed(key);
            world.hear(key, [News::Choked]);
            world.hear(key, owed.into_iter().map(News::Rejected));
        }
        world.wait(20 * SECOND);
        let peer = world.coordinator.roster.get(key).unwrap();
        assert_eq!(peer.download.snubs, snubs, "it chokes us: {chokes}");
    }
}

#[test]
fn a_connection_over_which_nothing_comes_any_more_gives_way_to_a_new_one() {
    for others_send in [false, true] {
        let mut world = Scene { pieces: 512, ..Scene::default() }.start();
        let (dead, other) = (world.seed(1), world.seed(2));
        for _ in 0..100 {
            world.wait(SECOND / 10);
            world.deliver(dead, 8);
        }
        if !others_send {
            world.gone(other, PeerError::Closed);
        }
        let mut waited = 0;
        while world.hung_up(dead).is_none() && waited < 60 {
            world.wait(SECOND);
            world.deliver(other, 1);
            waited += 1;
        }
        if others_send {
            assert_eq!(world.hung_up(dead), None);
            continue;
        }
        assert_eq!(world.hung_up(dead), Some(HangUp::Stalled));
        assert!(waited <= 30, "{waited} s");
        assert!(world.outside.borrow().silent.is_empty(), "that one peer closed says nothing");
        world.gone(dead, PeerError::HungUp(HangUp::Stalled));
        assert_eq!(world.outside.borrow().silent, [address(1)], "over TCP it may be otherwise");
        world.outside.borrow_mut().dialed.clear();
        world.wait(3 * SECOND);
        assert!(world.outside.borrow().dialed.contains(&address(1)), "it is connected to again");
    }
}
