//! Looking up the addresses of a host, with a deadline.
//!
//! The system's resolver may block for any time and cannot be interrupted. So each lookup has a thread of its
//! own, `resolve`. After the deadline no thread waits for it any more; it ends when the resolver returns.

use crate::text::reason;
use crate::thread::lock;
use crate::thread::{self, SYSTEM_STACK};
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// The addresses of a host, IPv4 and IPv6, in the order in which the system would try them. `host` has no
/// brackets. An IP address is returned as it is, without a lookup.
///
/// # Errors
///
/// As [`in_words`], and [`ErrorKind::TimedOut`] if the resolver has said nothing `within` this time.
pub fn resolve(host: &str, port: u16, within: Duration) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let answer = Arc::new((Mutex::new(None), Condvar::new()));
    let (shared, host) = (Arc::clone(&answer), host.to_owned());
    thread::spawn("resolve", SYSTEM_STACK, move || {
        let found =
            (host.as_str(), port).to_socket_addrs().map(Vec::from_iter).map_err(|error| in_words(&error));
        *lock(&shared.0) = Some(found);
        shared.1.notify_one();
    })?;
    let nothing_yet = lock(&answer.0);
    let waited = answer.1.wait_timeout_while(nothing_yet, within, |found| found.is_none());
    let (mut found, _) = waited.unwrap_or_else(PoisonError::into_inner);
    found.take().unwrap_or_else(|| Err(ErrorKind::TimedOut.into()))
}

/// That no name server has answered. The system's resolver may say so, or we before it does: it has a patience of its own,
/// which is 5 to 30 s, and another one in each C library.
pub const NO_NAME_SERVER: &str = "no name server answers (is the network up?)";

/// What the system's resolver says, in words that say what to do. The standard library passes on no number, only the
/// sentence of the C library: the first of each line here is of glibc, the second of musl.
pub fn in_words(error: &io::Error) -> io::Error {
    let said = error.to_string();
    let said = said.strip_prefix("failed to lookup address information: ").unwrap_or(&said);
    io::Error::other(match said {
        "Temporary failure in name resolution" | "Try again" => NO_NAME_SERVER,
        "Name or service not known" | "Name does not resolve" => "there is no such host (check the address)",
        "No address associated with hostname" | "Name has no usable address" => "the host has no address",
        "Non-recoverable failure in name resolution" | "Unrecoverable error" => "the name server refuses",
        other => return io::Error::new(error.kind(), reason(&io::Error::other(other))),
    })
}

/// That the name of a host could not be looked up, with the reason: for those who would take it for a connection
/// that failed.
#[derive(Debug)]
pub struct NameFault(pub String);

impl fmt::Display for NameFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "cannot look up its name: {}", self.0)
    }
}

impl std::error::Error for NameFault {}

/// The addresses in the system's order, but with IPv4 and IPv6 in turn, so that a family that does not work
/// costs only one wait (RFC 8305, section 4).
pub fn by_turns(found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v4 = found.first().is_some_and(SocketAddr::is_ipv4);
    let (ones, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|to| to.is_ipv4() == first_is_v4);
    let turn = |turn| [ones.get(turn).copied(), others.get(turn).copied()];
    (0..ones.len().max(others.len())).flat_map(turn).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_its_own_answer_and_a_name_is_looked_up() {
        let found = resolve("::1", 80, Duration::ZERO).unwrap();
        assert_eq!(found, ["[::1]:80".parse().unwrap()]);
        let found = resolve("localhost", 80, Duration::from_secs(20)).unwrap();
        assert!(!found.is_empty() && found.iter().all(|one| one.ip().is_loopback() && one.port() == 80));
        assert!(resolve("no host has this name", 80, Duration::from_secs(20)).is_err());
    }

    #[test]
    fn what_the_resolver_says_is_told_in_our_words_whichever_library_says_it() {
        let before = "failed to lookup address information: ";
        for (said, words) in [
            ("Temporary failure in name resolution", "no name server answers (is the network up?)"),
            ("Try again", "no name server answers (is the network up?)"),
            ("Name or service not known", "there is no such host (check the address)"),
            ("Name does not resolve", "there is no such host (check the address)"),
            ("Memory allocation failure", "memory allocation failure"),
        ] {
            assert_eq!(in_words(&io::Error::other(format!("{before}{said}"))).to_string(), words);
        }
    }
}
