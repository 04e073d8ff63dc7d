//! The coordinator: the one thread that knows what the download is and decides what happens next.
//!
//! It blocks on its inbox and on nothing else; the deadline is the next tick. Each event calls one
//! handler, in the sibling file of its subject, and the handlers change the three tables that only
//! this thread sees: the piece map, the leases and the roster. It never touches a socket, a file or a
//! name server, and never waits for a peer, the writer or the screen.

mod blaming;
mod connecting;
mod end_game;
mod filling;
mod hearing;
mod leases;
mod losing;
mod piece_map;
mod report;
mod roster;
mod ticking;

use crate::message::{Event, PeerKey, Snapshot, TrackerReport, Write};
use crate::peer;
use crate::piece::{Bitfield, Geometry, PieceIndex, Suspects};
use crate::strategy::{Budget, Candidates, Pace};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use leases::Leases;
use piece_map::PieceMap;
use roster::Roster;
use std::collections::HashMap;
use std::net::SocketAddr;
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

/// What the coordinator calls on: the doors of its room, so that it need not know what is behind them.
pub struct Doors<'a> {
    /// The SHA-1 that a piece must have.
    pub digest: Box<dyn Fn(PieceIndex) -> [u8; 20] + 'a>,
    /// Shows how the download stands. Must not wait.
    pub show: Box<dyn FnMut(Snapshot) + 'a>,
    /// Whether the user wants to end.
    pub is_stopped: Box<dyn Fn() -> bool + 'a>,
    /// Asks the trackers for more peers. Must not wait.
    pub need_peers: Box<dyn FnMut() + 'a>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Every piece is on disk and the writer has finished.
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
    doors: Doors<'a>,
    inbox: Receiver<Event>,
    shared: Arc<peer::Shared>,
    pieces: PieceMap,
    budget: Budget,
    leases: Leases,
    roster: Roster,
    candidates: Candidates,
    attempts: Pace,
    /// When a connection can be attempted next, if one is wanted.
    attempt_at: Option<Instant>,
    /// What failed attempts at pieces were made of.
    suspects: HashMap<PieceIndex, Vec<Suspects>>,
    /// Where those who made them were.
    suspect_places: HashMap<PeerKey, SocketAddr>,
    random: fastrand::Rng,
    counters: Counters,
    /// What the last tracker that named no peer said.
    tracker_trouble: Option<String>,
    /// What the last failed connection failed of.
    peer_trouble: Option<String>,
    finishing: bool,
}

/// What is counted for the screen.
struct Counters {
    received: u64,
    wasted: u64,
    rate: f64,
    /// `received` at the last tick.
    measured: u64,
    last_tick: Instant,
    /// When a piece was last stored or a useful block came.
    progress: Instant,
    /// Verified pieces that are not on disk yet.
    verified_waiting: u32,
}

impl<'a> Coordinator<'a> {
    /// A coordinator for a torrent of which the pieces of `stored` are on disk.
    pub fn new(
        shared: peer::Shared,
        inbox: Receiver<Event>,
        stored: Bitfield,
        limits: Limits,
        doors: Doors<'a>,
    ) -> Coordinator<'a> {
        let now = Instant::now();
        let mut random = fastrand::Rng::new();
        let geometry = shared.geometry;
        let budget = Budget::new(limits.memory, geometry.piece_length(), now);
        Coordinator {
            geometry,
            limits,
            doors,
            inbox,
            pieces: PieceMap::new(geometry, stored, budget.allowance(), &mut random),
            budget,
            leases: Leases::new(geometry),
            roster: Roster::default(),
            candidates: Candidates::default(),
            attempts: Pace::new(ATTEMPTS, now),
            attempt_at: None,
            suspects: HashMap::new(),
            suspect_places: HashMap::new(),
            random,
            counters: Counters {
                received: 0,
                wasted: 0,
                rate: 0.0,
                measured: 0,
                last_tick: now,
                progress: now,
                verified_waiting: 0,
            },
            tracker_trouble: None,
            peer_trouble: None,
            finishing: false,
            shared: Arc::new(shared),
        }
    }

    /// Runs the download to its end.
    pub fn run(mut self) -> (End, Snapshot) {
        let end = self.run_loop();
        self.roster.clear();
        (end, self.snapshot(Instant::now()))
    }

    fn run_loop(&mut self) -> End {
        let mut next_tick = Instant::now() + TICK;
        self.finish_if_complete();
        loop {
            let deadline = self.attempt_at.map_or(next_tick, |attempt| attempt.min(next_tick));
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
                Err(RecvTimeoutError::Disconnected) => return End::Stopped,
            }
            let now = Instant::now();
            if now >= next_tick {
                next_tick = now + TICK;
                if let Some(end) = self.tick(now) {
                    return end;
                }
            }
            if self.attempt_at.is_some_and(|due| due <= now) {
                self.connect(now);
                self.attempt_at = self.next_attempt();
            }
        }
    }

    fn handle(&mut self, event: Event) -> Option<End> {
        match event {
            Event::Heard(key, news) => self.heard(key, news),
            Event::Stored(pieces) => self.stored(&pieces),
            Event::Greeted(key, greeting) => self.greeted(key, greeting),
            Event::Gone(key, why) => self.gone(key, why),
            Event::Found(addresses) => self.found(addresses),
            Event::Named(addresses) => self.named(addresses),
            Event::Tracker(report) => self.tracker_spoke(report),
            Event::Knocked(_) => {}
            Event::WriterEnded if self.finishing => return Some(End::Done),
            Event::WriterEnded => return Some(End::WriterFailed),
            Event::Stop => return Some(End::Stopped),
        }
        None
    }

    fn tracker_spoke(&mut self, report: TrackerReport) {
        self.tracker_trouble = match report.outcome {
            Ok(0) => Some(format!("{} knows no other peer", report.url)),
            Ok(_) => None,
            Err(why) => Some(format!("{}: {why}", report.url)),
        };
    }

    /// Everything is on disk: let the peers go and have the writer finish.
    fn finish_if_complete(&mut self) {
        if self.finishing || !self.pieces.is_complete() {
            return;
        }
        self.roster.clear();
        // The writer has stored every piece, so its channel has room.
        self.finishing = self.shared.writer.try_send(Write::Finish).is_ok();
    }
}
