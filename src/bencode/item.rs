//! What we send: values that are built one by one and written in the one canonical form.

use bendy::encoding::{Encoder, Error, SingleItemEncoder, ToBencode};
use std::collections::BTreeMap;

/// A value to send.
///
/// ```
/// use femtotorrent::bencode::Item;
/// let extensions = Item::dictionary([("ut_pex", 1.into())]);
/// let handshake = Item::dictionary([("reqq", 500.into()), ("m", extensions), ("v", "femto".into())]);
/// assert_eq!(handshake.encode(), b"d1:md6:ut_pexi1ee4:reqqi500e1:v5:femtoe");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A number.
    Integer(i64),
    /// A string, which need not be text.
    Bytes(Vec<u8>),
    /// Values in their order.
    List(Vec<Item>),
    /// Values by key. The map keeps them in canonical order.
    Dictionary(BTreeMap<Vec<u8>, Item>),
}

impl Item {
    /// A dictionary of these keys and values, given in any order.
    pub fn dictionary<Key: AsRef<[u8]>>(entries: impl IntoIterator<Item = (Key, Item)>) -> Item {
        // One by one: `collect` would add another copy of the sort function to the binary, for ten entries.
        let mut by_key = BTreeMap::new();
        for (key, item) in entries {
            by_key.insert(key.as_ref().to_vec(), item);
        }
        Item::Dictionary(by_key)
    }

    /// A list of these values.
    pub fn list(items: impl IntoIterator<Item = Item>) -> Item {
        Item::List(items.into_iter().collect())
    }

    /// The value in the canonical form: keys sorted, integers without padding.
    pub fn encode(&self) -> Vec<u8> {
        // bendy refuses unsorted keys, which the map cannot have, and nesting beyond its limit of
        // 2,048, which no message of ours comes near.
        let mut encoder = Encoder::new();
        encoder.emit(self).and_then(|()| encoder.get_output()).unwrap_or_default()
    }
}

impl ToBencode for Item {
    const MAX_DEPTH: usize = super::limits::MAX_DEPTH;

    fn encode(&self, encoder: SingleItemEncoder) -> Result<(), Error> {
        match self {
            Item::Integer(integer) => encoder.emit_int(*integer),
            Item::Bytes(bytes) => encoder.emit_bytes(bytes),
            Item::List(items) => encoder.emit_list(|list| items.iter().try_for_each(|item| list.emit(item))),
            Item::Dictionary(entries) => encoder.emit_dict(|mut dictionary| {
                entries.iter().try_for_each(|(key, item)| dictionary.emit_pair(key, item))
            }),
        }
    }
}

impl From<i64> for Item {
    fn from(integer: i64) -> Item {
        Item::Integer(integer)
    }
}

impl From<&str> for Item {
    fn from(text: &str) -> Item {
        Item::Bytes(text.as_bytes().to_vec())
    }
}

impl From<&[u8]> for Item {
    fn from(bytes: &[u8]) -> Item {
        Item::Bytes(bytes.to_vec())
    }
}

impl From<Vec<u8>> for Item {
    fn from(bytes: Vec<u8>) -> Item {
        Item::Bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bencode::Value;

    #[test]
    fn the_canonical_form_is_written_whatever_the_order() {
        let inner = Item::dictionary([("b", 2.into()), ("a", Item::from("x")), ("B", Item::from(""))]);
        let item = Item::dictionary([("z", (-1).into()), ("list", Item::list([inner, 0.into()]))]);
        assert_eq!(item.encode(), b"d4:listld1:B0:1:a1:x1:bi2eei0ee1:zi-1ee");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let item = Item::dictionary([(&b"\xff\x00"[..], Item::from(&b"\x80"[..])), (b"", i64::MIN.into())]);
        let bytes = item.encode();
        let dictionary = Value::parse(&bytes).unwrap().dictionary().unwrap();
        assert_eq!(dictionary.get(b"\xff\x00").unwrap().bytes(), Some(&b"\x80"[..]));
        assert_eq!(dictionary.get("").unwrap().integer(), Some(i64::MIN));
    }
}
