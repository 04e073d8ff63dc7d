//! Asks before each connection of an HTTP client whether it may be made.
//!
//! The library looks a name up and keeps connections for later requests by itself. So
//! the question is asked at the lowest place: of each address right before we connect to it, and of the
//! address that a kept connection leads to before it is used again. A name that is given another address in
//! between (DNS rebinding) leads nowhere.

use super::ahead::Foresight;
use crate::net::Outlet;
use crate::net::proxy::Proxy;
use crate::strategy::{self, OnWordOf, Question, Refusal, may_ask, may_ask_name};
use crate::thread::lock;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use ureq::http::Uri;

/// What one client may ask now, shared with its connections.
pub(super) struct Guard {
    pub outlet: Outlet,
    request: Mutex<Request>,
    /// No read waits: one that would fails with `WouldBlock`. Connections to a proxy obey it too.
    pub at_once: Arc<AtomicBool>,
    /// What will be asked for next at the server that is asked now, and what was asked for ahead.
    pub foresight: Arc<Foresight>,
}

struct Request {
    word: OnWordOf,
    question: Question,
    /// The address that the request went to.
    reached: Option<SocketAddr>,
}

// The library asks for this and prints it nowhere: all that is in it would be linked to be printed.
impl fmt::Debug for Guard {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Guard").finish_non_exhaustive()
    }
}

impl Guard {
    pub fn new(outlet: Outlet) -> Guard {
        let (word, question) = (OnWordOf::User, Question::Web);
        let request = Mutex::new(Request { word, question, reached: None });
        Guard { outlet, request, at_once: Arc::default(), foresight: Arc::default() }
    }

    /// The proxy that a request to `uri` goes through, if it goes through one.
    pub fn proxy_for(&self, uri: &Uri) -> Option<&Arc<Proxy>> {
        self.outlet.proxies.for_web(uri.scheme_str()?, uri.host()?, uri.port_u16())
    }

    /// The next request goes to `uri`. A host that is an address is judged at once, because behind a proxy we
    /// see no other; there a name is judged by itself.
    pub fn begin(&self, uri: &Uri, word: OnWordOf, question: Question) -> Result<(), Refusal> {
        *lock(&self.request) = Request { word, question, reached: None };
        match literal(uri) {
            Some(to) => self.judge(to),
            None if self.proxy_for(uri).is_some() => {
                may_ask_name(word, question, uri.host().unwrap_or_default())
            }
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
    let ip = strategy::literal(uri.host()?)?;
    let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    Some(SocketAddr::new(ip, uri.port_u16().unwrap_or(usual)))
}
