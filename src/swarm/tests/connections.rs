//! Which peers are accepted, which stay and which are disconnected.

use super::*;
use crate::wire::extension::ExtensionHandshake;

#[test]
fn of_two_connections_that_began_at_once_that_of_the_greater_peer_id_stays() {
    // (the peer's ID, whether the connection that it made is the one that stays)
    for (id, theirs_stays) in [(b'z', true), (b'!', false)] {
        let mut world = Scene::default().start();
        let ours = world.dial(address(1), id);
        let theirs = world.arrive(SocketAddr::from(([203, 0, 113, 1], 40_000))).unwrap();
        world.tell(Event::Greeted(theirs, greeting(id)));
        let (stays, goes) = if theirs_stays { (theirs, ours) } else { (ours, theirs) };
        assert_eq!((world.hung_up(stays), world.hung_up(goes)), (None, Some(HangUp::Duplicate)));
        // The address leads to the peer that stays, whichever connection that is.
        assert_eq!(world.coordinator.roster.get(stays).unwrap().dial, Some(address(1)));
    }
}

#[test]
fn a_second_connection_that_begins_later_ends_whatever_the_peer_id() {
    let mut world = Scene::default().start();
    let first = world.dial(address(1), b'z');
    world.wait(11 * SECOND);
    let second = world.arrive(SocketAddr::from(([203, 0, 113, 1], 40_000))).unwrap();
    world.tell(Event::Greeted(second, greeting(b'z')));
    assert_eq!((world.hung_up(first), world.hung_up(second)), (None, Some(HangUp::Duplicate)));
}

#[test]
fn two_peers_of_one_peer_id_behind_one_address_both_stay_if_they_listen_at_different_ports() {
    let mut world = Scene::default().start();
    let first = world.dial(address(1), b'z');
    let second = world.dial(SocketAddr::from(([203, 0, 113, 1], 6882)), b'z');
    assert_eq!((world.hung_up(first), world.hung_up(second)), (None, None));
    // A third connection comes from one of the two.
    world.wait(11 * SECOND);
    let third = world.arrive(SocketAddr::from(([203, 0, 113, 1], 40_000))).unwrap();
    world.tell(Event::Greeted(third, greeting(b'z')));
    assert_eq!(world.hung_up(third), Some(HangUp::Duplicate));
}

#[test]
fn a_peer_that_connects_to_us_once_more_replaces_its_dead_connection_and_another_of_its_id_does_not() {
    for (port, replaced) in [(6881, Some(HangUp::Duplicate)), (6882, None)] {
        let mut world = Scene::default().start();
        let come = |world: &mut World, from: u16, listens: u16| {
            let key = world.arrive(SocketAddr::from(([203, 0, 113, 1], from))).unwrap();
            world.tell(Event::Greeted(key, greeting(b'z')));
            let handshake = ExtensionHandshake { port: Some(listens), ..ExtensionHandshake::default() };
            world.hear(key, [News::ExtensionHandshake(handshake)]);
            key
        };
        let first = come(&mut world, 40_000, 6881);
        world.wait(11 * SECOND);
        let second = come(&mut world, 40_001, port);
        assert_eq!((world.hung_up(first), world.hung_up(second)), (replaced, None), "{port}");
        let dial = world.coordinator.roster.get(second).unwrap().dial;
        assert_eq!(dial.map(|dial| dial.port()), Some(port));
    }
}

#[test]
fn one_address_has_eight_connections_the_bridge_of_a_container_half_and_this_host_as_many_as_it_likes() {
    for (host, most) in [([203, 0, 113, 1], 8), ([172, 17, 0, 1], 20), ([127, 0, 0, 1], 25)] {
        let mut world = Scene { max_peers: 40, ..Scene::default() }.start();
        let arrived = (0..25).filter(|port| world.arrive(SocketAddr::from((host, *port + 1))).is_some());
        assert_eq!(arrived.count(), most, "{host:?}");
    }
}

#[test]
fn while_something_is_missing_a_quarter_of_the_places_is_kept_for_peers_that_we_connect_to() {
    let arrive = |world: &mut World| (1..=40).filter(|host| world.arrive(address(*host)).is_some()).count();
    let mut leecher = Scene { max_peers: 20, ..Scene::default() }.start();
    assert_eq!(arrive(&mut leecher), 15);
    let (stored, wanted) = ((0..8).collect(), WantedPieces::Nothing);
    let mut seed = Scene { max_peers: 20, stored, wanted, ..Scene::default() }.start();
    assert_eq!(arrive(&mut seed), 20);
}

#[test]
fn when_the_roster_is_full_an_idle_peer_makes_room_and_one_that_waits_for_a_slot_does_not() {
    let (stored, wanted) = ((0..8).collect(), WantedPieces::Nothing);
    let no_slots = UploadPolicy { limit: Some(0), seeding: Some(SeedGoals::default()), super_seeding: false };
    let mut world = Scene { max_peers: 2, stored, wanted, uploads: no_slots, ..Scene::default() }.start();
    let waiting = world.arrive(address(1)).unwrap();
    world.tell(Event::Greeted(waiting, greeting(1)));
    world.hear(waiting, [News::Interested(true)]);
    let idle = world.arrive(address(2)).unwrap();
    world.tell(Event::Greeted(idle, greeting(2)));
    world.hear(idle, [News::Bitfield(world.bitfield(&[0]))]);
    assert!(world.arrive(address(3)).is_none(), "too early");
    world.wait(91 * SECOND);
    world.arrive(address(3));
    assert_eq!((world.hung_up(waiting), world.hung_up(idle)), (None, Some(HangUp::Idle)));
}

#[test]
fn an_address_that_sent_wrong_data_is_turned_away() {
    let mut world = Scene::default().start();
    let liar = world.seed(1);
    let piece = world.owed(liar)[0].piece;
    world.hear(liar, [News::Verified(piece, vec![liar])]);
    assert_eq!(world.hung_up(liar), Some(HangUp::WrongData));
    world.gone(liar, PeerError::HungUp(HangUp::WrongData));
    assert!(world.arrive(address(1)).is_none());
    assert!(world.arrive(address(2)).is_some());
    let dialed = world.outside.borrow().dialed.len();
    world.tell(Event::Found(Source::Tracker, vec![address(1)]));
    world.wait(3600 * SECOND);
    assert_eq!(world.outside.borrow().dialed.len(), dialed, "it is never dialed again");
}

#[test]
fn without_threads_the_run_goes_on_with_the_peers_that_it_has() {
    let mut world = Scene::default().start();
    let seed = world.seed(1);
    world.outside.borrow_mut().no_threads = true;
    assert!(world.arrive(address(2)).is_none());
    world.tell(Event::Found(Source::Tracker, vec![address(3)]));
    world.outside.borrow_mut().no_threads = false;
    world.wait(60 * SECOND);
    assert!(world.outside.borrow().dialed.contains(&address(3)), "it is tried again");
    assert!(!world.owed(seed).is_empty());
}

#[test]
fn a_torrent_gets_the_connections_that_others_no_longer_use() {
    let mut world = Scene::default().start();
    world.outside.borrow_mut().no_room = true;
    for number in [3, 4] {
        let key = world.arrive(address(number)).expect("two in any case");
        world.tell(Event::Greeted(key, greeting(number)));
        world.hear(key, [News::HaveAll]);
    }
    world.tell(Event::Found(Source::Tracker, vec![address(1)]));
    assert!(world.arrive(address(2)).is_none(), "turned away");
    world.wait(60 * SECOND);
    assert!(world.outside.borrow().dialed.is_empty());
    world.outside.borrow_mut().no_room = false;
    // No event of this torrent says so.
    world.wait(SECOND);
    assert_eq!(world.outside.borrow().dialed, [address(1)]);
    assert!(world.arrive(address(2)).is_some());
}

#[test]
fn a_peer_that_this_host_had_no_room_for_is_tried_again_after_a_rest() {
    // EMFILE: too many open files.
    let too_many = || std::io::Error::from_raw_os_error(24);
    for why in [PeerError::NoThread(too_many()), PeerError::Connect(too_many())] {
        let mut world = Scene::default().start();
        let key = world.dial(address(1), 1);
        world.gone(key, why);
        world.tell(Event::Found(Source::Tracker, vec![address(2)]));
        assert_eq!(world.outside.borrow().dialed, [address(1)], "nothing is tried at once");
        world.wait(20 * SECOND);
        assert!(world.outside.borrow().dialed.len() >= 3, "both are tried after the rest");
    }
}

#[test]
fn a_seed_disconnects_another_seed() {
    let (stored, wanted) = ((0..8).collect(), WantedPieces::Nothing);
    let uploads = UploadPolicy { seeding: Some(SeedGoals::default()), ..UploadPolicy::default() };
    let mut world = Scene { stored, wanted, uploads, ..Scene::default() }.start();
    let (seed, leecher) = (world.arrive(address(1)).unwrap(), world.arrive(address(2)).unwrap());
    for key in [seed, leecher] {
        world.tell(Event::Greeted(key, greeting(key.0 as u8)));
    }
    world.hear(leecher, [News::Bitfield(world.bitfield(&[0]))]);
    world.hear(seed, [News::HaveAll]);
    assert_eq!((world.hung_up(seed), world.hung_up(leecher)), (Some(HangUp::BothSeeds), None));
}

#[test]
fn an_attempt_takes_no_place_from_who_comes_to_us() {
    let mut world = Scene { max_peers: 8, ..Scene::default() }.start();
    world.tell(Event::Found(Source::Tracker, (100..200).map(address).collect()));
    world.wait(10 * SECOND);
    assert!(world.outside.borrow().dialed.len() > 80, "attempts that nobody answers make way for others");
    let arrived = (1..=6).filter(|host| world.arrive(address(*host)).is_some());
    assert_eq!(arrived.count(), 6);
}

#[test]
fn who_answers_when_all_places_are_taken_is_tried_again_when_one_is_free() {
    let mut world = Scene { max_peers: 1, ..Scene::default() }.start();
    world.tell(Event::Found(Source::Tracker, vec![address(1), address(2)]));
    world.wait(SECOND);
    let dialed = world.outside.borrow().dialed.clone();
    assert_eq!(dialed.len(), 2, "the first is no longer waited for");
    let first = world.answer(dialed[0]);
    world.answer(dialed[1]);
    assert_eq!(world.coordinator.roster.len(), 1);
    world.tell(Event::Greeted(first, greeting(1)));
    world.gone(first, PeerError::Closed);
    assert_eq!(world.outside.borrow().dialed.last(), Some(&dialed[1]));
}

/// A roster of this many peers that the coordinator connected to. `says` is what each of them says.
fn full(peers: u8, says: impl Fn(&World) -> Vec<News>) -> (World, Vec<PeerKey>) {
    let mut world = Scene { max_peers: peers.into(), ..Scene::default() }.start();
    let keys: Vec<PeerKey> = (1..=peers).map(|host| world.dial(address(host), host)).collect();
    for key in &keys {
        let says = says(&world);
        world.hear(*key, says);
    }
    (world, keys)
}

/// New addresses become known, and all of them answer whenever they are dialed. How many are connected.
fn newcomers(world: &mut World, hosts: std::ops::Range<u8>, time: Duration) -> usize {
    let mut answered = world.outside.borrow().dialed.len();
    world.tell(Event::Found(Source::Tracker, hosts.map(address).collect()));
    let (mut connected, end) = (0, world.now + time);
    while world.now < end {
        world.wait(SECOND / 4);
        let dialed = world.outside.borrow().dialed[answered..].to_vec();
        answered += dialed.len();
        for at in dialed {
            let before = world.coordinator.roster.len();
            let key = world.answer(at);
            if world.coordinator.roster.len() > before {
                connected += 1;
                world.tell(Event::Greeted(key, greeting(200)));
                world.hear(key, [News::HaveAll]);
            }
        }
        let leaving = world.coordinator.roster.all().filter(|(_, peer)| peer.leaving);
        let leaving: Vec<PeerKey> = leaving.map(|(key, _)| key).collect();
        for key in leaving {
            let why = world.hung_up(key).unwrap();
            world.gone(key, PeerError::HungUp(why));
        }
    }
    connected
}

#[test]
fn peers_that_say_nothing_lose_their_places_within_seconds_to_those_that_were_not_tried_yet() {
    let small_talk = |_: &World| vec![News::ExtensionHandshake(Default::default())];
    let (mut world, silent) = full(10, small_talk);
    world.wait(60 * SECOND);
    assert!(silent.iter().all(|key| world.hung_up(*key).is_none()), "nobody waits");
    assert_eq!(newcomers(&mut world, 100..105, SECOND), 5);
    let left = silent.iter().filter(|key| world.hung_up(**key) == Some(HangUp::Unproven));
    assert_eq!(left.count(), 5, "as many as were needed");
}

#[test]
fn a_peer_that_unchokes_and_never_sends_a_block_makes_room_after_a_while() {
    let (mut world, tar_pits) = full(2, |_| vec![News::HaveAll, News::Unchoked]);
    assert!(tar_pits.iter().any(|key| !world.owed(*key).is_empty()));
    world.wait(14 * SECOND);
    assert_eq!(newcomers(&mut world, 100..101, SECOND / 2), 0);
    // One of them was asked when the other had been silent for some seconds.
    assert_eq!(newcomers(&mut world, 101..102, 6 * SECOND), 2, "both who wait");
}

#[test]
fn of_peers_that_choke_us_a_few_at_a_time_leave_and_none_for_an_address_that_does_not_answer() {
    let (mut world, choking) = full(10, |_| vec![News::HaveAll]);
    world.wait(91 * SECOND);
    world.tell(Event::Found(Source::Tracker, vec![address(99)]));
    world.wait(5 * SECOND);
    assert_eq!(world.outside.borrow().dialed.last(), Some(&address(99)));
    assert!(choking.iter().all(|key| world.hung_up(*key).is_none()), "nobody has come yet");
    let connected = newcomers(&mut world, 100..150, 30 * SECOND);
    assert!((3..=4).contains(&connected), "{connected} in half a minute");
    let left = choking.iter().filter(|key| world.hung_up(**key) == Some(HangUp::Idle));
    assert_eq!(left.count(), connected);
}
