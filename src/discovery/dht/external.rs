//! Our own address, as others see it.
//!
//! Pure. Every answer says where its sender saw us (BEP 42, "bootstrapping"). One can lie, so they vote, one
//! vote a neighbourhood.

use super::addresses::neighbourhood;
use crate::address::is_local;
use std::net::IpAddr;

/// Votes that count, the last ones.
const MAX_VOTES: usize = 24;
/// Votes that an address needs, and more than half of all.
const ENOUGH: usize = 8;

/// Who said what.
#[derive(Debug, Default)]
pub struct Votes {
    votes: Vec<(u64, IpAddr)>,
    agreed: Option<IpAddr>,
}

impl Votes {
    /// The address that most agree on.
    pub fn agreed(&self) -> Option<IpAddr> {
        self.agreed
    }

    /// One says that it sees us there.
    pub fn vote(&mut self, voter: IpAddr, seen: IpAddr) {
        // From the internet nobody sees a local address.
        if is_local(seen) && !is_local(voter) || seen.is_unspecified() || seen.is_multicast() {
            return;
        }
        let voter = neighbourhood(voter);
        self.votes.retain(|(other, _)| *other != voter);
        if self.votes.len() >= MAX_VOTES {
            self.votes.remove(0);
        }
        self.votes.push((voter, seen));
        let count = self.votes.iter().filter(|(_, other)| *other == seen).count();
        if count >= ENOUGH && 2 * count > self.votes.len() {
            self.agreed = Some(seen);
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
    fn several_networks_have_to_agree() {
        let mut votes = Votes::default();
        for host in 1..100 {
            votes.vote(IpAddr::from([1, 1, 1, host]), ip("6.6.6.6"));
        }
        for network in 2..10 {
            assert_eq!(votes.agreed(), None);
            votes.vote(IpAddr::from([1, 1, network, 1]), ip("5.5.5.5"));
        }
        assert_eq!(votes.agreed(), Some(ip("5.5.5.5")));
        // The host has moved.
        for network in 10..90 {
            votes.vote(IpAddr::from([1, 1, network, 1]), ip("7.7.7.7"));
            assert!(votes.votes.len() <= MAX_VOTES);
        }
        assert_eq!(votes.agreed(), Some(ip("7.7.7.7")));
    }

    #[test]
    fn from_the_internet_nobody_sees_a_local_address() {
        let mut votes = Votes::default();
        for network in 1..20 {
            votes.vote(IpAddr::from([1, 1, network, 1]), ip("192.168.1.1"));
        }
        assert!(votes.votes.is_empty());
        for host in 1..20 {
            votes.vote(IpAddr::from([127, 1, 1, host]), ip("127.0.0.9"));
        }
        assert_eq!(votes.agreed(), Some(ip("127.0.0.9")));
    }
}
