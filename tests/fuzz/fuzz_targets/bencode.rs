//! Any bytes as bencode, and a walk over all that is in them.
//!
//! A value that was accepted must be readable to its end: what the check lets through and the walk
//! then cannot read would be silently missing. What was accepted must also come out the same when it
//! is written in the canonical form and read again. What the strict rules accept, the lenient ones read in the
//! same way.

#![no_main]

use femtotorrent::bencode::{Dictionary, Item, Step, Value};
use libfuzzer_sys::fuzz_target;

/// The value, rebuilt to be sent.
fn rebuilt(value: Value) -> Item {
    match value {
        Value::Integer(integer) => integer.into(),
        Value::Bytes(bytes) => bytes.into(),
        Value::List(list) => Item::list(list.iter().map(rebuilt)),
        Value::Dictionary(dictionary) => Item::dictionary(dictionary.iter().map(|(name, value)| {
            assert_eq!(dictionary.get(name), Some(value));
            (name, rebuilt(value))
        })),
    }
}

/// What a walk over the dictionary comes upon, found one level at a time.
fn steps<'a>(dictionary: Dictionary<'a>, found: &mut Vec<Step<'a>>) {
    for (name, value) in dictionary.iter() {
        match value.dictionary() {
            None => found.push(Step::Entry(name, value)),
            Some(inner) => {
                found.push(Step::Enter(name));
                steps(inner, found);
                found.push(Step::Leave);
            }
        }
    }
}

/// Reads a value that may have a key twice, and returns how many values are in it.
fn count(value: Value) -> usize {
    match value {
        Value::Integer(_) | Value::Bytes(_) => 1,
        Value::List(list) => list.iter().map(count).sum(),
        Value::Dictionary(dictionary) => dictionary.iter().map(|(_, value)| count(value)).sum(),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let lenient = Value::parse_lenient(bytes);
    if let Ok(value) = lenient {
        count(value);
    }
    let prefix = Value::parse_prefix(bytes);
    let whole = Value::parse(bytes);
    match (prefix, whole) {
        (Ok((value, rest)), whole) => {
            assert_eq!(whole.is_ok(), rest.trim_ascii().is_empty());
            assert_eq!(lenient, Ok(value));
            if let Some(dictionary) = value.dictionary() {
                let mut expected = Vec::new();
                steps(dictionary, &mut expected);
                assert!(dictionary.walk().eq(expected));
            }
            let canonical = rebuilt(value).encode();
            // The order of keys may differ, the number of bytes cannot.
            assert_eq!(canonical.len(), bytes.len() - rest.len());
            let again = Value::parse(&canonical).expect("our own bencode");
            assert_eq!(rebuilt(again).encode(), canonical);
        }
        (Err(fault), whole) => {
            assert!(fault.at <= bytes.len());
            assert_eq!(whole.err(), Some(fault));
            let _ = fault.to_string();
        }
    }
});
