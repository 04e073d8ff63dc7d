//! The pieces that are on the disk, for the threads that send them to peers.
//!
//! Shared by all outboxes. They look up here where a block lies, and read it themselves: a lock is held
//! while a table is read or a file is opened, and never for a read. A piece is offered from the moment that
//! it was written or verified, for as long as its files stay what they were then. If another program
//! changes a file, its pieces are in doubt: they are not sent until a second look has shown that they are
//! still right. What is wrong is not sent any more. BEP 3 has no message that says so to peers that know of it: their
//! requests are rejected (BEP 6) and the piece is taken back (BEP 54), or their connections end.
//!
//! Four small types do the work: `offered` is the set of pieces, `stamps` notices changed files, `open_files`
//! is the pool of files that are open for reading, and `second_looks` says which file is looked at again, and
//! when. The looks are in `look`.

mod look;
mod offered;
mod open_files;
mod second_looks;
mod stamps;

use crate::text::reason;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use log::warn;

use super::Payload;
use super::calls;
use super::digests::Digests;
use super::error::{Action, StorageError, counted};
use super::folder::{FileStat, RootFolder};
use super::hashing::Watch;
use super::layout::{Layout, Slice, ours};
use super::marker::Marker;
use super::part_file::PartFile;
use super::resume::{self, CachedRecord, Check, Place, ResumePlace};
use super::shared_folders::SharedFolders;
use super::survey::Survey;
use super::surveying::{Earlier, KnownPieces};
use crate::net::too_many_files;
use crate::piece::{Bitfield, PieceIndex};
use crate::thread::lock;
use offered::OfferedPieces;
use open_files::OpenFiles;
use second_looks::SecondLooks;
pub(super) use stamps::Change;
use stamps::FileStamps;

/// Files that each outbox holds open for one block. A block that lies in more files is read at once, one file
/// after the other: many small files must not use up all that may be open.
const MAX_PARTS: usize = 4;
/// Bytes that a disk is asked to read ahead.
const AHEAD: u32 = 2 * 1024 * 1024;

/// The pieces of one torrent that may be sent.
pub struct ServedPieces {
    layout: Arc<Layout>,
    digests: Digests,
    offered: OfferedPieces,
    stamps: FileStamps,
    files: OpenFiles,
    looks: SecondLooks,
    /// The name that a run has given to the payload instead of that of the torrent.
    output_name: Option<String>,
    /// For the thread that looks again, which must not keep this from being dropped.
    me: Weak<ServedPieces>,
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
    /// What is there of a payload below the folder `root`, found by hashing what an earlier run has not seen.
    /// No file is opened for writing, and no marker and no folder is created.
    ///
    /// # Errors
    ///
    /// What the system refuses, and [`StorageError::Cancelled`] if `watch` says so.
    pub fn open(
        root: &Path,
        payload: &Payload<'_>,
        open_files: usize,
        check: Check,
        watch: &Watch<'_>,
    ) -> Result<Arc<ServedPieces>, StorageError> {
        ServedPieces::open_among(&SharedFolders::default(), root, payload, open_files, check, watch)
    }

    /// The same, where other torrents may have their payload in the same folder.
    ///
    /// # Errors
    ///
    /// As [`ServedPieces::open`].
    pub fn open_among(
        folders: &SharedFolders,
        root: &Path,
        payload: &Payload<'_>,
        open_files: usize,
        check: Check,
        watch: &Watch<'_>,
    ) -> Result<Arc<ServedPieces>, StorageError> {
        let failed = |error| StorageError::from_io(Action::Open, root.to_owned(), error);
        let missing =
            || failed(io::Error::new(io::ErrorKind::NotFound, "no such folder (choose another with -d)"));
        let folder = folders.open(root, true).map_err(failed)?.ok_or_else(missing)?;
        let mut marker = Marker::new(payload.name, payload.info_hash);
        let mut layout = Arc::new(payload.layout_as_it_is(Some(&folder), &mut marker)?);
        let shape = payload.shape();
        let cache = payload.cache.map(|cache| CachedRecord::new(cache, shape));
        let mut part_file = PartFile::beside(marker.path(), payload.geometry);
        // If it cannot be read, nothing of it is shared.
        let _ = part_file.read(&folder);
        ours(&mut layout)?.add_part_file(part_file.path());
        ours(&mut layout)?.hide(vec![true; payload.files.len()], part_file.slots());
        let beside = ResumePlace::beside(marker.path()).read(&folder, &shape);
        let cached = cache.as_ref().and_then(CachedRecord::read);
        let mut records = [(&beside, Place::Beside), (&cached, Place::Cache)];
        if !marker.is_there(&folder) {
            // Without it, the one beside the payload was only left over.
            records.reverse();
        }
        let known = |(record, place)| {
            Option::as_ref(record).map(|record| KnownPieces { record, place, check, is_ours: true })
        };
        let known = records.into_iter().filter_map(known).collect();
        let earlier = Earlier { known, cache: cache.as_ref().filter(|_| check == Check::Changed) };
        let mut survey = Survey::take(Some(&folder), &layout, payload.digests, open_files, watch, earlier)?;
        // What is not in the part file as it should be may be where it belongs.
        let (slots, misplaced) =
            part_file.slots().into_iter().partition::<Vec<_>, _>(|(piece, _)| survey.good.has(*piece));
        if !misplaced.is_empty() {
            ours(&mut layout)?.hide(vec![true; payload.files.len()], slots);
            let misplaced = misplaced.into_iter().map(|(piece, _)| piece);
            survey.take_again(&folder, &layout, payload.digests, misplaced, open_files, watch)?;
        }
        if let Some(cache) = cache.filter(|_| survey.has_read) {
            resume::remember(&cache, Arc::clone(&folder), Arc::clone(&layout), &survey, true);
        }
        let digests = Arc::clone(payload.digests);
        let name = marker.naming().output_name.clone();
        Ok(ServedPieces::new(folder, layout, digests, &survey.found, survey.good, name, open_files))
    }

    /// The pieces that verified in the files, as they were `found` before, with the name that the marker has for them.
    pub(super) fn new(
        folder: Arc<RootFolder>,
        layout: Arc<Layout>,
        digests: Digests,
        found: &[Option<FileStat>],
        good: Bitfield,
        output_name: Option<String>,
        open_files: usize,
    ) -> Arc<ServedPieces> {
        Arc::new_cyclic(|me| ServedPieces {
            offered: OfferedPieces::new(good),
            stamps: FileStamps::new(found),
            files: OpenFiles::new(folder, Arc::clone(&layout), open_files),
            layout,
            digests,
            looks: SecondLooks::default(),
            output_name,
            me: Weak::clone(me),
        })
    }

    /// Where the payload is: the only file, or the folder that all files are in.
    pub fn place(&self) -> PathBuf {
        self.folder().join(self.layout.top())
    }

    /// The name that this run or an earlier one has given to the payload, if it is not that of the torrent.
    pub fn output_name(&self) -> Option<&str> {
        self.output_name.as_deref()
    }

    /// The folder that the files are in.
    pub(super) fn folder(&self) -> &Arc<RootFolder> {
        self.files.folder()
    }

    /// Where the bytes of the payload belong.
    pub(super) fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// The pieces that a new peer is told of.
    pub fn offered(&self) -> Bitfield {
        self.offered.told(self.layout.geometry())
    }

    /// The pieces that are right on the disk, as far as we know: none in doubt is among them.
    pub(super) fn certain(&self) -> Bitfield {
        self.offered.certain()
    }

    /// The number of the last change by another program that was noticed.
    pub(super) fn changes(&self) -> u64 {
        self.stamps.now()
    }

    /// Whether another program has changed a file of this piece since the run began.
    pub(super) fn has_changed(&self, piece: PieceIndex) -> bool {
        self.layout.slices(piece).any(|slice| self.stamps.changed_after(slice.file, 0))
    }

    /// Whether this piece may be sent now.
    pub fn offers(&self, piece: PieceIndex) -> bool {
        self.offered.has(piece)
    }

    /// Whether this piece is not there, and no look at it is due that may find it right.
    pub fn lacks(&self, piece: PieceIndex) -> bool {
        self.offered.lacks(piece)
    }

    /// Finds out where `length` bytes of a piece are, from `begin` on, and puts that into `parts`. False if
    /// they cannot be sent now.
    pub fn find(&self, piece: PieceIndex, begin: u32, length: u32, parts: &mut Vec<BlockPart>) -> bool {
        parts.clear();
        let slices = || self.layout.slices_of(piece, begin, length);
        if !self.offers(piece) {
            self.notice_return(piece);
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
                let read = calls::read_exact_at(&*self.file(slice.file)?, part, slice.offset);
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

    /// The piece was there and cannot be read: it is not offered any more, unless a second look can read it.
    pub fn unreadable(&self, piece: PieceIndex, error: &io::Error) {
        if self.offered.doubt(std::iter::once(piece)) > 0
            && let Some(slice) = self.layout.slices(piece).find(|slice| !slice.padding)
        {
            let path = self.files.path(slice.file);
            warn!(
                "cannot read piece {} from {}, so it is not uploaded: {}",
                piece.get(),
                path.display(),
                reason(error)
            );
            self.look_later(slice.file);
        }
    }

    /// The file, if it has not changed since its pieces verified.
    fn file(&self, number: usize) -> Option<Arc<File>> {
        let opened = self.files.get(number);
        match opened.and_then(|file| Ok((self.stamps.fits(number, &file)?, file))) {
            Ok((true, file)) => Some(file),
            Ok((false, file)) => {
                let note = || match RootFolder::file_stat(&file) {
                    Ok(found) => _ = self.stamps.note(number, Some(&found)),
                    Err(_) => self.stamps.doubt(number),
                };
                self.withdraw(number, note, "changed on disk");
                None
            }
            // A later attempt may succeed.
            Err(error) if too_many_files(&error) => None,
            Err(error) => {
                self.withdraw(number, || self.stamps.doubt(number), &reason(&error));
                None
            }
        }
    }

    /// A peer wants a piece that was withdrawn, or would. Perhaps another program has put its files right.
    fn notice_return(&self, piece: PieceIndex) {
        if self.offered.was_withdrawn(piece) {
            let slices = self.layout.slices(piece).filter(|slice| !slice.padding).take(MAX_PARTS);
            slices.for_each(|slice| _ = self.file(slice.file));
        }
    }

    /// A peer comes, and is not told of what is lost, so it will not ask for it. Perhaps another program has put its
    /// files right: looks at a few of them. Returns what was lost, if anything was.
    pub fn notice_returns(&self) -> Option<Bitfield> {
        let lost = self.offered.lost()?;
        let mut files = BTreeSet::new();
        // From any of them on, so that each file has its turn.
        let (pieces, first) = (|| lost.iter(self.layout.geometry()), fastrand::u32(..lost.count()) as usize);
        let pieces_in_turn = pieces().skip(first).chain(pieces().take(first));
        let slices = pieces_in_turn.flat_map(|piece| self.layout.slices(piece));
        let distinct = slices.filter(|slice| !slice.padding && files.insert(slice.file)).take(MAX_PARTS);
        distinct.for_each(|slice| _ = self.file(slice.file));
        Some(lost)
    }

    /// Closes the files from which nothing was sent since the last call.
    pub fn close_idle(&self) {
        self.files.close_idle();
    }

    /// The writer begins to write into a file. If another program has changed the file since the writer's
    /// last write, the file's other pieces are in doubt.
    pub(super) fn writing(&self, number: usize, file: &File) -> Change {
        let change = self.stamps.take(number, file);
        if change != Change::None {
            self.withdraw(number, || (), "changed on disk");
        }
        // An upload or a look may have noticed it before us, and then this is what is known of the file.
        if self.stamps.was_replaced(number) { Change::Replaced } else { change }
    }

    /// The writer has put a copy in the place of a file.
    pub(super) fn replaced(&self, number: usize) {
        self.files.close(number);
    }

    /// The writer has written into a file. Returns what the file is now.
    pub(super) fn written(&self, number: usize, file: &File) -> Option<FileStat> {
        self.stamps.set(number, file)
    }

    /// The whole piece was written.
    pub(super) fn offer(&self, piece: PieceIndex) {
        self.offered.insert(piece);
    }

    /// No piece of this file is offered until a second look. `note` notes the change of the file.
    fn withdraw(&self, number: usize, note: impl FnOnce(), why: &str) {
        let pieces = || self.layout.pieces_in(number);
        let withdrawn = self.offered.doubt(pieces());
        note();
        // A look that ended meanwhile, and had begun before the change, may have offered some again.
        let withdrawn = withdrawn.saturating_add(self.offered.doubt(pieces()));
        self.files.close(number);
        if withdrawn > 0 {
            let (path, pieces) = (self.files.path(number), counted(withdrawn));
            warn!("{}: {why}; checking {pieces} again before uploading more of it", path.display());
        }
        self.look_later(number);
    }
}
