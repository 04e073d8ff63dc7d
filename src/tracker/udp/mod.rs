//! Announcing and scraping over UDP (BEP 15): requests that may get lost, and their responses.
//!
//! Runs on the thread of the caller; another thread calls [`abort`](TrackerProtocol::abort) to end an
//! exchange that is running. It blocks on each wait, which has a deadline. It decides only when to ask again.
//! BEP 15 would wait 15 s for the first answer and double that eight times, so over an hour for the last one,
//! by which time a download is over.
//!
//! We need not wait that long: a tier has other trackers, and waits by itself when all of them have failed.
//! Each address of a name is tried before any is tried again. An address that refuses packets or that we have
//! no way to costs no time. One silent address costs 21 of the 30 s that an exchange has, and two take all of
//! them.
//!
//! The socket is connected to one address, so the system drops packets from others. A packet that lacks our
//! transaction ID, answers something else or is cut is ignored, and we wait on.

mod packets;

pub use packets::{MAX_RESPONSE, UdpRequest, UdpResponse};

use crate::metainfo::InfoHash;
use crate::text::reason;
use crate::thread::lock;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::address::TrackerAddress;
use super::announce::Announce;
use super::answer::Answer;
use super::error::{NAME, TrackerError, excerpt};
use super::protocol::TrackerProtocol;
use super::scrape::Scrape;
use crate::address::IpFamily;
use crate::net::tap::{Direction, Protocol, Seen};
use crate::net::{CONNECTION_ATTEMPT_DELAY, Outlet, UdpChannel, by_turns, resolve};
use crate::strategy::{Question, may_ask};

/// How long a connection ID may be used (BEP 15, "UDP connections").
pub const CONNECTION_LIFE: Duration = Duration::from_secs(60);

/// How long we wait for an answer the first time, the second, and the last.
const PATIENCE: [Duration; 3] = [Duration::from_secs(3), Duration::from_secs(6), Duration::from_secs(12)];

/// The most of the time of an exchange that each of these waits may take. Where there is little, as at the end
/// of a run, a lost packet is sent again within it all the same.
const SHARES: [f64; 3] = [1.0 / 7.0, 2.0 / 7.0, 4.0 / 7.0];

/// Where a tracker refuses a connection ID that it has just given, so many more are asked for.
const MORE_IDS: u32 = 3;

/// How long looking up a tracker's name may take.
const NAME_DEADLINE: Duration = Duration::from_secs(10);

/// Addresses of one tracker that are tried. Without a limit a name could make us send packets to many hosts.
const MAX_ADDRESSES: usize = 8;

/// Speaks with the UDP trackers of one tier, one at a time.
pub struct UdpTracker {
    outlet: Outlet,
    patience: [Duration; 3],
    look_up: LookUp,
    state: Mutex<UdpState>,
}

/// How host names become addresses: [`resolve`], except in tests.
type LookUp = fn(&str, u16, Duration) -> io::Result<Vec<SocketAddr>>;

#[derive(Default)]
struct UdpState {
    is_aborted: bool,
    /// The channel on which a thread may be waiting.
    asking: Option<Arc<UdpChannel>>,
    /// The address that answered last, and its connection ID.
    kept: Option<TrackerEndpoint>,
}

/// One address of a tracker.
struct TrackerEndpoint {
    /// Host and port of the tracker's address.
    tracker: (String, u16),
    /// Kept as long as the connection ID, because some trackers bind the ID to the port that they sent it to.
    channel: Arc<UdpChannel>,
    connection: Option<ConnectionId>,
    /// The transaction IDs of this exchange: one for the connection, and one for the request under it. A
    /// request that is sent again keeps its ID, so that a late response still counts.
    transactions: [u32; 2],
}

#[derive(Clone, Copy)]
struct ConnectionId {
    id: u64,
    until: Instant,
    /// It is from an earlier exchange, so the tracker may have forgotten it.
    earlier: bool,
}

/// Why an endpoint did not answer.
enum NoResponse {
    /// It was silent. It may be asked again.
    Silent,
    /// It is of no use, or it has refused. It is not asked again.
    Final(TrackerError),
}

impl UdpTracker {
    /// A client whose packets leave by `outlet`. Opens nothing and costs nothing yet.
    pub fn new(outlet: Outlet) -> UdpTracker {
        UdpTracker { outlet, patience: PATIENCE, look_up: resolve, state: Mutex::default() }
    }

    /// One like this that has not been aborted.
    pub fn anew(&self) -> UdpTracker {
        let (patience, look_up) = (self.patience, self.look_up);
        UdpTracker { outlet: self.outlet.clone(), patience, look_up, state: Mutex::default() }
    }

    /// Asks each address of the tracker, then asks those that were silent again, with more patience.
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
            None => self.endpoints(tracker, deadline, &mut failure)?,
        };
        let shares = SHARES.map(|share| within.mul_f64(share));
        let patience = self.patience.into_iter().zip(shares).map(|(wait, share)| wait.min(share));
        for (round, patience) in patience.enumerate() {
            let mut others = endpoints.len();
            for mut endpoint in std::mem::take(&mut endpoints) {
                others -= 1;
                // With others to try, it gets a short wait. A later answer still counts when its turn comes
                // again.
                let first =
                    if round == 0 && others > 0 { patience.min(CONNECTION_ATTEMPT_DELAY) } else { patience };
                match self.ask(&mut endpoint, request, [first, patience], deadline) {
                    Ok(reply) => {
                        self.state().kept = Some(endpoint);
                        return Ok(reply);
                    }
                    Err(NoResponse::Silent) => endpoints.push(endpoint),
                    // If one address of a tracker refuses, its other addresses would refuse too.
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

    /// The endpoint of the last exchange, if that was with this tracker and the connection ID is still valid.
    fn kept(&self, host: &str, port: u16) -> Option<TrackerEndpoint> {
        let mut endpoint = self.state().kept.take()?;
        let connection = endpoint.connection?;
        if endpoint.tracker.0 != host || endpoint.tracker.1 != port || connection.until <= Instant::now() {
            return None;
        }
        endpoint.connection = Some(ConnectionId { earlier: true, ..connection });
        endpoint.transactions = transactions();
        Some(endpoint)
    }

    /// An endpoint for each address of the host that there is a way to. Puts into `failure` why there is no
    /// way to the others.
    fn endpoints(
        &self,
        tracker: &TrackerAddress,
        deadline: Instant,
        failure: &mut TrackerError,
    ) -> Result<Vec<TrackerEndpoint>, TrackerError> {
        let (host, port) = tracker.endpoint()?;
        let within = deadline.saturating_duration_since(Instant::now()).min(NAME_DEADLINE);
        let mut found = (self.look_up)(host, port, within).map_err(|error| match error.kind() {
            ErrorKind::TimedOut => TrackerError::TimedOut { awaited: NAME, seconds: within.as_secs() },
            _ => TrackerError::NoName(excerpt(reason(&error))),
        })?;
        found.retain(|to| {
            let is_ours = self.outlet.leads_to_ourselves(*to);
            let refusal = may_ask(tracker.word(), Question::Packet, *to, is_ours).err();
            refusal.map(|refusal| *failure = TrackerError::NotAsked(refusal)).is_none()
        });
        // With a named bind address, an address that cannot be reached from it is tried all the same, because
        // the error says so.
        found.retain(|to| {
            self.outlet.bind_address.address().is_some() || self.outlet.bind_address.reaches(*to)
        });
        let mut endpoints = Vec::new();
        for to in self.in_turn(found) {
            match UdpChannel::open(self.outlet.bind_address, to) {
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

    /// The addresses in the order in which they are tried. Addresses of a family that we cannot leave by come
    /// last; they are tried for the error that they bring.
    fn in_turn(&self, found: Vec<SocketAddr>) -> Vec<SocketAddr> {
        let reaches = |to: &SocketAddr| self.outlet.bind_address.reaches(*to);
        let (mut turns, mut last): (Vec<_>, Vec<_>) = by_turns(found).into_iter().partition(reaches);
        turns.append(&mut last);
        turns.truncate(MAX_ADDRESSES);
        turns
    }

    /// Asks one endpoint, first for a connection ID if it has none. `first` is the wait for the connection
    /// ID, `patience` the wait for the response.
    fn ask(
        &self,
        endpoint: &mut TrackerEndpoint,
        request: UdpRequest<'_>,
        [first, patience]: [Duration; 2],
        deadline: Instant,
    ) -> Result<UdpResponse, NoResponse> {
        let mut refused = 0;
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
                endpoint.connection = Some(ConnectionId { id, until, earlier: false });
                continue;
            };
            let until = deadline.min(Instant::now() + patience);
            let heard = self.ask_once(&endpoint.channel, request, connection.id, to_ask, until);
            let refusal = match &heard {
                Err(NoResponse::Final(TrackerError::Refused(words))) => Some(words),
                _ => None,
            };
            // A name may stand for several servers, of which each knows its own IDs alone.
            let is_of_another = refusal.is_some_and(|words| is_about_connection(words)) && refused < MORE_IDS;
            if heard.is_err() && (connection.earlier || is_of_another) {
                endpoint.connection = None;
                // Trackers say "I do not know this connection ID" in their own words, so where the ID is an old one
                // any refusal is followed by one more try, under a new ID. Some say nothing: then the next round
                // begins with a new ID.
                if refusal.is_some() {
                    refused += 1;
                    endpoint.transactions = transactions();
                    continue;
                }
            }
            return heard;
        }
    }

    /// Sends the request once, and waits for its response. Ignores every other packet.
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
            if state.is_aborted {
                return Err(broken(ErrorKind::ConnectionAborted.into()));
            }
            state.asking = Some(Arc::clone(channel));
        }
        let sent = request.to_wire(connection, transaction);
        let see = |direction, packet: &[u8]| {
            let tap = &self.outlet.tap;
            let unknown = SocketAddr::new(IpFamily::of(channel.peer().ip()).unspecified(), 0);
            tap.tell(|| {
                let ends = [channel.ours().unwrap_or(unknown), channel.peer()];
                Seen::Packet(Protocol::Tracker, direction, ends, packet.to_vec())
            });
        };
        see(Direction::Out, &sent);
        channel.send(&sent).map_err(broken)?;
        let mut packet = [0; MAX_RESPONSE];
        while let Some(length) = channel.receive(&mut packet, until).map_err(broken)? {
            let packet = packet.get(..length).unwrap_or_default();
            see(Direction::In, packet);
            if let Some(reply) = request.response(packet, transaction, IpFamily::of(channel.peer().ip())) {
                return reply.map_err(NoResponse::Final);
            }
        }
        Err(NoResponse::Silent)
    }

    /// The address that answered last.
    fn answered_from(&self) -> Option<SocketAddr> {
        self.state().kept.as_ref().map(|endpoint| endpoint.channel.peer())
    }

    fn state(&self) -> MutexGuard<'_, UdpState> {
        lock(&self.state)
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
            UdpResponse::Announced(answer) => Ok(answer.believed_from(self.answered_from())),
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
    fn close_idle(&self) {
        let mut state = self.state();
        (state.asking, state.kept) = (None, None);
    }

    /// Ends the exchange that is running, and makes all later ones fail. An exchange that is still looking up
    /// a name ends at the deadline for that.
    fn abort(&self) {
        let mut state = self.state();
        state.is_aborted = true;
        if let Some(channel) = state.asking.take() {
            channel.hang_up();
        }
    }
}

/// Two numbers that a host cannot guess unless it sees our packets. They come from the system's random
/// numbers, through the keyed hash of the standard library's hash tables.
fn transactions() -> [u32; 2] {
    let chance = RandomState::new().hash_one(0);
    [chance as u32, (chance >> 32) as u32]
}

/// Whether a refusal is one of the connection ID: "Connection ID missmatch." (opentracker), "Invalid connection ID".
fn is_about_connection(words: &str) -> bool {
    words.to_ascii_lowercase().contains("connection")
}

fn unreachable(error: &io::Error) -> TrackerError {
    TrackerError::Unreachable(excerpt(reason(error)))
}

/// Never happens: a request has only one kind of response.
fn other_response() -> TrackerError {
    TrackerError::Nonsense("an answer to another request".into())
}

#[cfg(test)]
mod tests;
