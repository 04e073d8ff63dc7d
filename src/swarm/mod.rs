//! The coordinator: the one thread that knows what the download is and decides what happens next.
//!
//! It blocks on its inbox and on nothing else; the deadline is the next tick. Each event calls one
//! handler, in the sibling file of its subject, and the handlers change the three tables that only
//! this thread sees: the piece map, the leases and the roster. It never touches a socket, a file or a
//! name server, and never waits for a peer, the writer or the screen.

mod download;
mod peer_messages;
mod peers;
mod status;
mod tick;
mod upload;

pub use upload::Goals;

use crate::message::{Event, KnownPeers, PeerKey, Snapshot, TrackerReport};
use crate::peer;
use crate::piece::{Bitfield, Geometry, PieceIndex, Suspects};
use crate::strategy::{Budget, Candidates, Choker, ExternalAddress, Rate, SuperSeeding, TokenBucket};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use download::{Leases, PieceMap};
use log::warn;
use peers::Roster;
use status::Gauge;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the slow things are looked at: rates, silence, what to tell the screen.
const TICK: Duration = Duration::from_millis(250);
/// Connection attempts a second.
const ATTEMPTS: u32 = 18;

/// What the user set.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Peers at once.
    pub max_peers: usize,
    /// Bytes of pieces that are open or on their way to the disk.
    pub memory: u64,
    /// The longest time without progress, if there is one.
    pub timeout: Option<Duration>,
}

/// What others get from us.
#[derive(Clone, Copy, Debug, Default)]
pub struct Giving {
    /// Bytes a second that the uploads of this torrent can count on. With zero nobody gets anything.
    pub limit: Option<u64>,
    /// What becomes of the run once nothing is wanted any more; `None` ends it.
    pub seeding: Option<Goals>,
    /// Peers are told of one piece at a time, so that the first copy costs little more than one (BEP 16).
    pub super_seeding: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Something is missing.
    Downloading,
    /// Everything is there; the writer brings it to the disk.
    Finishing,
    /// Nothing is wanted any more.
    Seeding,
}

/// What the coordinator calls on: the doors of its room, so that it need not know what is behind them.
pub struct Doors<'a> {
    /// The SHA-1 that a piece must have.
    pub digest: Box<dyn Fn(PieceIndex) -> [u8; 20] + 'a>,
    /// Shows how the download stands. Must not wait.
    pub show: Box<dyn FnMut(Snapshot) + 'a>,
    /// Whether the user wants to end.
    pub is_stopped: Box<dyn Fn() -> bool + 'a>,
    /// Asks whoever finds peers for more. Must not wait.
    pub need_peers: Box<dyn FnMut() + 'a>,
    /// Somebody has a node of the DHT there (BEP 5). Must not wait.
    pub dht_node: Box<dyn Fn(SocketAddr) + 'a>,
    /// Tells the trackers that the download is complete. Must not wait.
    pub completed: Box<dyn FnMut(Snapshot) + 'a>,
}

/// The pieces that are to be on the disk in the end.
pub enum WantedPieces {
    /// All of them.
    All,
    /// Only these.
    Only(Bitfield),
    /// Those that are stored already. Nothing is downloaded.
    Nothing,
}

/// The state of a torrent when the coordinator begins.
pub struct InitialState {
    /// The pieces that are on disk.
    pub stored: Bitfield,
    /// The pieces that are to be on disk in the end.
    pub wanted: WantedPieces,
    /// The peers that are known already.
    pub known_peers: KnownPeers,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// Every piece is on disk and the writer has finished; where we seed, for as long as was wished.
    Done,
    /// The user stopped it.
    Stopped,
    /// Nothing moved for too long.
    TimedOut,
    /// The writer ended before it had everything. Its thread says why.
    WriterFailed,
}

/// The coordinator of one torrent.
pub struct Coordinator<'a> {
    geometry: Geometry,
    limits: Limits,
    giving: Giving,
    phase: Phase,
    seeding_since: Instant,
    doors: Doors<'a>,
    inbox: Receiver<Event>,
    shared: Arc<peer::Shared>,
    pieces: PieceMap,
    budget: Budget,
    leases: Leases,
    roster: Roster,
    choker: Choker<PeerKey>,
    /// When it looked at the peers, and when it is to look again if that should be before the next tick.
    rechoked: Instant,
    rechoke_at: Option<Instant>,
    super_seed: Option<SuperSeeding<PeerKey>>,
    candidates: Candidates,
    /// What others say of our own address.
    external: ExternalAddress,
    attempts: TokenBucket,
    /// When a connection can be attempted next, if one is wanted.
    attempt_at: Option<Instant>,
    /// What failed attempts at pieces were made of.
    suspects: HashMap<PieceIndex, Vec<Suspects>>,
    /// Where those who made them were.
    suspect_places: HashMap<PeerKey, SocketAddr>,
    /// Where somebody sent wrong data from.
    liars: HashSet<IpAddr>,
    random: fastrand::Rng,
    counters: Counters,
    /// The user was told that a tracker cannot be asked.
    tracker_warned: bool,
    /// What the last tracker that named no peer said.
    tracker_trouble: Option<String>,
    /// What the last failed connection failed of.
    peer_trouble: Option<String>,
}

/// What is counted for the screen.
struct Counters {
    received: u64,
    wasted: u64,
    uploaded: u64,
    /// What the screen shows.
    down: Gauge,
    up: Gauge,
    /// What the number of peers that we upload to follows.
    upload_rate: Rate,
    /// When a piece was last stored or a useful block came.
    progress: Instant,
    /// Verified pieces that are not on disk yet.
    verified_waiting: u32,
    /// Peers that have nothing for us, as of the last tick.
    only_takers: usize,
}

impl<'a> Coordinator<'a> {
    /// A coordinator for a torrent.
    pub fn new(
        shared: peer::Shared,
        inbox: Receiver<Event>,
        state: InitialState,
        limits: Limits,
        giving: Giving,
        doors: Doors<'a>,
    ) -> Coordinator<'a> {
        let now = Instant::now();
        let mut random = fastrand::Rng::new();
        let InitialState { stored, wanted, known_peers } = state;
        let KnownPeers { candidates, connections, last_key } = known_peers;
        let geometry = shared.geometry;
        let budget = Budget::new(limits.memory, geometry.piece_length(), now);
        let mut pieces = PieceMap::new(geometry, stored, budget.allowance(), &mut random);
        let phase = if matches!(wanted, WantedPieces::Nothing) { Phase::Seeding } else { Phase::Downloading };
        match wanted {
            WantedPieces::All => {}
            WantedPieces::Only(wanted) => pieces.want_only(wanted, &mut random),
            WantedPieces::Nothing => pieces.want_nothing(&mut random),
        }
        // Of a piece that we lack nobody may be told, and it is the first copy that this is for.
        let super_seeds = giving.super_seeding && pieces.is_complete();
        if giving.super_seeding && !super_seeds {
            warn!("pieces are missing, so this is an ordinary seed: a super-seed has everything");
        }
        let super_seed = super_seeds.then(|| SuperSeeding::new(geometry, random.fork(), now));
        let mut coordinator = Coordinator {
            geometry,
            limits,
            giving,
            phase,
            seeding_since: now,
            doors,
            inbox,
            pieces,
            budget,
            leases: Leases::new(geometry),
            roster: Roster::after(last_key),
            choker: Choker::new(now),
            rechoked: now,
            rechoke_at: None,
            super_seed,
            candidates,
            external: ExternalAddress::default(),
            attempts: TokenBucket::new(ATTEMPTS, now),
            attempt_at: None,
            suspects: HashMap::new(),
            suspect_places: HashMap::new(),
            liars: HashSet::new(),
            random,
            counters: Counters {
                received: 0,
                wasted: 0,
                uploaded: 0,
                down: Gauge::new(now),
                up: Gauge::new(now),
                upload_rate: Rate::new(now),
                progress: now,
                verified_waiting: 0,
                only_takers: 0,
            },
            tracker_warned: false,
            tracker_trouble: None,
            peer_trouble: None,
            shared: Arc::new(shared),
        };
        connections.into_iter().for_each(|connection| coordinator.handed(connection));
        coordinator
    }

    /// Runs the download to its end.
    pub fn run(mut self) -> (RunEnd, Snapshot) {
        let end = self.run_loop();
        self.count_uploads(Instant::now());
        self.roster.clear();
        (end, self.snapshot(Instant::now()))
    }

    fn run_loop(&mut self) -> RunEnd {
        let mut next_tick = Instant::now() + TICK;
        self.finish_if_complete();
        loop {
            let timers = [self.attempt_at, self.rechoke_at];
            let deadline = timers.into_iter().flatten().fold(next_tick, Instant::min);
            match self.inbox.recv_deadline(deadline) {
                Ok(event) => {
                    // The events that come by the thousand change nothing about whom to connect to.
                    let peers_changed = !matches!(event, Event::Heard(..) | Event::Stored(_));
                    if let Some(end) = self.handle(event) {
                        return end;
                    }
                    if peers_changed {
                        self.attempt_at = Some(Instant::now());
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                // We hold a sender ourselves, in `shared`.
                Err(RecvTimeoutError::Disconnected) => return RunEnd::Stopped,
            }
            let now = Instant::now();
            if now >= next_tick {
                next_tick = now + TICK;
                if let Some(end) = self.tick(now) {
                    return end;
                }
            }
            if self.rechoke_at.is_some_and(|due| due <= now) {
                self.rechoke(now);
            }
            if self.attempt_at.is_some_and(|due| due <= now) {
                self.connect(now);
                self.attempt_at = self.next_attempt();
            }
        }
    }

    fn handle(&mut self, event: Event) -> Option<RunEnd> {
        match event {
            Event::Heard(key, news) => self.heard(key, news),
            Event::Stored(pieces) => self.stored(&pieces),
            Event::Greeted(key, greeting) => self.greeted(key, greeting),
            Event::Gone(key, why) => self.gone(key, why),
            Event::Found(source, addresses) => self.found(source, addresses),
            Event::Named(addresses) => self.named(addresses),
            Event::Tracker(report) => self.tracker_spoke(report),
            Event::Incoming(incoming) => self.incoming(incoming),
            Event::HandedOver(handed) => self.handed(handed),
            Event::WriterEnded { finished } => return self.writer_ended(finished),
            Event::Stop => return Some(self.stopped()),
        }
        None
    }

    fn tracker_spoke(&mut self, report: TrackerReport) {
        if let Some(ours) = report.external_ip {
            self.external.vote_by_name(&report.url, ours);
            self.seen_from_outside();
        }
        if let (Err(why), Phase::Seeding, false) = (&report.outcome, self.phase, self.tracker_warned) {
            // A download says it when nothing moves; a seed would look as if nobody wanted anything.
            self.tracker_warned = true;
            warn!("{}: {why}", report.url);
        }
        self.tracker_trouble = match report.outcome {
            Ok(0) => Some(format!("{} knows no other peer", report.url)),
            Ok(_) => None,
            Err(why) => Some(format!("{}: {why}", report.url)),
        };
    }

    fn writer_ended(&mut self, finished: bool) -> Option<RunEnd> {
        match (self.phase, self.giving.seeding) {
            _ if !finished => Some(RunEnd::WriterFailed),
            (Phase::Finishing, Some(_)) => {
                self.begin_seeding(Instant::now());
                None
            }
            (Phase::Finishing, None) => Some(RunEnd::Done),
            (Phase::Downloading | Phase::Seeding, _) => Some(RunEnd::WriterFailed),
        }
    }

    /// How it counts that the user wants to end: who seeds has everything that was asked for.
    fn stopped(&self) -> RunEnd {
        if self.phase == Phase::Seeding { RunEnd::Done } else { RunEnd::Stopped }
    }
}
