//! The metadata of a magnet: finds peers and asks them, until there is a torrent to begin with.
//!
//! This runs on the thread of the torrent, or for `show MAGNET` on a thread of its own.
//!
//! Only the metadata says whether the torrent is private (BEP 27). If it is, the search in the DHT and the
//! local announces end, the connections that were handed over and those that we began are closed, and all
//! addresses are forgotten except those from trackers and from the user. What was announced in the DHT by
//! then cannot be taken back; it expires. If the user had added trackers, all addresses are forgotten, all
//! trackers are told that we leave, and those of the link are asked anew.

use super::peer_sources::{PeerSearch, PeerSources};
use super::{
    Begin, INBOX, Network, Outcome, PeerSourceOptions, Prepared, Progress, SearchSight, SessionError, Stop,
};
use crate::magnet::{self, FetchEnd, FoundMetadata, MetadataAssembly, MetadataContext, SearchEnvironment};
use crate::message::{Door, Event, KnownPeers, MetadataState, Notice, PeerKey, PeerState, Snapshot, Stall};
use crate::metainfo::{Magnet, Metainfo, MetainfoError, Version};
use crate::net::tap::Seen;
use crate::peer::Caller;
use crate::strategy::{Candidates, Interruption, Source, Supply};
use crate::swarm::RunEnd;
use crate::tracker::Counts;
use crate::wire::PeerId;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What we tell trackers while we do not know the size of the torrent. `left` is not zero, because trackers
/// would take us for a seed then.
const UNKNOWN: Counts = Counts { uploaded: 0, downloaded: 0, left: 16 * 1024 };

/// How long we wait for workers that were told to end.
const GRACE: Duration = Duration::from_millis(100);

/// How fetching the metadata alone ended.
pub enum FetchedMetadata {
    /// The torrent.
    Torrent(Arc<Metainfo>),
    /// The user stopped it.
    Stopped,
    /// There was no progress for too long.
    TimedOut,
}

/// Which magnet's metadata to fetch, and how.
pub struct MetadataFetch<'a> {
    /// The magnet.
    pub magnet: &'a Magnet,
    /// Where peers come from, besides the sources that the magnet names.
    pub sources: &'a PeerSourceOptions,
    /// The longest time without progress, if there is a limit.
    pub timeout: Option<Duration>,
    /// The most peers that are connected at once.
    pub max_peers: usize,
    /// The network as the user wants it used.
    pub network: &'a Network,
    /// The user's wish to stop.
    pub stop: &'a Stop,
    /// Shows the progress. It must not wait.
    pub show: &'a (dyn Fn(Progress) + Sync),
    /// Where it is told what happens.
    pub door: &'a Door,
}

impl MetadataFetch<'_> {
    /// Fetches the metadata, and nothing else.
    ///
    /// # Errors
    ///
    /// There is no source of peers to ask, or what the peers have is not a valid torrent.
    pub fn alone(&self) -> Result<FetchedMetadata, SessionError> {
        let (events, inbox) = bounded(INBOX);
        self.stop.attach(&events);
        // The sources of peers end with `prepared`.
        Ok(match self.for_run(events, inbox)? {
            Begin::Run(prepared) => FetchedMetadata::Torrent(prepared.metainfo),
            Begin::Ended(Outcome { end: RunEnd::TimedOut, .. }) => FetchedMetadata::TimedOut,
            Begin::Ended(_) => FetchedMetadata::Stopped,
        })
    }

    /// Fetches the metadata for a run, which continues with the peers and the sources of peers.
    pub(super) fn for_run(
        &self,
        events: Sender<Event>,
        inbox: Receiver<Event>,
    ) -> Result<Begin<Prepared>, SessionError> {
        let peer_id = self.network.name.peer_id();
        let sources =
            self.start_sources(peer_id, &events).ok_or_else(|| self.network.no_peer_source(false))?;
        let (metadata, known_peers) = match self.ask(peer_id, &events, &inbox, &sources) {
            FetchEnd::Found { metadata, known_peers } => (metadata, *known_peers),
            FetchEnd::Stopped => return Ok(ended(RunEnd::Stopped, None)),
            FetchEnd::TimedOut(stall) => return Ok(ended(RunEnd::TimedOut, Some(stall))),
        };
        let metainfo = Arc::new(parse(self.magnet, metadata).map_err(SessionError::Metadata)?);
        (self.show)(Progress::Named(metainfo.name.clone()));
        let (sources, known_peers) = match metainfo.private {
            false => (Some(sources), known_peers),
            true => self.keep_private(sources, known_peers),
        };
        Ok(Begin::Run(Prepared { metainfo, peer_id, events, inbox, sources, known_peers }))
    }

    /// Keeps only the sources and the peers that a private torrent may have. From now on its own trackers are
    /// the only source, and a peer that another source named must not learn of the torrent (BEP 27).
    fn keep_private(
        &self,
        mut sources: PeerSources,
        mut known_peers: KnownPeers,
    ) -> (Option<PeerSources>, KnownPeers) {
        known_peers.connections.clear();
        if self.sources.trackers.is_empty() {
            known_peers.candidates.retain_sources(|source| source == Source::Tracker);
            sources.only_trackers();
            return (Some(sources), known_peers);
        }
        // The user's trackers are among those that were asked. All trackers hear that we leave, and the peers
        // that they named are forgotten, since any of them may come from a tracker of the user.
        known_peers.candidates = Candidates::default();
        (None, known_peers)
    }

    /// Starts to look for peers.
    fn start_sources(&self, peer_id: PeerId, events: &Sender<Event>) -> Option<PeerSources> {
        let trackers: Vec<_> = self.magnet.trackers.iter().map(|tracker| vec![tracker.clone()]).collect();
        let search = PeerSearch {
            info_hash: self.magnet.info_hash,
            peer_id,
            private: false,
            trackers: &trackers,
            peers: &self.magnet.peers,
            nodes: &[],
            counts: UNKNOWN,
            // They have no metadata.
            has_web_seeds: false,
        };
        PeerSources::start(&search, self.sources, self.network, events, self.door)
    }

    /// Asks the peers that are found.
    fn ask(
        &self,
        peer_id: PeerId,
        events: &Sender<Event>,
        inbox: &Receiver<Event>,
        sources: &PeerSources,
    ) -> FetchEnd {
        let network = self.network;
        let (alive, all_gone) = bounded(0);
        let context = Arc::new(MetadataContext {
            info_hash: self.magnet.info_hash,
            peer_id,
            events: events.clone(),
            read_memory: Arc::default(),
            kept_memory: Arc::default(),
            down: Arc::clone(&network.down),
            encryption: network.encryption,
            ports: network.ports.clone(),
            assembly: Mutex::new(MetadataAssembly::new(self.magnet.called())),
            alive,
        });
        let caller = network.connector.caller(events.clone());
        let environment = FetchEnvironment { fetch: self, sources, caller };
        let end = magnet::fetch(&context, inbox, self.timeout, self.max_peers, &environment);
        drop(context);
        if !matches!(end, FetchEnd::Found { .. }) {
            // The connected workers were told to end.
            let _ = all_gone.recv_deadline(Instant::now() + GRACE);
        }
        end
    }
}

/// What the search for the metadata can have done outside of it.
struct FetchEnvironment<'a> {
    fetch: &'a MetadataFetch<'a>,
    sources: &'a PeerSources,
    caller: Caller,
}

impl SearchEnvironment for FetchEnvironment<'_> {
    fn show(&self, state: MetadataState) {
        (self.fetch.show)(Progress::Metadata(state));
    }

    fn wants_sight(&self) -> bool {
        self.fetch.stop.takes_sight()
    }

    fn show_sight(&self, peers: Vec<PeerState>) {
        let sources = self.sources.sights(Instant::now());
        (self.fetch.show)(Progress::SearchSight(Arc::new(SearchSight { peers, sources })));
    }

    fn is_stopped(&self) -> bool {
        self.fetch.stop.is_asked()
    }

    fn is_watched(&self) -> bool {
        self.fetch.door.is_open()
    }

    fn tell(&self, notice: Notice) {
        self.fetch.door.tell(|| notice);
    }

    fn explain_connecting(&self, address: SocketAddr, why: &dyn Fn() -> String) {
        self.fetch.network.tap.tell(|| Seen::Connecting(address, why()));
    }

    fn half_open(&self) -> usize {
        self.fetch.network.connector.half_open()
    }

    fn supply(&self, supply: Supply) {
        self.sources.supply(supply);
    }

    fn search_trouble(&self, now: Instant) -> Option<String> {
        self.sources.trouble(now)
    }

    fn look_around(&self, now: Instant) -> Option<Interruption> {
        self.sources.look_around(now)
    }

    fn refuse(&self, from: IpAddr) {
        if let Some(listener) = &self.fetch.network.listener {
            listener.refuse(from);
        }
    }

    fn closed_early(&self, address: SocketAddr) {
        self.fetch.network.connector.closed_early(address);
    }

    fn fell_silent(&self, address: SocketAddr) {
        self.fetch.network.connector.fell_silent(address);
    }

    fn met_ourselves(&self, address: SocketAddr) {
        self.fetch.network.connector.met_ourselves(address);
    }

    fn connect(&self, key: PeerKey, address: SocketAddr) -> io::Result<()> {
        self.caller.connect(key, address)
    }
}

/// A run that ended before there was a torrent.
fn ended(end: RunEnd, stall: Option<Stall>) -> Begin<Prepared> {
    Begin::Ended(Outcome { end, snapshot: Snapshot { stall, ..Snapshot::default() } })
}

/// The torrent that has this metadata.
fn parse(magnet: &Magnet, metadata: FoundMetadata) -> Result<Metainfo, MetainfoError> {
    let FoundMetadata { info, version, layers } = metadata;
    let file = magnet.torrent(&info, layers);
    // It may be long, and `file` has a copy.
    drop(info);
    let metainfo = Metainfo::parse_as(version, file)?;
    if metainfo.info_hash_v2.is_some() != (version == Version::Two) {
        return Err(MetainfoError::Field {
            name: "info",
            fault: "is of version 2, and the link says version 1",
        });
    }
    // Bytes after the `info` dictionary became a part of the file around it, so the info-hash differs.
    match metainfo.info_hash == magnet.info_hash {
        true => Ok(metainfo),
        false => Err(MetainfoError::Field { name: "info", fault: "is followed by more bytes" }),
    }
}
