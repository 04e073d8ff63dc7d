//! From an address to a peer in the roster.

use crate::message::{Greeting, Order, PeerError, PeerKey, going_on_with};
use crate::net::PeerStream;
use crate::piece::Bitfield;
use crate::strategy::PexHistory;
use crate::swarm::Coordinator;
use crate::swarm::peers::Peer;
use log::{debug, warn};
use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// If nothing came for so long, even those may be tried whose neighbours lied.
const LAST_RESORT: Duration = Duration::from_secs(5);

impl Coordinator<'_> {
    /// Connects to the addresses that are due, as long as we want more peers.
    pub(in crate::swarm) fn connect(&mut self, now: Instant) {
        self.dialer.set_connected(self.roster.greeted().count());
        let last_resort = self.is_downloading() && self.statistics.idle_for(now) >= LAST_RESORT;
        self.dialer.candidates_mut().set_last_resort(last_resort);
        let places = self.places(now);
        while let Some(address) = self.dialer.next(places, now) {
            if self.is_here_already(address) {
                debug!("{address}: already connected to us");
                self.dialer.connected(address);
                continue;
            }
            self.environment.explain_connecting(address, &|| self.dialer.why(address));
            let key = self.roster.next_key();
            if let Err(error) = self.environment.connect(key, address) {
                self.had_no_room(Some(address), &error, now);
            }
        }
    }

    /// When [`Coordinator::connect`] has something to do next. A place that becomes free as time passes is
    /// found by the tick.
    pub(in crate::swarm) fn next_attempt(&self, now: Instant) -> Option<Instant> {
        self.dialer.next_due(self.places(now).free)
    }

    /// An attempt to connect has ended. If there is a connection, and still a place for it, the address has
    /// become a peer.
    pub(in crate::swarm) fn attempted(
        &mut self,
        key: PeerKey,
        address: SocketAddr,
        outcome: Result<PeerStream, PeerError>,
        now: Instant,
    ) {
        if self.roster.is_of_the_search(key) || !self.dialer.connected(address) {
            // The search for the metadata began it.
            return;
        }
        let stream = match outcome {
            Ok(stream) => stream,
            Err(why) => {
                self.not_connected(address, &why, now);
                return self.tell_not_connected(address, why);
            }
        };
        self.statistics.proxy_answered(None);
        if self.is_here_already(address) {
            return debug!("{address}: reachable, but has connected to us meanwhile");
        }
        if self.is_leaving() || !self.find_place(now) {
            debug!("{address}: reachable, but the limit of peers is reached");
            return self.dialer.candidates_mut().release(address, now);
        }
        let opening = self.dialer.candidates_mut().begin(address);
        match self.environment.greet(key, address, stream, opening) {
            Ok(worker) => self.roster.add(key, Peer::outgoing(address, worker, now)),
            Err(error) => self.had_no_room(Some(address), &error, now),
        }
    }

    fn not_connected(&mut self, address: SocketAddr, why: &PeerError, now: Instant) {
        debug!("{address}: {why}");
        if why.is_no_room() {
            return self.had_no_room(Some(address), why, now);
        }
        self.statistics.proxy_answered(why.of_the_proxy());
        if why.of_the_proxy().is_some() {
            return self.dialer.had_no_proxy(address, now);
        }
        self.dialer.failed(address, why.failure(false, false), now);
        if why.is_no_route() {
            self.dialer.had_no_route();
        }
        self.statistics.peer_trouble().note(address, why, false, None);
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
            warn!("{why}; {}", going_on_with(self.roster.greeted().count()));
        }
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
        let (client, encryption) = (greeting.peer_id.client(), greeting.encryption);
        debug!("{}: connected: {client} ({encryption})", peer.address);
        peer.greeting = Some(greeting);
        self.statistics.peer_trouble().greeted();
        if !peer.is_incoming() {
            self.dialer.candidates_mut().greeted(peer.address);
        }
        if let Some(requests) = peer.dial.and_then(|dial| self.dialer.candidates().takes_at_most(dial)) {
            peer.download.pipeline.takes_at_most(requests);
        }
        peer.download.last_block = now;
        peer.messages.pex_history = PexHistory::new(now);
        if self.resolve_duplicate(key, now)
            && let Some(peer) = self.roster.get_mut(key)
        {
            let pieces = peer.introduced_with(pieces, self.geometry);
            peer.order(Order::Introduce { pieces: Arc::new(pieces), greeting, upload_only });
            self.find_moved(key);
            self.super_seed_greeted(key, now);
        }
    }
}
