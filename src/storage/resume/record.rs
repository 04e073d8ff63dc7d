//! The content of a resume file: what it says, to bytes and back. Pure.
//!
//! Anyone may have written the bytes. They are believed as a whole or not at all: if they are not exactly what
//! [`ResumeRecord::encode`] makes for this torrent, they say nothing.

use sha1::{Digest, Sha1};

use crate::metainfo::InfoHash;
use crate::piece::{Bitfield, Geometry, PieceIndex};
use crate::storage::folder::FileStat;

/// How a resume file begins: the last of these bytes is the version of the format.
const MAGIC: [u8; 8] = *b"femtoRS\x01";
/// Bytes before the bitfield.
const HEAD: u64 = 8 + 20 + 4 + 4 + 4 + 2 + 12 + 4 * NEWEST as u64;
/// Bytes for a file that is there.
const FILE: u64 = 1 + 8 + 8 + 12 + 12 + 8 + 8 + 1;
/// How the entry of a file begins: it is not there or not known; as earlier versions wrote it; as this one does.
const NO_FILE: u8 = 0;
const SHORT_FILE: u8 = 1;
const LONG_FILE: u8 = 2;
/// Bytes in the checksum at the end.
const CHECKSUM: usize = 20;
/// How many of the pieces that were written last are named.
pub const NEWEST: usize = 8;
/// Stands for no piece.
const NO_PIECE: u32 = u32::MAX;

/// A time: seconds since 1970, and nanoseconds.
pub type Time = (u64, u64);

/// Which torrent a record is of.
#[derive(Clone, Copy)]
pub struct TorrentShape {
    /// The SHA-1 of the `info` value.
    pub info_hash: InfoHash,
    /// How the payload is cut into pieces.
    pub geometry: Geometry,
    /// How many files it has, padding included.
    pub files: usize,
}

/// What is known of a payload, and of the files as they were when that was so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResumeRecord {
    /// The run that wrote it has ended and wrote nothing afterwards.
    pub is_final: bool,
    /// All pieces were looked for, so that what is not here was not on the disk.
    pub is_whole: bool,
    /// When the files were as it says.
    pub at: Time,
    /// The pieces that are on the disk, synced.
    pub pieces: Bitfield,
    /// Those of them that were written last, at most [`NEWEST`].
    pub newest: Vec<PieceIndex>,
    /// The files. `None` for those that do not exist, or of which nothing is known.
    pub files: Vec<Option<KnownFile>>,
}

/// A file as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownFile {
    /// Its number on its file system.
    pub inode: u64,
    /// Bytes in it.
    pub length: u64,
    /// When its content changed last, which any program may set.
    pub modified: Time,
    /// When anything about it changed last, which only the system sets.
    pub changed: Time,
    /// How many bytes at its start belong to the user, as the marker says too.
    pub kept: u64,
    /// When it was created, in nanoseconds since 1970. 0 if the system does not say.
    pub born: u64,
    /// Nothing in it is vouched for: it is only known that this file is the one that is ours.
    pub is_doubtful: bool,
}

impl KnownFile {
    /// The file as the system describes it.
    pub fn of(found: &FileStat, kept: u64) -> KnownFile {
        let FileStat { length, identity: (_, inode), modified, changed, .. } = *found;
        KnownFile { inode, length, modified, changed, kept, born: 0, is_doubtful: false }
    }

    /// Whether it is vouched for, and nothing has changed it since.
    pub fn is_still(&self, found: &FileStat) -> bool {
        !self.is_doubtful && *self == KnownFile { born: self.born, ..KnownFile::of(found, self.kept) }
    }

    /// Whether it is this file, as far as its number tells: a later file may have got the number of one that is gone.
    pub fn has_number(&self, found: &FileStat) -> bool {
        self.inode == found.identity.1
    }
}

impl ResumeRecord {
    /// The most bytes that a record of this torrent can have.
    pub fn most_bytes(shape: &TorrentShape) -> u64 {
        let pieces = u64::from(shape.geometry.piece_count().div_ceil(8));
        (shape.files as u64).saturating_mul(FILE).saturating_add(pieces + HEAD + CHECKSUM as u64)
    }

    /// The record as bytes.
    pub fn encode(&self, shape: &TorrentShape) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(usize::try_from(Self::most_bytes(shape)).unwrap_or(0));
        bytes.extend(MAGIC);
        bytes.extend(shape.info_hash.0);
        bytes.extend(shape.geometry.piece_length().to_be_bytes());
        bytes.extend(shape.geometry.piece_count().to_be_bytes());
        bytes.extend(count(shape).to_be_bytes());
        bytes.push(self.is_final.into());
        bytes.push(self.is_whole.into());
        put_time(&mut bytes, self.at);
        let newest = self.newest.iter().map(|piece| piece.get());
        for piece in newest.chain(std::iter::repeat(NO_PIECE)).take(NEWEST) {
            bytes.extend(piece.to_be_bytes());
        }
        bytes.extend(self.pieces.to_wire());
        for file in &self.files {
            bytes.push(if file.is_some() { LONG_FILE } else { NO_FILE });
            if let Some(file) = file {
                bytes.extend(file.inode.to_be_bytes());
                bytes.extend(file.length.to_be_bytes());
                put_time(&mut bytes, file.modified);
                put_time(&mut bytes, file.changed);
                bytes.extend(file.kept.to_be_bytes());
                bytes.extend(file.born.to_be_bytes());
                bytes.push(file.is_doubtful.into());
            }
        }
        let checksum: [u8; CHECKSUM] = Sha1::digest(&bytes).into();
        bytes.extend(checksum);
        bytes
    }

    /// The record that these bytes are. `None` if they are not one of this torrent.
    pub fn decode(bytes: &[u8], shape: &TorrentShape) -> Option<ResumeRecord> {
        let (content, checksum) = bytes.split_last_chunk::<CHECKSUM>()?;
        if <[u8; CHECKSUM]>::from(Sha1::digest(content)) != *checksum {
            return None;
        }
        let mut rest = Rest(content);
        let is_ours = rest.take::<8>()? == MAGIC
            && rest.take::<20>()? == shape.info_hash.0
            && rest.number()? == shape.geometry.piece_length()
            && rest.number()? == shape.geometry.piece_count()
            && rest.number()? == count(shape);
        if !is_ours {
            return None;
        }
        let (is_final, is_whole) = (rest.flag()?, rest.flag()?);
        let at = rest.time()?;
        let mut newest = Vec::new();
        for _ in 0..NEWEST {
            newest.extend(shape.geometry.piece(rest.number()?));
        }
        let length = shape.geometry.piece_count();
        let pieces = Bitfield::from_wire(rest.bytes(length.div_ceil(8) as usize)?, length)?;
        let mut files = Vec::new();
        for _ in 0..shape.files {
            files.push(match rest.take()? {
                [NO_FILE] => None,
                [SHORT_FILE] => Some(rest.file()?),
                [LONG_FILE] => {
                    let file = rest.file()?;
                    Some(KnownFile { born: rest.long()?, is_doubtful: rest.flag()?, ..file })
                }
                _ => return None,
            });
        }
        rest.0.is_empty().then_some(ResumeRecord { is_final, is_whole, at, pieces, newest, files })
    }
}

fn count(shape: &TorrentShape) -> u32 {
    u32::try_from(shape.files).unwrap_or(u32::MAX)
}

fn put_time(bytes: &mut Vec<u8>, (seconds, nanoseconds): Time) {
    bytes.extend(seconds.to_be_bytes());
    bytes.extend(u32::try_from(nanoseconds).unwrap_or(u32::MAX).to_be_bytes());
}

/// The bytes that are not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take<const LENGTH: usize>(&mut self) -> Option<[u8; LENGTH]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (first, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(first)
    }

    fn number(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn long(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.take()? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }

    fn time(&mut self) -> Option<Time> {
        Some((self.long()?, self.number()?.into()))
    }

    fn file(&mut self) -> Option<KnownFile> {
        let (inode, length) = (self.long()?, self.long()?);
        let (modified, changed) = (self.time()?, self.time()?);
        Some(KnownFile { inode, length, modified, changed, kept: self.long()?, born: 0, is_doubtful: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> (TorrentShape, ResumeRecord) {
        let geometry = Geometry::new(1000, 100).unwrap();
        let shape = TorrentShape { info_hash: InfoHash([7; 20]), geometry, files: 3 };
        let mut pieces = Bitfield::none(10);
        let newest: Vec<PieceIndex> = [1, 4, 9].map(|number| geometry.piece(number).unwrap()).into();
        newest.iter().for_each(|piece| assert!(pieces.insert(*piece)));
        let (modified, changed) = ((5, 999_999_999), (6, 0));
        let file = KnownFile {
            inode: u64::MAX,
            length: 600,
            modified,
            changed,
            kept: 17,
            born: 18,
            is_doubtful: false,
        };
        let files = vec![Some(file), None, Some(KnownFile { kept: 0, is_doubtful: true, ..file })];
        (shape, ResumeRecord { is_final: true, is_whole: true, at: (1, 2), pieces, newest, files })
    }

    #[test]
    fn what_was_encoded_comes_back_and_nothing_else_is_believed() {
        let (shape, record) = example();
        let bytes = record.encode(&shape);
        assert!(bytes.len() as u64 <= ResumeRecord::most_bytes(&shape));
        assert_eq!(ResumeRecord::decode(&bytes, &shape), Some(record));
        for length in 0..bytes.len() {
            assert_eq!(ResumeRecord::decode(&bytes[..length], &shape), None, "{length}");
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            assert_eq!(ResumeRecord::decode(&changed, &shape), None, "{at}");
        }
    }

    #[test]
    fn the_short_entries_of_earlier_versions_are_understood() {
        let (shape, mut record) = example();
        record.files = vec![None, None, record.files[0].map(|file| KnownFile { born: 0, ..file })];
        let bytes = record.encode(&shape);
        let mut short = bytes[..bytes.len() - CHECKSUM - 9].to_vec();
        let entry = short.len() - 49;
        assert_eq!(std::mem::replace(&mut short[entry], SHORT_FILE), LONG_FILE);
        let checksum: [u8; CHECKSUM] = Sha1::digest(&short).into();
        assert_eq!(ResumeRecord::decode(&[&short[..], &checksum].concat(), &shape), Some(record));
    }

    #[test]
    fn a_record_of_another_torrent_is_not_believed() {
        let (shape, record) = example();
        let bytes = record.encode(&shape);
        for other in [
            TorrentShape { info_hash: InfoHash([8; 20]), ..shape },
            TorrentShape { geometry: Geometry::new(1000, 101).unwrap(), ..shape },
            TorrentShape { geometry: Geometry::new(1100, 100).unwrap(), ..shape },
            TorrentShape { files: 2, ..shape },
            TorrentShape { files: 4, ..shape },
        ] {
            assert_eq!(ResumeRecord::decode(&bytes, &other), None);
        }
    }

    #[test]
    fn bytes_with_a_right_checksum_and_a_wrong_content_are_not_believed() {
        let (shape, record) = example();
        let good = record.encode(&shape);
        let sealed = |content: &[u8]| {
            let checksum: [u8; CHECKSUM] = Sha1::digest(content).into();
            [content, &checksum].concat()
        };
        let content = &good[..good.len() - CHECKSUM];
        assert!(ResumeRecord::decode(&sealed(content), &shape).is_some());
        let head = usize::try_from(HEAD).unwrap();
        // A flag that is neither, and a spare bit of the bitfield.
        for (at, byte) in [(40, 2), (head + 1, 0xff), (head + 2, 9)] {
            let mut changed = content.to_vec();
            changed[at] = byte;
            assert_eq!(ResumeRecord::decode(&sealed(&changed), &shape), None, "{at}");
        }
        assert_eq!(ResumeRecord::decode(&sealed(&[content, &[0]].concat()), &shape), None);
    }
}
