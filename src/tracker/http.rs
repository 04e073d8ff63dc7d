//! Announcing and scraping over HTTP and HTTPS: one GET with a deadline, and its answer with a limit.
//!
//! Runs on the thread of the caller; another thread calls [`abort`](TrackerProtocol::abort) to end a request
//! that is running. It decides nothing: the tier decides which tracker to ask and when.

use crate::metainfo::InfoHash;
use crate::thread::lock;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::address::TrackerAddress;
use super::announce::Announce;
use super::answer::{Answer, MAX_ANSWER};
use super::error::{NAME, TrackerError, excerpt};
use super::protocol::TrackerProtocol;
use super::scrape::Scrape;
use crate::net::Outlet;
pub use crate::net::http::USER_AGENT;
use crate::net::http::{Awaited, Errand, WebClient, WebError, forwarded_by};

/// The time that an announce may take in all: name, connection, TLS, redirects, answer.
pub const ANNOUNCE_DEADLINE: Duration = Duration::from_secs(20);

/// How long looking up the name may take, and then how long connecting may take. Both are part of the above.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// Speaks with the HTTP trackers of one tier.
pub struct HttpTracker {
    outlet: Outlet,
    user_agent: Arc<str>,
    connections: Mutex<Connections>,
}

enum Connections {
    /// No connection is open.
    Closed,
    /// The client, in which the connection of the last announce may still be open.
    Open(WebClient),
    /// Aborted: each later request fails.
    Aborted,
}

impl HttpTracker {
    /// A client that goes out by `outlet`. Opens nothing and costs nothing yet. TLS is set up with the first
    /// https address.
    pub fn new(outlet: Outlet, user_agent: Arc<str>) -> HttpTracker {
        HttpTracker { outlet, user_agent, connections: Mutex::new(Connections::Closed) }
    }

    /// One like this that has not been aborted.
    pub fn anew(&self) -> HttpTracker {
        HttpTracker::new(self.outlet.clone(), Arc::clone(&self.user_agent))
    }

    /// Fetches `url`, an address of this tracker, and reads what comes. Returns it with the address that it came
    /// from, if that is known. A server may break off, or announce more than it sends: if what came can be read,
    /// it is the answer all the same.
    fn fetch<Read>(
        &self,
        tracker: &TrackerAddress,
        url: &str,
        within: Duration,
        read: impl FnOnce(&[u8]) -> Result<Read, TrackerError>,
    ) -> Result<(Read, Option<SocketAddr>), TrackerError> {
        let within = within.min(ANNOUNCE_DEADLINE);
        let failure = |error| tracker_error(error, within);
        let errand = Errand { word: tracker.word(), question: tracker.question(), within };
        let mut answer = self.client()?.get(url, errand).map_err(failure)?;
        let (body, broken) = answer.read(MAX_ANSWER).map_err(failure)?;
        let read = match body.trim_ascii_start().starts_with(b"<") {
            true => Err(TrackerError::WebPage),
            false => read(&body),
        };
        let read = with_status(answer.status(), read).map_err(|error| match error {
            TrackerError::Status(status) => match forwarded_by(&self.outlet, url) {
                Some(proxy) => TrackerError::StatusBehind(status, proxy),
                None => error,
            },
            error => error,
        });
        match (read, broken) {
            (Err(TrackerError::Nonsense(_)), Some(error)) => Err(failure(error)),
            (read, _) => Ok((read?, answer.from)),
        }
    }

    fn client(&self) -> Result<WebClient, TrackerError> {
        let mut connections = lock(&self.connections);
        match &*connections {
            Connections::Open(client) => Ok(client.clone()),
            Connections::Closed => {
                let client = WebClient::new(self.outlet.clone(), &self.user_agent, CONNECT_DEADLINE);
                *connections = Connections::Open(client.clone());
                Ok(client)
            }
            Connections::Aborted => Err(TrackerError::Unreachable("the connection failed".into())),
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
        let url = tracker.with_query(&announce.query());
        let (answer, from) = self.fetch(tracker, &url, within, Answer::parse)?;
        Ok(answer.believed_from(from))
    }

    /// With the same deadlines.
    fn scrape(
        &self,
        tracker: &TrackerAddress,
        info_hash: InfoHash,
        within: Duration,
    ) -> Result<Scrape, TrackerError> {
        let url = tracker.scrape().ok_or(TrackerError::NoScrape)?.with_query(&Scrape::query(info_hash));
        Ok(self.fetch(tracker, &url, within, |body| Scrape::parse(body, info_hash))?.0)
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
        if let Connections::Open(client) = std::mem::replace(&mut *connections, Connections::Aborted) {
            client.abort();
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

/// Whether the other side ended the connection.
fn is_hang_up(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UnexpectedEof
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
    )
}

/// The error without the address that it may contain.
fn tracker_error(error: WebError, within: Duration) -> TrackerError {
    match error {
        WebError::TimedOut(awaited) => {
            let (awaited, limit) = match awaited {
                Awaited::Name => (NAME, CONNECT_DEADLINE),
                Awaited::Connection => ("connection", CONNECT_DEADLINE),
                Awaited::Answer => ("answer", within),
            };
            TrackerError::TimedOut { awaited, seconds: limit.min(within).as_secs() }
        }
        WebError::Refused(refusal) => TrackerError::NotAsked(refusal),
        WebError::BadAddress => TrackerError::BadAddress("it, or where it redirects to, is malformed"),
        WebError::TooLarge => TrackerError::TooLarge,
        WebError::NoAddress => TrackerError::NoAddress,
        WebError::Redirects => TrackerError::Nonsense("it redirects in a circle".into()),
        WebError::Nonsense(why) => TrackerError::Nonsense(excerpt(why)),
        other @ (WebError::Magnet(_) | WebError::Scheme(_)) => {
            TrackerError::Nonsense(excerpt(other.to_string()))
        }
        WebError::Name(why) => TrackerError::NoName(excerpt(why)),
        WebError::Tls(why) => TrackerError::Barred(excerpt(why)),
        WebError::NoTls => TrackerError::Barred(error.to_string()),
        WebError::Proxy(error) => TrackerError::Barred(excerpt(error.to_string())),
        WebError::Broken(error) if is_hang_up(&error) => TrackerError::HungUp,
        broken @ WebError::Broken(_) => TrackerError::Unreachable(excerpt(broken.to_string())),
    }
}
