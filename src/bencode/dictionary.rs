//! A received dictionary, read in place.
//!
//! A lookup takes time in proportion to the size of the dictionary. A walk over everything, value by value, takes
//! time in proportion to the size times the depth, which is four or five in a torrent. Where a stranger chooses
//! the depth, use [`Dictionary::walk`], which takes time in proportion to the size alone.

use super::scan;
use super::value::{Value, bytes_at, value_at};

/// A dictionary as received, its keys in any order, none of them twice. If it was read by the lenient rules, a key may
/// be there twice, and the first counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dictionary<'a> {
    /// From `d` to `e`, both included.
    raw: &'a [u8],
}

/// One step of a walk over a dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A dictionary begins under this key. The steps up to its [`Step::Leave`] are inside it.
    Enter(&'a [u8]),
    /// The innermost dictionary that was entered ends.
    Leave,
    /// A key and its value, which is not a dictionary.
    Entry(&'a [u8], Value<'a>),
}

impl<'a> Dictionary<'a> {
    /// The dictionary that these checked bytes are, from `d` to `e`.
    pub(super) fn checked(raw: &'a [u8]) -> Dictionary<'a> {
        Dictionary { raw }
    }

    /// The value under this key.
    pub fn get(self, key: impl AsRef<[u8]>) -> Option<Value<'a>> {
        let key = key.as_ref();
        let mut at = 1;
        while let Some((found, value)) = bytes_at(self.raw, at) {
            if found == key {
                return value_at(self.raw, value).map(|(value, _)| value);
            }
            at = scan::skip(self.raw, value)?;
        }
        None
    }

    /// Keys and values, in the order in which they came.
    pub fn iter(self) -> impl Iterator<Item = (&'a [u8], Value<'a>)> + use<'a> {
        let mut at = 1;
        std::iter::from_fn(move || {
            let (key, value) = bytes_at(self.raw, at)?;
            let (value, next) = value_at(self.raw, value)?;
            at = next;
            Some((key, value))
        })
    }

    /// All entries of it and of the dictionaries nested in it, in the order in which they came and in one
    /// pass. Dictionaries in lists are not entered.
    pub fn walk(self) -> impl Iterator<Item = Step<'a>> + use<'a> {
        let mut at = 1_usize;
        let mut depth = 0_usize;
        std::iter::from_fn(move || {
            let Some((key, value)) = bytes_at(self.raw, at) else {
                depth = depth.checked_sub(1)?;
                at = at.saturating_add(1);
                return Some(Step::Leave);
            };
            if self.raw.get(value) == Some(&b'd') {
                depth = depth.saturating_add(1);
                at = value.saturating_add(1);
                return Some(Step::Enter(key));
            }
            let (entry, next) = value_at(self.raw, value)?;
            at = next;
            Some(Step::Entry(key, entry))
        })
    }

    /// The dictionary as it was received, from `d` to `e`: an info-hash is taken over these bytes.
    pub fn raw(self) -> &'a [u8] {
        self.raw
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_enters_nested_dictionaries_and_leaves_them_again() {
        let value = Value::parse(b"d1:ad1:bd1:ci1eee1:dldee1:ede1:fi2ee").unwrap();
        let steps: Vec<_> = value.dictionary().unwrap().walk().collect();
        let list = Value::parse(b"ldee").unwrap();
        let expected = [
            Step::Enter(b"a"),
            Step::Enter(b"b"),
            Step::Entry(b"c", Value::Integer(1)),
            Step::Leave,
            Step::Leave,
            Step::Entry(b"d", list),
            Step::Enter(b"e"),
            Step::Leave,
            Step::Entry(b"f", Value::Integer(2)),
        ];
        assert_eq!(steps, expected);
    }
}
