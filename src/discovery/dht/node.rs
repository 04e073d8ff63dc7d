//! A node of one network: what it does with a packet, and what it does when the time has come.
//!
//! Pure: it is given packets and the time, and asked for what should be sent. Its service has the socket
//! and the thread. It asks (`asking`), searches (`searching`), and answers (`answering`); here is what
//! holds these together, and how it gets to know the network: it looks itself up through those that it was
//! told of, and then cares for its table at leisure. Every packet is a stranger's, so each of the parts has
//! a bound for what it keeps and what it sends.

use super::addresses::{Contact, is_believable, is_possible};
use super::external::Votes;
use super::id::NodeId;
use super::lookup::Lookup;
use super::packet::{Ask, Body, Packet, Response};
use super::peer_store::Announced;
use super::queries::{Aim, Outstanding, Running};
use super::rate_limits::{Allowance, Callers};
use super::searches::Search;
use super::table::{BUCKET_SIZE, Place, Table};
use super::tokens::Tokens;
use crate::address::{IpFamily, canonical_without_scope};
use crate::metainfo::InfoHash;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Our own queries a second, and at once. A lookup has some twenty.
const QUERIES: f32 = 50.0;
const QUERIES_AT_ONCE: f32 = 100.0;

/// Bytes a second of answers, and at once. What a busy node in the world is asked for is about this.
const ANSWERS: f32 = 12_000.0;
const ANSWERS_AT_ONCE: f32 = 100_000.0;

/// Nodes a second that are asked whether they are there because they, or others, said so.
const INTRODUCTIONS: f32 = 5.0;
const INTRODUCTIONS_AT_ONCE: f32 = 40.0;

/// Between two steps of the care for the table: a check takes one query, a refresh a lookup.
const BETWEEN_CHECKS: Duration = Duration::from_secs(1);
const BETWEEN_REFRESHES: Duration = Duration::from_secs(60);

/// Between two changes of our name because our address seems to be another.
const BETWEEN_NAMES: Duration = Duration::from_secs(10 * 60);

/// Nodes to be asked the next time.
const MAX_SAVED: usize = 200;

/// What a node is made with.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The network that it belongs to.
    pub family: IpFamily,
    /// Ask and do not answer (BEP 43): nobody can reach us.
    pub read_only: bool,
    /// The name that it had the last time.
    pub id: Option<NodeId>,
}

/// What is to be done in the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A packet to be sent.
    Send {
        /// Where to.
        to: SocketAddr,
        /// The bytes.
        packet: Vec<u8>,
    },
    /// Peers of a torrent that is searched for.
    Found {
        /// The torrent.
        info_hash: InfoHash,
        /// Each one is told once in a lookup.
        peers: Vec<SocketAddr>,
    },
}

/// Why a lookup runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To get to know the network: for our own name.
    Join,
    /// To fill a bucket.
    Refresh,
    /// For the peers of a torrent.
    Search,
}

/// A node.
#[derive(Debug)]
pub struct Node {
    pub(super) family: IpFamily,
    pub(super) read_only: bool,
    pub(super) id: NodeId,
    pub(super) random: fastrand::Rng,
    /// The latest time that we were told.
    pub(super) now: Instant,
    pub(super) table: Table,
    pub(super) callers: Callers,
    pub(super) tokens: Tokens,
    pub(super) announced: Announced,
    pub(super) votes: Votes,
    pub(super) outstanding: Vec<Outstanding>,
    pub(super) lookups: Vec<Running>,
    /// Lookups were numbered up to here.
    pub(super) numbered: u32,
    pub(super) searches: Vec<Search>,
    pub(super) outputs: VecDeque<Output>,
    pub(super) queries: Allowance,
    pub(super) answers: Allowance,
    pub(super) introductions: Allowance,
    /// What an answer takes, on the average.
    pub(super) round_trip: Duration,
    next_check: Instant,
    next_refresh: Instant,
    /// Our name is not changed before.
    next_name: Instant,
}

impl Node {
    /// A node that knows nobody.
    pub fn new(settings: Settings, mut random: fastrand::Rng, now: Instant) -> Node {
        let id = settings.id.unwrap_or_else(|| NodeId::random(&mut random));
        Node {
            family: settings.family,
            read_only: settings.read_only,
            id,
            now,
            table: Table::new(id, now),
            callers: Callers::default(),
            tokens: Tokens::new(now),
            announced: Announced::default(),
            votes: Votes::default(),
            outstanding: Vec::new(),
            lookups: Vec::new(),
            numbered: 0,
            searches: Vec::new(),
            outputs: VecDeque::new(),
            queries: Allowance::new(QUERIES, QUERIES_AT_ONCE, now),
            answers: Allowance::new(ANSWERS, ANSWERS_AT_ONCE, now),
            introductions: Allowance::new(INTRODUCTIONS, INTRODUCTIONS_AT_ONCE, now),
            round_trip: Duration::from_millis(250),
            next_check: now,
            next_refresh: now + BETWEEN_REFRESHES,
            next_name: now,
            random,
        }
    }

    /// Hears a packet. What is no packet, or answers nothing that we asked there, is dropped.
    pub fn receive(&mut self, packet: &[u8], from: SocketAddr, now: Instant) {
        self.now = now;
        let from = canonical_without_scope(from);
        if !self.family.has(from) || !is_possible(from) {
            return;
        }
        let Some(parsed) = Packet::from_wire(packet) else { return };
        if let Body::Query(query) = &parsed.body {
            self.answer(query, &parsed, packet.len(), from);
            return;
        }
        let Some(asked) = self.answered_one(parsed.transaction, from) else { return };
        self.callers.proved(from.ip(), now);
        match parsed.body {
            Body::Response(response) => {
                let voter = response.id;
                let believed = self.hear(response, asked, parsed.read_only);
                // Whoever wants many votes needs as many addresses, and names that fit them.
                if let Some(external) = parsed.external.filter(|_| believed && voter.fits(from.ip())) {
                    self.hear_external(from.ip(), external.ip());
                }
            }
            _ => self.fail_lookup(&asked),
        }
        self.work();
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Instant) {
        self.now = now;
        self.give_up_waiting();
        self.care();
        self.work();
    }

    /// When [`tick`](Node::tick) has something to do. Later than any time that the node was told.
    pub fn next_deadline(&self) -> Instant {
        let idle = self.now + Duration::from_secs(60);
        let check = self.table.next_check().map(|due| due.max(self.next_check));
        let refresh = if self.may_refresh() { self.table.next_refresh() } else { None };
        let refresh = refresh.map(|due| due.max(self.next_refresh));
        let dues = [check, refresh, self.next_wait(), self.next_search(), self.next_query()];
        let first = dues.into_iter().flatten().min().unwrap_or(idle);
        first.clamp(self.now + Duration::from_millis(1), idle)
    }

    /// What is to be done, until there is nothing more. To be asked after each call that is told the time.
    pub fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Somebody said that a node is there: it is asked, and counts once it answers.
    pub fn contact(&mut self, address: SocketAddr, now: Instant) {
        self.now = now;
        let address = canonical_without_scope(address);
        if !self.family.has(address) || !is_possible(address) {
            return;
        }
        let thin = self.is_thin();
        let join = self.lookups.iter_mut().find(|running| running.purpose == Purpose::Join);
        match join {
            Some(running) => running.lookup.add_unnamed(address),
            None if thin => {
                let mut lookup = self.lookup(self.id);
                lookup.add_unnamed(address);
                self.run(Purpose::Join, lookup);
            }
            None => self.introduce(address),
        }
        self.work();
    }

    /// Its name.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Nodes that are worth asking the next time: those that were heard of last first.
    pub fn good_nodes(&self) -> Vec<SocketAddr> {
        let mut good = self.table.good(self.now);
        good.truncate(MAX_SAVED);
        good
    }

    /// Whether it knows fewer than eight nodes: somebody should tell it of more.
    pub fn is_thin(&self) -> bool {
        self.table.len() < BUCKET_SIZE
    }

    /// Our address as others see it, where they agree.
    pub fn external(&self) -> Option<IpAddr> {
        self.votes.agreed()
    }

    /// A lookup that begins with the closest nodes of the table.
    pub(super) fn lookup(&self, target: NodeId) -> Lookup {
        Lookup::new(self.id, target, &self.table.closest(target, 2 * BUCKET_SIZE, false, self.now))
    }

    /// The answer to a query of ours. Whether it came from who it should.
    fn hear(&mut self, response: Response<'_>, asked: Outstanding, read_only: bool) -> bool {
        let contact = Contact { id: response.id, address: asked.to };
        if response.id == self.id {
            // We have reached ourselves, or one that wants to be taken for us.
            self.fail_lookup(&asked);
            return false;
        }
        let nodes: Vec<Contact> = response
            .nodes
            .into_iter()
            .filter(|node| self.family.has(node.address) && self.is_worth_asking(node.address, asked.to))
            .collect();
        match asked.aim {
            Aim::Lookup(number) => {
                let Some(running) = self.lookups.iter_mut().find(|running| running.number == number) else {
                    self.enter(contact, read_only);
                    return true;
                };
                let counts = running.lookup.answered(contact, &nodes, response.token);
                // Its peers may be good all the same, if somebody else gave it a wrong name.
                if running.purpose == Purpose::Search {
                    let family = self.family;
                    let values = response.values.into_iter();
                    let believed = values
                        .filter(|peer| family.has(*peer) && is_believable(*peer, asked.to.ip()))
                        .take(256);
                    let peers = running.lookup.new_peers(believed);
                    let info_hash = InfoHash(running.lookup.target().0);
                    self.found(info_hash, peers);
                }
                if !counts {
                    return false;
                }
            }
            Aim::Check => {
                for node in nodes.iter().take(BUCKET_SIZE) {
                    if self.table.wants(*node, self.now) {
                        self.introduce(node.address);
                    }
                }
            }
            // Nodes that were not asked for are not looked at, or one liar could bring all others along.
            Aim::Ping | Aim::Announce => {}
        }
        self.enter(contact, read_only);
        true
    }

    /// One who answered comes into the table, but not where it says that it will answer nobody.
    fn enter(&mut self, contact: Contact, read_only: bool) {
        if read_only {
            return;
        }
        match self.table.answered(contact, self.now) {
            Place::New => self.grown(),
            Place::Behind(questionable) => {
                self.ask(questionable, Ask::Ping, Aim::Ping);
            }
            Place::Known | Place::None => {}
        }
    }

    /// Whether one at `from` can name this address, and it is not ours.
    fn is_worth_asking(&self, address: SocketAddr, from: SocketAddr) -> bool {
        // On a loopback network many nodes share what others see of us.
        let ours = !address.ip().is_loopback() && self.votes.agreed() == Some(address.ip());
        !ours && is_believable(address, from.ip())
    }

    /// Asks whether somebody is there, where there is an allowance for it.
    pub(super) fn introduce(&mut self, address: SocketAddr) {
        let waiting = self.outstanding.iter().any(|asked| asked.to == address);
        if !waiting && self.introductions.take(1.0, self.now) {
            self.ask(address, Ask::Ping, Aim::Ping);
        }
    }

    /// Takes a name that fits our address, where most agree on one that ours does not fit (BEP 42).
    fn hear_external(&mut self, voter: IpAddr, seen: IpAddr) {
        if !self.family.has(SocketAddr::new(seen, 0)) {
            return;
        }
        self.votes.vote(voter, seen);
        let Some(seen) = self.votes.agreed() else { return };
        if self.id.fits(seen) || self.now < self.next_name {
            return;
        }
        self.next_name = self.now + BETWEEN_NAMES;
        self.id = NodeId::for_address(seen, &mut self.random);
        self.table.rebuild(self.id, self.now);
        self.lookups.retain(|running| running.purpose == Purpose::Search);
        let lookup = self.lookup(self.id);
        self.run(Purpose::Join, lookup);
    }

    /// Asks a node that was silent for long, and fills a bucket.
    fn care(&mut self) {
        if self.now >= self.next_check
            && let Some((address, target)) = self.table.check(self.now, &mut self.random)
        {
            self.next_check = self.now + BETWEEN_CHECKS;
            self.ask(address, Ask::FindNode(target), Aim::Check);
        }
        if self.now >= self.next_refresh
            && self.may_refresh()
            && let Some(target) = self.table.refresh(self.now, &mut self.random)
        {
            self.next_refresh = self.now + BETWEEN_REFRESHES;
            let lookup = self.lookup(target);
            self.run(Purpose::Refresh, lookup);
        }
    }

    /// One lookup for the table at a time, and none where there is nobody to ask.
    fn may_refresh(&self) -> bool {
        self.table.len() > 0 && self.lookups.iter().all(|running| running.purpose == Purpose::Search)
    }

    /// Moves everything on as far as it goes.
    pub(super) fn work(&mut self) {
        self.step_lookups();
        // One that ended may have been what others waited for.
        if self.start_searches() {
            self.step_lookups();
        }
    }
}
