//! The payload on the disk: where it goes, what of it is there already, and when it is safe.
//!
//! [`Storage::open`] runs before the download: it looks at what the output folder holds, keeps what
//! verifies (`check`) and refuses to touch what is not the torrent's (`claim`, `marker`). Then
//! the writer thread owns the [`Storage`] and gives it verified pieces, and nothing else: what was
//! not verified is never on the disk, so a download can be stopped at any moment by any means and
//! goes on from there. [`Storage::finish`] makes it durable.
//!
//! [`fn@examine`] only looks, and changes nothing. [`gather`] and [`Gathered::digests`] are the way from
//! files to a new torrent.
//!
//! Inside, `layout` says where each byte lies, `folder` is the only way to a file by name,
//! `pool` bounds the open files, `files` puts the three together, and `space` counts the room. What is
//! on the disk is sent to others out of the [`ServedPieces`].

mod check;
mod claim;
mod create_scan;
mod error;
mod file_pool;
mod files;
mod folder;
mod hashing;
mod layout;
mod marker;
mod selection;
mod served_pieces;
mod sha1_pair;
mod space;
mod verify;
pub mod writer;

use crate::metainfo::InfoHash;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use check::Digests;
pub use create_scan::{Gathered, gather, name};
pub use error::{Shortage, StorageError};
pub use hashing::Watch;
pub use selection::Selection;
pub use served_pieces::{BlockPart, ServedPieces};
pub use verify::{Examined, ExaminedFile, FileState, examine};

use crate::metainfo;
use crate::piece::{Bitfield, Geometry, PieceIndex};
use check::Checked;
use claim::Guards;
use error::Action;
use files::PayloadFiles;
use folder::RootFolder;
use layout::Layout;
use marker::Marker;

/// What the storage has to know of a torrent.
#[derive(Clone, Copy)]
pub struct Payload<'a> {
    /// The torrent's name: the marker is named after it.
    pub name: &'a str,
    /// The SHA-1 of the `info` value.
    pub info_hash: InfoHash,
    /// The files in the order of the payload.
    pub files: &'a [metainfo::File],
    /// How the payload is cut into pieces.
    pub geometry: Geometry,
    /// The SHA-1 of each piece.
    pub digests: &'a Digests<'a>,
    /// What of it is to be fetched, where that is not all. To look at what is there, it does not count.
    pub selection: Option<&'a Selection>,
}

/// When the disk's room is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Allocation {
    /// As pieces arrive. What was not downloaded takes no room where the file system can leave it
    /// out.
    #[default]
    Sparse,
    /// All of it before the download.
    Full,
}

/// What the user may choose.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// When the disk's room is taken.
    pub allocate: Allocation,
    /// Existing files that are not what the torrent holds are replaced.
    pub overwrite: bool,
    /// How many files may be open at once, at least one. A few more are open for moments.
    pub open_files: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { allocate: Allocation::Sparse, overwrite: false, open_files: 32 }
    }
}

/// The payload of one torrent on the disk. Dropped before [`Storage::finish`], it leaves all that is
/// verified, and the marker by which the next run knows it.
pub struct Storage {
    files: PayloadFiles,
    marker: Marker,
    /// The marker stands beside the download.
    marked: bool,
    /// What it remembers.
    guards: Guards,
    /// The marker was not there before this run.
    newly_marked: bool,
    shortage: Option<Shortage>,
    /// Folders above the output folder that got a new one.
    parents: Vec<PathBuf>,
}

impl Storage {
    /// Opens the payload below the folder `root`, which is created where it does not exist, and
    /// says which pieces are there already; of a selection, which of its pieces.
    ///
    /// `watch` hears of the check of what is there, and may stop it.
    ///
    /// # Errors
    ///
    /// [`StorageError::Exists`] where a file has the right name and foreign content,
    /// [`StorageError::NoRoom`] where all room is to be taken and there is not enough,
    /// [`StorageError::Busy`] where another run is at it, and what the system refuses. Nothing is
    /// changed in these cases, but that the folder and the marker may have been created.
    pub fn open(
        root: &Path,
        payload: &Payload<'_>,
        options: Options,
        watch: &Watch<'_>,
    ) -> Result<(Storage, Bitfield), StorageError> {
        let mut layout = Layout::new(payload.files, payload.geometry).ok_or(StorageError::Layout)?;
        layout.select(payload.selection.cloned());
        // A payload that could write a marker could claim the files of another download.
        if let Some(entry) = layout.entries().iter().find(|entry| Marker::is_marker(&entry.path)) {
            let source = io::Error::other("the name is kept for unfinished downloads");
            return Err(StorageError::Create { path: root.join(&entry.path), source });
        }
        let mut marker = Marker::new(payload.name, payload.info_hash);
        let mut found = vec![None; layout.entries().len()];
        let none = || Bitfield::none(payload.geometry.piece_count());
        let mut checked = Checked { good: none(), bad: none() };
        let mut own = None;

        let existing = RootFolder::open(root).map_err(|error| refused(root, error))?;
        if let Some(folder) = &existing {
            own = marker.read(folder, layout.entries().len())?;
            found = check::survey(folder, &layout)?;
            checked = check::check(folder, &layout, &found, payload.digests, options.open_files, watch)?;
        }
        let wanted = layout.wanted().map_or(payload.geometry.piece_count(), Bitfield::count);
        let complete = checked.good.count() == wanted;
        let guards = if options.overwrite {
            Guards::new()
        } else {
            let foreign = match &own {
                Some(guards) => claim::kept_and_too_long(&layout, guards),
                None => claim::foreign(&layout, &found, &checked),
            };
            // What is not selected and shares no piece with what is, is left as it is.
            let touched = |number: &usize| layout.is_selected(*number) || layout.bytes_written(*number) > 0;
            let foreign: Vec<usize> = foreign.into_iter().filter(touched).collect();
            if !foreign.is_empty() {
                let name =
                    |number| layout.entry(number).map(|entry| root.join(&entry.path)).unwrap_or_default();
                return Err(StorageError::exists(foreign.into_iter().map(name)));
            }
            match &own {
                Some(guards) => claim::still_there(guards, &found),
                None => claim::guards(&layout, &found, &checked),
            }
        };
        if let Some((one, other)) = claim::shared(&found).filter(|_| !complete) {
            let path = |number| layout.entry(number).map(|entry| root.join(&entry.path)).unwrap_or_default();
            return Err(StorageError::Shared { one: path(one), other: path(other) });
        }
        let shortage = space::shortage(root, &layout, &found).filter(|_| !complete);
        if let (Allocation::Full, Some(shortage)) = (options.allocate, shortage) {
            return Err(StorageError::NoRoom { path: root.to_owned(), shortage });
        }

        let (folder, parents) = match existing {
            Some(folder) => (folder, Vec::new()),
            None => create(root)?,
        };
        if !complete && own.as_ref() != Some(&guards) {
            marker.write(&folder, &guards)?;
        }
        let (folder, layout) = (Arc::new(folder), Arc::new(layout));
        let (good, open_files) = (checked.good.clone(), options.open_files);
        let served_pieces =
            ServedPieces::new(Arc::clone(&folder), Arc::clone(&layout), &found, good, open_files);
        let mut storage = Storage {
            files: PayloadFiles::new(
                folder,
                layout,
                &found,
                guards.clone(),
                own.is_some(),
                Arc::new(served_pieces),
                open_files,
            ),
            marker,
            guards,
            marked: !complete || own.is_some(),
            newly_marked: !complete && own.is_none(),
            shortage,
            parents,
        };
        if options.allocate == Allocation::Full && !complete {
            storage.files.allocate(&|| watch(0, 0))?;
        }
        Ok((storage, checked.good))
    }

    /// Writes a piece, which must be verified.
    ///
    /// # Errors
    ///
    /// What the system refuses; [`StorageError::Vanished`] where a file that was written before is
    /// gone; [`StorageError::Exists`] where bytes that were there before us differ. What other pieces
    /// wrote stays.
    pub fn write(&mut self, piece: PieceIndex, bytes: &[u8]) -> Result<(), StorageError> {
        let slices: Vec<_> = self.files.layout().slices(piece).collect();
        let mut rest = bytes;
        for slice in slices {
            let length = usize::try_from(slice.length).map_err(|_| StorageError::Layout)?;
            let (part, later) = rest.split_at_checked(length).ok_or(StorageError::Layout)?;
            rest = later;
            if !slice.padding {
                self.files.write(&slice, part)?;
            }
        }
        if !rest.is_empty() {
            return Err(StorageError::Layout);
        }
        self.files.served_pieces().offer(piece);
        Ok(())
    }

    /// What is on the disk, for those who send it to others. It outlives the storage.
    pub fn served_pieces(&self) -> Arc<ServedPieces> {
        Arc::clone(self.files.served_pieces())
    }

    /// Ends a download whose every piece is on the disk: gives the files their form, brings them to
    /// the disk and removes the marker. Success may be reported after this and not before.
    ///
    /// Of a selection, every piece of it: the marker stays, because there are files with nothing but the
    /// bytes of a shared piece, and remembers from now on which files are complete and the user's own.
    ///
    /// Where everything was there and ours to begin with, nothing is changed.
    ///
    /// # Errors
    ///
    /// [`StorageError::Vanished`] where a file is not where it belongs, or what the system refuses.
    pub fn finish(&mut self) -> Result<(), StorageError> {
        self.files.finish()?;
        for path in self.parents.drain(..) {
            // The folder above may be one that we may not open; the payload itself is safe.
            let _ = std::fs::File::open(path).and_then(|folder| folder.sync_all());
        }
        let layout = self.files.layout();
        if self.marked && layout.wanted().is_some() {
            let complete = layout
                .entries()
                .iter()
                .enumerate()
                .filter(|(number, entry)| entry.has_data() && layout.is_selected(*number));
            let mut guards = self.guards.clone();
            guards.extend(complete.map(|(number, entry)| (number, entry.length)));
            self.marked = false;
            if guards != self.guards {
                self.marker.write(self.files.folder(), &guards)?;
            }
        } else if std::mem::take(&mut self.marked) {
            // Not synced: should a power failure bring it back, the next run finds all pieces and
            // removes it again.
            self.marker.remove(self.files.folder())?;
        }
        Ok(())
    }

    /// What the rest of the payload needs and the file system does not have, as it was at the start.
    /// A reason to warn, not to give up: room may be made in time.
    pub fn shortage(&self) -> Option<Shortage> {
        self.shortage
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        // A run that wrote nothing leaves nothing.
        if self.marked && self.newly_marked && self.files.are_untouched() {
            let _ = self.marker.remove(self.files.folder());
        }
    }
}

/// Creates the output folder. Also returns the folders that got a new one.
fn create(root: &Path) -> Result<(RootFolder, Vec<PathBuf>), StorageError> {
    let new = root.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists());
    let parents = new.filter_map(Path::parent);
    let parents = parents
        .map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path }.to_owned())
        .collect();
    let failed = |error| StorageError::from_io(Action::Create, root.to_owned(), error);
    std::fs::create_dir_all(root).map_err(failed)?;
    match RootFolder::open(root).map_err(|error| refused(root, error))? {
        Some(folder) => Ok((folder, parents)),
        None => Err(StorageError::Vanished { path: root.to_owned() }),
    }
}

/// The error for an output folder that cannot be entered: what is no folder is in the way of one.
fn refused(root: &Path, error: io::Error) -> StorageError {
    let no_folder = error.kind() == io::ErrorKind::NotADirectory;
    StorageError::from_io(if no_folder { Action::Create } else { Action::Open }, root.to_owned(), error)
}
