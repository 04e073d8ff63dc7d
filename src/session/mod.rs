//! One run of one torrent: builds the channels, starts the threads, joins them.
//!
//! [`run`] is called on a thread of its own. It opens the storage (which checks what is there), then
//! starts the writer and the announcers, and then this thread *is* the coordinator until the download
//! ends. At the end everything is let go in one order: workers, announcers, writer, each within a
//! fixed time.

mod error;
mod finding;
mod stop;
mod threads;

pub use error::SessionError;
pub use stop::Stop;

use crate::message::Snapshot;
use crate::metainfo::Metainfo;
use crate::piece::{Geometry, PieceIndex};
use crate::storage::{Allocate, Options, Payload, Shortage, Storage};
use crate::swarm::{End, Limits};
use std::path::PathBuf;
use threads::Threads;

/// What to download and how.
pub struct Job {
    /// The torrent.
    pub metainfo: Metainfo,
    /// The folder that the payload goes to.
    pub output_dir: PathBuf,
    /// Peers that the user named, as `HOST:PORT`.
    pub peers: Vec<String>,
    /// What the coordinator may use.
    pub limits: Limits,
    /// When the disk's room is taken.
    pub allocate: Allocate,
    /// Foreign files are replaced.
    pub overwrite: bool,
    /// Files that may be open at once.
    pub open_files: usize,
}

/// What a run tells the screen.
#[derive(Debug)]
pub enum Progress {
    /// So many bytes of existing data are checked, of so many.
    Checking(u64, u64),
    /// The file system has less room than the download needs.
    Short(Shortage),
    /// How the download stands.
    Running(Snapshot),
}

/// How a run went.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// How the download stood then.
    pub snapshot: Snapshot,
}

/// Runs one download to its end. `show` is called from several threads and must not wait.
///
/// # Errors
///
/// [`SessionError`]. What is verified by then is kept.
pub fn run(job: &Job, stop: &Stop, show: &(dyn Fn(Progress) + Sync)) -> Result<Outcome, SessionError> {
    let metainfo = &job.metainfo;
    let geometry = Geometry::new(metainfo.total_size, metainfo.piece_length).ok_or(SessionError::Geometry)?;
    if u64::from(metainfo.piece_length) > job.limits.memory.saturating_mul(4) {
        return Err(SessionError::LongPieces { length: metainfo.piece_length, memory: job.limits.memory });
    }
    let digest = |piece: PieceIndex| metainfo.piece_digest(piece.get()).unwrap_or_default();
    let payload = Payload {
        name: &metainfo.name,
        info_hash: metainfo.info_hash.0,
        files: &metainfo.files,
        geometry,
        digests: &digest,
    };
    let options = Options { allocate: job.allocate, overwrite: job.overwrite, open_files: job.open_files };
    let watch = |done, total| {
        if total > 0 {
            show(Progress::Checking(done, total));
        }
        !stop.is_asked()
    };
    let (mut storage, stored) = Storage::open(&job.output_dir, &payload, options, &watch)?;
    if stored.is_full() {
        storage.finish()?;
        let total = geometry.total_size();
        return Ok(Outcome {
            end: End::Done,
            snapshot: Snapshot { done: total, total, ..Snapshot::default() },
        });
    }
    if let Some(shortage) = storage.shortage() {
        show(Progress::Short(shortage));
    }
    Threads::start(job, geometry, storage)?.download(stored, stop, show)
}
