//! Runs the torrents of one command, as many side by side as the system has files and threads for, and connects
//! them with the user.
//!
//! This runs on the main thread. It waits for reports of the runs and for signals, and draws the progress.
//! Each torrent whose turn it is (`turns`) runs on a thread of its own, and never waits for the screen.

mod stuck;

use super::events::Events;
use super::exit::Exit;
use super::hook::Completions;
use super::progress::Screen;
use super::signals::Interrupts;
use super::turns::{PastTurn, Room, Turns};
use crate::message::{Door, RunPhase};
use crate::session::{self, Job, Network, Outcome, Progress, SessionError, Stop};
use crate::swarm::RunEnd;
use crate::thread::{self, lock};
use crossbeam_channel::{Sender, at, bounded, never, select};
use log::info;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Time between two looks at who has had its turn, while others wait.
const LOOK: Duration = Duration::from_secs(1);
/// If ending takes longer than this, the user hears why.
const MOMENT: Duration = Duration::from_secs(1);
/// How long the end waits for what still goes over uTP.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What the thread of a run reports to the main thread. The number is that of its torrent.
enum RunEvent {
    Progress(usize, Progress),
    Ended(usize, Box<Job>, Result<Outcome, SessionError>),
}

/// The torrents of one command.
struct Supervisor<'a> {
    network: Arc<Network>,
    reporter: Sender<RunEvent>,
    completions: Option<Completions>,
    screen: Screen,
    /// The same for programs.
    events: &'a mut Events,
    turns: Turns,
    torrents: Vec<Supervised>,
    /// The user wants to end.
    ends: bool,
    /// When the user hears why that takes so long.
    excuse: Option<Instant>,
    /// When those that wait for a disk are left behind.
    patience: Option<Instant>,
    /// Something was ended before it was done: because the user wants to end.
    cut_short: bool,
}

/// One of them.
struct Supervised {
    /// What to do. `None` while it runs, and when it is over.
    job: Option<Box<Job>>,
    stop: Arc<Stop>,
    /// How its last turn ended; for good, if it is over.
    exit: Option<Exit>,
    is_over: bool,
}

/// Runs the jobs, so many at once, and tells who wants to know which downloads are complete. The exit code is that of the
/// first run that was not successful, or says that the user has cut some short.
pub fn supervise(
    jobs: Vec<Job>,
    room: Room,
    network: Network,
    screen: Screen,
    events: &mut Events,
    interrupts: Interrupts,
    completions: Option<Completions>,
) -> Exit {
    let (reporter, reports) = bounded(64);
    let waiting =
        |job| Supervised { job: Some(Box::new(job)), stop: Arc::default(), exit: None, is_over: false };
    let torrents: Vec<Supervised> = jobs.into_iter().map(waiting).collect();
    let turns = Turns::new(torrents.len(), room);
    let network = Arc::new(network);
    let (ends, excuse, patience, cut_short) = (false, None, None, false);
    let mut all = Supervisor {
        network,
        reporter,
        completions,
        screen,
        events,
        turns,
        torrents,
        ends,
        excuse,
        patience,
        cut_short,
    };
    (0..all.torrents.len()).for_each(|number| all.screen.waits(number));
    let (now, mut keys) = (Instant::now(), all.screen.keys());
    all.start(now);
    all.tell_who_waits(now);
    while !all.torrents.iter().all(|torrent| torrent.is_over) {
        let timer = all.next_timer(Instant::now()).map_or(never(), at);
        select! {
            recv(reports) -> event => event.into_iter().for_each(|event| all.react(event, Instant::now())),
            recv(interrupts.end) -> _ => all.interrupt(Instant::now()),
            recv(interrupts.ask) -> _ => all.say_all(),
            recv(keys) -> key => {
                keys = if key.is_ok() { keys } else { never() };
                all.screen.press(key.ok());
            }
            recv(timer) -> _ => {}
        }
        all.tick(Instant::now());
    }
    if let Some(utp) = all.network.connector.utp() {
        utp.finish(LAST_WORDS);
    }
    all.screen.close();
    if all.cut_short {
        return Exit::UNFINISHED;
    }
    let exits = all.torrents.iter().filter_map(|torrent| torrent.exit);
    exits.into_iter().find(|exit| *exit != Exit::DONE).unwrap_or(Exit::DONE)
}

impl Supervisor<'_> {
    /// Starts those that have a place.
    fn start(&mut self, now: Instant) {
        while let Some(number) = self.turns.start_next(now) {
            let Some(torrent) = self.torrents.get_mut(number) else { return };
            let Some(job) = torrent.job.take() else { continue };
            torrent.stop = Arc::default();
            self.screen.begins(number, &torrent.stop);
            self.events.begins(number, now);
            let door = self.events.door(number);
            let (network, stop) = (Arc::clone(&self.network), Arc::clone(&torrent.stop));
            let (reporter, completions) = (self.reporter.clone(), self.completions.clone());
            let begun = spawn(number, job, network, stop, reporter, completions, door);
            if let Err((job, error)) = begun {
                self.ended(number, job, Err(SessionError::Threads(error)), now);
            }
        }
        self.screen.queue(self.turns.count(), self.torrents.len());
    }

    /// Tells programs which torrents have no place at the start.
    fn tell_who_waits(&mut self, now: Instant) {
        for (number, _) in self.torrents.iter().enumerate().filter(|(_, torrent)| torrent.job.is_some()) {
            self.events.waits(number, None, now);
        }
    }

    /// When there is something to do even if nothing is reported.
    fn next_timer(&self, now: Instant) -> Option<Instant> {
        let look = (self.turns.count().1 > 0).then(|| now + LOOK);
        let disks = self.screen.disks_due();
        [look, self.screen.due(), self.excuse, self.patience, disks].into_iter().flatten().min()
    }

    /// What is to be done as time passes.
    fn tick(&mut self, now: Instant) {
        self.take_turns(now);
        if self.excuse.is_some_and(|excuse| now >= excuse) {
            self.excuse = None;
            self.screen.still_stopping();
        }
        self.look_after_disks(now);
        self.screen.draw(now);
    }

    /// Tells those that have had their turn to give way.
    fn take_turns(&mut self, now: Instant) {
        for number in self.turns.overdue(now) {
            info!("{} gives way to a torrent that waits", self.screen.name(number));
            self.torrents.get(number).inspect(|torrent| torrent.stop.stop());
        }
        self.start(now);
    }

    fn react(&mut self, event: RunEvent, now: Instant) {
        let (RunEvent::Progress(number, _) | RunEvent::Ended(number, ..)) = &event;
        if self.torrents.get(*number).is_none_or(|torrent| torrent.is_over) {
            // It was left behind.
            return;
        }
        match event {
            RunEvent::Progress(number, progress) => {
                self.turns.heard(number, &progress, now);
                self.events.progress(number, &progress, now);
                self.screen.show(number, progress);
            }
            RunEvent::Ended(number, job, result) => self.ended(number, job, result, now),
        }
    }

    /// A run has ended: for good, or to wait for its next turn.
    fn ended(&mut self, number: usize, job: Box<Job>, result: Result<Outcome, SessionError>, now: Instant) {
        let does_not_fit = result.as_ref().err().is_some_and(SessionError::is_want_of_resources);
        if does_not_fit && !self.ends && self.turns.did_not_fit(number, now) {
            info!("{} waits: the system has not enough for it now", self.screen.name(number));
            self.events.waits(number, None, now);
            return self.wait(number, job, None);
        }
        let ends = self.ends || result.as_ref().map_or(true, is_over);
        let past = self.turns.ended(number, ends, now);
        if let (Some(past), Ok(outcome)) = (past, &result) {
            let exit = Exit::of(outcome.end);
            self.events.waits(number, Some(&outcome.snapshot), now);
            return self.wait(number, Box::new(next_job(*job, &past, outcome)), Some(exit));
        }
        self.cut_short |= self.ends && result.as_ref().map_or_else(is_cancelled, is_cut_short);
        let exit = match result {
            Ok(outcome) => {
                let exit = self.screen.ended(number, &outcome);
                self.events.ended(number, &outcome, exit, now);
                exit
            }
            Err(error) => {
                self.events.failed(number, &error, now);
                self.screen.failed(number, &error)
            }
        };
        self.end(number, exit);
    }

    fn wait(&mut self, number: usize, job: Box<Job>, exit: Option<Exit>) {
        self.screen.waits(number);
        if let Some(torrent) = self.torrents.get_mut(number) {
            (torrent.job, torrent.exit) = (Some(job), exit);
        }
    }

    fn end(&mut self, number: usize, exit: Exit) {
        if let Some(torrent) = self.torrents.get_mut(number) {
            (torrent.job, torrent.exit, torrent.is_over) = (None, Some(exit), true);
        }
    }

    /// The user wants to know how things stand.
    fn say_all(&mut self) {
        self.screen.say_all();
        self.torrents.iter().for_each(|torrent| torrent.stop.show_peers());
    }

    /// The user wants to end: what runs is told so, and what waits is over.
    fn interrupt(&mut self, now: Instant) {
        self.ends = true;
        self.excuse = Some(now + MOMENT);
        self.patience.get_or_insert(now + stuck::PATIENCE);
        self.screen.interrupted();
        for number in self.turns.cancel() {
            self.cut_short = true;
            self.screen.cancelled(number);
            let exit = self.torrents.get(number).and_then(|torrent| torrent.exit).unwrap_or(Exit::UNFINISHED);
            self.events.cancelled(number, exit, Instant::now());
            self.end(number, exit);
        }
        self.torrents.iter().for_each(|torrent| torrent.stop.stop());
    }
}

/// Whether a run that ended so had more to do, or seeded, which has no end of its own here.
fn is_cut_short(outcome: &Outcome) -> bool {
    match outcome.end {
        RunEnd::Stopped => true,
        RunEnd::Done => outcome.snapshot.phase == RunPhase::Seeding,
        RunEnd::TimedOut | RunEnd::ReaderGone | RunEnd::WriterFailed => false,
    }
}

fn is_cancelled(error: &SessionError) -> bool {
    error.exit_code() == Exit::UNFINISHED.0
}

/// Whether a run that ended so is over. One that was stopped, or that seeded, may have a further turn.
fn is_over(outcome: &Outcome) -> bool {
    match outcome.end {
        RunEnd::Stopped => false,
        RunEnd::Done => outcome.snapshot.phase != RunPhase::Seeding,
        RunEnd::TimedOut | RunEnd::ReaderGone | RunEnd::WriterFailed => true,
    }
}

/// What is left to do after a turn: of the time without progress that is allowed, and of the seeding.
fn next_job(mut job: Job, past: &PastTurn, outcome: &Outcome) -> Job {
    job.limits.idle_before = past.idle;
    if let Some(goals) = &mut job.uploads.seeding {
        let snapshot = &outcome.snapshot;
        let uploaded = snapshot.uploaded as f64 / snapshot.total.max(1) as f64;
        goals.ratio = goals.ratio.map(|ratio| (ratio - uploaded).max(0.0));
        goals.time = goals.time.map(|time| time.saturating_sub(past.seeded));
    }
    job
}

/// Tells the main thread how a run stands. If it is behind, it skips this report and shows a later one.
fn report(reporter: &Sender<RunEvent>, number: usize, progress: Progress) {
    let _ = reporter.try_send(RunEvent::Progress(number, progress));
}

/// Starts the thread of a run. If that fails, the job comes back.
fn spawn(
    number: usize,
    job: Box<Job>,
    network: Arc<Network>,
    stop: Arc<Stop>,
    reporter: Sender<RunEvent>,
    completions: Option<Completions>,
    door: Door,
) -> Result<(), (Box<Job>, io::Error)> {
    // A thread that cannot be started drops what it was given, so the job is kept here until it takes it.
    let kept = Arc::new(Mutex::new(Some(job)));
    let to_take = Arc::clone(&kept);
    let run = move || {
        let Some(job) = lock(&to_take).take() else { return };
        let show = |progress| {
            if let (Progress::Completed(completion), Some(completions)) = (&progress, &completions) {
                // There is room for each torrent.
                let _ = completions.try_send(Some((number, completion.clone())));
            }
            report(&reporter, number, progress);
        };
        let run = thread::caught(|| session::run(&job, &network, &stop, &show, &door));
        let result = run.unwrap_or(Err(SessionError::Panicked("the coordinator")));
        drop((network, completions));
        // Sending fails only if the main thread has ended, and then the process ends too.
        let _ = reporter.send(RunEvent::Ended(number, job, result));
    };
    match thread::spawn(format!("torrent-{number}"), 512 * 1024, run) {
        Ok(_) => Ok(()),
        Err(error) => lock(&kept).take().map_or(Ok(()), |job| Err((job, error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Snapshot;
    use crate::metainfo::FileChoice;
    use crate::session::{Aim, Naming, PeerSourceOptions, Torrent};
    use crate::storage::{Allocate, Existing};
    use crate::swarm::{Limits, SeedGoals, UploadPolicy};

    #[test]
    fn a_screen_that_takes_nothing_makes_no_run_wait() {
        let ((reporter, reports), (tell, told)) = (bounded(2), bounded(1));
        let run = move || {
            (0..1000).for_each(|_| report(&reporter, 0, Progress::Found(1)));
            let _ = tell.send(());
        };
        std::thread::spawn(run);
        assert_eq!(told.recv_timeout(Duration::from_secs(60)), Ok(()));
        assert_eq!(reports.len(), 2);
    }

    fn job() -> Job {
        let magnet = crate::metainfo::Magnet::parse(&"0".repeat(40)).unwrap();
        Job {
            torrent: Torrent::Magnet(Arc::new(magnet)),
            sources: PeerSourceOptions::of_the_torrent(),
            aim: Aim::Download,
            selected: Vec::new(),
            choice: FileChoice::default(),
            folder: std::path::PathBuf::from("/nonexistent"),
            naming: Naming::default(),
            limits: Limits { max_peers: 1, memory: 1, timeout: None, idle_before: Duration::ZERO },
            uploads: UploadPolicy::default(),
            allocate: Allocate::Sparse,
            existing: Existing::Keep,
            check: Default::default(),
            cache: None,
            open_files: 1,
            fetched: Default::default(),
        }
    }

    #[test]
    fn the_next_turn_goes_on_where_the_last_one_ended() {
        let mut job = job();
        let time = Some(Duration::from_secs(600));
        job.uploads.seeding = Some(SeedGoals { ratio: Some(1.5), time });
        let snapshot = Snapshot { uploaded: 50, total: 100, ..Snapshot::default() };
        let past = PastTurn { idle: Duration::from_secs(7), seeded: Duration::from_secs(60) };
        let next = next_job(job, &past, &Outcome { end: RunEnd::Done, snapshot });
        let time = Some(Duration::from_secs(540));
        assert_eq!(next.uploads.seeding, Some(SeedGoals { ratio: Some(1.0), time }));
        assert_eq!(next.limits.idle_before, Duration::from_secs(7));
    }

    #[test]
    fn only_what_was_stopped_or_seeds_has_another_turn() {
        let over =
            |end, phase| is_over(&Outcome { end, snapshot: Snapshot { phase, ..Snapshot::default() } });
        assert!(!over(RunEnd::Stopped, RunPhase::Downloading) && !over(RunEnd::Done, RunPhase::Seeding));
        assert!(over(RunEnd::Done, RunPhase::Finishing) && over(RunEnd::TimedOut, RunPhase::Downloading));
    }
}
