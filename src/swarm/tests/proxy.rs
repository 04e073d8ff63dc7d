//! What a proxy does wrong, and whom it costs.

use super::*;
use crate::message::Stall;
use crate::net::proxy::{Proxy, ProxyFault};

#[test]
fn the_fault_of_a_proxy_is_told_and_is_no_fault_of_a_peer() {
    let proxy = Proxy::typed("socks5h://127.0.0.1:9").unwrap();
    let fault = |fault| PeerError::Proxy(proxy.error(fault));
    let mut world = Scene::default().start();
    world.tell(Event::Found(Source::Tracker, vec![address(10), address(11)]));
    for _ in 0..60 {
        world.wait(SECOND / 2);
        [10, 11].into_iter().for_each(|host| world.fail(address(host), fault(ProxyFault::Closed)));
    }
    assert_eq!(world.coordinator.dialer.candidates().untried_and_dead(), (2, 0));
    // All are tried again after the same short rest, however often it was.
    let dialed = world.outside.borrow().dialed.len();
    assert!((16..=22).contains(&dialed), "{dialed}");
    assert_eq!(world.snapshot().stall, Some(Stall::Proxy(fault(ProxyFault::Closed).to_string())));

    world.wait(10 * SECOND);
    world.fail(address(10), fault(ProxyFault::Refused(4)));
    assert_eq!(world.coordinator.dialer.candidates().untried_and_dead(), (0, 1));
    let said = format!("{}: {}", address(10), fault(ProxyFault::Refused(4)));
    assert_eq!(world.snapshot().stall, Some(Stall::Unreachable(2, Some(said))));
}
