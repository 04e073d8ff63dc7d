//! Which peers may tell us about which addresses.
//!
//! Two things go wrong if a client believes every address that it is told. A liar that names one address to
//! many clients makes all of them connect there, which is an attack on the host at that address. And an
//! address in our own network is one that a stranger cannot reach without us. So we believe a loopback
//! address only from a peer on this host, and a private one only from a peer that has one too.
//!
//! The DHT reads its answers by the same rule. It also says what we tell others in peer exchange: no peer is
//! told an address that it could not reach, or should not believe.

use crate::address::{Reach, could_be_a_peer, is_stand_in};
use std::net::{IpAddr, SocketAddr};

/// Whether a peer at `teller` may tell us `address`. An address from a tracker or the user needs no such
/// permission.
pub fn may_share(teller: IpAddr, address: SocketAddr) -> bool {
    could_be_a_peer(address) && !is_stand_in(address.ip()) && Reach::of(address.ip()) <= Reach::of(teller)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_be_a_peer_is_believed_from_no_peer() {
        for address in ["0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1", "1.2.3.4:0", "[::]:1", "[ff02::1]:1"]
        {
            let address = address.parse().unwrap();
            assert!(!could_be_a_peer(address) && !may_share([127, 0, 0, 1].into(), address), "{address}");
        }
        assert!(!could_be_a_peer("[::ffff:224.0.0.1]:5".parse().unwrap()));
        // What stands for a name with us means nothing to others.
        let ours = (crate::address::stand_in(3), 5).into();
        assert!(could_be_a_peer(ours) && !may_share([127, 0, 0, 1].into(), ours));
    }

    #[test]
    fn an_address_that_not_everyone_can_reach_is_believed_only_from_near_by() {
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
                    let believed = may_share(teller.ip(), address.parse().unwrap());
                    assert_eq!(believed, ring <= teller_ring, "{teller} tells {address}");
                }
            }
        }
    }
}
