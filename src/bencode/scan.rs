//! The one place that looks at single bytes: tokens, and the check of a whole value.
//!
//! The check walks over a value with a list of what is open instead of calling itself, so that
//! brackets in brackets cost no stack, which is small in a worker. Its memory is one entry for each
//! open bracket, but for a dictionary with unsorted keys, whose keys are put into a set in search of
//! duplicates.

use super::error::{BencodeError, Fault};
use std::collections::HashSet;
use std::ops::Range;

/// How many lists and dictionaries may stand inside each other. A hybrid torrent needs one level for
/// each folder and five more, everything else fewer than ten.
pub const DEPTH_LIMIT: usize = 100;

/// The smallest part of the notation, with the position that follows it.
pub(super) enum Token {
    Integer(i64),
    Bytes(Range<usize>),
    List,
    Dictionary,
    End,
}

/// Reads the token at `at`. Returns it and where the next one starts.
pub(super) fn token(bytes: &[u8], at: usize) -> Result<(Token, usize), BencodeError> {
    let fail = |fault| Err(BencodeError { at, fault });
    match bytes.get(at) {
        None => fail(Fault::CutShort),
        Some(b'l') => Ok((Token::List, at.saturating_add(1))),
        Some(b'd') => Ok((Token::Dictionary, at.saturating_add(1))),
        Some(b'e') => Ok((Token::End, at.saturating_add(1))),
        Some(b'i') => integer(bytes, at),
        Some(b'0'..=b'9') => string(bytes, at),
        Some(&byte) => fail(Fault::UnknownByte(byte)),
    }
}

/// Digits that an integer or a length can have at most: the 19 of the largest `i64`, and a sign.
const DIGITS_LIMIT: usize = 20;

/// The digits from `start` to the first `stop`, as text.
fn digits(bytes: &[u8], start: usize, stop: u8, fault: Fault) -> Result<(&str, usize), BencodeError> {
    let rest = bytes.get(start..).unwrap_or_default();
    let length = rest.iter().take(DIGITS_LIMIT + 1).position(|&byte| byte == stop);
    let Some(length) = length else {
        let complete =
            rest.len() > DIGITS_LIMIT || rest.iter().any(|byte| !matches!(byte, b'-' | b'0'..=b'9'));
        let fault = if complete { fault } else { Fault::CutShort };
        return Err(BencodeError { at: start, fault });
    };
    let text = rest.get(..length).and_then(|digits| std::str::from_utf8(digits).ok()).unwrap_or_default();
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let padded = unsigned.starts_with('0') && text != "0";
    if padded || unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BencodeError { at: start, fault });
    }
    Ok((text, start.saturating_add(length).saturating_add(1)))
}

fn integer(bytes: &[u8], at: usize) -> Result<(Token, usize), BencodeError> {
    let (text, next) = digits(bytes, at.saturating_add(1), b'e', Fault::BadInteger)?;
    let value = text.parse().map_err(|_| BencodeError { at, fault: Fault::BadInteger })?;
    Ok((Token::Integer(value), next))
}

fn string(bytes: &[u8], at: usize) -> Result<(Token, usize), BencodeError> {
    let (text, start) = digits(bytes, at, b':', Fault::BadLength)?;
    let length: u64 = text.parse().map_err(|_| BencodeError { at, fault: Fault::BadLength })?;
    let end = usize::try_from(length).ok().and_then(|length| start.checked_add(length));
    match end {
        Some(end) if end <= bytes.len() => Ok((Token::Bytes(start..end), end)),
        _ => Err(BencodeError { at, fault: Fault::PastTheEnd }),
    }
}

/// A list or dictionary that the check is inside of.
enum Open<'a> {
    List,
    Dictionary { start: usize, key: Option<&'a [u8]>, wants_value: bool, sorted: bool },
}

/// Checks the value at the start of `bytes` from end to end. Returns how many bytes it has.
pub(super) fn check(bytes: &[u8]) -> Result<usize, BencodeError> {
    let mut open: Vec<Open> = Vec::new();
    let mut at = 0;
    loop {
        let (token, next) = token(bytes, at)?;
        let fail = |fault| Err(BencodeError { at, fault });
        if let Some(Open::Dictionary { start, key, wants_value, sorted }) = open.last_mut() {
            match &token {
                Token::Bytes(range) if !*wants_value => {
                    let new = bytes.get(range.clone()).unwrap_or_default();
                    *sorted &= key.is_none_or(|last| last < new);
                    (*key, *wants_value) = (Some(new), true);
                    at = next;
                    continue;
                }
                Token::End if *wants_value => return fail(Fault::NoValue),
                Token::End if !*sorted && has_duplicates(bytes, *start) => {
                    return Err(BencodeError { at: *start, fault: Fault::DuplicateKey });
                }
                Token::End => {}
                _ if !*wants_value => return fail(Fault::BadKey),
                _ => *wants_value = false,
            }
        }
        match token {
            Token::Integer(_) | Token::Bytes(_) => {}
            Token::List => open.push(Open::List),
            Token::Dictionary => {
                open.push(Open::Dictionary { start: at, key: None, wants_value: false, sorted: true });
            }
            Token::End if open.pop().is_none() => return fail(Fault::UnknownByte(b'e')),
            Token::End => {}
        }
        if open.len() > DEPTH_LIMIT {
            return fail(Fault::TooDeep);
        }
        at = next;
        if open.is_empty() {
            return Ok(at);
        }
    }
}

/// Whether the dictionary at `start`, complete and well-formed, has a key twice.
fn has_duplicates(bytes: &[u8], start: usize) -> bool {
    let mut seen = HashSet::new();
    let mut at = start.saturating_add(1);
    while let Ok((Token::Bytes(key), value)) = token(bytes, at) {
        if !seen.insert(bytes.get(key).unwrap_or_default()) {
            return true;
        }
        let Some(end) = skip(bytes, value) else { break };
        at = end;
    }
    false
}

/// Where the checked value at `at` ends. `None` where there is none.
pub(super) fn skip(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        let (token, next) = token(bytes, at).ok()?;
        match token {
            Token::List | Token::Dictionary => depth = depth.checked_add(1)?,
            Token::End => depth = depth.checked_sub(1)?,
            Token::Integer(_) | Token::Bytes(_) => {}
        }
        at = next;
        if depth == 0 {
            return Some(at);
        }
    }
}
