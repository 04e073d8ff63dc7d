//! Addresses in packets: their bytes, and which of them are worth a packet.
//!
//! Pure. Whoever answers a question may put any address into the answer, and what we then send goes to
//! that address. So an address is believed only where its sender could know it.

use super::id::NodeId;
use crate::strategy::{could_be_a_peer, may_share};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// One of the two networks: each has a table of its own (BEP 32).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// A node as others name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Its name, as far as somebody knows.
    pub id: NodeId,
    /// Where it is.
    pub address: SocketAddr,
}

impl Family {
    /// Whether it is this family's address.
    pub fn has(self, address: SocketAddr) -> bool {
        address.is_ipv4() == (self == Family::V4)
    }

    /// Bytes of an address with its port ("compact").
    pub(super) fn address_length(self) -> usize {
        if self == Family::V4 { 6 } else { 18 }
    }

    /// Bytes of a node: name, address, port.
    pub(super) fn contact_length(self) -> usize {
        self.address_length() + 20
    }
}

/// Reads an address and its port, six bytes or eighteen.
pub(super) fn read_address(bytes: &[u8]) -> Option<SocketAddr> {
    let (ip, port) = bytes.split_last_chunk()?;
    let ip: IpAddr = match ip.len() {
        4 => Ipv4Addr::from(*ip.first_chunk::<4>()?).into(),
        16 => Ipv6Addr::from(*ip.first_chunk::<16>()?).into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes(*port)))
}

/// Reads a node.
pub(super) fn read_contact(bytes: &[u8]) -> Option<Contact> {
    let (id, address) = bytes.split_first_chunk()?;
    Some(Contact { id: NodeId(*id), address: read_address(address)? })
}

/// Appends the address and its port.
pub(super) fn write_address(into: &mut Vec<u8>, address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => into.extend(ip.octets()),
        IpAddr::V6(ip) => into.extend(ip.octets()),
    }
    into.extend(address.port().to_be_bytes());
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
