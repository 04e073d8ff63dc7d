//! Reads pieces from the disk and hashes them, on all processors.
//!
//! Runs on threads of its own (`hash-0`, `hash-1`, ...), as many as there are processors, because hashing is
//! what takes the time. Each thread takes a few mebibytes in a row at a time. It hashes two pieces at once
//! (see `sha1_pair`), and for each of the two it has an open file and a small buffer, whatever the length of
//! the piece. Parts of a file that were never written are not read at all. The caller decides what to do
//! with the digests. Hashing never writes.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::thread::{self, Builder};

use super::calls;
use super::error::{Action, StorageError};
use super::folder::RootFolder;
use super::layout::{Layout, Slice};
use super::naming;
use super::patience::patiently;
use super::sha1_pair::{self, Lane};
use crate::piece::{Bitfield, PieceDigest, PieceHash, PieceIndex};
use crate::thread::lock;

/// Is told how many bytes are hashed, and of how many, from any of the threads. It returns false to stop the
/// work. It may also let the thread wait, which happens before the first byte is read, too.
///
/// It is also called, with zeros, while all room for a download is taken in advance.
pub type Watch<'a> = dyn Fn(u64, u64) -> bool + Sync + 'a;

/// Is told the digest of each piece, in no order and from any of the threads. `None` if a file turned out to
/// be shorter than the layout says.
pub(super) type OnDigest<'a> = dyn Fn(PieceIndex, Option<PieceDigest>) + Sync + 'a;

/// Bytes between two reports. A thread also takes about this much at a time, so that it reads in a row.
const STRIDE: u64 = 4 << 20;
/// No disk is faster than this number of processors can hash, and each thread needs open files.
const MAX_THREADS: usize = 16;

/// Reads and hashes the `wanted` pieces, with at most `open_files` open files.
///
/// # Errors
///
/// A file that cannot be opened or read, and [`StorageError::Cancelled`] if `watch` says so.
pub(super) fn hash(
    folder: &RootFolder,
    layout: &Layout,
    wanted: &Bitfield,
    on_digest: &OnDigest<'_>,
    open_files: usize,
    watch: &Watch<'_>,
) -> Result<(), StorageError> {
    let geometry = layout.geometry();
    let lengths = wanted.iter(geometry).map(|piece| u64::from(geometry.length(piece)));
    let total = lengths.sum();
    let job = HashJob {
        folder,
        layout,
        wanted,
        on_digest,
        watch,
        total,
        run: (STRIDE / u64::from(geometry.piece_length())).max(1),
        progress: Mutex::default(),
        stop: AtomicBool::new(false),
        zeros: OnceLock::new(),
    };
    if total > 0 { job.run_threads(open_files) } else { Ok(()) }
}

/// What the threads share.
struct HashJob<'a> {
    folder: &'a RootFolder,
    layout: &'a Layout,
    wanted: &'a Bitfield,
    on_digest: &'a OnDigest<'a>,
    watch: &'a Watch<'a>,
    total: u64,
    /// Pieces that a thread takes at a time.
    run: u64,
    progress: Mutex<HashProgress>,
    stop: AtomicBool,
    /// The digest of a whole piece of zeros, once a thread has needed it.
    zeros: OnceLock<PieceDigest>,
}

/// How far the threads are. Behind a lock, because some 32-bit hosts have no 64-bit atomics.
#[derive(Default)]
struct HashProgress {
    /// The first piece that no thread has taken yet.
    next: u64,
    /// Bytes hashed and reported.
    done: u64,
}

impl HashJob<'_> {
    fn run_threads(&self, open_files: usize) -> Result<(), StorageError> {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let runs = u64::from(self.wanted.count()).div_ceil(self.run);
        // A thread reads two files, and needs one more open folder to find a file.
        let count = processors.min(MAX_THREADS).min((open_files / 3).max(1));
        let count = count.min(usize::try_from(runs).unwrap_or(count));
        // The caller may let us wait before the first byte.
        if !(self.watch)(0, self.total) {
            return Err(StorageError::Cancelled);
        }
        thread::scope(|scope| {
            let mut threads = Vec::with_capacity(count);
            for number in 0..count {
                let builder = Builder::new().name(format!("hash-{number}")).stack_size(128 * 1024);
                match builder.spawn_scoped(scope, calls::handed_on(|| Hasher::new(self).work())) {
                    Ok(thread) => threads.push(thread),
                    Err(_) => break,
                }
            }
            if threads.is_empty() {
                return Hasher::new(self).work();
            }
            let mut outcome = Ok(());
            for thread in threads {
                match thread.join() {
                    Ok(Ok(())) => {}
                    // The thread that failed first has stopped the others. They only report that they
                    // stopped.
                    Ok(Err(StorageError::Cancelled)) if outcome.is_err() => {}
                    Ok(Err(error)) => outcome = Err(error),
                    Err(_) => outcome = Err(self.panicked()),
                }
            }
            outcome
        })
    }

    /// Where the next run of pieces starts.
    fn take_run(&self) -> u64 {
        let mut progress = self.progress();
        let start = progress.next;
        progress.next = start.saturating_add(self.run);
        start
    }

    fn failed(&self, action: Action, number: usize, error: io::Error) -> StorageError {
        let path = self.layout.entry(number).map(|entry| self.folder.join(&entry.path));
        StorageError::from_io(action, path.unwrap_or_default(), error)
    }

    fn progress(&self) -> MutexGuard<'_, HashProgress> {
        lock(&self.progress)
    }

    fn panicked(&self) -> StorageError {
        let source = io::Error::other("a hashing thread panicked");
        StorageError::from_io(Action::Read, self.folder.path().to_owned(), source)
    }
}

/// One of the threads.
struct Hasher<'a> {
    job: &'a HashJob<'a>,
    lanes: [(Lane, Option<Reader>); 2],
    /// The numbers of the pieces that it has taken and not hashed yet.
    run: Range<u64>,
    /// Bytes that are hashed and not reported yet.
    unreported: u64,
}

/// The file that a lane read last.
struct Reader {
    number: usize,
    /// `None` if it has vanished since the survey looked at it.
    file: Option<File>,
    /// A part of the file that is known to be a hole.
    hole: Range<u64>,
}

impl<'a> Hasher<'a> {
    fn new(job: &'a HashJob<'a>) -> Hasher<'a> {
        let lane = || (Lane::new(), None);
        Hasher { job, lanes: [lane(), lane()], run: 0..0, unreported: 0 }
    }

    fn work(mut self) -> Result<(), StorageError> {
        let outcome = self.hash_all();
        if outcome.is_err() {
            self.job.stop.store(true, Ordering::Relaxed);
        }
        outcome
    }

    fn hash_all(&mut self) -> Result<(), StorageError> {
        loop {
            for number in 0..self.lanes.len() {
                self.supply(number)?;
            }
            let [(one, _), (other, _)] = &mut self.lanes;
            if one.is_free() && other.is_free() {
                return self.report();
            }
            let hashed = sha1_pair::hash_both(one, other);
            self.count(hashed as u64)?;
        }
    }

    /// Makes sure that the lane has bytes to hash, as long as there are pieces.
    fn supply(&mut self, number: usize) -> Result<(), StorageError> {
        let job = self.job;
        loop {
            let Some((lane, reader)) = self.lanes.get_mut(number) else { return Ok(()) };
            lane.fill(&mut |slice, part| Reader::of(reader, job, slice.file)?.read(job, slice, part))?;
            if let Some((piece, digest)) = lane.finish() {
                (job.on_digest)(piece, digest);
            }
            if !lane.is_free() {
                return Ok(());
            }
            let Some(piece) = self.next_piece() else { return Ok(()) };
            if self.is_hole(number, piece)? {
                self.count(u64::from(job.layout.geometry().length(piece)))?;
                (job.on_digest)(piece, Some(self.digest_of_zeros(piece)?));
            } else if let Some((lane, _)) = self.lanes.get_mut(number) {
                lane.begin(piece, job.layout.geometry().hashing(piece), job.layout.slices(piece));
            }
        }
    }

    fn next_piece(&mut self) -> Option<PieceIndex> {
        loop {
            let number = match self.run.next() {
                Some(number) => number,
                None => {
                    let start = self.job.take_run();
                    self.run = start.saturating_add(1)..start.saturating_add(self.job.run);
                    start
                }
            };
            let piece = self.job.layout.geometry().piece(u32::try_from(number).ok()?)?;
            if self.job.wanted.has(piece) {
                return Some(piece);
            }
        }
    }

    /// Whether the piece is all zeros because no part of it was ever written.
    ///
    /// Looks only at pieces inside one file. To ask costs a system call for each file, and after an
    /// interrupted download it is the large files that consist mostly of holes.
    fn is_hole(&mut self, number: usize, piece: PieceIndex) -> Result<bool, StorageError> {
        let mut stored = self.job.layout.slices(piece).filter(|slice| !slice.padding);
        match (stored.next(), stored.next(), self.lanes.get_mut(number)) {
            (None, ..) => Ok(true),
            (Some(slice), None, Some((_, reader))) => {
                Ok(Reader::of(reader, self.job, slice.file)?.is_hole(&slice))
            }
            _ => Ok(false),
        }
    }

    fn hash_zeros(&mut self, hash: &mut PieceHash, length: u64) -> Result<(), StorageError> {
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

    /// The digest of as many zeros as the piece has bytes.
    fn digest_of_zeros(&mut self, piece: PieceIndex) -> Result<PieceDigest, StorageError> {
        let geometry = self.job.layout.geometry();
        let whole = geometry.length(piece) == geometry.piece_length();
        if let (true, Some(known)) = (whole, self.job.zeros.get()) {
            return Ok(*known);
        }
        let mut hash = PieceHash::new(geometry.hashing(piece));
        // These zeros are not part of the progress: the caller counts the piece.
        let unreported = self.unreported;
        self.hash_zeros(&mut hash, u64::from(geometry.length(piece)))?;
        self.unreported = unreported;
        let digest = hash.finish();
        Ok(if whole { *self.job.zeros.get_or_init(|| digest) } else { digest })
    }

    /// Counts bytes as hashed. Stops if the watch or another thread says so.
    fn count(&mut self, bytes: u64) -> Result<(), StorageError> {
        self.unreported += bytes;
        if self.unreported >= STRIDE { self.report() } else { Ok(()) }
    }

    fn report(&mut self) -> Result<(), StorageError> {
        let done = {
            let mut progress = self.job.progress();
            progress.done = progress.done.saturating_add(self.unreported).min(self.job.total);
            progress.done
        };
        self.unreported = 0;
        if self.job.stop.load(Ordering::Relaxed) || !(self.job.watch)(done, self.job.total) {
            return Err(StorageError::Cancelled);
        }
        Ok(())
    }
}

impl Reader {
    /// The reader of this file. It replaces the reader of another file.
    fn of<'r>(
        place: &'r mut Option<Reader>,
        job: &HashJob<'_>,
        number: usize,
    ) -> Result<&'r mut Reader, StorageError> {
        if place.as_ref().is_none_or(|reader| reader.number != number) {
            *place = None;
            let entry = job.layout.entry(number).ok_or(StorageError::Layout)?;
            let file = match patiently(|| naming::open_to_read(job.folder, &entry.path)) {
                Ok(file) => Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(job.failed(Action::Open, number, error)),
            };
            *place = Some(Reader { number, file, hole: 0..0 });
        }
        place.as_mut().ok_or(StorageError::Layout)
    }

    /// Reads from the start of the slice. False if the file ends before the buffer is full.
    fn read(&self, job: &HashJob<'_>, slice: &Slice, buffer: &mut [u8]) -> Result<bool, StorageError> {
        let Some(file) = &self.file else { return Ok(false) };
        match calls::read_exact_at(file, buffer, slice.offset) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(job.failed(Action::Read, slice.file, error)),
        }
    }

    fn is_hole(&mut self, slice: &Slice) -> bool {
        let end = slice.offset.saturating_add(slice.length);
        if !(self.hole.contains(&slice.offset) && end <= self.hole.end) {
            let data = self.file.as_ref().and_then(|file| next_data(file, slice.offset));
            self.hole = slice.offset..data.unwrap_or(slice.offset);
        }
        end <= self.hole.end
    }
}

/// The position of the next byte that was written: past any end if there is none. `None` if the file system
/// cannot tell.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_vendor = "apple"))]
fn next_data(file: &File, offset: u64) -> Option<u64> {
    match rustix::fs::seek(file, rustix::fs::SeekFrom::Data(offset)) {
        Ok(data) => Some(data),
        Err(rustix::io::Errno::NXIO) => Some(u64::MAX),
        Err(_) => None,
    }
}

/// The position of the next byte that was written: this system cannot tell.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_vendor = "apple")))]
fn next_data(_: &File, _: u64) -> Option<u64> {
    None
}
