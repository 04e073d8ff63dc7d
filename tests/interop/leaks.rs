//! Nothing goes past the proxy: `leaks.py` looks at every packet.

use crate::script;

#[test]
fn with_a_proxy_no_packet_goes_anywhere_else_and_no_socket_waits_for_one() {
    if let Some(said) = script::run("leaks.py", &[]) {
        assert_eq!(said.matches("packets to the proxy, and nothing else").count(), 6, "{said}");
    }
}
