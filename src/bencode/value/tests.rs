//! Values that are read, and those that are refused.

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
    for bad in
        ["", "i1", "i1.5e", "i--1e", "ie", "di1ei1ee", "d1:ae", "99999999999999999999:x", "5:spam", "<html>"]
    {
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
