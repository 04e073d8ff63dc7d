//! Whose turn it is to run, where there are more torrents than the system has files and threads for.
//!
//! The torrents run in the order in which they were named, as many at once as there are places, and the others
//! wait. A place becomes free when a run ends. But a torrent that nobody sends would keep its place for ever. So
//! one that has made no progress for a minute (three if it has peers, which may still choose us) gives way to
//! one that waits. It comes again later, after a rest that doubles each time, so that its trackers are not asked
//! more often than they like.
//!
//! A place is the files that a check and a download need. One that seeds has given its place back: it takes threads,
//! and files only while peers ask for it. So all torrents seed at once where there are threads for them, however few
//! the files are. Where there are not, one that seeds gives way after half an hour, after five minutes if nobody asks
//! it for anything, or after a minute to a download.
//!
//! Where the system turns out to have not enough for another one, no more run than run then. Whatever took the rest
//! may give it back, so a minute later one more is tried, after another one two more, then four.
//!
//! Nothing of this happens while nobody waits. Plain decisions: the caller has the clock, the threads and the
//! jobs.

use crate::message::{RunPhase, Stall};
use crate::session::Progress;
use std::time::{Duration, Instant};

/// How long a download may keep its place without progress while others wait, if it has no peers.
const PATIENCE: Duration = Duration::from_secs(60);
/// The same if it has some.
const PATIENCE_WITH_PEERS: Duration = Duration::from_secs(180);
/// How long a seed keeps its place while others wait to seed, and while others wait to download.
const SEED_TURN: Duration = Duration::from_secs(30 * 60);
const SEED_TURN_UNASKED: Duration = Duration::from_secs(5 * 60);
const SEED_TURN_BEFORE_DOWNLOADS: Duration = Duration::from_secs(60);
/// How long a torrent rests after its first turn without progress, and at most.
const FIRST_REST: Duration = Duration::from_secs(5 * 60);
const MAX_REST: Duration = Duration::from_secs(30 * 60);
/// How long after the system had not enough for a torrent, or had enough for one more, until one more is tried.
const TRY_AGAIN: Duration = Duration::from_secs(60);

/// How many torrents may run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Of those that are checked or downloaded.
    pub places: usize,
    /// Of all, with those that seed.
    pub running: usize,
}

/// The turns of all torrents, which are known by their numbers.
pub struct Turns {
    room: Room,
    /// The same at the start.
    most: Room,
    /// When more is tried, if there is less than that, and how many more.
    more_at: Option<Instant>,
    more: usize,
    /// The one that waits for longest comes first.
    waiting: Vec<WaitingTorrent>,
    running: Vec<Turn>,
}

/// A torrent that waits for its turn.
#[derive(Clone, Copy)]
struct WaitingTorrent {
    number: usize,
    /// It rests until then, if others want a place.
    rests_until: Option<Instant>,
    past: PastTurns,
}

/// What is known of a torrent's earlier turns.
#[derive(Clone, Copy, Default)]
struct PastTurns {
    is_seed: bool,
    /// How many turns in a row were without progress.
    fruitless: u32,
    /// How long its last turns were without progress.
    idle: Duration,
}

/// The turn of a torrent that runs.
struct Turn {
    number: usize,
    /// When it last made progress, or began.
    moved: Instant,
    has_moved: bool,
    /// What it had then: useful bytes, or pieces of the metadata.
    counted: u64,
    has_peers: bool,
    /// Its payload is checked, or waits for that.
    is_checked: bool,
    seeds_since: Option<Instant>,
    /// When a peer last had something of it, what it had uploaded then.
    asked: Option<Instant>,
    uploaded: u64,
    gives_way: bool,
    past: PastTurns,
}

/// How the turn of a torrent was that gave way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PastTurn {
    /// How long there was no progress, in earlier turns too.
    pub idle: Duration,
    /// How long it seeded.
    pub seeded: Duration,
}

impl Turns {
    /// All of these torrents wait, and so many may run at once.
    pub fn new(torrents: usize, room: Room) -> Turns {
        let waits = |number| WaitingTorrent { number, rests_until: None, past: PastTurns::default() };
        let (places, waiting) = (room.places.max(1), (0..torrents).map(waits).collect());
        let room = Room { places, running: room.running.max(places) };
        Turns { room, most: room, more_at: None, more: 1, waiting, running: Vec::new() }
    }

    /// The next torrent to run, if there is a place for it. From now on it runs.
    pub fn start_next(&mut self, now: Instant) -> Option<usize> {
        if self.is_full() {
            if self.waiting.is_empty() || self.more_at.is_none_or(|at| now < at) {
                return None;
            }
            let more = |now: usize, most: usize| now.saturating_add(self.more).min(most);
            let Room { places, running } = self.room;
            self.room =
                Room { places: more(places, self.most.places), running: more(running, self.most.running) };
            self.more = self.more.saturating_mul(2);
            self.more_at = (self.room != self.most).then(|| now + TRY_AGAIN);
            if self.is_full() {
                return None;
            }
        }
        let position = |seeds: bool| {
            self.waiting.iter().position(|waits| waits.is_ready(now) && waits.past.is_seed == seeds)
        };
        // If all rest, a place that is free is still better than a longer rest.
        let next = position(false).or_else(|| position(true)).unwrap_or(0);
        let WaitingTorrent { number, past, .. } = *self.waiting.get(next)?;
        self.waiting.remove(next);
        self.running.push(Turn {
            number,
            moved: now,
            has_moved: false,
            counted: 0,
            has_peers: false,
            is_checked: false,
            seeds_since: None,
            asked: None,
            uploaded: 0,
            gives_way: false,
            past,
        });
        Some(number)
    }

    fn is_full(&self) -> bool {
        self.running.len() >= self.room.running || self.in_places() >= self.room.places
    }

    /// How many have a place: those that do not seed.
    fn in_places(&self) -> usize {
        self.running.iter().filter(|turn| turn.seeds_since.is_none()).count()
    }

    /// A torrent that runs has told how it stands.
    pub fn heard(&mut self, number: usize, progress: &Progress, now: Instant) {
        let Some(turn) = self.running.iter_mut().find(|turn| turn.number == number) else { return };
        turn.is_checked = matches!(progress, Progress::WaitsForCheck | Progress::Checking(..));
        let counted = match progress {
            Progress::Metadata(state) => {
                turn.has_peers = state.peers > 0;
                u64::from(state.pieces.0)
            }
            Progress::Running(snapshot) => {
                turn.has_peers = snapshot.peers > 0;
                if snapshot.uploaded != turn.uploaded {
                    (turn.uploaded, turn.asked) = (snapshot.uploaded, Some(now));
                }
                match (snapshot.phase, &snapshot.stall) {
                    (RunPhase::Seeding, _) => turn.seeds_since = turn.seeds_since.or(Some(now)),
                    // That is no fault of the torrent.
                    (RunPhase::Finishing, _)
                    | (_, Some(Stall::SlowDisk | Stall::SlowReader | Stall::NoMemory)) => turn.moved = now,
                    (RunPhase::Downloading, _) => {}
                }
                snapshot.received.saturating_sub(snapshot.wasted)
            }
            // What we do ourselves is progress.
            Progress::Named(_)
            | Progress::Place(_)
            | Progress::Found(_)
            | Progress::Selected(..)
            | Progress::Unread
            | Progress::WaitsForCheck
            | Progress::Checking(..)
            | Progress::GoesOnAs(_)
            | Progress::Short(_)
            | Progress::Completed(_) => {
                return turn.moved = now;
            }
            Progress::Reach(_) | Progress::Peers(..) | Progress::Sight(_) | Progress::SearchSight(_) => {
                return;
            }
            Progress::Seeding { .. } => return turn.seeds_since = turn.seeds_since.or(Some(now)),
        };
        if counted != turn.counted {
            (turn.counted, turn.moved, turn.has_moved) = (counted, now, true);
        }
    }

    /// The torrents that are to end their turn now, because others wait and they had theirs. Each is named once.
    pub fn overdue(&mut self, now: Instant) -> Vec<usize> {
        let ready = |seeds: bool| {
            let mut all = self.waiting.iter();
            all.by_ref().filter(|waits| waits.is_ready(now) && waits.past.is_seed == seeds).count()
        };
        let (downloads, seeds) = (ready(false), ready(true));
        let leaving = self.running.iter().filter(|turn| turn.gives_way).count();
        // If there are too few places and nothing else, those that seed take none away.
        let seeds_may_stay = self.running.len() < self.room.running;
        let mut due: Vec<&mut Turn> = self
            .running
            .iter_mut()
            .filter(|turn| !(turn.gives_way || seeds_may_stay && turn.seeds_since.is_some()))
            .filter(|turn| turn.is_over(downloads > 0, now))
            .collect();
        // Those that are idle for longest give way first.
        due.sort_unstable_by_key(|turn| (turn.seeds_since.unwrap_or(turn.moved), turn.number));
        let most = (downloads + seeds).saturating_sub(leaving);
        let told = due.into_iter().take(most).map(|turn| {
            turn.gives_way = true;
            turn.number
        });
        told.collect()
    }

    /// The run of a torrent has ended. If it was told to give way, its turn is over and it waits again, unless
    /// it `is_over` for good. Then this says how that turn was.
    pub fn ended(&mut self, number: usize, is_over: bool, now: Instant) -> Option<PastTurn> {
        let position = self.running.iter().position(|turn| turn.number == number)?;
        let Turn { moved, has_moved, seeds_since, gives_way, mut past, .. } = self.running.remove(position);
        if is_over || !gives_way {
            return None;
        }
        let idle = now.saturating_duration_since(moved);
        past.idle = if has_moved { idle } else { past.idle.saturating_add(idle) };
        past.is_seed = seeds_since.is_some();
        past.fruitless = if has_moved || past.is_seed { 0 } else { past.fruitless.saturating_add(1) };
        self.waiting.push(WaitingTorrent { number, rests_until: past.rest().map(|rest| now + rest), past });
        let seeded = seeds_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        Some(PastTurn { idle: past.idle, seeded })
    }

    /// The system had not enough for this torrent, which was about to run. If others run, it is the next to run
    /// when one of them has ended, and no more run than do now for a while. False if none does: then no waiting will
    /// help.
    pub fn did_not_fit(&mut self, number: usize, now: Instant) -> bool {
        let Some(position) = self.running.iter().position(|turn| turn.number == number) else { return false };
        let past = self.running.remove(position).past;
        if self.running.is_empty() {
            return false;
        }
        self.room = Room { places: self.in_places().max(1), running: self.running.len() };
        (self.more_at, self.more) = (Some(now + TRY_AGAIN), 1);
        self.waiting.insert(0, WaitingTorrent { number, rests_until: None, past });
        true
    }

    /// How many run, and how many wait.
    pub fn count(&self) -> (usize, usize) {
        (self.running.len(), self.waiting.len())
    }

    /// Those that wait come to no turn any more.
    pub fn cancel(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.waiting).into_iter().map(|waits| waits.number).collect()
    }
}

impl WaitingTorrent {
    fn is_ready(&self, now: Instant) -> bool {
        self.rests_until.is_none_or(|until| until <= now)
    }
}

impl PastTurns {
    /// How long to rest after the last turn.
    fn rest(&self) -> Option<Duration> {
        let doublings = self.fruitless.checked_sub(1)?;
        Some(FIRST_REST.saturating_mul(2_u32.saturating_pow(doublings)).min(MAX_REST))
    }
}

impl Turn {
    /// Whether it has had its turn.
    fn is_over(&self, a_download_waits: bool, now: Instant) -> bool {
        let is_asked = self.asked.is_some_and(|at| now.saturating_duration_since(at) < SEED_TURN_UNASKED);
        let (since, most) = match (self.seeds_since, a_download_waits, self.has_peers) {
            (Some(since), true, _) => (since, SEED_TURN_BEFORE_DOWNLOADS),
            (Some(since), false, _) if !is_asked => (since, SEED_TURN_UNASKED),
            (Some(since), false, _) => (since, SEED_TURN),
            (None, _, true) => (self.moved, PATIENCE_WITH_PEERS),
            (None, _, false) => (self.moved, PATIENCE),
        };
        !self.is_checked && now.saturating_duration_since(since) >= most
    }
}

#[cfg(test)]
mod tests;
