//! Addresses in packets: their bytes, and which of them are worth a packet.
//!
//! Pure. A node may put any address into its answer, and what we then send goes to that address. So we
//! believe an address only if its sender could know it.

use super::id::NodeId;
use crate::address::{IpFamily, could_be_a_peer, read_compact};
use crate::strategy::may_share;
use std::net::{IpAddr, SocketAddr};

/// A node as other nodes name it: its ID and its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Its ID, as far as it is known.
    pub id: NodeId,
    /// Where it is.
    pub address: SocketAddr,
}

/// Bytes of a node in a packet: its ID and its compact address.
pub(super) fn contact_length(family: IpFamily) -> usize {
    20 + family.compact_length()
}

/// Reads a node: its ID, then its compact address.
pub(super) fn read_contact(bytes: &[u8]) -> Option<Contact> {
    let (id, address) = bytes.split_first_chunk()?;
    Some(Contact { id: NodeId(*id), address: read_compact(address)? })
}

/// Whether a node can be at this address. It must be in its canonical form, so that one node is not known
/// under two addresses.
pub(super) fn could_be_a_node(address: SocketAddr) -> bool {
    could_be_a_peer(address) && address.ip() == address.ip().to_canonical()
}

/// Whether a node at `from` may tell us of `address`.
pub(super) fn is_believable(address: SocketAddr, from: IpAddr) -> bool {
    could_be_a_node(address) && may_share(from, address)
}

/// What certainly has one owner: an IPv4 address, or the first 64 bits of an IPv6 address, behind which a
/// host chooses its own.
pub(super) fn owner(ip: IpAddr) -> u64 {
    match ip {
        IpAddr::V4(ip) => ip.to_bits().into(),
        IpAddr::V6(ip) => (ip.to_bits() >> 64) as u64,
    }
}

/// What may well have one owner: the 256 IPv4 addresses of a /24, or the IPv6 addresses of a /64. On a
/// loopback interface each address counts for itself: all of them belong to one owner anyway, and tests need
/// many nodes there.
pub(super) fn neighbourhood(ip: IpAddr) -> u64 {
    if ip.is_ipv4() && !ip.is_loopback() { owner(ip) >> 8 } else { owner(ip) }
}
