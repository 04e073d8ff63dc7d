//! A download that keeps nothing: one right piece is enough, and it goes nowhere.
//!
//! The run has a thread of its own, as in `get`. This one waits for what it tells, and notes it.

use super::facts::{End, Facts, Meeting, Seen};
use crate::cli::exit::Exit;
use crate::cli::signals::Interrupts;
use crate::message::{Door, Notice, PeerError, PieceChange, Snapshot, Stall};
use crate::metainfo::Metainfo;
use crate::session::{self, Job, Network, Outcome, Progress, SessionError, Stop};
use crate::strategy::Security;
use crate::swarm::RunEnd;
use crate::thread::{caught, lock};
use crossbeam_channel::{bounded, select};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Bytes of the run's stack.
const STACK: usize = 512 * 1024;
/// Time between two looks at the peers, and whether enough is known.
const LOOK: Duration = Duration::from_millis(100);
/// How much longer than the run, which ends by itself, it may take in all: a magnet's metadata has time of its own.
const GRACE: Duration = Duration::from_secs(3);
/// Where no connected peer is a seed, more than one piece is fetched to see where it ends: up to so many bytes.
const MOST_BYTES: u64 = 64 << 20;

/// Tries to download for this long, and notes in the facts what happens. Returns the torrent, if it became
/// known.
pub fn run(
    job: &Job,
    network: &Network,
    within: Duration,
    interrupts: &Interrupts,
    facts: &mut Facts,
) -> Option<Arc<Metainfo>> {
    let seen = std::mem::take(&mut facts.seen);
    let trial = Trial { seen, metainfo: None, came: None, started: Instant::now() };
    let late = trial.started + within + GRACE;
    // What happens is noted by the threads on which it happens, each of which is done at once.
    let trial = Arc::new(Mutex::new(trial));
    let (stop, noted) = (Stop::default(), Arc::clone(&trial));
    let door = Door::to(move |notice| lock(&noted).heard(notice));
    let show = |progress| lock(&trial).shown(progress);
    let ended = std::thread::scope(|scope| {
        let (stop, door, show) = (&stop, &door, &show);
        // The run ends this by its own end.
        let (running, over) = bounded::<()>(0);
        let life = move || {
            let run = caught(|| session::run(job, network, stop, show, door));
            drop(running);
            run.unwrap_or(Err(SessionError::Panicked("the trial")))
        };
        let builder = std::thread::Builder::new().name("trial".to_owned()).stack_size(STACK);
        let run = match builder.spawn_scoped(scope, life) {
            Ok(run) => run,
            Err(error) => return Some(Err(SessionError::Threads(error))),
        };
        let mut interrupted = false;
        loop {
            select! {
                recv(over) -> _ => break,
                recv(interrupts.end) -> _ => {
                    interrupted = true;
                    stop.stop();
                }
                default(LOOK) => stop.show_peers(),
            }
            if Instant::now() >= late {
                stop.stop();
            }
            if lock(&trial).knows_enough() {
                stop.stop();
            }
        }
        run.join().ok().filter(|_| !interrupted)
    });
    let mut trial = lock(&trial);
    facts.end = trial.end(ended);
    facts.seen = std::mem::take(&mut trial.seen);
    trial.metainfo.take()
}

struct Trial {
    seen: Seen,
    metainfo: Option<Arc<Metainfo>>,
    /// When the first right piece came.
    came: Option<Duration>,
    started: Instant,
}

impl Trial {
    fn heard(&mut self, notice: Notice) {
        match notice {
            Notice::Metadata(metainfo) => self.metainfo = Some(metainfo),
            Notice::Pieces(PieceChange::Stored, _) => {
                self.came = self.came.or(Some(self.started.elapsed()));
            }
            Notice::Connected(peer, greeting) => {
                let is_plain = greeting.encryption == Security::Plain;
                self.seen.met(peer.address, if is_plain { Meeting::Plain } else { Meeting::Encrypted });
            }
            Notice::NotConnected(peer, error) => self.seen.met(peer.address, Meeting::failed(&error)),
            Notice::Tracker(announced) => self.seen.heard(announced.tracker, announced.outcome),
            Notice::WebSeedAsked(name) => self.seen.asked(name, Ok(())),
            // All are left at the end.
            Notice::WebSeedGone(name, why) if !matches!(why, PeerError::HungUp(_)) => {
                self.seen.asked(name, Err(why.to_string()));
            }
            _ => {}
        }
    }

    fn shown(&mut self, progress: Progress) {
        let seen = &mut self.seen;
        match progress {
            Progress::Running(snapshot) => seen.stands(snapshot),
            Progress::Metadata(state) => seen.known = seen.known.max(state.known),
            Progress::Peers(snapshot, peers) => {
                seen.stands(*snapshot);
                let best = peers.iter().max_by_key(|peer| peer.pieces).map(|peer| (peer.pieces, peer.of));
                seen.best = best.or(seen.best);
                if !peers.is_empty() {
                    seen.choking = (peers.iter().filter(|peer| peer.flags.peer_choking).count(), peers.len());
                }
            }
            _ => {}
        }
    }

    /// Whether a piece has come from somewhere where all pieces are, or as many as we would take.
    fn knows_enough(&self) -> bool {
        let Snapshot { seeds, web_seeds, received, .. } = self.seen.snapshot;
        self.came.is_some() && (seeds > 0 || web_seeds > 0 || received > MOST_BYTES)
    }

    /// How the run ended; it was interrupted if that is not known.
    fn end(&mut self, ended: Option<Result<Outcome, SessionError>>) -> End {
        match ended {
            None => End::Interrupted,
            Some(Err(error)) => End::Failed(Exit(error.exit_code()), error.to_string()),
            Some(Ok(Outcome { end, snapshot })) => {
                let stall = snapshot.stall.clone();
                let is_empty =
                    self.metainfo.as_ref().is_some_and(|torrent| torrent.geometry.total_size() == 0);
                let is_partial = matches!(stall, Some(Stall::NobodyHas(_)));
                self.seen.stands(snapshot);
                match self.came {
                    _ if is_empty => End::Empty,
                    Some(after) if !is_partial => End::Came(after),
                    None if end == RunEnd::Done => End::Came(self.started.elapsed()),
                    _ => End::Nothing(stall),
                }
            }
        }
    }
}
