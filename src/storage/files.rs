//! The files of one download while it runs: written through the pool, checked and synced at the end.
//!
//! Runs on the writer thread. It expects to find what it wrote earlier. If a file is missing, shorter or a
//! different one when the writer opens it again, the run ends: a new empty file in that place would hide the
//! loss.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::claim::Guards;
use super::error::{Action, StorageError};
use super::file_pool::FilePool;
use super::folder::{Access, FileStat, RootFolder};
use super::layout::{FileEntry, Layout, Slice};
use super::naming;
use super::patience::patiently;
use super::served_pieces::ServedPieces;
use super::space;
use super::survey;

/// How often a write makes sure that the file is still where the user expects it. If the folder is removed
/// during a download, we should notice at once and not after hours of writing to files without a name.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// From this number of files on, the whole file system is synced first, and then each file. To sync a single
/// file takes a turn of the disk, so ten thousand of them take minutes; a file that is synced already takes
/// little time.
const MANY_FILES: usize = 64;

/// The files of one download.
pub(super) struct PayloadFiles {
    folder: Arc<RootFolder>,
    layout: Arc<Layout>,
    states: Vec<FileOnDisk>,
    pool: FilePool,
    served_pieces: Arc<ServedPieces>,
    guards: Guards,
    last_check: Instant,
}

/// What we know of a file on the disk.
#[derive(Clone, Copy, Default)]
struct FileOnDisk {
    /// How many bytes it has at least. `None` if it does not exist.
    length: Option<u64>,
    /// Its bytes may not be on the disk yet.
    unsynced: bool,
    /// Its name may not be on the disk yet.
    unnamed: bool,
}

impl PayloadFiles {
    /// The files as they were found. Those of an unfinished run (`unsynced`) may not be safe on the disk yet.
    pub fn new(
        served_pieces: Arc<ServedPieces>,
        found: &[Option<FileStat>],
        guards: Guards,
        unsynced: bool,
        open_files: usize,
    ) -> PayloadFiles {
        let state = |found: &Option<FileStat>| FileOnDisk {
            length: found.map(|found| found.length),
            unsynced: unsynced && found.is_some(),
            unnamed: unsynced && found.is_some(),
        };
        let states = found.iter().map(state).collect();
        let pool = FilePool::new(open_files);
        let (folder, layout) = (Arc::clone(served_pieces.folder()), Arc::clone(served_pieces.layout()));
        PayloadFiles { folder, layout, states, pool, served_pieces, guards, last_check: Instant::now() }
    }

    /// The folder that they are in.
    pub fn folder(&self) -> &RootFolder {
        &self.folder
    }

    /// Where the bytes of the payload belong.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The pieces in them that may be sent to peers.
    pub fn served_pieces(&self) -> &Arc<ServedPieces> {
        &self.served_pieces
    }

    /// Whether nothing was written or created.
    pub fn are_untouched(&self) -> bool {
        !self.states.iter().any(|state| state.unsynced || state.unnamed)
    }

    /// Writes the part of a verified piece that belongs to one file.
    pub fn write(&mut self, slice: &Slice, bytes: &[u8]) -> Result<(), StorageError> {
        let guarded = self.guards.get(&slice.file).map_or(0, |guard| guard.saturating_sub(slice.offset));
        let guarded = usize::try_from(guarded).unwrap_or(bytes.len()).min(bytes.len());
        let file = self.open(slice.file)?;
        if let Some(ours) = bytes.get(..guarded).filter(|ours| !ours.is_empty()) {
            let mut theirs = vec![0; ours.len()];
            let read = file.read_exact_at(&mut theirs, slice.offset);
            read.map_err(|error| self.failed(Action::Read, slice.file, error))?;
            if ours != theirs {
                return Err(StorageError::exists([self.path(slice.file)].into_iter()));
            }
        }
        self.served_pieces.writing(slice.file, &file);
        let written = file.write_all_at(bytes, slice.offset);
        self.served_pieces.written(slice.file, &file);
        if let Some(state) = self.states.get_mut(slice.file) {
            state.unsynced = true;
        }
        written.map_err(|error| self.failed(Action::Write, slice.file, error))?;
        self.grown(slice.file, slice.offset.saturating_add(slice.length));
        if self.last_check.elapsed() >= CHECK_INTERVAL {
            self.last_check = Instant::now();
            self.check_in_place(slice.file)?;
        }
        Ok(())
    }

    /// Takes the room on the disk for all selected files.
    pub fn allocate(&mut self, keep_going: &dyn Fn() -> bool) -> Result<(), StorageError> {
        for number in 0..self.states.len() {
            let entry = self.layout.entry(number).filter(|entry| entry.has_data());
            let Some(length) = entry.filter(|_| self.layout.is_selected(number)).map(|entry| entry.length)
            else {
                continue;
            };
            if !keep_going() {
                return Err(StorageError::Cancelled);
            }
            let file = self.open(number)?;
            self.served_pieces.writing(number, &file);
            let allocated = space::allocate(&file, length, keep_going);
            self.served_pieces.written(number, &file);
            if let Some(state) = self.states.get_mut(number) {
                state.unsynced = true;
            }
            match allocated {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    return Err(StorageError::Cancelled);
                }
                result => result.map_err(|error| self.failed(Action::Allocate, number, error))?,
            }
            self.grown(number, length);
        }
        Ok(())
    }

    /// Makes sure that every file is there and has its length, and syncs all that was written to the disk.
    /// Empty files are created, and files that are too long are cut. A file that is not selected keeps the
    /// length that the pieces it shares have given it.
    ///
    /// # Errors
    ///
    /// [`StorageError::Vanished`] if something that we wrote is not where it belongs.
    pub fn finish(&mut self) -> Result<(), StorageError> {
        self.check_folder()?;
        let found = survey::find_files(&self.folder, &self.layout)?;
        if self.states.iter().filter(|state| state.unsynced).count() >= MANY_FILES {
            self.folder.sync_all();
        }
        for (number, found) in found.iter().enumerate() {
            self.finish_file(number, found.map(|found| found.length))?;
        }
        self.sync_folders()?;
        self.check_folder()
    }

    fn finish_file(&mut self, number: usize, found: Option<u64>) -> Result<(), StorageError> {
        let Some(&FileEntry { length, padding: false, .. }) = self.layout.entry(number) else {
            return Ok(());
        };
        let selected = self.layout.is_selected(number);
        let state = self.states.get(number).copied().unwrap_or_default();
        match found {
            _ if !selected && (!state.unsynced || self.layout.bytes_written(number) == 0) => return Ok(()),
            Some(found) if !selected && Some(found) >= state.length => {}
            None if length == 0 && self.states.get(number).is_some_and(|state| state.length.is_none()) => {
                self.open(number)?;
            }
            Some(found) if found > length => {
                let file = self.open(number)?;
                self.served_pieces.writing(number, &file);
                let cut = file.set_len(length);
                self.served_pieces.written(number, &file);
                cut.map_err(|error| self.failed(Action::Truncate, number, error))?;
                if let Some(state) = self.states.get_mut(number) {
                    *state = FileOnDisk { length: Some(length), unsynced: true, ..*state };
                }
            }
            Some(found) if found == length => {}
            _ => return Err(StorageError::Vanished { path: self.path(number) }),
        }
        if self.states.get(number).is_some_and(|state| state.unsynced) {
            let synced = self.open(number)?.sync_all();
            synced.map_err(|error| self.failed(Action::Sync, number, error))?;
            self.check_in_place(number)?;
            if let Some(state) = self.states.get_mut(number) {
                state.unsynced = false;
            }
        }
        Ok(())
    }

    /// Syncs the names of new files, and of the folders created for them, to the disk.
    fn sync_folders(&mut self) -> Result<(), StorageError> {
        let mut folders = BTreeSet::new();
        for (entry, state) in self.layout.entries().iter().zip(&mut self.states) {
            if std::mem::take(&mut state.unnamed) {
                // If a folder is in the set, so are all above it.
                let parents = entry.path.ancestors().skip(1);
                parents.map_while(|parent| folders.insert(parent).then_some(())).for_each(drop);
            }
        }
        for path in folders {
            let synced = self.folder.sync(path);
            synced.map_err(|error| StorageError::from_io(Action::Sync, self.folder.join(path), error))?;
        }
        Ok(())
    }

    /// The open file. It is created if it does not exist and never did.
    fn open(&mut self, number: usize) -> Result<Arc<File>, StorageError> {
        let (Some(entry), Some(state)) = (self.layout.entry(number), self.states.get_mut(number)) else {
            return Err(StorageError::Layout);
        };
        let (folder, known, pool) = (&self.folder, state.length, &mut self.pool);
        let open = || match known {
            None => naming::create(folder, &entry.path),
            Some(length) => {
                let file = folder.open_file(&entry.path, Access::Write)?;
                // What we wrote is no longer in it, so it counts as gone.
                if file.metadata()?.len() < length { Err(io::ErrorKind::NotFound.into()) } else { Ok(file) }
            }
        };
        let opened = patiently(|| pool.get(number, open).map(Arc::clone));
        if opened.is_ok() && known.is_none() {
            *state = FileOnDisk { length: Some(0), unsynced: true, unnamed: true };
        }
        opened.map_err(|error| {
            let path = folder.join(&entry.path);
            match (known, error.kind()) {
                (None, io::ErrorKind::AlreadyExists) => StorageError::exists([path].into_iter()),
                (None, io::ErrorKind::NotFound) => StorageError::Vanished { path: folder.path().to_owned() },
                (None, _) => StorageError::from_io(Action::Create, path, error),
                (Some(_), io::ErrorKind::NotFound) => StorageError::Vanished { path },
                (Some(_), _) => StorageError::from_io(Action::Open, path, error),
            }
        })
    }

    /// Notes that the file has at least `length` bytes.
    fn grown(&mut self, number: usize, length: u64) {
        if let Some(state) = self.states.get_mut(number) {
            state.length = state.length.max(Some(length));
        }
    }

    /// Makes sure that the folder, and the file if it is open, are still under their paths.
    fn check_in_place(&self, number: usize) -> Result<(), StorageError> {
        self.check_folder()?;
        match (self.layout.entry(number), self.pool.peek(number)) {
            (Some(entry), Some(file)) if !self.folder.holds(&entry.path, file) => {
                Err(StorageError::Vanished { path: self.path(number) })
            }
            _ => Ok(()),
        }
    }

    fn check_folder(&self) -> Result<(), StorageError> {
        let path = || self.folder.path().to_owned();
        if self.folder.is_in_place() { Ok(()) } else { Err(StorageError::Vanished { path: path() }) }
    }

    fn path(&self, number: usize) -> PathBuf {
        self.folder.join(self.layout.entry(number).map_or(Path::new(""), |entry| &*entry.path))
    }

    fn failed(&self, action: Action, number: usize, error: io::Error) -> StorageError {
        StorageError::from_io(action, self.path(number), error)
    }
}
