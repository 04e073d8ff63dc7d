//! Which hosts have lied, and in which networks several did. Pure.
//!
//! A peer that sends wrong data has an address, and a port that costs nothing: the same host can be met at another. So
//! what one peer did is held against its whole host. For IPv6 that is a network of 64 bits, which each line has to
//! itself. And where three hosts of one network lied (24 bits of IPv4, 48 of IPv6), the others of it are suspects,
//! since whoever has one address there may have all.
//!
//! Only the peer itself is banned for good. The other ports of its host and the rest of its network come last: they
//! are met when nobody else sends anything, since an honest peer among them may be the only one.
//!
//! The hosts that lied last are remembered. Our own host may run any number of clients, each with a port of its own.

use crate::address::canonical;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

/// The most hosts that are remembered.
const MAX_HOSTS: usize = 1000;
/// So many hosts of one network make all of it suspect.
const SEVERAL: usize = 3;

/// The hosts that lied.
#[derive(Debug, Default)]
pub(super) struct Liars {
    /// The last of them at the end.
    hosts: VecDeque<IpAddr>,
}

impl Liars {
    /// A peer at this address lied.
    pub fn add(&mut self, ip: IpAddr) {
        let host = host(ip);
        self.hosts.retain(|other| *other != host);
        if self.hosts.len() >= MAX_HOSTS {
            self.hosts.pop_front();
        }
        self.hosts.push_back(host);
    }

    /// Whether a peer at this address lied.
    pub fn has(&self, ip: IpAddr) -> bool {
        self.hosts.contains(&host(ip))
    }

    /// Whether peers at this address come last.
    pub fn is_suspect(&self, ip: IpAddr) -> bool {
        !canonical_ip(ip).is_loopback() && (self.has(ip) || self.is_in_a_network_of_them(ip))
    }

    /// Whether a peer at the second address is suspect because of what one at the first did.
    pub fn is_neighbour(&self, liar: IpAddr, other: IpAddr) -> bool {
        let is_near = host(liar) == host(other) || network(liar) == network(other);
        is_near && self.is_suspect(other)
    }

    fn is_in_a_network_of_them(&self, ip: IpAddr) -> bool {
        let network_of_it = network(ip);
        self.hosts.iter().filter(|host| network(**host) == network_of_it).count() >= SEVERAL
    }
}

fn canonical_ip(ip: IpAddr) -> IpAddr {
    canonical(SocketAddr::new(ip, 0)).ip()
}

/// What one line has.
fn host(ip: IpAddr) -> IpAddr {
    prefix(ip, 32, 64)
}

fn network(ip: IpAddr) -> IpAddr {
    prefix(ip, 24, 48)
}

/// The first bits of an address, as many as its family says.
fn prefix(ip: IpAddr, of_four: u32, of_six: u32) -> IpAddr {
    match canonical_ip(ip) {
        IpAddr::V4(ip) => IpAddr::from((ip.to_bits() & (u32::MAX << (32 - of_four))).to_be_bytes()),
        IpAddr::V6(ip) => IpAddr::from((ip.to_bits() & (u128::MAX << (128 - of_six))).to_be_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_host_that_lied_is_suspect_and_so_is_a_network_in_which_three_did() {
        let mut liars = Liars::default();
        for host in ["203.0.113.1", "203.0.113.1", "203.0.113.2"] {
            liars.add(ip(host));
            assert!(liars.is_suspect(ip(host)) && liars.has(ip(host)));
        }
        assert!(!liars.is_suspect(ip("203.0.113.9")), "two hosts, one of them twice");
        liars.add(ip("::ffff:203.0.113.3"));
        assert!(liars.is_suspect(ip("203.0.113.9")) && !liars.has(ip("203.0.113.9")));
        assert!(!liars.is_suspect(ip("203.0.112.9")));
        assert!(liars.is_neighbour(ip("203.0.113.3"), ip("203.0.113.9")));
        assert!(!liars.is_neighbour(ip("198.51.100.1"), ip("203.0.113.9")), "it was suspect before");
    }

    #[test]
    fn a_line_with_ipv6_has_64_bits_to_itself() {
        let mut liars = Liars::default();
        liars.add(ip("2001:db8:1:1::7"));
        assert!(liars.has(ip("2001:db8:1:1:9::1")) && !liars.is_suspect(ip("2001:db8:1:2::7")));
        liars.add(ip("2001:db8:1:2::7"));
        liars.add(ip("2001:db8:1:3::7"));
        assert!(liars.is_suspect(ip("2001:db8:1:4::7")) && !liars.is_suspect(ip("2001:db8:2::7")));
    }

    #[test]
    fn our_own_host_is_no_suspect_and_the_oldest_are_forgotten() {
        let mut liars = Liars::default();
        (1..9).for_each(|host| liars.add(IpAddr::from([127, 0, 0, host])));
        assert!(!liars.is_suspect(ip("127.0.0.1")) && liars.has(ip("127.0.0.1")));
        for number in 0..u32::try_from(MAX_HOSTS).unwrap() {
            liars.add(IpAddr::from((50 << 24 | number << 8).to_be_bytes()));
        }
        assert_eq!(liars.hosts.len(), MAX_HOSTS);
        assert!(!liars.has(ip("127.0.0.1")) && liars.has(ip("50.0.0.0")));
    }
}
