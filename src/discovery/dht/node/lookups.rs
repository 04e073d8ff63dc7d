//! The lookups that are under way, and the rate at which they ask.
//!
//! Pure. A [`Lookup`] says which node it would ask next. Here that becomes a query, if the rate allows one.

use super::Node;
use super::transactions::QueryPurpose;
use crate::discovery::dht::id::NodeId;
use crate::discovery::dht::lookup::Lookup;
use crate::discovery::dht::packet::Method;
use crate::discovery::dht::table::BUCKET_SIZE;
use crate::metainfo::InfoHash;
use crate::strategy::TokenBucket;
use std::time::{Duration, Instant};

/// Queries of all lookups a second, and at once. One lookup takes about twenty.
const QUERIES: u32 = 50;
const QUERIES_AT_ONCE: u32 = 100;

/// Why a lookup runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LookupPurpose {
    /// To get to know the network: for our own ID.
    Join,
    /// To fill a bucket.
    Refresh,
    /// For the peers of a torrent.
    Search,
}

/// A lookup that is under way.
#[derive(Debug)]
pub(super) struct RunningLookup {
    number: u32,
    pub purpose: LookupPurpose,
    pub lookup: Lookup,
}

/// All lookups that are under way.
#[derive(Debug)]
pub(super) struct Lookups {
    running: Vec<RunningLookup>,
    /// The number of the last lookup that was started.
    last_number: u32,
    queries: TokenBucket,
}

impl Lookups {
    /// None.
    pub fn new(now: Instant) -> Lookups {
        let queries = TokenBucket::with_burst(QUERIES, QUERIES_AT_ONCE, now);
        Lookups { running: Vec::new(), last_number: 0, queries }
    }

    /// Starts a lookup.
    pub fn start(&mut self, purpose: LookupPurpose, lookup: Lookup) {
        self.last_number = self.last_number.wrapping_add(1);
        self.running.push(RunningLookup { number: self.last_number, purpose, lookup });
    }

    /// The lookup with this number.
    pub fn get_mut(&mut self, number: u32) -> Option<&mut RunningLookup> {
        self.running.iter_mut().find(|running| running.number == number)
    }

    /// The lookup that a query with this purpose belongs to.
    pub fn of_query(&mut self, purpose: QueryPurpose) -> Option<&mut Lookup> {
        let QueryPurpose::Lookup(number) = purpose else { return None };
        self.get_mut(number).map(|running| &mut running.lookup)
    }

    /// The lookup for our own ID.
    pub fn joining(&mut self) -> Option<&mut Lookup> {
        let is_join = |running: &&mut RunningLookup| running.purpose == LookupPurpose::Join;
        self.running.iter_mut().find(is_join).map(|running| &mut running.lookup)
    }

    /// Whether the lookup for our own ID still asks nodes.
    pub fn is_joining(&self) -> bool {
        let asks = |one: &RunningLookup| one.purpose == LookupPurpose::Join && !one.lookup.is_idle();
        self.running.iter().any(asks)
    }

    /// Whether all lookups are for torrents, and none for the table.
    pub fn are_all_searches(&self) -> bool {
        self.running.iter().all(|running| running.purpose == LookupPurpose::Search)
    }

    /// Drops the lookups for the table: they look for IDs around one that is no longer ours.
    pub fn drop_all_but_searches(&mut self) {
        self.running.retain(|running| running.purpose == LookupPurpose::Search);
    }

    /// Drops the lookup for the peers of this torrent.
    pub fn drop_search(&mut self, info_hash: InfoHash) {
        let target = NodeId(info_hash.0);
        self.running.retain(|one| one.purpose != LookupPurpose::Search || one.lookup.target() != target);
    }

    /// Takes out a lookup that is done.
    fn take_done(&mut self) -> Option<RunningLookup> {
        let done = self.running.iter().position(|running| running.lookup.is_done())?;
        Some(self.running.swap_remove(done))
    }

    /// When a lookup that waits for the rate may ask again.
    pub fn next_query(&self, now: Instant) -> Option<Instant> {
        let wants_to_ask = self.running.iter().any(|running| running.lookup.next().is_some());
        wants_to_ask.then(|| now + Duration::from_millis(50))
    }
}

impl Node {
    /// A lookup that begins with the closest nodes of the table.
    pub(super) fn lookup(&self, target: NodeId) -> Lookup {
        Lookup::new(self.id, target, &self.table.closest(target, 2 * BUCKET_SIZE, false, self.now))
    }

    /// Sends the queries that the lookups may send now, and ends the lookups that are done.
    pub(super) fn step_lookups(&mut self) {
        for at in 0..self.lookups.running.len() {
            self.step(at);
        }
        while let Some(RunningLookup { purpose, lookup, .. }) = self.lookups.take_done() {
            if purpose == LookupPurpose::Search {
                self.search_ended(lookup);
            }
        }
    }

    fn step(&mut self, at: usize) {
        while let Some(RunningLookup { number, purpose, lookup }) = self.lookups.running.get(at)
            && let Some(next) = lookup.next()
            && self.lookups.queries.take(self.now)
        {
            let (number, target) = (*number, lookup.target());
            let method = match purpose {
                LookupPurpose::Search => Method::GetPeers(InfoHash(target.0)),
                LookupPurpose::Join | LookupPurpose::Refresh => Method::FindNode(target),
            };
            if !self.ask(next, method, QueryPurpose::Lookup(number)) {
                return;
            }
            if let Some(running) = self.lookups.running.get_mut(at) {
                running.lookup.sent(next);
            }
        }
    }
}
