//! The payload on the disk: where it goes, which part of it is there already, and when it is safe.
//!
//! It promises four things. Nothing unverified is ever on the disk. Nothing that was there before us is
//! changed unasked. Nothing outside the output folder is touched. And success is reported after the last
//! sync, never before, and only if no other program has spoiled what we wrote.
//!
//! [`Storage::open`] runs before the download, on the coordinator's thread (see [`opening`]). It finds out what
//! the output folder holds and which pieces of it verify ([`survey`]), decides what may be done with it
//! ([`plan`], which refuses to touch what is not the torrent's: see [`claim`] and [`marker`]), and prepares the
//! folder. Then the writer thread owns the [`Storage`] and gives it verified pieces, and nothing else. So a
//! download can be stopped at any moment by any means and goes on from there. [`Storage::finish`] makes it
//! durable.
//!
//! [`fn@examine`] looks at a payload and changes nothing. [`gather`] finds the files for a new torrent, and
//! [`Gathered::digests`] hashes them.
//!
//! A payload may also be written out in order and not be kept ([`stream`]). Of a selection of files, what they
//! share with others is in a [`part_file`].
//!
//! What is there need not be read again by the next run: [`resume`] writes down which pieces are synced to the
//! disk, and the survey believes that as far as the files are what they were. What others have put into their
//! places is found out by [`replaced`].
//!
//! The files may have another top name than the torrent's, and until they are whole another ending
//! ([`partial_names`]).
//!
//! Inside, [`layout`] says where each byte lies, [`folder`] is the only way to a file by name, [`file_pool`] bounds the
//! open files, [`files`] puts the three together, and [`space`] measures the free space. The system calls that read and
//! change files go through [`calls`]. Peers get what is there from [`ServedPieces`], which also notices changes.

mod cache_file;
mod calls;
mod claim;
mod create_scan;
mod digests;
mod error;
#[cfg(test)]
mod fake_names;
mod file_lengths;
mod file_limit;
mod file_pool;
mod files;
mod finding;
mod finishing;
mod folder;
mod guards;
mod hard_links;
mod hashing;
mod home;
mod layout;
mod links;
mod marker;
mod naming;
mod opening;
mod part_file;
mod partial_names;
mod patience;
mod payload;
mod plan;
mod probe;
mod replaced;
mod reservations;
mod resume;
mod selection;
mod served_pieces;
mod sha1_pair;
mod shared_folders;
mod space;
pub mod stream;
mod survey;
mod surveying;
#[cfg(test)]
mod tests;
mod verify;
pub mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use cache_file::CacheFile;
#[cfg(test)]
pub use cache_file::NewFolder;
#[cfg(test)]
pub use calls::{Call, faults};
pub use create_scan::{Gathered, gather, name};
pub use digests::{Digests, digests_of};
pub use error::{ForeignFile, Shortage, StorageError};
pub use file_limit::FileLimit;
pub use hashing::Watch;
pub use marker::output_name_fault;
pub use opening::create_folder;
pub use payload::{Allocate, Existing, Options, Payload};
pub use probe::{FolderProbe, bytes_there, held_by_another, probe};
pub use reservations::Reservations;
pub use resume::Check;
pub use selection::Selection;
pub use served_pieces::{BlockPart, ServedPieces};
pub use shared_folders::SharedFolders;
pub use space::Room;
pub use verify::{Examined, ExaminedFile, FileState, examine, refusal};

use crate::piece::{Bitfield, PieceIndex};
use files::PayloadFiles;
use guards::Guards;
use layout::{Layout, Slice};
use marker::Marker;
use opening::Opening;
use part_file::PartFile;
use resume::{CachedRecord, ResumeKeeper};

/// A file to which nothing was written for this long, or twice as long, is closed.
const IDLE_FILE: Duration = Duration::from_secs(10);

/// What [`Storage::finish`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finished {
    /// All is right and safe on the disk.
    Durable,
    /// Another program has changed these pieces: they have to be written again, and then it can be tried
    /// again.
    Spoiled(Vec<PieceIndex>),
}

/// The payload of one torrent on the disk. If it is dropped before [`Storage::finish`], all that is
/// verified stays, with the marker by which the next run recognises it.
pub struct Storage {
    files: PayloadFiles,
    marker: Marker,
    /// The marker is beside the download.
    marked: bool,
    /// What the marker remembers.
    guards: Guards,
    /// The marker was not there before this run.
    newly_marked: bool,
    /// What it takes on the disk, if the system says so.
    room: Option<Room>,
    /// What is shared with files that are not selected.
    part_file: PartFile,
    resume: ResumeKeeper,
    /// Where it is kept what is there, once it is complete.
    cache: Option<CachedRecord>,
    /// Folders above the output folder in which a new folder was created.
    parents: Vec<PathBuf>,
    /// When the next look at idle files is.
    next_look: Instant,
}

impl Storage {
    /// Opens the payload below the folder `root`, which is created if it does not exist. Also returns the
    /// pieces that are there already; with a selection, only those of the selection.
    ///
    /// `watch` is told of the progress of the survey, and may stop it.
    ///
    /// # Errors
    ///
    /// [`StorageError::Exists`] if a file has the right name and foreign content, [`StorageError::NoRoom`] if
    /// all room is to be taken and there is not enough, [`StorageError::Busy`] if another run is working on
    /// it, and what the system refuses. Nothing is changed in these cases, except that the folder may
    /// have been created.
    pub fn open(
        root: &Path,
        payload: &Payload<'_>,
        options: Options,
        watch: &Watch<'_>,
    ) -> Result<(Storage, Bitfield), StorageError> {
        Storage::open_among(&SharedFolders::default(), None, root, payload, options, watch)
    }

    /// The same, where other torrents may have their payload in the same folder. `taken` says that one of them writes to
    /// this file, and which one that is.
    ///
    /// # Errors
    ///
    /// As [`Storage::open`], and [`StorageError::Taken`] if anything is missing where another one writes.
    pub fn open_among(
        folders: &SharedFolders,
        taken: Option<(&Path, String)>,
        root: &Path,
        payload: &Payload<'_>,
        options: Options,
        watch: &Watch<'_>,
    ) -> Result<(Storage, Bitfield), StorageError> {
        let mut opening = Opening::survey(folders, root, payload, &options, watch)?;
        if let Some((path, by)) = taken.filter(|_| !opening.is_complete()) {
            return Err(StorageError::Taken { path: root.join(path), by });
        }
        let mut plan = opening.decide(&options)?;
        if opening.is_without_folder() {
            let parents = opening::make_folder(root)?;
            opening = Opening::survey(folders, root, payload, &options, watch)?.after_creating_in(parents);
            plan = opening.decide(&options)?;
        }
        let (mut good, allocate) = (opening.survey.good.clone(), plan.allocate);
        let nothing_is_there = opening.survey.found.iter().all(Option::is_none);
        let mut storage = opening.prepare(plan, &options)?;
        // Nobody waits for the disk before there are peers: the writer syncs the marker of what is new.
        if allocate || !storage.newly_marked || !nothing_is_there {
            storage.settle()?;
        }
        if allocate {
            storage.resume.begin();
            let allocated = storage.files.allocate(&|| watch(0, 0));
            storage.note_written(0);
            allocated?;
            storage.room = None;
        }
        if storage.marked {
            part_file::move_out(&mut storage, &mut good, payload.digests, watch)?;
        }
        storage.files.give_names()?;
        storage.note_written(0);
        Ok((storage, good))
    }

    /// Makes sure that the next run knows this download, whatever happens. Done before anything is written, at the
    /// latest.
    ///
    /// # Errors
    ///
    /// What the system refuses.
    pub fn settle(&mut self) -> Result<(), StorageError> {
        self.marker.sync(self.files.folder())
    }

    /// Writes a piece, which must be verified.
    ///
    /// # Errors
    ///
    /// What the system refuses; [`StorageError::Vanished`] if a file that was written before is gone;
    /// [`StorageError::Guarded`] if bytes that were there before us differ: then nothing of it was written. What other
    /// pieces wrote stays.
    pub fn write(&mut self, piece: PieceIndex, bytes: &[u8]) -> Result<(), StorageError> {
        self.settle()?;
        self.resume.begin();
        let layout = self.files.layout();
        let parts = parts(layout, piece, bytes)?;
        // Another program has changed a neighbour that was good at the start. It is not ours to mend.
        let is_mended = layout.slot(piece).is_some() || !layout.touches_hidden(piece);
        for (slice, part) in &parts {
            self.files.compare(slice, part)?;
        }
        part_file::write_slot(self, piece, bytes)?;
        for (slice, part) in &parts {
            let written = self.files.write(slice, part);
            self.note_written(slice.length);
            written?;
        }
        if is_mended {
            self.files.served_pieces().offer(piece);
        }
        self.files.stored(piece)?;
        self.note_written(0);
        if let Some(room) = &self.room {
            room.wrote(bytes.len() as u64);
        }
        self.resume.stored(piece);
        self.save_if_due()
    }

    /// When [`Storage::save_if_due`] has something to do, if nothing is written meanwhile.
    pub fn next_save(&self) -> Option<Instant> {
        self.resume.next()
    }

    /// Has it synced and written down what was written, if that is due. Does not wait for it.
    ///
    /// # Errors
    ///
    /// What was written earlier could not be synced.
    pub fn save_if_due(&mut self) -> Result<(), StorageError> {
        self.resume.save_if_due()
    }

    /// When [`Storage::rest`] has something to do, if nothing is written meanwhile.
    pub fn next_rest(&self) -> Option<Instant> {
        let idle = self.files.has_open().then_some(self.next_look);
        self.next_save().into_iter().chain(idle).min()
    }

    /// Nothing waits to be written at the moment that [`Storage::next_rest`] has named: closes the files that are idle,
    /// if it is time for that, and does [`Storage::save_if_due`], which may be due each second.
    ///
    /// # Errors
    ///
    /// As that.
    pub fn rest(&mut self, now: Instant) -> Result<(), StorageError> {
        if now >= self.next_look {
            self.next_look = now + IDLE_FILE;
            self.files.close_idle();
        }
        self.save_if_due()
    }

    fn note_written(&mut self, bytes: u64) {
        for (file, stat) in self.files.take_written() {
            self.resume.wrote(file, stat, bytes);
        }
    }

    /// Where the payload is: the only file, or the folder that all files are in.
    pub fn place(&self) -> PathBuf {
        self.files.folder().join(self.files.layout().top())
    }

    /// Whether files count as what they were, although they have changed, because the user says so ([`Check::Never`]).
    pub fn has_unread(&self) -> bool {
        self.resume.has_unread()
    }

    /// What is on the disk, for the threads that send it to peers. It outlives the storage.
    pub fn served_pieces(&self) -> Arc<ServedPieces> {
        Arc::clone(self.files.served_pieces())
    }

    /// The room that the rest of the payload takes, and what there was at the start. Too little of it is a reason to
    /// warn, not to give up: the user may free some in time. `None` if the payload is complete.
    pub fn room(&self) -> Option<&Room> {
        self.room.as_ref()
    }
}

/// The parts of a piece that belong in files of the payload.
fn parts<'a>(
    layout: &Layout,
    piece: PieceIndex,
    bytes: &'a [u8],
) -> Result<Vec<(Slice, &'a [u8])>, StorageError> {
    let (mut parts, mut rest) = (Vec::new(), bytes);
    for slice in layout.slices(piece) {
        let length = usize::try_from(slice.length).map_err(|_| StorageError::Layout)?;
        let (part, later) = rest.split_at_checked(length).ok_or(StorageError::Layout)?;
        rest = later;
        if !slice.padding && !layout.is_hidden(slice.file) && layout.part_file() != Some(slice.file) {
            parts.push((slice, part));
        }
    }
    if rest.is_empty() { Ok(parts) } else { Err(StorageError::Layout) }
}

impl Drop for Storage {
    fn drop(&mut self) {
        // An error of a sync means that less is vouched for.
        let _ = self.resume.end_thread();
        if !self.marked {
            return;
        }
        if !self.newly_marked || !self.files.are_untouched() {
            if self.resume.has_news() {
                self.resume.close(false);
            }
            return;
        }
        // A run that wrote nothing leaves nothing, except in the cache.
        let _ = self.resume.remove();
        let _ = self.marker.remove(self.files.folder());
        if let Some(cache) = self.cache.as_ref().filter(|_| self.resume.has_news()) {
            self.resume.cache(cache, false);
        }
    }
}
