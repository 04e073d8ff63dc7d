//! Which pieces are on the disk already.
//!
//! Runs once, before the download; `hashing` does the work. A piece is read only where every byte of
//! it can be there. It never writes.

use std::io;
use std::sync::{Mutex, PoisonError};

use super::error::{Action, StorageError};
use super::folder::{FileSearch, FileStat, RootFolder};
use super::hashing::{self, Watch};
use super::layout::Layout;
use crate::piece::{Bitfield, PieceDigest, PieceIndex};

/// The SHA-1 that a piece must have.
pub type Digests<'a> = dyn Fn(PieceIndex) -> PieceDigest + Sync + 'a;

/// What the check found.
pub(super) struct Checked {
    /// The pieces that are on the disk.
    pub good: Bitfield,
    /// The pieces whose every byte could be read, and was another.
    pub bad: Bitfield,
}

/// What stands under the name of each file. Padding is on no disk and counts as missing.
pub(super) fn survey(folder: &RootFolder, layout: &Layout) -> Result<Vec<Option<FileStat>>, StorageError> {
    let mut search = FileSearch::new(folder);
    let look = |entry: &super::layout::FileEntry| {
        if entry.padding {
            return Ok(None);
        }
        search.find(&entry.path).map_err(|error| {
            // A file where a folder belongs, or a name too long for this file system, is in the
            // way of creating; anything else is there and cannot be opened.
            let action = match error.kind() {
                io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename => Action::Create,
                _ => Action::Open,
            };
            StorageError::from_io(action, folder.join(&entry.path), error)
        })
    };
    layout.entries().iter().map(look).collect()
}

/// Reads and hashes every piece that can be there, with at most `open_files` open files.
///
/// # Errors
///
/// A file that cannot be opened or read, and [`StorageError::Cancelled`] where `watch` says so.
pub(super) fn check(
    folder: &RootFolder,
    layout: &Layout,
    found: &[Option<FileStat>],
    digests: &Digests<'_>,
    open_files: usize,
    watch: &Watch<'_>,
) -> Result<Checked, StorageError> {
    let candidates = candidates(layout, found);
    let verified = Mutex::new(Bitfield::none(layout.geometry().piece_count()));
    let hear = |piece, digest| {
        if digest == Some(digests(piece)) {
            verified.lock().unwrap_or_else(PoisonError::into_inner).insert(piece);
        }
    };
    hashing::hash(folder, layout, &candidates, &hear, open_files, watch)?;
    let good = verified.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut bad = candidates;
    good.iter(layout.geometry()).for_each(|piece| {
        bad.remove(piece);
    });
    Ok(Checked { good, bad })
}

/// The pieces that are wanted and whose every byte is padding or inside a file as long as it is now.
fn candidates(layout: &Layout, found: &[Option<FileStat>]) -> Bitfield {
    let all = || Bitfield::all(layout.geometry().piece_count());
    let mut pieces = layout.wanted().cloned().unwrap_or_else(all);
    for (entry, found) in layout.entries().iter().zip(found) {
        let present = found.map_or(0, |found| found.length);
        if entry.has_data() && present < entry.length {
            for piece in layout.pieces(entry.offset.saturating_add(present)..entry.range().end) {
                pieces.remove(piece);
            }
        }
    }
    pieces
}
