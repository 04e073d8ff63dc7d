//! Parts of files from a web server: a GET with a `Range`, and its answer as a stream.
//!
//! Runs on the thread of the caller. An answer to a range may be as long as the file, so it is read bit by bit into a
//! buffer of the caller, and each read has a deadline of its own. The bytes are to be those of the file, so no
//! compression is accepted, and nothing is unpacked.

use super::ahead::Foreseen;
use super::content_range::ContentRange;
use super::retry_after::retry_after;
use super::{Guard, Site, WebClient, WebError, connector, date_of, usual_config};
use crate::net::Outlet;
use crate::strategy::Question;
use crate::thread::lock;
use std::io::{self, ErrorKind, Read};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use ureq::BodyReader;
use ureq::http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Bytes that one read may bring. More would cost memory and save no time.
const READ_BYTES: usize = 128 * 1024;

/// How long the head of an answer may take.
const HEAD_DEADLINE: Duration = Duration::from_secs(30);

/// What the head of an answer says.
#[derive(Clone, Debug, Default)]
pub struct RangeHead {
    /// The status.
    pub status: u16,
    /// The range that it names. `Some(None)` where what it names is none.
    pub range: Option<Option<ContentRange>>,
    /// Bytes in the body, if it says so.
    pub length: Option<u64>,
    /// The body ends before the connection does.
    pub is_delimited: bool,
    /// It says that it is compressed, though we accept no compression. That may be said of the file itself.
    pub is_encoded: bool,
    /// How long it wants us to wait.
    pub retry_after: Option<Duration>,
}

/// The answer to a request for a part of a file.
pub struct RangeAnswer {
    /// What its head says.
    pub head: RangeHead,
    /// Where it came from, if that is not where we asked.
    pub moved_to: Option<Site>,
    body: BodyReader<'static>,
    at_once: Arc<AtomicBool>,
}

impl WebClient {
    /// A client for parts of files. It goes out by `outlet` and calls itself `user_agent`; looking up a name may take
    /// `patience`, and then connecting may. A read may take as long as `silence`.
    pub fn for_ranges(outlet: Outlet, user_agent: &str, patience: Duration, silence: Duration) -> WebClient {
        let config = usual_config(user_agent, patience)
            .accept_encoding("identity")
            .timeout_send_request(Some(HEAD_DEADLINE))
            .timeout_recv_response(Some(HEAD_DEADLINE))
            .timeout_per_read(Some(silence))
            .input_buffer_size(READ_BYTES)
            // One to the server that redirects, and one to the server that has the files.
            .max_idle_connections(2)
            .build();
        let guard = Arc::new(Guard::new(outlet));
        WebClient { agent: connector::agent(config, Arc::clone(&guard)), guard }
    }

    /// Asks for these bytes of the file at `site`, or where that redirects to. What is `foreseen` will be asked for next,
    /// at the same server, so requests for it may go out already.
    ///
    /// # Errors
    ///
    /// There is no answer. Any status is one, except a redirect.
    pub fn get_range(
        &self,
        site: &Site,
        bytes: &Range<u64>,
        foreseen: Vec<Foreseen>,
    ) -> Result<RangeAnswer, WebError> {
        *lock(&self.guard.foresight.next) = foreseen;
        let range = format!("bytes={}-{}", bytes.start, bytes.end.saturating_sub(1));
        let (response, from) = self
            .follow(site.clone(), Question::Web, |request| request.header(header::RANGE, &*range).call())?;
        let moved_to = (from != *site).then_some(from);
        let (parts, body) = response.into_parts();
        Ok(RangeAnswer {
            head: head(parts.status.as_u16(), &parts.headers),
            moved_to,
            body: body.into_reader(),
            at_once: Arc::clone(&self.guard.at_once),
        })
    }
}

impl WebClient {
    /// How many requests for what was foreseen are on their way.
    pub fn sent_ahead(&self) -> usize {
        self.guard.foresight.sent.load(Ordering::Relaxed)
    }
}

impl RangeAnswer {
    /// Reads some bytes of the body. None at its end.
    ///
    /// # Errors
    ///
    /// The connection broke, or nothing came in time.
    pub fn read(&mut self, into: &mut [u8]) -> Result<usize, WebError> {
        self.body.read(into).map_err(web_error)
    }

    /// The same, of what is there already. `None` where it would have to wait.
    ///
    /// # Errors
    ///
    /// The connection broke.
    pub fn read_at_once(&mut self, into: &mut [u8]) -> Result<Option<usize>, WebError> {
        self.at_once.store(true, Ordering::Relaxed);
        let read = self.body.read(into);
        self.at_once.store(false, Ordering::Relaxed);
        match read {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            read => read.map(Some).map_err(web_error),
        }
    }
}

fn web_error(error: io::Error) -> WebError {
    WebError::from(ureq::Error::from(error))
}

/// The time by which a server means a date. Our own clock may be wrong by years.
fn time_at_server(headers: &HeaderMap) -> SystemTime {
    let date =
        date_of(headers).and_then(|date| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(date)));
    date.unwrap_or_else(SystemTime::now)
}

fn head(status: u16, headers: &HeaderMap) -> RangeHead {
    let get = |name: HeaderName| headers.get(name).map(HeaderValue::as_bytes);
    let length =
        get(header::CONTENT_LENGTH).and_then(|value| str::from_utf8(value).ok()?.trim().parse().ok());
    let encoding = get(header::CONTENT_ENCODING).unwrap_or_default().trim_ascii();
    RangeHead {
        status,
        range: get(header::CONTENT_RANGE).map(ContentRange::parse),
        length,
        is_delimited: length.is_some() || get(header::TRANSFER_ENCODING).is_some(),
        is_encoded: !encoding.is_empty() && !encoding.eq_ignore_ascii_case(b"identity"),
        retry_after: get(header::RETRY_AFTER).and_then(|value| retry_after(value, time_at_server(headers))),
    }
}
