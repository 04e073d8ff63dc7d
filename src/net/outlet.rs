//! The way out to servers: which address we leave by, through which proxy, which certificates we trust, and where we
//! listen ourselves, which is no server.

use super::proxy::Proxies;
use super::tap::Tap;
use super::{Authorities, BindAddress, OwnPorts, ServerClock, Turnstile};
use std::net::SocketAddr;

/// How we go out to trackers and web servers.
#[derive(Clone, Debug, Default)]
pub struct Outlet {
    /// The address that everything leaves by.
    pub bind_address: BindAddress,
    /// Whose certificates are believed.
    pub authorities: Authorities,
    /// The port at which we listen for peers, if we do, and what a gateway makes of it.
    pub ports: OwnPorts,
    /// What goes through which proxy.
    pub proxies: Proxies,
    /// What time web servers say it is.
    pub clock: ServerClock,
    /// Who sees what is said.
    pub tap: Tap,
    /// How many trackers are asked at once.
    pub exchanges: Turnstile,
}

impl Outlet {
    /// One that leaves by `bind_address`, and believes the built-in certificates.
    pub fn by(bind_address: BindAddress) -> Outlet {
        Outlet { bind_address, ..Outlet::default() }
    }

    /// Whether we listen at this address ourselves. Sends nothing.
    pub fn leads_to_ourselves(&self, to: SocketAddr) -> bool {
        self.ports.listening() == Some(to.port()) && self.bind_address.is_here(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_port_at_an_address_of_this_host_leads_to_ourselves() {
        let outlet = Outlet { ports: OwnPorts::listening_at(Some(6881)), ..Outlet::default() };
        for (to, is_ours) in [
            ("127.0.0.1:6881", true),
            ("127.0.0.1:6882", false),
            ("127.3.2.1:6881", true),
            ("[::1]:6881", true),
            ("[::ffff:127.0.0.1]:6881", true),
            ("192.0.2.1:6881", false),
        ] {
            assert_eq!(outlet.leads_to_ourselves(to.parse().unwrap()), is_ours, "{to}");
        }
        // Where this host has an address besides loopback, that is ours as well.
        if let Ok(ip) =
            BindAddress::any().udp("192.0.2.1:9".parse().unwrap()).and_then(|udp| udp.local_addr())
        {
            assert!(outlet.leads_to_ourselves((ip.ip(), 6881).into()), "{ip}");
        }
        assert!(!Outlet::default().leads_to_ourselves("127.0.0.1:6881".parse().unwrap()));
    }
}
