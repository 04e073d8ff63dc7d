//! From an address to a peer in the roster.

use super::Coordinator;
use super::roster::Peer;
use crate::message::{Greeting, Order, PeerKey};
use crate::peer::Worker;
use crate::strategy::Failure;
use log::debug;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// Attempts at once: a home router forgets other connections when there are more.
const MOST_HALF_OPEN: usize = 25;

impl Coordinator<'_> {
    /// Somebody found addresses.
    pub(super) fn found(&mut self, addresses: Vec<SocketAddr>) {
        let now = Instant::now();
        for address in addresses {
            self.candidates.add(address, now);
        }
    }

    /// The user named peers: they come first and are never forgotten.
    pub(super) fn named(&mut self, addresses: Vec<SocketAddr>) {
        let now = Instant::now();
        for address in addresses {
            self.candidates.add_named(address, now);
        }
    }

    /// Starts as many connections as there is room and reason for.
    pub(super) fn connect(&mut self, now: Instant) {
        while self.wants_peers() && self.candidates.next_due().is_some_and(|due| due <= now) {
            if !self.attempts.take(now) {
                return;
            }
            let Some(address) = self.candidates.next(now) else { return };
            let key = self.roster.next_key();
            match Worker::connect(&self.shared, key, address) {
                Ok(worker) => self.roster.add(key, Peer::new(address, worker, now)),
                Err(error) => {
                    debug!("{address}: cannot start a thread: {error}");
                    self.candidates.failed(address, Failure::Unreachable, now, &mut self.random);
                }
            }
        }
    }

    /// When [`Coordinator::connect`] has something to do next.
    pub(super) fn next_attempt(&self) -> Option<Instant> {
        let due = self.wants_peers().then(|| self.candidates.next_due()).flatten()?;
        Some(due.max(self.attempts.next(due)))
    }

    /// The handshakes were exchanged.
    pub(super) fn greeted(&mut self, key: PeerKey, greeting: Greeting) {
        let pieces = (self.pieces.stored().count() > 0).then(|| Arc::new(self.pieces.stored().clone()));
        if let Some(peer) = self.roster.get_mut(key) {
            debug!("{}: greeted, it is {}", peer.address, client_name(&greeting.peer_id));
            peer.greeting = Some(greeting);
            peer.last_block = Instant::now();
            peer.order(Order::Introduce { pieces, greeting });
        }
    }

    fn wants_peers(&self) -> bool {
        !self.finishing
            && !self.pieces.is_complete()
            && self.roster.len() < self.limits.max_peers
            && self.roster.half_open() < MOST_HALF_OPEN
    }
}

/// The printable part of a peer id, which by custom begins with the client's name (BEP 20).
fn client_name(peer_id: &[u8; 20]) -> String {
    peer_id.iter().take(8).map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' }).collect()
}
