//! `get --json`, `seed --json` and `demo --json`: what happens, on standard output, for programs. Each event is one object in one line.
//! `docs/events.schema.json` describes them all.
//!
//! [`Events`] is what the main thread knows of it. Runs tell their notices through a door ([`Events::door`]) on threads
//! of their own. All of it goes into one queue (`queue`), from which the thread `events` takes it, makes lines (`run`,
//! `payload`, `peers`, `progress`) and writes them (`writer`). So nothing ever waits for the reader of standard output.
//! If the reader is slow, the queue fills, events are left out, and an event says how many.
//!
//! If the reader is gone, nobody wants to hear more: no event is written any more, and the download goes on. If an event
//! cannot be written for another reason, such as a full disk, the user is told, the download goes on as well, and the
//! exit code is 17 where it would have been 0.

mod line;
mod payload;
mod peers;
mod progress;
mod queue;
mod run;
mod writer;

use super::exit::{CommandFailure, Exit};
use super::{source, terminal};
use crate::message::{Door, Notice, Snapshot};
use crate::session::{Outcome, Progress, SessionError, Torrent};
use crate::swarm::RunEnd;
use crate::text::reason;
use clap::Command;
use progress::TorrentProgress;
use queue::EventQueue;
use run::Finished;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// The events of one command. Where the user does not want any, each call does nothing.
#[derive(Default)]
pub struct Events {
    queue: Option<Arc<EventQueue>>,
    /// How each torrent stood when that was last told.
    torrents: Vec<TorrentProgress>,
    /// Who hears each notice before programs do.
    watcher: Option<Arc<Watches>>,
}

/// Who hears notices, on the threads of the runs.
type Watches = dyn Fn(&Notice) + Send + Sync;

/// What is told of the torrents, besides the notices of their runs.
enum Told {
    Start { command: &'static str },
    Torrent(Box<run::NamedTorrent>),
    Error { source: Option<String>, exit: Exit, sentence: String },
    Notice(usize, Notice),
    Progress(usize, progress::State),
    Stall(usize, progress::StallChange),
    Finished(usize, Box<Finished>),
    Hook { number: usize, program: PathBuf, failure: Option<String> },
    End(Exit),
}

/// The command, `get`, `seed` or `demo`, if these words ask for it and for its events, even if it does not understand
/// them all.
pub fn command_of(words: &[OsString], program: &Command) -> Option<&'static str> {
    let named = program.find_subcommand(words.get(1)?)?.get_name();
    let mut options = words.iter().take_while(|word| *word != "--");
    let command = ["get", "seed", "demo"].into_iter().find(|command| *command == named);
    command.filter(|_| options.any(|word| word == "--json"))
}

impl Events {
    /// Begins the events of this command, if it is to have any.
    ///
    /// # Errors
    ///
    /// The system has no more threads.
    pub fn begin(command: Option<&'static str>) -> Result<Events, CommandFailure> {
        let Some(command) = command else { return Ok(Events::default()) };
        let queue = terminal::events()
            .and_then(|out| writer::start(Box::new(out)))
            .map_err(|error| (Exit::OTHER, format!("cannot start the thread that writes events: {error}")))?;
        queue.tell(Told::Start { command });
        Ok(Events { queue: Some(queue), ..Events::default() })
    }

    /// This source names this torrent, whose number is the next one.
    pub fn torrent(&mut self, torrent: &Torrent, source: &str) {
        self.tell(|| {
            let (info_hash, name) = (torrent.info_hash(), torrent.name());
            Told::Torrent(Box::new(run::NamedTorrent { info_hash, name, source: source::shown(source) }))
        });
    }

    /// This source cannot be read.
    pub fn source_failed(&self, source: &str, exit: Exit, sentence: &str) {
        self.tell(|| Told::Error {
            source: Some(source::shown(source)),
            exit,
            sentence: sentence.to_owned(),
        });
    }

    /// Where the run of this torrent tells what happens.
    pub fn door(&self, number: usize) -> Door {
        let (queue, watcher) = (self.queue.clone(), self.watcher.clone());
        if queue.is_none() && watcher.is_none() {
            return Door::default();
        }
        Door::to(move |notice| {
            watcher.iter().for_each(|watcher| watcher(&notice));
            if let Some(queue) = &queue {
                queue.tell(Told::Notice(number, notice));
            }
        })
    }

    /// From now on this hears each notice, on the threads of the runs.
    #[cfg(feature = "demo")]
    pub fn watched_by(&mut self, watcher: impl Fn(&Notice) + Send + Sync + 'static) {
        self.watcher = Some(Arc::new(watcher));
    }

    /// Where the thread `hook` tells what became of the user's program for the torrent with this number.
    pub fn hook_door(&self) -> impl Fn(usize, &Path, Option<String>) + Send + 'static {
        let queue = self.queue.clone();
        move |number, program, failure| {
            if let Some(queue) = &queue {
                queue.tell(Told::Hook { number, program: program.to_owned(), failure });
            }
        }
    }

    /// The turn of a torrent begins.
    pub fn begins(&mut self, number: usize, now: Instant) {
        self.with(number, |torrent| torrent.begins(now));
    }

    /// This is how a torrent stands now. That is told when it is time to.
    pub fn progress(&mut self, number: usize, progress: &Progress, now: Instant) {
        let Some(queue) = self.queue.clone() else { return };
        self.with(number, |torrent| {
            let (stall, state) = torrent.shown(progress, now);
            stall.into_iter().for_each(|change| queue.tell(Told::Stall(number, change)));
            state.into_iter().for_each(|state| queue.tell(Told::Progress(number, state)));
        });
    }

    /// A torrent waits for its turn, after one that ended so if it had one.
    pub fn waits(&mut self, number: usize, past: Option<&Snapshot>, now: Instant) {
        if let Some(past) = past {
            self.with(number, |torrent| torrent.turn_ended(past));
        }
        self.progress(number, &Progress::WaitsForCheck, now);
    }

    /// A torrent is over.
    pub fn ended(&mut self, number: usize, outcome: &Outcome, exit: Exit, now: Instant) {
        if let Some(queue) = self.queue.clone() {
            self.with(number, |torrent| {
                let stall = torrent.stall_at_end(&outcome.snapshot, now);
                stall.into_iter().for_each(|change| queue.tell(Told::Stall(number, change)));
            });
        }
        self.with(number, |torrent| torrent.turn_ended(&outcome.snapshot));
        let why = outcome.snapshot.stall.as_ref().filter(|_| outcome.end == RunEnd::TimedOut);
        self.finished(number, Some(outcome.end), exit, why.map(ToString::to_string), now);
    }

    /// The same by an error.
    pub fn failed(&mut self, number: usize, error: &SessionError, now: Instant) {
        self.finished(number, None, Exit(error.exit_code()), Some(error.to_string()), now);
    }

    /// The user ended everything while this torrent waited for its turn.
    pub fn cancelled(&mut self, number: usize, exit: Exit, now: Instant) {
        self.finished(number, Some(RunEnd::Stopped), exit, None, now);
    }

    /// It waits for a disk that does not answer.
    pub fn waits_for_disk(&mut self, number: usize, sentence: String, now: Instant) {
        let Some(queue) = self.queue.clone() else { return };
        self.with(number, |torrent| {
            queue.tell(Told::Stall(number, torrent.waits_for_disk(sentence, now)));
        });
    }

    /// The user ended everything, and this torrent was left behind, for this reason.
    pub fn left_behind(&mut self, number: usize, sentence: String, now: Instant) {
        self.finished(number, Some(RunEnd::Stopped), Exit::UNFINISHED, Some(sentence), now);
    }

    fn finished(
        &mut self,
        number: usize,
        end: Option<RunEnd>,
        exit: Exit,
        error: Option<String>,
        now: Instant,
    ) {
        let Some(queue) = self.queue.clone() else { return };
        self.with(number, |torrent| {
            let (run, time) = torrent.whole_run(now);
            queue.tell(Told::Finished(number, Box::new(Finished { end, exit, error, run, time })));
        });
    }

    /// Everything is over. Tells why, if that is an error, and waits until all is written. Returns the exit code.
    pub fn end(self, outcome: Result<Exit, CommandFailure>) -> Exit {
        let exit = outcome.unwrap_or_else(|(exit, sentence)| {
            self.tell(|| Told::Error { source: None, exit, sentence: sentence.clone() });
            super::failed((exit, sentence))
        });
        self.end_with(exit)
    }

    /// The same where the user was told of the error.
    pub fn end_after(self, exit: Exit, sentence: String) -> Exit {
        self.tell(|| Told::Error { source: None, exit, sentence });
        self.end_with(exit)
    }

    fn end_with(self, exit: Exit) -> Exit {
        let Some(queue) = self.queue else { return exit };
        queue.tell(Told::End(exit));
        match queue.wait() {
            Ok(()) => exit,
            Err(why) => {
                terminal::say_error(&format!("cannot write the events to standard output: {}", reason(&why)));
                if exit == Exit::DONE { Exit::IO } else { exit }
            }
        }
    }

    fn tell(&self, told: impl FnOnce() -> Told) {
        if let Some(queue) = &self.queue {
            queue.tell(told());
        }
    }

    fn with(&mut self, number: usize, change: impl FnOnce(&mut TorrentProgress)) {
        if self.queue.is_none() {
            return;
        }
        if self.torrents.len() <= number {
            self.torrents.resize_with(number.saturating_add(1), TorrentProgress::default);
        }
        if let Some(torrent) = self.torrents.get_mut(number) {
            change(torrent);
        }
    }
}
