//! Who makes room for whom where all places are taken.

use super::*;

/// A seed of few places.
fn full_seed(max_peers: usize) -> World {
    let (stored, wanted) = ((0..8).collect(), WantedPieces::Nothing);
    let uploads = UploadPolicy { seeding: Some(SeedGoals::default()), ..UploadPolicy::default() };
    Scene { max_peers, stored, wanted, uploads, ..Scene::default() }.start()
}

/// A leecher that comes in from this address. `None` if it is not let in.
fn come_in(world: &mut World, host: u8, wants: bool) -> Option<PeerKey> {
    let key = world.arrive(address(host))?;
    world.tell(Event::Greeted(key, greeting(host)));
    world.hear(key, [News::Bitfield(world.bitfield(&[]))]);
    if wants {
        world.hear(key, [News::Interested(true)]);
    }
    Some(key)
}

/// Those that we have hung up on leave.
fn let_go(world: &mut World, keys: &[PeerKey]) {
    for key in keys {
        if let Some(why) = world.hung_up(*key)
            && world.coordinator.roster.get(*key).is_some()
        {
            world.gone(*key, PeerError::HungUp(why));
        }
    }
}

#[test]
fn strangers_that_do_nothing_make_room_for_a_newcomer_after_seconds() {
    for wants in [false, true] {
        let mut world = full_seed(20);
        let strangers: Vec<_> = (1..=20).map(|host| come_in(&mut world, host, wants).unwrap()).collect();
        assert!(come_in(&mut world, 99, true).is_none(), "they have just come");
        // Those that say that they want something have their turn first, twice as many at each look.
        world.wait(if wants { 3 * SECOND } else { 5 * SECOND });
        let newcomer = come_in(&mut world, 99, true).expect("it is let in");
        assert_eq!(world.hung_up(strangers[0]), Some(HangUp::Idle), "the idlest goes");
        world.wait(SECOND / 10);
        assert!(world.orders(newcomer).iter().any(|order| matches!(order, Order::Unchoke)), "{wants}");
    }
}

#[test]
fn a_far_peer_keeps_its_place_while_its_interest_is_on_its_way() {
    let mut world = full_seed(4);
    let far: Vec<_> = (1..=4).map(|host| come_in(&mut world, host, false).unwrap()).collect();
    world.wait(3 * SECOND);
    assert!(come_in(&mut world, 99, true).is_none());
    assert!(far.iter().all(|key| world.hung_up(*key).is_none()));
    world.wait(2 * SECOND);
    assert!(come_in(&mut world, 99, true).is_some(), "nothing has come");
}

#[test]
fn strangers_that_come_again_and_again_do_not_keep_a_newcomer_out() {
    let mut world = full_seed(10);
    let mut inside = Vec::new();
    // Two hundred of them, one after the other, again and again.
    for _ in 0..10 {
        for host in 1..=200 {
            inside.extend(come_in(&mut world, host, false));
            world.wait(SECOND / 8);
            let_go(&mut world, &inside);
        }
    }
    let at_once = (1..=20).filter_map(|host| come_in(&mut world, host, false));
    inside.extend(at_once.collect::<Vec<_>>());
    let_go(&mut world, &inside);
    assert!(come_in(&mut world, 30, false).is_none(), "all have just come");
    let newcomer = come_in(&mut world, 201, false).expect("it is let in at once");
    let_go(&mut world, &inside);
    for host in 1..=200 {
        inside.extend(come_in(&mut world, host, false));
        let_go(&mut world, &inside);
    }
    assert_eq!(world.hung_up(newcomer), None, "and it stays, though it has done nothing yet");
}

#[test]
fn a_peer_that_waits_for_its_turn_or_has_used_it_keeps_its_place() {
    let mut world = full_seed(6);
    let peers: Vec<_> = (1..=6).map(|host| come_in(&mut world, host, true).unwrap()).collect();
    for _ in 0..40 {
        world.wait(SECOND);
        for key in &peers {
            if world.coordinator.slots.is_unchoked(*key) {
                world.outside.borrow().workers[key].requests().sent(16384);
            }
        }
        assert!(come_in(&mut world, 99, true).is_none());
    }
}

#[test]
fn of_peers_that_were_of_use_once_a_few_at_a_time_make_room() {
    let mut world = Scene { max_peers: 8, ..Scene::default() }.start();
    // Seeds that choke us.
    let seeds: Vec<_> = (1..=6).map(|host| world.arrive(address(host)).unwrap()).collect();
    for key in &seeds {
        world.tell(Event::Greeted(*key, greeting(key.0 as u8)));
        world.hear(*key, [News::HaveAll]);
    }
    world.wait(91 * SECOND);
    let came = (50..80).filter(|host| world.arrive(address(*host)).is_some()).count();
    let gone = seeds.iter().filter(|key| world.hung_up(**key).is_some()).count();
    assert_eq!((came, gone), (1, 1));
    world.wait(11 * SECOND);
    assert!(world.arrive(address(90)).is_some());
}

#[test]
fn too_many_incoming_peers_cost_no_peer_that_we_connected_to_its_place() {
    let mut world = Scene { max_peers: 8, ..Scene::default() }.start();
    let ours = world.dial(address(1), 1);
    for number in 2..8 {
        let key = world.arrive(address(number)).unwrap();
        world.tell(Event::Greeted(key, greeting(number)));
        world.hear(key, [News::HaveAll]);
    }
    // It has said nothing for longer than others may.
    world.wait(5 * SECOND);
    world.arrive(address(9));
    assert_eq!(world.hung_up(ours), None);
}
