//! Peers that take only encrypted connections, or only plain ones: how connections begin, and what the user
//! and other peers are told.

use super::*;
use crate::wire::extension::ExtensionHandshake;
use crate::wire::pex::{PREFERS_ENCRYPTION, PeerExchange, REACHABLE, UPLOAD_ONLY};

fn scene(encryption: Encryption) -> World {
    Scene { encryption, ..Scene::default() }.start()
}

/// How the connections to this address began.
fn begun(world: &World, address: SocketAddr) -> Vec<Approach> {
    let outside = world.outside.borrow();
    outside.begun.iter().filter(|(at, _)| *at == address).map(|(_, approach)| *approach).collect()
}

fn encrypted(id: u8) -> Greeting {
    Greeting { encryption: Security::Rc4, ..greeting(id) }
}

fn listens_at(port: u16) -> News {
    News::ExtensionHandshake(ExtensionHandshake { port: Some(port), ..ExtensionHandshake::default() })
}

#[test]
fn a_peer_that_closes_before_a_word_is_connected_to_the_other_way_in_the_same_moment() {
    for (policy, ways) in [
        (Encryption::Allow, [Approach::Plain, Approach::Encrypted]),
        (Encryption::Prefer, [Approach::Encrypted, Approach::Plain]),
    ] {
        for why in [PeerError::Closed, PeerError::Lost(io::ErrorKind::ConnectionReset.into())] {
            let mut world = scene(policy);
            world.tell(Event::Found(Source::Tracker, vec![address(1)]));
            let first = world.answer(address(1));
            world.gone(first, why);
            assert_eq!(world.outside.borrow().dialed, [address(1); 2]);
            // It is no duplicate of the first connection, and no failure.
            let second = world.answer(address(1));
            world.tell(Event::Greeted(second, greeting(1)));
            assert_eq!((begun(&world, address(1)), world.hung_up(second)), (ways.to_vec(), None));
            assert!(!world.coordinator.dialer.candidates().has_failed(address(1)));
            assert_eq!(world.coordinator.statistics.last_peer_trouble(), None);
        }
    }
}

#[test]
fn a_peer_that_was_greeted_and_leaves_is_not_tried_the_other_way() {
    let mut world = scene(Encryption::Allow);
    let key = world.dial(address(1), 1);
    world.gone(key, PeerError::Closed);
    assert_eq!(world.outside.borrow().dialed, [address(1)]);
    world.wait(2 * SECOND);
    // Nor where it closes the next connection before a word: it took a plain one before, so it is probably full.
    let key = world.answer(address(1));
    world.gone(key, PeerError::Closed);
    assert_eq!(world.outside.borrow().dialed, [address(1); 2]);
    world.wait(20 * SECOND);
    world.answer(address(1));
    assert_eq!(begun(&world, address(1)), [Approach::Plain; 3]);
}

#[test]
fn where_every_peer_wants_what_the_user_does_not_the_stall_names_the_way_out() {
    for (policy, way_out) in [
        (Encryption::Off, Some("--encryption allow")),
        (Encryption::Require, Some("--encryption allow")),
        (Encryption::Allow, None),
    ] {
        let mut world = scene(policy);
        world.tell(Event::Found(Source::Tracker, vec![address(1), address(2)]));
        while begun(&world, address(1)).len() < 2 {
            let key = world.answer(address(1));
            world.gone(key, PeerError::Closed);
            world.wait(2 * SECOND);
        }
        // Another address, at which nobody is, hides nothing.
        world.refuse(address(2));
        world.wait(11 * SECOND);
        let stall = world.snapshot().stall.map(|stall| stall.to_string()).unwrap();
        assert!(way_out.is_none_or(|way_out| stall.contains(way_out)), "{stall}");
        assert_eq!(stall.contains("--encryption"), way_out.is_some(), "{stall}");
    }
}

#[test]
fn other_peers_are_told_which_ones_prefer_encryption_and_what_they_tell_decides_how_we_begin() {
    let mut world = scene(Encryption::Allow);
    let teller = world.dial(address(1), 1);
    let handshake = ExtensionHandshake { pex: Some(1), ..ExtensionHandshake::default() };
    world.hear(teller, [News::ExtensionHandshake(handshake)]);
    let (met, says) = (world.dial(address(2), 2), world.dial(address(3), 3));
    let yes = Some(true);
    let handshake =
        ExtensionHandshake { prefers_encryption: yes, upload_only: yes, ..ExtensionHandshake::default() };
    // What it does not mention a second time stays as it was.
    for handshake in [handshake, ExtensionHandshake::default()] {
        world.hear(says, [News::ExtensionHandshake(handshake)]);
    }
    assert!(world.coordinator.roster.get(says).unwrap().flags.upload_only);
    world.gone(met, PeerError::Closed);
    world.wait(3 * SECOND);
    let met = world.answer(address(2));
    world.tell(Event::Greeted(met, encrypted(2)));
    world.wait(70 * SECOND);
    let told: Vec<PeerExchange> = world
        .orders(teller)
        .into_iter()
        .filter_map(|order| if let Order::Pex(_, told) = order { Some(told) } else { None })
        .collect();
    let flags = |host| told.iter().flat_map(|told| &told.added).filter(move |(at, _)| *at == address(host));
    for (host, more) in [(2, 0), (3, UPLOAD_ONLY)] {
        let last = flags(host).next_back().map(|(_, flags)| *flags);
        assert_eq!(last, Some(REACHABLE | PREFERS_ENCRYPTION | more), "{host}: {told:?}");
    }

    world.hear(teller, [News::Pex(vec![(address(7), PREFERS_ENCRYPTION), (address(8), 0)])]);
    [7, 8].into_iter().for_each(|host| _ = world.answer(address(host)));
    assert_eq!(begun(&world, address(7)), [Approach::Encrypted]);
    assert_eq!(begun(&world, address(8)), [Approach::Plain]);
}

#[test]
fn a_peer_that_came_in_encrypted_is_connected_to_encrypted() {
    for (greeting, expected) in [(encrypted(1), Approach::Encrypted), (greeting(1), Approach::Plain)] {
        let mut world = scene(Encryption::Allow);
        let key = world.arrive(SocketAddr::from(([203, 0, 113, 1], 40_000))).unwrap();
        world.tell(Event::Greeted(key, greeting));
        world.hear(key, [listens_at(6881)]);
        world.gone(key, PeerError::Closed);
        world.wait(2 * SECOND);
        world.answer(address(1));
        assert_eq!(begun(&world, address(1)), [expected]);
    }
}

#[test]
fn a_peer_that_connects_to_us_while_we_connect_to_it_is_not_connected_to_the_other_way() {
    let mut world = scene(Encryption::Allow);
    world.tell(Event::Found(Source::Tracker, vec![address(1)]));
    let ours = world.answer(address(1));
    let theirs = world.arrive(SocketAddr::from(([203, 0, 113, 1], 40_000))).unwrap();
    world.tell(Event::Greeted(theirs, encrypted(1)));
    world.hear(theirs, [listens_at(6881)]);
    // It takes only encrypted connections.
    world.gone(ours, PeerError::Closed);
    world.wait(60 * SECOND);
    assert_eq!(world.outside.borrow().dialed, [address(1)]);
    assert_eq!(world.coordinator.roster.get(theirs).unwrap().dial, Some(address(1)));
    assert_eq!(world.hung_up(theirs), None);
    // Once it is gone, we know where it is and how it likes to be spoken to.
    world.gone(theirs, PeerError::Closed);
    world.wait(2 * SECOND);
    world.answer(address(1));
    assert_eq!(begun(&world, address(1)), [Approach::Plain, Approach::Encrypted]);
}

#[test]
fn an_answer_of_a_peer_that_has_connected_to_us_meanwhile_leads_to_no_second_connection() {
    let mut world = scene(Encryption::Allow);
    world.tell(Event::Found(Source::Tracker, vec![address(1)]));
    let theirs = world.arrive(SocketAddr::from(([203, 0, 113, 1], 40_000))).unwrap();
    world.tell(Event::Greeted(theirs, greeting(1)));
    world.hear(theirs, [listens_at(6881)]);
    world.answer(address(1));
    assert_eq!((world.coordinator.roster.len(), begun(&world, address(1))), (1, Vec::new()));
    // Another client of that host is another peer.
    let other = SocketAddr::from(([203, 0, 113, 1], 6882));
    world.dial(other, 2);
    assert_eq!(world.coordinator.roster.len(), 2);
}

#[test]
fn of_a_plain_and_an_encrypted_connection_that_began_at_once_one_stays_whichever_is_greeted_first() {
    for (id, theirs_stays) in [(b'z', true), (b'!', false)] {
        for theirs_first in [true, false] {
            let mut world = scene(Encryption::Allow);
            world.tell(Event::Found(Source::Tracker, vec![address(1)]));
            let ours = world.answer(address(1));
            let theirs = world.arrive(SocketAddr::from(([203, 0, 113, 1], 40_000))).unwrap();
            let mut greetings = [(ours, greeting(id)), (theirs, encrypted(id))];
            if theirs_first {
                greetings.reverse();
            }
            greetings.into_iter().for_each(|(key, greeting)| _ = world.tell(Event::Greeted(key, greeting)));
            let (stays, goes) = if theirs_stays { (theirs, ours) } else { (ours, theirs) };
            assert_eq!((world.hung_up(stays), world.hung_up(goes)), (None, Some(HangUp::Duplicate)));
            world.gone(goes, PeerError::HungUp(HangUp::Duplicate));
            world.wait(60 * SECOND);
            assert_eq!((world.coordinator.roster.len(), begun(&world, address(1)).len()), (1, 1));
        }
    }
}
