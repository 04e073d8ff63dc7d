//! Socket addresses as values: their family, their canonical form, their compact bytes, and from how far they
//! can be reached.
//!
//! Pure, and below every other module that handles addresses. An IPv4 address can also be written as an IPv6
//! address (`::ffff:192.0.2.1`, "IPv4-mapped"). Both mean the same peer. So what is read from bytes here is IPv4 then,
//! and any other address from outside is made [`canonical`] before it is compared with another one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// One of the two kinds of IP addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IpFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl IpFamily {
    /// Both, IPv4 first.
    pub const BOTH: [IpFamily; 2] = [IpFamily::V4, IpFamily::V6];

    /// The family of this address. An IPv4-mapped address counts as IPv6: make it canonical first.
    pub fn of(ip: IpAddr) -> IpFamily {
        if ip.is_ipv4() { IpFamily::V4 } else { IpFamily::V6 }
    }

    /// Whether the address is of this family.
    pub fn has(self, address: SocketAddr) -> bool {
        IpFamily::of(address.ip()) == self
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            IpFamily::V4 => "IPv4",
            IpFamily::V6 => "IPv6",
        }
    }

    /// The address that stands for all addresses of the family, and for none: `0.0.0.0` or `::`.
    pub fn unspecified(self) -> IpAddr {
        match self {
            IpFamily::V4 => Ipv4Addr::UNSPECIFIED.into(),
            IpFamily::V6 => Ipv6Addr::UNSPECIFIED.into(),
        }
    }

    /// Bytes of a compact address: those of the IP address, and two for the port.
    pub fn compact_length(self) -> usize {
        match self {
            IpFamily::V4 => 6,
            IpFamily::V6 => 18,
        }
    }
}

/// The part of an address that its host cannot choose freely: all of an IPv4 address, and of an IPv6 address
/// the first 64 bits, which its provider has given it.
pub fn network(of: IpAddr) -> IpAddr {
    match of.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        ip @ IpAddr::V4(_) => ip,
    }
}

/// The same address, as IPv4 if it is an IPv4-mapped IPv6 address. A link-local address keeps its scope,
/// which is the network interface that it is reached through.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::from((ip, address.port())),
        IpAddr::V6(_) => address,
    }
}

/// The [`canonical`] address without flow label and scope. This is the form in which a packet names an
/// address, so an address from a packet can be compared with the source of a packet as the system gives it.
pub fn canonical_without_scope(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Reads a compact address: the bytes of the IP address, then the port, big-endian. It has six bytes (BEP 23)
/// or eighteen (BEP 7). `None` for any other length. It is in its [`canonical`] form.
pub fn read_compact(bytes: &[u8]) -> Option<SocketAddr> {
    let (ip, port) = bytes.split_last_chunk()?;
    Some(SocketAddr::new(read_ip(ip)?, u16::from_be_bytes(*port)))
}

/// Reads a string of compact addresses of one family. The bytes after the last whole one are left out.
pub fn read_compact_list(bytes: &[u8], family: IpFamily) -> impl Iterator<Item = SocketAddr> {
    bytes.chunks_exact(family.compact_length()).filter_map(read_compact)
}

/// Appends the compact address.
pub fn write_compact(into: &mut Vec<u8>, address: SocketAddr) {
    write_ip(into, address.ip());
    into.extend(address.port().to_be_bytes());
}

/// Reads an IP address of four bytes or sixteen, as IPv4 if it is IPv4-mapped. `None` for any other length.
pub fn read_ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = || <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
    let v6 = || <[u8; 16]>::try_from(bytes).ok().map(|bytes| IpAddr::from(bytes).to_canonical());
    v4().or_else(v6)
}

/// Appends the bytes of the IP address, big-endian.
pub fn write_ip(into: &mut Vec<u8>, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => into.extend(ip.octets()),
        IpAddr::V6(ip) => into.extend(ip.octets()),
    }
}

/// From how far an address can be reached, the farthest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// From anywhere.
    Internet,
    /// From inside one network: private, link-local, or behind the router of a provider (RFC 6598).
    Network,
    /// From the host itself: loopback.
    Host,
}

impl Reach {
    /// From how far this address can be reached. An IPv6 address that leads to an IPv4 address is as near as
    /// that one is.
    pub fn of(ip: IpAddr) -> Reach {
        let (host, network) = match ip.to_canonical() {
            IpAddr::V4(ip) => {
                let [first, second, third, _] = ip.octets();
                // RFC 6598.
                let behind_a_provider = first == 100 && second & 0xc0 == 64;
                // RFC 6890. The range for benchmarks, 198.18.0.0/15, is left out: local proxies give names
                // addresses of it that stand for hosts on the internet.
                let of_protocols = [first, second, third] == [192, 0, 0];
                let network = ip.is_private() || ip.is_link_local() || behind_a_provider || of_protocols;
                (ip.is_loopback(), network)
            }
            IpAddr::V6(ip) if ip.is_loopback() => (true, false),
            IpAddr::V6(ip) => match embedded(ip) {
                Some(inner) => return Reach::of(inner.into()),
                None => {
                    // Site-local (RFC 3879), and translated by the network itself (RFC 8215).
                    let [first, second, third, ..] = ip.segments();
                    let translated = [first, second, third] == [0x64, 0xff9b, 1];
                    let site_local = first & 0xffc0 == 0xfec0;
                    (false, ip.is_unique_local() || ip.is_unicast_link_local() || site_local || translated)
                }
            },
        };
        match (host, network) {
            (true, _) => Reach::Host,
            (false, true) => Reach::Network,
            (false, false) => Reach::Internet,
        }
    }
}

/// The IPv4 address that packets to this IPv6 address end at, or that it was made of.
fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let low = ip.to_bits() as u32;
    match ip.segments() {
        // NAT64 (RFC 6052), and IPv4-compatible (RFC 4291, section 2.5.5.1).
        [0x64, 0xff9b, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0, 0, ..] => Some(Ipv4Addr::from_bits(low)),
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))),
        // Teredo (RFC 4380): the client's address, inverted.
        [0x2001, 0, ..] => Some(Ipv4Addr::from_bits(!low)),
        _ => None,
    }
}

/// Whether the address means something only on one host or in one network.
pub fn is_local(ip: IpAddr) -> bool {
    Reach::of(ip) > Reach::Internet
}

/// Whether a peer can be at this address at all.
pub fn could_be_a_peer(address: SocketAddr) -> bool {
    let reachable = match address.ip().to_canonical() {
        // First byte 0: a host that does not know its network. From 224 on: multicast, reserved and broadcast
        // addresses.
        IpAddr::V4(ip) => (1..224).contains(&ip.octets()[0]),
        IpAddr::V6(ip) => !ip.is_unspecified() && !ip.is_multicast(),
    };
    reachable && address.port() != 0
}

/// An address that no host has, for a peer of which only a name is known: number `at` of the range that routers discard
/// (RFC 6666).
pub fn stand_in(at: usize) -> IpAddr {
    IpAddr::V6(Ipv6Addr::from_bits(0x100 << 112 | (at as u128 + 1) & u128::from(u64::MAX)))
}

/// The address, unless it is one of those.
pub fn of_a_host(ip: IpAddr) -> Option<IpAddr> {
    Some(ip).filter(|ip| !is_stand_in(*ip))
}

/// Whether it is one of those, which mean something to nobody else.
pub fn is_stand_in(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.to_bits() >> 64 == 0x100 << 48)
}

/// The address at which this host reaches its own socket that is bound to `address`: loopback if that is
/// unspecified.
pub fn loopback_if_unspecified(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        _ => return address,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_ipv4_address_has_one_form_and_a_link_local_address_keeps_its_interface() {
        for (given, canonical_form, without_scope) in [
            ("192.0.2.1:80", "192.0.2.1:80", "192.0.2.1:80"),
            ("[::ffff:192.0.2.1]:80", "192.0.2.1:80", "192.0.2.1:80"),
            ("[fe80::7%2]:80", "[fe80::7%2]:80", "[fe80::7]:80"),
            ("[2001:db8::1]:80", "[2001:db8::1]:80", "[2001:db8::1]:80"),
        ] {
            assert_eq!(canonical(address(given)), address(canonical_form));
            assert_eq!(canonical_without_scope(address(given)), address(without_scope));
        }
        assert!(IpFamily::V4.has(address("192.0.2.1:80")) && IpFamily::V6.has(address("[::1]:80")));
        assert!(IpFamily::BOTH.iter().all(|family| IpFamily::of(family.unspecified()) == *family));
    }

    #[test]
    fn compact_addresses_come_back_as_they_went_and_odd_ends_are_left_out() {
        let addresses = ["1.2.3.4:6881", "5.6.7.8:9", "[2001:db8::1]:65535"].map(address);
        for one in addresses {
            let mut bytes = Vec::new();
            write_compact(&mut bytes, one);
            assert_eq!(bytes.len(), IpFamily::of(one.ip()).compact_length());
            assert_eq!(read_compact(&bytes), Some(one));
        }
        let mapped = [&[0; 10][..], &[255, 255, 192, 0, 2, 1, 0, 80]].concat();
        assert_eq!(read_compact(&mapped), Some(address("192.0.2.1:80")));
        assert_eq!(read_compact_list(&mapped, IpFamily::V6).next(), Some(address("192.0.2.1:80")));
        assert_eq!(read_ip(&mapped[..16]), Some([192, 0, 2, 1].into()));
        let mut bytes = Vec::new();
        addresses[..2].iter().for_each(|one| write_compact(&mut bytes, *one));
        for end in 0..=bytes.len() {
            let read: Vec<_> = read_compact_list(&bytes[..end], IpFamily::V4).collect();
            assert_eq!(read, addresses[..end / 6]);
        }
        for length in (0..40).filter(|length| ![6, 18].contains(length)) {
            assert_eq!(read_compact(&vec![1; length]), None);
        }
        for length in (0..40).filter(|length| ![4, 16].contains(length)) {
            assert_eq!(read_ip(&vec![1; length]), None);
        }
    }

    #[test]
    fn what_is_no_address_of_one_host_cannot_be_a_peer() {
        for text in ["0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1", "1.2.3.4:0", "[::]:1", "[ff02::1]:1"] {
            assert!(!could_be_a_peer(address(text)), "{text}");
        }
        assert!(!could_be_a_peer(address("[::ffff:224.0.0.1]:5")));
        assert!(could_be_a_peer(address("10.0.0.1:1")) && could_be_a_peer(address("[::1]:1")));
    }

    #[test]
    fn an_address_is_local_if_it_means_something_only_in_one_network() {
        let reach = |text: &str| Reach::of(text.parse().unwrap());
        let far = ["1.2.3.4", "2001:db8::1", "::ffff:1.2.3.4", "100.128.0.1", "198.18.0.1", "192.0.1.1"];
        let far_inside = ["2002:102:304::1", "64:ff9b::1.2.3.4", "::1.2.3.4", "2001::fefd:fcfb"];
        let near = ["10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.1.1", "100.64.0.1", "192.0.0.1"];
        let near_6 = ["fd00::1", "fe80::1", "fec0::1", "64:ff9b:1::1.2.3.4", "::ffff:10.0.0.1"];
        let near_inside = ["2002:a00:1::1", "64:ff9b::10.0.0.1", "::192.168.1.1", "2001::f5ff:fffe"];
        let here = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"];
        let here_inside = ["2002:7f00:1::", "64:ff9b::127.0.0.1", "::127.0.0.1", "2001::80ff:fffe"];
        for (texts, expected) in [
            ([&far[..], &far_inside].concat(), Reach::Internet),
            ([&near[..], &near_6, &near_inside].concat(), Reach::Network),
            ([&here[..], &here_inside].concat(), Reach::Host),
        ] {
            texts.iter().for_each(|text| assert_eq!(reach(text), expected, "{text}"));
        }
        assert!(!is_local([1, 2, 3, 4].into()) && is_local([10, 0, 0, 1].into()));
    }
}
