//! The addresses at which we would connect to ourselves.
//!
//! Trackers, the DHT and other peers name us as one of the peers, since we are one. To connect there costs a handshake
//! each time, in each torrent. So the connector asks here first. Ours are the port at which we listen at each address
//! of this host, and what turned out to be ourselves: a handshake with our own peer ID came back, as through the router
//! that we are behind. That holds for all torrents of a process.

use crate::net::BindAddress;
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
    /// The port at which we listen, if we do.
    port: Option<u16>,
    met: Mutex<VecDeque<SocketAddr>>,
}

impl OwnAddresses {
    /// Those of a process that listens at this port of the bind address.
    pub fn new(bind_address: BindAddress, port: Option<u16>) -> OwnAddresses {
        OwnAddresses { bind_address, port, met: Mutex::default() }
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
        lock(&self.met).contains(&address) || (self.port == Some(address.port()) && self.is_here(address))
    }

    /// Whether this host listens there. To connect a socket for packets is to choose a route, and what leads to this
    /// host itself leaves by the very address that it goes to.
    fn is_here(&self, address: SocketAddr) -> bool {
        if let Some(only) = self.bind_address.address() {
            return only == address.ip();
        }
        let leaves_by = self.bind_address.udp(address).and_then(|socket| socket.local_addr());
        address.ip().is_loopback() || leaves_by.is_ok_and(|from| from.ip() == address.ip())
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

    #[test]
    fn our_port_at_each_address_of_this_host_is_ours_and_no_other() {
        let own = OwnAddresses::new(BindAddress::any(), Some(6881));
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
        assert!(!OwnAddresses::new(BindAddress::any(), None).contains(address("127.0.0.1:6881")));
        // Another program may listen at another address of this host.
        let only = OwnAddresses::new(BindAddress::only([127, 0, 0, 2].into()), Some(6881));
        assert!(only.contains(address("127.0.0.2:6881")) && !only.contains(address("127.0.0.1:6881")));
    }

    #[test]
    fn what_turned_out_to_be_ourselves_is_remembered_up_to_a_bound() {
        let own = OwnAddresses::new(BindAddress::any(), None);
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
