//! Why a connection through a proxy did not come about: by the fault of the proxy, or of what it was to connect to.
//!
//! The difference matters. A peer that the proxy cannot reach is as good as dead. But a proxy that is down, or wants
//! a password, says nothing about any peer, and the user has to do something.

use super::{ProxyKind, Target};
use std::fmt;

/// Why there is no connection, with the proxy that was asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyError {
    /// Its host and port.
    pub(super) proxy: String,
    pub(super) kind: ProxyKind,
    /// What it was to connect to, where that says more than the address that we know.
    pub(super) target: Option<Target>,
    /// What went wrong.
    pub fault: ProxyFault,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyFault {
    /// No connection to the proxy, for this reason.
    Unreachable(String),
    /// It takes connections and says nothing.
    Silent,
    /// It closed the connection without an answer.
    Closed,
    /// What it says is no answer, for this reason.
    Nonsense(&'static str),
    /// It wants a user name and a password, and we have none.
    WantsPassword,
    /// It does not take those that we have.
    WrongPassword,
    /// It connects to nothing, whatever it is asked: an HTTP status, or a SOCKS5 reply.
    Useless(u16),
    /// It made no connection in time, though it works.
    NoConnection,
    /// It made no connection, and this SOCKS5 reply says why (RFC 1928, section 6).
    Refused(u8),
    /// It made no connection, and this HTTP status says why.
    Status(u16),
}

impl ProxyError {
    /// Whether the proxy is to blame, and no address that it was to connect to.
    pub fn is_of_the_proxy(&self) -> bool {
        !matches!(self.fault, ProxyFault::NoConnection | ProxyFault::Refused(_) | ProxyFault::Status(_))
    }

    /// The same error, saying what the proxy was to connect to.
    pub(super) fn about(self, target: &Target) -> ProxyError {
        ProxyError {
            target: Some(target.clone()).filter(|target| matches!(target, Target::Name(..))),
            ..self
        }
    }
}

/// The meaning of a SOCKS5 reply (RFC 1928, section 6).
fn in_words(reply: u8) -> &'static str {
    match reply {
        1 => "general failure",
        2 => "forbidden by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "timed out",
        8 => "address type not supported",
        _ => "no reason given",
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ProxyError { proxy, kind, target, fault } = self;
        let scheme = if *kind == ProxyKind::Http { "http" } else { "socks5h" };
        write!(out, "the proxy {proxy} ")?;
        let to = |out: &mut fmt::Formatter<'_>| match target {
            Some(target) => write!(out, " to {target}"),
            None => Ok(()),
        };
        match fault {
            ProxyFault::Unreachable(why) => {
                write!(out, "cannot be reached: {why} (is it running, is the address right?)")
            }
            ProxyFault::Silent => write!(out, "does not answer (is it running, is it a {scheme}:// proxy?)"),
            ProxyFault::Closed => {
                write!(out, "closed the connection without an answer (is it a {scheme}:// proxy?)")
            }
            ProxyFault::Nonsense(why) => {
                write!(out, "sent an invalid response: {why} (is it a {scheme}:// proxy?)")
            }
            ProxyFault::WantsPassword => {
                write!(out, "requires a user name and password (use {scheme}://USER:PASSWORD@{proxy})")
            }
            ProxyFault::WrongPassword => write!(out, "rejected the user name and password"),
            ProxyFault::Useless(code) => match kind {
                ProxyKind::Http => {
                    write!(out, "does not connect to other hosts: status {code} (use a SOCKS5 proxy)")
                }
                ProxyKind::Socks5 => write!(out, "does not connect to other hosts: reply {code}"),
            },
            ProxyFault::NoConnection => {
                write!(out, "cannot connect")?;
                to(out)?;
                write!(out, " in time")
            }
            ProxyFault::Refused(reply) => {
                write!(out, "cannot connect")?;
                to(out)?;
                write!(out, ": {}", in_words(*reply))
            }
            ProxyFault::Status(status) => {
                write!(out, "cannot connect")?;
                to(out)?;
                write!(out, ": status {status}")?;
                match status {
                    403 => write!(out, " (many HTTP proxies allow only port 443; try a SOCKS5 proxy)"),
                    _ => Ok(()),
                }
            }
        }
    }
}

impl std::error::Error for ProxyError {}
