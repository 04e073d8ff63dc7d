//! What a `.torrent` file says (BEP 3, "metainfo files"), and what a magnet link says ([`Magnet`]).
//!
//! Pure: gets bytes, returns what they mean. A torrent is a stranger's file, so each part of it is checked
//! here, once: sizes and counts agree, and paths are safe to create below the output folder. Code that has a
//! [`Metainfo`] can rely on that. The received bytes are kept as they are. The digests of the pieces are read
//! from them, and the info-hash is taken over them: if we encoded the torrent again, one with unsorted or
//! unknown keys would get a different info-hash.

mod about;
pub mod draft;
mod element;
mod error;
mod files;
mod glob;
mod hybrid;
mod limits;
mod magnet;
mod names;
mod nearest;
mod path;
mod path_table;
mod patterns;
mod percent;
mod trackers;

pub use about::About;
pub use error::MetainfoError;
pub(crate) use files::{MAX_ALL_PATHS_BYTES, MAX_PATH_BYTES};
pub use limits::{MAX_FILES, MAX_FOLDER_DEPTH, MAX_PIECES, MAX_TORRENT_BYTES};
pub use magnet::{Magnet, MagnetError};
pub use nearest::spelling_steps;
pub use path::FilePath;
pub use patterns::{ChoiceError, FileChoice, FilePattern};
pub use percent::percent_decoded;

use crate::bencode::{Dictionary, Value};
use crate::piece::PieceDigest;
use crate::text::printable;
use sha1::{Digest, Sha1};
use std::fmt;
use std::ops::Range;

/// Bytes in the longest piece. A piece is verified as a whole and has to be held in memory until then.
pub const MAX_PIECE_LENGTH: u32 = 1 << 30;

/// The SHA-1 of the `info` value as it stands in the file. It identifies a torrent (BEP 3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InfoHash(pub [u8; 20]);

impl InfoHash {
    /// The info-hash that these 40 hexadecimal digits spell.
    pub fn from_hex(digits: &[u8]) -> Option<InfoHash> {
        let mut bytes = [0; 20];
        if digits.len() != 2 * bytes.len() {
            return None;
        }
        let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            *byte = pair.iter().try_fold(0, |byte, digit| Some(byte << 4 | value(*digit)?))?;
        }
        Some(InfoHash(bytes))
    }
}

impl fmt::Display for InfoHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for InfoHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// A torrent: what to download, in which pieces, and where to ask for peers.
pub struct Metainfo {
    /// The torrent's own name, to be shown: without hidden characters, and not always that on the disk.
    pub name: String,
    /// The SHA-1 of the received `info` bytes.
    pub info_hash: InfoHash,
    /// Bytes in every piece but the last: at least 1, at most [`MAX_PIECE_LENGTH`].
    pub piece_length: u32,
    /// Bytes in all files together, padding included. Never 0.
    pub total_size: u64,
    /// Only the torrent's own trackers may be asked for peers (BEP 27).
    pub private: bool,
    /// Announce addresses by tier (BEP 12).
    pub trackers: Vec<Vec<String>>,
    /// Web seeds (BEP 19).
    pub web_seeds: Vec<String>,
    /// DHT nodes, host and port (BEP 5).
    pub nodes: Vec<(String, u16)>,
    /// The files in the torrent's order, without symbolic links. Paths are distinct, except those of padding.
    pub files: Vec<File>,
    /// How many symbolic links the torrent lists (BEP 47). They have no bytes and are never created.
    pub symlinks: usize,
    /// The whole file as received.
    raw: Vec<u8>,
    /// Where the `info` value is in `raw`.
    info: Range<usize>,
    /// Where the digests are in `raw`.
    pieces: Range<usize>,
}

/// One file of a torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Path below the output folder; that of a multi-file torrent starts with the torrent's name.
    pub path: FilePath,
    /// Where it starts in the payload, in bytes.
    pub offset: u64,
    /// Bytes in it.
    pub length: u64,
    /// Zeros between files, never written (BEP 47).
    pub padding: bool,
}

impl Metainfo {
    /// Reads a torrent. A hybrid one is read as version 1. Bytes after the outer dictionary are ignored,
    /// because many programs end a file with a newline. Of a key that is there twice the first counts, and numbers may
    /// be padded: the info-hash is that of the bytes as they came, so whoever reads it otherwise has the same pieces.
    ///
    /// # Errors
    ///
    /// The first fault that makes the torrent unusable.
    pub fn parse(raw: Vec<u8>) -> Result<Metainfo, MetainfoError> {
        let torrent = Value::parse_lenient(&raw)?;
        let torrent = torrent.dictionary().ok_or(MetainfoError::NotADictionary)?;
        let info = torrent.get("info").and_then(Value::dictionary).ok_or(MetainfoError::NoInfo)?;
        let info_hash = InfoHash(Sha1::digest(info.raw()).into());
        let is_version_two = info.get("meta version").is_some() || info.get("file tree").is_some();
        if is_version_two && info.get("pieces").is_none() {
            return Err(MetainfoError::VersionTwoOnly);
        }
        limits::check_counts(info)?;
        let name = name(info, &info_hash.to_string())?;
        let piece_length = piece_length(info)?;
        let read = files::read(info, &name)?;
        limits::check_depth(&read.files)?;
        hybrid::check(info, &read.files, piece_length)?;
        let digests = digests(info, read.total_size, piece_length)?;
        Ok(Metainfo {
            name: printable(&String::from_utf8_lossy(&name)),
            info_hash,
            piece_length,
            total_size: read.total_size,
            private: info.get("private").and_then(Value::integer).is_some_and(|private| private != 0),
            trackers: trackers::tiers(torrent),
            web_seeds: trackers::web_seeds(torrent),
            nodes: trackers::nodes(torrent),
            files: read.files,
            symlinks: read.symlinks,
            info: place(&raw, info.raw()),
            pieces: place(&raw, digests),
            raw,
        })
    }

    /// How many pieces there are, at least one.
    pub fn piece_count(&self) -> u32 {
        // When the torrent was read, the number of digests was compared with a 32-bit number of pieces.
        u32::try_from(self.pieces.len() / PieceDigest::LENGTH).unwrap_or(u32::MAX)
    }

    /// The SHA-1 that the piece must have. `None` past the last piece.
    pub fn piece_digest(&self, index: u32) -> Option<PieceDigest> {
        let digests = self.raw.get(self.pieces.clone())?;
        digests
            .as_chunks::<{ PieceDigest::LENGTH }>()
            .0
            .get(usize::try_from(index).ok()?)
            .copied()
            .map(PieceDigest)
    }

    /// The whole file as received.
    pub fn bytes(&self) -> &[u8] {
        &self.raw
    }

    /// The `info` value as received.
    pub fn info_bytes(&self) -> &[u8] {
        self.raw.get(self.info.clone()).unwrap_or_default()
    }
}

impl fmt::Debug for Metainfo {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Metainfo")
            .field("name", &self.name)
            .field("info_hash", &self.info_hash)
            .finish_non_exhaustive()
    }
}

fn field(name: &'static str, fault: &'static str) -> MetainfoError {
    MetainfoError::Field { name, fault }
}

/// The own name. `name` may be in any encoding; `name.utf-8` is the same name in UTF-8, and suffices. If it names
/// nothing, the info-hash takes its place.
fn name(info: Dictionary, info_hash: &str) -> Result<Vec<u8>, MetainfoError> {
    let preferred = info.get("name.utf-8").and_then(Value::bytes);
    let name = || {
        let name = info.get("name").ok_or(field("name", "is missing"))?;
        name.bytes().ok_or(field("name", "is not a string"))
    };
    let preferred = preferred.map_or_else(name, Ok)?;
    if !preferred.is_empty() && preferred.iter().all(|byte| *byte == 0) {
        return Err(field("name", "is nothing but zeros"));
    }
    Ok(element::own(preferred).unwrap_or(info_hash.as_bytes().into()).into_owned())
}

/// The files of a torrent that is to lie under another name than its own.
pub fn renamed(files: &[File], name: &str) -> Vec<File> {
    files.iter().map(|file| File { path: file.path.below(name), ..*file }).collect()
}

/// The spelling of a name of one element that every common file system takes.
pub fn portable_name(name: &str) -> String {
    let own = element::own(name.as_bytes()).unwrap_or_default();
    String::from_utf8_lossy(&element::portable(&own)).into_owned()
}

fn piece_length(info: Dictionary) -> Result<u32, MetainfoError> {
    let length = info.get("piece length").ok_or(field("piece length", "is missing"))?;
    let length = length.integer().ok_or(field("piece length", "is not an integer"))?;
    match u32::try_from(length) {
        Ok(length @ 1..=MAX_PIECE_LENGTH) => Ok(length),
        Ok(0) | Err(_) if length <= 0 => Err(field("piece length", "is not positive")),
        _ => Err(field("piece length", "is more than 1 GiB")),
    }
}

/// The digests: one for each piece of a payload of `total_size` bytes.
fn digests<'a>(info: Dictionary<'a>, total_size: u64, piece_length: u32) -> Result<&'a [u8], MetainfoError> {
    let digests = info.get("pieces").ok_or(field("pieces", "is missing"))?;
    let digests = digests.bytes().ok_or(field("pieces", "is not a string"))?;
    if !digests.len().is_multiple_of(PieceDigest::LENGTH) {
        return Err(field("pieces", "is cut short: its length is not a multiple of 20"));
    }
    if total_size == 0 {
        return Err(MetainfoError::NoContent);
    }
    let pieces = total_size.div_ceil(u64::from(piece_length));
    let count = (digests.len() / PieceDigest::LENGTH) as u64;
    match u32::try_from(pieces) {
        Ok(_) if pieces == count => Ok(digests),
        _ => Err(MetainfoError::PieceCount { digests: count, pieces }),
    }
}

/// The position of `part` in `whole`, from which it was borrowed.
fn place(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr());
    start..start.saturating_add(part.len())
}

#[cfg(test)]
mod tests;
