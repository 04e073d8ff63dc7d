//! The addresses that we may connect to, and what became of each.
//!
//! Trackers, the DHT, other peers and the local network give us addresses. An address is hearsay: anyone can
//! put any address into a tracker. So the book of candidates is careful:
//!
//! - There is a bound on how many addresses are kept. What other peers tell us, the DHT and the local network
//!   each have no more than their share of the places, and one peer no more than its part of such a share.
//! - Of the ports of one host a few are tried like any other. More of them only a tracker can make us keep, as
//!   *spare* ones: each is tried when nothing better is left, and seldom again. So no one can turn us against a
//!   victim.
//! - After a failure an address waits before it is tried again, longer after each failure in a row, and
//!   longer if we have plenty of peers (the file `retry.rs` has the numbers).
//! - An address that proved to be harmful or useless is banned and never tried again.
//! - A peer that may want to be spoken to encrypted, or plainly, is tried the other way (`approaches.rs`).
//! - A peer that hangs up when it is asked for much is asked for less on the next connection (`capacity.rs`).
//! - Where a peer sent wrong data, the other ports of its host, and then its network, are *suspect* (`liars.rs`):
//!   they are tried only as a last resort.
//!
//! Of the addresses that may be tried now, those with the fewest failures come first, so that an address that
//! was never tried is not kept waiting by dead ones. The first failure of a peer that the user gave, or that
//! was useful, does not count. Among equals the one that promises most comes first (`Promise`), and among
//! those the one with the highest peer priority (BEP 40).

mod approaches;
mod candidate;
mod capacity;
mod retry;

pub use approaches::Rebuff;
pub use candidate::Source;
pub use retry::AttemptFailure;

use super::liars::Liars;
use super::peer_priority::peer_priority;
use crate::address::{canonical, could_be_a_peer};
use crate::strategy::Encryption;
use approaches::Approaches;
use candidate::{Candidate, CandidateState};
use retry::{Need, RetryTimes};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// Addresses that are kept.
const MAX_CANDIDATES: usize = 1000;
/// Kept addresses that we know only from other peers and that did not prove to be useful.
const MAX_FROM_PEERS: usize = MAX_CANDIDATES / 4;
/// The same for the DHT, where anyone can store any address, and for the local network, where any host can
/// announce any address.
const MAX_FROM_DHT_OR_LAN: usize = MAX_CANDIDATES / 2;
/// Kept addresses that a single peer told us.
const MAX_FROM_ONE_PEER: usize = 100;
/// Ports of one host that are tried like any other. Several clients behind one router are common.
const MAX_PORTS: usize = 4;
/// Ports of one host that are kept, with the spare ones from trackers. Behind the address of a small provider,
/// or on one server, may be dozens of clients.
const MAX_SPARE_PORTS: usize = 32;
/// As how many failures in a row the first failure of a spare port counts. Then it is not tried for a minute.
const SPARE_FAILURES: u32 = 12;
/// Failures in a row after which an address is among the first to be forgotten.
const HOPELESS: u32 = 5;

/// The addresses of one torrent.
#[derive(Debug)]
pub struct Candidates {
    known: HashMap<SocketAddr, Candidate>,
    /// Our own address as others see it, for IPv4 and for IPv6.
    external: [Option<SocketAddr>; 2],
    liars: Liars,
    /// Suspect addresses are tried, too.
    last_resort: bool,
    need: Need,
    encryption: Encryption,
    lots: fastrand::Rng,
}

impl Default for Candidates {
    fn default() -> Candidates {
        Candidates {
            known: HashMap::new(),
            external: [None; 2],
            liars: Liars::default(),
            last_resort: false,
            need: Need::default(),
            encryption: Encryption::default(),
            lots: fastrand::Rng::with_seed(0),
        }
    }
}

impl Candidates {
    /// Draws the lots of addresses to come from `random`.
    pub fn draw_lots(&mut self, random: fastrand::Rng) {
        self.lots = random;
    }

    /// How many peers are connected now. Until this is called we count as needing peers badly.
    ///
    /// While fewer than a handful are connected, addresses that failed are tried again soon. The times of all
    /// addresses follow a change at once. A caller that does not look for more peers gives a large number.
    pub fn set_connected(&mut self, connected: usize) {
        self.need = Need::of(connected);
    }

    /// Whether suspect addresses are tried: nobody else sends us what we want.
    pub fn set_last_resort(&mut self, is_so: bool) {
        self.last_resort = is_so;
    }

    /// A peer at this address sent wrong data.
    pub fn ban(&mut self, ip: IpAddr) {
        self.liars.add(ip);
        let suspects = self.known.iter_mut().filter(|(other, _)| self.liars.is_suspect(other.ip()));
        suspects.for_each(|(_, candidate)| candidate.suspect = true);
    }

    /// Whether a peer that connects to us from here is turned away.
    pub fn is_banned(&self, ip: IpAddr) -> bool {
        self.liars.has(ip) || (!self.last_resort && self.liars.is_suspect(ip))
    }

    /// Whether a peer at the second address is suspect because of what one at the first did.
    pub fn is_neighbour(&self, liar: IpAddr, other: IpAddr) -> bool {
        self.liars.is_neighbour(liar, other)
    }

    /// Whether the user or the magnet link named this address.
    pub fn is_named(&self, address: SocketAddr) -> bool {
        self.known.get(&canonical(address)).is_some_and(Candidate::is_named)
    }

    /// Adds an address that we heard of. False if it is known, cannot be a peer, or there is no room.
    pub fn add(&mut self, address: SocketAddr, source: Source, now: Instant) -> bool {
        let address = canonical(address);
        if let Some(candidate) = self.known.get_mut(&address) {
            candidate.add_source(source);
            return false;
        }
        let us = self.external.contains(&Some(address));
        let ports = self.ports_of(address.ip());
        let most = if source == Source::Tracker { MAX_SPARE_PORTS } else { MAX_PORTS };
        if us || !could_be_a_peer(address) || ports >= most || !self.has_room(source) {
            return false;
        }
        self.insert(address, source, CandidateState::Waiting(RetryTimes::now(now)));
        if ports >= MAX_PORTS
            && let Some(candidate) = self.known.get_mut(&address)
        {
            candidate.spare = true;
        }
        true
    }

    /// Adds an address that the user gave. It comes before all others and is never forgotten.
    pub fn add_from_user(&mut self, address: SocketAddr, now: Instant) {
        let address = canonical(address);
        match self.known.get_mut(&address) {
            Some(candidate) => candidate.add_source(Source::User),
            None => self.insert(address, Source::User, CandidateState::Waiting(RetryTimes::now(now))),
        }
    }

    /// A peer has connected to us and says that it listens at this address. True if the address counts as
    /// connected from now on. False if it already did, or if we should not connect to it.
    pub fn add_incoming(&mut self, address: SocketAddr) -> bool {
        let address = canonical(address);
        if let Some(candidate) = self.known.get_mut(&address) {
            // If both sides connect at once, both connections may be lost at once. That is one accident.
            candidate.failures -= u32::from(candidate.failures == 1);
            return self.mark_connected(address);
        }
        let is_crowded = self.ports_of(address.ip()) >= MAX_PORTS;
        if is_crowded || !could_be_a_peer(address) || !self.has_room(Source::Incoming) {
            return false;
        }
        self.insert(address, Source::Incoming, CandidateState::Connected);
        true
    }

    /// Who named this address.
    pub fn source(&self, address: SocketAddr) -> Option<Source> {
        self.known.get(&canonical(address)).map(|candidate| candidate.source)
    }

    /// How often in a row connections to this address have failed.
    pub fn failures(&self, address: SocketAddr) -> u32 {
        self.known.get(&canonical(address)).map_or(0, |candidate| candidate.failures)
    }

    /// There is a connection to this address that was made earlier. True if the address counts as connected
    /// from now on. False if it already did, is banned or is not known.
    pub fn mark_connected(&mut self, address: SocketAddr) -> bool {
        match self.known.get_mut(&canonical(address)) {
            Some(candidate) if matches!(candidate.state, CandidateState::Waiting(_)) => {
                candidate.state = CandidateState::Connected;
                true
            }
            _ => false,
        }
    }

    /// Others see us at this address. It is not tried, unless the user named it. From now on candidates with a higher
    /// peer priority come first (BEP 40).
    pub fn set_external(&mut self, address: SocketAddr) {
        let address = canonical(address);
        if self.external.contains(&Some(address)) {
            return;
        }
        let [four, six] = &mut self.external;
        *(if address.is_ipv4() { four } else { six }) = Some(address);
        let same_family = self.known.iter_mut().filter(|(other, _)| other.is_ipv4() == address.is_ipv4());
        for (other, candidate) in same_family {
            candidate.ours = *other == address;
            candidate.priority = peer_priority(address, *other);
        }
    }

    /// The priority of a connection to this address: 0 while we do not know our own address.
    pub fn priority(&self, address: SocketAddr) -> u32 {
        let address = canonical(address);
        let ours = self.external.iter().flatten().find(|ours| ours.is_ipv4() == address.is_ipv4());
        ours.map_or(0, |ours| peer_priority(*ours, address))
    }

    /// The next address to connect to, which counts as connected from now on.
    pub fn next(&mut self, now: Instant) -> Option<SocketAddr> {
        let (need, last_resort) = (self.need, self.last_resort);
        let is_due =
            |candidate: &Candidate| candidate.may_be_tried(last_resort) && candidate.is_due(need, now);
        let due = self.known.iter_mut().filter(|(_, candidate)| is_due(candidate));
        let (address, candidate) = due.min_by_key(|(_, candidate)| candidate.rank())?;
        candidate.state = CandidateState::Connected;
        Some(*address)
    }

    /// Whether [`Candidates::next`] has an address now. `untried`: and none of whose failures counts, or which has
    /// just answered.
    pub fn has_due(&self, untried: bool, now: Instant) -> bool {
        let counts = |candidate: &Candidate| {
            candidate.may_be_tried(self.last_resort) && (!untried || candidate.is_untried())
        };
        self.known.values().any(|candidate| counts(candidate) && candidate.is_due(self.need, now))
    }

    /// When the first of the waiting addresses is due, or was.
    pub fn next_due(&self) -> Option<Instant> {
        let may_be_tried = |candidate: &&Candidate| candidate.may_be_tried(self.last_resort);
        self.known.values().filter(may_be_tried).filter_map(|candidate| candidate.due(self.need)).min()
    }

    /// The peer at this address sent what we asked for. Earlier failures count no more.
    pub fn proved_useful(&mut self, address: SocketAddr) {
        if let Some(candidate) = self.known.get_mut(&canonical(address)) {
            candidate.failures = 0;
            candidate.useful = true;
        }
    }

    /// The connection to this address failed or ended.
    pub fn failed(
        &mut self,
        address: SocketAddr,
        failure: AttemptFailure,
        now: Instant,
        random: &mut fastrand::Rng,
    ) {
        let Some(candidate) = self.known.get_mut(&canonical(address)) else { return };
        if matches!(candidate.state, CandidateState::Banned) {
            // The end of the connection that earned the ban says nothing new.
            return;
        }
        candidate.failures = candidate.failures.saturating_add(1);
        if candidate.spare && !candidate.useful {
            candidate.failures = candidate.failures.max(SPARE_FAILURES);
        }
        candidate.state = match failure {
            AttemptFailure::Banned => CandidateState::Banned,
            _ if candidate.is_named() && failure != AttemptFailure::SecondWay => {
                CandidateState::Waiting(RetryTimes::of_named(candidate.failures, now, random))
            }
            _ => CandidateState::Waiting(RetryTimes::after(failure, candidate.failures, now, random)),
        };
    }

    /// The connection to this address is over, and nothing is wrong with the peer.
    pub fn release(&mut self, address: SocketAddr, now: Instant) {
        if let Some(candidate) = self.known.get_mut(&canonical(address))
            && matches!(candidate.state, CandidateState::Connected)
        {
            candidate.state = CandidateState::Waiting(RetryTimes::now(now));
        }
    }

    /// Forgets the addresses from all sources but these. Those that the user gave stay.
    pub fn retain_sources(&mut self, keep: impl Fn(Source) -> bool) {
        self.known.retain(|_, candidate| candidate.is_from_user() || keep(candidate.source));
    }

    /// Makes all addresses that wait due now: what kept us from them may be over. Their failures still count.
    pub fn make_due(&mut self, now: Instant) {
        for candidate in self.known.values_mut() {
            if let CandidateState::Waiting(times) = &mut candidate.state {
                *times = RetryTimes::now(now);
            }
        }
    }

    /// How many addresses wait that were never tried or that worked, and how many that failed.
    pub fn untried_and_dead(&self) -> (usize, usize) {
        let waits = |candidate: &&Candidate| matches!(candidate.state, CandidateState::Waiting(_));
        self.known.values().filter(waits).fold((0, 0), |(untried, dead), candidate| {
            match candidate.failures == 0 && candidate.may_be_tried(self.last_resort) {
                true => (untried + 1, dead),
                false => (untried, dead + 1),
            }
        })
    }

    /// Whether the last attempt at this address failed.
    pub fn has_failed(&self, address: SocketAddr) -> bool {
        self.known.get(&canonical(address)).is_some_and(|candidate| candidate.failures > 0)
    }

    /// How many addresses are known that came from such a source.
    pub fn count_from(&self, is_it: impl Fn(Source) -> bool) -> usize {
        self.known.values().filter(|candidate| is_it(candidate.source)).count()
    }

    /// How many addresses are known.
    pub fn known(&self) -> usize {
        self.known.len()
    }

    fn insert(&mut self, address: SocketAddr, source: Source, state: CandidateState) {
        let (priority, lot) = (self.priority(address), self.lots.u32(..));
        let candidate = Candidate {
            source,
            confirmed: false,
            useful: false,
            spare: false,
            suspect: self.liars.is_suspect(address.ip()),
            ours: self.external.contains(&Some(address)),
            failures: 0,
            takes_at_most: None,
            approaches: Approaches::default(),
            priority,
            lot,
            state,
        };
        self.known.insert(address, candidate);
    }

    /// How many ports of this host are known. Our own host may run any number of clients, and each can be
    /// trusted as much as we can.
    fn ports_of(&self, ip: IpAddr) -> usize {
        if ip.is_loopback() { 0 } else { self.known.keys().filter(|address| address.ip() == ip).count() }
    }

    /// Whether there is room for an address from this source. Forgets a worse one if that makes room.
    fn has_room(&mut self, source: Source) -> bool {
        let is_from_a_peer = |other: Source| matches!(other, Source::Pex(_));
        let is_same = |other: Source| other == source;
        let shares: &[(usize, &dyn Fn(Source) -> bool)] = match source {
            Source::Pex(_) => &[(MAX_FROM_ONE_PEER, &is_same), (MAX_FROM_PEERS, &is_from_a_peer)],
            Source::Dht | Source::Lan => &[(MAX_FROM_DHT_OR_LAN, &is_same)],
            _ => &[],
        };
        for &(max, is_in_share) in shares {
            let known =
                self.known.values().filter(|candidate| !candidate.useful && is_in_share(candidate.source));
            if known.count() >= max {
                return self.forget_one(is_in_share);
            }
        }
        self.known.len() < MAX_CANDIDATES || self.forget_one(&|_| true)
    }

    /// Forgets the worst failed candidate from such a source.
    fn forget_one(&mut self, is_in_share: &dyn Fn(Source) -> bool) -> bool {
        // Bans are forgotten last. But they must not fill the room of all others.
        let badness = |candidate: &Candidate| match candidate.state {
            CandidateState::Waiting(_) if candidate.failures > 0 => Some(candidate.failures.min(HOPELESS)),
            CandidateState::Banned => Some(0),
            CandidateState::Waiting(_) | CandidateState::Connected => None,
        };
        let worst = self
            .known
            .iter()
            .filter(|(_, candidate)| !candidate.is_from_user() && is_in_share(candidate.source))
            .filter_map(|(address, candidate)| Some((address, (badness(candidate)?, candidate.lot))))
            .max_by_key(|(_, badness)| *badness)
            .map(|(address, _)| *address);
        worst.is_some_and(|address| self.known.remove(&address).is_some())
    }
}

#[cfg(test)]
mod tests;
