//! The threads of one run: who is started, in which order, and how each is let go.

use super::peer_sources::{Finding, Wanted};
use super::{FAREWELL, Found, Job, Network, Outcome, Progress, SessionError, Start, Stop};
use crate::message::{Event, HandedOver, PeerKey, Snapshot};
use crate::metainfo::Metainfo;
use crate::peer::{self, Listener};
use crate::piece::{Bitfield, BufferPool, Geometry};
use crate::storage::writer::{self, Written};
use crate::strategy::Candidates;
use crate::swarm::{self, Aim, Coordinator, Doors, End};
use crate::tracker::Counts;
use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

/// Bytes of verified pieces that wait for the writer at most, in 4 pieces at least and 64 at most.
const WRITER_QUEUE_BYTES: usize = 4 * 1024 * 1024;

/// The threads of a run and the ends of their channels that we hold.
pub(super) struct Threads<'a> {
    job: &'a Job,
    network: &'a Network,
    metainfo: Arc<Metainfo>,
    shared: peer::TorrentContext,
    inbox: Receiver<Event>,
    finding: Option<Finding>,
    candidates: Candidates,
    handed: Vec<HandedOver>,
    last_key: PeerKey,
    stored: Bitfield,
    wanted: Option<Bitfield>,
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
        start: Start,
    ) -> Result<Threads<'a>, SessionError> {
        let Start { metainfo, peer_id, events, inbox, finding, candidates, handed, last_key } = start;
        let queue = WRITER_QUEUE_BYTES / geometry.piece_length().max(1) as usize;
        let (pieces, writer_orders) = bounded(queue.clamp(4, 64));
        let (alive, all_gone) = bounded(0);
        let in_budget = job.limits.memory / u64::from(geometry.piece_length().max(1));
        let buffers = Arc::new(BufferPool::new(in_budget.clamp(1, 1024) as usize));
        let write = |storage| {
            writer::start(storage, writer_orders, events.clone(), Arc::clone(&buffers), alive.clone())
        };
        let writer = found.storage.map(write).transpose().map_err(SessionError::Threads)?;
        let shared = peer::TorrentContext {
            peer_id,
            metainfo: Arc::clone(&metainfo),
            pex: job.sources.pex && !metainfo.private,
            geometry,
            events,
            buffers,
            read_memory: Arc::default(),
            bind_address: network.bind_address,
            down: Arc::clone(&network.down),
            up: Arc::clone(&network.up),
            served_pieces: found.served_pieces,
            port: network.listener.as_ref().map(Listener::port),
            dht_ports: [true, false].map(|v4| {
                let port = network.dht.as_ref().filter(|_| !metainfo.private)?.port(v4)?;
                // Behind a closed port the node answers nobody.
                Some(if network.listener.is_some() { port } else { 0 })
            }),
            writer: pieces,
            alive,
        };
        let (stored, wanted, aim) = (found.stored, found.wanted, found.aim);
        Ok(Threads {
            job,
            network,
            metainfo,
            shared,
            inbox,
            finding,
            candidates,
            handed,
            last_key,
            stored,
            wanted,
            aim,
            writer,
            all_gone,
        })
    }

    /// Fetches what is not stored, and shares what is; this thread becomes the coordinator.
    pub(super) fn run(
        mut self,
        stop: &Stop,
        show: &(dyn Fn(Progress) + Sync),
    ) -> Result<Outcome, SessionError> {
        let (geometry, port) = (self.shared.geometry, self.shared.port);
        let done: u64 = self.stored.iter(geometry).map(|piece| u64::from(geometry.length(piece))).sum();
        let (total, of) = (geometry.total_size(), geometry.piece_count());
        let wanted = self.wanted.as_ref().map_or(of, Bitfield::count);
        let at_first = Counts { left: total - done.min(total), ..Counts::default() };
        // Last, since nobody takes in yet what is found.
        let Some(mut finding) = self.finding.take().or_else(|| self.find(at_first)) else {
            return Err(self.give_up());
        };
        finding.set(at_first);
        if self.aim == Aim::Share {
            show(Progress::Seeding { port, pieces: self.stored.count(), of });
        }

        let doors = Doors {
            digest: Box::new(|piece| self.metainfo.piece_digest(piece.get()).unwrap_or_default()),
            show: Box::new(|snapshot| {
                finding.set(counts(&snapshot));
                show(Progress::Running(snapshot));
            }),
            is_stopped: Box::new(|| stop.is_asked()),
            need_peers: Box::new(|| finding.need_peers()),
            dht_node: Box::new(|address| {
                if let Some(dht) = &self.network.dht
                    && !self.metainfo.private
                {
                    dht.contact(address);
                }
            }),
            completed: Box::new(|snapshot| {
                finding.set(counts(&snapshot));
                // To trackers only who has everything has completed.
                if snapshot.left == 0 {
                    finding.completed();
                }
                show(Progress::Seeding { port, pieces: wanted, of });
            }),
        };
        let start = swarm::Start {
            stored: self.stored,
            wanted: self.wanted,
            aim: self.aim,
            candidates: self.candidates,
            handed: self.handed,
            last_key: self.last_key,
        };
        let (limits, giving) = (self.job.limits, self.job.giving);
        let (end, snapshot) = Coordinator::new(self.shared, self.inbox, start, limits, giving, doors).run();

        finding.close();
        finding.set(counts(&snapshot));
        let deadline = Instant::now() + FAREWELL;
        if end == End::Done && !snapshot.seeding && snapshot.left == 0 {
            finding.completed();
        }
        finding.stop(FAREWELL);
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

    /// Starts to look for peers.
    fn find(&self, counts: Counts) -> Option<Finding> {
        let wanted = Wanted {
            info_hash: self.metainfo.info_hash,
            peer_id: self.shared.peer_id,
            private: self.metainfo.private,
            trackers: &self.metainfo.trackers,
            peers: &[],
            nodes: &self.metainfo.nodes,
            counts,
        };
        Finding::start(&wanted, &self.job.sources, self.network, &self.shared.events)
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
    Counts { uploaded: snapshot.uploaded, downloaded: snapshot.received, left: snapshot.left }
}
