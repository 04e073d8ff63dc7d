//! Why a key exchange fails.

use std::fmt;
use std::io;

/// Why there is no agreement.
#[derive(Debug)]
pub enum MseError {
    /// The connection broke, was closed ([`io::ErrorKind::UnexpectedEof`]), or was silent for too long.
    Stream(io::Error),
    /// The other side does not keep to the protocol, or wants what we do not.
    Fault(MseFault),
}

/// What is wrong with what the other side sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MseFault {
    /// Its public key is none: a secret made with it could be guessed.
    PublicKey,
    /// Behind its pad there is not what shows that it has the same secret.
    NoMark,
    /// It wants a torrent that we do not have.
    UnknownTorrent,
    /// It does not have the right keys.
    Verification,
    /// A pad of more than 512 bytes.
    LongPad,
    /// More bytes at once behind the exchange than we would hold.
    LongStart,
    /// It offers no way to go on that we want.
    NoMethod,
    /// It has chosen a way to go on that we did not offer, or several.
    Choice,
}

impl From<io::Error> for MseError {
    fn from(error: io::Error) -> MseError {
        MseError::Stream(error)
    }
}

impl From<MseFault> for MseError {
    fn from(fault: MseFault) -> MseError {
        MseError::Fault(fault)
    }
}

impl fmt::Display for MseFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            MseFault::PublicKey => "an invalid public key",
            MseFault::NoMark => "no proof of the shared secret",
            MseFault::UnknownTorrent => "an unknown torrent",
            MseFault::Verification => "data that its keys do not decrypt",
            MseFault::LongPad => "a pad of more than 512 bytes",
            MseFault::LongStart => "more than 16 KiB before an answer",
            MseFault::NoMethod => "no method of encryption that we allow",
            MseFault::Choice => "an encryption method that was not offered",
        })
    }
}
