//! What can be wrong with a torrent. It is found out before a run begins.

use crate::bencode::BencodeError;
use crate::text::grouped;
use std::fmt;

/// Why bytes are not a torrent that can be downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetainfoError {
    /// The bytes are not bencode.
    Bencode(BencodeError),
    /// The bytes are bencode, but not a dictionary.
    NotADictionary,
    /// There is no `info` dictionary, so nothing says what to download.
    NoInfo,
    /// The torrent is of a version after 2 (BEP 52).
    NewerVersion,
    /// The torrent is of version 2 and has no `piece layers`, which peers have.
    NoLayers {
        /// A magnet link to it.
        link: String,
    },
    /// A field is missing or cannot be used.
    Field {
        /// Its name.
        name: &'static str,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// A field of one file is missing or cannot be used.
    FileField {
        /// The number of the file, from 1.
        file: usize,
        /// The field's name.
        name: &'static str,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// There are more or fewer digests than pieces.
    PieceCount {
        /// How many digests there are.
        digests: u64,
        /// How many pieces the sizes of the files make.
        pieces: u64,
    },
    /// There is more of something than is read.
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many there are.
        found: u64,
        /// How many are read.
        most: u64,
        /// What to do about it.
        way_out: &'static str,
    },
    /// All files together have no bytes.
    NoContent,
    /// The sizes of the files together do not fit in 64 bits.
    TooLarge,
    /// The version 2 part of a hybrid torrent contradicts the version 1 part (BEP 52, "upgrade path").
    Hybrid(&'static str),
}

impl MetainfoError {
    /// Whether the bytes are not even bencode, as opposed to bencode that is not a usable torrent.
    pub fn is_not_bencode(&self) -> bool {
        matches!(self, MetainfoError::Bencode(error) if !error.is_a_limit())
    }
}

impl fmt::Display for MetainfoError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MetainfoError::Bencode(error) if error.is_a_limit() => {
                write!(out, "too large a torrent: {error} (ask its maker for a simpler one)")
            }
            MetainfoError::Bencode(error) => write!(out, "bad bencode: {error}"),
            MetainfoError::NotADictionary => {
                write!(out, "not a .torrent file: the outer value is not a dictionary")
            }
            MetainfoError::NoInfo => {
                write!(out, "not a complete torrent: it has no 'info' dictionary")
            }
            MetainfoError::NewerVersion => {
                write!(
                    out,
                    "a torrent of a newer version than 2 (BEP 52), which nobody knows yet (use another one)"
                )
            }
            MetainfoError::NoLayers { link } => {
                write!(
                    out,
                    "not a complete torrent: it has no 'piece layers' (peers have them: use its link, '{link}')"
                )
            }
            MetainfoError::Field { name, fault } => write!(out, "bad torrent: '{name}' {fault}"),
            MetainfoError::FileField { file, name, fault } => {
                write!(out, "bad torrent: '{name}' of file {file} {fault}")
            }
            MetainfoError::PieceCount { digests, pieces } => {
                write!(out, "bad torrent: 'pieces' has {digests} digests, but the files make {pieces} pieces")
            }
            MetainfoError::TooMany { what, found, most, way_out } => {
                let (found, most) = (grouped(*found), grouped(*most));
                write!(out, "too large a torrent: it has {found} {what}, and the limit is {most} ({way_out})")
            }
            MetainfoError::NoContent => {
                write!(out, "bad torrent: it has no content, all its files are empty")
            }
            MetainfoError::TooLarge => {
                write!(out, "bad torrent: the sizes of its files do not fit in 64 bits")
            }
            MetainfoError::Hybrid(fault) => write!(out, "bad hybrid torrent: {fault}"),
        }
    }
}

impl std::error::Error for MetainfoError {}

impl From<BencodeError> for MetainfoError {
    fn from(error: BencodeError) -> MetainfoError {
        MetainfoError::Bencode(error)
    }
}
