//! The node searches: when the lookups for a torrent run, and what comes of them.
//!
//! Pure. A lookup needs a table to start from, so the first waits until eight nodes have answered, or until
//! there is nobody left to wait for. Peers are handed out as they come, and announcing is the last step.

use super::id::NodeId;
use super::lookup::Lookup;
use super::node::{Node, Output, Purpose};
use super::packet::Ask;
use super::queries::Aim;
use super::table::BUCKET_SIZE;
use crate::metainfo::InfoHash;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Torrents that are searched for at the same time; others wait for their turn.
const AT_ONCE: usize = 8;

/// After a lookup that found nobody, and how often in a row.
const NOBODY: Duration = Duration::from_secs(5);
const PATIENT: u32 = 24;

/// After one that found somebody, or too many that did not: the first, the second, all others.
const SOMEBODY: [Duration; 3] =
    [Duration::from_secs(60), Duration::from_secs(5 * 60), Duration::from_secs(15 * 60)];

/// The soonest after a lookup, where peers are needed and there were many in vain.
const IN_VAIN: Duration = Duration::from_secs(30);

/// While the network is so small that a new node in it may be the one that knows.
const GROWING: Duration = Duration::from_millis(200);

/// An announce is forgotten after half an hour or so, and is renewed with the next lookup after this.
const ANNOUNCE_AGAIN: Duration = Duration::from_secs(14 * 60);

/// Nodes that an announce goes to, until it is renewed.
const MAX_TOLD: usize = 64;

/// A torrent that is searched for.
#[derive(Debug)]
pub(super) struct Search {
    info_hash: InfoHash,
    announce: Option<u16>,
    running: bool,
    /// When the next lookup is due.
    next: Instant,
    ended: Option<Instant>,
    /// Lookups in a row that found nobody.
    in_vain: u32,
    /// Those that found somebody.
    successes: usize,
    /// Nodes that answered the last lookup.
    reached: usize,
    /// When the announce was renewed the last time.
    announced: Option<Instant>,
    /// Who has heard it since. A later lookup may find nodes that are closer.
    told: Vec<SocketAddr>,
}

impl Node {
    /// Searches for the peers of a torrent until [`forget`](Node::forget), and announces this port. For one
    /// that is searched for already, changes the port.
    pub fn search(&mut self, info_hash: InfoHash, announce: Option<u16>, now: Instant) {
        self.now = now;
        if let Some(search) = self.find(info_hash) {
            if search.announce != announce {
                (search.announce, search.announced, search.next) = (announce, None, now);
            }
        } else {
            self.searches.push(Search {
                info_hash,
                announce,
                running: false,
                next: now,
                ended: None,
                in_vain: 0,
                successes: 0,
                reached: 0,
                announced: None,
                told: Vec::new(),
            });
        }
        self.work();
    }

    /// Peers are wanted: brings the next lookup nearer, to five seconds after the last one (thirty, where
    /// many were in vain).
    pub fn need_peers(&mut self, info_hash: InfoHash, now: Instant) {
        self.now = now;
        if let Some(search) = self.find(info_hash) {
            let wait = if search.in_vain < PATIENT { NOBODY } else { IN_VAIN };
            let soonest = search.ended.map_or(now, |ended| now.max(ended + wait));
            search.next = search.next.min(soonest);
        }
        self.work();
    }

    /// Ends a search.
    pub fn forget(&mut self, info_hash: InfoHash) {
        self.searches.retain(|search| search.info_hash != info_hash);
        self.lookups.retain(|running| {
            running.purpose != Purpose::Search || running.lookup.target() != NodeId(info_hash.0)
        });
    }

    /// Hands out peers of a torrent that is searched for.
    pub(super) fn found(&mut self, info_hash: InfoHash, peers: Vec<SocketAddr>) {
        if !peers.is_empty() && self.find(info_hash).is_some() {
            self.outputs.push_back(Output::Found { info_hash, peers });
        }
    }

    fn find(&mut self, info_hash: InfoHash) -> Option<&mut Search> {
        self.searches.iter_mut().find(|search| search.info_hash == info_hash)
    }

    /// Eight nodes have answered, or all have that there are.
    fn is_ready(&self) -> bool {
        let joining = |purpose: Purpose, lookup: &Lookup| purpose == Purpose::Join && !lookup.is_idle();
        let joining = self.lookups.iter().any(|running| joining(running.purpose, &running.lookup));
        !self.is_thin() || (self.table.len() > 0 && !joining)
    }

    fn searches_at_once(&self) -> usize {
        self.searches.iter().filter(|search| search.running).count()
    }

    /// Starts the lookups that are due. Whether there were any.
    pub(super) fn start_searches(&mut self) -> bool {
        let ready = self.is_ready();
        let mut started = false;
        let mut running = self.searches_at_once();
        for at in 0..self.searches.len() {
            let Some(search) = self.searches.get_mut(at) else { break };
            if !ready || running >= AT_ONCE || search.running || search.next > self.now {
                continue;
            }
            search.running = true;
            running += 1;
            started = true;
            let info_hash = search.info_hash;
            let mut lookup = self.lookup(NodeId(info_hash.0));
            // Some may have been announced to us.
            let ours = self.announced.peers(info_hash, self.now, &mut self.random);
            let ours = lookup.new_peers(ours.into_iter());
            self.found(info_hash, ours);
            self.run(Purpose::Search, lookup);
        }
        started
    }

    /// When the next lookup starts.
    pub(super) fn next_search(&self) -> Option<Instant> {
        if !self.is_ready() || self.searches_at_once() >= AT_ONCE {
            return None;
        }
        self.searches.iter().filter(|search| !search.running).map(|search| search.next).min()
    }

    /// A lookup is over: announces, and says when the next one is.
    pub(super) fn searched(&mut self, lookup: Lookup) {
        let (now, nodes) = (self.now, self.table.len());
        let Some(search) = self.find(InfoHash(lookup.target().0)) else { return };
        let before = std::mem::replace(&mut search.reached, lookup.answers());
        search.running = false;
        search.ended = Some(now);
        search.in_vain = if lookup.has_found() { 0 } else { search.in_vain + 1 };
        let wait = if (1..=PATIENT).contains(&search.in_vain) {
            NOBODY
        } else {
            let wait = SOMEBODY.get(search.successes.min(SOMEBODY.len() - 1)).copied();
            search.successes += 1;
            wait.unwrap_or(NOBODY)
        };
        // The network grew in the meantime.
        let missed = search.reached < BUCKET_SIZE.min(nodes) && search.reached > before;
        search.next = now + if missed { GROWING } else { wait };
        let Some(port) = search.announce else { return };
        if search.announced.is_none_or(|then| now.saturating_duration_since(then) >= ANNOUNCE_AGAIN) {
            search.announced = Some(now);
            search.told.clear();
        }
        let mut closest = lookup.closest();
        closest.retain(|(to, _)| !search.told.contains(to));
        closest.truncate(MAX_TOLD - search.told.len());
        search.told.extend(closest.iter().map(|(to, _)| *to));
        let info_hash = search.info_hash;
        for (to, token) in closest {
            let ask = Ask::AnnouncePeer { info_hash, port: Some(port), token };
            self.ask(to, ask, Aim::Announce);
        }
    }

    /// A node came into the table. While there are few, it may be the one that knows a peer, or that others
    /// ask first.
    pub(super) fn grown(&mut self) {
        if self.table.len() > BUCKET_SIZE {
            return;
        }
        let now = self.now;
        for search in self.searches.iter_mut().filter(|search| search.reached < BUCKET_SIZE) {
            let soonest = search.ended.map_or(now, |ended| now.max(ended + GROWING));
            search.next = search.next.min(soonest);
        }
    }
}
