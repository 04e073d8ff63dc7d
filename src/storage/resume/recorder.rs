//! Syncs what was written to the disk, and then writes the resume file that vouches for it.
//!
//! Runs on the thread `resume` while a download runs (see `keeper`), and on the thread that ends the run
//! otherwise. It opens each file by its name, since the descriptors of the writer are few, and makes sure that
//! it is the file that the writer wrote.

use crate::text::reason;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use log::{debug, warn};

use super::place::{CachedRecord, ResumePlace};
use super::record::{KnownFile, ResumeRecord, Time, TorrentShape};
use crate::piece::{Bitfield, PieceIndex};
use crate::storage::calls;
use crate::storage::error::{Action, StorageError};
use crate::storage::folder::{AllSynced, FileStat, MANY_FILES, RootFolder};
use crate::storage::guards::Guards;
use crate::storage::layout::{FileEntry, Layout};
use crate::storage::naming;
use crate::storage::patience::patiently;
use crate::storage::survey::Survey;

/// What a record is to say beyond the one before.
pub struct Cut {
    /// The run writes nothing after this.
    pub is_final: bool,
    /// When the files were as the cut says.
    pub at: Time,
    /// All pieces that are there.
    pub pieces: Bitfield,
    /// Those that were written last.
    pub newest: Vec<PieceIndex>,
    /// The files that were written, as our last write left them.
    pub written: Vec<(usize, FileStat)>,
    /// They have to be synced.
    pub is_unsynced: bool,
    /// Files of which pieces were lost.
    pub doubtful: Vec<usize>,
}

/// What the records of one run are made of.
pub struct Recorder {
    folder: Arc<RootFolder>,
    layout: Arc<Layout>,
    shape: TorrentShape,
    record: ResumeRecord,
    /// How many bytes at the start of each file belong to the user.
    guards: Guards,
    /// The files that the system could not sync, that are not ours any more, or that were never proven. Nothing of them
    /// is vouched for in this run: after an error of a sync, the next one may succeed though bytes are lost.
    failed: BTreeSet<usize>,
    /// The first error of a sync, until somebody takes it.
    error: Option<StorageError>,
    /// An error of writing the resume file was reported.
    complained: bool,
}

impl Recorder {
    /// Begins with the pieces that the survey believed, which are synced and of which the record `before` names the
    /// newest, and the files as they were found.
    pub fn new(
        folder: Arc<RootFolder>,
        layout: Arc<Layout>,
        shape: TorrentShape,
        survey: &Survey,
        before: Option<ResumeRecord>,
        guards: &Guards,
    ) -> Recorder {
        let kept = |number| guards.get(&number).copied().unwrap_or(0);
        let known = |(number, found): (usize, &Option<FileStat>)| {
            found.as_ref().map(|found| KnownFile::of(found, kept(number)))
        };
        let mut files: Vec<_> = survey.found.iter().enumerate().map(known).collect();
        // What the record says of a piece in the part file is not said of the neighbours that it stands for.
        for (number, slot) in files.iter_mut().enumerate().filter(|(number, _)| layout.is_hidden(*number)) {
            let range = layout.entry(number).map_or(0..0, FileEntry::range);
            if let Some(known) = slot
                && layout.pieces(range).any(|piece| layout.is_elsewhere(number, piece))
            {
                known.is_doubtful = true;
            }
        }
        // A later run, which the user does not tell to believe them, is to read them.
        for number in &survey.unproven {
            if let Some(Some(known)) = files.get_mut(*number) {
                known.is_doubtful = true;
            }
        }
        let (newest, before) = before.map_or_else(Default::default, |record| (record.newest, record.files));
        for (known, before) in files.iter_mut().zip(before) {
            if let (Some(known), Some(before)) = (known, before)
                && known.inode == before.inode
            {
                known.born = before.born;
            }
        }
        let (is_whole, pieces) = (layout.wanted().is_none(), survey.believed.clone());
        let record = ResumeRecord { is_final: false, is_whole, at: now(), pieces, newest, files };
        let (guards, failed) = (guards.clone(), survey.unproven.iter().copied().collect());
        Recorder { folder, layout, shape, record, guards, failed, error: None, complained: false }
    }

    /// The pieces that were written last, as the record says.
    pub fn newest(&self) -> &[PieceIndex] {
        &self.record.newest
    }

    /// Syncs what the cut names, and takes it into the record.
    pub fn take(&mut self, cut: Cut) {
        let are_many = cut.is_unsynced && cut.written.len() >= MANY_FILES;
        let mut all = if are_many { self.folder.sync_all() } else { AllSynced::default() };
        for (number, written) in &cut.written {
            let synced = if cut.is_unsynced { self.sync(*number, written, &mut all) } else { Ok(0) };
            let synced = synced.inspect_err(|error| {
                debug!(
                    "cannot record the state of {}: {}",
                    self.layout_path(*number).display(),
                    reason(error)
                );
                self.failed.insert(*number);
            });
            let kept = self.guards.get(number).copied().unwrap_or(0);
            if let Some(slot) = self.record.files.get_mut(*number) {
                let before = slot.filter(|known| known.has_number(written)).map_or(0, |known| known.born);
                let born = synced.as_ref().ok().copied().filter(|born| *born > 0).unwrap_or(before);
                *slot =
                    Some(KnownFile { born, is_doubtful: synced.is_err(), ..KnownFile::of(written, kept) });
            }
        }
        // Which file is ours is not forgotten: the next run has to know it from another one under its name.
        for number in self.failed.iter().chain(&cut.doubtful) {
            if let Some(Some(known)) = self.record.files.get_mut(*number) {
                known.is_doubtful = true;
            }
        }
        self.record.is_final = cut.is_final;
        self.record.at = cut.at;
        self.record.pieces = cut.pieces;
        self.record.newest = cut.newest;
    }

    /// From now on these bytes at the start of the files are the user's.
    pub fn keep(&mut self, guards: &Guards) {
        self.guards.clone_from(guards);
        for (number, known) in self.record.files.iter_mut().enumerate() {
            if let Some(known) = known {
                known.kept = guards.get(&number).copied().unwrap_or(0);
            }
        }
    }

    /// Writes the record beside the download.
    pub fn save(&mut self, place: &ResumePlace) {
        // One that vouches for nothing is no better than none.
        let synced = self.record.pieces.count() > 0;
        if let Err(error) = place.write(&self.folder, &self.record.encode(&self.shape), synced) {
            let path = self.folder.path().display();
            // At the end there is nothing that the user could do about it, and perhaps a better reason is said.
            if !self.record.is_final && !std::mem::replace(&mut self.complained, true) {
                warn!(
                    "cannot record in {path} what was checked, so the next run will check it again: {}",
                    reason(&error)
                );
            } else {
                debug!("cannot record in {path} what was checked: {}", reason(&error));
            }
        }
    }

    /// Writes the record into the cache.
    pub fn cache(&self, place: &CachedRecord) {
        place.write(&self.record);
    }

    /// The first error of a sync since this was asked.
    pub fn error(&mut self) -> Option<StorageError> {
        self.error.take()
    }

    /// Syncs a file, if it is the one that was written and is not synced yet. Returns when it was created.
    fn sync(&mut self, number: usize, written: &FileStat, all: &mut AllSynced) -> io::Result<u64> {
        let path = self.layout.entry(number).map(|entry| &entry.path).ok_or(io::ErrorKind::NotFound)?;
        let file: File = patiently(|| naming::open_to_read(&self.folder, path))?;
        if RootFolder::file_stat(&file)?.identity != written.identity {
            return Err(io::Error::other("another file has its name"));
        }
        if all.covers(*written) {
            return Ok(born(&file));
        }
        calls::sync(&file).map_err(|error| {
            let kind = error.kind();
            let failed = StorageError::from_io(Action::Sync, self.folder.join(path), error);
            self.error.get_or_insert(failed);
            io::Error::from(kind)
        })?;
        Ok(born(&file))
    }

    fn layout_path(&self, number: usize) -> &Path {
        self.layout.entry(number).map_or(Path::new(""), |entry| &entry.path)
    }
}

/// Keeps in the cache what a survey found, of a payload that is not to be written. If it is not whole, there may be
/// more.
pub fn remember(
    cache: &CachedRecord,
    folder: Arc<RootFolder>,
    layout: Arc<Layout>,
    survey: &Survey,
    is_whole: bool,
) {
    let written = survey.unsynced(&layout).into_iter().collect();
    let mut recorder = Recorder::new(folder, layout, cache.shape(), survey, None, &Guards::new());
    recorder.record.is_whole &= is_whole;
    let (pieces, newest, doubtful) = (survey.good.clone(), Vec::new(), Vec::new());
    recorder.take(Cut { is_final: true, at: now(), pieces, newest, written, is_unsynced: true, doubtful });
    recorder.cache(cache);
}

/// When a file was created, in nanoseconds since 1970. 0 if the system does not say.
pub fn born(file: &File) -> u64 {
    let created = file.metadata().and_then(|data| data.created()).ok();
    let since = created.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}

/// The time now, as the system stamps files with it.
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs(), since.subsec_nanos().into())
}
