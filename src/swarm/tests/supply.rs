//! How well we are supplied with peers, and what an interruption changes.

use super::*;
use crate::message::WebSeedFailure;

impl World {
    fn supply(&self) -> Supply {
        *self.outside.borrow().supplies.last().unwrap()
    }
}

#[test]
fn a_small_swarm_in_which_one_peer_serves_us_is_a_good_supply_and_is_reported_now_and_then() {
    let mut world = Scene { pieces: 64, ..Scene::default() }.start();
    world.wait(SECOND);
    assert_eq!(world.supply(), Supply::Nobody);
    let slow = world.seed(1);
    world.outside.borrow_mut().supplies.clear();
    for _ in 0..100 {
        world.wait(6 * SECOND);
        world.deliver(slow, 1);
    }
    let supplies = world.outside.borrow().supplies.clone();
    assert!(supplies.iter().all(|supply| *supply == Supply::Good), "{supplies:?}");
    assert!((20..=25).contains(&supplies.len()), "{}", supplies.len());
    // The peer falls silent.
    world.wait(61 * SECOND);
    assert_eq!(world.supply(), Supply::Nobody);
}

#[test]
fn addresses_to_try_are_a_good_supply_and_dead_ones_that_wait_are_none() {
    let mut world = Scene::default().start();
    world.tell(Event::Found(Source::Tracker, (10..40).map(address).collect()));
    world.wait(SECOND);
    assert_eq!(world.supply(), Supply::Good);
    for _ in 0..600 {
        let dialed = world.outside.borrow().dialed.clone();
        dialed.into_iter().for_each(|address| world.refuse(address));
        world.wait(SECOND / 10);
    }
    assert_eq!(world.supply(), Supply::Nobody);
    // They are tried again and again, which makes them no better.
    world.outside.borrow_mut().supplies.clear();
    world.wait(100 * SECOND);
    let supplies = world.outside.borrow().supplies.clone();
    assert!(!supplies.is_empty() && supplies.iter().all(|supply| *supply == Supply::Nobody), "{supplies:?}");
}

#[test]
fn a_few_that_serve_us_among_many_dead_addresses_are_a_thin_supply() {
    let mut world = Scene { pieces: 64, ..Scene::default() }.start();
    let key = world.seed(1);
    world.deliver(key, 1);
    world.tell(Event::Found(Source::Tracker, vec![address(10), address(11)]));
    world.wait(SECOND);
    for address in [address(10), address(11)] {
        world.refuse(address);
    }
    world.wait(SECOND);
    assert_eq!(world.supply(), Supply::Thin);
}

#[test]
fn a_peer_that_chokes_us_is_promising_for_a_minute_only() {
    let mut world = Scene::default().start();
    let key = world.dial(address(1), 1);
    world.hear(key, [News::HaveAll]);
    world.wait(58 * SECOND);
    assert_eq!(world.supply(), Supply::Good);
    world.wait(3 * SECOND);
    assert_eq!(world.supply(), Supply::Nobody);
}

#[test]
fn a_full_roster_and_a_seed_need_nobody() {
    let mut full = Scene { max_peers: 1, ..Scene::default() }.start();
    let key = full.dial(address(1), 1);
    full.hear(key, [News::HaveAll]);
    full.wait(70 * SECOND);
    assert_eq!(full.supply(), Supply::Good);
    let mut seed =
        Scene { stored: (0..8).collect(), wanted: WantedPieces::Nothing, ..Scene::default() }.start();
    seed.wait(SECOND);
    assert_eq!(seed.supply(), Supply::Good);
}

#[test]
fn after_an_interruption_addresses_are_due_and_who_owes_us_blocks_has_to_speak_soon() {
    let mut world = Scene { pieces: 64, ..Scene::default() }.start();
    let (silent, lively) = (world.seed(1), world.seed(2));
    let dead = world.dial(address(3), 3);
    world.gone(dead, PeerError::Closed);
    let before = world.outside.borrow().dialed.len();
    world.outside.borrow_mut().interruption = Some(Interruption::Slept(3600 * SECOND));
    // It would be tried again after a second at the earliest.
    world.wait(SECOND / 2);
    assert!(world.outside.borrow().dialed.len() > before, "the address that waits was not tried");
    world.deliver(lively, 1);
    world.wait(14 * SECOND);
    assert_eq!(world.hung_up(silent), None);
    world.wait(2 * SECOND);
    assert_eq!((world.hung_up(silent), world.hung_up(lively)), (Some(HangUp::NoSignOfLife), None));
}

#[test]
fn connections_of_an_interface_that_is_gone_are_made_again_at_once() {
    let mut world = Scene { pieces: 64, ..Scene::default() }.start();
    let keys = [world.seed(1), world.seed(2)];
    world.outside.borrow_mut().interruption = Some(Interruption::NewInterface);
    world.wait(SECOND / 2);
    let before = world.outside.borrow().dialed.len();
    for key in keys {
        assert_eq!(world.hung_up(key), Some(HangUp::InterfaceGone));
        world.gone(key, PeerError::HungUp(HangUp::InterfaceGone));
    }
    // A peer that had sent nothing yet would wait for a second at the least.
    world.wait(SECOND / 2);
    assert_eq!(world.outside.borrow().dialed.len(), before + 2);
}

#[test]
fn after_an_interruption_a_web_seed_that_failed_is_asked_at_once() {
    let mut world =
        Scene { pieces: 64, web_seeds: vec!["http://one.example/files/"], ..Scene::default() }.start();
    let asked = |world: &World| world.outside.borrow().asked_web_seeds.len();
    let fail = |world: &mut World| {
        let key = world.outside.borrow().asked_web_seeds.last().unwrap().0;
        world.gone(key, PeerError::WebSeed(WebSeedFailure::Failed("no route".to_owned())));
    };
    for _ in 0..8 {
        fail(&mut world);
        world.wait(800 * SECOND);
    }
    fail(&mut world);
    let before = asked(&world);
    world.wait(60 * SECOND);
    assert_eq!(asked(&world), before);
    world.outside.borrow_mut().interruption = Some(Interruption::NewNetwork);
    world.wait(SECOND);
    assert_eq!(asked(&world), before + 1);
}
