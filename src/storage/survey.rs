//! What is on the disk of a payload: which of its files, and which of its pieces.
//!
//! A survey is the start of everything that the storage does with a payload: a download, seeding, and
//! `verify`. It runs once, on the thread that calls it; `hashing` does the work. A piece is read only if all
//! its bytes can be there. A survey never writes.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use log::warn;

use super::error::{Action, StorageError, reason};
use super::folder::{FileSearch, FileStat, RootFolder};
use super::hashing::{self, Watch};
use super::layout::{FileEntry, Layout};
use super::naming;
use crate::metainfo::Metainfo;
use crate::net::too_many_files;
use crate::piece::{Bitfield, PieceDigest, PieceIndex};
use crate::thread::lock;

/// The SHA-1 that a piece must have. Shared, because files that change are hashed again later, by any thread.
pub type Digests = Arc<dyn Fn(PieceIndex) -> PieceDigest + Send + Sync>;

/// The digests that a torrent names.
pub fn digests_of(torrent: &Arc<Metainfo>) -> Digests {
    let torrent = Arc::clone(torrent);
    Arc::new(move |piece| torrent.piece_digest(piece.get()).unwrap_or_default())
}

/// What is there of a payload.
pub(super) struct Survey {
    /// The file under each name.
    pub found: Vec<Option<FileStat>>,
    /// The pieces that are on the disk.
    pub good: Bitfield,
    /// The pieces that could be read in full and have another digest.
    pub bad: Bitfield,
}

impl Survey {
    /// Looks for each file and hashes every wanted piece that can be there, with at most `open_files` open
    /// files. Without a folder, nothing is there.
    ///
    /// # Errors
    ///
    /// A file that cannot be opened or read, and [`StorageError::Cancelled`] if `watch` says so.
    pub fn take(
        folder: Option<&RootFolder>,
        layout: &Layout,
        digests: &Digests,
        open_files: usize,
        watch: &Watch<'_>,
    ) -> Result<Survey, StorageError> {
        let Some(folder) = folder else { return Ok(Survey::empty(layout)) };
        let found = find_files(folder, layout)?;
        let candidates = candidates(layout, &found);
        let verified = Mutex::new(Bitfield::none(layout.geometry().piece_count()));
        let on_digest = |piece, digest| {
            if digest == Some(digests(piece)) {
                lock(&verified).insert(piece);
            }
        };
        hashing::hash(folder, layout, &candidates, &on_digest, open_files, watch)?;
        let good = verified.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut bad = candidates;
        good.iter(layout.geometry()).for_each(|piece| {
            bad.remove(piece);
        });
        Ok(Survey { found, good, bad })
    }

    /// Nothing is there.
    pub fn empty(layout: &Layout) -> Survey {
        let none = || Bitfield::none(layout.geometry().piece_count());
        Survey { found: vec![None; layout.entries().len()], good: none(), bad: none() }
    }
}

/// The file under each name. Padding is on no disk and counts as missing.
pub(super) fn find_files(
    folder: &RootFolder,
    layout: &Layout,
) -> Result<Vec<Option<FileStat>>, StorageError> {
    let mut search = FileSearch::new(folder);
    let find = |entry: &FileEntry| {
        if entry.padding {
            return Ok(None);
        }
        match search.find(&entry.path) {
            Err(error) if naming::is_missing(&entry.path, &error) => Ok(None),
            Err(error) if folder.is_only_read() && !too_many_files(&error) => {
                let path = folder.join(&entry.path);
                warn!("{} cannot be read and counts as missing: {}", path.display(), reason(&error));
                Ok(None)
            }
            found => found.map_err(|error| {
                // A file in the place of a folder, or a name too long for this file system, would stop us
                // from creating the file. Any other error means that something is there and cannot be opened.
                let action = match error.kind() {
                    io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename => Action::Create,
                    _ => Action::Open,
                };
                StorageError::from_io(action, folder.join(&entry.path), error)
            }),
        }
    };
    layout.entries().iter().map(find).collect()
}

/// The wanted pieces whose every byte is padding or within the present length of a file.
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
