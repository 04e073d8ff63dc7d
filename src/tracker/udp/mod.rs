//! Announcing and scraping over UDP (BEP 15): requests that may get lost, and their responses.
//!
//! Runs on the thread of the caller; [`cut`](TrackerProtocol::cut) is called from outside to end an exchange
//! that is under way. Each wait is a blocking one with a deadline. It decides nothing but when to ask again:
//! BEP 15 would wait 15 s before that and over an hour in the end, by which time a download is over.
//!
//! A tier has other trackers, and a wait of its own behind them. Each address of a name is tried before
//! any is tried again, and an address that refuses or that we have no way to costs no time; a silent one
//! costs 21 s. The system drops packets from other addresses, because the socket is connected to one; a
//! packet that lacks our transaction id, answers something else or is cut is passed over until the time
//! is up.

mod packets;

pub use packets::{MAX_RESPONSE, UdpRequest, UdpResponse};

use crate::metainfo::InfoHash;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::address::TrackerAddress;
use super::announce::Announce;
use super::answer::Answer;
use super::client::TrackerProtocol;
use super::error::{TrackerError, excerpt};
use super::scrape::Scrape;
use crate::address::IpFamily;
use crate::net::{BindAddress, HEAD_START, UdpChannel, by_turns, resolve};

/// How long a connection ID may be used (BEP 15, "UDP connections").
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
    state: Mutex<UdpState>,
}

/// How host names become addresses: [`resolve`], but for tests.
type LookUp = fn(&str, u16, Duration) -> io::Result<Vec<SocketAddr>>;

#[derive(Default)]
struct UdpState {
    cut: bool,
    /// The channel at which a thread may be waiting.
    asking: Option<Arc<UdpChannel>>,
    /// The address that answered last, and its connection ID.
    kept: Option<TrackerEndpoint>,
}

/// One address of a tracker.
struct TrackerEndpoint {
    /// Host and port of the tracker's address.
    tracker: (String, u16),
    /// Kept as long as the connection ID, which some trackers bind to the port that it went to.
    channel: Arc<UdpChannel>,
    connection: Option<Connection>,
    /// The transaction IDs of this exchange: for the connection, and for what is asked under it. A request
    /// that is sent again keeps its own, so that a late response is a response too.
    transactions: [u32; 2],
}

#[derive(Clone, Copy)]
struct Connection {
    id: u64,
    until: Instant,
    /// It is from an earlier exchange, so the tracker may have forgotten it.
    earlier: bool,
}

/// Why an endpoint did not answer.
enum NoResponse {
    /// Nothing came from it. It may be asked again.
    Silent,
    /// It is of no use, or has refused.
    Final(TrackerError),
}

impl UdpTracker {
    /// One whose packets leave by `bind_address`. Opens nothing and costs nothing.
    pub fn new(bind_address: BindAddress) -> UdpTracker {
        UdpTracker { bind_address, patience: PATIENCE, look_up: resolve, state: Mutex::default() }
    }

    /// Asks each address of the tracker, then again those that were silent, with more patience.
    fn exchange(
        &self,
        tracker: &TrackerAddress,
        request: UdpRequest<'_>,
        within: Duration,
    ) -> Result<UdpResponse, TrackerError> {
        let started = Instant::now();
        let deadline = started + within;
        let (host, port) = tracker.endpoint()?;
        let mut failure = TrackerError::NoAddress;
        let mut endpoints = match self.kept(host, port) {
            Some(endpoint) => vec![endpoint],
            None => self.endpoints(host, port, deadline, &mut failure)?,
        };
        for (round, patience) in self.patience.into_iter().enumerate() {
            let mut others = endpoints.len();
            for mut endpoint in std::mem::take(&mut endpoints) {
                others -= 1;
                // Its answer still counts when its turn comes again.
                let first = if round == 0 && others > 0 { patience.min(HEAD_START) } else { patience };
                match self.ask(&mut endpoint, request, [first, patience], deadline) {
                    Ok(reply) => {
                        self.state().kept = Some(endpoint);
                        return Ok(reply);
                    }
                    Err(NoResponse::Silent) => endpoints.push(endpoint),
                    // What one address of a tracker refuses, its others do not grant.
                    Err(NoResponse::Final(refusal @ TrackerError::Refused(_))) => return Err(refusal),
                    Err(NoResponse::Final(error)) => failure = error,
                }
            }
            if endpoints.is_empty() {
                return Err(failure);
            }
        }
        Err(TrackerError::TimedOut { awaited: "answer", seconds: started.elapsed().as_secs() })
    }

    /// The endpoint of the last exchange, where that was with this tracker and the connection ID still holds.
    fn kept(&self, host: &str, port: u16) -> Option<TrackerEndpoint> {
        let mut endpoint = self.state().kept.take()?;
        let connection = endpoint.connection?;
        if endpoint.tracker.0 != host || endpoint.tracker.1 != port || connection.until <= Instant::now() {
            return None;
        }
        endpoint.connection = Some(Connection { earlier: true, ..connection });
        endpoint.transactions = transactions();
        Some(endpoint)
    }

    /// An endpoint for each address of the host that there is a way to; why there is none to the others goes
    /// to `failure`.
    fn endpoints(
        &self,
        host: &str,
        port: u16,
        deadline: Instant,
        failure: &mut TrackerError,
    ) -> Result<Vec<TrackerEndpoint>, TrackerError> {
        let within = deadline.saturating_duration_since(Instant::now()).min(NAME_DEADLINE);
        let mut found = (self.look_up)(host, port, within).map_err(|error| match error.kind() {
            ErrorKind::TimedOut => {
                TrackerError::TimedOut { awaited: "address for its name", seconds: within.as_secs() }
            }
            _ => unreachable(&error),
        })?;
        // What a named address cannot reach is tried for the error, which says so.
        found.retain(|to| self.bind_address.address().is_some() || self.bind_address.reaches(*to));
        let mut endpoints = Vec::new();
        for to in self.in_turn(found) {
            match UdpChannel::open(self.bind_address, to) {
                Ok(channel) => endpoints.push(TrackerEndpoint {
                    tracker: (host.to_owned(), port),
                    channel: Arc::new(channel),
                    connection: None,
                    transactions: transactions(),
                }),
                Err(error) => *failure = unreachable(&error),
            }
        }
        Ok(endpoints)
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

    /// Asks one endpoint, for a connection ID first where it has none: `patience` has the wait for that, and
    /// the one for the response.
    fn ask(
        &self,
        endpoint: &mut TrackerEndpoint,
        request: UdpRequest<'_>,
        [first, patience]: [Duration; 2],
        deadline: Instant,
    ) -> Result<UdpResponse, NoResponse> {
        loop {
            let [to_connect, to_ask] = endpoint.transactions;
            let connection = endpoint.connection.filter(|connection| connection.until > Instant::now());
            let Some(connection) = connection else {
                let until = deadline.min(Instant::now() + first);
                let reply = self.ask_once(&endpoint.channel, UdpRequest::Connect, 0, to_connect, until)?;
                let UdpResponse::Connected(id) = reply else {
                    return Err(NoResponse::Final(other_response()));
                };
                let until = Instant::now() + CONNECTION_LIFE;
                endpoint.connection = Some(Connection { id, until, earlier: false });
                continue;
            };
            let until = deadline.min(Instant::now() + patience);
            let heard = self.ask_once(&endpoint.channel, request, connection.id, to_ask, until);
            if heard.is_err() && connection.earlier {
                endpoint.connection = None;
                // The words of a refusal are the tracker's own, so that "I do not know this connection ID"
                // cannot be told from another reason.
                if matches!(heard, Err(NoResponse::Final(TrackerError::Refused(_)))) {
                    continue;
                }
            }
            return heard;
        }
    }

    /// Sends the request once, and waits for its response. Every other packet that comes is passed over.
    fn ask_once(
        &self,
        channel: &Arc<UdpChannel>,
        request: UdpRequest<'_>,
        connection: u64,
        transaction: u32,
        until: Instant,
    ) -> Result<UdpResponse, NoResponse> {
        let broken = |error: io::Error| NoResponse::Final(unreachable(&error));
        if until <= Instant::now() {
            return Err(NoResponse::Silent);
        }
        {
            let mut state = self.state();
            if state.cut {
                return Err(broken(ErrorKind::ConnectionAborted.into()));
            }
            state.asking = Some(Arc::clone(channel));
        }
        channel.send(&request.to_wire(connection, transaction)).map_err(broken)?;
        let mut packet = [0; MAX_RESPONSE];
        while let Some(length) = channel.receive(&mut packet, until).map_err(broken)? {
            let packet = packet.get(..length).unwrap_or_default();
            if let Some(reply) = request.response(packet, transaction, IpFamily::of(channel.peer().ip())) {
                return reply.map_err(NoResponse::Final);
            }
        }
        Err(NoResponse::Silent)
    }

    fn state(&self) -> MutexGuard<'_, UdpState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TrackerProtocol for UdpTracker {
    fn announce(
        &self,
        tracker: &TrackerAddress,
        announce: &Announce,
        within: Duration,
    ) -> Result<Answer, TrackerError> {
        match self.exchange(
            tracker,
            UdpRequest::Announce { announce, path: tracker.path_and_query() },
            within,
        )? {
            UdpResponse::Announced(answer) => Ok(answer),
            _ => Err(other_response()),
        }
    }

    fn scrape(
        &self,
        tracker: &TrackerAddress,
        info_hash: InfoHash,
        within: Duration,
    ) -> Result<Scrape, TrackerError> {
        match self.exchange(tracker, UdpRequest::Scrape(info_hash), within)? {
            UdpResponse::Scraped(scrape) => Ok(scrape),
            _ => Err(other_response()),
        }
    }

    /// Forgets the connection ID that the last exchange left, and closes its socket.
    fn rest(&self) {
        let mut state = self.state();
        (state.asking, state.kept) = (None, None);
    }

    /// Ends the exchange that is under way, and makes all later ones fail. One that is still looking up a
    /// name ends at the deadline for that.
    fn cut(&self) {
        let mut state = self.state();
        state.cut = true;
        if let Some(channel) = state.asking.take() {
            channel.hang_up();
        }
    }
}

/// Two numbers that a host that does not see our packets cannot guess: they come from the system's random
/// numbers, by the hash that guards the standard library's tables.
fn transactions() -> [u32; 2] {
    let chance = RandomState::new().hash_one(0);
    [chance as u32, (chance >> 32) as u32]
}

fn unreachable(error: &io::Error) -> TrackerError {
    TrackerError::Unreachable(excerpt(error.to_string()))
}

/// A request has one kind of response, so this is never seen.
fn other_response() -> TrackerError {
    TrackerError::Nonsense("it answers another question".into())
}

#[cfg(test)]
mod tests;
