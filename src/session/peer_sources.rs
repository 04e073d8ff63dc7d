//! Where the addresses of peers come from: trackers, the DHT, the local network, the names that the user
//! gave, and whoever connects to us.
//!
//! Each source has threads of its own and sends what it finds into the torrent's inbox. A [`Finding`]
//! begins when there is somebody to connect: for a magnet before its metadata is there, else when the
//! payload was looked at. It is let go at the end of the run, when the trackers hear that we leave; before that only where a
//! magnet turns out to be private and the user had others asked than its own trackers.

use super::{Network, Sources};
use crate::discovery::dht::Search;
use crate::discovery::lan::LanRegistration;
use crate::message::{Event, TrackerReport};
use crate::metainfo::InfoHash;
use crate::peer::{Listener, Registration};
use crate::strategy::Source;
use crate::text::printable;
use crate::tracker::{Announcers, Counts, Identity, NOT_LISTENING, Totals, TrackerNews};
use crate::wire::PeerId;
use crossbeam_channel::Sender;
use log::{info, warn};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

/// How many peers we ask a tracker for.
const PEERS_WANTED: u32 = 100;
/// Threads that look up the names of a torrent's peers.
const MAX_RESOLVERS: usize = 8;

/// What is to be found, and by what it says of itself.
pub struct Wanted<'a> {
    /// Which torrent.
    pub info_hash: InfoHash,
    /// How we call ourselves.
    pub peer_id: PeerId,
    /// Only its own trackers may be asked (BEP 27).
    pub private: bool,
    /// Its trackers by tier.
    pub trackers: &'a [Vec<String>],
    /// The peers that it names, as `HOST:PORT`.
    pub peers: &'a [String],
    /// The DHT nodes that it names.
    pub nodes: &'a [(String, u16)],
    /// What trackers are told.
    pub counts: Counts,
}

/// The sources of one torrent at work.
pub struct Finding {
    announcers: Announcers,
    totals: Arc<Totals>,
    search: Option<Search>,
    lan: Option<LanRegistration>,
    /// Peers that come are led to us.
    registration: Option<Registration>,
}

impl Finding {
    /// Starts to look. `None` where there is nobody to ask and nobody who could come.
    pub fn start(
        wanted: &Wanted<'_>,
        sources: &Sources,
        network: &Network,
        events: &Sender<Event>,
    ) -> Option<Finding> {
        let hash = wanted.info_hash;
        let port = network.listener.as_ref().map(Listener::port);
        let totals = Arc::new(Totals::new(wanted.counts));
        let announcers = announce(wanted, sources, network, &totals, events);
        let public = !wanted.private;
        let dht = network.dht.as_ref().filter(|_| public);
        let lan = network.lan.as_ref().filter(|_| public);
        let may_come = sources.waits_for_peers && port.is_some();
        let named = !sources.peers.is_empty() || !wanted.peers.is_empty();
        if announcers.is_empty() && !named && dht.is_none() && lan.is_none() && !may_come {
            return None;
        }
        for (peers, heard) in [(&sources.peers[..], Event::Named as Heard), (wanted.peers, of_a_magnet)] {
            let addresses = resolve(peers, events, heard);
            // Who has peers has often a DHT node as well, at the same number.
            dht.inspect(|dht| addresses.iter().for_each(|address| dht.contact(*address)));
        }
        let search = dht.map(|dht| {
            dht.contact_names(wanted.nodes);
            dht.search(hash, port, events.clone())
        });
        let lan = lan.map(|lan| lan.announce(hash, events.clone()));
        let registration = network.listener.as_ref().map(|listener| listener.register(hash, events.clone()));
        Some(Finding { announcers, totals, search, lan, registration })
    }

    /// More peers are wanted. Never waits.
    pub fn need_peers(&self) {
        self.announcers.need_peers();
        if let Some(search) = &self.search {
            search.need_peers();
        }
    }

    /// What trackers are told from now on.
    pub fn set(&self, counts: Counts) {
        self.totals.set(counts);
    }

    /// The download is complete: the trackers hear it. Never waits.
    pub fn completed(&self) {
        self.announcers.completed();
    }

    /// The torrent turned out to be private: only its trackers may be asked (BEP 27).
    pub fn only_trackers(&mut self) {
        self.search = None;
        self.lan = None;
    }

    /// Nobody is led to us any more.
    pub fn close(&mut self) {
        self.only_trackers();
        self.registration = None;
    }

    /// Tells the trackers that we leave, within this time.
    pub fn stop(mut self, budget: Duration) {
        self.close();
        self.announcers.stop(budget);
    }
}

/// Starts an announcer for each tier of the trackers.
fn announce(
    wanted: &Wanted<'_>,
    sources: &Sources,
    network: &Network,
    totals: &Arc<Totals>,
    events: &Sender<Event>,
) -> Announcers {
    let identity = Identity {
        info_hash: wanted.info_hash,
        peer_id: wanted.peer_id,
        port: network.listener.as_ref().map_or(NOT_LISTENING, Listener::port),
        key: fastrand::u32(..),
        numwant: PEERS_WANTED,
    };
    let mut tiers = if sources.own_trackers { wanted.trackers.to_vec() } else { Vec::new() };
    if wanted.private && !sources.trackers.is_empty() {
        warn!("the torrent is private: only its own trackers are asked, and those of --tracker are not");
    } else {
        tiers.extend(sources.trackers.iter().map(|tracker| vec![tracker.clone()]));
    }
    let events = events.clone();
    let news = move |news: TrackerNews| {
        let mut external_ip = None;
        let outcome = match news.outcome {
            Ok(answer) => {
                external_ip = answer.external_ip;
                if let Some(warning) = &answer.warning {
                    warn!("{}: {}", news.tracker, printable(warning));
                }
                let count = answer.peers.len();
                let _ = events.send(Event::Found(Source::Tracker, answer.peers));
                Ok(count)
            }
            Err(error) => {
                info!("{}: {error}", news.tracker);
                Err(error.to_string())
            }
        };
        let _ = events.send(Event::Tracker(TrackerReport { url: news.tracker, outcome, external_ip }));
    };
    Announcers::start(tiers, identity, totals, network.bind_address, news)
}

/// How the coordinator is told of addresses.
type Heard = fn(Vec<SocketAddr>) -> Event;

/// A magnet is a stranger's link: whom it names is not whom the user names.
fn of_a_magnet(addresses: Vec<SocketAddr>) -> Event {
    Event::Found(Source::Magnet, addresses)
}

/// Finds the addresses of peers that were named, and returns those that need no name server. One may take
/// its time, and its answer has no deadline of ours, so it is asked by threads that nobody waits for: one for
/// each name, where a stranger's link does not have many.
fn resolve(peers: &[String], events: &Sender<Event>, heard: Heard) -> Vec<SocketAddr> {
    let addresses: Vec<SocketAddr> = peers.iter().filter_map(|peer| peer.parse().ok()).collect();
    // One event, because nobody takes events out of the inbox yet.
    let _ = events.send(heard(addresses.clone()));
    let is_name = |peer: &&String| peer.parse::<SocketAddr>().is_err();
    let names: Vec<String> = peers.iter().filter(is_name).cloned().collect();
    for names in names.chunks(names.len().div_ceil(MAX_RESOLVERS).max(1)) {
        let (names, events) = (names.to_vec(), events.clone());
        let find = move || names.iter().for_each(|peer| look_up(peer, &events, heard));
        let spawned = std::thread::Builder::new().name("resolve".to_owned()).spawn(find);
        if let Err(error) = spawned {
            warn!("cannot start a thread: {error}");
        }
    }
    addresses
}

/// Asks for the addresses of one name, for as long as it takes.
fn look_up(peer: &str, events: &Sender<Event>, heard: Heard) {
    // Only an address with a port has brackets.
    let (host, port) = peer.rsplit_once(':').unwrap_or((peer, ""));
    let host = host.trim_matches(['[', ']']);
    match (host, port.parse().unwrap_or_default()).to_socket_addrs() {
        Ok(addresses) => drop(events.send(heard(addresses.collect()))),
        Err(error) => {
            warn!("cannot find the peer {}: {error}", printable(peer));
            let outcome = Err(error.to_string());
            let report = TrackerReport { url: printable(peer), outcome, external_ip: None };
            let _ = events.send(Event::Tracker(report));
        }
    }
}
