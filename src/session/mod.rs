//! One run of one torrent: builds the channels, starts the threads, joins them.
//!
//! [`run`] is called on a thread of its own. It opens the storage (which checks what is there), then
//! starts the writer and the announcers, and then this thread *is* the coordinator until the run
//! ends. At the end everything is let go in one order: the port, workers, announcers, writer, each
//! within a fixed time. What the runs of a process share is its [`Network`].

mod error;
mod finding;
mod network;
mod stop;
mod threads;

pub use error::SessionError;
pub use network::Network;
pub use stop::Stop;

use crate::message::Snapshot;
use crate::metainfo::Metainfo;
use crate::piece::{Bitfield, Geometry, PieceIndex};
use crate::storage::{Allocate, Options, Payload, Shortage, Stock, Storage, Watch};
use crate::swarm::{Aim, End, Giving, Limits};
use std::path::PathBuf;
use std::sync::Arc;
use threads::Threads;

/// What to download or to share, and how.
pub struct Job {
    /// The torrent.
    pub metainfo: Metainfo,
    /// Whether the payload is to be fetched or only shared.
    pub aim: Aim,
    /// The folder that the payload goes to, or is in.
    pub folder: PathBuf,
    /// Peers that the user named, as `HOST:PORT`.
    pub peers: Vec<String>,
    /// Whether to wait for peers that connect to us, where there is nobody to ask.
    pub waits_for_peers: bool,
    /// What the coordinator may use.
    pub limits: Limits,
    /// What others get from us, and for how long.
    pub giving: Giving,
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
    /// Nothing is wanted any more, and what is there is shared.
    Seeding {
        /// The port at which peers can come.
        port: Option<u16>,
        /// How many pieces are there.
        pieces: u32,
        /// How many there are in all.
        of: u32,
    },
    /// How the run stands.
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

/// What there is when the threads start.
struct Found {
    /// Where what is missing goes. `None` where nothing is to be written.
    storage: Option<Storage>,
    /// What can be sent.
    stock: Arc<Stock>,
    /// The pieces that are on disk.
    stored: Bitfield,
    aim: Aim,
}

/// Runs one torrent to its end. `show` is called from several threads and must not wait.
///
/// # Errors
///
/// [`SessionError`]. What is verified by then is kept.
pub fn run(
    job: &Job,
    network: &Network,
    stop: &Stop,
    show: &(dyn Fn(Progress) + Sync),
) -> Result<Outcome, SessionError> {
    let metainfo = &job.metainfo;
    let geometry = Geometry::new(metainfo.total_size, metainfo.piece_length).ok_or(SessionError::Geometry)?;
    let digest = |piece: PieceIndex| metainfo.piece_digest(piece.get()).unwrap_or_default();
    let payload = Payload {
        name: &metainfo.name,
        info_hash: metainfo.info_hash.0,
        files: &metainfo.files,
        geometry,
        digests: &digest,
    };
    let watch = |done, total| {
        if total > 0 {
            show(Progress::Checking(done, total));
        }
        !stop.is_asked()
    };
    let found = match job.aim {
        Aim::Whole => open(job, &payload, &watch)?,
        Aim::Share => look(job, &payload, &watch)?,
    };
    if job.giving.seeding.is_none() && found.storage.is_none() {
        let total = geometry.total_size();
        let snapshot = Snapshot { done: total, total, ..Snapshot::default() };
        return Ok(Outcome { end: End::Done, snapshot });
    }
    if let Some(shortage) = found.storage.as_ref().and_then(Storage::shortage) {
        show(Progress::Short(shortage));
    }
    Threads::start(job, network, geometry, found)?.run(stop, show)
}

/// Opens the payload to complete it. Where it is complete, there is nothing to write.
fn open(job: &Job, payload: &Payload<'_>, watch: &Watch<'_>) -> Result<Found, SessionError> {
    let length = payload.geometry.piece_length();
    if u64::from(length) > job.limits.memory.saturating_mul(4) {
        return Err(SessionError::LongPieces { length, memory: job.limits.memory });
    }
    let options = Options { allocate: job.allocate, overwrite: job.overwrite, open_files: job.open_files };
    let (mut storage, stored) = Storage::open(&job.folder, payload, options, watch)?;
    let stock = storage.stock();
    if stored.is_full() {
        storage.finish()?;
        return Ok(Found { storage: None, stock, stored, aim: Aim::Share });
    }
    Ok(Found { storage: Some(storage), stock, stored, aim: Aim::Whole })
}

/// Looks at what is there of the payload, to share it as it is.
fn look(job: &Job, payload: &Payload<'_>, watch: &Watch<'_>) -> Result<Found, SessionError> {
    let stock = Stock::open(&job.folder, payload, job.open_files, watch)?;
    let stored = stock.offered();
    if stored.count() == 0 && stored.length() > 0 {
        return Err(SessionError::NothingThere { path: job.folder.join(payload.name) });
    }
    Ok(Found { storage: None, stock: Arc::new(stock), stored, aim: Aim::Share })
}
