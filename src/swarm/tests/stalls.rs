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
    world.outside.borrow_mut().source_trouble = waits.clone();
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
}

#[test]
fn a_run_that_gives_up_before_the_reason_would_be_told_has_it_at_its_end() {
    for seconds in [1, 5, 30] {
        let mut world = Scene { timeout: Some(seconds * SECOND), ..Scene::default() }.start();
        world.seed(1);
        world.wait(seconds * SECOND / 2);
        assert_eq!(world.snapshot().stall.is_some(), seconds / 2 >= 10);
        assert_eq!(world.wait(seconds * SECOND), Some(RunEnd::TimedOut));
        assert_eq!(world.snapshot().stall, Some(Stall::Silent));
    }
}
