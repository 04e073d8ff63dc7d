//! The coordinator: the one thread that knows how the download stands and decides what happens next.
//!
//! It blocks on its inbox and on nothing else; the deadline is its next timer. Each event calls one handler,
//! in the file of its subject, and the handlers change tables that this thread alone sees: the piece map,
//! the requests, the roster. It never touches a socket, a file or a name server, and it never waits for a
//! peer, the writer or the screen. Even the time comes from outside, so that a whole swarm of coordinators
//! can run in one thread on a clock that a test turns (`tests/simulation/`).
//!
//! Where to find what:
//!
//! - [`download`]: which piece is in which state, which peer was asked for which block, the end game, and
//!   what becomes of wrong pieces and their senders.
//! - [`upload`]: upload slots, allowed-fast sets, super-seeding, what was sent, how long to seed.
//! - [`peers`]: the roster; connecting, accepting and disconnecting; PEX.
//! - `event_loop.rs` waits for events and timers, `peer_messages.rs` handles what peers say, `tick.rs` what
//!   only time brings, `status.rs` what the screen is told.

mod config;
mod download;
mod environment;
mod event_loop;
mod peer_messages;
mod peers;
mod statistics;
mod status;
mod tick;
mod upload;

pub use config::{InitialState, Limits, RunEnd, SeedGoals, Settings, UploadPolicy, WantedPieces};
pub use environment::Environment;

use crate::message::KnownPeers;
use crate::piece::Geometry;
use crate::strategy::{Budget, Dialer, SuperSeeding};
use download::{Bans, PieceMap, Requests};
use log::warn;
use peers::Roster;
use statistics::Statistics;
use std::time::{Duration, Instant};
use upload::UploadSlots;

/// How often the slow things are looked at: rates, silence, what to tell the screen.
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
    bans: Bans,
    roster: Roster,
    dialer: Dialer,
    slots: UploadSlots,
    super_seed: Option<SuperSeeding>,
    statistics: Statistics,
    timers: Timers,
    random: fastrand::Rng,
}

/// When the coordinator has something to do even if no event comes.
#[derive(Debug)]
struct Timers {
    tick: Instant,
    /// When a connection can be attempted, if one is wanted.
    dial: Option<Instant>,
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
        let InitialState { stored, wanted, known_peers } = state;
        let KnownPeers { candidates, connections, last_key } = known_peers;
        let geometry = settings.geometry;
        let budget = Budget::new(settings.limits.memory, geometry.piece_length(), now);
        let mut pieces = PieceMap::new(geometry, stored, budget.allowance(), &mut random);
        let phase = match wanted {
            WantedPieces::Nothing => Phase::Seeding { since: now },
            WantedPieces::All | WantedPieces::Only(_) => Phase::Downloading,
        };
        match wanted {
            WantedPieces::All => {}
            WantedPieces::Only(wanted) => pieces.want_only(wanted, &mut random),
            WantedPieces::Nothing => pieces.want_nothing(&mut random),
        }
        // Super-seeding is about the first copy of a torrent, so it needs every piece.
        let super_seeds = settings.uploads.super_seeding && pieces.is_complete();
        if settings.uploads.super_seeding && !super_seeds {
            warn!("pieces are missing, so this is an ordinary seed: a super-seed has everything");
        }
        let super_seed = super_seeds.then(|| SuperSeeding::new(geometry, random.fork(), now));
        let mut coordinator = Coordinator {
            geometry,
            settings,
            environment,
            phase,
            pieces,
            budget,
            requests: Requests::new(geometry),
            bans: Bans::default(),
            roster: Roster::after(last_key),
            dialer: Dialer::new(candidates, settings.port, random.fork(), now),
            slots: UploadSlots::new(now),
            super_seed,
            statistics: Statistics::new(now),
            timers: Timers { tick: now + TICK, dial: None },
            random,
        };
        connections.into_iter().for_each(|connection| coordinator.handed_over(connection, now));
        coordinator.finish_if_complete(now);
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
