//! Why nothing moves, as the user is told.

use super::*;

#[test]
fn each_kind_of_stall_has_its_reason() {
    let stall = |world: &mut World| {
        world.wait(11 * SECOND);
        world.snapshot().stall
    };
    let mut world = Scene::default().start();
    assert_eq!(stall(&mut world), Some(Stall::NoPeers(None)));
    let waits = Some("waiting for http://t.example (11 s)".to_owned());
    world.outside.borrow_mut().search_trouble = waits.clone();
    assert_eq!(stall(&mut world), Some(Stall::NoPeers(waits)));
    let (url, external_ip) = ("http://t.example/".to_owned(), None);
    let outcome = Ok(0);
    world.tell(Event::Tracker(crate::message::TrackerReport { url, outcome, external_ip }));
    let said = "http://t.example/ knows no other peer of this torrent".to_owned();
    assert_eq!(stall(&mut world), Some(Stall::NoPeers(Some(said))));
    let key = world.dial(address(1), 1);
    assert_eq!(stall(&mut world), Some(Stall::NothingSaid(1)));
    world.hear(key, [News::Bitfield(world.bitfield(&[]))]);
    assert!(matches!(stall(&mut world), Some(Stall::NobodyHas(_))));
    world.hear(key, [News::Have(world.piece(0))]);
    assert_eq!(stall(&mut world), Some(Stall::AllChoke));
    world.hear(key, [News::Unchoked]);
    assert_eq!(stall(&mut world), Some(Stall::Silent));
    world.gone(key, PeerError::Closed);
    assert!(matches!(stall(&mut world), Some(Stall::Unreachable(1, Some(_)))));
    let key = world.dial(address(2), 2);
    world.gone(key, PeerError::OtherTorrent);
    assert!(matches!(stall(&mut world), Some(Stall::OfNoUse(..))));
}

#[test]
fn a_lone_peer_that_stops_after_one_block_is_asked_anew_by_the_time_that_block_took() {
    let mut world = Scene::default().start();
    let key = world.seed(1);
    world.wait(SECOND / 10);
    world.deliver(key, 1);
    world.wait(4 * SECOND);
    world.requests(key);
    world.wait(4 * SECOND);
    assert!(!world.requests(key).is_empty(), "it may have kept one request of many");
}

#[test]
fn when_nobody_is_left_no_rate_is_shown() {
    let mut world = Scene::default().start();
    let key = world.seed(1);
    world.deliver(key, 4);
    world.wait(SECOND);
    assert!(world.snapshot().rate > 0.0);
    world.deliver(key, 4);
    world.gone(key, PeerError::Closed);
    world.wait(SECOND / 2);
    assert_eq!((world.snapshot().peers, world.snapshot().rate), (0, 0.0));
    // Nor does that of the past come back with another peer.
    world.seed(2);
    world.wait(SECOND);
    assert_eq!((world.snapshot().peers, world.snapshot().rate), (1, 0.0));
}
