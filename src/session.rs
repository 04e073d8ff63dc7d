//! One run of one torrent: builds the channels, starts the threads, joins them.
//!
//! [`run`] is called on a thread of its own. It opens the storage (which checks what is there), then
//! starts the writer and the announcers, and then this thread *is* the coordinator until the download
//! ends. At the end everything is let go in one order: workers, announcers, writer, each within a
//! fixed time.

use crate::message::{Event, Snapshot, TrackerReport};
use crate::metainfo::Metainfo;
use crate::peer;
use crate::piece::{Bitfield, BufferPool, Geometry, PieceIndex};
use crate::storage::writer::{self, Written};
use crate::storage::{Allocate, Options, Payload, Shortage, Storage, StorageError};
use crate::swarm::{Coordinator, Doors, End, Limits};
use crate::text::printable;
use crate::tracker::{Announcers, Counts, Identity, NOT_LISTENING, Totals, TrackerNews};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use log::warn;
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Events that wait for the coordinator at most. A worker that has one more waits.
const INBOX: usize = 1024;
/// Bytes of verified pieces that wait for the writer at most, in 4 pieces at least and 64 at most.
const WRITER_QUEUE_BYTES: usize = 4 * 1024 * 1024;
/// How long the end of a run may take.
const FAREWELL: Duration = Duration::from_millis(1800);
/// How many peers we ask a tracker for.
const PEERS_WANTED: u32 = 100;

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

/// Why a run failed. No peer's and no tracker's failure is among these.
#[derive(Debug)]
pub enum SessionError {
    /// The storage failed.
    Storage(StorageError),
    /// The torrent names no tracker that we can ask, and the user no peer.
    NobodyToAsk,
    /// The numbers of the torrent do not fit each other.
    Geometry,
    /// The system has no more threads.
    Threads(io::Error),
}

impl SessionError {
    /// The exit code of a run that ends with this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            SessionError::Storage(error) => error.exit_code(),
            SessionError::NobodyToAsk => 6,
            SessionError::Geometry => 26,
            SessionError::Threads(_) => 1,
        }
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SessionError::Storage(error) => write!(out, "{error}"),
            SessionError::NobodyToAsk => write!(
                out,
                "nobody to ask for peers: the torrent names no HTTP tracker (name a peer with --peer HOST:PORT)"
            ),
            SessionError::Geometry => write!(out, "the torrent has too many pieces"),
            SessionError::Threads(error) => write!(out, "cannot start a thread: {error}"),
        }
    }
}

impl std::error::Error for SessionError {}

impl From<StorageError> for SessionError {
    fn from(error: StorageError) -> SessionError {
        SessionError::Storage(error)
    }
}

/// Ends a run from another thread.
#[derive(Debug, Default)]
pub struct Stop {
    asked: AtomicBool,
    inbox: OnceLock<Sender<Event>>,
}

impl Stop {
    /// Asks the run to end. It keeps what is there.
    pub fn stop(&self) {
        self.asked.store(true, Ordering::SeqCst);
        if let Some(inbox) = self.inbox.get() {
            // The coordinator is never busy for long; a send that fails means that it has ended.
            let _ = inbox.send_timeout(Event::Stop, Duration::from_secs(1));
        }
    }

    fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    fn attach(&self, inbox: &Sender<Event>) {
        let _ = self.inbox.set(inbox.clone());
        if self.is_asked() {
            let _ = inbox.try_send(Event::Stop);
        }
    }
}

/// Runs one download to its end. `show` is called from several threads and must not wait.
///
/// # Errors
///
/// [`SessionError`]. What is verified by then is kept.
pub fn run(job: &Job, stop: &Stop, show: &(dyn Fn(Progress) + Sync)) -> Result<Outcome, SessionError> {
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
    Run::start(job, geometry, storage)?.download(stored, stop, show)
}

/// The threads of a run and the ends of their channels that we hold.
struct Run<'a> {
    job: &'a Job,
    shared: peer::Shared,
    inbox: Receiver<Event>,
    writer: JoinHandle<Written>,
    /// Disconnects when every worker and the writer have ended.
    all_gone: Receiver<()>,
}

impl<'a> Run<'a> {
    fn start(job: &'a Job, geometry: Geometry, storage: Storage) -> Result<Run<'a>, SessionError> {
        let (events, inbox) = bounded(INBOX);
        let queue = WRITER_QUEUE_BYTES / geometry.piece_length().max(1) as usize;
        let (pieces, writer_orders) = bounded(queue.clamp(4, 64));
        let (alive, all_gone) = bounded(0);
        let in_budget = job.limits.memory / u64::from(geometry.piece_length().max(1));
        let buffers = Arc::new(BufferPool::new(in_budget.clamp(1, 1024) as usize));
        let writer =
            writer::start(storage, writer_orders, events.clone(), Arc::clone(&buffers), alive.clone())
                .map_err(SessionError::Threads)?;
        let shared = peer::Shared {
            info_hash: job.metainfo.info_hash.0,
            peer_id: peer_id(),
            geometry,
            events,
            writer: pieces,
            buffers,
            read_memory: Arc::default(),
            alive,
        };
        Ok(Run { job, shared, inbox, writer, all_gone })
    }

    fn download(
        self,
        stored: Bitfield,
        stop: &Stop,
        show: &(dyn Fn(Progress) + Sync),
    ) -> Result<Outcome, SessionError> {
        stop.attach(&self.shared.events);
        let done: u64 = self
            .shared
            .geometry
            .pieces()
            .filter(|piece| stored.has(*piece))
            .map(|piece| self.length(piece))
            .sum();
        let total = self.shared.geometry.total_size();
        let totals = Arc::new(Totals::new(Counts { left: total - done.min(total), ..Counts::default() }));
        let announcers = self.announce(&totals);
        if announcers.is_empty() && self.job.peers.is_empty() {
            // The writer takes back what the storage left on the disk, and ends with its channel.
            drop((self.shared, self.inbox));
            let _ = self.writer.join();
            return Err(SessionError::NobodyToAsk);
        }
        self.resolve();

        let doors = Doors {
            digest: Box::new(|piece| self.job.metainfo.piece_digest(piece.get()).unwrap_or_default()),
            show: Box::new(|snapshot| {
                totals.set(counts(&snapshot));
                show(Progress::Running(snapshot));
            }),
            need_peers: Box::new(|| announcers.need_peers()),
        };
        let coordinator = Coordinator::new(self.shared, self.inbox, stored, self.job.limits, doors);
        let (end, snapshot) = coordinator.run();

        totals.set(counts(&snapshot));
        let deadline = Instant::now() + FAREWELL;
        if end == End::Done {
            announcers.completed();
        }
        announcers.stop(FAREWELL);
        let all_gone = self.all_gone.recv_deadline(deadline) == Err(RecvTimeoutError::Disconnected);
        // What the writer says decides about success, so its thread is waited for wherever it has said
        // that it ends: it has nothing left to do but to return.
        let writer_ended = matches!(end, End::Done | End::WriterFailed) || all_gone;
        if writer_ended || self.writer.is_finished() {
            match self.writer.join() {
                Ok(written) => written?,
                Err(_) => return Err(SessionError::Threads(io::Error::other("the writer panicked"))),
            }
        }
        Ok(Outcome { end, snapshot })
    }

    fn length(&self, piece: PieceIndex) -> u64 {
        u64::from(self.shared.geometry.length(piece))
    }

    fn announce(&self, totals: &Arc<Totals>) -> Announcers {
        let identity = Identity {
            info_hash: self.shared.info_hash,
            peer_id: self.shared.peer_id,
            port: NOT_LISTENING,
            key: fastrand::u32(..),
            numwant: PEERS_WANTED,
        };
        let events = self.shared.events.clone();
        let news = move |news: TrackerNews| {
            let outcome = match news.outcome {
                Ok(answer) => {
                    if let Some(warning) = &answer.warning {
                        warn!("{}: {}", news.tracker, printable(warning));
                    }
                    let count = answer.peers.len();
                    let _ = events.send(Event::Found(answer.peers));
                    Ok(count)
                }
                Err(error) => {
                    log::info!("{}: {error}", news.tracker);
                    Err(error.to_string())
                }
            };
            let _ = events.send(Event::Tracker(TrackerReport { url: news.tracker, outcome }));
        };
        Announcers::start(self.job.metainfo.trackers.clone(), identity, totals, news)
    }

    /// Finds the addresses of the peers that the user named. A name server may take its time, and its
    /// answer has no deadline of ours, so each name has a thread that nobody waits for.
    fn resolve(&self) {
        let addresses = self.job.peers.iter().filter_map(|peer| peer.parse().ok()).collect();
        // One event, because nobody takes events out of the inbox yet.
        let _ = self.shared.events.send(Event::Found(addresses));
        let is_name = |peer: &&String| peer.parse::<SocketAddr>().is_err();
        for peer in self.job.peers.iter().filter(is_name) {
            let (peer, events) = (peer.clone(), self.shared.events.clone());
            let spawned = std::thread::Builder::new().name("resolve".to_owned()).spawn(move || {
                match peer.to_socket_addrs() {
                    Ok(addresses) => drop(events.send(Event::Found(addresses.collect()))),
                    Err(error) => {
                        warn!("cannot find the peer {}: {error}", printable(&peer));
                        let outcome = Err(error.to_string());
                        let _ = events.send(Event::Tracker(TrackerReport { url: printable(&peer), outcome }));
                    }
                }
            });
            if let Err(error) = spawned {
                warn!("cannot start a thread: {error}");
            }
        }
    }
}

fn counts(snapshot: &Snapshot) -> Counts {
    Counts { uploaded: 0, downloaded: snapshot.received, left: snapshot.total.saturating_sub(snapshot.done) }
}

/// Our name in handshakes and announces, in the custom of BEP 20: client and version, then chance.
fn peer_id() -> [u8; 20] {
    let mut id = *b"-FM0100-............";
    for byte in id.iter_mut().skip(8) {
        *byte = fastrand::alphanumeric() as u8;
    }
    id
}
