//! What can be wrong with received bencode.

use super::limits::{MAX_DEPTH, MAX_TOKENS};
use std::fmt;

/// Why bytes are not bencode, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BencodeError {
    /// Where the fault is, in bytes from the start.
    pub at: usize,
    /// What it is.
    pub(super) fault: BencodeFault,
}

/// The faults that bencode can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BencodeFault {
    CutShort,
    UnknownByte(u8),
    BadInteger,
    BadLength,
    PastTheEnd,
    BadKey,
    NoValue,
    DuplicateKey,
    TooDeep,
    TooMany,
    Leftover,
}

impl BencodeError {
    /// Whether the bytes may well be bencode, but more of it than is read.
    pub fn is_a_limit(&self) -> bool {
        matches!(self.fault, BencodeFault::TooDeep | BencodeFault::TooMany)
    }
}

impl fmt::Display for BencodeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            BencodeFault::CutShort if self.at == 0 => write!(out, "it is empty"),
            BencodeFault::CutShort => write!(out, "it ends at byte {}, in the middle of a value", self.at),
            BencodeFault::UnknownByte(byte) => {
                write!(
                    out,
                    "it has '{}' where a bencoded value should begin (byte {})",
                    byte.escape_ascii(),
                    self.at
                )
            }
            BencodeFault::BadInteger => {
                write!(out, "a malformed, zero-padded or too large integer at byte {}", self.at)
            }
            BencodeFault::BadLength => write!(out, "a malformed string length at byte {}", self.at),
            BencodeFault::PastTheEnd => {
                write!(out, "the string at byte {} is longer than the file", self.at)
            }
            BencodeFault::BadKey => write!(out, "a dictionary key at byte {} is not a string", self.at),
            BencodeFault::NoValue => write!(out, "a dictionary key has no value at byte {}", self.at),
            BencodeFault::DuplicateKey => {
                write!(out, "the dictionary at byte {} has the same key twice", self.at)
            }
            BencodeFault::TooDeep => {
                write!(out, "values nested more than {} deep at byte {}", MAX_DEPTH, self.at)
            }
            BencodeFault::TooMany => {
                write!(out, "more than {} million values and brackets", MAX_TOKENS / 1_000_000)
            }
            BencodeFault::Leftover => write!(out, "something follows the value at byte {}", self.at),
        }
    }
}

impl std::error::Error for BencodeError {}
