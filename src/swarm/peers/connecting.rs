//! From an address to a peer in the roster.

use crate::address::IpFamily;
use crate::message::{Greeting, Order, PeerKey};
use crate::peer::Worker;
use crate::piece::Bitfield;
use crate::strategy::{AttemptFailure, PexHistory, Source};
use crate::swarm::peers::Peer;
use crate::swarm::{Coordinator, Phase};
use crate::wire::PeerId;
use log::debug;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// Attempts at once: a home router forgets other connections when there are more.
const MAX_HALF_OPEN: usize = 25;

impl Coordinator<'_> {
    /// Somebody found addresses.
    pub(in crate::swarm) fn found(&mut self, source: Source, addresses: Vec<SocketAddr>) {
        let now = Instant::now();
        for address in addresses {
            self.candidates.add(address, source, now);
        }
    }

    /// Others see us at an address. Trackers that do not know us apart hand it out to us too.
    pub(in crate::swarm) fn seen_from_outside(&mut self) {
        for ip in IpFamily::BOTH.into_iter().filter_map(|family| self.external.address(family)) {
            self.candidates.set_external(SocketAddr::new(ip, self.shared.port.unwrap_or(0)));
        }
    }

    /// The user named peers: they come first and are never forgotten.
    pub(in crate::swarm) fn named(&mut self, addresses: Vec<SocketAddr>) {
        let now = Instant::now();
        for address in addresses {
            self.candidates.add_from_user(address, now);
        }
    }

    /// Starts as many connections as there is room and reason for.
    pub(in crate::swarm) fn connect(&mut self, now: Instant) {
        while self.wants_peers() && self.candidates.next_due().is_some_and(|due| due <= now) {
            if !self.attempts.take(now) {
                return;
            }
            let Some(address) = self.candidates.next(now) else { return };
            let key = self.roster.next_key();
            match Worker::connect(&self.shared, key, address) {
                Ok(worker) => self.roster.add(key, Peer::outgoing(address, worker, now)),
                Err(error) => {
                    debug!("{address}: cannot start a thread: {error}");
                    self.candidates.failed(address, AttemptFailure::Unreachable, now, &mut self.random);
                }
            }
        }
    }

    /// When [`Coordinator::connect`] has something to do next.
    pub(in crate::swarm) fn next_attempt(&self) -> Option<Instant> {
        let due = self.wants_peers().then(|| self.candidates.next_due()).flatten()?;
        Some(due.max(self.attempts.next(due)))
    }

    /// The handshakes were exchanged.
    pub(in crate::swarm) fn greeted(&mut self, key: PeerKey, greeting: Greeting) {
        // A super-seed that said so would look like one that neither has nor wants anything.
        let upload_only = self.phase == Phase::Seeding && self.super_seed.is_none();
        // What is on disk and is still what it was when it was written.
        let pieces = match &self.super_seed {
            Some(_) => Bitfield::none(self.geometry.piece_count()),
            None => self.shared.served_pieces.offered(),
        };
        let Some(peer) = self.roster.get_mut(key) else { return };
        debug!("{}: greeted, it is {}", peer.address, client_name(greeting.peer_id));
        peer.greeting = Some(greeting);
        peer.last_block = Instant::now();
        peer.gossip = PexHistory::new(Instant::now());
        if self.may_stay(key)
            && let Some(peer) = self.roster.get_mut(key)
        {
            peer.order(Order::Introduce { pieces: Arc::new(pieces), greeting, upload_only });
            self.super_seed_greeted(key, Instant::now());
        }
    }

    fn wants_peers(&self) -> bool {
        !self.is_leaving()
            && self.roster.len() < self.limits.max_peers
            && self.roster.half_open() < MAX_HALF_OPEN
    }
}

/// The printable part of a peer id, which by custom begins with the client's name (BEP 20).
fn client_name(peer_id: PeerId) -> String {
    peer_id
        .0
        .iter()
        .take(8)
        .map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' })
        .collect()
}
