//! The only code that looks at single bytes: it reads tokens, and checks whole values.
//!
//! The check walks over a value with a list of what is open and does not call itself: lists in lists cost
//! no stack, which is small in a worker. Its memory is one entry for each open list or dictionary, and one
//! for each key of the open dictionaries, to find duplicates.

use super::error::{BencodeError, BencodeFault};
use super::limits::{MAX_DEPTH, MAX_TOKENS};
use std::ops::Range;

/// The smallest part of the notation.
pub(super) enum Token {
    Integer(i64),
    Bytes(Range<usize>),
    List,
    Dictionary,
    End,
}

/// How much of what BEP 3 forbids is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rules {
    /// Everything that would give a value a second spelling or a second meaning.
    Strict,
    /// Only what leaves no way to go on: numbers may be padded, a zero may have a sign, those beyond 64 bits count as
    /// the largest, and a key may be there twice.
    Lenient,
}

/// Reads the token at `at`. Returns it and where the next one starts.
pub(super) fn token(bytes: &[u8], at: usize, rules: Rules) -> Result<(Token, usize), BencodeError> {
    let fail = |fault| Err(BencodeError { at, fault });
    match bytes.get(at) {
        None => fail(BencodeFault::CutShort),
        Some(b'l') => Ok((Token::List, at.saturating_add(1))),
        Some(b'd') => Ok((Token::Dictionary, at.saturating_add(1))),
        Some(b'e') => Ok((Token::End, at.saturating_add(1))),
        Some(b'i') => integer(bytes, at, rules),
        Some(b'0'..=b'9') => string(bytes, at, rules),
        Some(&byte) => fail(BencodeFault::UnknownByte(byte)),
    }
}

/// The number in the digits from `at` to `stop`, and where the next token starts.
///
/// By the strict rules each number has one spelling: no sign except a minus in front of a number other than zero, no
/// padding.
fn number(
    bytes: &[u8],
    mut at: usize,
    stop: u8,
    fault: BencodeFault,
    rules: Rules,
) -> Result<(u64, usize), BencodeError> {
    let fail = |at, fault| Err(BencodeError { at, fault });
    let start = at;
    let mut value = 0_u64;
    loop {
        match bytes.get(at) {
            None => return fail(at, BencodeFault::CutShort),
            Some(&byte) if byte == stop && at > start => return Ok((value, at.saturating_add(1))),
            // A zero at the start must be the only digit.
            Some(b'0'..=b'9') if rules == Rules::Strict && value == 0 && at > start => {
                return fail(start, fault);
            }
            Some(&digit @ b'0'..=b'9') => {
                let next = value.checked_mul(10).and_then(|value| value.checked_add(u64::from(digit - b'0')));
                let largest = (rules == Rules::Lenient).then_some(u64::MAX);
                value = next.or(largest).ok_or(BencodeError { at: start, fault })?;
            }
            Some(_) => return fail(start, fault),
        }
        at = at.saturating_add(1);
    }
}

fn integer(bytes: &[u8], at: usize, rules: Rules) -> Result<(Token, usize), BencodeError> {
    let start = at.saturating_add(1);
    let bad = BencodeError { at: start, fault: BencodeFault::BadInteger };
    let negative = bytes.get(start) == Some(&b'-');
    let digits = start.saturating_add(usize::from(negative));
    let (value, next) = number(bytes, digits, b'e', BencodeFault::BadInteger, rules)?;
    let value = match (negative, rules) {
        (false, Rules::Strict) => i64::try_from(value).ok(),
        (true, Rules::Strict) => 0_i64.checked_sub_unsigned(value).filter(|value| *value != 0),
        (false, Rules::Lenient) => Some(0_i64.saturating_add_unsigned(value)),
        (true, Rules::Lenient) => Some(0_i64.saturating_sub_unsigned(value)),
    };
    Ok((Token::Integer(value.ok_or(bad)?), next))
}

fn string(bytes: &[u8], at: usize, rules: Rules) -> Result<(Token, usize), BencodeError> {
    let (length, start) = number(bytes, at, b':', BencodeFault::BadLength, rules)?;
    let end = usize::try_from(length).ok().and_then(|length| start.checked_add(length));
    match end {
        Some(end) if end <= bytes.len() => Ok((Token::Bytes(start..end), end)),
        _ => Err(BencodeError { at, fault: BencodeFault::PastTheEnd }),
    }
}

/// Checks the value at the start of `bytes` from end to end. Returns how many bytes it has.
pub(super) fn check(bytes: &[u8], rules: Rules) -> Result<usize, BencodeError> {
    let mut nesting = Nesting { open: Vec::new(), keys: Vec::new(), rules };
    let mut at = 0;
    for _ in 0..MAX_TOKENS {
        let (token, next) = token(bytes, at, rules)?;
        match token {
            Token::Bytes(range) if nesting.expects_key() => {
                nesting.add_key(bytes.get(range).unwrap_or_default());
            }
            Token::End => nesting.end(at)?,
            value => nesting.begin_value(&value, at)?,
        }
        at = next;
        if nesting.open.is_empty() {
            return Ok(at);
        }
    }
    Err(BencodeError { at, fault: BencodeFault::TooMany })
}

/// The lists and dictionaries that the check is inside of.
struct Nesting<'a> {
    /// From the outermost to the innermost.
    open: Vec<Open>,
    /// The keys of all open dictionaries, one dictionary after the other. By the lenient rules none are kept.
    keys: Vec<&'a [u8]>,
    rules: Rules,
}

enum Open {
    List,
    Dictionary {
        start: usize,
        /// Where its keys start among the keys of all open dictionaries.
        keys: usize,
        /// Its last key has no value yet.
        wants_value: bool,
        /// Its keys are in ascending order so far, so none of them is there twice.
        sorted: bool,
    },
}

impl<'a> Nesting<'a> {
    /// Whether a string that comes now is a key.
    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some(Open::Dictionary { wants_value: false, .. }))
    }

    fn add_key(&mut self, key: &'a [u8]) {
        if let Some(Open::Dictionary { keys: first, wants_value, sorted, .. }) = self.open.last_mut() {
            let last = self.keys.get(*first..).unwrap_or_default().last();
            *sorted &= last.is_none_or(|last| *last < key);
            *wants_value = true;
        }
        if self.rules == Rules::Strict {
            self.keys.push(key);
        }
    }

    /// A value begins at `at`. A number and a string end with their token.
    fn begin_value(&mut self, token: &Token, at: usize) -> Result<(), BencodeError> {
        if let Some(Open::Dictionary { wants_value, .. }) = self.open.last_mut()
            && !std::mem::take(wants_value)
        {
            return Err(BencodeError { at, fault: BencodeFault::BadKey });
        }
        match token {
            Token::List => self.open.push(Open::List),
            Token::Dictionary => {
                let keys = self.keys.len();
                self.open.push(Open::Dictionary { start: at, keys, wants_value: false, sorted: true });
            }
            _ => {}
        }
        match self.open.len() {
            ..=MAX_DEPTH => Ok(()),
            _ => Err(BencodeError { at, fault: BencodeFault::TooDeep }),
        }
    }

    /// The innermost list or dictionary ends at `at`.
    fn end(&mut self, at: usize) -> Result<(), BencodeError> {
        match self.open.pop() {
            None => Err(BencodeError { at, fault: BencodeFault::UnknownByte(b'e') }),
            Some(Open::List) => Ok(()),
            Some(Open::Dictionary { wants_value: true, .. }) => {
                Err(BencodeError { at, fault: BencodeFault::NoValue })
            }
            Some(Open::Dictionary { start, keys: first, sorted, .. }) => {
                if !sorted && has_duplicates(self.keys.get_mut(first..).unwrap_or_default()) {
                    return Err(BencodeError { at: start, fault: BencodeFault::DuplicateKey });
                }
                self.keys.truncate(first);
                Ok(())
            }
        }
    }
}

/// Whether a key is there twice. Sorts the keys.
fn has_duplicates(keys: &mut [&[u8]]) -> bool {
    keys.sort_unstable();
    keys.windows(2).any(|pair| pair.first() == pair.last())
}

/// Where the checked value at `at` ends. `None` if there is none.
///
/// Looks only at the bytes that say how long a token is, because a walk passes the same bytes several times.
pub(super) fn skip(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        at = match *bytes.get(at)? {
            b'i' => {
                bytes.get(at..)?.iter().position(|&byte| byte == b'e')?.checked_add(at)?.checked_add(1)?
            }
            b'l' | b'd' => {
                depth = depth.checked_add(1)?;
                at.checked_add(1)?
            }
            b'e' => {
                depth = depth.checked_sub(1)?;
                at.checked_add(1)?
            }
            _ => {
                let mut length = 0_usize;
                loop {
                    let byte = *bytes.get(at)?;
                    at = at.checked_add(1)?;
                    if byte == b':' {
                        break at.checked_add(length)?;
                    }
                    length = length.checked_mul(10)?.checked_add(usize::from(byte.checked_sub(b'0')?))?;
                }
            }
        };
        if depth == 0 {
            return Some(at);
        }
    }
}
