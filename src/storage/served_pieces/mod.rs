//! The pieces that are on the disk, for the threads that send them to peers.
//!
//! Shared by all outboxes. They look up here where a block lies, and read it themselves: a lock is held
//! while a table is read or a file is opened, and never for a read. A piece is offered from the moment that
//! it was written or verified, for as long as its files stay what they were then. If another program
//! changes a file that is being seeded, we must not send wrong data.
//!
//! Three small types do the work: `offered` is the set of pieces, `stamps` notices changed files, and
//! `open_files` is the pool of files that are open for reading.

mod offered;
mod open_files;
mod stamps;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use log::warn;

use super::Payload;
use super::error::{Action, StorageError};
use super::folder::{FileStat, RootFolder};
use super::hashing::Watch;
use super::layout::{Layout, Slice};
use super::naming;
use super::survey::Survey;
use crate::net::too_many_files;
use crate::piece::{Bitfield, PieceIndex};
use crate::thread::lock;
use offered::OfferedPieces;
use open_files::OpenFiles;
use stamps::FileStamps;

/// Files that each outbox holds open for one block. A block that lies in more files is read at once, one file
/// after the other: many small files must not use up all that may be open.
const MAX_PARTS: usize = 4;
/// Bytes that a disk is asked to read ahead.
const AHEAD: u32 = 2 * 1024 * 1024;

/// The pieces of one torrent that may be sent.
pub struct ServedPieces {
    layout: Arc<Layout>,
    offered: OfferedPieces,
    stamps: FileStamps,
    files: OpenFiles,
}

/// Where a part of a block is.
pub enum BlockPart {
    /// In this file, from this offset on, with this length in bytes.
    File(Arc<File>, u64, u64),
    /// Here: read from files of which there are too many to hold them all open.
    Bytes(Vec<u8>),
    /// On no disk: this many zeros of padding.
    Zeros(u64),
}

impl ServedPieces {
    /// What is there of a payload below the folder `root`, found by hashing it. No file is opened for
    /// writing, and no marker and no folder is created.
    ///
    /// # Errors
    ///
    /// What the system refuses, and [`StorageError::Cancelled`] if `watch` says so.
    pub fn open(
        root: &Path,
        payload: &Payload<'_>,
        open_files: usize,
        watch: &Watch<'_>,
    ) -> Result<ServedPieces, StorageError> {
        let mut layout = Layout::new(payload.files, payload.geometry).ok_or(StorageError::Layout)?;
        let failed = |error| StorageError::from_io(Action::Open, root.to_owned(), error);
        let missing =
            || failed(io::Error::new(io::ErrorKind::NotFound, "no such folder (name another with -d)"));
        let folder = RootFolder::open_to_read(root).map_err(failed)?.ok_or_else(missing)?;
        naming::settle_in(Some(&folder), &mut layout)?;
        let survey = Survey::take(Some(&folder), &layout, payload.digests, open_files, watch)?;
        Ok(ServedPieces::new(Arc::new(folder), Arc::new(layout), &survey.found, survey.good, open_files))
    }

    /// The pieces that verified in the files, as they were `found` before.
    pub(super) fn new(
        folder: Arc<RootFolder>,
        layout: Arc<Layout>,
        found: &[Option<FileStat>],
        good: Bitfield,
        open_files: usize,
    ) -> ServedPieces {
        ServedPieces {
            offered: OfferedPieces::new(good),
            stamps: FileStamps::new(found),
            files: OpenFiles::new(folder, Arc::clone(&layout), open_files),
            layout,
        }
    }

    /// The folder that the files are in.
    pub(super) fn folder(&self) -> &Arc<RootFolder> {
        self.files.folder()
    }

    /// Where the bytes of the payload belong.
    pub(super) fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// The pieces that may be sent now.
    pub fn offered(&self) -> Bitfield {
        self.offered.all()
    }

    /// Whether this piece may be sent now.
    pub fn offers(&self, piece: PieceIndex) -> bool {
        self.offered.has(piece)
    }

    /// Finds out where `length` bytes of a piece are, from `begin` on, and puts that into `parts`. False if
    /// they cannot be sent, now or ever again.
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
                // The files found so far are not held open: open files are few.
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

    /// Tells the system that the piece will be read from `begin` on, so that a disk reads it in one go. It
    /// is a hint, for at most 2 MiB in a few files.
    pub fn read_ahead(&self, piece: PieceIndex, begin: u32) {
        let left = self.layout.geometry().length(piece).saturating_sub(begin).min(AHEAD);
        let slices = self.layout.slices_of(piece, begin, left).take(MAX_PARTS);
        for slice in slices.filter(|slice| !slice.padding) {
            let Some(file) = self.file(slice.file) else { return };
            open_files::read_ahead(&file, slice.offset, slice.length);
        }
    }

    /// The piece was there and cannot be read: it is not offered any more.
    pub fn unreadable(&self, piece: PieceIndex, error: &io::Error) {
        if self.offered.remove(std::iter::once(piece)) > 0 {
            let slice = self.layout.slices(piece).find(|slice| !slice.padding);
            let path = slice.map(|slice| self.files.path(slice.file)).unwrap_or_default();
            warn!(
                "piece {} in {} cannot be read and is not sent any more: {error}",
                piece.get(),
                path.display()
            );
        }
    }

    /// The file, if it has not changed since its pieces verified.
    fn file(&self, number: usize) -> Option<Arc<File>> {
        let opened = self.files.get(number);
        match opened.and_then(|file| Ok((self.stamps.fits(number, &file)?, file))) {
            Ok((true, file)) => Some(file),
            Ok((false, _)) => {
                self.withdraw(number, "it changed on disk");
                None
            }
            // A later attempt may succeed.
            Err(error) if too_many_files(&error) => None,
            Err(error) => {
                self.withdraw(number, &error.to_string());
                None
            }
        }
    }

    /// The writer begins to write into a file. If another program has changed the file since the writer's
    /// last write, the file's other pieces are doubtful.
    pub(super) fn writing(&self, number: usize, file: &File) {
        if self.stamps.take(number, file) {
            self.withdraw(number, "it changed on disk");
        }
    }

    /// The writer has written into a file.
    pub(super) fn written(&self, number: usize, file: &File) {
        self.stamps.set(number, file);
    }

    /// The whole piece was written.
    pub(super) fn offer(&self, piece: PieceIndex) {
        self.offered.insert(piece);
    }

    /// No piece of this file is offered any more.
    fn withdraw(&self, number: usize, why: &str) {
        let Some(entry) = self.layout.entry(number) else { return };
        let withdrawn = self.offered.remove(self.layout.pieces(entry.range()));
        if withdrawn > 0 {
            let path = self.files.path(number);
            warn!("{}: {why}; its {withdrawn} pieces are not sent any more", path.display());
        }
    }
}
