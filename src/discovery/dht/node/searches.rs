//! The torrents that the node searches for: when the lookups for each run, and what comes of them.
//!
//! Pure. A lookup needs a table to start from, so the first waits until eight nodes have answered, or until
//! there is no node left to wait for. Peers are handed out as they come, and announcing is the last step.

use super::lookups::LookupPurpose;
use super::transactions::QueryPurpose;
use super::{Node, Output};
use crate::discovery::dht::id::NodeId;
use crate::discovery::dht::lookup::Lookup;
use crate::discovery::dht::packet::Method;
use crate::discovery::dht::table::BUCKET_SIZE;
use crate::metainfo::InfoHash;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Torrents that are looked up at the same time; others wait for their turn.
const MAX_AT_ONCE: usize = 8;

/// The wait after a lookup that found no peer, and how many times in a row it is so short.
const WAIT_AFTER_NONE: Duration = Duration::from_secs(5);
const MAX_SHORT_WAITS: u32 = 24;

/// The wait after a lookup that found peers, or after too many that found none: the first, the second, all
/// others.
const WAITS: [Duration; 3] =
    [Duration::from_secs(60), Duration::from_secs(5 * 60), Duration::from_secs(15 * 60)];

/// The shortest wait after a lookup if peers are needed and too many lookups in a row found none.
const WAIT_AFTER_MANY: Duration = Duration::from_secs(30);

/// The wait while the network is so small that a new node in it may be the one that knows a peer.
const WAIT_WHILE_GROWING: Duration = Duration::from_millis(200);

/// Nodes forget an announce after about half an hour. We renew ours with the first lookup that ends after
/// this time; a lookup before that only announces to the nodes that have not heard it.
const ANNOUNCE_AGAIN: Duration = Duration::from_secs(14 * 60);

/// Nodes that one announce goes to before it is renewed.
const MAX_ANNOUNCED_TO: usize = 64;

/// A torrent that is searched for.
#[derive(Debug)]
struct TorrentSearch {
    info_hash: InfoHash,
    /// The port to announce.
    announce: Option<u16>,
    running: bool,
    /// When the next lookup is due.
    next: Instant,
    ended: Option<Instant>,
    /// Lookups in a row that found no peer.
    in_vain: u32,
    /// How many of the longer waits there have been.
    long_waits: usize,
    /// Nodes that answered the last lookup.
    reached: usize,
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
            next: now,
            ended: None,
            in_vain: 0,
            long_waits: 0,
            reached: 0,
            announced: None,
            announced_to: Vec::new(),
        }
    }

    /// Brings the next lookup nearer: it is due when this time has passed since the last one.
    fn hurry(&mut self, wait: Duration, now: Instant) {
        let soonest = self.ended.map_or(now, |ended| now.max(ended + wait));
        self.next = self.next.min(soonest);
    }

    /// A lookup is over: counts it, and decides when the next one runs. `nodes` is how many the table has.
    fn ended(&mut self, lookup: &Lookup, nodes: usize, now: Instant) {
        let before = std::mem::replace(&mut self.reached, lookup.answers());
        self.running = false;
        self.ended = Some(now);
        self.in_vain = if lookup.has_found() { 0 } else { self.in_vain + 1 };
        let wait = if (1..=MAX_SHORT_WAITS).contains(&self.in_vain) {
            WAIT_AFTER_NONE
        } else {
            let wait = WAITS.get(self.long_waits.min(WAITS.len() - 1)).copied();
            self.long_waits += 1;
            wait.unwrap_or(WAIT_AFTER_NONE)
        };
        // The network grew in the meantime.
        let missed_some = self.reached < BUCKET_SIZE.min(nodes) && self.reached > before;
        self.next = now + if missed_some { WAIT_WHILE_GROWING } else { wait };
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

    fn has(&self, info_hash: InfoHash) -> bool {
        self.torrents.iter().any(|search| search.info_hash == info_hash)
    }

    fn running(&self) -> usize {
        self.torrents.iter().filter(|search| search.running).count()
    }

    /// The torrents whose lookups start now, up to [`MAX_AT_ONCE`] in all.
    fn start_due(&mut self, now: Instant) -> Vec<InfoHash> {
        let room = MAX_AT_ONCE.saturating_sub(self.running());
        let due = self.torrents.iter_mut().filter(|search| !search.running && search.next <= now);
        due.take(room)
            .map(|search| {
                search.running = true;
                search.info_hash
            })
            .collect()
    }

    /// When the next lookup is due. `None` while [`MAX_AT_ONCE`] run.
    fn next_due(&self) -> Option<Instant> {
        if self.running() >= MAX_AT_ONCE {
            return None;
        }
        self.torrents.iter().filter(|search| !search.running).map(|search| search.next).min()
    }
}

impl Node {
    /// Searches for the peers of a torrent until [`forget`](Node::forget), and announces this port. If the
    /// torrent is searched for already, changes the port.
    pub fn search(&mut self, info_hash: InfoHash, announce: Option<u16>, now: Instant) {
        self.now = now;
        match self.searches.get_mut(info_hash) {
            Some(search) if search.announce != announce => {
                (search.announce, search.announced, search.next) = (announce, None, now);
            }
            Some(_) => {}
            None => self.searches.torrents.push(TorrentSearch::new(info_hash, announce, now)),
        }
        self.advance();
    }

    /// The torrent needs peers: brings the next lookup forward to five seconds after the last one, or thirty
    /// if too many lookups in a row found none.
    pub fn need_peers(&mut self, info_hash: InfoHash, now: Instant) {
        self.now = now;
        if let Some(search) = self.searches.get_mut(info_hash) {
            let many = search.in_vain >= MAX_SHORT_WAITS;
            search.hurry(if many { WAIT_AFTER_MANY } else { WAIT_AFTER_NONE }, now);
        }
        self.advance();
    }

    /// Ends a search.
    pub fn forget(&mut self, info_hash: InfoHash) {
        self.searches.torrents.retain(|search| search.info_hash != info_hash);
        self.lookups.drop_search(info_hash);
    }

    /// Hands out peers of a torrent that is searched for.
    pub(super) fn hand_out(&mut self, info_hash: InfoHash, peers: Vec<SocketAddr>) {
        if !peers.is_empty() && self.searches.has(info_hash) {
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
            search.hurry(WAIT_WHILE_GROWING, self.now);
        }
    }
}
