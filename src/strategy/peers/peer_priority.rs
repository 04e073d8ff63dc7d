//! Which of two peers is worth a connection more, where there are too few for all (BEP 40).
//!
//! Both ends of a connection compute the same number, and nobody can choose it without choosing another
//! network to live in. So a swarm of full clients is no clique that a newcomer cannot enter: some of them
//! find that it ranks above somebody whom they have. And a crowd of addresses in one network ranks no
//! higher than one of them would.

use crate::strategy::crc32c;
use std::net::{IpAddr, SocketAddr};

/// The rank of the connection between two addresses, whichever is ours. Higher is better. Addresses of
/// different families have the rank 0.
pub fn rank(one: SocketAddr, other: SocketAddr) -> u32 {
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

/// Both addresses without what one network can choose freely: the first `certain` bytes count, where they
/// are equal one byte more than is equal, and of the rest every other bit.
fn masked(one: &[u8], other: &[u8], certain: usize) -> [Vec<u8>; 2] {
    let equal = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let whole = if equal >= certain { equal + 1 } else { certain };
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
        assert_eq!(rank(one, other), rank(other, one));
        rank(one, other)
    }

    #[test]
    fn the_examples_of_the_bep_come_out() {
        assert_eq!(both_ways("123.213.32.10:1", "98.76.54.32:2"), 0xec2d_7224);
        assert_eq!(both_ways("123.213.32.10:1", "123.213.32.234:2"), 0x9956_8189);
        assert_eq!(both_ways("[::ffff:123.213.32.10]:1", "98.76.54.32:2"), 0xec2d_7224);
    }

    #[test]
    fn neighbours_are_told_apart_by_more_bytes_and_one_host_by_its_ports() {
        let ranks = |pairs: [(&str, &str); 2]| pairs.map(|(one, other)| both_ways(one, other));
        // Of the last two bytes every other bit counts, but for those in the same /16.
        let far = ranks([("1.2.3.4:1", "5.6.1.1:1"), ("1.2.3.4:1", "5.6.3.3:1")]);
        assert_eq!(far[0], far[1]);
        let near = ranks([("1.2.3.4:1", "1.2.1.1:1"), ("1.2.3.4:1", "1.2.9.1:1")]);
        assert_ne!(near[0], near[1]);
        let here = ranks([("1.2.3.4:1", "1.2.3.4:2"), ("1.2.3.4:1", "1.2.3.4:3")]);
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
