//! Messages about the metadata, the `info` dictionary of a torrent (BEP 9, `ut_metadata`).
//!
//! Pure. A client that has only a magnet link requests the metadata from peers, in pieces of 16 KiB. These
//! have nothing to do with the pieces of the torrent's data. A message is a bencoded dictionary. In a `data`
//! message the bytes of the piece follow the dictionary.

use crate::bencode::{Item, Value};

/// Bytes in every piece of the metadata but the last.
pub const PIECE: u32 = 16 * 1024;

/// A message about the metadata. Nothing in it is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataMessage<'a> {
    /// Send me this piece.
    Request(u32),
    /// Here is a piece.
    Data {
        /// Its index.
        piece: u32,
        /// Bytes in the whole metadata.
        total_size: Option<u64>,
        /// The piece.
        bytes: &'a [u8],
    },
    /// I will not send this piece.
    Reject(u32),
}

impl<'a> MetadataMessage<'a> {
    /// Reads the message from a payload. `None` if it is no such message, or has an unknown type: BEP 9 says
    /// to ignore these.
    pub fn from_wire(payload: &'a [u8]) -> Option<MetadataMessage<'a>> {
        let (value, bytes) = Value::parse_prefix(payload).ok()?;
        let fields = value.dictionary()?;
        let number = |key: &str| fields.get(key).and_then(Value::unsigned);
        let piece = u32::try_from(number("piece")?).ok()?;
        match number("msg_type")? {
            0 => Some(MetadataMessage::Request(piece)),
            1 => Some(MetadataMessage::Data { piece, total_size: number("total_size"), bytes }),
            2 => Some(MetadataMessage::Reject(piece)),
            _ => None,
        }
    }

    /// The payload of the message.
    pub fn to_wire(&self) -> Vec<u8> {
        let (kind, piece, total_size, bytes) = match *self {
            MetadataMessage::Request(piece) => (0_i64, piece, None, &[][..]),
            MetadataMessage::Data { piece, total_size, bytes } => (1, piece, total_size, bytes),
            MetadataMessage::Reject(piece) => (2, piece, None, &[][..]),
        };
        let size = total_size.and_then(|size| i64::try_from(size).ok());
        let fields = [
            Some(("msg_type", kind.into())),
            Some(("piece", i64::from(piece).into())),
            size.map(|size| ("total_size", size.into())),
        ];
        let mut payload = Item::dictionary(fields.into_iter().flatten()).encode();
        payload.extend_from_slice(bytes);
        payload
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_written_as_in_bep_9_and_read_again() {
        let data = MetadataMessage::Data { piece: 0, total_size: Some(34256), bytes: b"xxxx" };
        for (message, body) in [
            (MetadataMessage::Request(0), &b"d8:msg_typei0e5:piecei0ee"[..]),
            (data, b"d8:msg_typei1e5:piecei0e10:total_sizei34256eexxxx"),
            (MetadataMessage::Reject(7), b"d8:msg_typei2e5:piecei7ee"),
            (MetadataMessage::Request(u32::MAX), b"d8:msg_typei0e5:piecei4294967295ee"),
        ] {
            assert_eq!(message.to_wire(), body);
            assert_eq!(MetadataMessage::from_wire(body), Some(message));
        }
    }

    #[test]
    fn bytes_that_are_no_message_are_none() {
        for body in [
            &b""[..],
            b"x",
            b"le",
            b"de",
            b"d8:msg_typei3e5:piecei0ee",
            b"d8:msg_typei-1e5:piecei0ee",
            b"d8:msg_typei0e5:piecei-1ee",
            b"d8:msg_typei0e5:piecei4294967296ee",
            b"d8:msg_typei0e5:piece1:0e",
            b"d8:msg_typei0ee",
        ] {
            assert_eq!(MetadataMessage::from_wire(body), None);
        }
        let odd = b"d8:msg_typei1e5:piecei0e10:total_sizei-1ee";
        let data = MetadataMessage::Data { piece: 0, total_size: None, bytes: b"" };
        assert_eq!(MetadataMessage::from_wire(odd), Some(data));
    }

    #[test]
    fn no_cut_and_no_flipped_bit_makes_the_reader_panic() {
        let whole = MetadataMessage::Data { piece: 9, total_size: Some(1 << 31), bytes: b"d1:xe" }.to_wire();
        for end in 0..whole.len() {
            let _ = MetadataMessage::from_wire(&whole[..end]);
        }
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Some(message) = MetadataMessage::from_wire(&bytes) {
                assert_eq!(MetadataMessage::from_wire(&message.to_wire()), Some(message));
            }
        }
    }
}
