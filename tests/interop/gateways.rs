//! miniupnpd, a real router, between us and an internet of one libtorrent, in network namespaces.

use crate::script;

/// Runs `gateway.py`, which does all of it, for one way to speak with the router.
fn through_a_router(way: &str) {
    if let Some(said) = script::run("gateway.py", &[way]) {
        assert!(said.contains("ok: the port is closed"), "{said}");
    }
}

#[test]
fn a_router_opens_the_port_by_pcp_and_libtorrent_comes_in() {
    through_a_router("pcp");
}

#[test]
fn a_router_opens_the_port_by_nat_pmp_and_libtorrent_comes_in() {
    through_a_router("nat-pmp");
}

#[test]
fn a_router_opens_the_port_by_upnp_and_libtorrent_comes_in() {
    through_a_router("upnp");
}
