//! What is said to a proxy before a connection leads further: bytes out, bytes in.
//!
//! Pure: it knows no socket and no clock. Whoever has the socket sends what [`unsent`](Negotiation::unsent) gives, and
//! shows what has come to [`receive`](Negotiation::receive), which says how much of it was the proxy's: what follows
//! belongs to the peer or the server behind it, and has to stay where it is.

use super::{Proxy, ProxyError, ProxyFault, ProxyKind, Target, http_connect, socks5};
use std::sync::Arc;

/// The conversation with a proxy about one connection.
#[derive(Debug)]
pub struct Negotiation {
    proxy: Arc<Proxy>,
    target: Target,
    /// What is to be sent.
    outgoing: Vec<u8>,
    /// What has come of the answer that is waited for: 8 KiB at most.
    came: Vec<u8>,
    expected: Option<Awaited>,
    has_heard: bool,
}

#[derive(Clone, Copy, Debug)]
enum Awaited {
    Socks5(socks5::Awaited),
    Head,
}

impl Negotiation {
    /// The conversation about a connection to this target.
    pub fn new(proxy: Arc<Proxy>, target: Target) -> Negotiation {
        let (outgoing, expected) = match proxy.kind() {
            ProxyKind::Socks5 => {
                (socks5::hello(proxy.login.is_some()), Awaited::Socks5(socks5::Awaited::Method))
            }
            ProxyKind::Http => (http_connect::request(&proxy, &target), Awaited::Head),
        };
        Negotiation { proxy, target, outgoing, came: Vec::new(), expected: Some(expected), has_heard: false }
    }

    /// The proxy.
    pub fn proxy(&self) -> &Arc<Proxy> {
        &self.proxy
    }

    /// What is to be sent now.
    pub fn unsent(&self) -> &[u8] {
        &self.outgoing
    }

    /// So many bytes of it were sent.
    pub fn sent(&mut self, bytes: usize) {
        self.outgoing.drain(..bytes.min(self.outgoing.len()));
    }

    /// Whether the connection leads to its target.
    pub fn is_done(&self) -> bool {
        self.expected.is_none()
    }

    /// These bytes are there to be read. Returns how many of them are the proxy's: at least one, unless the connection
    /// leads to its target. They may be shown again only beyond those.
    ///
    /// # Errors
    ///
    /// The proxy refuses, or makes no sense.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<usize, ProxyError> {
        let mut taken = 0;
        while let (Some(awaited), Some(&byte)) = (self.expected, bytes.get(taken)) {
            // The answers are short, and one byte more decides whether one is complete.
            self.came.push(byte);
            taken += 1;
            self.has_heard = true;
            let heard = self.heard(awaited);
            let follows = heard.map_err(|fault| self.proxy.error(fault).about(&self.target))?;
            match follows {
                None => continue,
                Some(socks5::Next::Password) => {
                    self.outgoing.extend(self.proxy.login.iter().flat_map(socks5::password));
                    self.expected = Some(Awaited::Socks5(socks5::Awaited::Verdict));
                }
                Some(socks5::Next::Request) => {
                    self.outgoing.extend(socks5::request(&self.target));
                    self.expected = Some(Awaited::Socks5(socks5::Awaited::Connection));
                }
                Some(socks5::Next::Done) => self.expected = None,
            }
            self.came.clear();
        }
        Ok(taken)
    }

    /// What follows from what has come, if it is a whole answer.
    fn heard(&self, awaited: Awaited) -> Result<Option<socks5::Next>, ProxyFault> {
        let has_login = self.proxy.login.is_some();
        match awaited {
            Awaited::Socks5(awaited) => socks5::reply(awaited, has_login, &self.came),
            Awaited::Head => {
                let is_connected = http_connect::is_connected(has_login, &self.came)?;
                Ok(is_connected.then_some(socks5::Next::Done))
            }
        }
    }

    /// The proxy closed the connection.
    pub fn closed(&self) -> ProxyError {
        let fault = match self.has_heard && self.proxy.kind() == ProxyKind::Socks5 {
            // It answered, then had nothing to say about this target. Some proxies refuse in this way.
            true => ProxyFault::Refused(u8::MAX),
            false => ProxyFault::Closed,
        };
        self.proxy.error(fault).about(&self.target)
    }

    /// The time is over.
    pub fn timed_out(&self) -> ProxyError {
        let error = match self.has_heard {
            true => self.proxy.error(ProxyFault::NoConnection),
            false => self.proxy.silent(),
        };
        error.about(&self.target)
    }
}

#[cfg(test)]
mod tests;
