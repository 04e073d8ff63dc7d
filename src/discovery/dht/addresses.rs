//! Addresses in packets: their bytes, and which of them are worth a packet.
//!
//! Pure. Whoever answers a question may put any address into the answer, and what we then send goes to
//! that address. So an address is believed only where its sender could know it.

use super::id::NodeId;
use crate::address::{IpFamily, could_be_a_peer, read_compact};
use crate::strategy::may_share;
use std::net::{IpAddr, SocketAddr};

/// A node as others name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Its name, as far as somebody knows.
    pub id: NodeId,
    /// Where it is.
    pub address: SocketAddr,
}

/// Bytes of a node in a packet: its ID and its compact address.
pub(super) fn contact_length(family: IpFamily) -> usize {
    20 + family.compact_length()
}

/// Reads a node.
pub(super) fn read_contact(bytes: &[u8]) -> Option<Contact> {
    let (id, address) = bytes.split_first_chunk()?;
    Some(Contact { id: NodeId(*id), address: read_compact(address)? })
}

/// Whether a node can be there. One address has one name here: IPv4 is never written as IPv6.
pub(super) fn is_possible(address: SocketAddr) -> bool {
    could_be_a_peer(address) && address.ip() == address.ip().to_canonical()
}

/// Whether one at `from` may tell us of `address`.
pub(super) fn is_believable(address: SocketAddr, from: IpAddr) -> bool {
    is_possible(address) && may_share(from, address)
}

/// What belongs to one owner for certain: an IPv4 address, the 64 bits that an IPv6 host is given.
pub(super) fn owner(ip: IpAddr) -> u64 {
    match ip {
        IpAddr::V4(ip) => ip.to_bits().into(),
        IpAddr::V6(ip) => (ip.to_bits() >> 64) as u64,
    }
}

/// What one owner may well have all of: 256 addresses of IPv4, the 64 bits of IPv6. On a loopback
/// interface everything is one owner's, and tests need many nodes there.
pub(super) fn neighbourhood(ip: IpAddr) -> u64 {
    if ip.is_ipv4() && !ip.is_loopback() { owner(ip) >> 8 } else { owner(ip) }
}
