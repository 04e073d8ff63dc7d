//! Nothing goes past the proxy: `leaks.py` looks at every packet.

use crate::support::skip::skip;
use std::process::Command;

#[test]
fn with_a_proxy_no_packet_goes_anywhere_else_and_no_socket_waits_for_one() {
    if !rustix::process::geteuid().is_root() {
        return skip("to look at packets takes a network namespace, and that takes root");
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/leaks.py");
    let status = Command::new("python3").arg(script).arg(env!("CARGO_BIN_EXE_femtotorrent")).status();
    assert!(status.expect("python3 starts").success(), "see above");
}
