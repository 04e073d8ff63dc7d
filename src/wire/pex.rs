//! Peer exchange (PEX): the peers that a peer is connected to, and those that it is no longer connected to
//! (BEP 11, `ut_pex`).
//!
//! Pure. A message is a bencoded dictionary with strings of compact addresses: six bytes each in `added` and
//! `dropped`, eighteen in `added6` and `dropped6`. For each added address, `added.f` or `added6.f` has a byte
//! of flags. Everything here is hearsay: nothing proves that a program at any of these addresses speaks
//! BitTorrent. So only a limited number is read, and the code that uses them decides which of them to
//! believe.

use crate::address::{IpFamily, canonical, read_compact_list, write_compact};
use crate::bencode::{Item, Value};
use std::net::SocketAddr;

/// The most addresses that are read from one list. A message has 50 at most, except the first one, which may
/// have more.
pub const MAX_ADDRESSES: usize = 100;

/// Flag: the peer prefers encrypted connections (message stream encryption).
pub const PREFERS_ENCRYPTION: u8 = 0x01;

/// Flag: the peer downloads nothing (any more).
pub const UPLOAD_ONLY: u8 = 0x02;

/// Flag: the peer speaks uTP (BEP 29).
pub const SPEAKS_UTP: u8 = 0x04;

/// Flag: the sender of the message has connected to the peer, so others can connect to it too.
pub const REACHABLE: u8 = 0x10;

/// The peers that a peer has connected to and lost since its last message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerExchange {
    /// New connections, with the flags of each.
    pub added: Vec<(SocketAddr, u8)>,
    /// Connections that have ended.
    pub dropped: Vec<SocketAddr>,
}

impl PeerExchange {
    /// Reads the message from a payload: the first [`MAX_ADDRESSES`] addresses of each list. `None` if it is
    /// no dictionary. A list of the wrong type counts as absent, and an address that was cut off is left out.
    pub fn from_wire(payload: &[u8]) -> Option<PeerExchange> {
        let (value, _) = Value::parse_prefix(payload).ok()?;
        let fields = value.dictionary()?;
        let list = |name: &str| fields.get(name).and_then(Value::bytes).unwrap_or_default();
        let flags = |name: &str| list(name).iter().copied().chain(std::iter::repeat(0));
        let addresses = |name: &str, family| read_compact_list(list(name), family).take(MAX_ADDRESSES);
        let added = addresses("added", IpFamily::V4).zip(flags("added.f"));
        let added6 = addresses("added6", IpFamily::V6).zip(flags("added6.f"));
        let dropped = addresses("dropped", IpFamily::V4).chain(addresses("dropped6", IpFamily::V6));
        Some(PeerExchange { added: added.chain(added6).collect(), dropped: dropped.collect() })
    }

    /// The payload of the message. Empty lists are left out, except `added`: BEP 11 requires at least one
    /// list.
    pub fn to_wire(&self) -> Vec<u8> {
        let [mut added, mut flags, mut dropped]: [[Vec<u8>; 2]; 3] = Default::default();
        for &(address, flag) in &self.added {
            let address = canonical(address);
            write_compact(of_family(&mut added, address), address);
            of_family(&mut flags, address).push(flag);
        }
        for &address in &self.dropped {
            let address = canonical(address);
            write_compact(of_family(&mut dropped, address), address);
        }
        let lists = LISTS.into_iter().zip([added, flags, dropped].into_iter().flatten());
        let lists = lists.filter(|(name, list)| *name == "added" || !list.is_empty());
        Item::dictionary(lists.map(|(name, list)| (name, list.into()))).encode()
    }
}

/// The names of the lists: the added ones, their flags, and the dropped ones, in both families.
const LISTS: [&str; 6] = ["added", "added6", "added.f", "added6.f", "dropped", "dropped6"];

fn of_family([v4, v6]: &mut [Vec<u8>; 2], address: SocketAddr) -> &mut Vec<u8> {
    if IpFamily::V4.has(address) { v4 } else { v6 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both() -> PeerExchange {
        let address = |text: &str| text.parse().unwrap();
        PeerExchange {
            added: vec![(address("1.2.3.4:6881"), UPLOAD_ONLY | REACHABLE), (address("[2001:db8::1]:1"), 0)],
            dropped: vec![address("127.0.0.1:65535"), address("[2001:db8::2]:2")],
        }
    }

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let four = PeerExchange { added: both().added[..1].to_vec(), dropped: Vec::new() };
        assert_eq!(four.to_wire(), b"d5:added6:\x01\x02\x03\x04\x1a\xe17:added.f1:\x12e");
        assert_eq!(PeerExchange::default().to_wire(), b"d5:added0:e");
        for message in [PeerExchange::default(), four, both()] {
            assert_eq!(PeerExchange::from_wire(&message.to_wire()), Some(message));
        }
    }

    #[test]
    fn of_ten_thousand_addresses_the_first_hundred_of_each_list_are_read() {
        let list = vec![7; 18 * 10_000];
        let lists = ["added", "added6", "dropped", "dropped6"].map(|name| (name, list.clone().into()));
        let message = PeerExchange::from_wire(&Item::dictionary(lists).encode()).unwrap();
        assert_eq!((message.added.len(), message.dropped.len()), (2 * MAX_ADDRESSES, 2 * MAX_ADDRESSES));
    }

    #[test]
    fn flags_may_be_fewer_or_missing_and_odd_ends_are_cut_off() {
        let said = PeerExchange::from_wire(b"d5:added13:aaaabbccccdde7:added.f1:\x02e").unwrap();
        let flags: Vec<u8> = said.added.iter().map(|(_, flags)| *flags).collect();
        assert_eq!(flags, [2, 0]);
        let odd = PeerExchange::from_wire(b"d5:addedi7e7:droppedle8:dropped65:aaaaae");
        assert_eq!(odd, Some(PeerExchange::default()));
        assert_eq!(PeerExchange::from_wire(b"le"), None);
    }

    #[test]
    fn no_cut_and_no_flipped_bit_makes_the_reader_panic() {
        let whole = both().to_wire();
        for end in 0..whole.len() {
            assert_eq!(PeerExchange::from_wire(&whole[..end]), None);
        }
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Some(message) = PeerExchange::from_wire(&bytes) {
                assert_eq!(PeerExchange::from_wire(&message.to_wire()), Some(message));
            }
        }
    }
}
