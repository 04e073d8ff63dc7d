//! The search for the metadata: which peers to connect to, and when it is over.
//!
//! Runs on the thread of the torrent, before the swarm's coordinator does, and empties the same inbox. It
//! never waits for a peer: each has a worker (`magnet/worker.rs`).

use super::worker::MetadataWorker;
use super::{FetchEnd, FoundMetadata, MetadataContext, SearchEnvironment};
use crate::message::{
    Event, Greeting, HandedOver, HangUp, Incoming, KnownPeers, MetadataState, PeerError, PeerKey,
    PeerTrouble, going_on_with,
};
use crate::net::PeerStream;
use crate::strategy::{Candidates, Dialer, Rebuff, SupplyReports};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use log::{debug, warn};
use std::collections::HashMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Time between two looks at what changes slowly: the user's wish to end, the timeout, what to show.
const TICK: Duration = Duration::from_millis(250);

/// The search for the metadata of one torrent.
pub struct MetadataSearch<'a> {
    pub(super) context: &'a Arc<MetadataContext>,
    pub(super) environment: &'a dyn SearchEnvironment,
    pub(super) max_peers: usize,
    pub(super) dialer: Dialer,
    pub(super) peers: HashMap<PeerKey, AskedPeer>,
    /// The connections that workers have handed over because the metadata is complete.
    handed_over: Vec<HandedOver>,
    /// Peers without the extension protocol: they can give the payload and no metadata.
    pub(super) payload_only: Vec<SocketAddr>,
    last_key: PeerKey,
    /// The metadata, from when it is complete until the connection that completed it is handed over.
    metadata: Option<FoundMetadata>,
    /// When a piece came last.
    pub(super) last_progress: Instant,
    /// How many pieces we had then.
    pieces: u32,
    /// What the last tracker said, if it named no peer, or why the last connection that we made ended.
    pub(super) trouble: Option<String>,
    /// Why connections that we made ended.
    peer_trouble: PeerTrouble,
    supply_reports: SupplyReports,
}

/// A peer that is asked for metadata.
pub(super) struct AskedPeer {
    pub(super) address: SocketAddr,
    pub(super) incoming: bool,
    pub(super) since: Instant,
    /// What its handshake said; `None` before it came.
    pub(super) greeting: Option<Greeting>,
    worker: MetadataWorker,
}

impl AskedPeer {
    /// Whether handshakes were exchanged with it.
    pub(super) fn is_greeted(&self) -> bool {
        self.greeting.is_some()
    }
}

impl<'a> MetadataSearch<'a> {
    /// A search that asks this many peers at once.
    pub fn new(
        context: &'a Arc<MetadataContext>,
        environment: &'a dyn SearchEnvironment,
        max_peers: usize,
    ) -> MetadataSearch<'a> {
        let now = Instant::now();
        MetadataSearch {
            context,
            environment,
            max_peers,
            dialer: Dialer::new(
                Candidates::default(),
                context.encryption,
                None,
                environment.half_open(),
                fastrand::Rng::new(),
                now,
            ),
            peers: HashMap::new(),
            handed_over: Vec::new(),
            payload_only: Vec::new(),
            last_key: PeerKey(0),
            metadata: None,
            last_progress: now,
            pieces: 0,
            trouble: None,
            peer_trouble: PeerTrouble::default(),
            supply_reports: SupplyReports::default(),
        }
    }

    /// Runs the search to its end.
    pub fn run(mut self, inbox: &Receiver<Event>, timeout: Option<Duration>) -> FetchEnd {
        let mut next_tick = Instant::now();
        loop {
            let mut handed_over = false;
            match inbox.recv_deadline(self.next_attempt().map_or(next_tick, |due| due.min(next_tick))) {
                Ok(Event::Stop) => return self.ended(FetchEnd::Stopped),
                Ok(event) => {
                    handed_over = matches!(event, Event::HandedOver(_));
                    self.handle(event);
                }
                // It cannot be disconnected: `context` holds a sender.
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            if self.is_complete(handed_over, Instant::now() >= next_tick)
                && let Some(metadata) = self.metadata.take()
            {
                let (candidates, connections) = (self.release(), std::mem::take(&mut self.handed_over));
                let known_peers = KnownPeers { candidates, connections, last_key: self.last_key };
                return FetchEnd::Found { metadata, known_peers: Box::new(known_peers) };
            }
            let now = Instant::now();
            self.connect(now);
            if now >= next_tick {
                next_tick = now + TICK;
                self.tick(now);
                if self.environment.is_stopped() {
                    return self.ended(FetchEnd::Stopped);
                }
                let waited = now.saturating_duration_since(self.last_progress);
                if timeout.is_some_and(|timeout| waited >= timeout) {
                    return self.ended(FetchEnd::TimedOut(self.stall(now)));
                }
            }
        }
    }

    /// Whether the metadata is there and the search can end.
    ///
    /// The worker that completes the metadata hands its connection over, and that event comes behind
    /// everything that other workers had sent before. So the search waits for it: no connection is lost, and
    /// the download has its first peer when it begins. The connection may break before it is handed over, so
    /// the search ends at the second tick in any case.
    fn is_complete(&mut self, handed_over: bool, ticks: bool) -> bool {
        let waited = self.metadata.is_some();
        if handed_over || ticks {
            self.metadata = self.metadata.take().or_else(|| self.context.assembly().take());
        }
        handed_over || (ticks && waited)
    }

    fn handle(&mut self, event: Event) {
        let now = Instant::now();
        match event {
            Event::Found(source, addresses) => _ = self.dialer.found(source, &addresses, now),
            Event::Named(addresses) => self.dialer.named(&addresses, now),
            Event::Tracker(report) => self.tracker_answered(&report),
            Event::Incoming(incoming) => self.incoming(incoming, now),
            Event::Attempted(key, address, outcome) => self.attempted(key, address, outcome, now),
            Event::Greeted(key, greeting) => {
                self.tell_connected(key, greeting);
                if let Some(peer) = self.peers.get_mut(&key) {
                    debug!("{}: connected ({})", peer.address, greeting.encryption);
                    peer.greeting = Some(greeting);
                    self.peer_trouble.greeted();
                    if !peer.incoming {
                        self.dialer.candidates_mut().greeted(peer.address);
                    }
                }
            }
            Event::Gone(key, why) => self.gone(key, why, now),
            Event::HandedOver(handed_over) => {
                let handed = self.peers.iter().find(|(_, peer)| peer.address == handed_over.address);
                if let Some(peer) = handed.map(|(key, _)| *key).and_then(|key| self.peers.remove(&key)) {
                    self.tell_gone(&peer, PeerError::HungUp(HangUp::HandedOver));
                }
                self.handed_over.push(handed_over);
            }
            // These events come only from the workers and the writer of a swarm. `run` handles `Stop`.
            Event::Heard(..)
            | Event::Stored(_)
            | Event::Lost(_)
            | Event::WriterEnded { .. }
            | Event::MemoryFree
            | Event::Stop => {}
        }
    }

    fn tick(&mut self, now: Instant) {
        let pieces = self.context.assembly().progress();
        // It is no progress if a peer only says that it has metadata.
        if pieces.0 > self.pieces {
            self.last_progress = now;
        }
        self.pieces = pieces.0;
        if self.environment.look_around(now).is_some() {
            self.dialer.candidates_mut().make_due(now);
        }
        if let Some(supply) = self.supply_reports.next(self.supply(now), now) {
            self.environment.supply(supply);
        }
        if self.environment.wants_sight() {
            self.environment.show_sight(self.peer_table(now));
        }
        self.environment.show(MetadataState {
            pieces,
            peers: self.peers.values().filter(|peer| peer.is_greeted()).count(),
            known: self.dialer.candidates().known(),
            trouble: self.trouble.clone().or_else(|| self.search_trouble(now)),
        });
    }

    fn next_attempt(&self) -> Option<Instant> {
        self.dialer.next_due(self.places(Instant::now()).free)
    }

    fn connect(&mut self, now: Instant) {
        self.dialer.set_connected(self.peers.values().filter(|peer| peer.is_greeted()).count());
        let places = self.places(now);
        while let Some(address) = self.dialer.next(places, now) {
            self.environment.explain_connecting(address, &|| self.dialer.why(address));
            let key = self.next_key();
            if let Err(error) = self.environment.connect(key, address) {
                self.had_no_room(Some(address), &error, now);
            }
        }
    }

    /// An attempt to connect has ended. If there is a connection, the peer is asked.
    fn attempted(
        &mut self,
        key: PeerKey,
        address: SocketAddr,
        outcome: Result<PeerStream, PeerError>,
        now: Instant,
    ) {
        if !self.dialer.connected(address) {
            return;
        }
        let stream = match outcome {
            Ok(stream) => stream,
            Err(why) => {
                debug!("{address}: {why}");
                self.failed(address, &why, None, now);
                return self.tell_not_connected(address, why);
            }
        };
        if self.places(now).free == 0 {
            let replaced = self.replaceable(now).next();
            let Some(replaced) = replaced else {
                debug!("{address}: reachable, but the limit of peers is reached");
                return self.dialer.candidates_mut().release(address, now);
            };
            if let Some(peer) = self.peers.remove(&replaced) {
                let why = PeerError::HungUp(HangUp::Unproven);
                self.failed(peer.address, &why, Some(peer.is_greeted()), now);
                self.tell_gone(&peer, why);
            }
        }
        let opening = self.dialer.candidates_mut().begin(address);
        match MetadataWorker::greet(self.context, key, address, stream, opening) {
            Ok(worker) => self.add(key, address, false, worker),
            Err(error) => self.had_no_room(Some(address), &error, now),
        }
    }

    fn incoming(&mut self, incoming: Incoming, now: Instant) {
        let address = incoming.address;
        // Incoming peers get a quarter of the places, so that they cannot keep us from the peers that we look
        // for.
        if self.incoming_count() >= self.max_peers.div_ceil(4) {
            return;
        }
        let key = self.next_key();
        match MetadataWorker::accept(self.context, key, incoming) {
            Ok(worker) => self.add(key, address, true, worker),
            Err(error) => self.had_no_room(None, &error, now),
        }
    }

    /// There was no thread or no open file for a connection, which was to `address` if we began it.
    fn had_no_room(&mut self, address: Option<SocketAddr>, why: &dyn Display, now: Instant) {
        if self.dialer.had_no_room(address, now) {
            warn!("{why}; {}", going_on_with(self.peers.len()));
        }
    }

    fn next_key(&mut self) -> PeerKey {
        self.last_key = PeerKey(self.last_key.0.wrapping_add(1));
        self.last_key
    }

    fn add(&mut self, key: PeerKey, address: SocketAddr, incoming: bool, worker: MetadataWorker) {
        let (since, greeting) = (Instant::now(), None);
        self.peers.insert(key, AskedPeer { address, incoming, since, greeting, worker });
    }

    fn gone(&mut self, key: PeerKey, why: PeerError, now: Instant) {
        let Some(peer) = self.peers.remove(&key) else { return };
        debug!("{}: {why}", peer.address);
        self.judge(&peer, &why, now);
        self.tell_gone(&peer, why);
    }

    /// What follows from the end of a connection.
    fn judge(&mut self, peer: &AskedPeer, why: &PeerError, now: Instant) {
        if why.is_an_attack() {
            self.environment.refuse(peer.address.ip());
        }
        if why.is_no_room() && peer.incoming {
            return self.had_no_room(None, why, now);
        }
        if peer.incoming {
            return;
        }
        if matches!(why, PeerError::HungUp(HangUp::NoExtensions)) {
            self.peer_trouble.note(peer.address, why, true, None);
            self.trouble = self.peer_trouble.sentence();
            return self.payload_only.push(peer.address);
        }
        self.failed(peer.address, why, Some(peer.is_greeted()), now);
    }

    /// A connection that we made has ended, or never came about. `greeted`: whether the handshakes had been
    /// exchanged, if it had come about.
    fn failed(&mut self, address: SocketAddr, why: &PeerError, greeted: Option<bool>, now: Instant) {
        if why.is_no_route() {
            self.dialer.had_no_route();
        }
        if why.is_no_room() {
            return self.had_no_room(Some(address), why, now);
        }
        if let Some(fault) = why.of_the_proxy() {
            self.trouble = Some(fault.to_string());
            return self.dialer.had_no_proxy(address, now);
        }
        if why.is_silence() {
            self.environment.fell_silent(address);
        }
        let rebuff = why.rebuff().filter(|_| greeted == Some(false));
        if rebuff.is_some_and(|rebuff| self.dialer.candidates_mut().rebuffed(address, rebuff, now)) {
            return debug!("{address}: trying again, encrypted or plain as it was not before");
        }
        if rebuff == Some(Rebuff::Closed) {
            self.environment.closed_early(address);
        }
        self.dialer.failed(address, why.failure(greeted == Some(true), false), now);
        if matches!(why, PeerError::Ourselves) {
            return self.environment.met_ourselves(address);
        }
        let hint = rebuff.and_then(|_| self.context.encryption.hint());
        self.peer_trouble.note(address, why, greeted == Some(true), hint);
        self.trouble = self.peer_trouble.sentence();
    }

    /// Ends the outgoing connections that were not handed over, and frees their addresses, so that the swarm
    /// can connect to them again. Incoming connections go on, because perhaps we cannot connect to those
    /// peers: the next answer of such a peer finds the metadata complete, and its worker hands the connection
    /// over, by then to the swarm. If no answer comes, the worker ends after its usual 20 s.
    fn release(&mut self) -> Candidates {
        let now = Instant::now();
        self.tell_all_gone();
        self.dialer.release_attempts(now);
        let candidates = self.dialer.candidates_mut();
        self.payload_only.drain(..).for_each(|address| candidates.release(address, now));
        // The swarm marks the address again when it takes over the connection. It does the same for a
        // connection that is handed over at this very moment, of which it hears later.
        for handed_over in self.handed_over.iter().filter(|handed_over| !handed_over.incoming) {
            candidates.release(handed_over.address, now);
        }
        for (_, peer) in self.peers.drain() {
            if peer.incoming {
                peer.worker.release();
            } else {
                candidates.release(peer.address, now);
            }
        }
        std::mem::take(candidates)
    }
}

#[cfg(test)]
mod tests;
