//! Node IDs, how far they are apart, and which of them a node may give itself.
//!
//! Pure. Nodes and torrents share one space of 160-bit IDs. The distance of two IDs is their exclusive or,
//! read as a number (BEP 5, "overview"). So the nodes that are close to a torrent are close to each other
//! too: there is one set of nodes at which all lookups for the torrent end. A node that could choose its ID
//! could place itself next to a torrent and be asked for all its peers, so BEP 42 has the first bits of the
//! ID follow from the node's address.

use crate::address::is_local;
use crate::strategy::crc32c;
use std::net::IpAddr;

/// The ID of a node, or the place of a torrent among them: its info-hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeId(pub [u8; 20]);

/// How far two IDs are apart. Smaller is closer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Distance(u128, u32);

/// Bits of an ID.
pub(super) const BITS: u32 = 160;

/// Bits at the start of an ID that follow from the address (BEP 42).
const BOUND_BITS: u32 = 21;

/// The bits of an address that decide about the ID. They are fewer than the address has, so an owner of many
/// addresses gets fewer IDs than addresses.
const MASK_V4: u64 = 0x030f_3fff;
const MASK_V6: u64 = 0x0103_070f_1f3f_7fff;

impl Distance {
    /// The distance of a node whose ID is not known yet.
    pub(super) const FARTHEST: Distance = Distance(u128::MAX, u32::MAX);

    /// How many bits two IDs have in common at their start.
    pub(super) fn shared_bits(self) -> u32 {
        if self.0 == 0 { 128 + self.1.leading_zeros() } else { self.0.leading_zeros() }
    }
}

impl NodeId {
    /// Any ID.
    pub fn random(random: &mut fastrand::Rng) -> NodeId {
        let mut bytes = [0; 20];
        random.fill(&mut bytes);
        NodeId(bytes)
    }

    /// The distance between the two.
    pub fn distance(self, other: NodeId) -> Distance {
        let ((ours, our_rest), (theirs, their_rest)) = (self.halves(), other.halves());
        Distance(ours ^ theirs, our_rest ^ their_rest)
    }

    /// A random ID that has exactly `shared` leading bits in common with this one: it is in the range of that
    /// bucket.
    pub(super) fn random_apart(self, shared: u32, random: &mut fastrand::Rng) -> NodeId {
        let shared = shared.min(BITS - 1);
        let (ours, our_rest) = self.halves();
        let (noise, noise_rest) = NodeId::random(random).halves();
        let below = |bits: u32, width: u32| if bits >= width { 0 } else { u128::MAX >> (128 - width + bits) };
        // The first bit that differs, and random ones behind it.
        let free = below(shared.saturating_add(1), 128);
        let flipped = if shared < 128 { 1 << (127 - shared) } else { 0 };
        let free_rest = below(shared.saturating_add(1).saturating_sub(128), 32) as u32;
        let flipped_rest = if shared < 128 { 0 } else { 1 << (BITS - 1 - shared) };
        NodeId::of(ours ^ flipped ^ (noise & free), our_rest ^ flipped_rest ^ (noise_rest & free_rest))
    }

    /// An ID that a node with this address may have (BEP 42).
    pub fn for_address(ip: IpAddr, random: &mut fastrand::Rng) -> NodeId {
        let NodeId(mut bytes) = NodeId::random(random);
        let last = bytes[19];
        let bound = bound_bits(ip, last);
        let [first, second, third, ..] = bytes;
        let free = u32::from_be_bytes([first, second, third, 0]) & (u32::MAX >> BOUND_BITS);
        let [first, second, third, _] = (bound | free).to_be_bytes();
        bytes[..3].copy_from_slice(&[first, second, third]);
        NodeId(bytes)
    }

    /// Whether a node with this address may have this ID (BEP 42). On local networks any ID is valid: there
    /// the address that other nodes see proves nothing about the node.
    pub fn is_valid_for(self, ip: IpAddr) -> bool {
        let [first, second, third, ..] = self.0;
        let start = u32::from_be_bytes([first, second, third, 0]) & !(u32::MAX >> BOUND_BITS);
        is_local(ip) || start == bound_bits(ip, self.0[19])
    }

    fn halves(self) -> (u128, u32) {
        let mut rest = [0; 4];
        let mut start = [0; 16];
        start.copy_from_slice(&self.0[..16]);
        rest.copy_from_slice(&self.0[16..]);
        (u128::from_be_bytes(start), u32::from_be_bytes(rest))
    }

    fn of(start: u128, rest: u32) -> NodeId {
        let mut bytes = [0; 20];
        bytes[..16].copy_from_slice(&start.to_be_bytes());
        bytes[16..].copy_from_slice(&rest.to_be_bytes());
        NodeId(bytes)
    }
}

/// The first 21 bits of an ID that a node with this address may have, as the highest bits of the result. An
/// address has eight such starts; the lowest three bits of the ID's last byte say which one to use.
fn bound_bits(ip: IpAddr, last: u8) -> u32 {
    let choice = u64::from(last & 7);
    let hash = match ip {
        IpAddr::V4(ip) => {
            let masked = u64::from(ip.to_bits()) & MASK_V4 | choice << 29;
            crc32c(&masked.to_be_bytes()[4..])
        }
        IpAddr::V6(ip) => {
            let high = (ip.to_bits() >> 64) as u64;
            crc32c(&(high & MASK_V6 | choice << 61).to_be_bytes())
        }
    };
    hash & !(u32::MAX >> BOUND_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> NodeId {
        let digits = text.replace(' ', "");
        let byte = |at: usize| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap();
        NodeId(std::array::from_fn(byte))
    }

    #[test]
    fn ids_are_valid_for_addresses_as_in_bep_42() {
        let known = [
            ("124.31.75.21", "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401"),
            ("21.75.31.124", "5a3ce9c14e7a08645677bbd1cfe7d8f956d53256"),
            ("65.23.51.170", "a5d43220bc8f112a3d426c84764f8c2a1150e616"),
            ("84.124.73.14", "1b0321dd1bb1fe518101ceef99462b947a01ff41"),
            ("43.213.53.83", "e56f6cbf5b7c4be0237986d5243b87aa6d51305a"),
        ];
        for (ip, text) in known {
            assert!(id(text).is_valid_for(ip.parse().unwrap()), "{ip}");
            assert!(!id(text).is_valid_for("9.9.9.9".parse().unwrap()), "{ip}");
            assert!(
                id(text).is_valid_for("127.0.0.3".parse().unwrap())
                    && id(text).is_valid_for("10.1.2.3".parse().unwrap())
            );
        }
    }

    #[test]
    fn an_id_that_is_made_for_an_address_is_valid_for_it_and_few_others() {
        let mut random = fastrand::Rng::with_seed(1);
        for ip in ["9.8.7.6", "2001:db9:1:2::3"] {
            let ip: IpAddr = ip.parse().unwrap();
            let mut starts = Vec::new();
            for _ in 0..200 {
                let made = NodeId::for_address(ip, &mut random);
                assert!(made.is_valid_for(ip));
                let mut other = made;
                other.0[1] ^= 1;
                assert!(!other.is_valid_for(ip));
                starts.push((made.0[0], made.0[1]));
            }
            starts.sort_unstable();
            starts.dedup();
            assert_eq!(starts.len(), 8);
        }
        let chance =
            (0..2_000).filter(|_| NodeId::random(&mut random).is_valid_for("9.8.7.6".parse().unwrap()));
        assert!(chance.count() < 3);
    }

    #[test]
    fn an_id_in_a_buckets_range_has_its_bits_in_common_and_no_more() {
        let mut random = fastrand::Rng::with_seed(2);
        for shared in 0..BITS {
            let ours = NodeId::random(&mut random);
            let apart = ours.random_apart(shared, &mut random);
            assert_eq!(ours.distance(apart).shared_bits(), shared);
        }
        let ours = NodeId([7; 20]);
        assert_eq!(ours.distance(ours).shared_bits(), BITS);
    }

    #[test]
    fn distances_are_ordered_by_their_first_different_bit() {
        let (here, mut near, mut far) = (NodeId([0; 20]), NodeId([0; 20]), NodeId([0xff; 20]));
        near.0[19] = 0xff;
        far.0[0] = 1;
        assert!(here.distance(near) < here.distance(far) && here.distance(far) < Distance::FARTHEST);
        assert_eq!(here.distance(near), near.distance(here));
    }
}
