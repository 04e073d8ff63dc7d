//! Decides which address to connect to next, and when.
//!
//! The swarm and the search for a magnet's metadata share it: both hear of addresses, connect to some of
//! them at a bounded pace, and learn what became of each attempt. A dialer knows no socket: its owner asks
//! for an address, starts the connection and reports how that ended.

use super::{Candidates, ExternalAddress, Failure, Source};
use crate::strategy::TokenBucket;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// Connection attempts a second.
const ATTEMPTS: u32 = 18;

/// The addresses of one torrent's peers, and the pace at which they are tried.
#[derive(Debug)]
pub struct Dialer {
    candidates: Candidates,
    /// What others say about our own address.
    external: ExternalAddress,
    /// The port that peers can connect to.
    port: u16,
    attempts: TokenBucket,
    random: fastrand::Rng,
}

impl Dialer {
    /// A dialer that knows these addresses. `port`: where peers can connect to us.
    pub fn new(candidates: Candidates, port: Option<u16>, random: fastrand::Rng, now: Instant) -> Dialer {
        let (external, attempts) = (ExternalAddress::default(), TokenBucket::new(ATTEMPTS, now));
        Dialer { candidates, external, port: port.unwrap_or(0), attempts, random }
    }

    /// Adds addresses that a source found. How many of them are new.
    pub fn found(&mut self, source: Source, addresses: &[SocketAddr], now: Instant) -> usize {
        addresses.iter().filter(|address| self.candidates.add(**address, source, now)).count()
    }

    /// Adds peers that the user named: they come first and are never forgotten.
    pub fn named(&mut self, addresses: &[SocketAddr], now: Instant) {
        addresses.iter().for_each(|address| self.candidates.add_named(*address, now));
    }

    /// The address to connect to now, if one is due and the pace allows it. The caller reports how the
    /// attempt ends.
    pub fn next(&mut self, now: Instant) -> Option<SocketAddr> {
        let is_due = self.candidates.next_due().is_some_and(|due| due <= now);
        (is_due && self.attempts.take(now)).then(|| self.candidates.next(now)).flatten()
    }

    /// When [`Dialer::next`] will have an address, if one is known that may be tried.
    pub fn next_due(&self) -> Option<Instant> {
        let due = self.candidates.next_due()?;
        Some(due.max(self.attempts.next(due)))
    }

    /// The connection to this address ended, or never came about.
    pub fn failed(&mut self, address: SocketAddr, failure: Failure, now: Instant) {
        self.candidates.failed(address, failure, now, &mut self.random);
    }

    /// This host has no route to the address, so the attempt cost nothing. It does not delay those to
    /// addresses that can be reached.
    pub fn had_no_route(&mut self) {
        self.attempts.give_back();
    }

    /// A peer says about our address what it sees.
    pub fn vote(&mut self, teller: IpAddr, ours: IpAddr) {
        self.external.vote(teller, ours);
        self.use_external();
    }

    /// A tracker says about our address what it sees.
    pub fn vote_of_tracker(&mut self, url: &str, ours: IpAddr) {
        self.external.vote_by_name(url, ours);
        self.use_external();
    }

    /// Trackers that do not know us from other peers hand our own address out to us.
    fn use_external(&mut self) {
        for ip in [true, false].into_iter().filter_map(|is_v4| self.external.address(is_v4)) {
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
