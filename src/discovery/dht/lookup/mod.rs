//! One lookup: a walk through the network to the eight nodes that are closest to a target.
//!
//! Pure: the caller sends the packets and measures the time.
//!
//! No node has a list of all nodes. Each knows many nodes near its own ID and few far from it, so every node
//! that we ask knows nodes closer to the target than itself (BEP 5, "routing table"). A Kademlia lookup uses
//! that. It starts with the closest nodes of our own table, asks the closest few of them, adds the nodes that
//! they name to a *shortlist*, asks the closest of those, and so on: each step about halves the
//! distance. It ends when the eight closest nodes of the shortlist have answered. There the announces for
//! the target are kept.
//!
//! What an answer names is hearsay. These rules see to it that a node that makes up other nodes costs us a
//! few queries, and keeps no honest node out:
//!
//! - A node counts when it has answered, and under the ID that it then gives itself.
//! - Of one neighbourhood of addresses only one node is asked.
//! - A node whose ID is not valid for its address (BEP 42) is not one of the eight. Some are asked on the
//!   way all the same, as many nodes in the world give themselves any ID.
//! - Nodes named by a node whose other nodes mostly do not answer are doubtful.
//! - Doubtful nodes, and those with an invalid ID after the first few, are *deferred*: they are asked last. A
//!   few of them are asked in any case, since an honest node may have named some nodes that have gone.
//!
//! In a simulated network of 1,000 nodes (`tests/dht_simulation.rs`) a lookup takes 15 queries, or 24 if a
//! third of the nodes are dead and a tenth are attackers. In a network of 30 it takes 9.

mod shortlist;

use super::addresses::Contact;
use super::id::NodeId;
use super::table::BUCKET_SIZE;
use shortlist::{ListedNode, NodeState, OUR_TABLE, Shortlist};
use std::net::SocketAddr;

/// Queries on their way at once, not counting late ones ("alpha").
const MAX_PARALLEL: usize = 4;
/// Queries of one lookup in all. Ten to thirty are usual.
const MAX_QUERIES: usize = 80;
/// Nodes of one answer that we look at: twice as many as BEP 5 has a node send.
const MAX_NAMED: usize = 2 * BUCKET_SIZE;
/// Queries to nodes with an invalid ID before further ones are deferred.
const MAX_INVALID_ID_QUERIES: usize = 8;
/// Queries to deferred nodes that are sent in any case: at the end, to the closest of them.
const DEFERRED_QUERIES: usize = 8;
/// Peers that one lookup hands out.
const MAX_FOUND: usize = 1_000;

/// A lookup.
#[derive(Debug)]
pub struct Lookup {
    own: NodeId,
    target: NodeId,
    shortlist: Shortlist,
    queries: usize,
    invalid_id_queries: usize,
    deferred_queries: usize,
    found: Vec<SocketAddr>,
}

impl Lookup {
    /// A lookup by the node with the ID `own` that starts with these nodes.
    pub fn new(own: NodeId, target: NodeId, known: &[Contact]) -> Lookup {
        let mut lookup = Lookup {
            own,
            target,
            shortlist: Shortlist::new(own, target),
            queries: 0,
            invalid_id_queries: 0,
            deferred_queries: 0,
            found: Vec::new(),
        };
        known.iter().for_each(|contact| lookup.shortlist.add(Some(contact.id), contact.address, OUR_TABLE));
        lookup
    }

    /// What it looks for.
    pub fn target(&self) -> NodeId {
        self.target
    }

    /// Adds a node whose ID is not known.
    pub fn add_address(&mut self, address: SocketAddr) {
        self.shortlist.add(None, address, OUR_TABLE);
    }

    /// The next node to ask, if one should be asked now.
    pub fn next(&self) -> Option<SocketAddr> {
        if self.queries >= MAX_QUERIES || self.parallel_queries() >= MAX_PARALLEL {
            return None;
        }
        let deferred = || if self.may_ask_deferred() { self.closest_unasked(true) } else { None };
        self.closest_unasked(false).or_else(deferred)
    }

    /// The closest node that was not asked, unless eight that count are closer. Deferred nodes are left out
    /// or taken as well.
    fn closest_unasked(&self, with_deferred: bool) -> Option<SocketAddr> {
        let mut closer = 0;
        for node in self.shortlist.iter() {
            match node.state {
                NodeState::Unasked
                    if (with_deferred || !self.is_deferred(node)) && !self.shortlist.is_covered(node) =>
                {
                    return Some(node.address);
                }
                NodeState::Asked | NodeState::Answered if node.has_valid_id => closer += 1,
                _ => {}
            }
            if closer >= BUCKET_SIZE {
                return None;
            }
        }
        None
    }

    /// Whether the node is asked only when no better one is left.
    fn is_deferred(&self, node: &ListedNode) -> bool {
        let too_many = self.invalid_id_queries >= MAX_INVALID_ID_QUERIES;
        self.shortlist.is_doubtful(node) || !node.has_valid_id && too_many
    }

    /// Whether deferred nodes may be asked: no query to a better node is on its way, and eight better ones
    /// have not answered, or not all the queries that deferred nodes get in any case were sent.
    fn may_ask_deferred(&self) -> bool {
        let counts = |node: &&ListedNode| match node.state {
            NodeState::Answered => node.has_valid_id,
            NodeState::Asked => node.has_valid_id && !self.shortlist.is_doubtful(node),
            _ => false,
        };
        let mut better = self.shortlist.iter().filter(counts);
        let waiting = better.clone().any(|node| node.state == NodeState::Asked);
        !waiting && (self.deferred_queries < DEFERRED_QUERIES || better.nth(BUCKET_SIZE - 1).is_none())
    }

    /// A query to this node was sent.
    pub fn sent(&mut self, address: SocketAddr) {
        let best = self.shortlist.claims(address).min_by_key(|(_, node)| self.is_deferred(node));
        let Some((at, node)) = best else { return };
        self.deferred_queries += usize::from(self.is_deferred(node));
        self.invalid_id_queries += usize::from(!node.has_valid_id);
        self.queries += 1;
        self.shortlist.set_state(at, NodeState::Asked);
    }

    /// The query to this node was not answered in the time that other nodes take.
    pub fn late(&mut self, address: SocketAddr) {
        if let Some(at) = self.shortlist.waiting_for(address) {
            self.shortlist.set_state(at, NodeState::Late);
        }
    }

    /// There will be no answer from this node, or its answer makes no sense.
    pub fn failed(&mut self, address: SocketAddr) {
        if let Some(at) = self.shortlist.waiting_for(address) {
            self.shortlist.fail(at);
        }
    }

    /// The answer of a node: its ID and address, the nodes that it names, and its token. The caller has
    /// checked that it may name these nodes. False if no other node has said that this ID is at this address:
    /// then the answer does not count until another node says so.
    pub fn answered(&mut self, by: Contact, nodes: &[Contact], token: Option<&[u8]>) -> bool {
        let Some(at) = self.shortlist.waiting_for(by.address) else { return false };
        let confirmed = self
            .shortlist
            .claims(by.address)
            .any(|(_, one)| one.state != NodeState::Failed && one.id.is_none_or(|id| id == by.id));
        if by.id == self.own || !confirmed && !by.id.is_valid_for(by.address.ip()) {
            self.shortlist.fail(at);
            return false;
        }
        let state = if confirmed { NodeState::Answered } else { NodeState::Unconfirmed };
        self.shortlist.answer(at, by.id, state, token.unwrap_or_default());
        if confirmed {
            let informant = self.shortlist.add_informant();
            for node in nodes.iter().take(MAX_NAMED) {
                self.shortlist.add(Some(node.id), node.address, informant);
            }
        }
        confirmed
    }

    /// Those of these peers that this lookup has not handed out before.
    pub fn new_peers(&mut self, peers: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
        let before = self.found.len();
        for peer in peers {
            if self.found.len() < MAX_FOUND && !self.found.contains(&peer) {
                self.found.push(peer);
            }
        }
        self.found.get(before..).unwrap_or_default().to_vec()
    }

    /// Whether there is no node to ask, and none to wait for but late ones.
    pub fn is_idle(&self) -> bool {
        self.parallel_queries() == 0 && self.next().is_none()
    }

    /// Whether it is over: the eight closest nodes with a valid ID have answered, or there is no node left to ask and
    /// none to wait for. Late answers are waited for where there are fewer than eight, whatever their IDs.
    pub fn is_done(&self) -> bool {
        let is_late = |node: &ListedNode| node.state == NodeState::Late;
        let counts =
            |node: &&ListedNode| node.has_valid_id && (is_late(node) || node.state == NodeState::Answered);
        let closest: Vec<&ListedNode> = self.shortlist.iter().filter(counts).take(BUCKET_SIZE).collect();
        let waits = match closest.len() < BUCKET_SIZE {
            true => self.shortlist.iter().any(is_late),
            false => closest.into_iter().any(is_late),
        };
        self.is_idle() && !waits
    }

    /// How many nodes answered.
    pub fn answers(&self) -> usize {
        self.shortlist.iter().filter(|node| node.state == NodeState::Answered).count()
    }

    /// The nodes that an announce belongs to, with the token of each: the eight closest that answered, which
    /// other lookups will ask, and the eight closest with a valid ID, which no attacker could place there
    /// (BEP 42, "enforcement").
    pub fn closest(&self) -> Vec<(SocketAddr, &[u8])> {
        let answered = self.shortlist.iter().filter(|one| one.state == NodeState::Answered);
        let (mut all, mut valid) = (0, 0);
        let chosen = answered.filter(|one| !one.token.is_empty()).filter(|one| {
            all += 1;
            valid += usize::from(one.has_valid_id);
            all <= BUCKET_SIZE || one.has_valid_id && valid <= BUCKET_SIZE
        });
        chosen.map(|one| (one.address, one.token.as_slice())).collect()
    }

    fn parallel_queries(&self) -> usize {
        self.shortlist.iter().filter(|node| node.state == NodeState::Asked).count()
    }
}

#[cfg(test)]
mod tests;
