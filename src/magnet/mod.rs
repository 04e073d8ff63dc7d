//! From a magnet link to its torrent: the time in which nothing but the info-hash is known.
//!
//! A magnet names a torrent and says where to look for peers. What the torrent holds, its *metadata*, is
//! asked of the peers themselves (BEP 9), and whatever they say is believed once its SHA-1 is the
//! info-hash. Until then there is no piece to want and nobody to upload to, so this is a coordinator of
//! its own, much smaller than the one of the swarm: it takes in the same [`Event`]s, connects, and gives
//! each peer a worker of one thread (`meta-ADDRESS`). The workers share the
//! [`MetadataAssembly`], which says what to ask of whom, and who lied.
//!
//! When the metadata is there, the swarm goes on with the addresses, and with the connections of those who
//! were just heard of ([`Event::HandedOver`]): what they said that nobody could understand before is kept for it.

mod metadata_assembly;
mod worker;

pub use metadata_assembly::{MAX_METADATA_SIZE, MetadataAssembly, Verdict};
pub use worker::MetadataContext;

use crate::message::{Event, HandedOver, HangUp, Incoming, KnownPeers, MetadataState, PeerError, PeerKey};
use crate::strategy::{AttemptFailure, Candidates, Dialer};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use log::debug;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use worker::MetadataWorker;

/// How often the user's wish and the time are looked at.
const TICK: Duration = Duration::from_millis(250);
/// Peers that are asked at once. Metadata is small: a few good ones are enough, and a few more bring one.
const MAX_PEERS: usize = 30;

/// What is needed from outside.
pub struct Doors<'a> {
    /// Shows how it stands. Must not wait.
    pub show: &'a dyn Fn(MetadataState),
    /// Whether the user wants to end.
    pub is_stopped: &'a dyn Fn() -> bool,
    /// Asks for more peers. Must not wait.
    pub need_peers: &'a dyn Fn(),
}

/// How the search for the metadata ended.
pub enum FetchEnd {
    /// The metadata was found and is verified.
    Found {
        /// The bencoded `info` value, whose SHA-1 is the info-hash.
        info: Vec<u8>,
        /// The peers that the swarm goes on with.
        known_peers: KnownPeers,
    },
    /// The user stopped it.
    Stopped,
    /// There was no progress for too long.
    TimedOut,
}

/// Asks peers for the metadata until it is there.
pub fn fetch(
    context: &Arc<MetadataContext>,
    inbox: &Receiver<Event>,
    timeout: Option<Duration>,
    max_peers: usize,
    doors: &Doors<'_>,
) -> FetchEnd {
    let now = Instant::now();
    let mut seeker = Seeker {
        context,
        doors,
        max_peers: max_peers.min(MAX_PEERS),
        dialer: Dialer::new(Candidates::default(), None, fastrand::Rng::new(), now),
        peers: HashMap::new(),
        handed: Vec::new(),
        plain: Vec::new(),
        last_key: PeerKey(0),
        info: None,
        progress: (now, (0, 0)),
        trouble: None,
    };
    seeker.run(inbox, timeout)
}

struct Seeker<'a> {
    context: &'a Arc<MetadataContext>,
    doors: &'a Doors<'a>,
    max_peers: usize,
    dialer: Dialer,
    peers: HashMap<PeerKey, Peer>,
    /// Those with whom the metadata became complete.
    handed: Vec<HandedOver>,
    /// Those that can give nothing but the payload.
    plain: Vec<SocketAddr>,
    last_key: PeerKey,
    /// What they gave, for the moment until one of them is handed over.
    info: Option<Vec<u8>>,
    /// When something came last, and how many pieces of how many that were.
    progress: (Instant, (u32, u32)),
    /// What the last tracker that named nobody said, or why the last peer was lost.
    trouble: Option<String>,
}

struct Peer {
    address: SocketAddr,
    incoming: bool,
    greeted: bool,
    worker: MetadataWorker,
}

impl Seeker<'_> {
    fn run(&mut self, inbox: &Receiver<Event>, timeout: Option<Duration>) -> FetchEnd {
        let mut next_tick = Instant::now();
        loop {
            let mut handed = false;
            match inbox.recv_deadline(self.next_attempt().map_or(next_tick, |due| due.min(next_tick))) {
                Ok(Event::Stop) => return FetchEnd::Stopped,
                Ok(event) => {
                    handed = matches!(event, Event::HandedOver(_));
                    self.handle(event);
                }
                // We hold a sender ourselves, in `context`.
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            if self.is_complete(handed, Instant::now() >= next_tick)
                && let Some(info) = self.info.take()
            {
                let (candidates, connections) = (self.release(), std::mem::take(&mut self.handed));
                let known_peers = KnownPeers { candidates, connections, last_key: self.last_key };
                return FetchEnd::Found { info, known_peers };
            }
            let now = Instant::now();
            self.connect(now);
            if now >= next_tick {
                next_tick = now + TICK;
                self.tick(now);
                if (self.doors.is_stopped)() {
                    return FetchEnd::Stopped;
                }
                let waited = now.saturating_duration_since(self.progress.0);
                if timeout.is_some_and(|timeout| waited >= timeout) {
                    return FetchEnd::TimedOut;
                }
            }
        }
    }

    /// Whether the metadata is there, and whoever sent the last piece of it has handed itself over behind all
    /// that others had said by then. It may fail to: at the second tick it is not waited for any more.
    fn is_complete(&mut self, handed: bool, ticks: bool) -> bool {
        let waited = self.info.is_some();
        if handed || ticks {
            self.info = self.info.take().or_else(|| self.context.assembly().take());
        }
        handed || (ticks && waited)
    }

    fn handle(&mut self, event: Event) {
        let now = Instant::now();
        match event {
            Event::Found(source, addresses) => _ = self.dialer.found(source, &addresses, now),
            Event::Named(addresses) => self.dialer.named(&addresses, now),
            Event::Tracker(report) => match report.outcome {
                Ok(0) => self.trouble = Some(format!("{} knows no other peer", report.url)),
                Ok(_) => {}
                Err(why) => self.trouble = Some(format!("{}: {why}", report.url)),
            },
            Event::Incoming(incoming) => self.incoming(incoming),
            Event::Greeted(key, _) => {
                if let Some(peer) = self.peers.get_mut(&key) {
                    peer.greeted = true;
                }
            }
            Event::Gone(key, why) => self.gone(key, &why, now),
            Event::HandedOver(handed) => {
                self.peers.retain(|_, peer| peer.address != handed.address);
                self.handed.push(handed);
            }
            // No worker of ours says these.
            Event::Heard(..) | Event::Stored(_) | Event::WriterEnded { .. } | Event::Stop => {}
        }
    }

    fn tick(&mut self, now: Instant) {
        let pieces = self.context.assembly().progress();
        // Who only says that it has something does not keep us waiting.
        if pieces.0 > self.progress.1.0 {
            self.progress.0 = now;
        }
        self.progress.1 = pieces;
        if self.dialer.candidates().waiting() == 0 && self.wants_peers() {
            (self.doors.need_peers)();
        }
        (self.doors.show)(MetadataState {
            pieces,
            peers: self.peers.values().filter(|peer| peer.greeted).count(),
            known: self.dialer.candidates().known(),
            trouble: self.trouble.clone(),
        });
    }

    fn incoming_count(&self) -> usize {
        self.peers.values().filter(|peer| peer.incoming).count()
    }

    fn wants_peers(&self) -> bool {
        let incoming = self.incoming_count();
        // Who comes may not keep us from the only one that we may connect to.
        self.peers.len() - incoming < self.max_peers.saturating_sub(incoming).max(1)
    }

    fn next_attempt(&self) -> Option<Instant> {
        self.wants_peers().then(|| self.dialer.next_due()).flatten()
    }

    fn connect(&mut self, now: Instant) {
        self.dialer.set_connected(self.peers.values().filter(|peer| peer.greeted).count());
        while self.wants_peers()
            && let Some(address) = self.dialer.next(now)
        {
            let key = self.next_key();
            match MetadataWorker::connect(self.context, key, address) {
                Ok(worker) => self.add(key, Peer { address, incoming: false, greeted: false, worker }),
                Err(error) => {
                    debug!("{address}: cannot start a thread: {error}");
                    self.dialer.failed(address, AttemptFailure::Unreachable, now);
                }
            }
        }
    }

    fn incoming(&mut self, incoming: Incoming) {
        let address = incoming.address;
        // They may not keep us from those that we look for.
        if self.incoming_count() >= self.max_peers.div_ceil(4) {
            return;
        }
        let key = self.next_key();
        match MetadataWorker::accept(self.context, key, incoming) {
            Ok(worker) => self.add(key, Peer { address, incoming: true, greeted: false, worker }),
            Err(error) => debug!("{address}: cannot start a thread: {error}"),
        }
    }

    fn next_key(&mut self) -> PeerKey {
        self.last_key = PeerKey(self.last_key.0.wrapping_add(1));
        self.last_key
    }

    fn add(&mut self, key: PeerKey, peer: Peer) {
        self.peers.insert(key, peer);
    }

    fn gone(&mut self, key: PeerKey, why: &PeerError, now: Instant) {
        let Some(peer) = self.peers.remove(&key) else { return };
        debug!("{}: {why}", peer.address);
        if why.is_no_route() {
            self.dialer.had_no_route();
        }
        if peer.incoming {
            return;
        }
        if matches!(why, PeerError::HungUp(HangUp::NoExtensions)) {
            return self.plain.push(peer.address);
        }
        self.dialer.failed(peer.address, why.failure(peer.greeted, false), now);
        self.trouble = Some(format!("{}: {why}", peer.address));
    }

    /// Ends the connections that have not come so far. Those whom we were connected to can be connected to
    /// again. Those who came to us are left to hand themselves over with their next answer: perhaps nobody
    /// can connect to them.
    fn release(&mut self) -> Candidates {
        let now = Instant::now();
        let candidates = self.dialer.candidates_mut();
        self.plain.drain(..).for_each(|address| candidates.release(address, now));
        // Whoever goes on with the connection takes the address again. So it is with those who hand themselves
        // over at this very moment, which is only heard of later.
        for handed in self.handed.iter().filter(|handed| !handed.incoming) {
            candidates.release(handed.address, now);
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
