//! The threads of one run: in which order they start, and how each of them ends. The thread of the torrent
//! runs this, and is the coordinator in between.

use super::environment::{RunEnvironment, counts};
use super::payload::CheckedPayload;
use super::peer_sources::{PeerSearch, PeerSources};
use super::{Aim, Completion, END_TIMEOUT, Outcome, Prepared, Progress, RunContext, SessionError, Torrent};
use crate::address::IpFamily;
use crate::message::{Event, Notice, RunPhase, Write};
use crate::metainfo::Metainfo;
use crate::peer;
use crate::piece::Geometry;
use crate::storage::Selection;
use crate::storage::writer::{self, Written};
use crate::strategy::MAX_WINDOW;
use crate::swarm::{Coordinator, InitialState, RunEnd, Settings, WantedPieces};
use crate::tracker::Counts;
use crate::web_seed::WebSeed;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

/// The most bytes of verified pieces that wait for the writer, as long as that is between 4 and 64 pieces.
const WRITER_QUEUE_BYTES: usize = 4 * 1024 * 1024;

/// The threads of a run, and what the coordinator needs to begin.
pub(super) struct Threads<'a> {
    run: RunContext<'a>,
    shared: peer::TorrentContext,
    inbox: Receiver<Event>,
    sources: PeerSources,
    /// How many pieces are to be on the disk in the end.
    wanted_count: u32,
    state: InitialState,
    /// The files that are downloaded, if not all.
    selection: Option<Arc<Selection>>,
    ending: Ending,
}

/// How a run learns that its threads have ended.
struct Ending {
    /// `None` if nothing is to be written.
    writer: Option<JoinHandle<Written>>,
    /// Disconnects when every worker and the writer have ended.
    all_gone: Receiver<()>,
}

impl<'a> Threads<'a> {
    /// Starts the writer, makes what the workers will share, and starts the sources of peers. The sources
    /// come last, because no thread takes what they find out of the inbox before [`Threads::run`].
    pub(super) fn start(
        run: RunContext<'a>,
        prepared: Prepared,
        payload: CheckedPayload,
    ) -> Result<Threads<'a>, SessionError> {
        let (wanted_count, geometry) = (payload.wanted_count(), payload.geometry);
        let left = geometry.total_size().saturating_sub(payload.stored_bytes());
        let Prepared { metainfo, peer_id, events, inbox, sources, known_peers } = prepared;
        let private = metainfo.private;
        let CheckedPayload { storage, stream, served_pieces, stored, wanted, order, selection, .. } = payload;

        let (pieces, writer_orders) = writer_queue(geometry, stream.is_some());
        let (alive, all_gone) = bounded(0);
        let buffers = run.network.memory.buffers();
        let writer = match (storage, stream) {
            (Some(storage), _) => {
                let (stopped, buffers) = (run.stop.asked().clone(), Arc::clone(&buffers));
                writer::start(storage, writer_orders, events.clone(), buffers, stopped, alive.clone())
                    .map(Some)
            }
            (None, Some(stream)) => {
                stream.start(writer_orders, events.clone(), Arc::clone(&buffers), alive.clone()).map(Some)
            }
            (None, None) => Ok(None),
        };
        let writer = writer.map_err(SessionError::Threads)?;
        let network = run.network;
        let shared = peer::TorrentContext {
            peer_id,
            pex: run.job.sources.pex && !metainfo.private,
            dht_ports: dht_ports(run, &metainfo),
            metainfo,
            geometry,
            events,
            buffers,
            read_memory: Arc::default(),
            down: Arc::clone(&network.down),
            up: Arc::clone(&network.up),
            served_pieces,
            encryption: network.encryption,
            ports: network.ports.clone(),
            writer: pieces,
            alive,
        };
        let ending = Ending { writer, all_gone };
        let counts = Counts { left, ..Counts::default() };
        let web_seeds = match wanted {
            WantedPieces::Nothing => Vec::new(),
            _ => run.job.sources.all_web_seeds(&shared.metainfo.web_seeds, network.connector.proxies()),
        };
        let has_web_seeds = web_seeds.iter().any(WebSeed::is_of_the_web);
        let Some(sources) = sources.or_else(|| start_sources(run, &shared, counts, has_web_seeds)) else {
            // The writer ends with its channel, and removes what the storage created on the disk.
            drop((shared, inbox));
            ending.join_writer();
            return Err(network.no_peer_source(private));
        };
        sources.set(counts);
        sources.was_busy();
        let state = InitialState { stored, wanted, order, known_peers, web_seeds };
        Ok(Threads { run, shared, inbox, sources, wanted_count, state, selection, ending })
    }

    /// Downloads the missing pieces, and shares what there is. This thread becomes the coordinator.
    pub(super) fn run(self) -> Result<Outcome, SessionError> {
        let Threads { run, shared, inbox, mut sources, wanted_count, state, selection, ending } = self;
        let (port, of, metainfo) =
            (shared.ports.listening(), shared.geometry.piece_count(), Arc::clone(&shared.metainfo));
        if matches!(state.wanted, WantedPieces::Nothing) {
            (run.show)(Progress::Seeding { port, pieces: state.stored.count(), of });
            run.door.tell(|| Notice::Seeding { port });
        }
        let settings = Settings {
            geometry: shared.geometry,
            info_hash: shared.metainfo.info_hash,
            peer_id: shared.peer_id,
            port,
            pex: shared.pex,
            encryption: shared.encryption,
            download_limit: shared.down.limit(),
            limits: run.job.limits,
            uploads: run.job.uploads,
        };
        let seeding = Progress::Seeding { port, pieces: wanted_count, of };
        let caller = run.network.connector.caller(shared.events.clone());
        let memory = run.network.memory.open(&shared.events);
        let shared = Arc::new(shared);
        let completion = ending.writer.as_ref().and_then(|_| completion(&shared, &state.wanted));
        let environment = RunEnvironment {
            run,
            memory,
            metainfo: &metainfo,
            shared,
            caller,
            sources: &sources,
            selection,
            seeding,
            completion: completion.clone(),
        };
        let random = fastrand::Rng::new();
        let coordinator = Coordinator::new(settings, state, Box::new(environment), random, Instant::now());
        let (end, snapshot) = coordinator.run(&inbox);
        // Whoever waits for room in it, or for what it said to be taken in, ends now.
        drop(inbox);
        let is_complete = end == RunEnd::Done && snapshot.phase != RunPhase::Seeding && snapshot.left == 0;
        if is_complete && !matches!(run.job.aim, Aim::Try(_)) {
            sources.end_complete();
        }
        let outcome = ending.finish(sources, Outcome { end, snapshot })?;
        // A run that seeds has shown it.
        if outcome.end == RunEnd::Done && outcome.snapshot.phase != RunPhase::Seeding {
            completion.into_iter().for_each(|completion| (run.show)(Progress::Completed(completion)));
        }
        Ok(outcome)
    }
}

/// What to tell of the download when it is complete. `None` where nothing is kept.
fn completion(shared: &peer::TorrentContext, wanted: &WantedPieces) -> Option<Completion> {
    let (metainfo, geometry) = (&shared.metainfo, shared.geometry);
    let path = shared.served_pieces.as_ref()?.place();
    let size = match wanted {
        WantedPieces::Only(pieces) => {
            pieces.iter(geometry).map(|piece| u64::from(geometry.length(piece))).sum()
        }
        WantedPieces::All | WantedPieces::Nothing => geometry.total_size(),
    };
    Some(Completion {
        name: metainfo.name.clone(),
        path: std::path::absolute(&path).unwrap_or(path),
        info_hash: metainfo.info_hash,
        size,
    })
}

impl Ending {
    /// Ends the threads of a run, each within a limited time. The result of the writer decides whether the
    /// run was successful.
    fn finish(self, mut sources: PeerSources, mut outcome: Outcome) -> Result<Outcome, SessionError> {
        let (end, snapshot) = (outcome.end, &outcome.snapshot);
        sources.close();
        sources.set(counts(snapshot));
        let deadline = Instant::now() + END_TIMEOUT;
        // The trackers hear that we leave.
        drop(sources);
        let all_gone = self.all_gone.recv_deadline(deadline) == Err(RecvTimeoutError::Disconnected);
        // Once the writer has said that it ends, it only has to return, so its thread can be waited for
        // without a deadline.
        let ends = matches!(end, RunEnd::Done | RunEnd::WriterFailed) || all_gone;
        if ends || self.writer.as_ref().is_some_and(JoinHandle::is_finished) {
            match self.join_writer() {
                Some(Ok(written)) => {
                    written?;
                    if end == RunEnd::WriterFailed {
                        // It had no failure, and no reader any more.
                        outcome.end = RunEnd::ReaderGone;
                    }
                }
                Some(Err(_)) => return Err(SessionError::Panicked("the writer")),
                None => {}
            }
        }
        Ok(outcome)
    }

    /// Waits for the end of the writer. `None` if there is none.
    fn join_writer(self) -> Option<std::thread::Result<Written>> {
        self.writer.map(JoinHandle::join)
    }
}

/// The channel of verified pieces to the writer. It is bounded, so that a slow disk stops the threads that read from
/// peers. The pieces of a stream are bounded by their window, and all have room here, so that peers hear of a slow
/// reader nothing but that they are asked for less.
fn writer_queue(geometry: Geometry, is_stream: bool) -> (Sender<Write>, Receiver<Write>) {
    if is_stream {
        return bounded(MAX_WINDOW as usize + 1);
    }
    let pieces = WRITER_QUEUE_BYTES / geometry.piece_length().max(1) as usize;
    bounded(pieces.clamp(4, 64))
}

/// The UDP ports of our DHT nodes for IPv4 and IPv6, as peers may know them. A private torrent has none.
fn dht_ports(run: RunContext<'_>, metainfo: &Metainfo) -> [Option<u16>; 2] {
    let dht = run.network.dht.as_ref().filter(|_| !metainfo.private);
    IpFamily::BOTH.map(|family| {
        let port = dht?.port(family)?;
        // If we do not listen, our nodes are read-only and answer no query.
        Some(if run.network.listener.is_some() { port } else { 0 })
    })
}

/// Starts to look for peers. `None` if there is no source, and no web seed either.
fn start_sources(
    run: RunContext<'_>,
    shared: &peer::TorrentContext,
    counts: Counts,
    has_web_seeds: bool,
) -> Option<PeerSources> {
    // Those of the link, in a further run of a magnet.
    let peers: &[String] = match &run.job.torrent {
        Torrent::Magnet(magnet) if !shared.metainfo.private => &magnet.peers,
        _ => &[],
    };
    let search = PeerSearch {
        info_hash: shared.metainfo.info_hash,
        peer_id: shared.peer_id,
        private: shared.metainfo.private,
        trackers: &shared.metainfo.trackers,
        peers,
        nodes: &shared.metainfo.nodes,
        counts,
        has_web_seeds,
    };
    PeerSources::start(&search, &run.job.sources, run.network, &shared.events, run.door)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_a_stream_may_have_in_memory_has_room_before_its_reader() {
        for (piece, of_disk) in [(16 * 1024, 64), (1 << 20, 4), (64 << 20, 4)] {
            let geometry = Geometry::new(1 << 40, piece).unwrap();
            assert_eq!(writer_queue(geometry, false).0.capacity(), Some(of_disk));
            let room = writer_queue(geometry, true).0.capacity();
            assert!(room.is_some_and(|room| room > MAX_WINDOW as usize), "{piece} bytes in a piece");
        }
    }
}
