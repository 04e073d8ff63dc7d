//! The handshake: the first 68 bytes of a connection, in both directions (BEP 3, "peer protocol").
//!
//! ```text
//! 19 "BitTorrent protocol"   8 reserved bytes   20 bytes info-hash   20 bytes peer ID
//! ```
//!
//! Pure. The bits of the reserved bytes say what a client can do beyond BEP 3. We know three of them: the
//! Fast extension (BEP 6), the extension protocol (BEP 10) and a node of the DHT (BEP 5).

use crate::metainfo::InfoHash;
use std::fmt;

/// Bytes in a handshake.
pub const HANDSHAKE_LENGTH: usize = 68;

/// Bytes by which a handshake is known.
pub const PREFIX_LENGTH: usize = 20;
/// The bytes: the length of the protocol's name, and the name.
pub const PREFIX: [u8; PREFIX_LENGTH] = *b"\x13BitTorrent protocol";
/// BEP 6: the third least significant bit of the last reserved byte.
const FAST: (usize, u8) = (7, 0x04);
/// BEP 10: the twentieth bit from the right.
const EXTENSION_PROTOCOL: (usize, u8) = (5, 0x10);
/// BEP 5: the last bit.
const DHT: (usize, u8) = (7, 0x01);

/// The ID that a client gives itself for one run (BEP 3). By convention it is the program and its version
/// (BEP 20), then random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub [u8; 20]);

impl PeerId {
    /// Its printable beginning, where by custom the client's name stands (BEP 20).
    pub fn client(&self) -> String {
        let letter = |byte: &u8| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' };
        self.0.iter().take(8).map(letter).collect()
    }
}

/// What each side sends first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// Flags of the extensions that the sender speaks.
    pub reserved: [u8; 8],
    /// The torrent that the connection is for.
    pub info_hash: InfoHash,
    /// The ID that the sender gives itself.
    pub peer_id: PeerId,
}

impl Handshake {
    /// The handshake that we send. `dht`: whether this client runs a node of the DHT.
    pub fn ours(info_hash: InfoHash, peer_id: PeerId, dht: bool) -> Handshake {
        let mut reserved = [0; 8];
        let flags = [Some(FAST), Some(EXTENSION_PROTOCOL), dht.then_some(DHT)];
        for (at, flag) in flags.into_iter().flatten() {
            if let Some(byte) = reserved.get_mut(at) {
                *byte |= flag;
            }
        }
        Handshake { reserved, info_hash, peer_id }
    }

    /// Whether the sender speaks the Fast extension (BEP 6).
    pub fn speaks_fast(&self) -> bool {
        self.has(FAST)
    }

    /// Whether the sender speaks the extension protocol (BEP 10).
    pub fn speaks_extensions(&self) -> bool {
        self.has(EXTENSION_PROTOCOL)
    }

    /// Whether the sender runs a node of the DHT (BEP 5).
    pub fn speaks_dht(&self) -> bool {
        self.has(DHT)
    }

    fn has(&self, (at, flag): (usize, u8)) -> bool {
        self.reserved.get(at).is_some_and(|byte| byte & flag != 0)
    }

    /// The handshake as it goes over the wire.
    pub fn to_wire(&self) -> Vec<u8> {
        [&PREFIX[..], &self.reserved, &self.info_hash.0, &self.peer_id.0].concat()
    }

    /// Whether a connection that begins with these bytes begins with a handshake. Otherwise it begins with a key
    /// exchange ([`mse`](super::mse)), or the other side does not speak BitTorrent.
    pub fn begins_with(bytes: &[u8; PREFIX_LENGTH]) -> bool {
        *bytes == PREFIX
    }

    /// A handshake from the wire.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`] if the bytes do not begin with the name of the protocol.
    pub fn from_wire(bytes: &[u8; HANDSHAKE_LENGTH]) -> Result<Handshake, HandshakeError> {
        let Some((prefix, rest)) = bytes.split_first_chunk() else { return Err(HandshakeError) };
        let Some((reserved, rest)) = rest.split_first_chunk() else { return Err(HandshakeError) };
        let Some((info_hash, rest)) = rest.split_first_chunk() else { return Err(HandshakeError) };
        let Some((peer_id, _)) = rest.split_first_chunk() else { return Err(HandshakeError) };
        if *prefix != PREFIX {
            return Err(HandshakeError);
        }
        Ok(Handshake { reserved: *reserved, info_hash: InfoHash(*info_hash), peer_id: PeerId(*peer_id) })
    }
}

/// The other side does not speak BitTorrent, or only with encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandshakeError;

impl fmt::Display for HandshakeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "not a BitTorrent handshake")
    }
}

impl std::error::Error for HandshakeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_is_read_as_it_was_written() {
        let ours = Handshake::ours(InfoHash([7; 20]), PeerId(*b"-FM0100-abcdefghijkl"), false);
        let bytes: [u8; HANDSHAKE_LENGTH] = ours.to_wire().try_into().unwrap();
        assert_eq!(Handshake::from_wire(&bytes), Ok(ours));
        assert!(ours.speaks_fast() && ours.speaks_extensions());
        assert_eq!(&bytes[20..28], &[0, 0, 0, 0, 0, 0x10, 0, 0x04]);
        let with_dht = Handshake::ours(InfoHash([7; 20]), PeerId([8; 20]), true);
        assert!(!ours.speaks_dht() && with_dht.speaks_dht());
        assert_eq!(with_dht.reserved, [0, 0, 0, 0, 0, 0x10, 0, 0x05]);
    }

    #[test]
    fn any_other_prefix_is_an_error() {
        let good: [u8; HANDSHAKE_LENGTH] =
            Handshake::ours(InfoHash([7; 20]), PeerId([8; 20]), true).to_wire().try_into().unwrap();
        for at in 0..20 {
            let mut bad = good;
            bad[at] ^= 1;
            assert_eq!(Handshake::from_wire(&bad), Err(HandshakeError));
        }
    }
}
