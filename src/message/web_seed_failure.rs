//! Why a web seed (BEP 19) gives no more.

use crate::net::proxy::ProxyError;
use std::fmt;
use std::time::Duration;

/// Why the worker of a web seed ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebSeedFailure {
    /// The server does not have this file of the torrent, counted from 0 (404, 410).
    NoFile(usize),
    /// It sends files only whole, from their beginning, and we asked for a part that is far behind it.
    WholeFilesOnly,
    /// It wants us to wait (429, 503), and perhaps it says how long.
    Busy(Option<Duration>),
    /// The proxy makes no connection to it.
    Proxy(ProxyError),
    /// Anything else that may be over later, fit to print.
    Failed(String),
    /// It is never to be asked again, for this reason, fit to print.
    Refused(String),
}

impl fmt::Display for WebSeedFailure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WebSeedFailure::NoFile(number) => write!(out, "does not have file {}", number + 1),
            WebSeedFailure::WholeFilesOnly => write!(out, "sends no parts of files"),
            WebSeedFailure::Busy(None) => write!(out, "busy"),
            WebSeedFailure::Busy(Some(wait)) => write!(out, "busy for {} s", wait.as_secs()),
            WebSeedFailure::Proxy(error) => write!(out, "{error}"),
            WebSeedFailure::Failed(why) | WebSeedFailure::Refused(why) => write!(out, "{why}"),
        }
    }
}
