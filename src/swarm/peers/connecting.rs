//! From an address to a peer in the roster.

use crate::message::{Greeting, Order, PeerKey};
use crate::piece::Bitfield;
use crate::strategy::PexHistory;
use crate::swarm::Coordinator;
use crate::swarm::peers::Peer;
use crate::wire::PeerId;
use log::{debug, warn};
use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// Attempts to connect that are open at once. With more, a home router forgets other connections.
const MAX_HALF_OPEN: usize = 25;

impl Coordinator<'_> {
    /// Connects to the addresses that are due, as long as we want more peers.
    pub(in crate::swarm) fn connect(&mut self, now: Instant) {
        self.dialer.set_connected(self.roster.greeted().count());
        while self.wants_peers()
            && let Some(address) = self.dialer.next(now)
        {
            let key = self.roster.next_key();
            match self.environment.connect(key, address) {
                Ok(worker) => self.roster.add(key, Peer::outgoing(address, worker, now)),
                Err(error) => self.had_no_room(Some(address), &error, now),
            }
        }
    }

    /// There was no thread or no open file for a connection, which was to `address` if we began it. The peers
    /// that are connected stay, and we try again later.
    pub(in crate::swarm) fn had_no_room(
        &mut self,
        address: Option<SocketAddr>,
        why: &dyn Display,
        now: Instant,
    ) {
        if self.dialer.had_no_room(address, now) {
            warn!("{why}; we go on with the peers that we have, {} now", self.roster.greeted().count());
        }
    }

    /// When [`Coordinator::connect`] has something to do next.
    pub(in crate::swarm) fn next_attempt(&self) -> Option<Instant> {
        self.wants_peers().then(|| self.dialer.next_due()).flatten()
    }

    /// The handshakes with a peer were exchanged.
    pub(in crate::swarm) fn greeted(&mut self, key: PeerKey, greeting: Greeting, now: Instant) {
        // A super-seed says that it has nothing. If it also said that it wants nothing, it would look like a
        // peer that is of no use at all.
        let upload_only = self.is_seeding() && self.super_seed.is_none();
        let pieces = match &self.super_seed {
            Some(_) => Bitfield::none(self.geometry.piece_count()),
            None => self.environment.served_pieces(),
        };
        let Some(peer) = self.roster.get_mut(key) else { return };
        debug!("{}: connected, it is {}", peer.address, client_name(greeting.peer_id));
        peer.greeting = Some(greeting);
        peer.download.last_block = now;
        peer.messages.pex_history = PexHistory::new(now);
        if self.resolve_duplicate(key, now)
            && let Some(peer) = self.roster.get(key)
        {
            peer.order(Order::Introduce { pieces: Arc::new(pieces), greeting, upload_only });
            self.find_moved(key);
            self.super_seed_greeted(key, now);
        }
    }

    pub(in crate::swarm) fn wants_peers(&self) -> bool {
        !self.is_leaving()
            && self.roster.len() < self.settings.limits.max_peers
            && self.environment.has_room()
            && self.roster.half_open() < MAX_HALF_OPEN
    }
}

/// The printable part of a peer id, which by custom begins with the client's name (BEP 20).
fn client_name(peer_id: PeerId) -> String {
    let letter = |byte: &u8| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' };
    peer_id.0.iter().take(8).map(letter).collect()
}
