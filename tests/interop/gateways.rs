//! miniupnpd, a real router, between us and an internet of one libtorrent, in network namespaces.

use std::process::Command;

use crate::support::skip::skip;

/// Runs `gateway.py`, which does all of it, for one way to speak with the router.
fn through_a_router(way: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/gateway.py");
    let run = Command::new("python3")
        .arg(script)
        .arg(env!("CARGO_BIN_EXE_femtotorrent"))
        .arg(way)
        .output()
        .unwrap();
    let [said, errors] = [&run.stdout, &run.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    match run.status.code() {
        Some(0) => assert!(said.contains("ok: the port is closed"), "{said}"),
        Some(77) => skip(said.lines().last().unwrap_or_default()),
        code => panic!("{way}: it ended with {code:?}\n{said}\n{errors}"),
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
