//! The port at which peers reach us: our own, and the one that a gateway has opened outside for it.
//!
//! A gateway (`port_mapping`) mostly gives us outside the number that we have inside, and may give another. Who
//! hears of which one depends on where it is: a peer in our own network comes to our own port, one outside to
//! that of the gateway. IPv6 has no translation, so there the number is always our own. What the gateway says of its
//! own address is good for one thing: we do not connect there, as that would lead to ourselves. Shared by all threads;
//! nothing here waits.

use crate::address::{IpFamily, canonical, is_local};
use crate::thread::lock;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

/// Where peers, and nodes of the DHT, reach us.
#[derive(Clone, Debug, Default)]
pub struct OwnPorts {
    listening: Option<u16>,
    outside: Arc<OutsidePorts>,
}

/// The ports of the gateway for IPv4; zero where it has none for us.
#[derive(Debug, Default)]
struct OutsidePorts {
    tcp: AtomicU16,
    udp: AtomicU16,
    /// Where peers come to, if it says so.
    address: Mutex<Option<SocketAddr>>,
}

impl OwnPorts {
    /// We listen here; at no port if it is `None`. No gateway has a port for us yet.
    pub fn listening_at(port: Option<u16>) -> OwnPorts {
        OwnPorts { listening: port, outside: Arc::default() }
    }

    /// The port of this host at which we listen.
    pub fn listening(&self) -> Option<u16> {
        self.listening
    }

    /// The gateway leads its ports here to ours, for TCP and for UDP. Zero: it leads none. Outside it is at `external`,
    /// as it says.
    pub fn set_outside(&self, external: Option<IpAddr>, tcp: u16, udp: u16) {
        *lock(&self.outside.address) =
            external.filter(|_| tcp != 0).map(|ip| canonical(SocketAddr::new(ip, tcp)));
        self.outside.tcp.store(tcp, Ordering::Release);
        self.outside.udp.store(udp, Ordering::Release);
    }

    /// The port to announce to trackers and in the DHT over this family.
    pub fn announced(&self, family: IpFamily) -> Option<u16> {
        let listening = self.listening?;
        Some(outside(&self.outside.tcp).filter(|_| family == IpFamily::V4).unwrap_or(listening))
    }

    /// The port at which a peer at this address can connect to us.
    pub fn seen_from(&self, peer: IpAddr) -> Option<u16> {
        let listening = self.listening?;
        Some(outside(&self.outside.tcp).filter(|_| is_behind_the_gateway(peer)).unwrap_or(listening))
    }

    /// Whether a connection to this address, which is canonical, comes back to us through the gateway.
    pub fn lead_back(&self, address: SocketAddr) -> bool {
        *lock(&self.outside.address) == Some(address)
    }

    /// The UDP port at which a peer at this address can reach our node of the DHT, which has `port` here.
    pub fn node_seen_from(&self, peer: IpAddr, port: u16) -> u16 {
        let translated = self.listening == Some(port) && is_behind_the_gateway(peer);
        outside(&self.outside.udp).filter(|_| translated).unwrap_or(port)
    }
}

fn outside(port: &AtomicU16) -> Option<u16> {
    Some(port.load(Ordering::Acquire)).filter(|port| *port != 0)
}

fn is_behind_the_gateway(peer: IpAddr) -> bool {
    peer.to_canonical().is_ipv4() && !is_local(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_outside_hears_of_the_gateways_port_and_who_is_near_of_ours() {
        let ports = OwnPorts::listening_at(Some(61_234));
        let [far, near, mapped, six] =
            ["1.2.3.4", "192.168.1.9", "::ffff:1.2.3.4", "2a00::1"].map(|ip| ip.parse().unwrap());
        assert_eq!([far, near, six].map(|peer| ports.seen_from(peer)), [Some(61_234); 3]);
        ports.clone().set_outside(None, 7000, 7001);
        assert_eq!([far, mapped].map(|peer| ports.seen_from(peer)), [Some(7000); 2]);
        assert_eq!([near, six].map(|peer| ports.seen_from(peer)), [Some(61_234); 2]);
        assert_eq!(IpFamily::BOTH.map(|family| ports.announced(family)), [Some(7000), Some(61_234)]);
        assert_eq!([far, near].map(|peer| ports.node_seen_from(peer, 61_234)), [7001, 61_234]);
        // A node that had to take another port is not the one that is mapped.
        assert_eq!(ports.node_seen_from(far, 5), 5);
        ports.set_outside(None, 0, 0);
        assert_eq!((ports.announced(IpFamily::V4), ports.seen_from(far)), (Some(61_234), Some(61_234)));
    }

    #[test]
    fn without_a_port_of_ours_a_gateway_has_none_for_us() {
        let ports = OwnPorts::listening_at(None);
        ports.set_outside(None, 7000, 7000);
        assert_eq!(IpFamily::BOTH.map(|family| ports.announced(family)), [None, None]);
        assert_eq!(ports.seen_from([1, 2, 3, 4].into()), None);
    }
}
