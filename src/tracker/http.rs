//! Announcing and scraping over HTTP and HTTPS: one GET with a deadline, and its answer with a limit.
//!
//! Runs on the thread of the caller; another thread calls [`abort`](TrackerProtocol::abort) to end a request
//! that is running. It decides nothing: the tier decides which tracker to ask and when. It is the only file
//! of `tracker` that uses the HTTP library.

use crate::metainfo::InfoHash;
use crate::thread::lock;
use std::io::{ErrorKind, Read as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ureq::Agent;

use super::address::TrackerAddress;
use super::announce::Announce;
use super::answer::{Answer, MAX_ANSWER};
use super::client::TrackerProtocol;
use super::error::{TrackerError, excerpt};
use super::scrape::Scrape;
use crate::net::{BindAddress, basic_auth, http, http_body};

/// The time that an announce may take in all: name, connection, TLS, redirects, answer.
pub const ANNOUNCE_DEADLINE: Duration = Duration::from_secs(20);

/// What we call ourselves unless the user wants another name.
pub const USER_AGENT: &str = concat!("femtotorrent/", env!("CARGO_PKG_VERSION"));

/// How long looking up the name may take, and then how long connecting may take. Both are part of the above.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// Redirects that we follow. One is common (http to https); more than a few are a loop.
const MAX_REDIRECTS: u32 = 5;

/// Bytes of a response's head, and of the buffer that it must fit into.
const MAX_HEAD: usize = 16 * 1024;

/// Bytes of the request: an address and what we add to it, or a longer address that we were redirected to.
const MAX_REQUEST: usize = 8 * 1024;

/// Speaks with the HTTP trackers of one tier.
pub struct HttpTracker {
    bind_address: BindAddress,
    user_agent: Arc<str>,
    connections: Mutex<Connections>,
}

enum Connections {
    /// No connection is open.
    Closed,
    /// The library's state, in which the connection of the last announce may still be open.
    Open(Agent),
    /// Aborted: each later request fails.
    Aborted,
}

impl HttpTracker {
    /// A client whose connections leave by `bind_address`. Opens nothing and costs nothing yet. TLS is set up
    /// with the first https address.
    pub fn new(bind_address: BindAddress, user_agent: Arc<str>) -> HttpTracker {
        HttpTracker { bind_address, user_agent, connections: Mutex::new(Connections::Closed) }
    }

    /// One like this that has not been aborted.
    pub fn anew(&self) -> HttpTracker {
        HttpTracker::new(self.bind_address, Arc::clone(&self.user_agent))
    }

    /// Fetches this address, and reads what comes. A server may break off, or announce more than it sends: if what
    /// came can be read, it is the answer all the same.
    fn fetch<Read>(
        &self,
        url: &str,
        within: Duration,
        read: impl FnOnce(&[u8]) -> Result<Read, TrackerError>,
    ) -> Result<Read, TrackerError> {
        let within = within.min(ANNOUNCE_DEADLINE);
        let failure = |error| tracker_error(error, within);
        let (status, body, broken) = self.get(url, within).map_err(failure)?;
        match (with_status(status, read(&body)), broken) {
            (Err(TrackerError::Nonsense(_)), Some(error)) => Err(failure(error)),
            (answer, _) => answer,
        }
    }

    /// The status, the body, and what went wrong before its end.
    fn get(&self, url: &str, within: Duration) -> Result<(u16, Vec<u8>, Option<ureq::Error>), ureq::Error> {
        let agent = self.agent()?;
        let (url, authorization) = basic_auth::split(url);
        let mut request = agent.get(url);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        // Settings of a single request would keep the library from reusing its TLS set-up.
        let mut response = if within < ANNOUNCE_DEADLINE {
            request.config().timeout_global(Some(within)).build().call()?
        } else {
            request.call()?
        };
        let status = response.status().as_u16();
        let mut body = Vec::new();
        // The limit of what is read counts bytes after decompression, so it stops a decompression bomb too.
        let mut reader = http_body::reader(&mut response, 2 * MAX_ANSWER).take(MAX_ANSWER + 1);
        let broken = reader.read_to_end(&mut body).err().map(ureq::Error::from);
        match body.len() as u64 > MAX_ANSWER {
            true => Err(ureq::Error::BodyExceedsLimit(MAX_ANSWER)),
            false => Ok((status, body, broken)),
        }
    }

    fn agent(&self) -> Result<Agent, ureq::Error> {
        let mut connections = lock(&self.connections);
        match &*connections {
            Connections::Open(agent) => Ok(agent.clone()),
            Connections::Closed => {
                let agent = http::agent(configuration(&self.user_agent), self.bind_address);
                *connections = Connections::Open(agent.clone());
                Ok(agent)
            }
            Connections::Aborted => Err(ureq::Error::ConnectionFailed),
        }
    }

    /// Whether it has been aborted.
    pub fn is_aborted(&self) -> bool {
        matches!(&*lock(&self.connections), Connections::Aborted)
    }
}

impl TrackerProtocol for HttpTracker {
    /// Takes no longer than [`ANNOUNCE_DEADLINE`], however long `within` is.
    fn announce(
        &self,
        tracker: &TrackerAddress,
        announce: &Announce,
        within: Duration,
    ) -> Result<Answer, TrackerError> {
        self.fetch(&tracker.with_query(&announce.query()), within, Answer::parse)
    }

    /// With the same deadlines.
    fn scrape(
        &self,
        tracker: &TrackerAddress,
        info_hash: InfoHash,
        within: Duration,
    ) -> Result<Scrape, TrackerError> {
        let tracker = tracker.scrape().ok_or(TrackerError::NoScrape)?;
        let url = tracker.with_query(&Scrape::query(info_hash));
        self.fetch(&url, within, |body| Scrape::parse(body, info_hash))
    }

    /// Closes the connection that the last announce may have left open, and frees its memory.
    fn close_idle(&self) {
        let mut connections = lock(&self.connections);
        if let Connections::Open(_) = &*connections {
            *connections = Connections::Closed;
        }
    }

    /// Ends the request that is running, and makes all later ones fail. A request that is still looking up a
    /// name or connecting ends at [`CONNECT_DEADLINE`].
    fn abort(&self) {
        let mut connections = lock(&self.connections);
        if let Connections::Open(agent) = std::mem::replace(&mut *connections, Connections::Aborted) {
            agent.shutdown();
        }
    }
}

/// What an answer with this status counts as. A tracker may send its reason with any status, and a reason is
/// better than a number.
fn with_status<Read>(status: u16, answer: Result<Read, TrackerError>) -> Result<Read, TrackerError> {
    match (&answer, status) {
        (Err(TrackerError::Refused(_) | TrackerError::RefusedFor(..)), _) | (_, 200..=299) => answer,
        _ => Err(TrackerError::Status(status)),
    }
}

fn configuration(user_agent: &str) -> ureq::config::Config {
    Agent::config_builder()
        .user_agent(user_agent)
        .http_status_as_error(false)
        .accept_encoding(http_body::ENCODINGS)
        .max_redirects(MAX_REDIRECTS)
        .timeout_global(Some(ANNOUNCE_DEADLINE))
        .timeout_resolve(Some(CONNECT_DEADLINE))
        .timeout_connect(Some(CONNECT_DEADLINE))
        .input_buffer_size(MAX_HEAD)
        .max_response_header_size(MAX_HEAD)
        .output_buffer_size(MAX_REQUEST)
        .max_idle_connections(1)
        .max_idle_connections_per_host(1)
        .build()
}

/// The library's error without the address that it may contain.
fn tracker_error(error: ureq::Error, within: Duration) -> TrackerError {
    match error {
        ureq::Error::Timeout(phase) => {
            let (awaited, limit) = match phase {
                ureq::Timeout::Resolve => ("address for its name", CONNECT_DEADLINE),
                ureq::Timeout::Connect => ("connection", CONNECT_DEADLINE),
                _ => ("answer", within),
            };
            TrackerError::TimedOut { awaited, seconds: limit.as_secs() }
        }
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            TrackerError::BadAddress("it, or where it redirects us to, is malformed")
        }
        ureq::Error::BodyExceedsLimit(_) => TrackerError::TooLarge,
        ureq::Error::HostNotFound => TrackerError::NoAddress,
        ureq::Error::ConnectionFailed => TrackerError::Unreachable("the connection failed".into()),
        ureq::Error::TooManyRedirects => TrackerError::Nonsense("it redirects in a circle".into()),
        // The compressed bytes are none.
        ureq::Error::Io(error)
            if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::InvalidData) =>
        {
            TrackerError::Nonsense(excerpt(error.to_string()))
        }
        ureq::Error::Io(error) => TrackerError::Unreachable(excerpt(error.to_string())),
        ureq::Error::Protocol(error) => TrackerError::Nonsense(excerpt(error.to_string())),
        other => TrackerError::Unreachable(excerpt(other.to_string())),
    }
}
