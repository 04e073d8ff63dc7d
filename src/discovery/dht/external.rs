//! Our own address, as other nodes see it.
//!
//! Pure. Every answer says at which address its sender sees us (BEP 42, "bootstrapping"). A node can lie, so
//! the nodes vote, with one vote for each neighbourhood of addresses.

use super::addresses::neighbourhood;
use crate::address::is_local;
use crate::strategy::AddressVotes;
use std::net::IpAddr;

/// How many votes count: the latest ones.
const MAX_VOTES: usize = 24;
/// Votes that an address needs. It also needs more than half of all votes.
const QUORUM: usize = 8;

/// What other nodes say about our address.
#[derive(Debug)]
pub struct SeenAddress {
    votes: AddressVotes<u64>,
    /// The last address that had a majority. It stays if later votes differ and no other address gets a
    /// majority.
    agreed: Option<IpAddr>,
}

impl SeenAddress {
    /// Without any vote.
    pub fn new() -> SeenAddress {
        SeenAddress { votes: AddressVotes::new(QUORUM, MAX_VOTES), agreed: None }
    }

    /// The address that most nodes agree on.
    pub fn agreed(&self) -> Option<IpAddr> {
        self.agreed
    }

    /// A node at `voter` says that it sees us at `seen`.
    pub fn vote(&mut self, voter: IpAddr, seen: IpAddr) {
        self.votes.vote(neighbourhood(voter), is_local(voter), seen);
        self.agreed = self.votes.majority().or(self.agreed);
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
        let mut seen = SeenAddress::new();
        for host in 1..100 {
            seen.vote(IpAddr::from([1, 1, 1, host]), ip("6.6.6.6"));
        }
        for network in 2..10 {
            assert_eq!(seen.agreed(), None);
            seen.vote(IpAddr::from([1, 1, network, 1]), ip("5.5.5.5"));
        }
        assert_eq!(seen.agreed(), Some(ip("5.5.5.5")));
        // The host has moved.
        for network in 10..90 {
            assert!(seen.agreed().is_some());
            seen.vote(IpAddr::from([1, 1, network, 1]), ip("7.7.7.7"));
        }
        assert_eq!(seen.agreed(), Some(ip("7.7.7.7")));
    }

    #[test]
    fn from_the_internet_no_node_sees_a_local_address() {
        let mut seen = SeenAddress::new();
        for network in 1..20 {
            seen.vote(IpAddr::from([1, 1, network, 1]), ip("192.168.1.1"));
        }
        assert_eq!(seen.agreed(), None);
        for host in 1..20 {
            seen.vote(IpAddr::from([127, 1, 1, host]), ip("127.0.0.9"));
        }
        assert_eq!(seen.agreed(), Some(ip("127.0.0.9")));
    }
}
