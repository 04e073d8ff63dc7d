//! How connections to a candidate begin: plain or encrypted.
//!
//! Some peers take only encrypted connections, some only plain ones, most take both, and an address does not say
//! which. A peer that does not take what we began with ends the connection before a word of its own. So where
//! the user leaves the choice to us, such a peer is tried the other way *at once*: it is there and only wants to
//! be spoken to differently, so it comes before every address that may be dead, and no failure is held against
//! it. That happens once. If it ends the second connection too, it has other reasons, and waits as after any
//! failure. A peer that is silent to the first approach may be behind a box that swallows what it does not
//! know, or it may just be slow: that is a failure, and the other approach is the next one.
//!
//! The way that a peer took is remembered. If such a peer ends the next connection early, it was probably full:
//! it is tried the other way only if it does so again.

use super::Candidates;
use super::candidate::CandidateState;
use super::retry::RetryTimes;
use crate::address::canonical;
use crate::strategy::{Approach, Encryption};
use std::net::SocketAddr;
use std::time::Instant;

/// How a connection ended that was made, and that no handshake of the peer came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rebuff {
    /// The peer ended it, or what it said is not what the approach calls for.
    Closed,
    /// Nothing came in time.
    Silent,
}

/// What is known of the way in which connections to one candidate have to begin.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Approaches {
    /// The way that it took, or is said to prefer.
    first: Option<Approach>,
    /// It took the first way, and has not refused it since.
    proven: bool,
    /// How the last connection began.
    last: Approach,
    /// How the next one begins, where the last one was refused.
    second: Option<Approach>,
    /// The next one is due at once.
    pub at_once: bool,
}

impl Approaches {
    /// A connection has come about. How to begin it.
    fn begin(&mut self, policy: Encryption) -> Approach {
        let first = self.first.filter(|_| policy.has_choice()).unwrap_or(policy.first());
        self.last = self.second.unwrap_or(first);
        self.last
    }

    /// That way was refused. Whether the other one is next.
    fn rebuffed(&mut self, policy: Encryption) -> bool {
        let was_second = self.second.take().is_some();
        if policy.has_choice() && !was_second && !std::mem::take(&mut self.proven) {
            self.second = Some(self.last.other());
        }
        self.second.is_some()
    }
}

impl Candidates {
    /// What the user wants about encryption. Until this is called it is the default.
    pub fn set_encryption(&mut self, encryption: Encryption) {
        self.encryption = encryption;
    }

    /// There is a connection to this address, and this is how to begin it.
    pub fn begin(&mut self, address: SocketAddr) -> Approach {
        let policy = self.encryption;
        self.known
            .get_mut(&canonical(address))
            .map_or(policy.first(), |candidate| candidate.approaches.begin(policy))
    }

    /// The connection that we made to this address has led to handshakes, so later ones begin like it.
    pub fn greeted(&mut self, address: SocketAddr) {
        if let Some(candidate) = self.known.get_mut(&canonical(address)) {
            let approaches = &mut candidate.approaches;
            (approaches.first, approaches.proven, approaches.second) = (Some(approaches.last), true, None);
        }
    }

    /// The peer at this address is said to prefer encrypted connections, or has made one to us. That counts
    /// while we know no better.
    pub fn prefers_encryption(&mut self, address: SocketAddr) {
        if let Some(candidate) = self.known.get_mut(&canonical(address)) {
            candidate.approaches.first.get_or_insert(Approach::Encrypted);
        }
    }

    /// The connection to this address was made and ended before its handshake came. True if it is tried the
    /// other way at once, so that this was no failure. Otherwise the caller reports one.
    pub fn rebuffed(&mut self, address: SocketAddr, rebuff: Rebuff, now: Instant) -> bool {
        let policy = self.encryption;
        let Some(candidate) = self.known.get_mut(&canonical(address)) else { return false };
        let is_connected = matches!(candidate.state, CandidateState::Connected);
        let at_once = is_connected && candidate.approaches.rebuffed(policy) && rebuff == Rebuff::Closed;
        if at_once {
            candidate.approaches.at_once = true;
            candidate.state = CandidateState::Waiting(RetryTimes::now(now));
        }
        at_once
    }
}
