//! The threads of one run: who is started, in which order, and how each is let go.

use super::{Found, Job, Network, Outcome, Progress, SessionError, Stop, finding};
use crate::message::{Event, Snapshot};
use crate::net::Listener;
use crate::peer;
use crate::piece::{Bitfield, BufferPool, Geometry};
use crate::storage::writer::{self, Written};
use crate::swarm::{Aim, Coordinator, Doors, End};
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
    network: &'a Network,
    shared: peer::Shared,
    inbox: Receiver<Event>,
    stored: Bitfield,
    aim: Aim,
    /// `None` where nothing is to be written.
    writer: Option<JoinHandle<Written>>,
    /// Disconnects when every worker and the writer have ended.
    all_gone: Receiver<()>,
}

impl<'a> Threads<'a> {
    /// Starts the writer and makes what the workers will share.
    pub(super) fn start(
        job: &'a Job,
        network: &'a Network,
        geometry: Geometry,
        found: Found,
    ) -> Result<Threads<'a>, SessionError> {
        let (events, inbox) = bounded(INBOX);
        let queue = WRITER_QUEUE_BYTES / geometry.piece_length().max(1) as usize;
        let (pieces, writer_orders) = bounded(queue.clamp(4, 64));
        let (alive, all_gone) = bounded(0);
        let in_budget = job.limits.memory / u64::from(geometry.piece_length().max(1));
        let buffers = Arc::new(BufferPool::new(in_budget.clamp(1, 1024) as usize));
        let start = |storage| {
            writer::start(storage, writer_orders, events.clone(), Arc::clone(&buffers), alive.clone())
        };
        let writer = found.storage.map(start).transpose().map_err(SessionError::Threads)?;
        let info_hash = job.metainfo.info_hash.0;
        let shared = peer::Shared {
            info_hash,
            peer_id: peer_id(),
            geometry,
            events,
            buffers,
            read_memory: Arc::default(),
            origin: network.origin,
            down: Arc::clone(&network.down),
            up: Arc::clone(&network.up),
            stock: found.stock,
            port: network.listener.as_ref().map(Listener::port),
            writer: pieces,
            alive,
        };
        let (stored, aim) = (found.stored, found.aim);
        Ok(Threads { job, network, shared, inbox, stored, aim, writer, all_gone })
    }

    /// Fetches what is not stored, and shares what is; this thread becomes the coordinator.
    pub(super) fn run(self, stop: &Stop, show: &(dyn Fn(Progress) + Sync)) -> Result<Outcome, SessionError> {
        stop.attach(&self.shared.events);
        let (job, geometry, port) = (self.job, self.shared.geometry, self.shared.port);
        let done: u64 = self.stored.iter(geometry).map(|piece| u64::from(geometry.length(piece))).sum();
        let (total, of) = (geometry.total_size(), geometry.piece_count());
        let totals = Arc::new(Totals::new(Counts { left: total - done.min(total), ..Counts::default() }));
        let announcers = finding::announce(job, &self.shared, &totals);
        let peers_may_come = job.waits_for_peers && port.is_some();
        if announcers.is_empty() && job.peers.is_empty() && !peers_may_come {
            return Err(self.give_up());
        }
        finding::resolve(&job.peers, &self.shared.events);
        // From here on peers that come are led to us. Last, since nobody takes them in yet.
        let (hash, events) = (self.shared.info_hash, &self.shared.events);
        let listener = self.network.listener.as_ref();
        let registration = listener.map(|listener| listener.register(hash, events.clone()));
        if self.aim == Aim::Share {
            show(Progress::Seeding { port, pieces: self.stored.count(), of });
        }

        let doors = Doors {
            digest: Box::new(|piece| job.metainfo.piece_digest(piece.get()).unwrap_or_default()),
            show: Box::new(|snapshot| {
                totals.set(counts(&snapshot));
                show(Progress::Running(snapshot));
            }),
            is_stopped: Box::new(|| stop.is_asked()),
            need_peers: Box::new(|| announcers.need_peers()),
            completed: Box::new(|snapshot| {
                totals.set(counts(&snapshot));
                announcers.completed();
                show(Progress::Seeding { port, pieces: of, of });
            }),
        };
        let start = (self.stored, self.aim);
        let coordinator = Coordinator::new(self.shared, self.inbox, start, job.limits, job.giving, doors);
        let (end, snapshot) = coordinator.run();

        drop(registration);
        totals.set(counts(&snapshot));
        let deadline = Instant::now() + FAREWELL;
        if end == End::Done && !snapshot.seeding {
            announcers.completed();
        }
        announcers.stop(FAREWELL);
        let all_gone = self.all_gone.recv_deadline(deadline) == Err(RecvTimeoutError::Disconnected);
        // What the writer says decides about success, so its thread is waited for wherever it has said
        // that it ends: it has nothing left to do but to return.
        let writer_ended = matches!(end, End::Done | End::WriterFailed) || all_gone;
        if let Some(writer) = self.writer.filter(|writer| writer_ended || writer.is_finished()) {
            match writer.join() {
                Ok(written) => written?,
                Err(_) => return Err(SessionError::Threads(io::Error::other("the writer panicked"))),
            }
        }
        Ok(Outcome { end, snapshot })
    }

    /// Nobody can be asked for anything. The writer takes back what the storage left on the disk, and
    /// ends with its channel.
    fn give_up(self) -> SessionError {
        drop((self.shared, self.inbox));
        if let Some(writer) = self.writer {
            let _ = writer.join();
        }
        SessionError::NobodyToAsk
    }
}

fn counts(snapshot: &Snapshot) -> Counts {
    Counts {
        uploaded: snapshot.uploaded,
        downloaded: snapshot.received,
        left: snapshot.total.saturating_sub(snapshot.done),
    }
}

/// Our name in handshakes and announces, in the custom of BEP 20: client and version, then chance.
fn peer_id() -> [u8; 20] {
    let mut id = *b"-FM0100-............";
    for byte in id.iter_mut().skip(8) {
        *byte = fastrand::alphanumeric() as u8;
    }
    id
}
