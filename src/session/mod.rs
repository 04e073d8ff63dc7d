//! One run of one torrent: builds the channels, starts the threads, joins them.
//!
//! [`run`] is called on a thread of its own. For a magnet it first has the metadata fetched
//! (`fetching.rs`). Then it opens the storage (which checks what is there), starts the writer and whatever
//! finds peers, and from there on this thread *is* the coordinator until the run ends. At the end
//! everything is let go in one order: the port, workers, announcers, writer, each within a fixed time.
//! What the runs of a process share is its [`Network`].

mod error;
mod metadata;
mod network;
mod peer_sources;
mod stop;
mod threads;

pub use error::SessionError;
pub use metadata::{Fetch, Fetched};
pub use network::Network;
pub use stop::Stop;

use crate::message::{Event, HandedOver, MetadataState, PeerKey, Snapshot};
use crate::metainfo::{InfoHash, Magnet, Metainfo};
use crate::piece::{Bitfield, Geometry, PieceIndex};
use crate::storage::{Allocate, Options, Payload, Selection, ServedPieces, Shortage, Storage, Watch};
use crate::strategy::Candidates;
use crate::swarm::{Aim, End, Giving, Limits};
use crate::text::excerpt;
use crate::wire::PeerId;
use crossbeam_channel::{Receiver, Sender, bounded};
use peer_sources::Finding;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use threads::Threads;

/// Events that wait for the coordinator at most. Whoever has one more waits.
const INBOX: usize = 1024;
/// Characters of what a magnet is called by whoever wrote it.
const LONGEST_NAME: usize = 80;
/// How long the end of a run may take.
const FAREWELL: Duration = Duration::from_millis(1800);

/// What names a torrent.
#[derive(Clone, Debug)]
pub enum Torrent {
    /// All that is to be known.
    Whole(Arc<Metainfo>),
    /// Its info-hash, and where to ask for the rest.
    Magnet(Arc<Magnet>),
}

impl Torrent {
    /// Which torrent it is.
    pub fn info_hash(&self) -> InfoHash {
        match self {
            Torrent::Whole(metainfo) => metainfo.info_hash,
            Torrent::Magnet(magnet) => magnet.info_hash,
        }
    }

    /// What to call it.
    pub fn name(&self) -> String {
        match self {
            Torrent::Whole(metainfo) => metainfo.name.clone(),
            Torrent::Magnet(magnet) => match &magnet.name {
                Some(name) => excerpt(name, LONGEST_NAME),
                None => magnet.info_hash.to_string(),
            },
        }
    }

    /// The files that it is about, by their numbers in its list (BEP 53). Empty for all.
    pub fn selected(&self) -> &[RangeInclusive<u32>] {
        match self {
            Torrent::Whole(_) => &[],
            Torrent::Magnet(magnet) => &magnet.selected,
        }
    }

    /// Only its own trackers may be asked for peers (BEP 27). Of a magnet nobody knows yet.
    pub fn is_private(&self) -> bool {
        matches!(self, Torrent::Whole(metainfo) if metainfo.private)
    }
}

/// Who may be asked for peers, besides the DHT and the local network.
#[derive(Clone, Debug)]
pub struct Sources {
    /// Peers that the user named, as `HOST:PORT`.
    pub peers: Vec<String>,
    /// Trackers that the user named.
    pub trackers: Vec<String>,
    /// Whether the trackers of the torrent are asked.
    pub own_trackers: bool,
    /// Whether to wait for peers that connect to us, where there is nobody to ask.
    pub waits_for_peers: bool,
    /// Whether peers are asked for peers, and told of them (BEP 11).
    pub pex: bool,
}

impl Sources {
    /// What the torrent itself names, and nobody else.
    pub fn of_the_torrent() -> Sources {
        let (peers, trackers) = (Vec::new(), Vec::new());
        Sources { peers, trackers, own_trackers: true, waits_for_peers: false, pex: false }
    }
}

/// What to download or to share, and how.
pub struct Job {
    /// The torrent.
    pub torrent: Torrent,
    /// Where peers come from.
    pub sources: Sources,
    /// Whether the payload is to be fetched or only shared.
    pub aim: Aim,
    /// The files to fetch, by their numbers in the torrent's list, from 0 (BEP 53). Empty for all.
    pub selected: Vec<RangeInclusive<u32>>,
    /// The folder that the payload goes to, or is in.
    pub folder: PathBuf,
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
    /// Peers are asked for the metadata.
    Metadata(MetadataState),
    /// The metadata is there; the torrent calls itself so.
    Named(String),
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
    served_pieces: Arc<ServedPieces>,
    /// The pieces that are on disk.
    stored: Bitfield,
    /// The pieces that are to be there in the end, where not all are.
    wanted: Option<Bitfield>,
    aim: Aim,
}

/// What a run begins with.
struct Start {
    metainfo: Arc<Metainfo>,
    peer_id: PeerId,
    events: Sender<Event>,
    inbox: Receiver<Event>,
    /// Where it has begun already.
    finding: Option<Finding>,
    /// Addresses that are known already, connections that can go on, and the last number that a connection
    /// was given.
    candidates: Candidates,
    handed: Vec<HandedOver>,
    last_key: PeerKey,
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
    let (events, inbox) = bounded(INBOX);
    stop.attach(&events);
    let mut start = match &job.torrent {
        Torrent::Whole(metainfo) => Start {
            metainfo: Arc::clone(metainfo),
            peer_id: peer_id(),
            events,
            inbox,
            finding: None,
            candidates: Candidates::default(),
            handed: Vec::new(),
            last_key: PeerKey(0),
        },
        Torrent::Magnet(magnet) => {
            let (sources, timeout, max_peers) = (&job.sources, job.limits.timeout, job.limits.max_peers);
            let fetch = Fetch { magnet, sources, timeout, max_peers, network, stop, show };
            match fetch.begin((events, inbox))? {
                Ok(start) => start,
                Err(end) => return Ok(Outcome { end, snapshot: Snapshot::default() }),
            }
        }
    };
    let looked = match look(job, &start.metainfo, stop, show) {
        Ok(Looked::Begin(geometry, found)) => Ok((geometry, *found)),
        Ok(Looked::Complete(snapshot)) => Err(Ok(Outcome { end: End::Done, snapshot })),
        Err(error) => Err(Err(error)),
    };
    let (geometry, found) = match looked {
        Ok(begin) => begin,
        Err(end) => {
            // Trackers that were asked for a magnet's peers know us already.
            if let Some(finding) = start.finding.take() {
                finding.stop(FAREWELL);
            }
            return end;
        }
    };
    if let Some(shortage) = found.storage.as_ref().and_then(Storage::shortage) {
        show(Progress::Short(shortage));
    }
    Threads::start(job, network, geometry, found, start)?.run(stop, show)
}

/// What looking at the payload came to.
enum Looked {
    /// There is something to fetch or to give.
    Begin(Geometry, Box<Found>),
    /// All that is wanted is there, and nobody is to get it.
    Complete(Snapshot),
}

/// Looks at what is there of the payload.
fn look(
    job: &Job,
    metainfo: &Metainfo,
    stop: &Stop,
    show: &(dyn Fn(Progress) + Sync),
) -> Result<Looked, SessionError> {
    let geometry = Geometry::new(metainfo.total_size, metainfo.piece_length).ok_or(SessionError::Geometry)?;
    let digest = |piece: PieceIndex| metainfo.piece_digest(piece.get()).unwrap_or_default();
    let selection = select(job, metainfo, geometry)?;
    let payload = Payload {
        name: &metainfo.name,
        info_hash: metainfo.info_hash,
        files: &metainfo.files,
        geometry,
        digests: &digest,
        selection: selection.as_ref(),
    };
    let watch = |done, total| {
        if total > 0 {
            show(Progress::Checking(done, total));
        }
        !stop.is_asked()
    };
    let found = match job.aim {
        Aim::Whole => open(job, &payload, &watch)?,
        Aim::Share => share(job, &payload, &watch)?,
    };
    if job.giving.seeding.is_some() || found.storage.is_some() {
        return Ok(Looked::Begin(geometry, Box::new(found)));
    }
    let done = found.stored.iter(geometry).map(|piece| u64::from(geometry.length(piece))).sum();
    let left = geometry.total_size().saturating_sub(done);
    Ok(Looked::Complete(Snapshot { done, total: done, left, ..Snapshot::default() }))
}

/// What of the torrent is to be fetched, where that is not all of it.
fn select(job: &Job, metainfo: &Metainfo, geometry: Geometry) -> Result<Option<Selection>, SessionError> {
    if job.selected.is_empty() || job.aim == Aim::Share {
        return Ok(None);
    }
    let files = &metainfo.files;
    let selection = Selection::new(&job.selected, files, geometry);
    let selection = selection.ok_or(SessionError::NothingSelected { files: files.len() })?;
    Ok(Some(selection).filter(|selection| !selection.is_all(files)))
}

/// Opens the payload to complete it. Where it is complete, there is nothing to write.
fn open(job: &Job, payload: &Payload<'_>, watch: &Watch<'_>) -> Result<Found, SessionError> {
    let length = payload.geometry.piece_length();
    if u64::from(length) > job.limits.memory.saturating_mul(4) {
        return Err(SessionError::LongPieces { length, memory: job.limits.memory });
    }
    let options = Options { allocate: job.allocate, overwrite: job.overwrite, open_files: job.open_files };
    let (mut storage, stored) = Storage::open(&job.folder, payload, options, watch)?;
    let served_pieces = storage.served_pieces();
    let wanted = payload.selection.map(|selection| selection.pieces().clone());
    if wanted.as_ref().map_or(stored.is_full(), |wanted| *wanted == stored) {
        storage.finish()?;
        return Ok(Found { storage: None, served_pieces, stored, wanted, aim: Aim::Share });
    }
    Ok(Found { storage: Some(storage), served_pieces, stored, wanted, aim: Aim::Whole })
}

/// Looks at what is there of the payload, to share it as it is.
fn share(job: &Job, payload: &Payload<'_>, watch: &Watch<'_>) -> Result<Found, SessionError> {
    let served_pieces = ServedPieces::open(&job.folder, payload, job.open_files, watch)?;
    let stored = served_pieces.offered();
    if stored.count() == 0 && stored.length() > 0 {
        return Err(SessionError::NothingThere { path: job.folder.join(payload.name) });
    }
    Ok(Found { storage: None, served_pieces: Arc::new(served_pieces), stored, wanted: None, aim: Aim::Share })
}

/// Our name in handshakes and announces, in the custom of BEP 20: client and version, then chance.
fn peer_id() -> PeerId {
    let mut id = *b"-FM0100-............";
    for byte in id.iter_mut().skip(8) {
        *byte = fastrand::alphanumeric() as u8;
    }
    PeerId(id)
}
