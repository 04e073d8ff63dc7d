//! The pieces that are on the disk, for those who send them to others.
//!
//! Shared by all outboxes, which look up where a block lies and read it themselves; a lock here is
//! held for a look at a table, or for opening a file, and never for a read. A piece is offered from the
//! moment that it was written or verified, and as long as its files are what they were then: somebody
//! who changes a file that is being seeded must not make us a liar. So each file has a stamp, its length
//! and the time of its last change, and a file whose stamp is another is offered no more.
//!
//! While a download runs, its own writer changes the files too. It takes the stamp away before it
//! writes and sets the new one after; a file without a stamp is in good hands.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use log::warn;

use super::Payload;
use super::check;
use super::error::{Action, StorageError};
use super::file_pool::{Pool, too_many};
use super::folder::{Access, FileStat, RootFolder};
use super::hashing::Watch;
use super::layout::{Layout, Slice};
use crate::piece::{Bitfield, PieceIndex};

/// Files that are held open for one block, of each outbox. What lies in more is read first.
const MAX_PARTS: usize = 4;
/// Bytes that a disk is asked to read ahead.
const AHEAD: u32 = 2 * 1024 * 1024;
/// How long a look at a file is good for. A look costs as much as a tenth of sending a block.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// The pieces of one torrent that may be sent.
pub struct ServedPieces {
    folder: Arc<RootFolder>,
    layout: Arc<Layout>,
    offered: Mutex<Bitfield>,
    /// By file; `None` where it does not exist or our own writer is at it.
    stamps: Mutex<Vec<Option<Known>>>,
    pool: Mutex<Pool>,
}

/// By what a change of a file is noticed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: (u64, u64),
}

/// What a file was, and when we looked.
#[derive(Clone, Copy)]
struct Known {
    stamp: Stamp,
    looked: Instant,
}

/// Where some bytes of a piece are.
pub enum BlockPart {
    /// In a file, from this offset on, so many bytes.
    File(Arc<File>, u64, u64),
    /// Here: read from files of which there are too many to hold them all open.
    Bytes(Vec<u8>),
    /// Nowhere: so many zeros of padding.
    Zeros(u64),
}

impl ServedPieces {
    /// What is there of a payload below the folder `root`, found by checking it. Nothing is written.
    ///
    /// # Errors
    ///
    /// What the system refuses, and [`StorageError::Cancelled`] where `watch` says so.
    pub fn open(
        root: &Path,
        payload: &Payload<'_>,
        open_files: usize,
        watch: &Watch<'_>,
    ) -> Result<ServedPieces, StorageError> {
        let layout = Layout::new(payload.files, payload.geometry).ok_or(StorageError::Layout)?;
        let failed = |error| StorageError::from_io(Action::Open, root.to_owned(), error);
        let missing =
            || failed(io::Error::new(io::ErrorKind::NotFound, "no such folder (name another with -d)"));
        let folder = RootFolder::open(root).map_err(failed)?.ok_or_else(missing)?;
        let found = check::survey(&folder, &layout)?;
        let checked = check::check(&folder, &layout, &found, payload.digests, open_files, watch)?;
        Ok(ServedPieces::new(Arc::new(folder), Arc::new(layout), &found, checked.good, open_files))
    }

    /// A served_pieces of the pieces that verified in the files as they were `found` before.
    pub(super) fn new(
        folder: Arc<RootFolder>,
        layout: Arc<Layout>,
        found: &[Option<FileStat>],
        good: Bitfield,
        open_files: usize,
    ) -> ServedPieces {
        let stamps = found.iter().map(|found| found.map(|found| Known::now(&found))).collect();
        ServedPieces {
            folder,
            layout,
            offered: Mutex::new(good),
            stamps: Mutex::new(stamps),
            pool: Mutex::new(Pool::new(open_files)),
        }
    }

    /// The pieces that may be sent now.
    pub fn offered(&self) -> Bitfield {
        lock(&self.offered).clone()
    }

    /// Whether this piece may be sent now.
    pub fn offers(&self, piece: PieceIndex) -> bool {
        lock(&self.offered).has(piece)
    }

    /// Finds `length` bytes of a piece, from `begin` on, and puts where they are into `parts`. False
    /// where they cannot be sent, now or any more.
    pub fn find(&self, piece: PieceIndex, begin: u32, length: u32, parts: &mut Vec<BlockPart>) -> bool {
        parts.clear();
        let slices = || self.layout.slices_of(piece, begin, length);
        if !self.offers(piece) {
            return false;
        }
        if slices().nth(MAX_PARTS).is_some() {
            let bytes = self.read(piece, slices(), length);
            parts.extend(bytes.map(BlockPart::Bytes));
            return !parts.is_empty();
        }
        for slice in slices() {
            let part = match slice.padding {
                true => Some(BlockPart::Zeros(slice.length)),
                false => self.file(slice.file).map(|file| BlockPart::File(file, slice.offset, slice.length)),
            };
            let Some(part) = part else {
                // Open files are few.
                parts.clear();
                return false;
            };
            parts.push(part);
        }
        true
    }

    /// Reads what lies in many files, one after the other.
    fn read(&self, piece: PieceIndex, slices: impl Iterator<Item = Slice>, length: u32) -> Option<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        let mut rest = bytes.as_mut_slice();
        for slice in slices {
            let (part, later) = rest.split_at_mut_checked(usize::try_from(slice.length).ok()?)?;
            rest = later;
            if !slice.padding {
                let read = self.file(slice.file)?.read_exact_at(part, slice.offset);
                read.inspect_err(|error| self.unreadable(piece, error)).ok()?;
            }
        }
        Some(bytes)
    }

    /// Tells the system that the piece will be read from `begin` on, so that a disk reads it in one go. A
    /// hint, and of no more than 2 MiB in few files.
    pub fn read_ahead(&self, piece: PieceIndex, begin: u32) {
        let left = self.layout.geometry().length(piece).saturating_sub(begin).min(AHEAD);
        let slices = self.layout.slices_of(piece, begin, left).take(MAX_PARTS);
        for slice in slices.filter(|slice| !slice.padding) {
            let Some(file) = self.file(slice.file) else { return };
            advise(&file, slice.offset, slice.length);
        }
    }

    /// The piece was there and cannot be read: it is offered no more.
    pub fn unreadable(&self, piece: PieceIndex, error: &io::Error) {
        if lock(&self.offered).remove(piece) {
            let slice = self.layout.slices(piece).find(|slice| !slice.padding);
            let entry = slice.and_then(|slice| self.layout.entry(slice.file));
            let path = entry.map(|entry| self.folder.join(&entry.path)).unwrap_or_default();
            warn!(
                "piece {} in {} cannot be read and is not sent any more: {error}",
                piece.get(),
                path.display()
            );
        }
    }

    /// The file, if it is what it was when its pieces verified.
    fn file(&self, number: usize) -> Option<Arc<File>> {
        let entry = self.layout.entry(number)?;
        let opened = lock(&self.pool)
            .get(number, || self.folder.open_file(&entry.path, Access::Read))
            .map(Arc::clone)
            .and_then(|file| self.is_as_known(number, &file).map(|as_known| (file, as_known)));
        match opened {
            Ok((file, true)) => Some(file),
            Ok((_, false)) => {
                self.withdraw(number, "it changed on disk");
                None
            }
            // The next attempt may be luckier.
            Err(error) if too_many(&error) => None,
            Err(error) => {
                self.withdraw(number, &error.to_string());
                None
            }
        }
    }

    fn is_as_known(&self, number: usize, file: &File) -> io::Result<bool> {
        let known = |stamps: &[Option<Known>]| stamps.get(number).copied().flatten();
        let Some(before) = known(&lock(&self.stamps)) else { return Ok(true) };
        if before.looked.elapsed() < LOOK_INTERVAL {
            return Ok(true);
        }
        let now = Known::now(&RootFolder::look_at(file)?);
        let mut stamps = lock(&self.stamps);
        // Where the stamp is another by now, our own writer was at the file between the two looks.
        if known(&stamps).is_none_or(|known| known.stamp != before.stamp) {
            return Ok(true);
        }
        let as_known = now.stamp == before.stamp;
        if let Some(slot) = stamps.get_mut(number).filter(|_| as_known) {
            *slot = Some(now);
        }
        Ok(as_known)
    }

    /// The writer begins to write into a file. What it did not write itself since the last time
    /// makes the file's other pieces doubtful.
    pub(super) fn writing(&self, number: usize, file: &File) {
        let known = lock(&self.stamps).get_mut(number).and_then(Option::take);
        if let (Some(known), Ok(found)) = (known, RootFolder::look_at(file))
            && Stamp::of(&found) != known.stamp
        {
            self.withdraw(number, "it changed on disk");
        }
    }

    /// The writer has written into a file.
    pub(super) fn written(&self, number: usize, file: &File) {
        let known = RootFolder::look_at(file).ok().map(|found| Known::now(&found));
        if let Some(slot) = lock(&self.stamps).get_mut(number) {
            *slot = known;
        }
    }

    /// The whole piece was written.
    pub(super) fn offer(&self, piece: PieceIndex) {
        lock(&self.offered).insert(piece);
    }

    /// Nothing of a file is offered any more.
    fn withdraw(&self, number: usize, why: &str) {
        let Some(entry) = self.layout.entry(number) else { return };
        let mut offered = lock(&self.offered);
        let withdrawn = self.layout.pieces(entry.range()).filter(|piece| offered.remove(*piece)).count();
        drop(offered);
        if withdrawn > 0 {
            let path = self.folder.join(&entry.path);
            warn!("{}: {why}; its {withdrawn} pieces are not sent any more", path.display());
        }
    }
}

impl Stamp {
    fn of(found: &FileStat) -> Stamp {
        Stamp { length: found.length, modified: found.modified }
    }
}

impl Known {
    fn now(found: &FileStat) -> Known {
        Known { stamp: Stamp::of(found), looked: Instant::now() }
    }
}

fn lock<Value>(mutex: &Mutex<Value>) -> MutexGuard<'_, Value> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn advise(file: &File, offset: u64, length: u64) {
    let _ = rustix::fs::fadvise(file, offset, length.try_into().ok(), rustix::fs::Advice::WillNeed);
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn advise(_: &File, _: u64, _: u64) {}
