//! Canonical peer priority (BEP 40): which of two connections is worth more, if there are too few for all
//! peers.
//!
//! Each pair of addresses has a number, its priority, and both ends of a connection compute the same one. A
//! full client drops the connection with the lowest number for a new one with a higher number. So a swarm of
//! full clients does not become a clique that no newcomer can enter: for some of them the newcomer's number
//! is higher than that of a peer they have. The number is a hash, so that no peer can choose it without
//! moving to another network, and only the network part of an address counts in full, so that a crowd of
//! addresses in one network has no higher numbers than one of them would.

use crate::strategy::crc32c;
use std::net::{IpAddr, SocketAddr};

/// The priority of the connection between two addresses, whichever is ours. Higher is better. Between IPv4
/// and IPv6 it is 0.
pub fn peer_priority(one: SocketAddr, other: SocketAddr) -> u32 {
    let ports = [one.port(), other.port()].map(|port| port.to_be_bytes().to_vec());
    let pair = match (one.ip().to_canonical(), other.ip().to_canonical()) {
        (one, other) if one == other => ports,
        (IpAddr::V4(one), IpAddr::V4(other)) => masked(&one.octets(), &other.octets(), 2),
        (IpAddr::V6(one), IpAddr::V6(other)) => masked(&one.octets(), &other.octets(), 6),
        _ => return 0,
    };
    let [one, other] = &pair;
    crc32c(&[one.min(other).as_slice(), one.max(other)].concat())
}

/// Both addresses without what the owner of one network can choose freely. The first `network` bytes count in
/// full. If these are equal, all equal bytes count and one more. Of the rest, every other bit counts.
fn masked(one: &[u8], other: &[u8], network: usize) -> [Vec<u8>; 2] {
    let equal = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let whole = if equal >= network { equal + 1 } else { network };
    let mask = |address: &[u8]| -> Vec<u8> {
        let bytes = address.iter().enumerate();
        bytes.map(|(at, byte)| if at < whole { *byte } else { byte & 0x55 }).collect()
    };
    [mask(one), mask(other)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both_ways(one: &str, other: &str) -> u32 {
        let (one, other) = (one.parse().unwrap(), other.parse().unwrap());
        assert_eq!(peer_priority(one, other), peer_priority(other, one));
        peer_priority(one, other)
    }

    #[test]
    fn the_examples_of_bep_40() {
        assert_eq!(both_ways("123.213.32.10:1", "98.76.54.32:2"), 0xec2d_7224);
        assert_eq!(both_ways("123.213.32.10:1", "123.213.32.234:2"), 0x9956_8189);
        assert_eq!(both_ways("[::ffff:123.213.32.10]:1", "98.76.54.32:2"), 0xec2d_7224);
    }

    #[test]
    fn neighbours_are_told_apart_by_more_bytes_and_one_host_by_its_ports() {
        let priorities = |pairs: [(&str, &str); 2]| pairs.map(|(one, other)| both_ways(one, other));
        // Of the last two bytes every other bit counts, but for those in the same /16.
        let far = priorities([("1.2.3.4:1", "5.6.1.1:1"), ("1.2.3.4:1", "5.6.3.3:1")]);
        assert_eq!(far[0], far[1]);
        let near = priorities([("1.2.3.4:1", "1.2.1.1:1"), ("1.2.3.4:1", "1.2.9.1:1")]);
        assert_ne!(near[0], near[1]);
        let here = priorities([("1.2.3.4:1", "1.2.3.4:2"), ("1.2.3.4:1", "1.2.3.4:3")]);
        assert_ne!(here[0], here[1]);
        assert_eq!(both_ways("1.2.3.4:1", "5.6.7.8:1"), both_ways("1.2.3.4:9", "5.6.7.8:9"));
    }

    #[test]
    fn addresses_of_version_six_count_by_their_first_six_bytes() {
        let from = "[2001:db8:1:2::1]:1";
        let far = ["[2001:db9:1:aaaa::1]:1", "[2001:db9:1::1]:1"].map(|other| both_ways(from, other));
        assert_eq!(far[0], far[1]);
        let near = ["[2001:db8:1:aaaa::1]:1", "[2001:db8:1::1]:1"].map(|other| both_ways(from, other));
        assert_ne!(near[0], near[1]);
        assert_eq!(both_ways(from, "1.2.3.4:1"), 0);
    }
}
