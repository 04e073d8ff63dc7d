//! The sources of peers: trackers, the DHT, the local network, the peers that the user or the magnet link
//! names, and incoming connections.
//!
//! Each source has threads of its own and sends what it finds into the torrent's inbox. [`PeerSources`]
//! starts just before a thread takes events out of that inbox: for a magnet before its metadata is known,
//! otherwise after the check of the payload. It ends with the run, when the trackers hear that we leave. So
//! the search for a magnet's metadata and the download have the same sources under one peer ID, and trackers
//! hear of one start and one end. It ends earlier only if a magnet turns out to be private and the user named
//! trackers that are not its own.
//!
//! The calls here start and stop those threads. None of them waits, except that the end waits for the
//! trackers for a limited time.

use super::tracker_answers::TrackerAnswers;
use super::{FAREWELL, Network, PeerSourceOptions};
use crate::address::{IpFamily, is_local};
use crate::discovery::dht::DhtSearch;
use crate::discovery::lan::LanRegistration;
use crate::message::{Door, Event, SourceSight, TrackerReport};
use crate::metainfo::InfoHash;
use crate::net::proxy::Proxy;
use crate::net::{OwnPorts, ThisHost, in_words};
use crate::peer::Registration;
use crate::strategy::{HostWatch, Interruption, Source, Supply, is_near_name, literal};
use crate::text::{printable, reason};
use crate::thread::{self, lock};
use crate::tracker::{
    Announcers, Counts, Identity, NOT_LISTENING, Totals, TrackerAddress, TrackerNews, join_beyond,
};
use crate::wire::PeerId;
use crossbeam_channel::Sender;
use log::{info, warn};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// How many peers we ask a tracker for.
const PEERS_WANTED: u32 = 100;
/// The most threads that look up the host names of a torrent's peers.
const MAX_RESOLVERS: usize = 8;

/// The torrent whose peers are looked for, and the sources that it names itself.
pub struct PeerSearch<'a> {
    /// The torrent.
    pub info_hash: InfoHash,
    /// Our peer ID.
    pub peer_id: PeerId,
    /// Whether only its own trackers may be asked (BEP 27).
    pub private: bool,
    /// Its trackers by tier.
    pub trackers: &'a [Vec<String>],
    /// The peers that it names, as `HOST:PORT`.
    pub peers: &'a [String],
    /// The DHT nodes that it names.
    pub nodes: &'a [(String, u16)],
    /// What we tell trackers about our download.
    pub counts: Counts,
    /// Whether there are web seeds, so that it may well have no peer.
    pub has_web_seeds: bool,
}

/// The running sources of one torrent. Dropping them tells the trackers that we leave, which takes at most
/// [`FAREWELL`].
pub struct PeerSources {
    announcers: Announcers,
    answers: Arc<TrackerAnswers>,
    totals: Arc<Totals>,
    search: Option<DhtSearch>,
    lan: Option<LanRegistration>,
    /// The listener sends us incoming connections while this exists.
    registration: Option<Registration>,
    /// The trackers hear at the end that the download is complete.
    ends_complete: bool,
    host: ThisHost,
    watch: Mutex<HostWatch>,
    ports: OwnPorts,
    /// The ports that the sources announce, over IPv4 and over IPv6.
    announced: Mutex<[Option<u16>; 2]>,
}

impl PeerSources {
    /// Starts the sources. `None` if there is no source to ask, nor a web seed, and we are not to wait for
    /// incoming connections.
    pub fn start(
        wanted: &PeerSearch<'_>,
        sources: &PeerSourceOptions,
        network: &Network,
        events: &Sender<Event>,
        door: &Door,
    ) -> Option<PeerSources> {
        let hash = wanted.info_hash;
        let port = network.ports.listening();
        let totals = Arc::new(Totals::new(wanted.counts));
        let answers = Arc::<TrackerAnswers>::default();
        let announcers = announce(wanted, sources, network, &totals, &answers, (events, door));
        let public = !wanted.private;
        let dht = network.dht.as_ref().filter(|_| public);
        let lan = network.lan.as_ref().filter(|_| public);
        let can_wait = sources.waits_for_peers && port.is_some();
        let named = !sources.peers.is_empty() || !wanted.peers.is_empty();
        let has_any = !announcers.is_empty() || named || dht.is_some() || lan.is_some();
        if !has_any && !can_wait && !wanted.has_web_seeds {
            return None;
        }
        for (peers, event) in
            [(&sources.peers[..], Event::Named as AddressEvent), (wanted.peers, from_magnet)]
        {
            let addresses = match network.connector.proxies().for_all() {
                Some(proxy) => stand_ins(peers, proxy, events, event),
                None => resolve(peers, events, event),
            };
            if public {
                addresses.iter().for_each(|address| network.look_for_node(*address));
            }
        }
        let search = dht.map(|dht| {
            dht.contact_names(wanted.nodes);
            dht.search(hash, port, events.clone())
        });
        let lan = lan.map(|lan| lan.announce(hash, events.clone()));
        let registration = network.listener.as_ref().map(|listener| listener.register(hash, events.clone()));
        let (host, watch) = (ThisHost(network.bind_address), Mutex::default());
        let ends_complete = false;
        let (ports, announced) = (network.ports.clone(), Mutex::new([port; 2]));
        Some(PeerSources {
            announcers,
            answers,
            totals,
            search,
            lan,
            registration,
            ends_complete,
            host,
            watch,
            ports,
            announced,
        })
    }

    /// How well the torrent is supplied with peers, which decides when the sources are asked again. Never
    /// waits.
    pub fn supply(&self, supply: Supply) {
        self.announcers.supply(supply);
        self.search.iter().for_each(|search| search.supply(supply));
        self.lan.iter().for_each(|lan| lan.supply(supply));
    }

    /// What the sources wait for or lack, as far as they have not said it as an event. Never waits.
    pub fn trouble(&self, now: Instant) -> Option<String> {
        let dht = self.search.as_ref().and_then(DhtSearch::trouble);
        let troubles: Vec<String> = self.announcers.waiting(now).into_iter().chain(dht).collect();
        (!troubles.is_empty()).then(|| troubles.join("; "))
    }

    /// How each of them stands, for the live view. Never waits.
    pub fn sights(&self, now: Instant) -> Vec<SourceSight> {
        let mut sights = self.answers.sights(self.announcers.asked(), now);
        sights.extend(self.search.iter().flat_map(|search| search.sights(now)));
        sights.extend(self.lan.iter().map(|lan| lan.sight(now)));
        sights
    }

    /// Nobody has looked around since the metadata came: the payload was checked.
    pub fn was_busy(&self) {
        lock(&self.watch).was_busy();
    }

    /// Looks whether the host was suspended or has another address. If so, all sources are asked as soon as
    /// they may be. Never waits.
    pub fn look_around(&self, now: Instant) -> Option<Interruption> {
        self.look_at_ports();
        let interruption = lock(&self.watch).look(&self.host, now)?;
        info!("{interruption}: searching for peers again");
        self.announcers.interrupted(interruption);
        self.search.iter().for_each(DhtSearch::interrupted);
        self.lan.iter().for_each(LanRegistration::interrupted);
        Some(interruption)
    }

    /// A gateway may have opened another port for us than the one that was announced. Trackers hear it as soon as
    /// they may be asked again.
    fn look_at_ports(&self) {
        let ports = IpFamily::BOTH.map(|family| self.ports.announced(family));
        if std::mem::replace(&mut *lock(&self.announced), ports) != ports {
            info!("the port open to the internet has changed: announcing again");
            self.announcers.interrupted(Interruption::NewNetwork);
            self.search.iter().for_each(|search| search.announce(ports));
        }
    }

    /// Sets what we tell trackers from now on.
    pub fn set(&self, counts: Counts) {
        self.totals.set(counts);
    }

    /// Tells the trackers that the download is complete, and that we stay. Never waits.
    pub fn completed(&self) {
        self.announcers.completed();
    }

    /// The download is complete, and the run ends. The trackers hear both in the end.
    pub fn end_complete(&mut self) {
        self.ends_complete = true;
    }

    /// Stops all sources but the trackers, because the torrent turned out to be private (BEP 27).
    pub fn only_trackers(&mut self) {
        self.search = None;
        self.lan = None;
    }

    /// Stops all sources but the trackers, and accepts no incoming connections any more.
    pub fn close(&mut self) {
        self.only_trackers();
        self.registration = None;
    }
}

impl Drop for PeerSources {
    fn drop(&mut self) {
        self.close();
        std::mem::take(&mut self.announcers).stop(self.ends_complete, FAREWELL);
    }
}

/// Starts an announcer for each tier of the trackers.
fn announce(
    wanted: &PeerSearch<'_>,
    sources: &PeerSourceOptions,
    network: &Network,
    totals: &Arc<Totals>,
    answers: &Arc<TrackerAnswers>,
    (events, door): (&Sender<Event>, &Door),
) -> Announcers {
    let identity = Identity {
        info_hash: wanted.info_hash,
        peer_id: wanted.peer_id,
        port: network.ports.listening().unwrap_or(NOT_LISTENING),
        key: fastrand::u32(..),
        numwant: PEERS_WANTED,
        encryption: network.encryption,
    };
    let tiers = tiers(wanted, sources, network.most_tiers);
    let (events, door, answers) = (events.clone(), door.clone(), Arc::clone(answers));
    let news = move |news: TrackerNews| answers.tell(news, &events, &door);
    Announcers::start(tiers, identity, totals, &network.outlet(), &network.name.user_agent, news)
}

/// The trackers to ask, by tier: the torrent's own, then those of the user, each of which is a tier. If there are more
/// tiers than there may be, those behind join the others.
fn tiers(
    wanted: &PeerSearch<'_>,
    sources: &PeerSourceOptions,
    most_tiers: usize,
) -> Vec<Vec<TrackerAddress>> {
    // What the user typed needs no permission, even if the torrent names it too.
    let address = |text: &String| match sources.trackers.contains(text) {
        true => TrackerAddress::typed(text),
        false => TrackerAddress::new(text),
    };
    let own = wanted.trackers.iter().filter(|_| sources.own_trackers);
    let mut tiers: Vec<Vec<_>> = own.map(|tier| tier.iter().map(address).collect()).collect();
    if wanted.private {
        let is_foreign = |tracker: &String| !wanted.trackers.iter().flatten().any(|own| own == tracker);
        if sources.trackers.iter().any(is_foreign) {
            warn!("--tracker is ignored: the torrent is private and may use its own trackers only");
        }
    } else {
        tiers.extend(sources.trackers.iter().map(|tracker| vec![address(tracker)]));
    }
    join_beyond(&mut tiers, most_tiers);
    tiers
}

/// Makes the event that brings addresses to the coordinator.
type AddressEvent = fn(Vec<SocketAddr>) -> Event;

/// A magnet link may come from a stranger, so we trust its peers less than those that the user names. One in our
/// own network is not asked: whoever makes a link chooses 20 bytes of our handshake, its info-hash, which are
/// enough for a command to a service on loopback.
fn from_magnet(mut addresses: Vec<SocketAddr>) -> Event {
    addresses.retain(|address| {
        if is_local(address.ip()) {
            warn!(
                "not connecting to {address}: the magnet link names it, and it is in our own network (if you trust \
                 the link, name it with --peer)"
            );
        }
        !is_local(address.ip())
    });
    Event::Found(Source::Magnet, addresses)
}

/// Finds the addresses of named peers, and returns those that need no name server. The answer of a name
/// server may take long, and we can set no deadline for it. So threads of their own ask for it, and no other
/// thread waits for them: one for each name, or [`MAX_RESOLVERS`] if a stranger's link has more names.
fn resolve(peers: &[String], events: &Sender<Event>, event: AddressEvent) -> Vec<SocketAddr> {
    let addresses: Vec<SocketAddr> = peers.iter().filter_map(|peer| peer.parse().ok()).collect();
    // A single event, because no thread takes events out of the inbox yet.
    let _ = events.send(event(addresses.clone()));
    let is_name = |peer: &&String| peer.parse::<SocketAddr>().is_err();
    let names: Vec<String> = peers.iter().filter(is_name).cloned().collect();
    for names in names.chunks(names.len().div_ceil(MAX_RESOLVERS).max(1)) {
        let (names, events) = (names.to_vec(), events.clone());
        let find = move || names.iter().for_each(|peer| look_up(peer, &events, event));
        let spawned = thread::spawn("resolve", thread::SYSTEM_STACK, find);
        if let Err(error) = spawned {
            warn!("cannot start a thread: {}", reason(&error));
        }
    }
    addresses
}

/// Finds addresses of named peers where only the proxy may look up names: those that are named by a name get one that
/// stands for it. What a magnet link names is not asked if its name is one of a local network.
fn stand_ins(
    peers: &[String],
    proxy: &Proxy,
    events: &Sender<Event>,
    event: AddressEvent,
) -> Vec<SocketAddr> {
    let address = |peer: &String| {
        let (host, port) = host_and_port(peer);
        let port = port.parse().ok().filter(|port| *port > 0)?;
        if let Some(ip) = literal(host) {
            return Some(SocketAddr::new(ip, port));
        }
        let is_typed = matches!(event(Vec::new()), Event::Named(_));
        if !is_typed && is_near_name(host) {
            warn!(
                "not connecting to {}: the magnet link names it, and its name belongs to a local network",
                printable(peer)
            );
            return None;
        }
        let stand_in = proxy.stand_in(host, port)?;
        info!("{stand_in} stands for {}, whose name the proxy looks up", printable(peer));
        Some(stand_in)
    };
    let addresses: Vec<SocketAddr> = peers.iter().filter_map(address).collect();
    let _ = events.send(event(addresses.clone()));
    addresses
}

/// The host, without brackets, and the port of a peer that was named.
fn host_and_port(peer: &str) -> (&str, &str) {
    let (host, port) = peer.rsplit_once(':').unwrap_or((peer, ""));
    // Only an address with a port has brackets.
    (host.trim_matches(['[', ']']), port)
}

/// Asks for the addresses of one name, without a deadline.
fn look_up(peer: &str, events: &Sender<Event>, event: AddressEvent) {
    let (host, port) = host_and_port(peer);
    match (host, port.parse().unwrap_or_default()).to_socket_addrs() {
        Ok(addresses) => drop(events.send(event(addresses.collect()))),
        Err(error) => {
            let why = in_words(&error).to_string();
            warn!("cannot look up the peer {}: {why}", printable(peer));
            let outcome = Err(why);
            let report = TrackerReport { url: printable(peer), outcome, external_ip: None };
            let _ = events.send(Event::Tracker(report));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_magnet_names_no_peer_in_our_own_network() {
        let named =
            ["127.0.0.1:6379", "10.0.0.1:11211", "1.2.3.4:5", "[::1]:5", "[fd00::1]:5", "[2a00::1]:5"];
        let Event::Found(Source::Magnet, asked) =
            from_magnet(named.map(|address| address.parse().unwrap()).to_vec())
        else {
            panic!("another event");
        };
        assert_eq!(asked, ["1.2.3.4:5", "[2a00::1]:5"].map(|address| address.parse().unwrap()));
    }
}
