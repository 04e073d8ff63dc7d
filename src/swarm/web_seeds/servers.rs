//! The web seeds of one torrent: which of them is asked now, which rests and for how long, and which is out for good.
//!
//! A torrent is a stranger's word, and a server that it names may be anybody's. So few servers are asked at a time and
//! one of each host, and one that fails is asked more and more seldom. It never matters: where web seeds fail, peers
//! remain.

use crate::message::{HangUp, PeerError, PeerKey, WebSeedFailure, WebSeedTrouble};
use crate::piece::PieceIndex;
use crate::strategy::ServerRest;
use crate::web_seed::WebSeed;
use std::collections::HashSet;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Addresses that are kept of one torrent.
const MOST_KEPT: usize = 100;
/// Servers that are asked at a time: each has a thread and a connection. The others replace those that fail.
const MOST_RUNNING: usize = 4;
/// One that has sent nothing for so long takes no place from another: it may be dead, and many of them may come before
/// one that is not...
const SLOW_START: Duration = Duration::from_secs(3);
/// ...up to so many at a time.
const MOST_STARTED: usize = 16;
/// How long a server rests after its first failure. It doubles with each further one in a row.
const FIRST_REST: Duration = Duration::from_secs(10);
const LONGEST_REST: Duration = Duration::from_secs(600);
/// So long later it is looked at again whether one that sends files only whole is worth being asked.
const WHOLE_FILES_REST: Duration = Duration::from_secs(60);
/// A server that is busy says how long to wait, and is believed up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// A server that says again and again that it is busy is left alone for longer than it says, beginning with this.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// So many files in a row may be missing at a server until that counts as a failure.
const MOST_MISSING: u32 = 8;
/// Workers of one server that may still be convicted.
const KEYS: usize = 4;

/// The web seeds of one torrent.
#[derive(Debug, Default)]
pub struct WebSeeds {
    servers: Vec<Server>,
    /// Whether they rest because peers alone fill the download limit.
    pub rest: ServerRest,
}

/// One web seed.
#[derive(Debug)]
pub struct Server {
    /// Its address.
    pub seed: WebSeed,
    state: State,
    /// The files that it does not have.
    lacks: HashSet<usize>,
    /// When it was asked, as long as it has sent nothing since.
    unheard_since: Option<Instant>,
    /// How many times in a row it failed, and was without a file.
    failures: u32,
    missing: u32,
    /// The piece that it was asked for last, and what remains of its run.
    pub position: Option<PieceIndex>,
    pub run: Range<u32>,
    /// The pieces through which its worker was told to go on.
    pub ahead: Range<u32>,
    /// It sends files only whole, from their beginning.
    pub sends_whole_files: bool,
    /// Its last workers, the current one at the end.
    keys: Vec<PeerKey>,
    /// Why its last worker ended.
    trouble: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It may be asked.
    Idle,
    /// This worker asks it.
    Running(PeerKey),
    /// It is not asked before this time.
    Resting(Instant, Reason),
    /// It is never asked again.
    Over,
}

/// Why a server rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// It failed, or did not have what we wanted. In another network that may be otherwise.
    Failure,
    /// It said for how long, or others are to send the rest.
    Wish,
}

impl WebSeeds {
    /// These servers, each of them once, and of those only what can be asked over HTTP.
    pub fn new(seeds: Vec<WebSeed>) -> WebSeeds {
        let mut seen = HashSet::new();
        let is_new = |seed: &WebSeed| seed.is_of_the_web() && seen.insert(seed.address.clone());
        let kept = seeds.into_iter().filter(is_new).take(MOST_KEPT);
        WebSeeds { servers: kept.map(Server::new).collect(), rest: ServerRest::default() }
    }

    /// How many are asked now.
    pub fn running(&self) -> usize {
        self.servers.iter().filter(|server| matches!(server.state, State::Running(_))).count()
    }

    /// How many of these have sent something, or may soon.
    fn promising(&self, now: Instant) -> usize {
        let is_running = |server: &&Server| matches!(server.state, State::Running(_));
        let is_slow = |server: &Server| {
            server.unheard_since.is_some_and(|since| now.saturating_duration_since(since) >= SLOW_START)
        };
        self.servers.iter().filter(is_running).filter(|server| !is_slow(server)).count()
    }

    /// The next server to be asked, as a number, if there is one that may be: of those that failed least often the first.
    pub fn due(&self, now: Instant) -> Option<usize> {
        if self.promising(now) >= MOST_RUNNING || self.running() >= MOST_STARTED {
            return None;
        }
        let is_taken = |server: &Server| match server.state {
            State::Running(_) => true,
            State::Resting(until, _) => now < until,
            State::Idle | State::Over => false,
        };
        let taken: HashSet<String> =
            self.servers.iter().filter(|server| is_taken(server)).map(|server| server.seed.host()).collect();
        let may_be_asked = |server: &Server| {
            server.state != State::Over && !is_taken(server) && !taken.contains(&server.seed.host())
        };
        let due = self.servers.iter().enumerate().filter(|(_, server)| may_be_asked(server));
        due.min_by_key(|(_, server)| server.failures).map(|(number, _)| number)
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Server> {
        self.servers.iter()
    }

    /// The server of this number.
    pub fn get_mut(&mut self, number: usize) -> Option<&mut Server> {
        self.servers.get_mut(number)
    }

    /// The server that this worker asks or has asked.
    pub fn of(&self, key: PeerKey) -> Option<&Server> {
        self.servers.iter().find(|server| server.keys.contains(&key))
    }

    /// The same, to change it.
    pub fn of_mut(&mut self, key: PeerKey) -> Option<&mut Server> {
        self.servers.iter_mut().find(|server| server.keys.contains(&key))
    }

    /// The workers of the servers that are asked now, and the pieces that each is to send next: they were not requested
    /// yet.
    pub fn runs(&self) -> impl Iterator<Item = (PeerKey, Range<u32>)> {
        self.servers.iter().filter_map(|server| match server.state {
            State::Running(key) => Some((key, server.run.clone())),
            State::Idle | State::Resting(..) | State::Over => None,
        })
    }

    /// Whether another server than that of this worker may be asked now.
    pub fn has_others(&self, key: PeerKey) -> bool {
        let may_be_asked = |server: &Server| matches!(server.state, State::Running(_) | State::Idle);
        self.servers.iter().any(|server| may_be_asked(server) && server.state != State::Running(key))
    }

    /// The host was suspended, or is in another network: what failed before says nothing any more.
    pub fn look_again(&mut self) {
        for server in &mut self.servers {
            match server.state {
                State::Resting(_, Reason::Failure) => {
                    server.state = State::Idle;
                    server.lacks.clear();
                }
                // What it does now may still fail because of what was before.
                State::Running(_) => {}
                State::Idle | State::Resting(_, Reason::Wish) | State::Over => continue,
            }
            (server.failures, server.missing) = (0, 0);
        }
    }

    /// All workers were dropped.
    pub fn all_dropped(&mut self) {
        let running = self.servers.iter_mut().filter(|server| matches!(server.state, State::Running(_)));
        running.for_each(|server| server.state = State::Idle);
    }

    /// What is wrong with them, if something is.
    pub fn trouble(&self) -> Option<WebSeedTrouble> {
        let mut in_trouble =
            self.servers.iter().filter_map(|server| Some((server, server.trouble.as_ref()?)));
        let (first, why) = in_trouble.next()?;
        let mut said = format!("the web seed {}: {why}", first.seed.host());
        if let others @ 1.. = in_trouble.count() {
            said.push_str(&format!(" ({others} more have failed, too)"));
        }
        Some(WebSeedTrouble { said, is_final: self.servers.iter().all(Server::is_over) })
    }
}

impl Server {
    /// The worker that asks it now.
    pub fn worker(&self) -> Option<PeerKey> {
        if let State::Running(key) = self.state { Some(key) } else { None }
    }

    /// What went wrong last.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// In how long it is asked again, if it rests.
    pub fn rests_for(&self, now: Instant) -> Option<Duration> {
        if let State::Resting(until, _) = self.state {
            Some(until.saturating_duration_since(now))
        } else {
            None
        }
    }

    fn new(seed: WebSeed) -> Server {
        Server {
            seed,
            state: State::Idle,
            lacks: HashSet::new(),
            unheard_since: None,
            failures: 0,
            missing: 0,
            position: None,
            run: 0..0,
            ahead: 0..0,
            sends_whole_files: false,
            keys: Vec::new(),
            trouble: None,
        }
    }

    /// The files that it does not have.
    pub fn lacks(&self) -> impl Iterator<Item = usize> {
        self.lacks.iter().copied()
    }

    /// This worker asks it from now on.
    pub fn begun(&mut self, key: PeerKey, now: Instant) {
        if self.keys.len() >= KEYS {
            self.keys.remove(0);
        }
        self.keys.push(key);
        (self.position, self.run, self.ahead) = (None, 0..0, 0..0);
        self.unheard_since = Some(now);
        self.state = State::Running(key);
    }

    /// It has none of the files that are wanted. A file that it did not have may be there later.
    pub fn is_of_no_use(&mut self, now: Instant) {
        self.lacks.clear();
        self.state = State::Resting(now + LONGEST_WAIT, Reason::Failure);
    }

    /// It sends files only whole, and what others have would come as well: they are to send the rest.
    pub fn is_left_to_others(&mut self, now: Instant) {
        self.state = State::Resting(now + WHOLE_FILES_REST, Reason::Wish);
    }

    /// No worker could be started.
    pub fn had_no_thread(&mut self, now: Instant) {
        self.state = State::Resting(now + FIRST_REST, Reason::Failure);
    }

    /// Whether it is never asked again.
    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// It has sent wrong data, and is never asked again. Returns the worker that asks it now.
    pub fn ban(&mut self) -> Option<PeerKey> {
        self.trouble = Some(self.seed.accused_of(HangUp::WrongData));
        match std::mem::replace(&mut self.state, State::Over) {
            State::Running(key) => Some(key),
            State::Idle | State::Resting(..) | State::Over => None,
        }
    }

    /// It has sent a block that was of use.
    pub fn succeeded(&mut self) {
        (self.failures, self.missing) = (0, 0);
        (self.trouble, self.unheard_since) = (None, None);
    }

    /// Its worker has ended. `chance` is from 0 to 1: servers that fail together should not be asked together again.
    pub fn ended(&mut self, key: PeerKey, why: &PeerError, chance: f64, now: Instant) {
        if self.state != State::Running(key) {
            return;
        }
        // The last two are of connections from before an interruption, and say nothing about the server either.
        if let PeerError::HungUp(HangUp::Released | HangUp::InterfaceGone | HangUp::NoSignOfLife) = why {
            self.state = State::Idle;
            return;
        }
        self.trouble = Some(self.seed.fault(why));
        self.state = match why {
            PeerError::WebSeed(WebSeedFailure::NoFile(number)) => self.lacks_file(*number, chance, now),
            // It is asked from the beginning of what is missing. If hardly anything comes of that, no more.
            PeerError::WebSeed(WebSeedFailure::WholeFilesOnly) if !self.sends_whole_files => {
                self.sends_whole_files = true;
                State::Idle
            }
            PeerError::WebSeed(WebSeedFailure::Refused(_) | WebSeedFailure::WholeFilesOnly)
            | PeerError::Panicked => State::Over,
            PeerError::WebSeed(WebSeedFailure::Busy(Some(wait))) => {
                let least = doubled(FIRST_WAIT, self.failures);
                self.failures = self.failures.saturating_add(1);
                State::Resting(now + (*wait).max(least).min(LONGEST_WAIT), Reason::Wish)
            }
            // That says nothing about the server.
            PeerError::WebSeed(WebSeedFailure::Proxy(error)) if error.is_of_the_proxy() => {
                State::Resting(now + FIRST_REST, Reason::Failure)
            }
            _ => self.failed(chance, now),
        };
    }

    /// The rest of what it has may be asked for at once.
    fn lacks_file(&mut self, number: usize, chance: f64, now: Instant) -> State {
        self.missing += 1;
        if self.lacks.insert(number) && self.missing < MOST_MISSING {
            return State::Idle;
        }
        self.missing = 0;
        self.failed(chance, now)
    }

    fn failed(&mut self, chance: f64, now: Instant) -> State {
        let rest = doubled(FIRST_REST, self.failures).min(LONGEST_REST);
        self.failures = self.failures.saturating_add(1);
        State::Resting(now + rest.mul_f64(0.75 + chance.clamp(0.0, 1.0) / 2.0), Reason::Failure)
    }
}

fn doubled(first: Duration, times: u32) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(times.min(16)))
}

#[cfg(test)]
mod tests;
