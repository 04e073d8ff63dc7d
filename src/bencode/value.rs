//! A received value, read in place.
//!
//! Only [`Value::parse`], [`Value::parse_prefix`] and [`Value::parse_lenient`] make one, and they check it from
//! end to end first. The content of a list or a dictionary is found by walking over its bytes when the caller
//! asks for it.
//!
//! A lookup in a dictionary takes time in proportion to the size of the dictionary. A walk over everything, value by
//! value, takes time in proportion to the size times the depth, which is four or five in a torrent. Where a stranger
//! chooses the depth, use [`Dictionary::walk`], which takes time in proportion to the size alone.

use super::error::{BencodeError, BencodeFault};
use super::scan::{self, Rules, Token};

/// One well-formed value, a view of received bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A number. Everything that the protocols count fits in 64 bits with a sign.
    Integer(i64),
    /// A string, which need not be text.
    Bytes(&'a [u8]),
    /// Values in their order.
    List(List<'a>),
    /// Values by key.
    Dictionary(Dictionary<'a>),
}

/// A list as received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List<'a> {
    /// From `l` to `e`, both included.
    raw: &'a [u8],
}

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

impl<'a> Value<'a> {
    /// The value that these bytes are. White space may follow it, because many programs end a file with a
    /// newline.
    ///
    /// # Errors
    ///
    /// The first fault and where it is.
    pub fn parse(bytes: &'a [u8]) -> Result<Value<'a>, BencodeError> {
        let (value, rest) = Value::parse_prefix(bytes)?;
        match rest.iter().position(|byte| !byte.is_ascii_whitespace()) {
            None => Ok(value),
            Some(space) => {
                let at = bytes.len().saturating_sub(rest.len()).saturating_add(space);
                Err(BencodeError { at, fault: BencodeFault::Leftover })
            }
        }
    }

    /// The value at the start of these bytes, and what follows it.
    ///
    /// # Errors
    ///
    /// The first fault of the value and where it is.
    pub fn parse_prefix(bytes: &'a [u8]) -> Result<(Value<'a>, &'a [u8]), BencodeError> {
        Value::checked(bytes, Rules::Strict)
    }

    /// The value at the start of these bytes, whatever follows it. Numbers may be padded, a zero may have a sign, those
    /// beyond 64 bits count as the largest or smallest, and of a key that is there twice the first counts. This is for
    /// what programs of many kinds have written, answers and torrents, where one odd field must not cost the others.
    /// libtorrent reads the same in each of these cases.
    ///
    /// # Errors
    ///
    /// The first fault of the value and where it is.
    pub fn parse_lenient(bytes: &'a [u8]) -> Result<Value<'a>, BencodeError> {
        Value::checked(bytes, Rules::Lenient).map(|(value, _)| value)
    }

    fn checked(bytes: &'a [u8], rules: Rules) -> Result<(Value<'a>, &'a [u8]), BencodeError> {
        let end = scan::check(bytes, rules)?;
        let rest = bytes.get(end..).unwrap_or_default();
        match value_at(bytes, 0) {
            Some((value, _)) => Ok((value, rest)),
            None => Err(BencodeError { at: 0, fault: BencodeFault::CutShort }),
        }
    }

    /// The number, if it is one.
    pub fn integer(self) -> Option<i64> {
        if let Value::Integer(integer) = self { Some(integer) } else { None }
    }

    /// The number, if it is one and not negative.
    pub fn unsigned(self) -> Option<u64> {
        self.integer().and_then(|integer| u64::try_from(integer).ok())
    }

    /// The string, if it is one.
    pub fn bytes(self) -> Option<&'a [u8]> {
        if let Value::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    /// The string as text, if it is one. Bytes that are not UTF-8 become U+FFFD.
    pub fn text(self) -> Option<String> {
        self.bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// The list, if it is one.
    pub fn list(self) -> Option<List<'a>> {
        if let Value::List(list) = self { Some(list) } else { None }
    }

    /// The dictionary, if it is one.
    pub fn dictionary(self) -> Option<Dictionary<'a>> {
        if let Value::Dictionary(dictionary) = self { Some(dictionary) } else { None }
    }
}

impl<'a> List<'a> {
    /// The values, in order.
    pub fn iter(self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let mut at = 1;
        std::iter::from_fn(move || {
            let (value, next) = value_at(self.raw, at)?;
            at = next;
            Some(value)
        })
    }

    /// Whether it is empty.
    pub fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }
}

impl<'a> Dictionary<'a> {
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

/// The checked value at `at` and where the next one starts. `None` at the end of a list.
fn value_at(raw: &[u8], at: usize) -> Option<(Value<'_>, usize)> {
    // What may be wrong was said by the check, by whichever rules.
    let (token, next) = scan::token(raw, at, Rules::Lenient).ok()?;
    match token {
        Token::Integer(integer) => Some((Value::Integer(integer), next)),
        Token::Bytes(range) => Some((Value::Bytes(raw.get(range)?), next)),
        Token::List => {
            let end = scan::skip(raw, at)?;
            Some((Value::List(List { raw: raw.get(at..end)? }), end))
        }
        Token::Dictionary => {
            let end = scan::skip(raw, at)?;
            Some((Value::Dictionary(Dictionary { raw: raw.get(at..end)? }), end))
        }
        Token::End => None,
    }
}

/// The checked string at `at` and where the next value starts. `None` at the end of a dictionary.
fn bytes_at(raw: &[u8], at: usize) -> Option<(&[u8], usize)> {
    match scan::token(raw, at, Rules::Lenient).ok()? {
        (Token::Bytes(range), next) => Some((raw.get(range)?, next)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
