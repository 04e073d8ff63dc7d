//! What our own address is, as seen from outside.
//!
//! Behind a router nobody knows that of himself; trackers (BEP 24) and peers (`yourip`, BEP 10) say it, and any
//! of them may lie or be wrong. So each network that tells something has one vote, the latest, and what has the
//! majority is believed. It serves to rank peers (BEP 40) and to leave ourselves alone; nothing that needs a
//! proof may rest on it.

use crate::address::{IpFamily, is_local};
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

/// Votes of a family that are kept, so that a new address wins after a while, and memory has a bound.
const MAX_VOTES: usize = 32;

/// The votes on our addresses.
#[derive(Debug, Default)]
pub struct ExternalAddress {
    v4: Votes,
    v6: Votes,
}

#[derive(Debug, Default)]
struct Votes {
    /// Who told what, the oldest first. No teller twice.
    told: VecDeque<(Teller, IpAddr)>,
    majority: Option<IpAddr>,
}

/// Who has one vote: the neighbours of a teller belong to the same people, mostly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Teller {
    /// The first 24 bits of an IPv4 address, the first 48 of an IPv6 address.
    Network(u64),
    /// The digest of a name.
    Name(u64),
}

impl ExternalAddress {
    /// Somebody at `teller` sees us at `ours`. A private address is believed only of somebody who has one
    /// too: the others cannot see it.
    pub fn vote(&mut self, teller: IpAddr, ours: IpAddr) {
        let (teller, ours) = (teller.to_canonical(), ours.to_canonical());
        if is_local(teller) || !is_local(ours) {
            self.count(network(teller), ours);
        }
    }

    /// The same of somebody who is known by name only, as a tracker.
    pub fn vote_by_name(&mut self, teller: &str, ours: IpAddr) {
        let ours = ours.to_canonical();
        if !is_local(ours) {
            let mut digest = DefaultHasher::new();
            teller.hash(&mut digest);
            self.count(Teller::Name(digest.finish()), ours);
        }
    }

    /// Our address of this family, where more than half of those agree who told one.
    pub fn address(&self, family: IpFamily) -> Option<IpAddr> {
        match family {
            IpFamily::V4 => self.v4.majority,
            IpFamily::V6 => self.v6.majority,
        }
    }

    fn count(&mut self, teller: Teller, ours: IpAddr) {
        if ours.is_unspecified() || ours.is_multicast() {
            return;
        }
        let votes = if ours.is_ipv4() { &mut self.v4 } else { &mut self.v6 };
        votes.told.retain(|(known, _)| *known != teller);
        if votes.told.len() >= MAX_VOTES {
            votes.told.pop_front();
        }
        votes.told.push_back((teller, ours));
        let agree = |one: IpAddr| votes.told.iter().filter(|(_, told)| *told == one).count();
        // Only the one that was told just now can have come to a majority, and only the old one lost it.
        let candidates = [Some(ours), votes.majority].into_iter().flatten();
        votes.majority = candidates.into_iter().find(|one| agree(*one) * 2 > votes.told.len());
    }
}

fn network(ip: IpAddr) -> Teller {
    match ip {
        IpAddr::V4(ip) => Teller::Network(u64::from(ip.to_bits() >> 8)),
        // One bit more, so that it is no IPv4 network.
        IpAddr::V6(ip) => Teller::Network((ip.to_bits() >> 80) as u64 | 1 << 63),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_most_networks_tell_is_believed() {
        let mut external = ExternalAddress::default();
        assert_eq!(external.address(IpFamily::V4), None);
        external.vote(ip("1.0.0.1"), ip("192.0.2.1"));
        assert_eq!(external.address(IpFamily::V4), Some(ip("192.0.2.1")));
        // A whole network of liars has one vote, and a tie is no majority.
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
        assert_eq!(external.v4.told.len(), MAX_VOTES);
        (0..17).for_each(|net| external.vote([2, 0, net, 1].into(), ip("192.0.2.2")));
        assert_eq!(external.address(IpFamily::V4), Some(ip("192.0.2.2")));
    }

    #[test]
    fn a_private_address_is_believed_of_a_neighbour_only() {
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
