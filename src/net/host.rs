//! What this host says about itself: the time with the time for which it was suspended, and the addresses
//! that we leave by. Asking for either sends nothing and takes microseconds.

use super::BindAddress;
use crate::strategy::Surroundings;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// Addresses far away, one of each family: those of a root name server, which moves seldom.
const FAR_AWAY: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 41, 0, 4)), 9),
    SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0x2001, 0x503, 0xba3e, 0, 0, 0, 2, 0x30)), 9),
];

/// This host, where everything leaves by the bind address.
#[derive(Clone, Copy, Debug)]
pub struct ThisHost(pub BindAddress);

impl Surroundings for ThisHost {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn real_time(&self) -> Duration {
        use rustix::time::{ClockId, clock_gettime};
        Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default()
    }

    /// The time of day. If the user sets it forward, that looks like a suspension, which does no harm.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn real_time(&self) -> Duration {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
    }

    fn local_addresses(&self) -> [Option<IpAddr>; 2] {
        // To connect a socket for packets is to choose a route, and sends nothing.
        FAR_AWAY.map(|to| Some(self.0.udp(to).ok()?.local_addr().ok()?.ip()))
    }

    fn interface(&self) -> Option<u32> {
        self.0.interface()?.index()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_time_passes() {
        let host = ThisHost(BindAddress::any());
        let before = host.real_time();
        std::thread::sleep(Duration::from_millis(2));
        assert!(host.real_time() > before && before > Duration::ZERO);
    }

    #[test]
    fn only_a_family_that_we_leave_by_has_an_address() {
        let host = ThisHost(BindAddress::only("127.0.0.2".parse().unwrap()));
        let [four, six] = host.local_addresses();
        assert!(four.is_none_or(|ip| ip == IpAddr::from([127, 0, 0, 2])), "{four:?}");
        assert_eq!(six, None);
        assert_eq!(host.local_addresses(), host.local_addresses());
    }
}
