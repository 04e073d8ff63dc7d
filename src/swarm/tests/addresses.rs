//! One peer at several addresses.

use super::*;
use crate::message::TrackerReport;
use crate::wire::extension::ExtensionHandshake;

/// An IPv6 address of a host that has [`address`] too.
fn six(host: u8) -> SocketAddr {
    format!("[2001:db8::{host}]:6881").parse().unwrap()
}

/// How many times this address was dialed.
fn attempts(world: &World, address: SocketAddr) -> usize {
    world.outside.borrow().dialed.iter().filter(|dialed| **dialed == address).count()
}

/// Dials this address. The connection comes about, and the peer has not greeted yet.
fn connect(world: &mut World, address: SocketAddr) -> PeerKey {
    world.tell(Event::Found(Source::Tracker, vec![address]));
    world.answer(address)
}

#[test]
fn a_peer_at_an_ipv4_and_an_ipv6_address_keeps_the_connection_that_libtorrent_keeps() {
    // (the peer's ID, whether the second connection stays)
    for (id, second_stays) in [(b'!', true), (b'z', false)] {
        let mut world = Scene::default().start();
        let first = world.dial(address(1), id);
        let second = world.dial(six(1), id);
        let (stays, goes, lost) =
            if second_stays { (second, first, address(1)) } else { (first, second, six(1)) };
        assert_eq!((world.hung_up(stays), world.hung_up(goes)), (None, Some(HangUp::Duplicate)));
        world.gone(goes, PeerError::HungUp(HangUp::Duplicate));
        world.wait(1800 * SECOND);
        assert_eq!(attempts(&world, lost), 1, "it is not tried as long as the other connection lives");
        world.gone(stays, PeerError::Closed);
        world.wait(60 * SECOND);
        assert!(attempts(&world, lost) > 1, "and is again when that is over");
    }
}

#[test]
fn all_addresses_of_a_peer_that_was_let_go_are_tried_again_if_pieces_were_lost() {
    let mut world = Scene { pieces: 1, ..Scene::default() }.start();
    let stays = world.seed(b'z');
    let goes = world.dial(six(1), b'z');
    assert_eq!((world.hung_up(stays), world.hung_up(goes)), (None, Some(HangUp::Duplicate)));
    world.gone(goes, PeerError::HungUp(HangUp::Duplicate));
    let piece = world.piece(0);
    world.hear(stays, [News::Verified(piece, Vec::new())]);
    world.tell(Event::Stored(vec![piece]));
    assert!(world.outside.borrow().finish_told);
    world.tell(Event::Lost(vec![piece]));
    world.wait(5 * SECOND);
    assert_eq!((attempts(&world, address(b'z')), attempts(&world, six(1))), (2, 2));
}

#[test]
fn a_second_address_that_comes_later_goes_whatever_the_peer_id() {
    for id in [b'!', b'z'] {
        let mut world = Scene::default().start();
        let first = world.dial(address(1), id);
        world.wait(11 * SECOND);
        let second = world.dial(six(1), id);
        assert_eq!((world.hung_up(first), world.hung_up(second)), (None, Some(HangUp::Duplicate)));
        // A peer with a smaller ID closes the first. Then both are tried anew, together.
        world.gone(second, PeerError::HungUp(HangUp::Duplicate));
        world.gone(first, PeerError::Closed);
        world.wait(10 * SECOND);
        assert_eq!((attempts(&world, address(1)), attempts(&world, six(1))), (2, 2));
    }
}

#[test]
fn peers_with_one_id_at_unlike_addresses_both_stay() {
    let other_port = SocketAddr::new(six(1).ip(), 6882);
    for second in [address(2), other_port, "[2001:db8:1::1]:6881".parse().unwrap()] {
        let mut world = Scene::default().start();
        let first = if second.is_ipv4() || second == other_port { address(1) } else { six(1) };
        let (first, second) = (world.dial(first, b'z'), world.dial(second, b'z'));
        assert_eq!((world.hung_up(first), world.hung_up(second)), (None, None));
    }
}

#[test]
fn where_the_peer_closes_one_of_two_connections_itself_its_address_waits_for_the_end_of_the_other() {
    for why in [PeerError::Closed, PeerError::Lost(io::ErrorKind::ConnectionReset.into())] {
        let mut world = Scene::default().start();
        let (first, second) = (world.dial(address(1), b'!'), world.dial(address(2), b'!'));
        world.gone(first, why);
        world.wait(1800 * SECOND);
        assert_eq!(attempts(&world, address(1)), 1);
        world.gone(second, PeerError::Closed);
        world.wait(60 * SECOND);
        assert!(attempts(&world, address(1)) > 1);
    }
    // What ends long after has another reason.
    let mut world = Scene::default().start();
    let (first, _second) = (world.dial(address(1), b'!'), world.dial(address(2), b'!'));
    world.wait(11 * SECOND);
    world.gone(first, PeerError::Closed);
    world.wait(60 * SECOND);
    assert!(attempts(&world, address(1)) > 1);
}

#[test]
fn a_connection_that_the_peer_closes_before_it_greets_on_the_next_is_not_made_again() {
    for second in [six(1), SocketAddr::new(six(1).ip(), 6882), address(2)] {
        let mut world = Scene::default().start();
        let first = world.dial(address(1), b'!');
        world.wait(20 * SECOND);
        let key = connect(&mut world, second);
        world.gone(first, PeerError::Closed);
        world.tell(Event::Greeted(key, greeting(b'!')));
        world.wait(1800 * SECOND);
        assert_eq!((attempts(&world, address(1)), attempts(&world, second)), (1, 1));
        world.gone(key, PeerError::Closed);
        world.wait(60 * SECOND);
        assert!(attempts(&world, address(1)) > 1);
    }
}

#[test]
fn a_second_connection_that_is_closed_without_a_word_is_left_alone_for_minutes_if_the_first_is_of_use() {
    let other_port = SocketAddr::new(six(1).ip(), 6882);
    for (second, is_of_use, most) in
        [(six(1), true, 2), (six(1), false, 20), (other_port, true, 20), (address(2), true, 20)]
    {
        let mut world = Scene::default().start();
        let first = world.seed(1);
        if is_of_use {
            world.deliver(first, 1);
        }
        world.tell(Event::Found(Source::Tracker, vec![second]));
        let mut closed = 0;
        for _ in 0..15 {
            if attempts(&world, second) > closed {
                closed = attempts(&world, second);
                let key = world.answer(second);
                world.gone(key, PeerError::Closed);
            }
            world.wait(SECOND);
        }
        assert!(closed <= most && closed > most / 4, "{second}, of use {is_of_use}: {closed} times");
        // It may be somebody else's.
        world.wait(160 * SECOND);
        assert!(attempts(&world, second) > closed, "{second}");
    }
}

#[test]
fn a_peer_that_has_an_id_for_each_connection_is_known_again_by_its_program_and_port() {
    let named = |name: &[u8], rest: u8| {
        let mut peer_id = PeerId([rest; 20]);
        peer_id.0.iter_mut().zip(name).for_each(|(byte, given)| *byte = *given);
        Greeting { peer_id, ..greeting(0) }
    };
    let other_port = SocketAddr::new(six(1).ip(), 6882);
    for (second, name, known) in [
        (six(1), b"-XX0001-", true),
        (six(1), b"-XX0002-", false),
        (other_port, b"-XX0001-", false),
        (address(2), b"-XX0001-", false),
    ] {
        // It may close the first connection before we hear its handshake on the second, or after.
        for early in [true, false] {
            let mut world = Scene::default().start();
            let first = connect(&mut world, address(1));
            world.tell(Event::Greeted(first, named(b"-XX0001-", b'a')));
            let new = connect(&mut world, second);
            if early {
                world.gone(first, PeerError::Closed);
            }
            world.tell(Event::Greeted(new, named(name, b'b')));
            if !early {
                world.gone(first, PeerError::Closed);
            }
            world.wait(1800 * SECOND);
            assert_eq!(attempts(&world, address(1)) == 1, known, "{second} {early}");
            assert_eq!(world.hung_up(new), None);
        }
    }
}

#[test]
fn the_other_addresses_of_a_peer_that_did_harm_are_tried_since_they_may_be_of_another() {
    let mut world = Scene::default().start();
    let liar = world.dial(address(1), b'z');
    let twin = world.dial(six(1), b'z');
    world.gone(twin, PeerError::HungUp(HangUp::Duplicate));
    world.hear(liar, [News::HaveAll, News::Unchoked]);
    let piece = world.owed(liar)[0].piece;
    world.hear(liar, [News::Verified(piece, vec![liar])]);
    world.gone(liar, PeerError::HungUp(HangUp::WrongData));
    world.wait(1800 * SECOND);
    assert_eq!((attempts(&world, address(1)), attempts(&world, six(1))), (1, 2));
}

/// A peer that has connected to us from a port that it does not listen at.
fn come_in(world: &mut World, from: SocketAddr, id: u8, listens: u16) -> PeerKey {
    let key = world.arrive(from).unwrap();
    world.tell(Event::Greeted(key, greeting(id)));
    let handshake = ExtensionHandshake { port: Some(listens), ..ExtensionHandshake::default() };
    world.hear(key, [News::ExtensionHandshake(handshake)]);
    key
}

#[test]
fn an_ipv4_address_in_ipv6_notation_is_one_peer_with_the_ipv4_one_whoever_names_it() {
    let mapped: SocketAddr = "[::ffff:203.0.113.1]:6881".parse().unwrap();
    for source in [Source::Tracker, Source::Magnet, Source::Dht, Source::Lan] {
        for addresses in [[address(1), mapped], [mapped, address(1)]] {
            let mut world = Scene::default().start();
            world.tell(Event::Found(source, addresses.to_vec()));
            world.tell(Event::Named(addresses.to_vec()));
            let other = world.dial(address(2), 2);
            world.hear(other, [News::Pex(addresses.map(|address| (address, 0)).to_vec())]);
            world.wait(5 * SECOND);
            assert_eq!((attempts(&world, address(1)), attempts(&world, mapped)), (1, 0), "{source:?}");
        }
    }
}

#[test]
fn a_peer_that_a_source_names_while_it_is_connected_to_us_is_not_dialed_as_well() {
    for (from, listens_at) in [
        (SocketAddr::new(address(1).ip(), 40_000), address(1)),
        (SocketAddr::new(six(1).ip(), 40_000), six(1)),
    ] {
        for source in [Source::Tracker, Source::Dht, Source::Lan] {
            let mut world = Scene::default().start();
            come_in(&mut world, from, b'z', listens_at.port());
            world.tell(Event::Found(source, vec![listens_at]));
            world.wait(1800 * SECOND);
            assert_eq!(attempts(&world, listens_at), 0, "{source:?}");
        }
    }
}

#[test]
fn a_peer_that_we_know_and_that_comes_in_is_one_peer_whichever_family_it_comes_over() {
    // What is connected, and where a second connection comes from.
    for (dialed, from) in [
        (address(1), SocketAddr::new(address(1).ip(), 40_000)),
        (six(1), SocketAddr::new(six(1).ip(), 40_000)),
        (address(1), SocketAddr::new(six(1).ip(), 40_000)),
        (six(1), SocketAddr::new(address(1).ip(), 40_000)),
    ] {
        let mut world = Scene::default().start();
        let first = world.dial(dialed, b'z');
        world.wait(11 * SECOND);
        let second = world.arrive(from).unwrap();
        world.tell(Event::Greeted(second, greeting(b'z')));
        assert_eq!(
            (world.hung_up(first), world.hung_up(second)),
            (None, Some(HangUp::Duplicate)),
            "{dialed}, {from}"
        );
    }
}

#[test]
fn a_peer_at_its_local_address_and_at_that_of_its_router_is_one_peer() {
    let near: SocketAddr = "192.168.1.7:6881".parse().unwrap();
    let mut world = Scene::default().start();
    world.tell(Event::Found(Source::Lan, vec![near]));
    let first = world.answer(near);
    world.tell(Event::Greeted(first, greeting(b'z')));
    world.wait(11 * SECOND);
    let second = world.dial(address(1), b'z');
    assert_eq!((world.hung_up(first), world.hung_up(second)), (None, Some(HangUp::Duplicate)));
    world.gone(second, PeerError::HungUp(HangUp::Duplicate));
    world.wait(1800 * SECOND);
    assert_eq!(attempts(&world, address(1)), 1);
}

#[test]
fn our_own_address_is_dialed_once_at_most_and_the_other_torrents_hear_of_it() {
    let mut world = Scene::default().start();
    let key = connect(&mut world, address(1));
    world.gone(key, PeerError::Ourselves);
    world.tell(Event::Found(Source::Dht, vec![address(1)]));
    world.wait(3600 * SECOND);
    assert_eq!(attempts(&world, address(1)), 1);
    assert_eq!(world.outside.borrow().ourselves, [address(1)]);
}

#[test]
fn the_address_that_others_see_us_at_is_not_dialed_with_the_port_that_we_listen_at() {
    let (ours, neighbour) = (address(9), SocketAddr::new(address(9).ip(), 6882));
    let sees_us_there = || TrackerReport { url: "a".into(), outcome: Ok(2), external_ip: Some(ours.ip()) };
    // What says so may come before the addresses, or while ours waits to be tried again.
    for known_before in [false, true] {
        let mut world = Scene::default().start();
        if known_before {
            world.tell(Event::Found(Source::Tracker, vec![ours]));
            world.refuse(ours);
        }
        let before = attempts(&world, ours);
        world.tell(Event::Tracker(sees_us_there()));
        world.tell(Event::Found(Source::Tracker, vec![ours, neighbour]));
        world.wait(3600 * SECOND);
        assert_eq!(attempts(&world, ours), before, "{known_before}");
        assert!(attempts(&world, neighbour) > 0, "another peer behind the same router");
        world.tell(Event::Named(vec![ours]));
        world.wait(SECOND);
        assert!(attempts(&world, ours) > before, "the user knows better");
    }
}
