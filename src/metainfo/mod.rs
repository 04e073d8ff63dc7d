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
mod file_tree;
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
mod version_two;

pub use about::About;
pub use error::MetainfoError;
pub(crate) use limits::{MAX_ALL_PATHS_BYTES, MAX_PATH_BYTES};
pub use limits::{MAX_FILES, MAX_FOLDER_DEPTH, MAX_PIECES, MAX_TORRENT_BYTES};
pub use magnet::{Called, Magnet, MagnetError};
pub use nearest::spelling_steps;
pub use path::FilePath;
pub use patterns::{ChoiceError, FileChoice, FilePattern};
pub use percent::percent_decoded;
pub use version_two::{MissingLayer, layers_of};

use crate::bencode::{Dictionary, Value};
use crate::piece::{Geometry, NodeRange, PieceDigest};
use crate::text::printable;
use sha1::{Digest, Sha1};
use sha2::Sha256;
use std::fmt;
use std::ops::Range;
use version_two::Layers;

/// Bytes in the longest piece. A piece is verified as a whole and has to be held in memory until then.
pub const MAX_PIECE_LENGTH: u32 = 1 << 30;

/// The SHA-1 of the `info` value as it stands in the file. It identifies a torrent (BEP 3). In version 2 it is the first
/// part of the SHA-256 (BEP 52, "infohash"), of which [`InfoHashV2`] is the whole.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InfoHash(pub [u8; 20]);

impl InfoHash {
    /// The info-hash that these 40 hexadecimal digits spell.
    pub fn from_hex(digits: &[u8]) -> Option<InfoHash> {
        from_hex(digits).map(InfoHash)
    }

    /// That of this `info` value, which comes in these parts.
    pub fn of<'a>(info: impl Iterator<Item = &'a [u8]>) -> InfoHash {
        let mut hash = Sha1::new();
        info.for_each(|part| hash.update(part));
        InfoHash(hash.finalize().into())
    }
}

/// The bytes that these hexadecimal digits spell, if there are as many as that takes.
fn from_hex<const LENGTH: usize>(digits: &[u8]) -> Option<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    if digits.len() != 2 * LENGTH {
        return None;
    }
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *byte = pair.iter().try_fold(0, |byte, digit| Some(byte << 4 | value(*digit)?))?;
    }
    Some(bytes)
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

/// The SHA-256 of the `info` value of a torrent of version 2 (BEP 52, "infohash").
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct InfoHashV2(pub [u8; 32]);

impl InfoHashV2 {
    /// The info-hash that these 64 hexadecimal digits spell.
    pub fn from_hex(digits: &[u8]) -> Option<InfoHashV2> {
        from_hex(digits).map(InfoHashV2)
    }

    /// That of this `info` value, which comes in these parts.
    pub fn of<'a>(info: impl Iterator<Item = &'a [u8]>) -> InfoHashV2 {
        let mut hash = Sha256::new();
        info.for_each(|part| hash.update(part));
        InfoHashV2(hash.finalize().into())
    }

    /// The part of it that stands where version 1 has its info-hash: between peers, at trackers, in the DHT.
    pub fn truncated(&self) -> InfoHash {
        InfoHash(self.0.first_chunk().copied().unwrap_or_default())
    }
}

impl fmt::Display for InfoHashV2 {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for InfoHashV2 {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// As what a torrent is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// BEP 3. A hybrid one is read so, unless peers know it as the other.
    One,
    /// BEP 52.
    Two,
}

/// A torrent: what to download, in which pieces, and where to ask for peers.
pub struct Metainfo {
    /// The torrent's own name, to be shown: without hidden characters, and not always that on the disk.
    pub name: String,
    /// The SHA-1 of the received `info` bytes, or in version 2 the first part of their SHA-256.
    pub info_hash: InfoHash,
    /// All of that SHA-256, in version 2.
    pub info_hash_v2: Option<InfoHashV2>,
    /// How the payload is cut into pieces: at least one, and none longer than [`MAX_PIECE_LENGTH`].
    pub geometry: Geometry,
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
    digests: Digests,
}

/// Where the digests of the pieces are in the bytes of a torrent.
enum Digests {
    /// Of version 1, one after the other.
    Sha1(Range<usize>),
    /// Of version 2.
    Layers(Layers),
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
        Metainfo::parse_as(Version::One, raw)
    }

    /// The same, but a hybrid one is read as this version. Any other is of the version that it is.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn parse_as(hybrid: Version, raw: Vec<u8>) -> Result<Metainfo, MetainfoError> {
        let torrent = Value::parse_lenient(&raw)?;
        let torrent = torrent.dictionary().ok_or(MetainfoError::NotADictionary)?;
        let info = torrent.get("info").and_then(Value::dictionary).ok_or(MetainfoError::NoInfo)?;
        let version = version_two::of(info, hybrid)?;
        let info_hash_v2 = (version == Version::Two).then(|| InfoHashV2::of(std::iter::once(info.raw())));
        let info_hash =
            info_hash_v2.map_or_else(|| InfoHash::of(std::iter::once(info.raw())), |v2| v2.truncated());
        limits::check_counts(info)?;
        let name = name(info, version, &info_hash.to_string())?;
        let piece_length = piece_length(info)?;
        let (name, read, geometry, digests) = match info_hash_v2 {
            Some(_) => {
                let read = version_two::read(&raw, torrent, info, &name, piece_length)?;
                (read.name, read.files, read.geometry, Digests::Layers(read.layers))
            }
            None => {
                let read = files::read(info, &name)?;
                hybrid::check(info, &read.files, piece_length)?;
                let digests = digests(info, read.total_size, piece_length)?;
                let geometry = Geometry::new(read.total_size, piece_length).ok_or(MetainfoError::TooLarge)?;
                (name, read, geometry, Digests::Sha1(place(&raw, digests)))
            }
        };
        limits::check_depth(&read.files)?;
        Ok(Metainfo {
            name: printable(&String::from_utf8_lossy(&name)),
            info_hash,
            info_hash_v2,
            geometry,
            private: info.get("private").and_then(Value::integer).is_some_and(|private| private != 0),
            trackers: trackers::tiers(torrent),
            web_seeds: trackers::web_seeds(torrent),
            nodes: trackers::nodes(torrent),
            files: read.files,
            symlinks: read.symlinks,
            info: place(&raw, info.raw()),
            digests,
            raw,
        })
    }

    /// The digest that the piece must have. `None` past the last piece.
    pub fn piece_digest(&self, index: u32) -> Option<PieceDigest> {
        let piece = self.geometry.piece(index)?;
        match &self.digests {
            Digests::Sha1(place) => {
                let digests = self.raw.get(place.clone())?.as_chunks::<{ PieceDigest::LENGTH }>().0;
                digests.get(piece.slot()).copied().map(PieceDigest::Sha1)
            }
            Digests::Layers(layers) => layers.digest(&self.raw, index),
        }
    }

    /// The nodes of the tree with this root that a peer has asked for (version 2). `None` if they cannot be had.
    pub fn nodes(&self, pieces_root: &[u8; 32], range: NodeRange) -> Option<Vec<[u8; 32]>> {
        match &self.digests {
            Digests::Sha1(_) => None,
            Digests::Layers(layers) => layers.nodes(&self.raw, pieces_root, range),
        }
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
/// nothing, the info-hash takes its place. In version 2 it may be missing: there it is "purely advisory".
fn name(info: Dictionary, version: Version, info_hash: &str) -> Result<Vec<u8>, MetainfoError> {
    let preferred = info.get("name.utf-8").and_then(Value::bytes);
    let name = || match (info.get("name"), version) {
        (Some(name), _) => name.bytes().ok_or(field("name", "is not a string")),
        (None, Version::Two) => Ok(&b""[..]),
        (None, Version::One) => Err(field("name", "is missing")),
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
