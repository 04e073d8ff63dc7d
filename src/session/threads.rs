//! The threads of one run: who is started, in which order, and how each is let go.

use super::{Job, Outcome, Progress, SessionError, Stop, finding};
use crate::message::{Event, Snapshot};
use crate::net::{Origin, Throttle};
use crate::peer;
use crate::piece::{Bitfield, BufferPool, Geometry};
use crate::storage::Storage;
use crate::storage::writer::{self, Written};
use crate::swarm::{Coordinator, Doors, End};
use crate::tracker::{Counts, Totals};
use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Events that wait for the coordinator at most. A worker that has one more waits.
const INBOX: usize = 1024;
/// Bytes of verified pieces that wait for the writer at most, in 4 pieces at least and 64 at most.
const WRITER_QUEUE_BYTES: usize = 4 * 1024 * 1024;
/// How long the end of a run may take.
const FAREWELL: Duration = Duration::from_millis(1800);

/// The threads of a run and the ends of their channels that we hold.
pub(super) struct Threads<'a> {
    job: &'a Job,
    shared: peer::Shared,
    inbox: Receiver<Event>,
    writer: JoinHandle<Written>,
    /// Disconnects when every worker and the writer have ended.
    all_gone: Receiver<()>,
}

impl<'a> Threads<'a> {
    /// Starts the writer and makes what the workers will share.
    pub(super) fn start(
        job: &'a Job,
        geometry: Geometry,
        storage: Storage,
    ) -> Result<Threads<'a>, SessionError> {
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
            buffers,
            read_memory: Arc::default(),
            writer: pieces,
            origin: Origin::any(),
            down: Arc::new(Throttle::unlimited()),
            alive,
        };
        Ok(Threads { job, shared, inbox, writer, all_gone })
    }

    /// Downloads what is not stored; this thread becomes the coordinator.
    pub(super) fn download(
        self,
        stored: Bitfield,
        stop: &Stop,
        show: &(dyn Fn(Progress) + Sync),
    ) -> Result<Outcome, SessionError> {
        stop.attach(&self.shared.events);
        let geometry = self.shared.geometry;
        let done: u64 = stored.iter(geometry).map(|piece| u64::from(geometry.length(piece))).sum();
        let total = geometry.total_size();
        let totals = Arc::new(Totals::new(Counts { left: total - done.min(total), ..Counts::default() }));
        let announcers = finding::announce(self.job, &self.shared, &totals);
        if announcers.is_empty() && self.job.peers.is_empty() {
            // The writer takes back what the storage left on the disk, and ends with its channel.
            drop((self.shared, self.inbox));
            let _ = self.writer.join();
            return Err(SessionError::NobodyToAsk);
        }
        finding::resolve(&self.job.peers, &self.shared.events);

        let doors = Doors {
            digest: Box::new(|piece| self.job.metainfo.piece_digest(piece.get()).unwrap_or_default()),
            show: Box::new(|snapshot| {
                totals.set(counts(&snapshot));
                show(Progress::Running(snapshot));
            }),
            is_stopped: Box::new(|| stop.is_asked()),
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
