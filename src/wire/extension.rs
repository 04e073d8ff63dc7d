//! The handshake of the extension protocol (BEP 10): what each side can do beyond BEP 3.
//!
//! Message 20 with the number 0 carries a dictionary. Its `m` gives a number to every extension that
//! the sender understands; further messages use the number that the *receiver* gave. A client may
//! send it more than once, to add or to take away: what a later handshake does not mention stays.

use crate::address::{read_ip, write_ip};
use crate::bencode::{Item, Value};
use std::net::IpAddr;

/// The number of the handshake itself.
pub const HANDSHAKE: u8 = 0;

/// The number under which we take messages about the metadata ([`super::metadata`]).
pub const UT_METADATA: u8 = 1;

/// The number under which we take peers' news of other peers ([`super::pex`]).
pub const UT_PEX: u8 = 2;

/// What a peer says of itself. Everything is optional, and nothing of it is proven.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtensionHandshake {
    /// Name and version of its program (`v`).
    pub client: Option<String>,
    /// How many requests it queues before it drops some (`reqq`).
    pub request_queue: Option<u32>,
    /// The TCP port on which it listens (`p`).
    pub port: Option<u16>,
    /// Our address as the peer sees it (`yourip`).
    pub your_address: Option<IpAddr>,
    /// It downloads nothing (any more), whatever it lacks (`upload_only`, BEP 21).
    pub upload_only: bool,
    /// The number under which it takes messages about the metadata (`ut_metadata`, BEP 9). 0: not any
    /// more.
    pub metadata: Option<u8>,
    /// The number under which it takes news of other peers (`ut_pex`, BEP 11). 0: not any more.
    pub pex: Option<u8>,
    /// Bytes in the metadata, where it has it (`metadata_size`, BEP 9).
    pub metadata_size: Option<u64>,
}

impl ExtensionHandshake {
    /// The handshake from a message's body. `None` where it is no dictionary. A field of a wrong type
    /// is as good as absent: clients of the field disagree about several.
    pub fn from_wire(body: &[u8]) -> Option<ExtensionHandshake> {
        let (value, _) = Value::parse_prefix(body).ok()?;
        let said = value.dictionary()?;
        let number = |key: &str| said.get(key).and_then(Value::unsigned);
        let understood = said.get("m").and_then(Value::dictionary);
        let extension = |key: &str| u8::try_from(understood?.get(key)?.unsigned()?).ok();
        Some(ExtensionHandshake {
            client: said.get("v").and_then(Value::text).map(|text| text.chars().take(64).collect()),
            request_queue: number("reqq").map(|most| u32::try_from(most).unwrap_or(u32::MAX)),
            port: number("p").and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0),
            your_address: said.get("yourip").and_then(Value::bytes).and_then(read_ip),
            upload_only: number("upload_only").is_some_and(|flag| flag != 0),
            metadata: extension("ut_metadata"),
            pex: extension("ut_pex"),
            metadata_size: number("metadata_size"),
        })
    }

    /// The message's body.
    pub fn to_wire(&self) -> Vec<u8> {
        let understood = [("ut_metadata", self.metadata), ("ut_pex", self.pex)];
        let understood =
            understood.into_iter().filter_map(|(name, number)| Some((name, i64::from(number?).into())));
        let size = self.metadata_size.and_then(|size| i64::try_from(size).ok());
        let fields = [
            Some(("m", Item::dictionary(understood))),
            self.client.as_deref().map(|client| ("v", client.into())),
            self.request_queue.map(|most| ("reqq", i64::from(most).into())),
            self.port.map(|port| ("p", i64::from(port).into())),
            self.your_address.map(|ip| ("yourip", ip_bytes(ip).as_slice().into())),
            self.upload_only.then(|| ("upload_only", 1_i64.into())),
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
    fn a_handshake_comes_back_as_it_went() {
        for your_address in [None, Some([127, 0, 0, 2].into()), Some([7; 16].into())] {
            let said = ExtensionHandshake {
                client: Some("femtotorrent 0".into()),
                request_queue: Some(500),
                port: Some(6881),
                your_address,
                upload_only: your_address.is_some(),
                metadata: Some(UT_METADATA),
                pex: Some(if your_address.is_some() { 0 } else { UT_PEX }),
                metadata_size: your_address.map(|_| 31_235),
            };
            assert_eq!(ExtensionHandshake::from_wire(&said.to_wire()), Some(said));
        }
        let nothing = ExtensionHandshake::default();
        assert_eq!(ExtensionHandshake::from_wire(&nothing.to_wire()), Some(nothing));
    }

    #[test]
    fn wrong_types_are_absent_and_nonsense_is_refused_without_panic() {
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
