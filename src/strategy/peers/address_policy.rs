//! Which addresses a peer or node may tell us of.
//!
//! Pure. An attacker that makes many clients connect to one address attacks the host there, and an address in
//! our own network is one that a stranger could not reach without us. So a loopback address is believed only
//! from a teller on this host, a private one only from a teller that has one too.

use crate::address::{Reach, could_be_a_peer};
use std::net::{IpAddr, SocketAddr};

/// Whether a peer or node at `teller` may send us to `address`. What a tracker or the user says needs no such
/// permission.
pub fn may_name(teller: IpAddr, address: SocketAddr) -> bool {
    could_be_a_peer(address) && Reach::of(address.ip()) <= Reach::of(teller)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_a_peer_is_never_believed() {
        for address in ["0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1", "1.2.3.4:0", "[::]:1", "[ff02::1]:1"]
        {
            let address = address.parse().unwrap();
            assert!(!could_be_a_peer(address) && !may_name([127, 0, 0, 1].into(), address), "{address}");
        }
        assert!(!could_be_a_peer("[::ffff:224.0.0.1]:5".parse().unwrap()));
    }

    #[test]
    fn a_local_address_is_believed_from_near_by_only() {
        let far = ["1.2.3.4:1", "[2001:db8::1]:1", "[::ffff:1.2.3.4]:1"];
        let near =
            ["10.0.0.1:1", "192.168.1.1:1", "169.254.1.1:1", "100.64.0.1:1", "[fd00::1]:1", "[fe80::1]:1"];
        let here = ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"];
        let rings = [&far[..], &near, &here];
        for (teller_ring, tellers) in rings.iter().enumerate() {
            for (ring, addresses) in rings.iter().enumerate() {
                for (teller, address) in
                    tellers.iter().flat_map(|teller| addresses.iter().map(move |at| (teller, at)))
                {
                    let teller: SocketAddr = teller.parse().unwrap();
                    let believed = may_name(teller.ip(), address.parse().unwrap());
                    assert_eq!(believed, ring <= teller_ring, "{teller} names {address}");
                }
            }
        }
    }
}
