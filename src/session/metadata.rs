//! A magnet's metadata: looking for peers and asking them, until there is a torrent to begin with.
//!
//! Only with the metadata is it known whether the torrent is private (BEP 27). If it is, the search in
//! the DHT and the local announces end, connections that we began are closed, and all addresses are
//! forgotten but those that trackers, the link and the user named. What was announced in the DHT by then
//! cannot be taken back; it expires. Where the user had added trackers, all peers are forgotten, all
//! trackers are told that we leave, and those of the link are asked anew.

use super::peer_sources::{Finding, Wanted};
use super::{FAREWELL, INBOX, Network, Progress, SessionError, Sources, Start, Stop, peer_id};
use crate::magnet::{self, Doors, End, MetadataAssembly, Shared};
use crate::message::Event;
use crate::metainfo::{Magnet, Metainfo, MetainfoError};
use crate::net::Listener;
use crate::strategy::{Candidates, Source};
use crate::swarm;
use crate::tracker::Counts;
use crate::wire::PeerId;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What trackers are told is missing while nobody knows what there is: not nothing, which would make us
/// a seed.
const UNKNOWN: Counts = Counts { uploaded: 0, downloaded: 0, left: 16 * 1024 };

/// How long workers that were told to end are waited for.
const GRACE: Duration = Duration::from_millis(100);

/// How fetching the metadata alone ended.
pub enum Fetched {
    /// The torrent.
    Torrent(Arc<Metainfo>),
    /// The user stopped it.
    Stopped,
    /// Nothing came for too long.
    TimedOut,
}

/// Whose metadata is to be fetched, and how.
pub struct Fetch<'a> {
    /// The magnet.
    pub magnet: &'a Magnet,
    /// Where peers come from, besides what the magnet names.
    pub sources: &'a Sources,
    /// The longest time without progress, if there is one.
    pub timeout: Option<Duration>,
    /// Peers at once.
    pub max_peers: usize,
    /// The network as the user wants it used.
    pub network: &'a Network,
    /// The user's wish to end.
    pub stop: &'a Stop,
    /// Tells how it stands. Must not wait.
    pub show: &'a (dyn Fn(Progress) + Sync),
}

impl Fetch<'_> {
    /// Fetches the metadata, and nothing else.
    ///
    /// # Errors
    ///
    /// There is nobody to ask, or what the peers have is no torrent.
    pub fn alone(&self) -> Result<Fetched, SessionError> {
        let channel = bounded(INBOX);
        self.stop.attach(&channel.0);
        let mut start = match self.begin(channel)? {
            Ok(start) => start,
            Err(swarm::End::TimedOut) => return Ok(Fetched::TimedOut),
            Err(_) => return Ok(Fetched::Stopped),
        };
        if let Some(finding) = start.finding.take() {
            finding.stop(FAREWELL);
        }
        Ok(Fetched::Torrent(start.metainfo))
    }

    /// Fetches the metadata for a run, which goes on with whatever finds peers; or how the search for it
    /// ended.
    pub(super) fn begin(
        &self,
        (events, inbox): (Sender<Event>, Receiver<Event>),
    ) -> Result<Result<Start, swarm::End>, SessionError> {
        let peer_id = peer_id();
        let finding = self.find(peer_id, &events).ok_or(SessionError::NobodyToAsk)?;
        let end = self.ask(peer_id, &events, &inbox, &finding);
        let magnet::Found { info, mut candidates, mut handed, last_key } = match end {
            Ok(found) => found,
            Err(end) => {
                finding.stop(FAREWELL);
                return Ok(Err(end));
            }
        };
        let metainfo = match torrent(self.magnet, info) {
            Ok(metainfo) => Arc::new(metainfo),
            Err(error) => {
                finding.stop(FAREWELL);
                return Err(SessionError::Metadata(error));
            }
        };
        (self.show)(Progress::Named(metainfo.name.clone()));
        let mut finding = Some(finding);
        if metainfo.private {
            // Nobody could know before. Those whom others than its trackers named may not know of it.
            handed.clear();
            candidates.keep(|source| source == Source::Tracker);
            finding.iter_mut().for_each(Finding::only_trackers);
            // The trackers of the user are among those that were asked. They hear that we leave, and whom they
            // named is forgotten.
            if !self.sources.trackers.is_empty() {
                finding.take().into_iter().for_each(|finding| finding.stop(FAREWELL));
                candidates = Candidates::default();
            }
        }
        Ok(Ok(Start { metainfo, peer_id, events, inbox, finding, candidates, handed, last_key }))
    }

    /// Starts to look for peers.
    fn find(&self, peer_id: PeerId, events: &Sender<Event>) -> Option<Finding> {
        let trackers: Vec<_> = self.magnet.trackers.iter().map(|tracker| vec![tracker.clone()]).collect();
        let wanted = Wanted {
            info_hash: self.magnet.info_hash,
            peer_id,
            private: false,
            trackers: &trackers,
            peers: &self.magnet.peers,
            nodes: &[],
            counts: UNKNOWN,
        };
        Finding::start(&wanted, self.sources, self.network, events)
    }

    /// Asks the peers that are found.
    fn ask(
        &self,
        peer_id: PeerId,
        events: &Sender<Event>,
        inbox: &Receiver<Event>,
        finding: &Finding,
    ) -> Result<magnet::Found, swarm::End> {
        let network = self.network;
        let (alive, all_gone) = bounded(0);
        let shared = Arc::new(Shared {
            info_hash: self.magnet.info_hash,
            peer_id,
            events: events.clone(),
            bind_address: network.bind_address,
            read_memory: Arc::default(),
            down: Arc::clone(&network.down),
            port: network.listener.as_ref().map(Listener::port),
            gathering: Mutex::new(MetadataAssembly::new(self.magnet.info_hash)),
            alive,
        });
        let doors = Doors {
            show: &|state| (self.show)(Progress::Metadata(state)),
            is_stopped: &|| self.stop.is_asked(),
            need_peers: &|| finding.need_peers(),
        };
        let end = magnet::fetch(&shared, inbox, self.timeout, self.max_peers, &doors);
        drop(shared);
        let end = match end {
            End::Found(found) => return Ok(found),
            End::Stopped => swarm::End::Stopped,
            End::TimedOut => swarm::End::TimedOut,
        };
        // Those who are connected were told to end.
        let _ = all_gone.recv_deadline(Instant::now() + GRACE);
        Err(end)
    }
}

/// The torrent that has this metadata.
fn torrent(magnet: &Magnet, info: Vec<u8>) -> Result<Metainfo, MetainfoError> {
    let file = magnet.torrent(&info);
    // It may be long, and is in the file.
    drop(info);
    let metainfo = Metainfo::parse(file)?;
    // What stands behind the dictionary has become a part of the file around it.
    match metainfo.info_hash == magnet.info_hash {
        true => Ok(metainfo),
        false => Err(MetainfoError::Field { name: "info", fault: "has something behind it" }),
    }
}
