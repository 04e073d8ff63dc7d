//! The addresses at which we would connect to ourselves.
//!
//! Trackers, the DHT and other peers name us as one of the peers, since we are one. To connect there costs a handshake
//! each time, in each torrent. So the connector asks here first. Ours are the port at which we listen at each address
//! of this host, the one that a gateway has opened for it, and what turned out to be ourselves: a handshake with our
//! own peer ID came back, as through the router that we are behind. That holds for all torrents of a process.

use crate::net::{BindAddress, OwnPorts};
use crate::thread::lock;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Mutex;

/// Addresses that are remembered. The oldest goes first: it may be another host's by now.
const MOST: usize = 64;

/// What is known of them.
#[derive(Debug)]
pub struct OwnAddresses {
    bind_address: BindAddress,
    /// The port at which we listen, if we do, and that of the gateway.
    ports: OwnPorts,
    met: Mutex<VecDeque<SocketAddr>>,
}

impl OwnAddresses {
    /// Those of a process that has these ports at the bind address.
    pub fn new(bind_address: BindAddress, ports: OwnPorts) -> OwnAddresses {
        OwnAddresses { bind_address, ports, met: Mutex::default() }
    }

    /// This address turned out to be ourselves.
    pub fn met(&self, address: SocketAddr) {
        let mut met = lock(&self.met);
        if !met.contains(&address) {
            met.push_back(address);
            if met.len() > MOST {
                met.pop_front();
            }
        }
    }

    /// Whether a connection to this address, which is canonical, would be one to ourselves. Sends nothing.
    pub fn contains(&self, address: SocketAddr) -> bool {
        let is_here = || self.ports.listening() == Some(address.port()) && self.bind_address.is_here(address);
        lock(&self.met).contains(&address) || self.ports.lead_back(address) || is_here()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::IpFamily;
    use crate::net::interfaces;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn ours() -> OwnPorts {
        OwnPorts::listening_at(Some(6881))
    }

    #[test]
    fn our_port_at_each_address_of_this_host_is_ours_and_no_other() {
        let own = OwnAddresses::new(BindAddress::any(), ours());
        for (there, ours) in [
            ("127.0.0.1:6881", true),
            ("127.9.9.9:6881", true),
            ("[::1]:6881", true),
            ("127.0.0.1:6882", false),
            ("203.0.113.1:6881", false),
        ] {
            assert_eq!(own.contains(address(there)), ours, "{there}");
        }
        let all = interfaces().unwrap_or_default();
        for ip in all.into_iter().filter(|one| one.is_up).flat_map(|one| one.addresses) {
            // A link-local address means something only with its interface.
            if IpFamily::of(ip) == IpFamily::V4 {
                assert!(own.contains(SocketAddr::new(ip, 6881)), "{ip}");
            }
        }
        assert!(
            !OwnAddresses::new(BindAddress::any(), OwnPorts::default()).contains(address("127.0.0.1:6881"))
        );
        // Another program may listen at another address of this host.
        let only = OwnAddresses::new(BindAddress::only([127, 0, 0, 2].into()), ours());
        assert!(only.contains(address("127.0.0.2:6881")) && !only.contains(address("127.0.0.1:6881")));
    }

    #[test]
    fn the_port_of_the_gateway_is_ours_as_long_as_it_leads_here() {
        let ports = ours();
        let (own, there) =
            (OwnAddresses::new(BindAddress::any(), ports.clone()), address("203.0.113.1:7000"));
        assert!(!own.contains(there));
        ports.set_outside(Some(there.ip()), 7000, 7000);
        assert!(own.contains(there));
        assert!(!own.contains(address("203.0.113.1:6881")) && !own.contains(address("203.0.113.2:7000")));
        ports.set_outside(Some(there.ip()), 0, 0);
        assert!(!own.contains(there));
    }

    #[test]
    fn what_turned_out_to_be_ourselves_is_remembered_up_to_a_bound() {
        let own = OwnAddresses::new(BindAddress::any(), OwnPorts::default());
        let there = address("203.0.113.1:7000");
        assert!(!own.contains(there));
        own.met(there);
        own.met(there);
        assert!(own.contains(there) && !own.contains(address("203.0.113.1:7001")));
        assert_eq!(lock(&own.met).len(), 1);
        (0..2 * MOST as u16).for_each(|port| own.met(SocketAddr::new([203, 0, 113, 2].into(), port)));
        assert!(lock(&own.met).len() == MOST && !own.contains(there));
    }
}
