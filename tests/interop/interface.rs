//! `--bind DEVICE`, where the device goes away and comes back: two hosts in network namespaces of their own.

use crate::script;

#[test]
fn a_network_interface_that_goes_away_lets_nothing_leave_by_another() {
    if let Some(said) = script::run("interface.py", &[]) {
        assert!(said.contains("nothing left by another way"), "{said}");
    }
}
