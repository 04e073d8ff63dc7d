//! One candidate: where we heard of its address, and what became of our attempts to connect to it.

use super::approaches::{Approaches, Rebuff};
use super::retry::{Need, RetryTimes};
use crate::strategy::Encryption;
use std::cmp::Reverse;
use std::fmt;
use std::net::IpAddr;
use std::time::Instant;

/// Where we heard of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The user gave it.
    User,
    /// A tracker.
    Tracker,
    /// The magnet link (`x.pe`, BEP 9).
    Magnet,
    /// The DHT (BEP 5).
    Dht,
    /// Local service discovery: a host in the local network announced it by multicast (BEP 14).
    Lan,
    /// The peer connected to us.
    Incoming,
    /// Peer exchange: the peer at this address told us (BEP 11).
    Pex(IpAddr),
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::User => out.write_str("the user named it"),
            Source::Tracker => out.write_str("a tracker named it"),
            Source::Magnet => out.write_str("the magnet link names it"),
            Source::Dht => out.write_str("the DHT named it"),
            Source::Lan => out.write_str("it announced itself on the local network"),
            Source::Incoming => out.write_str("it had connected to us"),
            Source::Pex(teller) => write!(out, "the peer at {teller} named it"),
        }
    }
}

#[derive(Debug)]
pub(super) enum CandidateState {
    /// Not connected. It may be tried from this time on, which depends on how badly we need peers.
    Waiting(RetryTimes),
    /// Connected, or connecting.
    Connected,
    /// Never to be tried again.
    Banned,
}

/// How likely it is that an address is alive and of use, from the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Promise {
    /// One source says so.
    Hearsay,
    /// Two sources say so, or a peer that says that it is connected to it.
    Confirmed,
    /// It has been connected to us.
    Met,
    /// It has sent us what we asked for.
    Useful,
    /// The user says so.
    Named,
}

#[derive(Debug)]
pub(super) struct Candidate {
    pub source: Source,
    /// A second source has named it.
    pub confirmed: bool,
    /// It once sent what we asked for.
    pub useful: bool,
    /// Enough ports of its host are known besides it.
    pub spare: bool,
    /// A peer of its host sent wrong data, or several of its network.
    pub suspect: bool,
    /// Others see us there.
    pub ours: bool,
    /// Failures in a row.
    pub failures: u32,
    /// It hung up when it was asked for more, so it is asked for so many blocks at a time at most.
    pub takes_at_most: Option<u32>,
    /// How connections to it begin.
    pub approaches: Approaches,
    /// Decides between candidates that are equal otherwise: the highest comes first (BEP 40).
    pub priority: u32,
    /// Drawn by lot. Decides between candidates of the same priority, so that a source gains nothing by being
    /// the first to tell its addresses, and that the same lots lead to the same connections.
    pub lot: u32,
    pub state: CandidateState,
}

impl Candidate {
    pub fn is_from_user(&self) -> bool {
        self.source == Source::User
    }

    /// Whether the user or the magnet link named it.
    pub fn is_named(&self) -> bool {
        matches!(self.source, Source::User | Source::Magnet)
    }

    /// Another source has the address too. We keep the source that we trust more.
    pub fn add_source(&mut self, source: Source) {
        self.confirmed |= self.source != source;
        let is_better =
            matches!(self.source, Source::Pex(_)) || matches!(source, Source::User | Source::Tracker);
        if is_better && !self.is_from_user() {
            self.source = source;
        }
    }

    /// The connection to it ended before its handshake came. Whether it is tried the other way at once.
    pub fn rebuffed(&mut self, policy: Encryption, rebuff: Rebuff, now: Instant) -> bool {
        let is_connected = matches!(self.state, CandidateState::Connected);
        let at_once = is_connected && self.approaches.rebuffed(policy, rebuff) && rebuff == Rebuff::Closed;
        if at_once {
            self.state = CandidateState::Waiting(RetryTimes::otherwise(now));
        }
        at_once
    }

    /// It is known to be of use, so that its first failure is an accident.
    fn is_vouched_for(&self) -> bool {
        self.useful || self.is_from_user()
    }

    /// Whether it is tried at all now. What the user named always is.
    pub fn may_be_tried(&self, last_resort: bool) -> bool {
        self.is_named() || !self.ours && (last_resort || !self.suspect)
    }

    fn promise(&self) -> Promise {
        match self.source {
            Source::User => Promise::Named,
            _ if self.useful => Promise::Useful,
            Source::Incoming => Promise::Met,
            Source::Pex(_) => Promise::Confirmed,
            _ if self.confirmed => Promise::Confirmed,
            Source::Tracker | Source::Magnet | Source::Dht | Source::Lan => Promise::Hearsay,
        }
    }

    /// Failures that speak against it. A spare port begins with one, so that it comes after whatever was not
    /// tried yet and before whatever failed.
    pub fn counted_failures(&self) -> u32 {
        match self.is_vouched_for() {
            true => self.failures.saturating_sub(1),
            false => self.failures.max(self.spare.into()),
        }
    }

    /// It has just answered, and is to be tried the other way, plain or encrypted.
    fn has_answered(&self) -> bool {
        matches!(&self.state, CandidateState::Waiting(times) if times.otherwise)
    }

    /// No failure speaks against it, or it has just answered.
    pub fn is_untried(&self) -> bool {
        self.has_answered() || self.counted_failures() == 0
    }

    /// Of those that may be tried, the candidate of the lowest rank comes first. One that has just answered, and may
    /// want to be spoken to the other way, is there: it keeps its turn.
    pub fn rank(&self) -> impl Ord + use<> {
        let order = (self.counted_failures(), !self.is_vouched_for(), self.failures);
        (!self.has_answered(), order, Reverse((self.promise(), self.priority, self.lot)))
    }

    /// Whether it may be tried now.
    pub fn is_due(&self, need: Need, now: Instant) -> bool {
        self.due(need).is_some_and(|due| due <= now)
    }

    /// When it may be tried, if it waits.
    pub fn due(&self, need: Need) -> Option<Instant> {
        match &self.state {
            CandidateState::Waiting(times) => Some(times.due(need)),
            CandidateState::Connected | CandidateState::Banned => None,
        }
    }
}
