//! What our own address is, as seen from outside.
//!
//! A client behind a router cannot know that by itself. Trackers (`external ip`, BEP 24) and peers (`yourip`,
//! BEP 10) tell it, and any of them may lie or be wrong. So each network that tells us something has one
//! vote, its latest, and we believe what more than half of the votes say. We use it to compute peer
//! priorities (BEP 40) and to avoid connecting to ourselves. Nothing that needs a proof may rest on it.

use super::address_votes::AddressVotes;
use crate::address::{IpFamily, is_local};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

/// Votes that are kept for each address family, so that a new address wins after a while and memory has a
/// bound.
const MAX_VOTES: usize = 32;
/// Votes that an address needs. One vote is better than knowing nothing.
const QUORUM: usize = 1;

/// The votes on our addresses.
#[derive(Debug)]
pub struct ExternalAddress {
    v4: AddressVotes<Voter>,
    v6: AddressVotes<Voter>,
}

/// A voter. It is a whole network, since neighbouring addresses mostly belong to one owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Voter {
    /// The first 24 bits of an IPv4 address, the first 48 of an IPv6 address.
    Network(u64),
    /// The digest of a name.
    Name(u64),
}

impl Default for ExternalAddress {
    fn default() -> ExternalAddress {
        let votes = || AddressVotes::new(QUORUM, MAX_VOTES);
        ExternalAddress { v4: votes(), v6: votes() }
    }
}

impl ExternalAddress {
    /// A peer or tracker at `voter` sees us at `ours`.
    pub fn vote(&mut self, voter: IpAddr, ours: IpAddr) {
        let voter = voter.to_canonical();
        self.count(network(voter), is_local(voter), ours);
    }

    /// The same for a voter that we know by name only, as a tracker.
    pub fn vote_by_name(&mut self, voter: &str, ours: IpAddr) {
        let mut digest = DefaultHasher::new();
        voter.hash(&mut digest);
        self.count(Voter::Name(digest.finish()), false, ours);
    }

    /// Our address of this family, if more than half of the votes agree.
    pub fn address(&self, family: IpFamily) -> Option<IpAddr> {
        match family {
            IpFamily::V4 => self.v4.majority(),
            IpFamily::V6 => self.v6.majority(),
        }
    }

    fn count(&mut self, voter: Voter, is_local_voter: bool, ours: IpAddr) {
        let ours = ours.to_canonical();
        let votes = if ours.is_ipv4() { &mut self.v4 } else { &mut self.v6 };
        votes.vote(voter, is_local_voter, ours);
    }
}

fn network(ip: IpAddr) -> Voter {
    match ip {
        IpAddr::V4(ip) => Voter::Network(u64::from(ip.to_bits() >> 8)),
        // One more bit, so that it equals no IPv4 network.
        IpAddr::V6(ip) => Voter::Network((ip.to_bits() >> 80) as u64 | 1 << 63),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_address_that_most_networks_tell_is_believed() {
        let mut external = ExternalAddress::default();
        assert_eq!(external.address(IpFamily::V4), None);
        external.vote(ip("1.0.0.1"), ip("192.0.2.1"));
        assert_eq!(external.address(IpFamily::V4), Some(ip("192.0.2.1")));
        // A whole network of attackers has one vote, and a tie is no majority.
        (0..100).for_each(|last| external.vote([9, 9, 9, last].into(), ip("192.0.2.66")));
        assert_eq!(external.address(IpFamily::V4), None);
        external.vote_by_name("udp://t.example:80", ip("192.0.2.1"));
        assert_eq!(external.address(IpFamily::V4), Some(ip("192.0.2.1")));
        external.vote(ip("1.0.1.1"), ip("::ffff:192.0.2.1"));
        external.vote(ip("2.0.0.1"), ip("192.0.2.66"));
        assert_eq!(external.address(IpFamily::V4), Some(ip("192.0.2.1")));
        assert_eq!(external.address(IpFamily::V6), None);
        (0..9).for_each(|last| external.vote([0x2001, 0xdb8, 1, last, 0, 0, 0, 1].into(), ip("2001:db8::9")));
        external.vote(ip("2001:db8:2::1"), ip("2001:db8::8"));
        assert_eq!(external.address(IpFamily::V6), None);
    }

    #[test]
    fn a_new_address_wins_after_a_while_and_the_number_of_votes_is_bounded() {
        let mut external = ExternalAddress::default();
        (0..200).for_each(|net| external.vote([1, 0, net, 1].into(), ip("192.0.2.1")));
        assert_eq!(external.v4.count(), MAX_VOTES);
        (0..17).for_each(|net| external.vote([2, 0, net, 1].into(), ip("192.0.2.2")));
        assert_eq!(external.address(IpFamily::V4), Some(ip("192.0.2.2")));
    }

    #[test]
    fn a_private_address_is_believed_from_a_local_voter_only() {
        let mut external = ExternalAddress::default();
        for ours in ["127.0.0.1", "10.1.1.1", "fe80::1", "fd00::1", "::1", "::ffff:10.1.1.1"] {
            external.vote(ip("1.0.0.1"), ip(ours));
            external.vote(ip("2001:db8::1"), ip(ours));
            external.vote_by_name("http://t.example", ip(ours));
        }
        for ours in ["0.0.0.0", "::", "224.0.0.1", "ff02::1"] {
            external.vote(ip("127.0.0.1"), ip(ours));
        }
        assert_eq!((external.address(IpFamily::V4), external.address(IpFamily::V6)), (None, None));
        external.vote(ip("127.0.0.1"), ip("127.0.0.2"));
        external.vote(ip("fe80::7"), ip("fe80::1"));
        assert_eq!(external.address(IpFamily::V4), Some(ip("127.0.0.2")));
        assert_eq!(external.address(IpFamily::V6), Some(ip("fe80::1")));
    }
}
