//! What the gateway has done for us, as others may know it: a port that is open, or why there is none.

use crate::address::Reach;
use std::fmt;
use std::net::IpAddr;

/// The protocol of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Peers connect by it.
    Tcp,
    /// Nodes of the DHT send by it.
    Udp,
}

impl Transport {
    /// Its number in IP (IANA), as PCP has it.
    pub fn number(self) -> u8 {
        match self {
            Transport::Tcp => 6,
            Transport::Udp => 17,
        }
    }

    /// The protocol of this number, if it is one that we use.
    pub fn of_number(number: u8) -> Option<Transport> {
        [Transport::Tcp, Transport::Udp].into_iter().find(|one| one.number() == number)
    }

    /// Its name, as UPnP has it.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Tcp => "TCP",
            Transport::Udp => "UDP",
        }
    }
}

/// How a gateway is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// RFC 6887.
    Pcp,
    /// RFC 6886.
    NatPmp,
    /// The Internet Gateway Device of UPnP.
    Upnp,
}

impl fmt::Display for Way {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Way::Pcp => "PCP",
            Way::NatPmp => "NAT-PMP",
            Way::Upnp => "UPnP",
        })
    }
}

/// A port outside that leads to ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// How the gateway was asked.
    pub way: Way,
    /// Its address in our network.
    pub gateway: IpAddr,
    /// The port outside that leads to our TCP port.
    pub tcp: u16,
    /// The one that leads to our UDP port; zero if none does.
    pub udp: u16,
    /// The gateway's address outside, as it says. Only a hint: it may be wrong, or lie.
    pub external: Option<IpAddr>,
}

impl Mapped {
    /// The gateway's address outside, where that is one of another local network: a further gateway stands between
    /// it and the internet, and opens nothing for us.
    pub fn inner_network(&self) -> Option<IpAddr> {
        self.external.filter(|ip| Reach::of(*ip) == Reach::Network)
    }
}

/// What a gateway can say about its own address outside. Nobody is at an unspecified, a loopback or a multicast
/// address, so one that says that it is there has none, or lies.
pub fn believable(external: IpAddr) -> Option<IpAddr> {
    let ip = external.to_canonical();
    let is_broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    let is_nowhere = ip.is_unspecified() || ip.is_multicast() || is_broadcast || Reach::of(ip) == Reach::Host;
    (!is_nowhere).then_some(ip)
}

/// How it stands with our port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MappingState {
    /// No gateway has answered yet.
    Asking,
    /// We know of no gateway.
    NoGateway,
    /// The gateway opens no port, for this reason.
    Refused(IpAddr, String),
    /// A port is open.
    Mapped(Mapped),
}

impl MappingState {
    /// The same as a part of a sentence; `None` if there is nothing to tell the user.
    pub fn sentence(&self) -> Option<String> {
        match self {
            MappingState::Asking | MappingState::NoGateway => None,
            MappingState::Refused(gateway, why) => Some(format!(
                "the router {gateway} refused to open a port: {why} (forward one there to this host, and name it with \
                 --port)"
            )),
            MappingState::Mapped(mapped) => {
                let Mapped { way, gateway, tcp, .. } = mapped;
                let text = format!("port {tcp} is mapped by {way} at {gateway}");
                Some(match mapped.inner_network() {
                    Some(outside) => format!(
                        "{text}, which is itself behind another router (its address is {outside}): open the port \
                         there too, or ask the provider for a public address"
                    ),
                    None => text,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_gateway_that_says_it_is_nowhere_is_not_believed() {
        for lie in [
            "0.0.0.0",
            "127.0.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "ff02::1",
            "::ffff:127.0.0.1",
        ] {
            assert_eq!(believable(ip(lie)), None, "{lie}");
        }
        for true_one in ["5.6.7.8", "192.168.0.2", "100.64.0.3", "2a00::1"] {
            assert_eq!(believable(ip(true_one)), Some(ip(true_one)));
        }
    }

    #[test]
    fn a_gateway_behind_another_is_told_with_the_way_out() {
        let gateway = ip("192.168.1.1");
        let mapped =
            |external| Mapped { way: Way::Pcp, gateway, tcp: 7000, udp: 7000, external: Some(ip(external)) };
        for inner in ["192.168.0.2", "10.0.0.2", "100.64.0.3", "169.254.1.1"] {
            let said = MappingState::Mapped(mapped(inner)).sentence().unwrap();
            assert!(said.contains(inner) && said.contains("behind another router"), "{said}");
        }
        let said = MappingState::Mapped(mapped("5.6.7.8")).sentence().unwrap();
        assert_eq!(said, "port 7000 is mapped by PCP at 192.168.1.1");
        assert_eq!((MappingState::Asking.sentence(), MappingState::NoGateway.sentence()), (None, None));
        let refused = MappingState::Refused(gateway, "not allowed".to_owned()).sentence().unwrap();
        assert!(refused.contains("192.168.1.1") && refused.contains("--port"), "{refused}");
    }
}
