//! Whose turn it is to run, where there are more torrents than the system has files and threads for.
//!
//! The torrents run in the order in which they were named, as many at once as there are places, and the others
//! wait. A place becomes free when a run ends. But a torrent that nobody sends would keep its place for ever. So
//! one that has made no progress for a minute (three if it has peers, which may still choose us) gives way to
//! one that waits. It comes again later, after a rest that doubles each time, so that its trackers are not asked
//! more often than they like. One that seeds gives way after half an hour, or after a minute to a download.
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
const SEED_TURN_BEFORE_DOWNLOADS: Duration = Duration::from_secs(60);
/// How long a torrent rests after its first turn without progress, and at most.
const FIRST_REST: Duration = Duration::from_secs(5 * 60);
const MAX_REST: Duration = Duration::from_secs(30 * 60);

/// The turns of all torrents, which are known by their numbers.
pub struct Turns {
    places: usize,
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
    pub fn new(torrents: usize, places: usize) -> Turns {
        let waits = |number| WaitingTorrent { number, rests_until: None, past: PastTurns::default() };
        Turns { places: places.max(1), waiting: (0..torrents).map(waits).collect(), running: Vec::new() }
    }

    /// The next torrent to run, if there is a place for it. From now on it runs.
    pub fn start_next(&mut self, now: Instant) -> Option<usize> {
        if self.running.len() >= self.places {
            return None;
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
            gives_way: false,
            past,
        });
        Some(number)
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
                match (snapshot.phase, &snapshot.stall) {
                    (RunPhase::Seeding, _) => turn.seeds_since = turn.seeds_since.or(Some(now)),
                    // That is no fault of the torrent.
                    (RunPhase::Finishing, _) | (_, Some(Stall::SlowDisk | Stall::NoMemory)) => {
                        turn.moved = now
                    }
                    (RunPhase::Downloading, _) => {}
                }
                snapshot.received.saturating_sub(snapshot.wasted)
            }
            // What we do ourselves is progress.
            Progress::Named(_)
            | Progress::Selected(..)
            | Progress::WaitsForCheck
            | Progress::Checking(..)
            | Progress::Short(_) => {
                return turn.moved = now;
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
        let mut due: Vec<&mut Turn> = self
            .running
            .iter_mut()
            .filter(|turn| !turn.gives_way && turn.is_over(downloads > 0, now))
            .collect();
        // Those that are idle for longest give way first.
        due.sort_by_key(|turn| turn.seeds_since.unwrap_or(turn.moved));
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
    /// when one of them has ended, and there are no more places than they have. False if none does: then no
    /// waiting will help.
    pub fn did_not_fit(&mut self, number: usize) -> bool {
        let Some(position) = self.running.iter().position(|turn| turn.number == number) else { return false };
        let past = self.running.remove(position).past;
        if self.running.is_empty() {
            return false;
        }
        self.places = self.running.len();
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
        let (since, most) = match (self.seeds_since, a_download_waits, self.has_peers) {
            (Some(since), true, _) => (since, SEED_TURN_BEFORE_DOWNLOADS),
            (Some(since), false, _) => (since, SEED_TURN),
            (None, _, true) => (self.moved, PATIENCE_WITH_PEERS),
            (None, _, false) => (self.moved, PATIENCE),
        };
        !self.is_checked && now.saturating_duration_since(since) >= most
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{MetadataState, Snapshot};

    const SECOND: Duration = Duration::from_secs(1);

    fn started(turns: &mut Turns, now: Instant) -> Vec<usize> {
        std::iter::from_fn(|| turns.start_next(now)).collect()
    }

    fn running(received: u64, peers: usize) -> Progress {
        Progress::Running(Snapshot { received, peers, ..Snapshot::default() })
    }

    fn seeding() -> Progress {
        Progress::Running(Snapshot { phase: RunPhase::Seeding, peers: 3, ..Snapshot::default() })
    }

    #[test]
    fn they_run_in_their_order_as_many_as_there_are_places() {
        let (now, mut turns) = (Instant::now(), Turns::new(5, 2));
        assert_eq!(started(&mut turns, now), [0, 1]);
        assert_eq!(turns.ended(1, true, now), None);
        assert_eq!(started(&mut turns, now), [2]);
        assert_eq!(turns.count(), (2, 2));
        assert_eq!(turns.cancel(), [3, 4]);
        assert!(turns.ended(0, true, now).is_none() && started(&mut turns, now).is_empty());
        assert_eq!(started(&mut Turns::new(2, 0), now), [0], "there is always one place");
    }

    #[test]
    fn who_makes_no_progress_gives_way_while_others_wait_and_comes_again_later() {
        let (start, mut turns) = (Instant::now(), Turns::new(3, 2));
        assert_eq!(started(&mut turns, start), [0, 1]);
        turns.heard(1, &running(0, 0), start);
        turns.heard(1, &running(16, 0), start + 30 * SECOND);
        assert!(turns.overdue(start + 59 * SECOND).is_empty());
        let later = start + 61 * SECOND;
        assert_eq!(turns.overdue(later), [0]);
        assert!(turns.overdue(start + 900 * SECOND).is_empty(), "one waits, and one gives way");
        let past = turns.ended(0, false, later).unwrap();
        assert_eq!(past, PastTurn { idle: 61 * SECOND, seeded: Duration::ZERO });
        assert_eq!(started(&mut turns, later), [2]);
        // The one that gave way rests, and so nobody gives way to it.
        let while_it_rests = start + 300 * SECOND;
        assert!(turns.overdue(while_it_rests).is_empty());
        let rested = later + FIRST_REST;
        assert_eq!(turns.overdue(rested).len(), 1);
    }

    #[test]
    fn a_free_place_is_not_kept_free_for_those_that_rest() {
        let (start, mut turns) = (Instant::now(), Turns::new(2, 1));
        assert_eq!(started(&mut turns, start), [0]);
        let later = start + 60 * SECOND;
        assert_eq!(turns.overdue(later), [0]);
        turns.ended(0, false, later);
        assert_eq!(started(&mut turns, later), [1]);
        turns.ended(1, true, later + SECOND);
        assert_eq!(started(&mut turns, later + SECOND), [0]);
    }

    #[test]
    fn each_turn_without_progress_doubles_the_rest_and_the_time_without_progress_adds_up() {
        let (mut now, mut turns) = (Instant::now(), Turns::new(2, 1));
        let (mut rests, mut idle) = (Vec::new(), Duration::ZERO);
        for _ in 0..10 {
            let number = turns.start_next(now).unwrap();
            turns.waiting.iter_mut().for_each(|waits| waits.rests_until = None);
            now += PATIENCE;
            assert_eq!(turns.overdue(now), [number]);
            let past = turns.ended(number, false, now).unwrap();
            if number == 0 {
                idle += PATIENCE;
                assert_eq!(past.idle, idle);
                rests.push((turns.waiting[1].rests_until.unwrap() - now).as_secs() / 60);
            }
        }
        assert_eq!(rests, [5, 10, 20, 30, 30]);
        // One byte, and all is forgotten.
        let number = turns.start_next(now).unwrap();
        turns.waiting.iter_mut().for_each(|waits| waits.rests_until = None);
        turns.heard(number, &running(1, 0), now);
        now += PATIENCE;
        assert_eq!(turns.overdue(now), [number]);
        assert_eq!(turns.ended(number, false, now).unwrap().idle, PATIENCE);
        assert_eq!(turns.waiting[1].rests_until, None);
    }

    #[test]
    fn peers_earn_patience_and_what_we_do_ourselves_is_progress() {
        let start = Instant::now();
        let told = |progress: &Progress, seconds: u32| {
            let mut turns = Turns::new(2, 1);
            turns.start_next(start);
            turns.heard(0, progress, start + SECOND);
            turns.overdue(start + seconds * SECOND)
        };
        assert_eq!(told(&running(0, 0), 60), [0]);
        assert_eq!((told(&running(0, 2), 179), told(&running(0, 2), 180)), (vec![], vec![0]));
        for check in [Progress::Checking(1, 2), Progress::WaitsForCheck] {
            assert_eq!(told(&check, 10_000), [0; 0]);
        }
        let metadata = |peers, pieces| {
            Progress::Metadata(MetadataState { peers, pieces: (pieces, 9), ..MetadataState::default() })
        };
        assert_eq!((told(&metadata(0, 0), 60), told(&metadata(1, 0), 60)), (vec![0], vec![]));
        assert_eq!(told(&metadata(0, 1), 60), [0; 0]);
    }

    #[test]
    fn seeds_take_turns_and_give_way_to_downloads_soon() {
        let start = Instant::now();
        let mut turns = Turns::new(3, 2);
        assert_eq!(started(&mut turns, start), [0, 1]);
        turns.heard(0, &seeding(), start);
        turns.heard(1, &running(5, 1), start + 59 * SECOND);
        assert!(turns.overdue(start + 59 * SECOND).is_empty());
        assert_eq!(turns.overdue(start + 60 * SECOND), [0]);
        let past = turns.ended(0, false, start + 60 * SECOND).unwrap();
        assert_eq!(past.seeded, 60 * SECOND);
        assert_eq!(started(&mut turns, start + 60 * SECOND), [2]);
        // Now only a seed waits. The other seeds have their half hour.
        turns.heard(1, &seeding(), start + 70 * SECOND);
        turns.heard(2, &seeding(), start + 80 * SECOND);
        assert!(turns.overdue(start + 70 * SECOND + SEED_TURN - SECOND).is_empty());
        assert_eq!(turns.overdue(start + 70 * SECOND + SEED_TURN), [1]);
        // A download comes before the seeds that wait for longer.
        let mut turns = Turns::new(2, 1);
        turns.start_next(start);
        turns.heard(0, &seeding(), start);
        assert_eq!(turns.overdue(start + SEED_TURN), [0]);
        turns.ended(0, false, start + SEED_TURN);
        turns.waiting.reverse();
        assert_eq!(turns.start_next(start + SEED_TURN), Some(1));
    }

    #[test]
    fn what_did_not_fit_runs_when_another_has_ended() {
        let (now, mut turns) = (Instant::now(), Turns::new(4, 3));
        assert_eq!(started(&mut turns, now), [0, 1, 2]);
        assert!(turns.did_not_fit(1));
        assert!(started(&mut turns, now).is_empty(), "there are two places now");
        turns.ended(0, true, now);
        assert_eq!(started(&mut turns, now), [1]);
        turns.ended(2, true, now);
        assert_eq!(started(&mut turns, now), [3]);
        turns.ended(3, true, now);
        assert!(!turns.did_not_fit(1), "there was nothing else that ran");
    }
}
