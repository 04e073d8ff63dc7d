//! The handshake of the extension protocol (BEP 10): what each side can do beyond BEP 3.
//!
//! Pure. An extension message has the message id 20, followed by an *extended message id*. The extended id 0
//! is the extension handshake, a dictionary. Its `m` maps the name of each extension that the sender
//! understands to an extended id. Each side chooses its own ids, and a message uses the id that its
//! *receiver* chose. A client may send the handshake more than once, to add extensions or to remove some.
//! What a later handshake does not mention stays as it was.

use crate::address::{read_ip, write_ip};
use crate::bencode::{Item, Value};
use std::net::IpAddr;

/// The extended message id of the handshake itself.
pub const HANDSHAKE: u8 = 0;

/// The extended message id that we choose for messages about the metadata ([`super::metadata`]).
pub const UT_METADATA: u8 = 1;

/// The extended message id that we choose for peer exchange ([`super::pex`]).
pub const UT_PEX: u8 = 2;

/// The extended message id that we choose for `lt_donthave`, by which a peer takes back a *have* (BEP 54).
pub const LT_DONTHAVE: u8 = 3;

/// A longer handshake is not looked at. What clients send has a few hundred bytes, and to read one takes many times its
/// length.
const LONGEST_HANDSHAKE: usize = 16 * 1024;

/// What an `lt_donthave` message of this piece consists of.
pub fn dont_have(piece: u32) -> [u8; 4] {
    piece.to_be_bytes()
}

/// Reads the piece number that an `lt_donthave` message consists of: the peer does not have that piece any more.
pub fn read_dont_have(payload: &[u8]) -> Option<u32> {
    payload.try_into().map(u32::from_be_bytes).ok()
}

/// What a peer says about itself. Everything is optional, and nothing is verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtensionHandshake {
    /// Name and version of its program (`v`).
    pub client: Option<String>,
    /// How many requests it queues before it drops some: the length of its request queue (`reqq`).
    pub request_queue: Option<u32>,
    /// The TCP port on which it listens (`p`).
    pub port: Option<u16>,
    /// Our address as the peer sees it (`yourip`).
    pub your_address: Option<IpAddr>,
    /// Whether it downloads nothing (any more), even if it lacks pieces (`upload_only`, BEP 21).
    pub upload_only: Option<bool>,
    /// Whether it prefers encrypted connections (`e`, as µTorrent introduced it).
    pub prefers_encryption: Option<bool>,
    /// The extended message id that it chose for messages about the metadata (`ut_metadata`, BEP 9). 0: it no
    /// longer understands them.
    pub metadata: Option<u8>,
    /// The extended message id that it chose for peer exchange (`ut_pex`, BEP 11). 0: it no longer
    /// understands it.
    pub pex: Option<u8>,
    /// The extended message id that it chose for `lt_donthave` (BEP 54). 0: it no longer understands it.
    pub dont_have: Option<u8>,
    /// Bytes in the metadata, if the peer has it (`metadata_size`, BEP 9).
    pub metadata_size: Option<u64>,
}

impl ExtensionHandshake {
    /// Reads the handshake from the payload of a message. `None` if that is no dictionary, or longer than any. A
    /// field of the wrong type counts as absent, because clients disagree about the types of several fields.
    pub fn from_wire(payload: &[u8]) -> Option<ExtensionHandshake> {
        if payload.len() > LONGEST_HANDSHAKE {
            return None;
        }
        let (value, _) = Value::parse_prefix(payload).ok()?;
        let fields = value.dictionary()?;
        let number = |key: &str| fields.get(key).and_then(Value::unsigned);
        let understood = fields.get("m").and_then(Value::dictionary);
        let extension = |key: &str| u8::try_from(understood?.get(key)?.unsigned()?).ok();
        Some(ExtensionHandshake {
            client: fields.get("v").and_then(Value::text).map(|text| text.chars().take(64).collect()),
            request_queue: number("reqq").map(|most| u32::try_from(most).unwrap_or(u32::MAX)),
            port: number("p").and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0),
            your_address: fields.get("yourip").and_then(Value::bytes).and_then(read_ip),
            upload_only: number("upload_only").map(|flag| flag != 0),
            prefers_encryption: number("e").map(|flag| flag != 0),
            metadata: extension("ut_metadata"),
            pex: extension("ut_pex"),
            dont_have: extension("lt_donthave"),
            metadata_size: number("metadata_size"),
        })
    }

    /// This handshake, where `before` was said earlier: the extensions that it does not mention stay as they were.
    #[must_use]
    pub fn after(self, before: &ExtensionHandshake) -> ExtensionHandshake {
        ExtensionHandshake {
            metadata: self.metadata.or(before.metadata),
            pex: self.pex.or(before.pex),
            dont_have: self.dont_have.or(before.dont_have),
            ..self
        }
    }

    /// The payload of the message.
    pub fn to_wire(&self) -> Vec<u8> {
        let understood =
            [("lt_donthave", self.dont_have), ("ut_metadata", self.metadata), ("ut_pex", self.pex)];
        let understood =
            understood.into_iter().filter_map(|(name, number)| Some((name, i64::from(number?).into())));
        let size = self.metadata_size.and_then(|size| i64::try_from(size).ok());
        let fields = [
            Some(("m", Item::dictionary(understood))),
            self.client.as_deref().map(|client| ("v", client.into())),
            self.request_queue.map(|most| ("reqq", i64::from(most).into())),
            self.port.map(|port| ("p", i64::from(port).into())),
            self.your_address.map(|ip| ("yourip", ip_bytes(ip).as_slice().into())),
            self.upload_only.map(|flag| ("upload_only", i64::from(flag).into())),
            self.prefers_encryption.map(|flag| ("e", i64::from(flag).into())),
            size.map(|size| ("metadata_size", size.into())),
        ];
        Item::dictionary(fields.into_iter().flatten()).encode()
    }
}

fn ip_bytes(ip: IpAddr) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16);
    write_ip(&mut bytes, ip.to_canonical());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_is_read_as_it_was_written() {
        for your_address in [None, Some([127, 0, 0, 2].into()), Some([7; 16].into())] {
            let said = ExtensionHandshake {
                client: Some("femtotorrent 0".into()),
                request_queue: Some(500),
                port: Some(6881),
                your_address,
                upload_only: your_address.map(|ip: IpAddr| ip.is_ipv4()),
                prefers_encryption: your_address.map(|ip| ip.is_ipv6()),
                metadata: Some(UT_METADATA),
                pex: Some(if your_address.is_some() { 0 } else { UT_PEX }),
                dont_have: your_address.map(|_| LT_DONTHAVE),
                metadata_size: your_address.map(|_| 31_235),
            };
            assert_eq!(ExtensionHandshake::from_wire(&said.to_wire()), Some(said));
        }
        let nothing = ExtensionHandshake::default();
        assert_eq!(ExtensionHandshake::from_wire(&nothing.to_wire()), Some(nothing));
    }

    #[test]
    fn a_handshake_that_is_longer_than_any_is_not_looked_at() {
        let with_name_of = |length: usize| format!("d1:pi9e1:v{length}:{}e", "a".repeat(length));
        let head = with_name_of(10_000).len() - 10_000;
        let longest = with_name_of(LONGEST_HANDSHAKE - head);
        let read = ExtensionHandshake::from_wire(longest.as_bytes()).and_then(|handshake| handshake.port);
        assert_eq!((longest.len(), read), (LONGEST_HANDSHAKE, Some(9)));
        let longer = with_name_of(LONGEST_HANDSHAKE - head + 1);
        assert_eq!(ExtensionHandshake::from_wire(longer.as_bytes()), None);
    }

    #[test]
    fn a_piece_that_a_peer_takes_back_is_four_bytes_and_no_more() {
        assert_eq!(read_dont_have(&[0, 0, 1, 2]), Some(258));
        assert_eq!(read_dont_have(&dont_have(258)), Some(258));
        for wrong in [&[][..], &[0, 0, 1], &[0, 0, 0, 1, 2], b"de"] {
            assert_eq!(read_dont_have(wrong), None);
        }
    }

    #[test]
    fn wrong_types_count_as_absent_and_nonsense_makes_nothing_panic() {
        let odd = b"d1:md11:ut_metadatai256e6:ut_pexi-1ee13:metadata_sizei-1e4:reqqi-5e1:pi70000e6:yourip3:abc1:vi1ee";
        assert_eq!(ExtensionHandshake::from_wire(odd), Some(ExtensionHandshake::default()));
        assert_eq!(ExtensionHandshake::from_wire(b"d1:m3:abce"), Some(ExtensionHandshake::default()));
        let good = ExtensionHandshake { request_queue: Some(9), ..Default::default() }.to_wire();
        for cut in 0..good.len() {
            assert_eq!(ExtensionHandshake::from_wire(&good[..cut]), None);
            let mut bad = good.clone();
            for bit in 0..8 {
                bad[cut] ^= 1 << bit;
                let _ = ExtensionHandshake::from_wire(&bad);
                bad[cut] ^= 1 << bit;
            }
        }
    }
}
