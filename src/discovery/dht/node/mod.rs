//! A node of one network: what it does with a packet, and what it does when the time has come.
//!
//! Pure: it is given packets and the time, and asked for what should be sent. Its service has the socket and
//! the thread. So `tests/dht_simulation.rs` runs a thousand nodes in one thread.
//!
//! A node asks (`transactions`), looks up (`lookups`), searches (`searches`) and answers (`server`). This
//! file holds these together. It also gets to know the network: the node looks up its own ID through the
//! nodes that it was told of, and then maintains its table in the background. Every packet comes from a
//! stranger, so each of the parts has a bound for what it keeps and what it sends.

mod lookups;
mod search_pace;
mod searches;
mod server;
mod transactions;

use super::addresses::{Contact, could_be_a_node, is_believable};
use super::external::SeenAddress;
use super::id::NodeId;
use super::packet::{Body, Method, Packet, Response};
use super::table::{BUCKET_SIZE, Insertion, Table};
use crate::address::{IpFamily, canonical_without_scope};
use crate::metainfo::InfoHash;
use crate::strategy::TokenBucket;
use lookups::{LookupPurpose, Lookups};
pub use searches::SearchFigures;
use searches::Searches;
use server::NodeServer;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use transactions::{QueryPurpose, SentQuery, Transactions};

/// Pings a second, and at once, to nodes that we only heard of, from themselves or from other nodes.
const PROBES: u32 = 5;
const PROBES_AT_ONCE: u32 = 40;

/// The time between two steps of maintaining the table: a check takes one query, a refresh takes a lookup.
const BETWEEN_CHECKS: Duration = Duration::from_secs(1);
const BETWEEN_REFRESHES: Duration = Duration::from_secs(60);

/// The shortest time between two changes of our ID because our address seems to be another.
const BETWEEN_ID_CHANGES: Duration = Duration::from_secs(10 * 60);

/// Nodes that are kept for the next run.
const MAX_SAVED: usize = 200;

/// Peers of one answer that we look at.
const MAX_VALUES: usize = 256;

/// The settings of a new node.
#[derive(Clone, Copy, Debug)]
pub struct NodeSettings {
    /// The network that it belongs to.
    pub family: IpFamily,
    /// Ask and do not answer (BEP 43): no other node can reach us.
    pub read_only: bool,
    /// The ID that it had in the last run.
    pub id: Option<NodeId>,
}

/// Something for the service to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A packet to be sent.
    Send {
        /// Its address.
        to: SocketAddr,
        /// The bytes.
        packet: Vec<u8>,
    },
    /// Peers of a torrent that is searched for.
    Found {
        /// The torrent.
        info_hash: InfoHash,
        /// A lookup reports each one only once.
        peers: Vec<SocketAddr>,
    },
}

/// A node.
#[derive(Debug)]
pub struct Node {
    family: IpFamily,
    read_only: bool,
    id: NodeId,
    random: fastrand::Rng,
    /// The latest time that we were told.
    now: Instant,
    table: Table,
    upkeep: Upkeep,
    seen_address: SeenAddress,
    transactions: Transactions,
    lookups: Lookups,
    searches: Searches,
    server: NodeServer,
    probes: TokenBucket,
    /// What is to be done, in order.
    outputs: VecDeque<Output>,
}

/// When the table may be maintained again, and when our ID may change again.
#[derive(Debug)]
struct Upkeep {
    next_check: Instant,
    next_refresh: Instant,
    next_id_change: Instant,
}

impl Node {
    /// A node that knows no other.
    pub fn new(settings: NodeSettings, mut random: fastrand::Rng, now: Instant) -> Node {
        let id = settings.id.unwrap_or_else(|| NodeId::random(&mut random));
        let upkeep = Upkeep { next_check: now, next_refresh: now + BETWEEN_REFRESHES, next_id_change: now };
        Node {
            family: settings.family,
            read_only: settings.read_only,
            id,
            random,
            now,
            table: Table::new(id, now),
            upkeep,
            seen_address: SeenAddress::new(),
            transactions: Transactions::new(),
            lookups: Lookups::new(now),
            searches: Searches::default(),
            server: NodeServer::new(now),
            probes: TokenBucket::with_burst(PROBES, PROBES_AT_ONCE, now),
            outputs: VecDeque::new(),
        }
    }

    /// Takes a packet that came. It is dropped if it is malformed, or answers no query that we sent to this
    /// address.
    pub fn receive(&mut self, packet: &[u8], from: SocketAddr, now: Instant) {
        self.now = now;
        let from = canonical_without_scope(from);
        if !self.family.has(from) || !could_be_a_node(from) {
            return;
        }
        // A flood does not keep us from hearing the answers to our queries.
        if !self.transactions.is_waiting_for(from) && !self.server.may_be_read(now) {
            return;
        }
        let Some(parsed) = Packet::from_wire(packet) else { return };
        if let Body::Query(query) = &parsed.body {
            self.answer(query, &parsed, packet.len(), from);
            return;
        }
        let Some(query) = self.transactions.end(parsed.transaction, from, now) else { return };
        self.server.address_proved(from.ip(), now);
        match parsed.body {
            Body::Response(response) => {
                let id = response.id;
                let believed = self.receive_response(response, query, parsed.read_only);
                // An attacker that wants many votes needs as many addresses, and IDs that are valid for them.
                if let Some(external) = parsed.external.filter(|_| believed && id.is_valid_for(from.ip())) {
                    self.receive_external(from.ip(), external.ip());
                }
            }
            _ => self.fail_lookup(&query),
        }
        self.advance();
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Instant) {
        self.now = now;
        self.time_out_queries();
        self.maintain_table();
        self.advance();
    }

    /// When [`tick`](Node::tick) has something to do. Later than any time that the node was told.
    pub fn next_deadline(&self) -> Instant {
        let idle = self.now + Duration::from_secs(60);
        let check = self.table.next_check().map(|due| due.max(self.upkeep.next_check));
        let refresh = if self.may_refresh() { self.table.next_refresh() } else { None };
        let refresh = refresh.map(|due| due.max(self.upkeep.next_refresh));
        let wait = self.transactions.next_deadline();
        let dues = [check, refresh, wait, self.next_search(), self.lookups.next_query(self.now)];
        let first = dues.into_iter().flatten().min().unwrap_or(idle);
        first.clamp(self.now + Duration::from_millis(1), idle)
    }

    /// The next thing to do, or `None` when there is nothing more. Call it until then, after each call that
    /// takes the time.
    pub fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Asks whether a node is at this address, as the caller has heard. The node counts once it answers.
    pub fn contact(&mut self, address: SocketAddr, now: Instant) {
        self.now = now;
        let address = canonical_without_scope(address);
        if !self.family.has(address) || !could_be_a_node(address) {
            return;
        }
        let knows_few = self.knows_few_nodes();
        match self.lookups.joining() {
            Some(lookup) => lookup.add_address(address),
            None if knows_few => {
                let mut lookup = self.lookup(self.id);
                lookup.add_address(address);
                self.lookups.start(LookupPurpose::Join, lookup);
            }
            None => self.probe(address),
        }
        self.advance();
    }

    /// The host was suspended, or is in another network. That nodes did not answer says nothing any more: they are
    /// checked at once, and what asks them now in vain asks no more.
    pub fn look_again(&mut self, now: Instant) {
        self.now = now;
        self.table.check_the_silent();
        self.lookups.drop_all_but_searches();
        self.advance();
    }

    /// Its ID.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Nodes that are worth asking in the next run, the most recently heard from first.
    pub fn good_nodes(&self) -> Vec<SocketAddr> {
        let mut good = self.table.good(self.now);
        good.truncate(MAX_SAVED);
        good
    }

    /// Whether it knows fewer than eight nodes, and should be told of more.
    pub fn knows_few_nodes(&self) -> bool {
        self.table.len() < BUCKET_SIZE
    }

    /// How many other nodes it knows: those that have answered.
    pub fn known(&self) -> usize {
        self.table.len()
    }

    /// Our address as other nodes see it, if they agree.
    pub fn external(&self) -> Option<IpAddr> {
        self.seen_address.agreed()
    }

    /// Takes the answer to a query of ours. False if we do not believe that it comes from the node that we
    /// asked.
    fn receive_response(&mut self, response: Response<'_>, query: SentQuery, read_only: bool) -> bool {
        let contact = Contact { id: response.id, address: query.to };
        if response.id == self.id {
            // We have reached ourselves, or a node that wants to be taken for us.
            self.fail_lookup(&query);
            return false;
        }
        let is_wanted =
            |node: &Contact| self.family.has(node.address) && self.is_worth_asking(node.address, query.to);
        let nodes: Vec<Contact> = response.nodes.iter().copied().filter(is_wanted).collect();
        match query.purpose {
            QueryPurpose::Lookup(number) => {
                if !self.continue_lookup(number, contact, &nodes, &response) {
                    return false;
                }
            }
            QueryPurpose::Check => {
                for node in nodes.iter().take(BUCKET_SIZE) {
                    if self.table.has_room_for(*node, self.now) {
                        self.probe(node.address);
                    }
                }
            }
            // Nodes in an answer that did not ask for any are ignored. Otherwise one attacker could bring in
            // all the others.
            QueryPurpose::Ping | QueryPurpose::Announce => {}
        }
        self.add_to_table(contact, read_only);
        true
    }

    /// Gives an answer to the lookup that it belongs to. False if the lookup does not count it.
    fn continue_lookup(
        &mut self,
        number: u32,
        by: Contact,
        nodes: &[Contact],
        response: &Response<'_>,
    ) -> bool {
        // The lookup may have ended; the node has answered all the same.
        let Some(running) = self.lookups.get_mut(number) else { return true };
        let counts = running.lookup.answered(by, nodes, response.token);
        // Its peers may be good all the same, if another node gave it a wrong ID.
        if running.purpose == LookupPurpose::Search {
            let family = self.family;
            let believed = response.values.iter().copied();
            let believed = believed.filter(|peer| family.has(*peer) && is_believable(*peer, by.address.ip()));
            let peers = running.lookup.new_peers(believed.take(MAX_VALUES));
            let info_hash = InfoHash(running.lookup.target().0);
            self.hand_out(info_hash, peers);
        }
        counts
    }

    /// A node that answered comes into the table, unless it says that it answers no queries.
    fn add_to_table(&mut self, contact: Contact, read_only: bool) {
        if read_only {
            return;
        }
        match self.table.answered(contact, self.now) {
            Insertion::Inserted => self.table_has_grown(),
            Insertion::FullUnlessGone(questionable) => {
                self.ask(questionable, Method::Ping, QueryPurpose::Ping);
            }
            Insertion::Known | Insertion::Rejected => {}
        }
    }

    /// Whether a node at `from` may name this address, and the address is not our own.
    fn is_worth_asking(&self, address: SocketAddr, from: SocketAddr) -> bool {
        // On a loopback network many nodes share the address that others see us at.
        let ours = !address.ip().is_loopback() && self.seen_address.agreed() == Some(address.ip());
        !ours && is_believable(address, from.ip())
    }

    /// Pings a node that we only heard of, unless too many were pinged lately.
    fn probe(&mut self, address: SocketAddr) {
        if !self.transactions.is_waiting_for(address) && self.probes.take(self.now) {
            self.ask(address, Method::Ping, QueryPurpose::Ping);
        }
    }

    /// A node sees us at this address. If most nodes agree on an address that our ID is not valid for, takes
    /// an ID that is (BEP 42).
    fn receive_external(&mut self, voter: IpAddr, seen: IpAddr) {
        if IpFamily::of(seen) != self.family {
            return;
        }
        self.seen_address.vote(voter, seen);
        let Some(seen) = self.seen_address.agreed() else { return };
        if self.id.is_valid_for(seen) || self.now < self.upkeep.next_id_change {
            return;
        }
        self.upkeep.next_id_change = self.now + BETWEEN_ID_CHANGES;
        self.id = NodeId::for_address(seen, &mut self.random);
        self.table.rebuild(self.id, self.now);
        self.lookups.drop_all_but_searches();
        let lookup = self.lookup(self.id);
        self.lookups.start(LookupPurpose::Join, lookup);
    }

    /// Asks a node that has been silent for long, and searches for nodes to fill a bucket.
    fn maintain_table(&mut self) {
        if self.now >= self.upkeep.next_check
            && let Some((address, target)) = self.table.check(self.now, &mut self.random)
        {
            self.upkeep.next_check = self.now + BETWEEN_CHECKS;
            self.ask(address, Method::FindNode(target), QueryPurpose::Check);
        }
        if self.now >= self.upkeep.next_refresh
            && self.may_refresh()
            && let Some(target) = self.table.refresh(self.now, &mut self.random)
        {
            self.upkeep.next_refresh = self.now + BETWEEN_REFRESHES;
            let lookup = self.lookup(target);
            self.lookups.start(LookupPurpose::Refresh, lookup);
        }
    }

    /// One lookup for the table runs at a time, and none while there is no node to ask.
    fn may_refresh(&self) -> bool {
        self.table.len() > 0 && self.lookups.are_all_searches()
    }

    /// Moves lookups and searches on as far as they can go now.
    fn advance(&mut self) {
        self.step_lookups();
        // Searches may have waited for a lookup that has just ended.
        if self.start_searches() {
            self.step_lookups();
        }
    }
}
