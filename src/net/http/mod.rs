//! HTTP and HTTPS: one GET with a deadline, its redirects, and its answer with a limit.
//!
//! Runs on the thread of the caller; another thread calls [`abort`](WebClient::abort) to end a request that
//! is running. It is the only place that knows the HTTP library. The library makes requests and nothing more:
//! connections are ours (`connector`), so that they leave by the address that the user wants, through the proxy that
//! they want (`tunnel`, `forwarding`), and go only where they may (`guard`), and so is the decision where a redirect
//! leads (`redirect`) and which certificate is believed (`tls`).

mod ahead;
pub mod body;
mod connected;
mod connector;
mod content_range;
#[cfg(feature = "tls")]
mod cryptography;
mod forwarding;
mod guard;
mod gzip;
mod head;
mod range;
mod redirect;
mod retry_after;
mod site;
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
mod tls;
#[cfg(feature = "tls")]
mod tls_connector;
mod tunnel;

pub use ahead::{Foreseen, MOST_REQUESTS};
pub use content_range::ContentRange;
pub use head::Heads;
pub use range::{RangeAnswer, RangeHead};
pub use retry_after::{LONGEST_WAIT, date, retry_after};
pub use site::Site;
pub use tls::Authorities;

use super::proxy::{ProxyError, ProxyFault, ProxyKind};
use super::{NO_NAME_SERVER, NameFault, Outlet};
use crate::strategy::{OnWordOf, Question, Refusal};
use crate::text::{printable, reason};
use crate::thread::lock;
use guard::Guard;
use redirect::Target;
use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use ureq::config::ConfigBuilder;
use ureq::http::{HeaderMap, Response, Uri, header};
use ureq::typestate::{AgentScope, WithoutBody};
use ureq::{Agent, Body, RequestBuilder};

/// What we call ourselves.
pub const USER_AGENT: &str = concat!("femtotorrent/", env!("CARGO_PKG_VERSION"));

/// Redirects that we follow. One is common (http to https); more than a few are a circle.
const MAX_REDIRECTS: usize = 8;

/// Bytes of a response's head, and of the buffer that it must fit into.
const MAX_HEAD: usize = 16 * 1024;

/// Bytes of the request: an address, and what its sender adds to it, or a longer address that we were
/// redirected to.
const MAX_REQUEST: usize = 8 * 1024;

/// What is fetched, on whose word, and how long it may take.
#[derive(Clone, Copy, Debug)]
pub struct Errand {
    /// Who named the address.
    pub word: OnWordOf,
    /// What for.
    pub question: Question,
    /// How long it may take in all: name, connection, TLS, redirects, answer.
    pub within: Duration,
}

/// The proxy that a request to this address is handed to, which reads it, and may answer it itself.
pub fn forwarded_by(outlet: &Outlet, url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let proxy = outlet.proxies.for_web(uri.scheme_str()?, uri.host()?, uri.port_u16())?;
    (proxy.kind() == ProxyKind::Http && uri.scheme_str() == Some("http")).then(|| proxy.name())
}

/// Fetches from web servers, one request after the other.
#[derive(Clone, Debug)]
pub struct WebClient {
    agent: Agent,
    guard: Arc<Guard>,
}

impl WebClient {
    /// A client that goes out by `outlet` and calls itself `user_agent`. Looking up a name may take
    /// `patience`, and then connecting may. Opens nothing yet.
    pub fn new(outlet: Outlet, user_agent: &str, patience: Duration) -> WebClient {
        let config = usual_config(user_agent, patience).build();
        let guard = Arc::new(Guard::new(outlet));
        WebClient { agent: connector::agent(config, Arc::clone(&guard)), guard }
    }

    /// Fetches this address, and what it redirects to. A user name and a password in the address are sent to
    /// its server and to no other.
    ///
    /// # Errors
    ///
    /// There is no answer. Any status is one, except a redirect.
    pub fn get(&self, address: &str, errand: Errand) -> Result<WebAnswer, WebError> {
        let Errand { word, question, within } = errand;
        let started = Instant::now();
        let (response, _) = self.follow(Site::new(address, word), question, |request| {
            let left = within.saturating_sub(started.elapsed());
            request.config().timeout_global(Some(left)).build().call()
        })?;
        Ok(WebAnswer { from: self.guard.address(), response })
    }

    /// Asks at `site`, and then where it redirects to, in the way of `call`. Returns who answered, too.
    fn follow(
        &self,
        mut site: Site,
        mut question: Question,
        call: impl Fn(RequestBuilder<WithoutBody>) -> Result<Response<Body>, ureq::Error>,
    ) -> Result<(Response<Body>, Site), WebError> {
        for _ in 0..=MAX_REDIRECTS {
            let uri = self.begin(&site, question)?;
            let proxy = self.guard.proxy_for(&uri).cloned();
            let mut request = self.agent.get(uri);
            if let Some(authorization) = &site.authorization {
                request = request.header(header::AUTHORIZATION, authorization);
            }
            let server = request.uri_ref().map(authority).unwrap_or_default();
            let response = call(request).map_err(|error| self.explained(error.into()))?;
            if let Some(time) = date_of(response.headers()) {
                self.guard.outlet.clock.heard(&server, time);
            }
            let proxy = proxy.filter(|_| response.status().as_u16() == 407);
            if let Some(proxy) = proxy {
                let knows_us = proxy.authorization().is_some();
                let fault = if knows_us { ProxyFault::WrongPassword } else { ProxyFault::WantsPassword };
                return Err(WebError::Proxy(proxy.error(fault)));
            }
            let location = response.headers().get(header::LOCATION).filter(|_| redirects(&response));
            let Some(location) = location else { return Ok((response, site)) };
            let next = match redirect::target(&site.address, location.as_bytes()) {
                Target::Web(next) => next,
                Target::Magnet(link) => return Err(WebError::Magnet(link)),
                Target::Other(scheme) => return Err(WebError::Scheme(scheme)),
            };
            site = site.redirected(&next, self.guard.address());
            lock(&self.guard.foresight.next).clear();
            question = Question::Web;
        }
        Err(WebError::Redirects)
    }

    /// Whether a part of a file may be asked for at `site`, as far as its address says by itself. Which addresses its
    /// name has, and where it redirects to, is judged when it is asked.
    ///
    /// # Errors
    ///
    /// It may not, and never will.
    pub fn may_begin(&self, site: &Site) -> Result<(), WebError> {
        self.begin(site, Question::Web).map(drop)
    }

    /// The next request goes to `site`.
    fn begin(&self, site: &Site, question: Question) -> Result<Uri, WebError> {
        let uri: Uri = site.address.parse().map_err(|_| WebError::BadAddress)?;
        if !tls::IS_HERE && uri.scheme_str() == Some("https") {
            return Err(WebError::NoTls);
        }
        self.guard.begin(&uri, site.word, question).map_err(WebError::Refused)?;
        Ok(uri)
    }

    /// A certificate that is too old or too young may be explained by our clock.
    fn explained(&self, error: WebError) -> WebError {
        match error {
            WebError::Tls(words) => WebError::Tls(self.guard.outlet.clock.explained(words)),
            other => other,
        }
    }

    /// Ends the request that is running, and makes all later ones fail. A request that is still looking up a
    /// name or connecting ends at the deadline for that.
    pub fn abort(self) {
        self.agent.shutdown();
    }
}

/// What all requests have in common.
fn usual_config(user_agent: &str, patience: Duration) -> ConfigBuilder<AgentScope> {
    Agent::config_builder()
        // The library would look for one in the environment by itself.
        .proxy(None)
        .user_agent(user_agent)
        .http_status_as_error(false)
        .accept_encoding(body::ENCODINGS)
        .max_redirects(0)
        .timeout_resolve(Some(patience))
        .timeout_connect(Some(patience))
        .input_buffer_size(MAX_HEAD)
        .max_response_header_size(MAX_HEAD)
        .output_buffer_size(MAX_REQUEST)
        .max_idle_connections(1)
        .max_idle_connections_per_host(1)
}

fn redirects(response: &Response<Body>) -> bool {
    matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The time that the server says it is, in seconds since 1970.
fn date_of(headers: &HeaderMap) -> Option<u64> {
    let word = |name| headers.get(name).and_then(|word| word.to_str().ok());
    // A cache says how old its copy is (RFC 9111, section 5.1).
    let age = word(header::AGE).and_then(|age| age.trim().parse().ok()).unwrap_or(0);
    Some(date(word(header::DATE)?)?.saturating_add(age))
}

/// The scheme, the host and the port, fit to print: without a path, which may have a password in it.
fn authority(uri: &Uri) -> String {
    let port = uri.port_u16().map_or(String::new(), |port| format!(":{port}"));
    let (scheme, host) = (uri.scheme_str().unwrap_or_default(), uri.host().unwrap_or_default());
    format!("{scheme}://{}{port}", printable(host))
}

/// What a server answered.
#[derive(Debug)]
pub struct WebAnswer {
    /// Its address. `None` behind a proxy.
    pub from: Option<SocketAddr>,
    response: Response<Body>,
}

impl WebAnswer {
    /// The status.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// The decompressed body, and what went wrong before its end: a server may break off, or announce more
    /// than it sends. The limit counts decompressed bytes, so that a small answer cannot become a huge one.
    ///
    /// # Errors
    ///
    /// [`WebError::TooLarge`].
    pub fn read(&mut self, limit: u64) -> Result<(Vec<u8>, Option<WebError>), WebError> {
        let mut body = Vec::new();
        let mut reader =
            body::reader(&mut self.response, limit.saturating_mul(2)).take(limit.saturating_add(1));
        let broken =
            reader.read_to_end(&mut body).err().map(|error| WebError::from(ureq::Error::from(error)));
        match (body.len() as u64 > limit, broken) {
            (true, _) | (_, Some(WebError::TooLarge)) => Err(WebError::TooLarge),
            (false, broken) => Ok((body, broken)),
        }
    }
}

/// Why there is no answer. No message contains an address that may have a password in it.
#[derive(Debug)]
pub enum WebError {
    /// We may not ask there.
    Refused(Refusal),
    /// The proxy makes no connection.
    Proxy(ProxyError),
    /// It is an https address, or redirects to one, and this build has no TLS.
    NoTls,
    /// There is no TLS with the server, or its certificate is not believed, for this reason.
    Tls(String),
    /// It redirects to this magnet link.
    Magnet(String),
    /// It redirects to an address of this scheme.
    Scheme(String),
    /// It redirects again and again.
    Redirects,
    /// The address, or the one that it redirects to, is malformed.
    BadAddress,
    /// The host has no address.
    NoAddress,
    /// The name of the host cannot be looked up, for this reason.
    Name(String),
    /// What we waited for did not come in time.
    TimedOut(Awaited),
    /// There is more than the limit.
    TooLarge,
    /// The connection failed or broke.
    Broken(io::Error),
    /// What the server says is no HTTP, or its compression is none.
    Nonsense(String),
}

/// What we waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// The address of a name.
    Name,
    /// The connection.
    Connection,
    /// The answer.
    Answer,
}

impl From<ureq::Error> for WebError {
    fn from(error: ureq::Error) -> WebError {
        let error = match error {
            ureq::Error::Other(error) => match error.downcast::<Refusal>() {
                Ok(refusal) => return WebError::Refused(*refusal),
                Err(error) => match error.downcast::<ProxyError>() {
                    Ok(error) => return WebError::Proxy(*error),
                    Err(error) => match tls::words(error) {
                        Ok(words) => return WebError::Tls(words),
                        Err(error) => match error.downcast::<NameFault>() {
                            Ok(fault) => return WebError::Name(fault.0),
                            Err(error) => ureq::Error::Other(error),
                        },
                    },
                },
            },
            other => other,
        };
        match error {
            ureq::Error::Timeout(ureq::Timeout::Resolve) => WebError::TimedOut(Awaited::Name),
            ureq::Error::Timeout(ureq::Timeout::Connect) => WebError::TimedOut(Awaited::Connection),
            ureq::Error::Timeout(_) => WebError::TimedOut(Awaited::Answer),
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => WebError::BadAddress,
            ureq::Error::BodyExceedsLimit(_) => WebError::TooLarge,
            ureq::Error::HostNotFound => WebError::NoAddress,
            // The compressed bytes are none.
            ureq::Error::Io(error)
                if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::InvalidData) =>
            {
                WebError::Nonsense(reason(&error))
            }
            ureq::Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
                WebError::Broken(io::Error::new(error.kind(), "the server closed the connection"))
            }
            ureq::Error::Io(error) => WebError::Broken(error),
            ureq::Error::ConnectionFailed => WebError::Broken(io::Error::other("the connection failed")),
            ureq::Error::Protocol(error) => {
                let why = error.to_string();
                WebError::Nonsense(match why.strip_prefix("http parse fail: ") {
                    Some(why) => format!("it is not HTTP ({why})"),
                    None => why,
                })
            }
            other => WebError::Broken(io::Error::other(other.to_string())),
        }
    }
}

impl fmt::Display for WebError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WebError::Refused(refusal) => write!(out, "{refusal}"),
            WebError::Proxy(error) => write!(out, "{error}"),
            WebError::NoTls => {
                write!(out, "this build has no TLS, which https:// needs (use the full build)")
            }
            WebError::Tls(why) => write!(out, "{why}"),
            WebError::Magnet(_) => write!(out, "redirects to a magnet link"),
            WebError::Scheme(scheme) => {
                write!(out, "redirects to a {scheme}: address (only http:// and https:// are followed)")
            }
            WebError::Redirects => write!(out, "redirects more than {MAX_REDIRECTS} times"),
            WebError::BadAddress => write!(out, "the address, or the one it redirects to, is malformed"),
            WebError::Name(why) => write!(out, "cannot look up its name: {why}"),
            WebError::NoAddress => write!(out, "the host has no address that can be used here"),
            WebError::TimedOut(Awaited::Name) => write!(out, "cannot look up its name: {NO_NAME_SERVER}"),
            WebError::TimedOut(Awaited::Connection) => write!(out, "no connection in time"),
            WebError::TimedOut(Awaited::Answer) => write!(out, "no answer in time"),
            WebError::TooLarge => write!(out, "sent too much data"),
            WebError::Broken(error) => write!(out, "{}", reason(error)),
            WebError::Nonsense(why) => write!(out, "sent an invalid response: {why}"),
        }
    }
}

#[cfg(test)]
mod tests;
