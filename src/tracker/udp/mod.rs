//! Announcing and scraping over UDP (BEP 15): questions that may get lost, and their answers.
//!
//! Runs on the thread of whoever asks; [`UdpTracker::cut`] is called from outside to end an exchange that
//! is under way. Each wait is a blocking one with a deadline. It decides nothing but when to ask again:
//! BEP 15 would wait 15 s before that and over an hour in the end, by which time a download is over.

mod packets;

pub use packets::{LARGEST_REPLY, Question, Reply};

use crate::metainfo::InfoHash;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::address::TrackerAddress;
use super::announce::Announce;
use super::answer::Answer;
use super::error::{TrackerError, printable};
use super::scrape::Scrape;
use crate::address::IpFamily;
use crate::net::{BindAddress, HEAD_START, UdpChannel, by_turns, resolve};

/// How long a connection id may be used (BEP 15, "UDP connections").
pub const CONNECTION_LIFE: Duration = Duration::from_secs(60);

/// How long an answer is waited for, the first time, the second, and the last.
const PATIENCE: [Duration; 3] = [Duration::from_secs(3), Duration::from_secs(6), Duration::from_secs(12)];

/// How long looking up a tracker's name may take.
const NAME_DEADLINE: Duration = Duration::from_secs(10);

/// Addresses of one tracker that are tried. More would make a name a tool to reach many hosts.
const MAX_ADDRESSES: usize = 8;

/// Speaks with the UDP trackers of one tier, one at a time.
pub struct UdpTracker {
    bind_address: BindAddress,
    patience: [Duration; 3],
    look_up: LookUp,
    state: Mutex<State>,
}

/// How names become addresses: [`resolve`], but for tests.
type LookUp = fn(&str, u16, Duration) -> io::Result<Vec<SocketAddr>>;

#[derive(Default)]
struct State {
    cut: bool,
    /// Where somebody may be waiting.
    asking: Option<Arc<UdpChannel>>,
    /// Who answered last, and under which connection id.
    kept: Option<Contact>,
}

/// One address of a tracker.
struct Contact {
    /// Host and port of the tracker's address.
    tracker: (String, u16),
    /// Kept as long as the connection id, which some trackers bind to the port that it went to.
    line: Arc<UdpChannel>,
    connection: Option<Connection>,
    /// The transaction ids of this exchange: for the connection, and for what is asked under it. A
    /// question that is asked again keeps its own, so that a late answer is an answer too.
    transactions: [u32; 2],
}

#[derive(Clone, Copy)]
struct Connection {
    id: u64,
    until: Instant,
    /// It is from an earlier exchange, so the tracker may have forgotten it.
    earlier: bool,
}

/// Why a contact did not answer.
enum Failure {
    /// No word from it. It may be asked again.
    Silent,
    /// It is of no use, or it has said no.
    Final(TrackerError),
}

impl UdpTracker {
    /// One whose packets leave by `bind_address`. Opens nothing and costs nothing.
    pub fn new(bind_address: BindAddress) -> UdpTracker {
        UdpTracker { bind_address, patience: PATIENCE, look_up: resolve, state: Mutex::default() }
    }

    /// Announces and waits for the answer, `within` this time.
    ///
    /// # Errors
    ///
    /// What the tracker or the network did wrong.
    pub fn announce(
        &self,
        tracker: &TrackerAddress,
        announce: &Announce,
        within: Duration,
    ) -> Result<Answer, TrackerError> {
        match self.exchange(
            tracker,
            Question::Announce { announce, path: tracker.path_and_query() },
            within,
        )? {
            Reply::Announced(answer) => Ok(answer),
            _ => Err(other_reply()),
        }
    }

    /// Asks for the numbers of a torrent and waits for the answer, `within` this time.
    ///
    /// # Errors
    ///
    /// What the tracker or the network did wrong.
    pub fn scrape(
        &self,
        tracker: &TrackerAddress,
        info_hash: InfoHash,
        within: Duration,
    ) -> Result<Scrape, TrackerError> {
        match self.exchange(tracker, Question::Scrape(info_hash), within)? {
            Reply::Scraped(scrape) => Ok(scrape),
            _ => Err(other_reply()),
        }
    }

    /// Asks each address of the tracker, then again those that said nothing, with more patience.
    fn exchange(
        &self,
        tracker: &TrackerAddress,
        question: Question<'_>,
        within: Duration,
    ) -> Result<Reply, TrackerError> {
        let started = Instant::now();
        let deadline = started + within;
        let (host, port) = tracker.endpoint()?;
        let mut failure = TrackerError::NoAddress;
        let mut contacts = match self.kept(host, port) {
            Some(contact) => vec![contact],
            None => self.contacts(host, port, deadline, &mut failure)?,
        };
        for (round, patience) in self.patience.into_iter().enumerate() {
            let mut others = contacts.len();
            for mut contact in std::mem::take(&mut contacts) {
                others -= 1;
                // Its answer still counts when its turn comes again.
                let first = if round == 0 && others > 0 { patience.min(HEAD_START) } else { patience };
                match self.ask(&mut contact, question, [first, patience], deadline) {
                    Ok(reply) => {
                        self.state().kept = Some(contact);
                        return Ok(reply);
                    }
                    Err(Failure::Silent) => contacts.push(contact),
                    // What one address of a tracker refuses, its others do not grant.
                    Err(Failure::Final(refusal @ TrackerError::Refused(_))) => return Err(refusal),
                    Err(Failure::Final(error)) => failure = error,
                }
            }
            if contacts.is_empty() {
                return Err(failure);
            }
        }
        Err(TrackerError::TimedOut { awaited: "answer", seconds: started.elapsed().as_secs() })
    }

    /// The contact of the last exchange, where it was with this tracker and its id still holds.
    fn kept(&self, host: &str, port: u16) -> Option<Contact> {
        let mut contact = self.state().kept.take()?;
        let connection = contact.connection?;
        if contact.tracker.0 != host || contact.tracker.1 != port || connection.until <= Instant::now() {
            return None;
        }
        contact.connection = Some(Connection { earlier: true, ..connection });
        contact.transactions = transactions();
        Some(contact)
    }

    /// A contact for each address of the host that there is a way to; why there is none to the others goes
    /// to `failure`.
    fn contacts(
        &self,
        host: &str,
        port: u16,
        deadline: Instant,
        failure: &mut TrackerError,
    ) -> Result<Vec<Contact>, TrackerError> {
        let within = deadline.saturating_duration_since(Instant::now()).min(NAME_DEADLINE);
        let mut found = (self.look_up)(host, port, within).map_err(|error| match error.kind() {
            ErrorKind::TimedOut => {
                TrackerError::TimedOut { awaited: "address for its name", seconds: within.as_secs() }
            }
            _ => unreachable(&error),
        })?;
        // What a named address cannot reach is tried for the error, which says so.
        found.retain(|to| self.bind_address.address().is_some() || self.bind_address.reaches(*to));
        let mut contacts = Vec::new();
        for to in self.in_turn(found) {
            match UdpChannel::open(self.bind_address, to) {
                Ok(line) => contacts.push(Contact {
                    tracker: (host.to_owned(), port),
                    line: Arc::new(line),
                    connection: None,
                    transactions: transactions(),
                }),
                Err(error) => *failure = unreachable(&error),
            }
        }
        Ok(contacts)
    }

    /// The addresses in the order in which they are tried. Those of the family that we cannot leave by come
    /// last, for the error that they bring.
    fn in_turn(&self, found: Vec<SocketAddr>) -> Vec<SocketAddr> {
        let reaches = |to: &SocketAddr| self.bind_address.reaches(*to);
        let (mut turns, mut last): (Vec<_>, Vec<_>) = by_turns(found).into_iter().partition(reaches);
        turns.append(&mut last);
        turns.truncate(MAX_ADDRESSES);
        turns
    }

    /// Asks one contact, for a connection id first where it has none: `patience` has the wait for that, and
    /// the one for the answer.
    fn ask(
        &self,
        contact: &mut Contact,
        question: Question<'_>,
        [first, patience]: [Duration; 2],
        deadline: Instant,
    ) -> Result<Reply, Failure> {
        loop {
            let [to_connect, to_ask] = contact.transactions;
            let connection = contact.connection.filter(|connection| connection.until > Instant::now());
            let Some(connection) = connection else {
                let until = deadline.min(Instant::now() + first);
                let reply = self.hear(&contact.line, Question::Connect, 0, to_connect, until)?;
                let Reply::Connected(id) = reply else { return Err(Failure::Final(other_reply())) };
                let until = Instant::now() + CONNECTION_LIFE;
                contact.connection = Some(Connection { id, until, earlier: false });
                continue;
            };
            let until = deadline.min(Instant::now() + patience);
            let heard = self.hear(&contact.line, question, connection.id, to_ask, until);
            if heard.is_err() && connection.earlier {
                contact.connection = None;
                // Its words are its own, so that "I do not know this id" cannot be told from another no.
                if matches!(heard, Err(Failure::Final(TrackerError::Refused(_)))) {
                    continue;
                }
            }
            return heard;
        }
    }

    /// Asks once, and waits for what answers it. Everything else that comes is nobody's business.
    fn hear(
        &self,
        line: &Arc<UdpChannel>,
        question: Question<'_>,
        connection: u64,
        transaction: u32,
        until: Instant,
    ) -> Result<Reply, Failure> {
        let broken = |error: io::Error| Failure::Final(unreachable(&error));
        if until <= Instant::now() {
            return Err(Failure::Silent);
        }
        {
            let mut state = self.state();
            if state.cut {
                return Err(broken(ErrorKind::ConnectionAborted.into()));
            }
            state.asking = Some(Arc::clone(line));
        }
        line.send(&question.to_wire(connection, transaction)).map_err(broken)?;
        let mut packet = [0; LARGEST_REPLY];
        while let Some(length) = line.receive(&mut packet, until).map_err(broken)? {
            let packet = packet.get(..length).unwrap_or_default();
            if let Some(reply) = question.reply(packet, transaction, IpFamily::of(line.peer().ip())) {
                return reply.map_err(Failure::Final);
            }
        }
        Err(Failure::Silent)
    }

    /// Forgets the connection id that the last exchange left, and closes its socket.
    pub fn rest(&self) {
        let mut state = self.state();
        (state.asking, state.kept) = (None, None);
    }

    /// Ends the exchange that is under way, and makes all later ones fail. One that is still looking up a
    /// name ends at the deadline for that.
    pub fn cut(&self) {
        let mut state = self.state();
        state.cut = true;
        if let Some(line) = state.asking.take() {
            line.hang_up();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Two numbers that nobody can guess who does not see our packets: they come from the system's random
/// numbers, by the hash that guards the standard library's tables.
fn transactions() -> [u32; 2] {
    let chance = RandomState::new().hash_one(0);
    [chance as u32, (chance >> 32) as u32]
}

fn unreachable(error: &io::Error) -> TrackerError {
    TrackerError::Unreachable(printable(error.to_string().as_bytes()))
}

/// A question has one kind of reply, so this is never seen.
fn other_reply() -> TrackerError {
    TrackerError::Nonsense("it answers another question".into())
}

#[cfg(test)]
mod tests;
