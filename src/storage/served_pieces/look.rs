//! A second look at files that another program has changed: their pieces are hashed again.
//!
//! While peers are served, the looks are on a thread of their own, `look`, which begins with the first change
//! and ends with the run: the outbox that notices a change must not hash. A look believes what it has read
//! only if the files did not change meanwhile; otherwise it comes back.
//!
//! The writer looks by itself, once, before a download is called done ([`ServedPieces::wrong`]).

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use log::{debug, info, warn};

use super::{Change, ServedPieces, lock};
use crate::piece::{Bitfield, PieceIndex};
use crate::storage::error::{Action, StorageError, counted};
use crate::storage::folder::FileSearch;
use crate::storage::hashing::{self, Watch};
use crate::thread;

/// Open files for a look while peers are served: one thread that hashes.
const OPEN_FILES: usize = 3;
/// Bytes of stack for the thread.
const STACK: usize = 128 * 1024;

impl ServedPieces {
    /// Has the file looked at again.
    pub(super) fn look_later(&self, number: usize) {
        self.looks.ask(number, Instant::now());
        if self.looks.wake() {
            return;
        }
        let (wake, wakes) = bounded(1);
        let me = Weak::clone(&self.me);
        // Without a thread, the next change tries again. Until then the pieces are not sent.
        if thread::spawn("look", STACK, move || live(&me, &wakes)).is_ok() {
            self.looks.keep(wake);
        }
    }

    /// Looks at the file, and offers those of its pieces again that are right.
    ///
    /// # Errors
    ///
    /// Its pieces cannot be read now.
    fn look(&self, number: usize, watch: &Watch<'_>) -> Result<(), StorageError> {
        let Some(entry) = self.layout.entry(number) else { return Ok(()) };
        let (path, shown) = (&entry.path, || self.files.path(number));
        let stat = || {
            let mut search = FileSearch::new(self.folder());
            // It may get its name just now.
            let stat = match search.find(path) {
                Ok(None) => search.find(path.whole()),
                found => found,
            };
            stat.map_err(|error| StorageError::from_io(Action::Open, shown(), error))
        };
        // What is under the name now is what we look at.
        let there = stat()?.ok_or_else(|| StorageError::Vanished { path: shown() })?;
        self.stamps.note(number, Some(&there));
        let before = self.stamps.now();
        let pieces = self.offered.withdrawn(self.layout.pieces_in(number));
        let right = self.hash(&pieces, OPEN_FILES, watch)?;
        self.stamps.note(number, stat()?.as_ref());
        let geometry = self.layout.geometry();
        let changed = |piece: &PieceIndex| {
            self.layout.slices(*piece).any(|slice| self.stamps.changed_after(slice.file, before))
        };
        let believed = || right.iter(geometry).filter(|piece| !changed(piece));
        believed().for_each(|piece| self.offered.insert(piece));
        // A change that was noticed just now may have withdrawn a piece before we offered it.
        self.offered.doubt(right.iter(geometry).filter(changed));
        if self.stamps.changed_after(number, before) {
            self.looks.ask(number, Instant::now());
            return Ok(());
        }
        let wrong = || pieces.iter(geometry).filter(|piece| !right.has(*piece));
        self.offered.condemn(wrong());
        let (path, wrong) = (shown(), wrong().count());
        match wrong {
            0 => info!("{}: unchanged, uploading continues", path.display()),
            wrong => warn!(
                "{}: no longer uploaded, because the data has changed: {}",
                path.display(),
                counted(wrong)
            ),
        }
        Ok(())
    }

    /// Looks again at the files of this download that another program has changed, and at those that are
    /// `short` (in order), which must have been cut. Returns the pieces that are wrong, by the number of a file that
    /// they are in. They count as never written.
    ///
    /// # Errors
    ///
    /// What the system refuses; [`StorageError::Vanished`] if a file was removed or replaced,
    /// [`StorageError::Unsteady`] if a file changes all the time, and [`StorageError::Cancelled`] if `watch` says so.
    pub(in crate::storage) fn wrong(
        &self,
        short: &[usize],
        open_files: usize,
        watch: &Watch<'_>,
    ) -> Result<Vec<(usize, PieceIndex)>, StorageError> {
        const ATTEMPTS: usize = 3;
        let geometry = self.layout.geometry();
        for _ in 0..ATTEMPTS {
            let doubtful = self.doubtful(short)?;
            if doubtful.is_empty() {
                return Ok(Vec::new());
            }
            let before = self.stamps.now();
            let pieces = doubtful.iter().flat_map(|number| self.layout.pieces_in(*number));
            let pieces = self.offered.stored(pieces);
            let right = self.hash(&pieces, open_files, watch)?;
            if self.doubtful(&[])?.iter().any(|number| self.stamps.changed_after(*number, before)) {
                continue;
            }
            doubtful.iter().for_each(|number| self.stamps.proven(*number, before));
            right.iter(geometry).for_each(|piece| self.offered.insert(piece));
            let wrong = || pieces.iter(geometry).filter(|piece| !right.has(*piece));
            self.offered.forget(wrong());
            let file = |piece| self.layout.slices(piece).map(|slice| slice.file);
            let blamed =
                |piece| file(piece).find(|number| doubtful.binary_search(number).is_ok()).unwrap_or_default();
            return Ok(wrong().map(|piece| (blamed(piece), piece)).collect());
        }
        let unsteady = self.doubtful(short)?.first().copied().unwrap_or_default();
        Err(StorageError::Unsteady { path: self.files.path(unsteady) })
    }

    /// The files that are not what our last write left, or that we found at the start, and those of `short`.
    fn doubtful(&self, short: &[usize]) -> Result<Vec<usize>, StorageError> {
        let found = crate::storage::finding::find_files(self.folder(), &self.layout)?;
        let mut doubtful = Vec::new();
        for (number, found) in found.iter().enumerate() {
            let is_changed = self.stamps.note(number, found.as_ref()) != Change::None;
            let is_doubtful =
                is_changed || self.stamps.is_doubtful(number) || short.binary_search(&number).is_ok();
            if !is_doubtful || self.layout.bytes_written(number) == 0 {
                continue;
            }
            if self.stamps.was_replaced(number) {
                return Err(StorageError::Vanished { path: self.files.path(number) });
            }
            doubtful.push(number);
        }
        Ok(doubtful)
    }

    /// Which of these pieces are right on the disk.
    fn hash(
        &self,
        pieces: &Bitfield,
        open_files: usize,
        watch: &Watch<'_>,
    ) -> Result<Bitfield, StorageError> {
        let right = Mutex::new(Bitfield::none(pieces.length()));
        let on_digest = |piece, digest| {
            if digest == Some((self.digests)(piece)) {
                lock(&right).insert(piece);
            }
        };
        hashing::hash(self.folder(), &self.layout, pieces, &on_digest, open_files, watch)?;
        Ok(right.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The life of the thread that looks. It ends when only it still holds what is served.
fn live(served: &Weak<ServedPieces>, wakes: &Receiver<()>) {
    loop {
        let Some(due) = served.upgrade().map(|served| served.looks.next_due()) else { return };
        let woken = match due {
            Some(due) => wakes.recv_deadline(due),
            None => wakes.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let Some(served) = served.upgrade().filter(|_| woken != Err(RecvTimeoutError::Disconnected)) else {
            return;
        };
        let is_needed = || Arc::strong_count(&served) > 1;
        while is_needed()
            && let Some(number) = served.looks.take(Instant::now())
        {
            let begun = Instant::now();
            let looked = served.look(number, &|_, _| is_needed());
            if let Err(error) = &looked {
                debug!("{}", not_checked(&served.files.path(number), error));
                served.offered.condemn(served.layout.pieces_in(number));
            }
            served.looks.looked(number, begun, Instant::now(), looked.is_err());
        }
    }
}

/// What to say of a file that cannot be looked at now. Perhaps no download is under way.
fn not_checked(path: &Path, error: &StorageError) -> String {
    let path = path.display();
    match error {
        StorageError::Vanished { .. } => {
            format!("{path}: not there, so nothing of it is uploaded until it is")
        }
        other => format!("{path}: not checked again now: {}", other.fault()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn a_file_that_a_seed_misses_was_lost_in_no_download_and_no_command_is_to_be_run_again() {
        let path = Path::new("x/a");
        let said = |error| not_checked(path, &error);
        let vanished = said(StorageError::Vanished { path: path.to_owned() });
        assert_eq!(vanished, "x/a: not there, so nothing of it is uploaded until it is");
        let refused = io::Error::from_raw_os_error(13);
        let refused = said(StorageError::Open { path: path.to_owned(), source: refused });
        assert_eq!(refused, "x/a: not checked again now: cannot open x/a: permission denied");
    }
}
