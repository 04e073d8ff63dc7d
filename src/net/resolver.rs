//! Looking up the addresses of a host, with a deadline.
//!
//! The system's resolver may block for any time and cannot be interrupted. So each lookup has a thread of its
//! own, `resolve`. After the deadline no thread waits for it any more; it ends when the resolver returns.

use crate::thread::lock;
use crate::thread::{self, SYSTEM_STACK};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// The addresses of a host, IPv4 and IPv6, in the order in which the system would try them. `host` has no
/// brackets. An IP address is returned as it is, without a lookup.
///
/// # Errors
///
/// What the resolver says, and [`ErrorKind::TimedOut`] if it has said nothing `within` this time.
pub fn resolve(host: &str, port: u16, within: Duration) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let answer = Arc::new((Mutex::new(None), Condvar::new()));
    let (shared, host) = (Arc::clone(&answer), host.to_owned());
    thread::spawn("resolve", SYSTEM_STACK, move || {
        let found = (host.as_str(), port).to_socket_addrs().map(Vec::from_iter);
        *lock(&shared.0) = Some(found);
        shared.1.notify_one();
    })?;
    let nothing_yet = lock(&answer.0);
    let waited = answer.1.wait_timeout_while(nothing_yet, within, |found| found.is_none());
    let (mut found, _) = waited.unwrap_or_else(PoisonError::into_inner);
    found.take().unwrap_or_else(|| Err(ErrorKind::TimedOut.into()))
}

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
}
