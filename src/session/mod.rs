//! One run of one torrent, from the torrent or magnet link to its end.
//!
//! [`run`] is the life of the thread `torrent-N`. It goes through these steps:
//!
//! 1. *Prepare*: for a magnet, fetch the metadata from peers (`metadata.rs`).
//! 2. *Check*: open the storage, which checks the pieces that are on the disk (`payload.rs`).
//! 3. *Start*: start the writer and the sources of peers (`threads.rs`, `peer_sources.rs`).
//! 4. *Run*: from here on this thread *is* the coordinator, until the run ends.
//! 5. *End*: stop everything in a fixed order: incoming connections, workers, announcers, writer. Each gets
//!    a limited time.
//!
//! A run can end after each of the first two steps (`Begin::Ended`). All runs of a process share one
//! [`Network`]. Here the threads and channels of a run are made and ended; nothing here decides anything
//! about the download, and nothing is shown except through the function that the caller gives.

mod arrivals;
mod check_queue;
mod choice;
mod environment;
mod error;
mod job;
mod memory_pool;
mod metadata;
mod network;
mod payload;
mod peer_sources;
mod room;
mod sight;
mod stop;
#[cfg(test)]
mod tests;
mod threads;
mod tracker_answers;

pub use arrivals::Arrivals;
pub use check_queue::CheckQueue;
pub use error::SessionError;
pub use job::{Aim, Job, Naming, PeerSourceOptions, Torrent};
pub use memory_pool::{MemoryAccount, MemoryPool};
pub use metadata::{FetchedMetadata, MetadataFetch};
pub use network::{ClientName, Network};
pub use room::RoomBook;
pub use sight::{SearchSight, TorrentSight};
pub use stop::Stop;

use crate::message::{Door, Event, KnownPeers, MetadataState, Notice, PeerState, Snapshot};
use crate::metainfo::{InfoHash, Metainfo};
use crate::storage::{Shortage, Storage};
use crate::swarm::RunEnd;
use crate::wire::PeerId;
use crossbeam_channel::{Receiver, Sender, bounded};
use peer_sources::PeerSources;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use threads::Threads;

/// The most events that wait for the coordinator. A thread that has one more waits until there is room.
const INBOX: usize = 1024;
/// How long the threads of a run may take to end.
const END_TIMEOUT: Duration = Duration::from_millis(1800);
/// How long telling the trackers that we leave may take, `completed` included: a tracker that has much to do, and
/// is reached by a new TLS connection, takes seconds.
const FAREWELL: Duration = Duration::from_secs(5);

/// What a run shows to the user.
#[derive(Clone, Debug)]
pub enum Progress {
    /// Peers are asked for the metadata.
    Metadata(MetadataState),
    /// The metadata has arrived, and this is the torrent's name.
    Named(String),
    /// An earlier run has given the payload this name, and it goes on under it.
    GoesOnAs(String),
    /// Where the payload is, or is to be.
    Place(PathBuf),
    /// Only this many files are downloaded, out of this many.
    Selected(usize, usize),
    /// The check of the existing data begins when those of other torrents have ended.
    WaitsForCheck,
    /// This many bytes of the existing data are checked, out of this many.
    Checking(u64, u64),
    /// The check is over, and this many bytes are on the disk. What comes now is downloaded in this run.
    Found(u64),
    /// Files were changed since they were read, and count as what they were because the user says so.
    Unread,
    /// The file system has less free space than the download needs.
    Short(Shortage),
    /// All that is wanted is safe on the disk, and some of it was not at the start.
    Completed(Completion),
    /// Nothing more is wanted, and the pieces that we have are shared.
    Seeding {
        /// The port that we listen on.
        port: Option<u16>,
        /// How many pieces we have.
        pieces: u32,
        /// How many pieces there should be.
        of: u32,
    },
    /// Whether peers outside can reach us: a sentence, told when it changes while we seed.
    Reach(String),
    /// The state of the run.
    Running(Snapshot),
    /// The same with the table of the peers, for which the user has asked.
    Peers(Box<Snapshot>, Vec<PeerState>),
    /// What the live view has asked for.
    Sight(Arc<TorrentSight>),
    /// The same while peers are asked for the metadata.
    SearchSight(Arc<SearchSight>),
}

/// A download that a run has completed.
#[derive(Clone, Debug)]
pub struct Completion {
    /// The torrent's name.
    pub name: String,
    /// Its file or folder on the disk: the whole path.
    pub path: PathBuf,
    /// The torrent.
    pub info_hash: InfoHash,
    /// The bytes of all that was wanted.
    pub size: u64,
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// Why it ended.
    pub end: RunEnd,
    /// The state of the torrent at the end.
    pub snapshot: Snapshot,
}

/// What every step of a run needs from its caller.
#[derive(Clone, Copy)]
struct RunContext<'a> {
    job: &'a Job,
    network: &'a Network,
    stop: &'a Stop,
    /// Called from several threads. Must not wait.
    show: &'a (dyn Fn(Progress) + Sync),
    /// Where it is told what happens.
    door: &'a Door,
}

/// Whether a run continues after one of its first steps.
enum Begin<Next> {
    /// It continues with this.
    Run(Next),
    /// It has ended.
    Ended(Outcome),
}

/// A torrent whose metadata is known, and what the run has for it before the payload is checked.
struct Prepared {
    metainfo: Arc<Metainfo>,
    peer_id: PeerId,
    /// The coordinator's inbox, both ends.
    events: Sender<Event>,
    inbox: Receiver<Event>,
    /// The sources that were already asked for a magnet's peers.
    sources: Option<PeerSources>,
    /// The peers that the sources have found, and those that gave the metadata.
    known_peers: KnownPeers,
}

/// Runs one torrent to its end. `show` is called from several threads and must not wait. What happens meanwhile is told
/// at the `door`.
///
/// # Errors
///
/// [`SessionError`]. The pieces that are verified by then are kept.
pub fn run(
    job: &Job,
    network: &Network,
    stop: &Stop,
    show: &(dyn Fn(Progress) + Sync),
    door: &Door,
) -> Result<Outcome, SessionError> {
    let run = RunContext { job, network, stop, show, door };
    let prepared = match prepare(run)? {
        Begin::Run(prepared) => prepared,
        Begin::Ended(outcome) => return Ok(outcome),
    };
    door.tell(|| Notice::Metadata(Arc::clone(&prepared.metainfo)));
    // If the run ends here, `prepared` is dropped. Trackers that were asked for a magnet's peers know us
    // already, so they hear that we leave.
    let payload = match payload::check(run, &prepared.metainfo)? {
        Begin::Run(payload) => payload,
        Begin::Ended(outcome) => return Ok(outcome),
    };
    network.tap.torrent(prepared.metainfo.info_hash, payload.geometry);
    show(Progress::Found(payload.stored_bytes()));
    if let Some(shortage) =
        payload.storage.as_ref().and_then(Storage::room).and_then(|room| network.room.add(room))
    {
        show(Progress::Short(shortage));
    }
    Threads::start(run, prepared, payload)?.run()
}

/// Gets the metadata, from the torrent or from the peers of a magnet.
fn prepare(run: RunContext<'_>) -> Result<Begin<Prepared>, SessionError> {
    let (events, inbox) = bounded(INBOX);
    run.stop.attach(&events);
    let RunContext { job, network, stop, show, door } = run;
    let known = |metainfo: &Arc<Metainfo>| Prepared {
        metainfo: Arc::clone(metainfo),
        peer_id: network.name.peer_id(),
        events: events.clone(),
        inbox: inbox.clone(),
        sources: None,
        known_peers: KnownPeers::default(),
    };
    match (&job.torrent, job.fetched.get()) {
        (Torrent::Whole(metainfo), _) | (Torrent::Magnet(_), Some(metainfo)) => {
            Ok(Begin::Run(known(metainfo)))
        }
        (Torrent::Magnet(magnet), None) => {
            let (sources, max_peers) = (&job.sources, job.limits.max_peers);
            let timeout = job.limits.timeout.map(|timeout| timeout.saturating_sub(job.limits.idle_before));
            let fetch = MetadataFetch { magnet, sources, timeout, max_peers, network, stop, show, door };
            let begun = fetch.for_run(events, inbox)?;
            if let Begin::Run(prepared) = &begun {
                let _ = job.fetched.set(Arc::clone(&prepared.metainfo));
            }
            Ok(begun)
        }
    }
}
