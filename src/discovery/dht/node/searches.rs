//! The torrents that the node searches for: the lookups for each, and what comes of them. The file
//! `search_pace.rs` says when they run.
//!
//! Pure. A lookup needs a table to start from, so the first waits until eight nodes have answered, or until
//! there is no node left to wait for. Peers are handed out as they come, and announcing is the last step.

use super::lookups::LookupPurpose;
use super::search_pace::SearchPace;
use super::transactions::QueryPurpose;
use super::{Node, Output};
use crate::discovery::dht::id::NodeId;
use crate::discovery::dht::lookup::Lookup;
use crate::discovery::dht::packet::Method;
use crate::discovery::dht::table::BUCKET_SIZE;
use crate::metainfo::InfoHash;
use crate::strategy::Supply;
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Torrents that are looked up at the same time; others wait for their turn.
const MAX_AT_ONCE: usize = 8;

/// The wait while the network is so small that a new node in it may be the one that knows a peer.
const WAIT_WHILE_GROWING: Duration = Duration::from_millis(200);

/// Nodes forget an announce after about half an hour. We renew ours with the first lookup that ends after
/// this time; a lookup before that only announces to the nodes that have not heard it.
const ANNOUNCE_AGAIN: Duration = Duration::from_secs(14 * 60);

/// Nodes that one announce goes to before it is renewed.
const MAX_ANNOUNCED_TO: usize = 64;

/// How the search for the peers of a torrent stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SearchFigures {
    /// Lookups that were begun.
    pub lookups: u32,
    /// Whether one runs now.
    pub is_running: bool,
    /// Peers that were named so far. The same one may be among them several times.
    pub peers: usize,
    /// When the next lookup runs.
    pub next: Option<Instant>,
}

impl fmt::Display for SearchFigures {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SearchFigures { lookups, is_running, peers, .. } = self;
        let runs = if *is_running { ", the last one runs" } else { "" };
        write!(out, "{peers} peers in {lookups} lookups{runs}")
    }
}

/// A torrent that is searched for.
#[derive(Debug)]
struct TorrentSearch {
    info_hash: InfoHash,
    /// The port to announce.
    announce: Option<u16>,
    running: bool,
    /// When the next lookup is due.
    pace: SearchPace,
    /// Nodes that answered the last lookup.
    reached: usize,
    /// What has come of it so far.
    figures: SearchFigures,
    /// When the announce was last renewed.
    announced: Option<Instant>,
    /// The nodes that it was sent to since then. A later lookup may find closer ones.
    announced_to: Vec<SocketAddr>,
}

impl TorrentSearch {
    fn new(info_hash: InfoHash, announce: Option<u16>, now: Instant) -> TorrentSearch {
        TorrentSearch {
            info_hash,
            announce,
            running: false,
            pace: SearchPace::new(now),
            reached: 0,
            figures: SearchFigures::default(),
            announced: None,
            announced_to: Vec::new(),
        }
    }

    /// A lookup is over: notes that, and looks whether the network grew in the meantime. `nodes` is how many
    /// the table has.
    fn ended(&mut self, lookup: &Lookup, nodes: usize, now: Instant) {
        let before = std::mem::replace(&mut self.reached, lookup.answers());
        self.running = false;
        self.pace.ended(now);
        if self.reached < BUCKET_SIZE.min(nodes) && self.reached > before {
            self.pace.hurry(WAIT_WHILE_GROWING, now);
        }
    }

    /// The closest nodes that our announce goes to now. Notes that it was sent to them.
    fn announce_targets<'a>(
        &mut self,
        mut closest: Vec<(SocketAddr, &'a [u8])>,
        now: Instant,
    ) -> Vec<(SocketAddr, &'a [u8])> {
        if self.announced.is_none_or(|then| now.saturating_duration_since(then) >= ANNOUNCE_AGAIN) {
            self.announced = Some(now);
            self.announced_to.clear();
        }
        closest.retain(|(to, _)| !self.announced_to.contains(to));
        closest.truncate(MAX_ANNOUNCED_TO - self.announced_to.len());
        self.announced_to.extend(closest.iter().map(|(to, _)| *to));
        closest
    }
}

/// All torrents that are searched for.
#[derive(Debug, Default)]
pub(super) struct Searches {
    torrents: Vec<TorrentSearch>,
}

impl Searches {
    fn get_mut(&mut self, info_hash: InfoHash) -> Option<&mut TorrentSearch> {
        self.torrents.iter_mut().find(|search| search.info_hash == info_hash)
    }

    fn running(&self) -> usize {
        self.torrents.iter().filter(|search| search.running).count()
    }

    /// The torrents whose lookups start now, up to [`MAX_AT_ONCE`] in all.
    fn start_due(&mut self, now: Instant) -> Vec<InfoHash> {
        let room = MAX_AT_ONCE.saturating_sub(self.running());
        let is_due = |search: &TorrentSearch| search.pace.due().is_some_and(|due| due <= now);
        let due = self.torrents.iter_mut().filter(|search| !search.running && is_due(search));
        due.take(room)
            .map(|search| {
                search.running = true;
                search.figures.lookups = search.figures.lookups.saturating_add(1);
                search.pace.begins();
                search.info_hash
            })
            .collect()
    }

    /// When the next lookup is due. `None` while [`MAX_AT_ONCE`] run.
    fn next_due(&self) -> Option<Instant> {
        if self.running() >= MAX_AT_ONCE {
            return None;
        }
        self.torrents.iter().filter(|search| !search.running).filter_map(|search| search.pace.due()).min()
    }
}

impl Node {
    /// Searches for the peers of a torrent until [`forget`](Node::forget), and announces this port. If the
    /// torrent is searched for already, changes the port.
    pub fn search(&mut self, info_hash: InfoHash, announce: Option<u16>, now: Instant) {
        self.now = now;
        match self.searches.get_mut(info_hash) {
            Some(search) if search.announce != announce => {
                (search.announce, search.announced) = (announce, None);
                search.pace.restart(now);
            }
            Some(_) => {}
            None => self.searches.torrents.push(TorrentSearch::new(info_hash, announce, now)),
        }
        self.advance();
    }

    /// How well the torrent is supplied with peers from now on, which decides when the next lookup runs.
    pub fn supply(&mut self, info_hash: InfoHash, supply: Supply, now: Instant) {
        self.now = now;
        if let Some(search) = self.searches.get_mut(info_hash) {
            search.pace.supply(supply, now);
        }
        self.advance();
    }

    /// The host was suspended, or has another address. Nodes have forgotten us, or know us by an address that
    /// is not ours any more: the torrent is looked up and announced at once.
    pub fn interrupted(&mut self, info_hash: InfoHash, now: Instant) {
        self.now = now;
        if let Some(search) = self.searches.get_mut(info_hash) {
            search.announced = None;
            search.pace.restart(now);
        }
        self.advance();
    }

    /// Ends a search.
    pub fn forget(&mut self, info_hash: InfoHash) {
        self.searches.torrents.retain(|search| search.info_hash != info_hash);
        self.lookups.drop_search(info_hash);
    }

    /// How the search for a torrent stands, if there is one.
    pub fn search_figures(&self, info_hash: InfoHash) -> Option<SearchFigures> {
        let search = self.searches.torrents.iter().find(|search| search.info_hash == info_hash)?;
        let next = search.pace.due().filter(|_| !search.running);
        Some(SearchFigures { is_running: search.running, next, ..search.figures })
    }

    /// Hands out peers of a torrent that is searched for.
    pub(super) fn hand_out(&mut self, info_hash: InfoHash, peers: Vec<SocketAddr>) {
        let search = self.searches.get_mut(info_hash).filter(|_| !peers.is_empty());
        if let Some(search) = search {
            search.figures.peers = search.figures.peers.saturating_add(peers.len());
            self.outputs.push_back(Output::Found { info_hash, peers });
        }
    }

    /// Whether eight nodes have answered, or all that there are.
    fn is_ready(&self) -> bool {
        !self.knows_few_nodes() || (self.table.len() > 0 && !self.lookups.is_joining())
    }

    /// Starts the lookups that are due. Returns whether there were any.
    pub(super) fn start_searches(&mut self) -> bool {
        if !self.is_ready() {
            return false;
        }
        let due = self.searches.start_due(self.now);
        for info_hash in &due {
            let mut lookup = self.lookup(NodeId(info_hash.0));
            // Some peers may have been announced to us.
            let ours = self.server.peers(*info_hash, self.now, &mut self.random);
            let ours = lookup.new_peers(ours.into_iter());
            self.hand_out(*info_hash, ours);
            self.lookups.start(LookupPurpose::Search, lookup);
        }
        !due.is_empty()
    }

    /// When the next lookup starts.
    pub(super) fn next_search(&self) -> Option<Instant> {
        if self.is_ready() { self.searches.next_due() } else { None }
    }

    /// The lookup for a torrent is over: announces, and decides when the next one runs.
    pub(super) fn search_ended(&mut self, lookup: Lookup) {
        let (now, nodes) = (self.now, self.table.len());
        let info_hash = InfoHash(lookup.target().0);
        let Some(search) = self.searches.get_mut(info_hash) else { return };
        search.ended(&lookup, nodes, now);
        let Some(port) = search.announce else { return };
        for (to, token) in search.announce_targets(lookup.closest(), now) {
            let announce = Method::AnnouncePeer { info_hash, port: Some(port), token };
            self.ask(to, announce, QueryPurpose::Announce);
        }
    }

    /// A node came into the table. While there are few nodes, the new one may be the one that knows a peer,
    /// or the one that other nodes ask first.
    pub(super) fn table_has_grown(&mut self) {
        if self.table.len() > BUCKET_SIZE {
            return;
        }
        for search in self.searches.torrents.iter_mut().filter(|search| search.reached < BUCKET_SIZE) {
            search.pace.hurry(WAIT_WHILE_GROWING, self.now);
        }
    }
}
