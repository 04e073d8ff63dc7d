//! What can go wrong with a tracker, in words that are safe to print.
//!
//! None of these errors ends a download. A tracker's own words, and everything that a library says about
//! them, pass through [`excerpt`] first. No message contains a path or a query: on private trackers these are
//! the user's password.

use crate::net::NO_NAME_SERVER;
use crate::strategy::Refusal;
use crate::text;
use std::fmt;
use std::time::Duration;

/// What is awaited of a name server.
pub(super) const NAME: &str = "address for its name";

/// Why an announce brought no answer. The message does not name the tracker: the caller that prints it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrackerError {
    /// Its address starts with this scheme, which we do not speak.
    UnsupportedProtocol(String),
    /// Its address does not lead to one for scrapes (BEP 48).
    NoScrape,
    /// Its address is malformed, for this reason.
    BadAddress(&'static str),
    /// We may not ask it, for this reason.
    NotAsked(Refusal),
    /// It is asked over UDP, and everything goes through a proxy, which UDP cannot.
    NotByProxy,
    /// Its host name has no address, or none of the family that we ask over.
    NoAddress,
    /// Its host name cannot be looked up, for this reason.
    NoName(String),
    /// There is no TLS with it, or no connection through the proxy. The reason says so itself.
    Barred(String),
    /// It closed or reset the connection before it had answered.
    HungUp,
    /// It sent a web page.
    WebPage,
    /// No connection, or it broke.
    Unreachable(String),
    /// What we waited for did not come in time.
    TimedOut {
        /// What we waited for.
        awaited: &'static str,
        /// For how long, in seconds.
        seconds: u64,
    },
    /// It answered with this HTTP status and no reason that we could read.
    Status(u16),
    /// The same through this proxy, which may have answered in its place.
    StatusBehind(u16, String),
    /// Its answer is larger than 1 MiB, after decompression.
    TooLarge,
    /// It refused us, in its own words ("failure reason", BEP 3).
    Refused(String),
    /// The same, and it said when it may be asked again (BEP 31).
    RefusedFor(String, RetryIn),
    /// Its answer is malformed, for this reason.
    Nonsense(String),
    /// The code that asked it panicked.
    Panicked,
}

/// When a tracker that refused us may be asked again (`retry in`, BEP 31).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryIn {
    /// After this time, one day at most.
    Time(Duration),
    /// Not at all.
    Never,
}

impl fmt::Display for TrackerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrackerError::UnsupportedProtocol(scheme) => {
                write!(f, "{scheme}:// trackers are not supported (only http://, https:// and udp:// are)")
            }
            TrackerError::NoScrape => write!(f, "cannot be scraped: its address has no /announce (BEP 48)"),
            TrackerError::BadAddress(reason) => write!(f, "not a valid tracker address: {reason}"),
            TrackerError::NotAsked(refusal) => write!(f, "not asked: {refusal}"),
            TrackerError::NotByProxy => {
                write!(f, "not asked: UDP trackers cannot be reached through a proxy")
            }
            TrackerError::NoAddress => write!(f, "cannot be reached: the host has no address"),
            TrackerError::NoName(reason) => write!(f, "cannot look up its name: {reason}"),
            TrackerError::Barred(reason) => write!(f, "{reason}"),
            TrackerError::HungUp => write!(f, "closed the connection without an answer"),
            TrackerError::WebPage => {
                write!(f, "sent a web page, not a tracker's answer (check the address)")
            }
            TrackerError::Unreachable(reason) => write!(f, "cannot be reached: {reason}"),
            TrackerError::TimedOut { awaited: NAME, .. } => {
                write!(f, "cannot look up its name: {NO_NAME_SERVER}")
            }
            TrackerError::TimedOut { awaited, seconds } => write!(f, "no {awaited} in {seconds} s"),
            TrackerError::Status(code) => write!(f, "answered with HTTP status {code}"),
            TrackerError::StatusBehind(code, proxy) => {
                write!(f, "it, or the proxy {proxy} before it, answered with HTTP status {code}")
            }
            TrackerError::TooLarge => write!(f, "sent a response larger than 1 MiB"),
            TrackerError::Refused(reason) => write!(f, "refused: {reason}"),
            TrackerError::RefusedFor(reason, RetryIn::Never) => {
                write!(f, "refused: {reason} (it will not be asked again)")
            }
            TrackerError::RefusedFor(reason, RetryIn::Time(time)) => {
                write!(f, "refused: {reason} (next try in {} min)", time.as_secs() / 60)
            }
            TrackerError::Nonsense(reason) => write!(f, "sent an invalid response: {reason}"),
            TrackerError::Panicked => write!(f, "failed because of a bug in this program"),
        }
    }
}

impl std::error::Error for TrackerError {}

/// The most characters of a stranger's text that we keep, besides the mark that there were more.
const MAX_TEXT: usize = 199;

/// A stranger's text made fit for a terminal, and no more than a few lines of it. Line breaks and zero bytes
/// at its end, which some trackers send, are removed.
pub(super) fn excerpt(text: impl AsRef<[u8]>) -> String {
    let text = String::from_utf8_lossy(text.as_ref());
    text::excerpt(text.trim_end_matches(char::is_control), MAX_TEXT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_text_cannot_control_the_terminal_and_has_a_bounded_length() {
        assert_eq!(excerpt(b"gone\x1b[2J\r\n away\0"), "gone\u{fffd}[2J   away");
        assert_eq!(excerpt(b"\xff\xfe"), "\u{fffd}\u{fffd}");
        assert_eq!(excerpt("ä".repeat(1 << 16)).chars().count(), MAX_TEXT + 1);
    }
}
