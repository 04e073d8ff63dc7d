//! The files of one download while it runs: written through the pool, checked and synced at the end.
//!
//! Runs on the writer thread. It expects to find what it wrote earlier. If a file is missing or a different
//! one when the writer opens it again, the run ends: a new empty file in that place would hide the loss. If
//! another program has written to it or has cut it (see `served_pieces`), the run goes on, and what is wrong
//! is found and written again before the download is called done.

mod finish;
mod whole;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::calls;
use super::error::{Action, StorageError};
use super::file_pool::FilePool;
use super::folder::{Access, FileStat, RootFolder};
use super::guards::Guards;
use super::hard_links;
use super::layout::{Layout, Slice};
use super::naming;
use super::patience::patiently;
use super::served_pieces::{Change, ServedPieces};
use super::space;
use super::{Existing, Options};

/// How often a write makes sure that the file is still where the user expects it. If the folder is removed
/// during a download, we should notice at once and not after hours of writing to files without a name.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The files of one download.
pub(super) struct PayloadFiles {
    folder: Arc<RootFolder>,
    layout: Arc<Layout>,
    states: Vec<FileOnDisk>,
    pool: FilePool,
    served_pieces: Arc<ServedPieces>,
    guards: Guards,
    last_check: Instant,
    /// The files that were written, as we left them, until somebody asks.
    written: Vec<(usize, FileStat)>,
    options: Options,
    untouched: bool,
    /// How often pieces had to be written again that were spoiled.
    repairs: u32,
    /// How many pieces each file lacks that has another name until it is whole.
    lacking: Vec<u32>,
}

/// What we know of a file on the disk.
#[derive(Clone, Copy, Default)]
struct FileOnDisk {
    /// How many bytes it has at least. `None` if it does not exist.
    length: Option<u64>,
    /// It had no other name when we began to write to it.
    only_name: bool,
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
        options: &Options,
    ) -> PayloadFiles {
        let state = |found: &Option<FileStat>| FileOnDisk {
            length: found.map(|found| found.length),
            only_name: found.is_none(),
            unsynced: unsynced && found.is_some(),
            unnamed: unsynced && found.is_some(),
        };
        let states = found.iter().map(state).collect();
        let pool = FilePool::new(options.open_files);
        let (folder, layout) = (Arc::clone(served_pieces.folder()), Arc::clone(served_pieces.layout()));
        PayloadFiles {
            folder,
            layout,
            states,
            pool,
            served_pieces,
            guards,
            last_check: Instant::now(),
            written: Vec::new(),
            options: *options,
            untouched: !unsynced,
            repairs: 0,
            lacking: Vec::new(),
        }
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

    /// Whether nothing was written or created, in this run or in an unfinished one before it.
    pub fn are_untouched(&self) -> bool {
        self.untouched
    }

    /// Writes the part of a verified piece that belongs to one file.
    pub fn write(&mut self, slice: &Slice, bytes: &[u8]) -> Result<(), StorageError> {
        let guarded = self.compare(slice, bytes)?;
        let mut file = self.open(slice.file)?;
        // What is there already is not written again.
        let (bytes, offset) = (bytes.get(guarded..).unwrap_or_default(), slice.offset + guarded as u64);
        if bytes.is_empty() {
            return Ok(());
        }
        file = self.writing(slice.file, file)?;
        let written = calls::write_all_at(&file, bytes, offset);
        self.note_written(slice.file, &file);
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

    /// Compares the part of a verified piece with what was there before us. Returns how many bytes at its start are
    /// there already. Nothing is written.
    ///
    /// # Errors
    ///
    /// [`StorageError::Guarded`] if other bytes are there, and what the system refuses.
    pub fn compare(&mut self, slice: &Slice, bytes: &[u8]) -> Result<usize, StorageError> {
        let guarded = self.guards.get(&slice.file).map_or(0, |guard| guard.saturating_sub(slice.offset));
        let guarded = usize::try_from(guarded).unwrap_or(bytes.len()).min(bytes.len());
        let Some(ours) = bytes.get(..guarded).filter(|ours| !ours.is_empty()) else { return Ok(0) };
        let file = self.open(slice.file)?;
        let mut theirs = vec![0; ours.len()];
        let read = calls::read_exact_at(&file, &mut theirs, slice.offset);
        read.map_err(|error| self.failed(Action::Read, slice.file, error))?;
        if ours == theirs {
            return Ok(guarded);
        }
        // There is nothing to lose in zeros.
        if theirs.iter().all(|byte| *byte == 0) {
            return Ok(0);
        }
        let may_continue = self.layout.pieces_in(slice.file).any(|piece| self.served_pieces.offers(piece));
        Err(StorageError::Guarded { path: self.path(slice.file), may_continue })
    }

    /// The files that were written since this was asked, as we left them.
    pub fn take_written(&mut self) -> std::vec::Drain<'_, (usize, FileStat)> {
        self.written.drain(..)
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
            let file = self.writing(number, file)?;
            let allocated = space::allocate(&file, length, keep_going);
            self.note_written(number, &file);
            if let Some(state) = self.states.get_mut(number) {
                state.unsynced = true;
            }
            if !allocated.map_err(|error| self.failed(Action::Allocate, number, error))? {
                return Err(StorageError::Cancelled);
            }
            self.grown(number, length);
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
            Some(_) => folder.open_file(&entry.path, Access::Write),
        };
        let opened = patiently(|| pool.get(number, open).map(Arc::clone));
        if opened.is_ok() && known.is_none() {
            *state = FileOnDisk { length: Some(0), only_name: true, unsynced: true, unnamed: true };
            self.untouched = false;
        }
        opened.map_err(|error| {
            let path = folder.join(&entry.path);
            match (known, error.kind()) {
                (None, io::ErrorKind::AlreadyExists) => StorageError::Appeared { path },
                (None, io::ErrorKind::NotFound) => StorageError::Vanished { path: folder.path().to_owned() },
                (None, _) => StorageError::from_io(Action::Create, path, error),
                (Some(_), io::ErrorKind::NotFound) => StorageError::Vanished { path },
                (Some(_), _) => StorageError::from_io(Action::Open, path, error),
            }
        })
    }

    /// Closes the files that were not written to since the last call.
    pub fn close_idle(&mut self) {
        self.pool.close_idle();
    }

    /// Whether a file is open.
    pub fn has_open(&self) -> bool {
        !self.pool.is_empty()
    }

    fn note_written(&mut self, number: usize, file: &File) {
        let stat = self.served_pieces.written(number, file);
        self.written.extend(stat.map(|stat| (number, stat)));
    }

    /// A write to the open file begins; returns the one to write to. Another file under its name is not ours to
    /// write to, nor is one that has another name.
    fn writing(&mut self, number: usize, file: Arc<File>) -> Result<Arc<File>, StorageError> {
        self.untouched = false;
        if self.served_pieces.writing(number, &file) == Change::Replaced {
            return Err(StorageError::Vanished { path: self.path(number) });
        }
        let (Some(entry), Some(state)) = (self.layout.entry(number), self.states.get_mut(number)) else {
            return Err(StorageError::Layout);
        };
        if state.only_name {
            return Ok(file);
        }
        let links = RootFolder::file_stat(&file).map(|stat| stat.links);
        let alone = match links {
            Ok(0 | 1) => Ok(file),
            Ok(_) if self.options.existing != Existing::Overwrite => {
                return Err(StorageError::Linked { path: self.path(number) });
            }
            Ok(_) => {
                state.unnamed = true;
                self.pool.close(number);
                let copy = hard_links::replace_by_copy(&self.folder, &entry.path, &file);
                self.served_pieces.replaced(number);
                copy.and_then(|copy| self.pool.hold(number, copy))
            }
            Err(error) => Err(error),
        };
        state.only_name = alone.is_ok();
        alone.map_err(|error| self.failed(Action::Write, number, error))
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
        let (Some(entry), Some(file)) = (self.layout.entry(number), self.pool.peek(number)) else {
            return Ok(());
        };
        match self.folder.holds(&entry.path, file) {
            Ok(true) => Ok(()),
            Ok(false) => Err(StorageError::Vanished { path: self.path(number) }),
            Err(error) => Err(self.failed(Action::Open, number, error)),
        }
    }

    fn check_folder(&self) -> Result<(), StorageError> {
        let path = self.folder.path().to_owned();
        match self.folder.is_in_place() {
            Ok(true) => Ok(()),
            Ok(false) => Err(StorageError::Vanished { path }),
            Err(error) => Err(StorageError::from_io(Action::Open, path, error)),
        }
    }

    fn path(&self, number: usize) -> PathBuf {
        self.folder.join(self.layout.entry(number).map_or(Path::new(""), |entry| &*entry.path))
    }

    fn failed(&self, action: Action, number: usize, error: io::Error) -> StorageError {
        StorageError::from_io(action, self.path(number), error)
    }
}
