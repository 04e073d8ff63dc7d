//! Which pieces are on the disk already.
//!
//! Runs once, before the download, on threads of its own (`check-0`, `check-1`, ...), as many as
//! there are processors: hashing is what takes the time. Each has one small buffer, whatever the
//! length of a piece, and one open file. A piece is read only where every byte of it can be there,
//! and parts of a file that were never written are not read at all. It never writes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, Builder};

use sha1::{Digest, Sha1};

use super::error::{Action, StorageError};
use super::folder::{Access, Folder, Found, Search};
use super::layout::{Layout, Slice};
use crate::piece::{Bitfield, PieceIndex};

/// Hears how many bytes of how many are checked, from any of the threads; false stops the check.
pub type Watch<'a> = dyn Fn(u64, u64) -> bool + Sync + 'a;

/// The SHA-1 that a piece must have.
pub type Digests<'a> = dyn Fn(PieceIndex) -> [u8; 20] + Sync + 'a;

/// Bytes read at once. Stays in the second-level cache between the read and the hash.
const BUFFER: usize = 256 * 1024;
/// Bytes between two reports, and about what a thread takes at once, so that it reads in a row.
const STRIDE: u64 = 4 << 20;
/// No disk is faster than this many processors hash, and each thread takes open files.
const MOST_THREADS: usize = 16;

/// What the check found.
pub(super) struct Checked {
    /// The pieces that are on the disk.
    pub good: Bitfield,
    /// The pieces whose every byte could be read, and was another.
    pub bad: Bitfield,
}

/// What stands under the name of each file. Padding is on no disk and counts as missing.
pub(super) fn survey(folder: &Folder, layout: &Layout) -> Result<Vec<Option<Found>>, StorageError> {
    let mut search = Search::new(folder);
    let look = |entry: &super::layout::Entry| {
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
    folder: &Folder,
    layout: &Layout,
    found: &[Option<Found>],
    digests: &Digests<'_>,
    open_files: usize,
    watch: &Watch<'_>,
) -> Result<Checked, StorageError> {
    let geometry = layout.geometry();
    let candidates = candidates(layout, found);
    let total = geometry
        .pieces()
        .filter(|piece| candidates.has(*piece))
        .map(|piece| u64::from(geometry.length(piece)))
        .sum();
    let job = Job {
        folder,
        layout,
        digests,
        watch,
        total,
        run: (STRIDE / u64::from(geometry.piece_length())).max(1),
        candidates: &candidates,
        next: AtomicU64::new(0),
        done: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        zeros: OnceLock::new(),
    };
    let mut good = Bitfield::none(geometry.piece_count());
    if total > 0 {
        for piece in job.run_threads(open_files)? {
            good.insert(piece);
        }
    }
    let mut bad = candidates;
    geometry.pieces().filter(|piece| good.has(*piece)).for_each(|piece| {
        bad.remove(piece);
    });
    Ok(Checked { good, bad })
}

/// The pieces whose every byte is padding or inside a file as long as it is now.
fn candidates(layout: &Layout, found: &[Option<Found>]) -> Bitfield {
    let mut pieces = Bitfield::all(layout.geometry().piece_count());
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

/// What the threads share.
struct Job<'a> {
    folder: &'a Folder,
    layout: &'a Layout,
    digests: &'a Digests<'a>,
    watch: &'a Watch<'a>,
    candidates: &'a Bitfield,
    total: u64,
    /// Pieces that a thread takes at once.
    run: u64,
    /// The first piece that nobody took yet.
    next: AtomicU64,
    /// Bytes checked and reported.
    done: AtomicU64,
    stop: AtomicBool,
    /// The digest of a whole piece of zeros, once somebody needed it.
    zeros: OnceLock<[u8; 20]>,
}

impl Job<'_> {
    /// The good pieces, in no order.
    fn run_threads(&self, open_files: usize) -> Result<Vec<PieceIndex>, StorageError> {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let runs = u64::from(self.candidates.count()).div_ceil(self.run);
        // Walking to a file takes one more than the file that is read.
        let count = processors.min(MOST_THREADS).min((open_files / 2).max(1));
        let count = count.min(usize::try_from(runs).unwrap_or(count));
        thread::scope(|scope| {
            let mut threads = Vec::with_capacity(count);
            for number in 0..count {
                let builder = Builder::new().name(format!("check-{number}")).stack_size(128 * 1024);
                match builder.spawn_scoped(scope, || Checker::new(self).check()) {
                    Ok(thread) => threads.push(thread),
                    Err(_) => break,
                }
            }
            if threads.is_empty() {
                return Checker::new(self).check();
            }
            let mut good = Vec::new();
            let mut outcome = Ok(());
            for thread in threads {
                match thread.join() {
                    Ok(Ok(pieces)) => good.extend(pieces),
                    // Whoever failed first stopped the others, who then only say that they stopped.
                    Ok(Err(StorageError::Cancelled)) if outcome.is_err() => {}
                    Ok(Err(error)) => outcome = Err(error),
                    Err(_) => outcome = Err(self.broken()),
                }
            }
            outcome.map(|()| good)
        })
    }

    fn broken(&self) -> StorageError {
        let source = io::Error::other("a checking thread broke down");
        StorageError::from_io(Action::Read, self.folder.path().to_owned(), source)
    }
}

/// One thread of the check.
struct Checker<'a> {
    job: &'a Job<'a>,
    buffer: Vec<u8>,
    reader: Option<Reader>,
    /// Bytes checked and not yet reported.
    unreported: u64,
}

/// The file that a thread read last.
struct Reader {
    number: usize,
    /// `None` where it is gone since the survey.
    file: Option<File>,
    /// A part of the file that is known to be a hole.
    hole: std::ops::Range<u64>,
}

impl<'a> Checker<'a> {
    fn new(job: &'a Job<'a>) -> Checker<'a> {
        Checker { job, buffer: vec![0; BUFFER], reader: None, unreported: 0 }
    }

    fn check(mut self) -> Result<Vec<PieceIndex>, StorageError> {
        let mut good = Vec::new();
        let outcome = self.check_runs(&mut good);
        if outcome.is_err() {
            self.job.stop.store(true, Ordering::Relaxed);
        }
        outcome.map(|()| good)
    }

    fn check_runs(&mut self, good: &mut Vec<PieceIndex>) -> Result<(), StorageError> {
        let geometry = self.job.layout.geometry();
        loop {
            let start = self.job.next.fetch_add(self.job.run, Ordering::Relaxed);
            if start >= u64::from(geometry.piece_count()) {
                return self.report();
            }
            let numbers = start..start.saturating_add(self.job.run);
            let pieces = numbers.map_while(|number| geometry.piece(u32::try_from(number).ok()?));
            for piece in pieces.filter(|piece| self.job.candidates.has(*piece)) {
                if self.is_good(piece)? {
                    good.push(piece);
                }
            }
        }
    }

    fn is_good(&mut self, piece: PieceIndex) -> Result<bool, StorageError> {
        let digest = if self.is_hole(piece)? {
            self.count(u64::from(self.job.layout.geometry().length(piece)))?;
            Some(self.digest_of_zeros(piece)?)
        } else {
            self.digest(piece)?
        };
        Ok(digest == Some((self.job.digests)(piece)))
    }

    /// Whether the piece is all zeros because nothing of it was ever written.
    ///
    /// Looks at pieces inside one file only: the question costs a system call a file, and it is
    /// large files that are mostly holes after an interrupted download.
    fn is_hole(&mut self, piece: PieceIndex) -> Result<bool, StorageError> {
        let layout = self.job.layout;
        let mut stored = layout.slices(piece).filter(|slice| !slice.padding);
        match (stored.next(), stored.next()) {
            (None, _) => Ok(true),
            (Some(slice), None) => Ok(self.reader(slice.file)?.is_hole(&slice)),
            _ => Ok(false),
        }
    }

    /// The digest of the piece as it is on the disk. `None` where a file got shorter meanwhile.
    fn digest(&mut self, piece: PieceIndex) -> Result<Option<[u8; 20]>, StorageError> {
        let layout = self.job.layout;
        let mut hash = Sha1::new();
        for slice in layout.slices(piece) {
            if slice.padding {
                self.hash_zeros(&mut hash, slice.length)?;
            } else if !self.hash_file(&mut hash, &slice)? {
                return Ok(None);
            }
        }
        Ok(Some(hash.finalize().into()))
    }

    fn hash_file(&mut self, hash: &mut Sha1, slice: &Slice) -> Result<bool, StorageError> {
        let (mut offset, end) = (slice.offset, slice.offset.saturating_add(slice.length));
        while offset < end {
            // The buffer is lent out for the read, because the reader is a part of the same thread.
            let mut buffer = std::mem::take(&mut self.buffer);
            let length = usize::try_from(end - offset).unwrap_or(BUFFER).min(BUFFER);
            let result = match (self.reader(slice.file)?.file.as_ref(), buffer.get_mut(..length)) {
                (Some(file), Some(part)) => file.read_exact_at(part, offset).map(|()| hash.update(part)),
                _ => Err(io::ErrorKind::UnexpectedEof.into()),
            };
            self.buffer = buffer;
            match result {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
                Err(error) => return Err(self.failed(Action::Read, slice.file, error)),
            }
            offset += length as u64;
            self.count(length as u64)?;
        }
        Ok(true)
    }

    fn hash_zeros(&mut self, hash: &mut Sha1, length: u64) -> Result<(), StorageError> {
        const ZEROS: [u8; 4096] = [0; 4096];
        let mut left = length;
        while left > 0 {
            let now = ZEROS.len().min(usize::try_from(left).unwrap_or(ZEROS.len()));
            hash.update(ZEROS.get(..now).unwrap_or_default());
            left -= now as u64;
            self.count(now as u64)?;
        }
        Ok(())
    }

    /// The digest of as many zeros as the piece has bytes. Only the last piece can be shorter.
    fn digest_of_zeros(&mut self, piece: PieceIndex) -> Result<[u8; 20], StorageError> {
        let geometry = self.job.layout.geometry();
        let whole = geometry.length(piece) == geometry.piece_length();
        if let (true, Some(known)) = (whole, self.job.zeros.get()) {
            return Ok(*known);
        }
        let mut hash = Sha1::new();
        // Not work on the payload: it is not counted twice.
        let unreported = self.unreported;
        self.hash_zeros(&mut hash, u64::from(geometry.length(piece)))?;
        self.unreported = unreported;
        let digest = hash.finalize().into();
        Ok(if whole { *self.job.zeros.get_or_init(|| digest) } else { digest })
    }

    /// Counts bytes as checked, and stops where somebody said so.
    fn count(&mut self, bytes: u64) -> Result<(), StorageError> {
        self.unreported += bytes;
        if self.unreported >= STRIDE { self.report() } else { Ok(()) }
    }

    fn report(&mut self) -> Result<(), StorageError> {
        let before = self.job.done.fetch_add(self.unreported, Ordering::Relaxed);
        let done = before.saturating_add(self.unreported).min(self.job.total);
        self.unreported = 0;
        if self.job.stop.load(Ordering::Relaxed) || !(self.job.watch)(done, self.job.total) {
            return Err(StorageError::Cancelled);
        }
        Ok(())
    }

    fn reader(&mut self, number: usize) -> Result<&mut Reader, StorageError> {
        if self.reader.as_ref().is_none_or(|reader| reader.number != number) {
            self.reader = None;
            let entry = self.job.layout.entry(number).ok_or(StorageError::Layout)?;
            let file = match self.job.folder.open_file(&entry.path, Access::Read) {
                Ok(file) => Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(self.failed(Action::Open, number, error)),
            };
            self.reader = Some(Reader { number, file, hole: 0..0 });
        }
        self.reader.as_mut().ok_or(StorageError::Layout)
    }

    fn failed(&self, action: Action, number: usize, error: io::Error) -> StorageError {
        let path = self.job.layout.entry(number).map(|entry| self.job.folder.join(&entry.path));
        StorageError::from_io(action, path.unwrap_or_default(), error)
    }
}

impl Reader {
    fn is_hole(&mut self, slice: &Slice) -> bool {
        let end = slice.offset.saturating_add(slice.length);
        if !(self.hole.contains(&slice.offset) && end <= self.hole.end) {
            let data = self.file.as_ref().and_then(|file| next_data(file, slice.offset));
            self.hole = slice.offset..data.unwrap_or(slice.offset);
        }
        end <= self.hole.end
    }
}

/// Where the next byte lies that was written: past any end where there is none, `None` where the
/// file system cannot tell.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_vendor = "apple"))]
fn next_data(file: &File, offset: u64) -> Option<u64> {
    match rustix::fs::seek(file, rustix::fs::SeekFrom::Data(offset)) {
        Ok(data) => Some(data),
        Err(rustix::io::Errno::NXIO) => Some(u64::MAX),
        Err(_) => None,
    }
}

/// Where the next byte lies that was written: this system cannot tell.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_vendor = "apple")))]
fn next_data(_: &File, _: u64) -> Option<u64> {
    None
}
