//! How much a torrent may hold.
//!
//! A torrent is a stranger's file, or comes from peers. What it holds is kept in memory for as long as the run lasts,
//! so each number has a bound: far above what is in the field, and low enough that the largest torrent costs a few
//! hundred megabytes. The depth of its bencode and the number of its tokens are bounded where these are read
//! (`bencode/limits.rs`).

use super::File;
use super::error::MetainfoError;
use crate::bencode::{Dictionary, List, Value};
use crate::piece::PieceDigest;

/// Bytes in the largest torrent that is read, from wherever it comes: a file, standard input, the web, peers. Enough
/// for [`MAX_PIECES`] and half a million files.
pub const MAX_TORRENT_BYTES: u64 = 64 << 20;

/// Pieces in the largest torrent: 2,097,152, as in libtorrent. Their digests take 40 MiB.
pub const MAX_PIECES: u32 = 1 << 21;

/// Files in the largest torrent, padding and links included. Some three hundred bytes of memory are taken for each.
pub const MAX_FILES: usize = 500_000;

/// Folders around a file, that of the torrent included. Nobody sorts so deep, and a path of some thousand folders
/// cannot be removed by programs that open one after the other.
pub const MAX_FOLDER_DEPTH: usize = 100;

/// Bytes in the longest path that a system takes.
pub(crate) const MAX_PATH_BYTES: usize = 4096;

/// Bytes that the paths of all files may have together. Each path repeats the torrent's name, so that a
/// small torrent could fill the memory; a real one of a million files stays below this.
pub(crate) const MAX_ALL_PATHS_BYTES: usize = 64 * 1024 * 1024;

/// Checks what can be counted before a file is looked at.
pub(super) fn check_counts(info: Dictionary) -> Result<(), MetainfoError> {
    let digests = info.get("pieces").and_then(Value::bytes).unwrap_or_default();
    let pieces = digests.len() / PieceDigest::LENGTH;
    if pieces as u64 > u64::from(MAX_PIECES) {
        return Err(MetainfoError::TooMany {
            what: "pieces",
            found: pieces as u64,
            most: MAX_PIECES.into(),
            way_out: "it has to be made with larger pieces",
        });
    }
    let files = info.get("files").and_then(Value::list).map_or(0, |list: List| list.iter().count());
    match files {
        ..=MAX_FILES => Ok(()),
        _ => Err(MetainfoError::TooMany {
            what: "files",
            found: files as u64,
            most: MAX_FILES as u64,
            way_out: "it has to be made of fewer files, such as archives",
        }),
    }
}

/// Checks how deep in folders the files are.
pub(super) fn check_depth(files: &[File]) -> Result<(), MetainfoError> {
    let folders = |file: &File| file.path.components().count().saturating_sub(1);
    match files.iter().map(folders).max().unwrap_or(0) {
        ..=MAX_FOLDER_DEPTH => Ok(()),
        deepest => Err(MetainfoError::TooMany {
            what: "folders around a file",
            found: deepest as u64,
            most: MAX_FOLDER_DEPTH as u64,
            way_out: "it has to be made with flatter folders",
        }),
    }
}
