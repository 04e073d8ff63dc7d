//! What can be wrong with received bencode.

use std::fmt;

/// Why bytes are not bencode, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BencodeError {
    /// Where the fault is, in bytes from the start.
    pub at: usize,
    /// What it is.
    pub(super) fault: Fault,
}

/// The faults that bencode can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    CutShort,
    UnknownByte(u8),
    BadInteger,
    BadLength,
    PastTheEnd,
    BadKey,
    NoValue,
    DuplicateKey,
    TooDeep,
    Leftover,
}

impl fmt::Display for BencodeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            Fault::CutShort if self.at == 0 => write!(out, "there is nothing in it"),
            Fault::CutShort => write!(out, "it ends at byte {}, in the middle of a value", self.at),
            Fault::UnknownByte(byte) => {
                write!(out, "no value starts with '{}' (byte {})", byte.escape_ascii(), self.at)
            }
            Fault::BadInteger => {
                write!(out, "a malformed, zero-padded or too large integer at byte {}", self.at)
            }
            Fault::BadLength => write!(out, "a malformed string length at byte {}", self.at),
            Fault::PastTheEnd => write!(out, "the string at byte {} is longer than what is there", self.at),
            Fault::BadKey => write!(out, "a dictionary key at byte {} is no string", self.at),
            Fault::NoValue => write!(out, "a dictionary key has no value at byte {}", self.at),
            Fault::DuplicateKey => write!(out, "the dictionary at byte {} has a key twice", self.at),
            Fault::TooDeep => {
                write!(out, "more than {} values inside each other at byte {}", super::DEPTH_LIMIT, self.at)
            }
            Fault::Leftover => write!(out, "something follows the value at byte {}", self.at),
        }
    }
}

impl std::error::Error for BencodeError {}
