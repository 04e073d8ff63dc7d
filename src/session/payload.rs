//! The check of the payload: which pieces are on the disk, which are to be downloaded, and where they go.
//!
//! Runs on the thread of the torrent, which waits for its turn (`check_queue.rs`) and for the hashing threads
//! (`storage/hashing.rs`).

use super::{Aim, Begin, Job, Outcome, Progress, RunContext, SessionError, choice};
use crate::message::{CheckResult, Notice, Snapshot};
use crate::metainfo::Metainfo;
use crate::piece::{Bitfield, Geometry};
use crate::storage::stream::{Outlet, Stream, StreamFormat};
use crate::storage::{
    self, Finished, Options, Payload, Selection, ServedPieces, Storage, StorageError, Watch,
};
use crate::strategy::PieceOrder;
use crate::swarm::{RunEnd, WantedPieces};
use std::path::Path;
use std::sync::Arc;

/// The payload as the check left it.
pub(super) struct CheckedPayload {
    /// How it is cut into pieces.
    pub geometry: Geometry,
    /// Where the missing pieces go. `None` if nothing is to be written to the disk.
    pub storage: Option<Storage>,
    /// Where they go instead of the disk.
    pub stream: Option<Stream>,
    /// The pieces that we can upload. `None` if none is kept.
    pub served_pieces: Option<Arc<ServedPieces>>,
    /// The pieces that are on the disk.
    pub stored: Bitfield,
    /// The pieces that are to be on the disk in the end.
    pub wanted: WantedPieces,
    /// In which order they are fetched.
    pub order: PieceOrder,
    /// The files that are downloaded, if not all.
    pub selection: Option<Arc<Selection>>,
}

impl CheckedPayload {
    /// A payload that is neither written nor uploaded.
    fn new(geometry: Geometry, stored: Bitfield, wanted: WantedPieces, order: PieceOrder) -> CheckedPayload {
        let (storage, stream, served_pieces, selection) = (None, None, None, None);
        CheckedPayload { geometry, storage, stream, served_pieces, stored, wanted, order, selection }
    }

    /// The bytes of the pieces that are on the disk.
    pub fn stored_bytes(&self) -> u64 {
        self.stored.iter(self.geometry).map(|piece| u64::from(self.geometry.length(piece))).sum()
    }

    /// How many pieces are to be on the disk in the end.
    pub fn wanted_count(&self) -> u32 {
        match &self.wanted {
            WantedPieces::All => self.geometry.piece_count(),
            WantedPieces::Only(pieces) => pieces.count(),
            WantedPieces::Nothing => self.stored.count(),
        }
    }
}

/// Checks the payload. The run ends here if all wanted pieces are on the disk and we are not to seed.
pub(super) fn check(
    run: RunContext<'_>,
    metainfo: &Arc<Metainfo>,
) -> Result<Begin<CheckedPayload>, SessionError> {
    let geometry = metainfo.geometry;
    let digests = storage::digests_of(metainfo);
    let selection = choice::selection(run.job, metainfo, geometry)?;
    let order = choice::order(run.job, &metainfo.files, geometry)?;
    show_job(run, metainfo, selection.as_ref());
    let payload = Payload {
        name: &metainfo.name,
        output_name: run.job.naming.output_name.as_deref(),
        info_hash: metainfo.info_hash,
        files: &metainfo.files,
        geometry,
        digests: &digests,
        selection: selection.as_ref(),
        cache: run.job.cache.as_deref(),
    };
    let check = run.network.checks.check(run.stop);
    let watch = |done: u64, total: u64| {
        if total > 0 {
            if !check.may_go_on(total.saturating_sub(done), || (run.show)(Progress::WaitsForCheck)) {
                return false;
            }
            (run.show)(Progress::Checking(done, total));
        }
        !run.stop.is_asked()
    };
    let mut checked = match &run.job.aim {
        Aim::Download => open(run, &payload, order, &watch)?,
        Aim::Share => share(run, &payload, &watch)?,
        Aim::Stream(to) | Aim::Try(to) => stream(run.job, to, metainfo, &payload, order)?,
    };
    drop(check);
    show_result(run, &checked);
    if run.job.uploads.seeding.is_some() || checked.storage.is_some() || checked.stream.is_some() {
        checked.selection = selection.map(Arc::new);
        return Ok(Begin::Run(checked));
    }
    let done = checked.stored_bytes();
    let left = geometry.total_size().saturating_sub(done);
    let snapshot = Snapshot { done, total: done, left, ..Snapshot::default() };
    Ok(Begin::Ended(Outcome { end: RunEnd::Done, snapshot }))
}

/// Shows what the run is to do: the name, the selection and the place, as the torrent and the user want them.
fn show_job(run: RunContext<'_>, metainfo: &Metainfo, selection: Option<&Selection>) {
    let name = run.job.naming.output_name.as_ref();
    if let Some(name) = name {
        (run.show)(Progress::Named(name.clone()));
    }
    if let Some(selection) = selection {
        let files = metainfo.files.iter().filter(|file| !file.padding).count();
        (run.show)(Progress::Selected(selection.count(), files));
    }
    if !matches!(run.job.aim, Aim::Stream(_) | Aim::Try(_)) {
        (run.show)(Progress::Place(run.job.folder.join(name.unwrap_or(&metainfo.name))));
    }
}

/// Shows what was found. The disk, or an earlier run, may have another name for it.
fn show_result(run: RunContext<'_>, checked: &CheckedPayload) {
    let Some(served_pieces) = &checked.served_pieces else { return };
    if let Some(name) = served_pieces.output_name().filter(|_| run.job.naming.output_name.is_none()) {
        (run.show)(Progress::GoesOnAs(name.to_owned()));
    }
    (run.show)(Progress::Place(served_pieces.place()));
    run.door.tell(|| {
        let (good, bytes) = (checked.stored.count(), checked.stored_bytes());
        let path = served_pieces.place();
        // Whoever reads it may have another working folder.
        let path = std::path::absolute(&path).unwrap_or(path);
        Notice::Checked(CheckResult { good, bytes, wanted: checked.wanted_count(), path })
    });
}

/// Opens the payload to complete it. If it is complete, there is nothing to write.
fn open(
    run: RunContext<'_>,
    payload: &Payload<'_>,
    order: PieceOrder,
    watch: &Watch<'_>,
) -> Result<CheckedPayload, SessionError> {
    let (job, geometry) = (run.job, payload.geometry);
    check_piece_length(job, geometry)?;
    let Job { allocate, existing, open_files, check, .. } = *job;
    let options = Options { allocate, existing, open_files, check, parts: job.naming.parts };
    let taken = taken(run, payload);
    let (mut storage, stored) =
        Storage::open_among(&run.network.folders, taken, &job.folder, payload, options, watch)?;
    let served_pieces = storage.served_pieces();
    let selected = payload.selection.map(|selection| selection.pieces().clone());
    if selected.as_ref().map_or(stored.is_full(), |selected| *selected == stored) {
        if storage.has_unread() {
            (run.show)(Progress::Unread);
        }
        match storage.finish_watched(watch)? {
            Finished::Durable => {
                let complete = CheckedPayload::new(geometry, stored, WantedPieces::Nothing, order);
                return Ok(CheckedPayload { served_pieces: Some(served_pieces), ..complete });
            }
            // It was complete a moment ago, so it may be the user's own work that is in it now.
            Finished::Spoiled(_) => {
                return Err(StorageError::Changed { path: storage.place() }.into());
            }
        }
    }
    let wanted = selected.map_or(WantedPieces::All, WantedPieces::Only);
    let (storage, served_pieces) = (Some(storage), Some(served_pieces));
    Ok(CheckedPayload { storage, served_pieces, ..CheckedPayload::new(geometry, stored, wanted, order) })
}

/// The first file that another torrent of the command writes to, and what that one was named by. The torrent of a magnet
/// link is entered now that its files are known.
fn taken<'a>(run: RunContext<'_>, payload: &Payload<'a>) -> Option<(&'a Path, String)> {
    let Payload { info_hash, files, selection, .. } = *payload;
    let reservations = &run.network.reservations;
    reservations.enter(info_hash, files, selection, &format!("the link to {info_hash}"));
    reservations.taken(info_hash, files, selection)
}

/// Opens the payload to share it as it is.
fn share(
    run: RunContext<'_>,
    payload: &Payload<'_>,
    watch: &Watch<'_>,
) -> Result<CheckedPayload, SessionError> {
    let (job, folders) = (run.job, &run.network.folders);
    let served_pieces =
        ServedPieces::open_among(folders, &job.folder, payload, job.open_files, job.check, watch)?;
    let stored = served_pieces.offered();
    if stored.count() == 0 && stored.length() > 0 {
        return Err(SessionError::NothingThere { path: served_pieces.place() });
    }
    let shared = CheckedPayload::new(payload.geometry, stored, WantedPieces::Nothing, PieceOrder::default());
    Ok(CheckedPayload { served_pieces: Some(served_pieces), ..shared })
}

/// Prepares to write the payload out. Nothing of it is on the disk, and nothing is looked for there.
fn stream(
    job: &Job,
    to: &Outlet,
    metainfo: &Arc<Metainfo>,
    payload: &Payload<'_>,
    order: PieceOrder,
) -> Result<CheckedPayload, SessionError> {
    let Payload { geometry, selection, files, .. } = *payload;
    let count = selection.map_or(files.iter().filter(|file| !file.padding).count(), Selection::count);
    if to.format == StreamFormat::File && count != 1 {
        return Err(SessionError::NotOneFile { count });
    }
    check_piece_length(job, geometry)?;
    let wanted = selection.map_or(WantedPieces::All, |it| WantedPieces::Only(it.pieces().clone()));
    let stream = Some(Stream::new(to, Arc::clone(metainfo), geometry, selection.cloned()));
    let stored = Bitfield::none(geometry.piece_count());
    Ok(CheckedPayload { stream, ..CheckedPayload::new(geometry, stored, wanted, order) })
}

/// A piece verifies as a whole, so it has to fit into memory.
fn check_piece_length(job: &Job, geometry: Geometry) -> Result<(), SessionError> {
    let (length, memory) = (geometry.piece_length(), job.limits.memory);
    match u64::from(length) > memory.saturating_mul(4) {
        true => Err(SessionError::LongPieces { length, memory }),
        false => Ok(()),
    }
}
