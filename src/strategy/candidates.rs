//! Whom to connect to: the addresses that we heard of and what became of each.
//!
//! An address is hearsay: anyone can put any address into a tracker. So there is a bound on how many
//! are kept, each is tried at a growing distance in time after it failed, and one that proved to be
//! harmful or useless is never tried again.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// How many addresses are kept.
const MOST: usize = 1000;
/// After the first connection that was closed at once.
const SECOND_TRY: Duration = Duration::from_secs(1);
const FIRST_RETRY: Duration = Duration::from_secs(15);
const LAST_RETRY: Duration = Duration::from_secs(15 * 60);
/// Failures in a row after which an address that nobody names again is forgotten first.
const HOPELESS: u32 = 5;

/// Why a peer is no longer connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It did not answer: it may be better later.
    Unreachable,
    /// It answered and broke off before it sent anything: the first time it may have been an accident.
    Parted,
    /// It worked, and then it ended: it may well work again soon.
    Ended,
    /// It did harm, is ourselves, or is of no use: never again.
    Never,
}

#[derive(Debug)]
enum State {
    Waiting { until: Instant },
    Connected,
    Banned,
}

#[derive(Debug)]
struct Candidate {
    /// The user named it.
    named: bool,
    failures: u32,
    state: State,
}

/// The addresses of one torrent.
#[derive(Debug, Default)]
pub struct Candidates {
    known: HashMap<SocketAddr, Candidate>,
}

impl Candidates {
    /// Adds an address that we heard of. False where it is known, cannot be a peer, or there is no room.
    pub fn add(&mut self, address: SocketAddr, now: Instant) -> bool {
        let address = plain(address);
        if !could_be_a_peer(address) || self.known.contains_key(&address) {
            return false;
        }
        if self.known.len() >= MOST && !self.forget_one() {
            return false;
        }
        let state = State::Waiting { until: now };
        self.known.insert(address, Candidate { named: false, failures: 0, state });
        true
    }

    /// Adds an address that the user named. It comes before all others and is never forgotten.
    pub fn add_named(&mut self, address: SocketAddr, now: Instant) {
        let state = State::Waiting { until: now };
        let entry = self.known.entry(plain(address));
        entry.or_insert(Candidate { named: true, failures: 0, state }).named = true;
    }

    /// Somebody who has connected to us says that it listens there. True where the address counts as
    /// connected from now on, and false where it did already or is not to be connected to.
    pub fn met(&mut self, address: SocketAddr) -> bool {
        let address = plain(address);
        if let Some(candidate) = self.known.get_mut(&address) {
            let waiting = matches!(candidate.state, State::Waiting { .. });
            if waiting {
                candidate.state = State::Connected;
            }
            return waiting;
        }
        if !could_be_a_peer(address) || (self.known.len() >= MOST && !self.forget_one()) {
            return false;
        }
        let candidate = Candidate { named: false, failures: 0, state: State::Connected };
        self.known.insert(address, candidate).is_none()
    }

    /// The next address to connect to, which counts as connected from now on. Those that failed least
    /// come first.
    pub fn next(&mut self, now: Instant) -> Option<SocketAddr> {
        let (address, candidate) = self
            .known
            .iter_mut()
            .filter(|(_, candidate)| candidate.is_due(now))
            .min_by_key(|(_, candidate)| (!candidate.named, candidate.failures))?;
        candidate.state = State::Connected;
        Some(*address)
    }

    /// When an address is due that is not due yet.
    pub fn next_due(&self) -> Option<Instant> {
        let waiting = self.known.values().filter_map(|candidate| match candidate.state {
            State::Waiting { until } => Some(until),
            _ => None,
        });
        waiting.min()
    }

    /// The peer at this address sent what we asked for: what failed before counts no more.
    pub fn proved(&mut self, address: SocketAddr) {
        if let Some(candidate) = self.known.get_mut(&plain(address)) {
            candidate.failures = 0;
        }
    }

    /// The connection to this address is over.
    pub fn failed(&mut self, address: SocketAddr, why: Failure, now: Instant, random: &mut fastrand::Rng) {
        let Some(candidate) = self.known.get_mut(&plain(address)) else { return };
        if matches!(candidate.state, State::Banned) {
            // The farewell of the connection that earned the ban says nothing new.
            return;
        }
        candidate.failures = candidate.failures.saturating_add(1);
        candidate.state = match why {
            Failure::Never => State::Banned,
            Failure::Parted if candidate.failures == 1 => State::Waiting { until: now + SECOND_TRY },
            Failure::Unreachable | Failure::Parted | Failure::Ended => {
                let doublings = candidate.failures.saturating_sub(1).min(10);
                let wait = FIRST_RETRY.saturating_mul(1 << doublings).min(LAST_RETRY);
                let wait = if why == Failure::Ended { wait / 5 } else { wait };
                // Peers that were lost together are not all tried again together.
                State::Waiting { until: now + wait.mul_f64(0.75 + random.f64() * 0.5) }
            }
        };
    }

    /// How many addresses wait for a connection, now or later.
    pub fn waiting(&self) -> usize {
        self.known.values().filter(|candidate| matches!(candidate.state, State::Waiting { .. })).count()
    }

    /// How many addresses are known.
    pub fn known(&self) -> usize {
        self.known.len()
    }

    fn forget_one(&mut self) -> bool {
        // Bans are forgotten last, but they must not fill the room of all others.
        let worth = |candidate: &Candidate| match candidate.state {
            State::Waiting { .. } if candidate.failures > 0 => Some(candidate.failures.min(HOPELESS)),
            State::Banned => Some(0),
            _ => None,
        };
        let worst = self
            .known
            .iter()
            .filter(|(_, candidate)| !candidate.named)
            .filter_map(|(address, candidate)| Some((address, worth(candidate)?)))
            .max_by_key(|(_, worth)| *worth)
            .map(|(address, _)| *address);
        worst.is_some_and(|address| self.known.remove(&address).is_some())
    }
}

impl Candidate {
    fn is_due(&self, now: Instant) -> bool {
        matches!(self.state, State::Waiting { until } if until <= now)
    }
}

/// One address has one name: an IPv4 address that came in IPv6 clothes is an IPv4 address.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn could_be_a_peer(address: SocketAddr) -> bool {
    let reachable = match address.ip() {
        IpAddr::V4(ip) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast(),
        IpAddr::V6(ip) => !ip.is_unspecified() && !ip.is_multicast(),
    };
    reachable && address.port() != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u16) -> SocketAddr {
        format!("127.0.{}.{}:6881", last / 250, last % 250 + 1).parse().unwrap()
    }

    #[test]
    fn an_address_is_tried_once_and_again_after_a_growing_wait() {
        let (mut candidates, mut random) = (Candidates::default(), fastrand::Rng::with_seed(1));
        let start = Instant::now();
        assert!(candidates.add(address(1), start));
        assert!(!candidates.add(address(1), start));
        let mut now = start;
        let mut waits = Vec::new();
        for _ in 0..12 {
            assert_eq!(candidates.next(now), Some(address(1)));
            assert_eq!(candidates.next(now), None);
            candidates.failed(address(1), Failure::Unreachable, now, &mut random);
            assert_eq!(candidates.next(now), None);
            let due = candidates.next_due().unwrap();
            waits.push(due - now);
            now = due;
        }
        assert!(waits[0] >= FIRST_RETRY.mul_f64(0.75) && waits[1] > waits[0]);
        assert!(waits.iter().all(|wait| *wait <= LAST_RETRY.mul_f64(1.25)));
        candidates.failed(address(1), Failure::Never, now, &mut random);
        candidates.failed(address(1), Failure::Ended, now, &mut random);
        assert_eq!(candidates.next(now + LAST_RETRY * 10), None);
        assert!(!candidates.add(address(1), now));
    }

    #[test]
    fn who_came_by_itself_is_not_connected_to_until_it_is_gone() {
        let (mut candidates, mut random) = (Candidates::default(), fastrand::Rng::with_seed(1));
        let now = Instant::now();
        candidates.add(address(1), now);
        for known in [1, 2] {
            assert!(candidates.met(address(known)) && !candidates.met(address(known)));
        }
        assert_eq!(candidates.next(now), None);
        candidates.failed(address(2), Failure::Ended, now, &mut random);
        assert_eq!(candidates.next(now + LAST_RETRY), Some(address(2)));
    }

    #[test]
    fn at_most_a_thousand_are_kept_and_failures_make_room() {
        let (mut candidates, mut random) = (Candidates::default(), fastrand::Rng::with_seed(1));
        let now = Instant::now();
        for last in 0..5000 {
            candidates.add(address(last), now);
        }
        assert_eq!(candidates.known(), MOST);
        let tried = candidates.next(now).unwrap();
        candidates.failed(tried, Failure::Unreachable, now, &mut random);
        assert!(candidates.add(address(6000), now));
        assert!(!candidates.add(address(6001), now));
        assert_eq!(candidates.known(), MOST);
    }

    #[test]
    fn what_cannot_be_a_peer_is_not_kept() {
        let mut candidates = Candidates::default();
        for address in ["0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1", "1.2.3.4:0", "[::]:1", "[ff02::1]:1"]
        {
            assert!(!candidates.add(address.parse().unwrap(), Instant::now()), "{address}");
        }
        assert!(candidates.add("[::ffff:1.2.3.4]:5".parse().unwrap(), Instant::now()));
        assert!(!candidates.add("1.2.3.4:5".parse().unwrap(), Instant::now()));
    }
}
