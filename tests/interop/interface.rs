//! `--bind DEVICE`, where the device goes away and comes back: two hosts in network namespaces of their own.

use std::process::Command;

#[test]
fn a_network_interface_that_goes_away_lets_nothing_leave_by_another() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/interface.py");
    let mut command = Command::new("unshare");
    // What it starts ends with it, whatever happens.
    command.args(["-rnm", "--fork", "--pid", "--mount-proc", "--kill-child"]);
    command.args([script, env!("CARGO_BIN_EXE_femtotorrent")]);
    assert!(command.status().unwrap().success());
}
