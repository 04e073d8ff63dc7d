//! The coordinator: the one thread that knows how the download stands and decides what happens next.
//!
//! It runs on the thread of its torrent, `torrent-N`, and blocks on its inbox alone, until its next timer at
//! the latest. Each event calls one handler, in the file of its subject. The handlers change tables that no
//! other thread sees: the piece map, the requests, the roster. The coordinator never touches a socket, a file
//! or a name server, and it never waits for a peer, the writer or the screen. Even the time comes from
//! outside, so that a test can run a whole swarm of coordinators in one thread, on a clock of its own.
//!
//! The [`event_loop`] waits, and calls the handlers:
//!
//! | event | handler | what it changes |
//! |---|---|---|
//! | `Heard`: a peer sent something | `swarm/peer_messages.rs:heard` | what that peer has and wants, rarity, requests, statistics; then it asks the peer for more blocks |
//! | `Stored`: pieces are on disk | `swarm/download/completion.rs:stored` | piece map, statistics, our interest; peers hear *have*; after the last piece the phase |
//! | `Lost`: another program has changed pieces on disk | `swarm/download/completion.rs:lost` | piece map, our interest, the phase: they are fetched again |
//! | `Attempted`: an attempt to connect ended | `swarm/peers/connecting.rs:attempted` | roster: one peer more, perhaps in place of another; or when its address is tried again |
//! | `Greeted`: handshakes were exchanged | `swarm/peers/connecting.rs:greeted` | roster: the peer is introduced to, or one of two connections to it ends |
//! | `Gone`: a connection is over, or a web seed gives no more | `swarm/peers/disconnect.rs:gone` | roster, requests, rarity, upload slots, when its address is tried again |
//! | `Found`, `Named`: addresses | `strategy/peers/dialer.rs:found`, `dialer.rs:named` | candidates |
//! | `Tracker`: a tracker answered | `swarm/event_loop.rs:tracker_answered` | our address as others see it, the reason that a stalled download shows |
//! | `Incoming`: a peer connected to us | `swarm/peers/incoming.rs:incoming` | roster: one peer more, perhaps in place of another |
//! | `HandedOver`: a connection brought the metadata | `swarm/peers/incoming.rs:handed_over` | roster, candidates |
//! | `MemoryFree`: another torrent gave memory back | `swarm/download/memory.rs:memory_is_free` | the memory for pieces; then peers are asked for more blocks |
//! | `WriterEnded` | `swarm/event_loop.rs:writer_ended` | phase, or the run ends |
//! | `Stop`: the user wants to end | `swarm/event_loop.rs:stopped` | the run ends |
//! | timer, every 250 ms | `swarm/tick.rs:tick` | rates, silent peers and dead connections, the supply of peers, interruptions, super-seeding, PEX, memory budget, web seeds, what the screen shows; the run ends at a goal or a timeout |
//! | timer, after interest changed or a peer left | `swarm/upload/choking.rs:rechoke` | upload slots |
//! | timer, when an address is due | `swarm/peers/connecting.rs:connect` | candidates |
//!
//! The other files:
//!
//! - [`download`]: which piece is in which state, which peer was asked for which block, the end game, and
//!   what becomes of wrong pieces and their senders.
//! - [`upload`]: upload slots, allowed-fast sets, super-seeding, what was sent, how long to seed.
//! - [`peers`]: the roster; connecting, accepting and disconnecting; who makes room for others; the supply of
//!   peers; PEX.
//! - [`web_seeds`]: servers of the web that have the files (BEP 19): which of them are asked, and for what.
//! - [`status`]: what the screen shows. [`statistics`]: what it counts. [`sight`]: what the live view shows.

mod config;
mod download;
mod environment;
mod event_loop;
mod ordered_list;
mod peer_messages;
mod peers;
mod sight;
mod statistics;
mod status;
#[cfg(test)]
mod tests;
mod tick;
mod upload;
mod web_seeds;

pub use config::{InitialState, Limits, RunEnd, SeedGoals, Settings, UploadPolicy, WantedPieces};
pub use environment::Environment;

use crate::message::KnownPeers;
use crate::piece::Geometry;
use crate::strategy::{Budget, Dialer, SuperSeeding, SupplyReports};
use download::{Orphans, PieceMap, Requests, Suspicions};
use log::warn;
use peers::Roster;
use statistics::Statistics;
use std::time::{Duration, Instant};
use upload::UploadSlots;
use web_seeds::WebSeeds;

/// Time between two looks at what changes slowly: rates, silent peers, what the screen shows.
const TICK: Duration = Duration::from_millis(250);

/// What the run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Something is missing.
    Downloading,
    /// Everything is there; the writer brings it to the disk.
    Finishing,
    /// Nothing is wanted any more.
    Seeding {
        /// When that began.
        since: Instant,
    },
}

/// The coordinator of one torrent.
pub struct Coordinator<'a> {
    geometry: Geometry,
    settings: Settings,
    environment: Box<dyn Environment + 'a>,
    phase: Phase,
    pieces: PieceMap,
    budget: Budget,
    requests: Requests,
    orphans: Orphans,
    suspicions: Suspicions,
    roster: Roster,
    dialer: Dialer,
    slots: UploadSlots,
    super_seed: Option<SuperSeeding>,
    statistics: Statistics,
    timers: Timers,
    random: fastrand::Rng,
}

/// When the coordinator has something to do even if no event comes. The upload slots have a timer of their
/// own.
#[derive(Debug)]
struct Timers {
    tick: Instant,
    /// When a connection can be attempted, if one is wanted.
    dial: Option<Instant>,
    /// When the sources of peers are told how well we are supplied with peers.
    supply_reports: SupplyReports,
    /// When the next peer that was of no use for long may have to make room.
    turnover: Instant,
    /// When the next look at idle files is.
    files: Instant,
}

impl<'a> Coordinator<'a> {
    /// A coordinator that begins now. Chance comes from `random`: the same seed and the same events make the
    /// same decisions.
    pub fn new(
        settings: Settings,
        state: InitialState,
        environment: Box<dyn Environment + 'a>,
        mut random: fastrand::Rng,
        now: Instant,
    ) -> Coordinator<'a> {
        let InitialState { stored, wanted, order, known_peers, web_seeds } = state;
        let KnownPeers { candidates, connections, last_key } = known_peers;
        let geometry = settings.geometry;
        let requests = if order.is_stream { Requests::in_order } else { Requests::new }(geometry);
        let new_budget = if order.is_stream { Budget::of_stream } else { Budget::new };
        let budget = new_budget(settings.limits.memory, geometry.piece_length(), now);
        let mut pieces = PieceMap::new(geometry, stored, 0, &mut random);
        let phase = match wanted {
            WantedPieces::Nothing => Phase::Seeding { since: now },
            WantedPieces::All | WantedPieces::Only(_) => Phase::Downloading,
        };
        match wanted {
            WantedPieces::All => {}
            WantedPieces::Only(wanted) => pieces.want_only(wanted, &mut random),
            WantedPieces::Nothing => pieces.want_nothing(&mut random),
        }
        pieces.put_in_order(order);
        // Super-seeding is for the first copy of a torrent, so it needs every piece: no peer may be told of a
        // piece that we lack.
        let super_seeds = settings.uploads.super_seeding && pieces.is_complete();
        if settings.uploads.super_seeding && !super_seeds {
            warn!("seeding normally instead of super-seeding, because pieces are missing");
        }
        let super_seed = super_seeds.then(|| SuperSeeding::new(geometry, random.fork(), now));
        let half_open = environment.half_open();
        let mut coordinator = Coordinator {
            geometry,
            settings,
            environment,
            phase,
            pieces,
            budget,
            requests,
            orphans: Orphans::default(),
            suspicions: Suspicions::default(),
            roster: Roster::after(last_key, WebSeeds::new(web_seeds)),
            dialer: Dialer::new(
                candidates,
                settings.encryption,
                settings.port,
                half_open,
                random.fork(),
                now,
            ),
            slots: UploadSlots::new(now),
            super_seed,
            statistics: Statistics::new(now).idle_since(now, settings.limits.idle_before),
            timers: Timers {
                tick: now + TICK,
                dial: None,
                supply_reports: SupplyReports::default(),
                turnover: now,
                files: now,
            },
            random,
        };
        connections.into_iter().for_each(|connection| coordinator.handed_over(connection, now));
        coordinator.finish_if_complete(now);
        coordinator.look_after_web_seeds(now);
        coordinator
    }

    fn is_downloading(&self) -> bool {
        self.phase == Phase::Downloading
    }

    fn is_seeding(&self) -> bool {
        matches!(self.phase, Phase::Seeding { .. })
    }

    /// Whether the run is about to end, so that no new peer is of any use.
    fn is_leaving(&self) -> bool {
        self.phase == Phase::Finishing && self.settings.uploads.seeding.is_none()
    }
}
