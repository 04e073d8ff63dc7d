//! The writer's side of the resume file: notes what is written, and says when the next record is due.
//!
//! Runs on the writer thread, and never waits for the disk while a download runs: it hands a [`Cut`] to the
//! thread `resume`, which syncs and writes. While that is at work no other cut is made, and what is written
//! meanwhile waits for the next one. The thread ends with the run, and the run waits for it. Where no thread
//! can be started, only the first record and the last one are written.

use crate::text::reason;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};
use log::debug;

use super::place::{CachedRecord, ResumePlace};
use super::record::NEWEST;
use super::recorder::{Cut, Recorder, now};
use super::{BEHIND, SAVE_BYTES, SAVE_INTERVAL};
use crate::piece::{Bitfield, PieceIndex};
use crate::storage::StorageError;
use crate::storage::calls;
use crate::storage::folder::FileStat;
use crate::storage::guards::Guards;
use crate::storage::served_pieces::ServedPieces;
use crate::storage::survey::Survey;
use crate::thread::{self, lock};

const STACK_BYTES: usize = 128 * 1024;
/// How long after one record another one is made where a change was noticed meanwhile, and how often we look for that.
const AFTER_A_CHANGE: Duration = Duration::from_secs(1);

/// What one run knows beyond the last record.
pub struct ResumeKeeper {
    recorder: Arc<Mutex<Recorder>>,
    place: Arc<ResumePlace>,
    served_pieces: Arc<ServedPieces>,
    /// The pieces that are on the disk, as far as we know.
    there: Bitfield,
    /// The pieces that are there and not wanted by this run.
    beside: Vec<PieceIndex>,
    /// The files with bytes that may not be on the disk yet, as our last write left them.
    unsynced: BTreeMap<usize, FileStat>,
    /// There are some that the end of a download does not sync, since others wrote them.
    found_unsynced: bool,
    newest: Vec<PieceIndex>,
    /// Bytes written since the last cut, and when that was.
    bytes: u64,
    last: Instant,
    /// The changes by other programs that the last cut knew of, by their number.
    changes: u64,
    /// The first record was written.
    has_begun: bool,
    /// The survey has read what no record told.
    has_read: bool,
    /// The survey has believed files that have changed.
    has_unread: bool,
    thread: Option<(Sender<Cut>, JoinHandle<()>)>,
}

impl ResumeKeeper {
    /// Begins with what the survey found. If a run of ours `was_there` before, [`PayloadFiles::finish`] syncs
    /// what it left.
    ///
    /// [`PayloadFiles::finish`]: crate::storage::files::PayloadFiles::finish
    pub fn new(
        recorder: Recorder,
        place: ResumePlace,
        served_pieces: Arc<ServedPieces>,
        survey: &Survey,
        was_there: bool,
    ) -> ResumeKeeper {
        let layout = served_pieces.layout();
        let unsynced = survey.unsynced(layout);
        let unwanted = |piece: &PieceIndex| layout.wanted().is_some_and(|wanted| !wanted.has(*piece));
        let beside = survey.believed.iter(layout.geometry()).filter(unwanted).collect();
        let newest = recorder.newest().to_vec();
        let is_left_alone = |number: &usize| layout.is_hidden(*number);
        let found_unsynced = !unsynced.is_empty() && (!was_there || unsynced.keys().any(is_left_alone));
        ResumeKeeper {
            recorder: Arc::new(Mutex::new(recorder)),
            place: Arc::new(place),
            served_pieces,
            there: survey.good.clone(),
            beside,
            unsynced,
            found_unsynced,
            newest,
            bytes: 0,
            last: Instant::now(),
            changes: 0,
            has_begun: false,
            has_read: survey.has_read,
            has_unread: !survey.unproven.is_empty(),
            thread: None,
        }
    }

    /// The first byte is about to be written. Writes the first record and starts the thread.
    pub fn begin(&mut self) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        lock(&self.recorder).save(&self.place);
        self.start_thread();
        if !self.unsynced.is_empty() {
            self.hand_over();
        }
    }

    /// Pieces are not there any more of which the last record may say that they are: writes another one, and goes
    /// on.
    pub fn recall(&mut self) {
        let cut = self.cut(false, true);
        let mut recorder = lock(&self.recorder);
        recorder.take(cut);
        recorder.save(&self.place);
        drop(recorder);
        self.has_begun = true;
        self.start_thread();
    }

    fn start_thread(&mut self) {
        let (orders, cuts) = bounded::<Cut>(1);
        let (recorder, place) = (Arc::clone(&self.recorder), Arc::clone(&self.place));
        let life = move || {
            for cut in cuts {
                let mut recorder = lock(&recorder);
                recorder.take(cut);
                recorder.save(&place);
            }
        };
        match thread::spawn("resume", STACK_BYTES, calls::handed_on(life)) {
            Ok(thread) => self.thread = Some((orders, thread)),
            Err(error) => debug!("progress will be recorded at the end only: {}", reason(&error)),
        }
        self.last = Instant::now();
    }

    /// These bytes of a file were written.
    pub fn wrote(&mut self, file: usize, stat: FileStat, bytes: u64) {
        self.unsynced.insert(file, stat);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// A whole piece was written.
    pub fn stored(&mut self, piece: PieceIndex) {
        self.there.insert(piece);
        if self.newest.len() >= NEWEST {
            self.newest.remove(0);
        }
        self.newest.push(piece);
    }

    /// When the next record is due, if nothing is written meanwhile, or may be. What changes soon after a record looks
    /// to the next run as if we had written it. So until then each change that is noticed makes a record due.
    pub fn next(&self) -> Option<Instant> {
        self.thread.as_ref()?;
        let due = (!self.unsynced.is_empty()).then(|| self.last.checked_add(SAVE_INTERVAL)).flatten();
        let look = match self.has_changed() {
            true => self.last.checked_add(AFTER_A_CHANGE),
            false if self.last.elapsed() < BEHIND => Instant::now().checked_add(AFTER_A_CHANGE),
            false => None,
        };
        due.into_iter().chain(look).min()
    }

    /// Whether another program has changed a file since the last cut, as far as it was noticed.
    fn has_changed(&self) -> bool {
        self.served_pieces.changes() != self.changes
    }

    /// Makes a cut if one is due.
    ///
    /// # Errors
    ///
    /// The system could not sync what was written earlier: it may be lost.
    pub fn save_if_due(&mut self) -> Result<(), StorageError> {
        let is_due = self.bytes >= SAVE_BYTES || self.next().is_some_and(|next| next <= Instant::now());
        if is_due && (!self.unsynced.is_empty() || self.has_changed()) {
            // Never waits: where the thread is at work, we come again.
            if let Ok(mut recorder) = self.recorder.try_lock() {
                recorder.error().map_or(Ok(()), Err)?;
            }
            self.hand_over();
        }
        Ok(())
    }

    fn hand_over(&mut self) {
        let Some((orders, _)) = &self.thread else { return };
        // A cut that is late by a whole interval is due at each write. It is made only where it is taken.
        if orders.is_full() {
            // Not at once again: the writer would do nothing else for as long as the disk is slow.
            self.last = Instant::now();
            return;
        }
        let orders = orders.clone();
        // The thread takes cuts for as long as we have the sender.
        let _ = orders.try_send(self.cut(false, true));
        self.last = Instant::now();
    }

    fn cut(&mut self, is_final: bool, is_unsynced: bool) -> Cut {
        self.bytes = 0;
        // Before we look which pieces are certain.
        self.changes = self.served_pieces.changes();
        // Our next write takes another program's change into the times of the file. So a piece in doubt must not
        // be vouched for.
        let mut pieces = self.served_pieces.certain();
        let mut doubtful = Vec::new();
        if pieces != self.there {
            let layout = self.served_pieces.layout();
            let lost = self.there.iter(layout.geometry()).filter(|piece| !pieces.has(*piece));
            doubtful = lost.flat_map(|piece| layout.slices(piece)).map(|slice| slice.file).collect();
            doubtful.dedup();
        }
        // Nobody looks again at what this run does not want.
        self.beside.retain(|piece| !self.served_pieces.has_changed(*piece));
        self.beside.iter().for_each(|piece| _ = pieces.insert(*piece));
        let written = std::mem::take(&mut self.unsynced).into_iter().collect();
        Cut { is_final, at: now(), pieces, newest: self.newest.clone(), written, is_unsynced, doubtful }
    }

    /// Ends the thread, and waits for it: until what it syncs is on the disk. No record is written from now
    /// on but by the methods below.
    ///
    /// # Errors
    ///
    /// The system could not sync what was written: it may be lost.
    pub fn end_thread(&mut self) -> Result<(), StorageError> {
        if let Some((orders, thread)) = self.thread.take() {
            drop(orders);
            let _ = thread.join();
        }
        lock(&self.recorder).error().map_or(Ok(()), Err)
    }

    /// Whether the survey has believed files that have changed.
    pub fn has_unread(&self) -> bool {
        self.has_unread
    }

    /// Whether there is something to say that no record beside the download says yet.
    pub fn has_news(&self) -> bool {
        self.has_begun || self.has_read
    }

    /// Writes the last record beside a download that is unfinished. If it has `finished` for now, what was
    /// written is synced.
    pub fn close(&mut self, finished: bool) {
        let cut = self.cut(true, !finished || self.found_unsynced);
        let mut recorder = lock(&self.recorder);
        recorder.take(cut);
        recorder.save(&self.place);
    }

    /// From now on these bytes at the start of the files are the user's.
    pub fn keep(&mut self, guards: &Guards) {
        lock(&self.recorder).keep(guards);
    }

    /// Keeps in the cache what is there, of a payload that is not to be written any more. If the download has
    /// `finished`, what was written is synced.
    pub fn cache(&mut self, cache: &CachedRecord, finished: bool) {
        let cut = self.cut(true, !finished || self.found_unsynced);
        let mut recorder = lock(&self.recorder);
        recorder.take(cut);
        recorder.cache(cache);
    }

    /// Removes the resume file.
    pub fn remove(&self) -> Result<(), StorageError> {
        self.place.remove(self.served_pieces.folder())
    }
}
