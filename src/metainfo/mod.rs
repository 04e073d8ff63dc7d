//! What a `.torrent` file says.

use std::ops::Range;
use std::path::PathBuf;

/// The SHA-1 of the `info` value as it stands in the file: the name of a torrent (BEP 3).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct InfoHash(pub [u8; 20]);

/// A torrent: what to download, in which pieces, and whom to ask.
pub struct Metainfo {
    /// The name that the torrent gives itself, as a safe path element.
    pub name: String,
    /// The SHA-1 of the received `info` bytes.
    pub info_hash: InfoHash,
    /// Bytes in every piece but the last.
    pub piece_length: u32,
    /// Bytes in all files together, padding included.
    pub total_size: u64,
    /// Only the torrent's own trackers may be asked for peers (BEP 27).
    pub private: bool,
    /// Announce addresses by tier (BEP 12).
    pub trackers: Vec<Vec<String>>,
    /// Web seeds (BEP 19).
    pub web_seeds: Vec<String>,
    /// DHT nodes, host and port (BEP 5).
    pub nodes: Vec<(String, u16)>,
    /// The files in the torrent's order.
    pub files: Vec<File>,
    /// The whole file as received.
    raw: Vec<u8>,
    /// Where the `info` value stands in `raw`.
    info: Range<usize>,
    /// Where the digests stand in `raw`.
    pieces: Range<usize>,
}

/// One file of a torrent.
pub struct File {
    /// Safe path below the output folder; that of a multi-file torrent starts with the torrent's name.
    pub path: PathBuf,
    /// Where it starts in the payload, in bytes.
    pub offset: u64,
    /// Bytes in it.
    pub length: u64,
    /// Zeros between files, never written (BEP 47).
    pub padding: bool,
}

impl Metainfo {
    /// The SHA-1 that the piece must have. `None` past the last piece.
    pub fn piece_digest(&self, index: u32) -> Option<[u8; 20]> {
        let digests = self.raw.get(self.pieces.clone())?;
        digests.as_chunks::<20>().0.get(index as usize).copied()
    }

    /// The `info` value as received.
    pub fn info_bytes(&self) -> &[u8] {
        self.raw.get(self.info.clone()).unwrap_or_default()
    }
}
