//! Decides which address to connect to next, and when.
//!
//! The swarm and the search for a magnet's metadata share it: both hear of addresses, connect to some of them
//! at a bounded pace, and learn what became of each attempt. A dialer knows no socket: its owner asks for an
//! address, starts the connection and reports how it ended.

use super::{AttemptFailure, Candidates, ExternalAddress, Source};
use crate::address::IpFamily;
use crate::strategy::TokenBucket;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Connection attempts a second.
const ATTEMPTS: u32 = 18;
/// How long nothing is tried after this host had no room for a connection: other connections or programs must
/// give some up first.
const REST: Duration = Duration::from_secs(15);

/// The addresses of one torrent's peers, and the pace at which they are tried.
#[derive(Debug)]
pub struct Dialer {
    candidates: Candidates,
    /// What others say about our own address.
    external: ExternalAddress,
    /// The port that peers can connect to.
    port: u16,
    attempts: TokenBucket,
    /// Until when nothing is tried, if this host ever had no room for a connection.
    rest_until: Option<Instant>,
    random: fastrand::Rng,
}

impl Dialer {
    /// A dialer that knows these addresses. `port` is the one at which peers can connect to us.
    pub fn new(
        mut candidates: Candidates,
        port: Option<u16>,
        mut random: fastrand::Rng,
        now: Instant,
    ) -> Dialer {
        candidates.draw_lots(random.fork());
        let (external, attempts) = (ExternalAddress::default(), TokenBucket::new(ATTEMPTS, now));
        Dialer { candidates, external, port: port.unwrap_or(0), attempts, rest_until: None, random }
    }

    /// Adds addresses that a source found. Returns how many of them are new.
    pub fn found(&mut self, source: Source, addresses: &[SocketAddr], now: Instant) -> usize {
        addresses.iter().filter(|address| self.candidates.add(**address, source, now)).count()
    }

    /// Adds addresses that the user gave: they come first and are never forgotten.
    pub fn named(&mut self, addresses: &[SocketAddr], now: Instant) {
        addresses.iter().for_each(|address| self.candidates.add_from_user(*address, now));
    }

    /// How many peers are connected now: see [`Candidates::set_connected`]. To be called before
    /// [`Dialer::next`] and [`Dialer::next_due`] whenever the number may have changed.
    pub fn set_connected(&mut self, connected: usize) {
        self.candidates.set_connected(connected);
    }

    /// The address to connect to now, if one is due and the pace allows it. The caller reports how the
    /// attempt ends.
    pub fn next(&mut self, now: Instant) -> Option<SocketAddr> {
        let may_try = self.rest_until.is_none_or(|until| until <= now);
        let is_due = may_try && self.candidates.next_due().is_some_and(|due| due <= now);
        (is_due && self.attempts.take(now)).then(|| self.candidates.next(now)).flatten()
    }

    /// When [`Dialer::next`] will have an address, if one is known that may be tried.
    pub fn next_due(&self) -> Option<Instant> {
        let due = self.candidates.next_due()?;
        Some(due.max(self.attempts.next(due)).max(self.rest_until.unwrap_or(due)))
    }

    /// The connection to this address ended, or never came about.
    pub fn failed(&mut self, address: SocketAddr, failure: AttemptFailure, now: Instant) {
        self.candidates.failed(address, failure, now, &mut self.random);
    }

    /// This host has no route to the address, so the attempt sent nothing. It does not count: on a host
    /// without IPv6, a tracker's IPv6 peers must not delay the attempts at others.
    pub fn had_no_route(&mut self) {
        self.attempts.give_back();
    }

    /// This host had no room for a connection: no thread, or too many open files. So nothing is tried for
    /// some time. `address` is not to blame, if we tried one. Returns whether this is the first time.
    pub fn had_no_room(&mut self, address: Option<SocketAddr>, now: Instant) -> bool {
        if let Some(address) = address {
            self.candidates.release(address, now);
        }
        self.rest_until.replace(now + REST).is_none()
    }

    /// A peer says at which address it sees us.
    pub fn vote(&mut self, voter: IpAddr, ours: IpAddr) {
        self.external.vote(voter, ours);
        self.use_external();
    }

    /// A tracker says at which address it sees us.
    pub fn vote_of_tracker(&mut self, url: &str, ours: IpAddr) {
        self.external.vote_by_name(url, ours);
        self.use_external();
    }

    /// Trackers that do not know us from other peers hand our own address out to us.
    fn use_external(&mut self) {
        for ip in IpFamily::BOTH.into_iter().filter_map(|family| self.external.address(family)) {
            self.candidates.set_external(SocketAddr::new(ip, self.port));
        }
    }

    /// The addresses and what is known about each.
    pub fn candidates(&self) -> &Candidates {
        &self.candidates
    }

    /// The addresses, to note what became of one, or to take them over.
    pub fn candidates_mut(&mut self) -> &mut Candidates {
        &mut self.candidates
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn address(host: u8) -> SocketAddr {
        SocketAddr::from(([203, 0, 113, host], 6881))
    }

    fn dialer(now: Instant) -> Dialer {
        Dialer::new(Candidates::default(), Some(6881), fastrand::Rng::with_seed(1), now)
    }

    #[test]
    fn addresses_are_tried_at_a_bounded_pace() {
        let now = Instant::now();
        let mut dialer = dialer(now);
        let addresses: Vec<_> = (0..200).map(address).collect();
        assert_eq!(dialer.found(Source::Tracker, &addresses, now), 200);
        let at_once = std::iter::from_fn(|| dialer.next(now)).count();
        assert!(at_once <= ATTEMPTS as usize, "{at_once}");
        let due = dialer.next_due().unwrap();
        assert!(due > now && due <= now + Duration::from_secs(1));
        assert!(dialer.next(due).is_some());
    }

    #[test]
    fn peers_that_reset_the_first_connection_are_tried_again_soon_while_few_are_connected() {
        let now = Instant::now();
        for (connected, soon) in [(1, true), (30, false)] {
            let mut dialer = dialer(now);
            dialer.found(Source::Tracker, &[address(1)], now);
            assert_eq!(dialer.next(now), Some(address(1)));
            dialer.set_connected(connected);
            for _ in 0..2 {
                dialer.failed(address(1), AttemptFailure::ClosedEarly, now);
                dialer.next(now + Duration::from_secs(4));
            }
            dialer.failed(address(1), AttemptFailure::ClosedEarly, now + Duration::from_secs(4));
            let wait = dialer.next_due().unwrap() - now;
            assert_eq!(wait < Duration::from_secs(14), soon, "{connected} connected: {wait:?}");
        }
    }

    #[test]
    fn a_host_without_room_rests_and_then_tries_the_same_address() {
        let now = Instant::now();
        let mut dialer = dialer(now);
        dialer.found(Source::Tracker, &[address(1), address(2)], now);
        let tried = dialer.next(now);
        assert!(dialer.had_no_room(tried, now));
        assert_eq!((dialer.next(now), dialer.candidates().untried_and_dead()), (None, (2, 0)));
        let later = dialer.next_due().unwrap();
        assert!(later > now + Duration::from_secs(5), "{:?}", later - now);
        assert!(dialer.next(later).is_some() && dialer.next(later).is_some());
        assert!(!dialer.had_no_room(tried, later), "once is enough to warn");
    }

    #[test]
    fn our_own_address_is_no_candidate_once_others_have_told_us() {
        let now = Instant::now();
        let mut dialer = dialer(now);
        for teller in 2..9 {
            dialer.vote(IpAddr::from([192, 0, 2, teller]), address(9).ip());
        }
        dialer.vote_of_tracker("http://tracker.example/announce", address(9).ip());
        assert_eq!(dialer.found(Source::Tracker, &[address(9)], now), 0);
    }
}
