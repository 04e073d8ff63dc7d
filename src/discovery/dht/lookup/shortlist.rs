//! The shortlist of a lookup: the nodes that we heard of on the way, the closest to the target first.
//!
//! Pure. An entry is a claim: "a node with this ID is at this address". It stays a claim until the node at
//! the address has answered or failed to answer. The shortlist remembers which answer each claim came from
//! (its *informant*) and counts how many claims of each informant turned out to be right. An informant with
//! too many wrong claims makes the rest of its claims *doubtful*.

use crate::discovery::dht::addresses::neighbourhood;
use crate::discovery::dht::id::{Distance, NodeId};
use std::net::SocketAddr;

/// Nodes that are kept.
pub(super) const MAX_NODES: usize = 100;

/// The informant that stands for our own routing table. If a node of it has gone, the others do not become
/// doubtful.
pub(super) const OUR_TABLE: usize = 0;

/// How far we are with a node of the shortlist.
///
/// ```text
/// Unasked ──▶ Asked ──▶ (Late) ──▶ Answered, Unconfirmed or Failed
///                                  Unconfirmed ──▶ Answered
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NodeState {
    /// We have heard of it and sent it nothing.
    Unasked,
    /// A query is on its way to it.
    Asked,
    /// It was asked, and has taken longer than other nodes do. It may still answer.
    Late,
    /// It has answered, under an ID that another node, or our table, gave for its address.
    Answered,
    /// It has answered, but so far no other node has claimed that this ID is at this address. It counts once
    /// one does.
    Unconfirmed,
    /// It did not answer, or its answer made no sense.
    Failed,
}

/// A node of the shortlist.
#[derive(Debug)]
pub(super) struct ListedNode {
    pub distance: Distance,
    pub address: SocketAddr,
    /// `None` for a node of which we know only the address.
    pub id: Option<NodeId>,
    neighbourhood: u64,
    /// Whether a node at this address may have this ID (BEP 42).
    pub has_valid_id: bool,
    /// Which answer named it: an index into the informants.
    pub informant: usize,
    pub state: NodeState,
    /// What it wants to see in an announce. Empty if it gave none.
    pub token: Vec<u8>,
}

/// How many claims of one answer were right, and how many wrong.
#[derive(Clone, Copy, Debug, Default)]
struct Informant {
    right: u16,
    wrong: u16,
}

impl Informant {
    /// At least three of its claims were wrong, and more than twice as many as were right.
    fn is_unreliable(self) -> bool {
        self.wrong > 2 && self.wrong > 2 * self.right
    }
}

/// The nodes that a lookup has heard of.
#[derive(Debug)]
pub(super) struct Shortlist {
    /// Our own ID. No entry has it.
    own: NodeId,
    target: NodeId,
    /// The closest to the target first.
    nodes: Vec<ListedNode>,
    /// The first is [`OUR_TABLE`].
    informants: Vec<Informant>,
}

impl Shortlist {
    /// An empty one.
    pub fn new(own: NodeId, target: NodeId) -> Shortlist {
        Shortlist { own, target, nodes: Vec::new(), informants: vec![Informant::default()] }
    }

    /// The nodes, the closest to the target first.
    pub fn iter(&self) -> impl Iterator<Item = &ListedNode> + Clone {
        self.nodes.iter()
    }

    /// A new informant, for the nodes that one answer names.
    pub fn add_informant(&mut self) -> usize {
        self.informants.push(Informant::default());
        self.informants.len() - 1
    }

    /// Enters the claim that a node with this ID, if any, is at this address. What is known of the node
    /// already tells whether the claim is right.
    pub fn add(&mut self, id: Option<NodeId>, address: SocketAddr, informant: usize) {
        match self.known(id, address) {
            Some(at) => self.compare_with(at, id, address, informant),
            None if id == Some(self.own) => {}
            None => self.add_new(id, address, informant),
        }
    }

    /// The entry that makes this claim superfluous, if there is one. Until a node has answered, a claim about
    /// it must not keep out a different claim, which may be the right one.
    fn known(&self, id: Option<NodeId>, address: SocketAddr) -> Option<usize> {
        let near = neighbourhood(address.ip());
        self.nodes.iter().position(|known| match known.state {
            NodeState::Answered => known.neighbourhood == near || id.is_some() && known.id == id,
            NodeState::Unasked => (known.id, known.address) == (id, address),
            NodeState::Asked | NodeState::Late | NodeState::Unconfirmed | NodeState::Failed => {
                known.address == address
            }
        })
    }

    /// Compares a claim with the entry that is there already.
    fn compare_with(&mut self, at: usize, id: Option<NodeId>, address: SocketAddr, informant: usize) {
        let doubtful = self.nodes.get(at).is_some_and(|known| self.is_doubtful(known));
        let Some(known) = self.nodes.get_mut(at) else { return };
        match known.state {
            NodeState::Answered | NodeState::Unconfirmed => {
                let right = (known.id, known.address) == (id, address);
                if right {
                    known.state = NodeState::Answered;
                }
                self.count_claim(informant, right);
            }
            NodeState::Failed => self.count_claim(informant, false),
            NodeState::Unasked if doubtful => known.informant = informant,
            NodeState::Unasked | NodeState::Asked | NodeState::Late => {}
        }
    }

    fn add_new(&mut self, id: Option<NodeId>, address: SocketAddr, informant: usize) {
        self.insert(ListedNode {
            distance: id.map_or(Distance::FARTHEST, |id| self.target.distance(id)),
            address,
            id,
            neighbourhood: neighbourhood(address.ip()),
            has_valid_id: id.is_none_or(|id| id.is_valid_for(address.ip())),
            informant,
            state: NodeState::Unasked,
            token: Vec::new(),
        });
        if self.nodes.len() > MAX_NODES {
            self.drop_worst();
        }
    }

    /// Drops the farthest of the doubtful nodes that were not asked, or else the farthest of all that were
    /// not asked.
    fn drop_worst(&mut self) {
        let unasked = |at: &usize| self.nodes.get(*at).is_some_and(|one| one.state == NodeState::Unasked);
        let doubtful = |at: &usize| self.nodes.get(*at).is_some_and(|one| self.is_doubtful(one));
        let mut farthest = (0..self.nodes.len()).rev().filter(unasked);
        let worst = farthest.clone().find(doubtful).or_else(|| farthest.next());
        worst.map(|at| self.nodes.remove(at));
    }

    fn insert(&mut self, node: ListedNode) {
        let at = self.nodes.partition_point(|other| other.distance <= node.distance);
        self.nodes.insert(at, node);
    }

    /// Whether the node is known only from an informant whose other nodes mostly turned out not to exist.
    pub fn is_doubtful(&self, node: &ListedNode) -> bool {
        let informant = self.informants.get(node.informant).filter(|_| node.informant != OUR_TABLE);
        informant.is_some_and(|informant| informant.is_unreliable())
    }

    /// Whether this address was asked already, or another one in its neighbourhood that did not fail.
    pub fn is_covered(&self, node: &ListedNode) -> bool {
        self.nodes.iter().any(|other| match other.state {
            NodeState::Unasked => false,
            NodeState::Failed => other.address == node.address,
            NodeState::Asked | NodeState::Late | NodeState::Answered | NodeState::Unconfirmed => {
                other.neighbourhood == node.neighbourhood
            }
        })
    }

    /// The claims about this address, with their places.
    pub fn claims(&self, address: SocketAddr) -> impl Iterator<Item = (usize, &ListedNode)> {
        self.nodes.iter().enumerate().filter(move |(_, node)| node.address == address)
    }

    /// Changes the state of the node at this place of the list.
    pub fn set_state(&mut self, at: usize, state: NodeState) {
        if let Some(node) = self.nodes.get_mut(at) {
            node.state = state;
        }
    }

    /// The place of the node at this address whose answer we wait for.
    pub fn waiting_for(&self, address: SocketAddr) -> Option<usize> {
        let awaited = |node: &ListedNode| matches!(node.state, NodeState::Asked | NodeState::Late);
        self.nodes.iter().position(|node| node.address == address && awaited(node))
    }

    /// The node at this place did not answer: all claims about its address were wrong.
    pub fn fail(&mut self, at: usize) {
        let Some(node) = self.nodes.get_mut(at) else { return };
        node.state = NodeState::Failed;
        let (address, informant) = (node.address, node.informant);
        self.count_claim(informant, false);
        self.resolve_claims(address, None);
    }

    /// The node at this place answered under this ID: moves it to where the ID belongs, and tells right
    /// claims about its address from wrong ones.
    pub fn answer(&mut self, at: usize, id: NodeId, state: NodeState, token: &[u8]) {
        if at >= self.nodes.len() {
            return;
        }
        let mut node = self.nodes.remove(at);
        let (address, right) = (node.address, node.id.is_none_or(|claimed| claimed == id));
        self.count_claim(node.informant, right);
        node.state = state;
        node.token = token.to_vec();
        node.has_valid_id = id.is_valid_for(address.ip());
        (node.id, node.distance) = (Some(id), self.target.distance(id));
        self.insert(node);
        self.resolve_claims(address, Some(id));
    }

    /// It is known now under which ID a node answers at this address, if there is one: removes all claims
    /// about it, and counts each as right or wrong for its informant.
    fn resolve_claims(&mut self, address: SocketAddr, id: Option<NodeId>) {
        let open = |node: &ListedNode| node.address == address && node.state == NodeState::Unasked;
        while let Some(at) = self.nodes.iter().position(open) {
            let claim = self.nodes.remove(at);
            self.count_claim(claim.informant, id.is_some() && claim.id == id);
        }
    }

    fn count_claim(&mut self, informant: usize, right: bool) {
        if let Some(informant) = self.informants.get_mut(informant) {
            let count = if right { &mut informant.right } else { &mut informant.wrong };
            *count = count.saturating_add(1);
        }
    }
}
