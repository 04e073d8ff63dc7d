//! Asks before each connection of an HTTP client whether it may be made.
//!
//! The library looks a name up, keeps connections for later requests and connects to proxies by itself. So
//! the question is asked at the lowest place: of each address right before we connect to it, and of the
//! address that a kept connection leads to before it is used again. A name that is given another address in
//! between (DNS rebinding) leads nowhere.

use crate::net::Outlet;
use crate::strategy::{OnWordOf, Question, Refusal, may_ask};
use crate::thread::lock;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use ureq::http::Uri;

/// What one client may ask now, shared with its connections.
#[derive(Debug)]
pub(super) struct Guard {
    pub outlet: Outlet,
    request: Mutex<Request>,
}

#[derive(Debug)]
struct Request {
    word: OnWordOf,
    question: Question,
    /// The address that the request went to.
    reached: Option<SocketAddr>,
}

impl Guard {
    pub fn new(outlet: Outlet) -> Guard {
        let (word, question) = (OnWordOf::User, Question::Web);
        Guard { outlet, request: Mutex::new(Request { word, question, reached: None }) }
    }

    /// The next request goes to `uri`. A host that is an address is judged at once, because behind a proxy we
    /// see no other.
    pub fn begin(&self, uri: &Uri, word: OnWordOf, question: Question) -> Result<(), Refusal> {
        *lock(&self.request) = Request { word, question, reached: None };
        match literal(uri) {
            Some(to) => self.judge(to),
            None => Ok(()),
        }
    }

    /// Whether the request may go to this address.
    pub fn judge(&self, to: SocketAddr) -> Result<(), Refusal> {
        let is_ours = self.outlet.leads_to_ourselves(to);
        let request = lock(&self.request);
        may_ask(request.word, request.question, to, is_ours)
    }

    /// The request goes to this address.
    pub fn reached(&self, to: SocketAddr) {
        lock(&self.request).reached = Some(to);
    }

    /// The address that the request went to. `None` behind a proxy.
    pub fn address(&self) -> Option<SocketAddr> {
        lock(&self.request).reached
    }
}

/// The address that the host is, or means on every system.
fn literal(uri: &Uri) -> Option<SocketAddr> {
    let host = uri.host()?.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
    let is_localhost = host == "localhost" || host.ends_with(".localhost");
    let ip = if is_localhost { Some(IpAddr::V4(Ipv4Addr::LOCALHOST)) } else { host.parse().ok() };
    let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    Some(SocketAddr::new(ip?, uri.port_u16().unwrap_or(usual)))
}
