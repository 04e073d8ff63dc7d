//! A received value, read in place.
//!
//! Only [`Value::parse`], [`Value::parse_prefix`] and [`Value::parse_lenient`] make one, and they check it from
//! end to end first. The content of a list or a dictionary is found by walking over its bytes when the caller
//! asks for it.

use super::dictionary::Dictionary;
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

/// The checked value at `at` and where the next one starts. `None` at the end of a list.
pub(super) fn value_at(raw: &[u8], at: usize) -> Option<(Value<'_>, usize)> {
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
            Some((Value::Dictionary(Dictionary::checked(raw.get(at..end)?)), end))
        }
        Token::End => None,
    }
}

/// The checked string at `at` and where the next value starts. `None` at the end of a dictionary.
pub(super) fn bytes_at(raw: &[u8], at: usize) -> Option<(&[u8], usize)> {
    match scan::token(raw, at, Rules::Lenient).ok()? {
        (Token::Bytes(range), next) => Some((raw.get(range)?, next)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bencode::{MAX_DEPTH, MAX_TOKENS};

    fn fault(bytes: &[u8]) -> BencodeFault {
        Value::parse(bytes).unwrap_err().fault
    }

    #[test]
    fn each_kind_of_value_is_read() {
        assert_eq!(Value::parse(b"i0e").unwrap(), Value::Integer(0));
        assert_eq!(Value::parse(b"i-42e").unwrap(), Value::Integer(-42));
        assert_eq!(Value::parse(b"i9223372036854775807e").unwrap(), Value::Integer(i64::MAX));
        assert_eq!(Value::parse(b"i-9223372036854775808e").unwrap(), Value::Integer(i64::MIN));
        assert_eq!(Value::parse(b"4:spam").unwrap(), Value::Bytes(b"spam"));
        assert_eq!(Value::parse(b"0:").unwrap(), Value::Bytes(b""));
        let list = Value::parse(b"li1e1:xlee").unwrap().list().unwrap();
        assert_eq!(list.iter().count(), 3);
        assert!(list.iter().nth(2).unwrap().list().unwrap().is_empty());
        assert!(Value::parse(b"de").unwrap().dictionary().unwrap().iter().next().is_none());
    }

    #[test]
    fn a_dictionary_is_read_in_any_order_and_keeps_its_bytes() {
        let value = Value::parse(b"d1:zi1e1:ad1:yi2e1:bi3eee").unwrap();
        let outer = value.dictionary().unwrap();
        assert_eq!(outer.get("z"), Some(Value::Integer(1)));
        assert_eq!(outer.get(b"x"), None);
        let inner = outer.get(b"a").unwrap().dictionary().unwrap();
        assert_eq!(inner.raw(), b"d1:yi2e1:bi3ee");
        assert_eq!(inner.get("b").unwrap().unsigned(), Some(3));
        let keys: Vec<_> = outer.iter().map(|(key, _)| key).collect();
        assert_eq!(keys, [b"z", b"a"]);
    }

    #[test]
    fn a_key_twice_is_refused_wherever_it_stands() {
        assert_eq!(fault(b"d1:ai1e1:ai2ee"), BencodeFault::DuplicateKey);
        assert_eq!(fault(b"d1:bi1e1:ai2e1:bi3ee"), BencodeFault::DuplicateKey);
        assert_eq!(fault(b"ld1:bd1:ble1:alee1:ale1:bleee"), BencodeFault::DuplicateKey);
    }

    #[test]
    fn numbers_have_one_spelling() {
        for bad in ["ie", "i-e", "i-0e", "i07e", "i00e", "i-01e", "i+1e", "i 1e", "i1 e", "i1.5e", "i--1e"] {
            assert_eq!(fault(bad.as_bytes()), BencodeFault::BadInteger, "{bad}");
        }
        assert_eq!(fault(b"i9223372036854775808e"), BencodeFault::BadInteger);
        assert_eq!(fault(b"i99999999999999999999999999999999999e"), BencodeFault::BadInteger);
        assert_eq!(fault(b"04:spam"), BencodeFault::BadLength);
        assert_eq!(fault(b"4-:spam"), BencodeFault::BadLength);
        assert_eq!(fault(b"-4:spam"), BencodeFault::UnknownByte(b'-'));
    }

    #[test]
    fn a_string_ends_before_the_bytes_do() {
        assert_eq!(fault(b"5:spam"), BencodeFault::PastTheEnd);
        assert_eq!(fault(b"18446744073709551615:spam"), BencodeFault::PastTheEnd);
        assert_eq!(fault(b"99999999999999999999:spam"), BencodeFault::BadLength);
        assert_eq!(fault(b"99999999999999999999999:spam"), BencodeFault::BadLength);
    }

    #[test]
    fn a_dictionary_has_keys_and_values_in_turn() {
        assert_eq!(fault(b"di1ei1ee"), BencodeFault::BadKey);
        assert_eq!(fault(b"dlei1ee"), BencodeFault::BadKey);
        assert_eq!(fault(b"d1:ae"), BencodeFault::NoValue);
        assert_eq!(fault(b"e"), BencodeFault::UnknownByte(b'e'));
        assert_eq!(fault(b"<html>"), BencodeFault::UnknownByte(b'<'));
    }

    #[test]
    fn nesting_ends_at_the_limit() {
        let nested = |depth: usize| ["l".repeat(depth), "e".repeat(depth)].concat().into_bytes();
        assert!(Value::parse(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(fault(&nested(MAX_DEPTH + 1)), BencodeFault::TooDeep);
        assert_eq!(fault(&vec![b'l'; 10_000_000]), BencodeFault::TooDeep);
        assert_eq!(fault("d1:a".repeat(1_000_000).as_bytes()), BencodeFault::TooDeep);
    }

    #[test]
    fn the_number_of_tokens_ends_at_the_limit() {
        let strings = |count: usize| ["l", &"0:".repeat(count), "e"].concat().into_bytes();
        assert!(Value::parse_lenient(&strings(MAX_TOKENS - 2)).is_ok());
        let error = Value::parse_lenient(&strings(MAX_TOKENS - 1)).unwrap_err();
        assert!(error.is_a_limit() && error.to_string().contains("10 million"), "{error}");
    }

    #[test]
    fn nothing_but_white_space_may_follow() {
        assert!(Value::parse(b"i1e\r\n \n").is_ok());
        assert_eq!(Value::parse(b"i1e\nx"), Err(BencodeError { at: 4, fault: BencodeFault::Leftover }));
        let (value, rest) = Value::parse_prefix(b"d1:ai1eerest").unwrap();
        assert_eq!((value.dictionary().unwrap().raw(), rest), (&b"d1:ai1ee"[..], &b"rest"[..]));
    }

    #[test]
    fn by_the_lenient_rules_an_odd_field_costs_no_other() {
        let odd = b"d1:ai007e1:bi99999999999999999999e1:ci-99999999999999999999e1:di-0e1:a1:x01:e02:hi1:fd1:gi1e1:gi2eee\0<!-- x -->";
        let answer = Value::parse_lenient(odd).unwrap().dictionary().unwrap();
        let get = |key: &str| answer.get(key).unwrap();
        assert_eq!(["a", "b", "c", "d"].map(|key| get(key).integer().unwrap()), [7, i64::MAX, i64::MIN, 0]);
        assert_eq!(
            (get("e").bytes(), get("f").dictionary().unwrap().get("g")),
            (Some(&b"hi"[..]), Some(Value::Integer(1)))
        );
        assert_eq!(answer.iter().count(), 7);
        assert!(Value::parse(&odd[..odd.len() - 10]).is_err() && Value::parse_prefix(odd).is_err());
        for bad in [
            "",
            "i1",
            "i1.5e",
            "i--1e",
            "ie",
            "di1ei1ee",
            "d1:ae",
            "99999999999999999999:x",
            "5:spam",
            "<html>",
        ] {
            assert!(Value::parse_lenient(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    /// Reads all values in it.
    fn walk(value: Value) {
        match value {
            Value::Integer(_) | Value::Bytes(_) => {}
            Value::List(list) => list.iter().for_each(walk),
            Value::Dictionary(dictionary) => dictionary.iter().for_each(|(key, value)| {
                assert_eq!(dictionary.get(key), Some(value));
                walk(value);
            }),
        }
    }

    /// The same where a key may be there twice.
    fn read(value: Value) {
        match value {
            Value::Integer(_) | Value::Bytes(_) => {}
            Value::List(list) => list.iter().for_each(read),
            Value::Dictionary(dictionary) => dictionary.iter().for_each(|(_, value)| read(value)),
        }
    }

    #[test]
    fn no_cut_and_no_flipped_bit_breaks_the_reader() {
        let whole = b"d4:infod6:lengthi1024e4:listl1:ai-7ed1:xleee4:name8:file.txte3:urll10:0123456789ee";
        walk(Value::parse(whole).unwrap());
        for end in 0..whole.len() {
            assert!(Value::parse(&whole[..end]).is_err(), "cut at {end}");
        }
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok((value, _)) = Value::parse_prefix(&bytes) {
                walk(value);
            }
            if let Ok(value) = Value::parse_lenient(&bytes) {
                read(value);
            }
        }
    }
}
