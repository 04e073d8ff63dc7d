//! One walk through the network towards a name: ask the closest nodes for closer ones, until the eight
//! closest have answered.
//!
//! Pure; who calls it sends the packets and measures the time. What an answer names is hearsay, so whoever
//! makes up nodes costs us a few queries and keeps nobody out: a node counts when it has answered, and under
//! the name that it then gives. Those whose names do not fit their addresses (BEP 42) do not count among the
//! eight, and of one neighbourhood only one is asked. Nodes named by one whose nodes are mostly not there are
//! *doubtful*: they and most misfits are asked last. A few of them are asked in any case, as many nodes in
//! the world give themselves any name, and one who tells the truth may have named some that have gone.
//!
//! In a simulated network of 1,000 nodes (`tests/dht_simulation.rs`) a lookup takes 15 queries, 24 where
//! a third of the nodes are dead and a tenth lie, and 9 in a network of 30.

use super::addresses::{Contact, neighbourhood};
use super::id::{Distance, NodeId};
use super::table::BUCKET_SIZE;
use std::net::SocketAddr;

/// Queries on their way at once, those that are late aside ("alpha").
const AT_ONCE: usize = 4;
/// Queries in all. Ten to thirty are usual.
const MAX_QUERIES: usize = 80;
/// Candidates that are kept.
const MAX_CANDIDATES: usize = 100;
/// Nodes of one answer that are looked at: twice what BEP 5 has one send.
const MAX_NAMED: usize = 2 * BUCKET_SIZE;
/// Queries to nodes whose names do not fit, on the way.
const MAX_MISFITS: usize = 8;
/// Queries at the end to those nearest that were passed over.
const SECOND_THOUGHTS: usize = 8;
/// Peers that one lookup hands out.
const MAX_FOUND: usize = 1_000;

/// The source of what we know ourselves. That it has gone makes nobody a liar.
const OURSELVES: usize = 0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Fresh,
    Asked,
    /// Asked, and silent for longer than others are.
    Late,
    Answered,
    /// Answered under a name that nobody has given it so far.
    Unvouched,
    Failed,
}

#[derive(Debug)]
struct Candidate {
    distance: Distance,
    address: SocketAddr,
    /// Unknown of one that we were told to ask.
    id: Option<NodeId>,
    neighbourhood: u64,
    fits: bool,
    /// Who named it: a place among the sources.
    source: usize,
    state: State,
    token: Vec<u8>,
}

/// How those did that somebody named.
#[derive(Clone, Copy, Debug, Default)]
struct Source {
    answered: u16,
    failed: u16,
}

/// A lookup.
#[derive(Debug)]
pub struct Lookup {
    own: NodeId,
    target: NodeId,
    /// The closest first.
    candidates: Vec<Candidate>,
    /// The first is [`OURSELVES`].
    sources: Vec<Source>,
    queries: usize,
    misfits: usize,
    second_thoughts: usize,
    found: Vec<SocketAddr>,
}

impl Source {
    fn is_doubtful(self) -> bool {
        self.failed > 2 && self.failed > 2 * self.answered
    }
}

impl Lookup {
    /// One that knows these nodes to begin with.
    pub fn new(own: NodeId, target: NodeId, known: &[Contact]) -> Lookup {
        let mut lookup = Lookup {
            own,
            target,
            candidates: Vec::new(),
            sources: vec![Source::default()],
            queries: 0,
            misfits: 0,
            second_thoughts: 0,
            found: Vec::new(),
        };
        known.iter().for_each(|contact| lookup.add(Some(contact.id), contact.address, OURSELVES));
        lookup
    }

    /// What it looks for.
    pub fn target(&self) -> NodeId {
        self.target
    }

    /// Adds a node whose name is not known.
    pub fn add_unnamed(&mut self, address: SocketAddr) {
        self.add(None, address, OURSELVES);
    }

    fn add(&mut self, id: Option<NodeId>, address: SocketAddr, source: usize) {
        let near = neighbourhood(address.ip());
        // Until somebody has answered, what one says must not keep out what another says.
        let known = self.candidates.iter().position(|known| match known.state {
            State::Answered => known.neighbourhood == near || id.is_some() && known.id == id,
            State::Fresh => (known.id, known.address) == (id, address),
            State::Asked | State::Late | State::Unvouched | State::Failed => known.address == address,
        });
        if let Some(at) = known {
            let doubtful = self.is_doubtful(at);
            let Some(known) = self.candidates.get_mut(at) else { return };
            match known.state {
                State::Answered | State::Unvouched => {
                    let right = (known.id, known.address) == (id, address);
                    if right {
                        known.state = State::Answered;
                    }
                    self.judge(source, right);
                }
                State::Failed => self.judge(source, false),
                State::Fresh if doubtful => known.source = source,
                _ => {}
            }
            return;
        }
        if id == Some(self.own) {
            return;
        }
        self.insert(Candidate {
            distance: id.map_or(Distance::FARTHEST, |id| self.target.distance(id)),
            address,
            id,
            neighbourhood: near,
            fits: id.is_none_or(|id| id.fits(address.ip())),
            source,
            state: State::Fresh,
            token: Vec::new(),
        });
        if self.candidates.len() > MAX_CANDIDATES {
            let fresh = |at: &usize| self.candidates.get(*at).is_some_and(|one| one.state == State::Fresh);
            let mut farthest = (0..self.candidates.len()).rev().filter(fresh);
            let worst = farthest.clone().find(|at| self.is_doubtful(*at)).or_else(|| farthest.next());
            worst.map(|at| self.candidates.remove(at));
        }
    }

    /// What this source said of a node is known to be right, or wrong.
    fn judge(&mut self, source: usize, right: bool) {
        if let Some(source) = self.sources.get_mut(source) {
            let count = if right { &mut source.answered } else { &mut source.failed };
            *count = count.saturating_add(1);
        }
    }

    /// Which name the node at this address has, if any, is known now: judges all who named it.
    fn settle(&mut self, address: SocketAddr, id: Option<NodeId>) {
        while let Some(at) =
            self.candidates.iter().position(|one| one.address == address && one.state == State::Fresh)
        {
            let other = self.candidates.remove(at);
            self.judge(other.source, id.is_some() && other.id == id);
        }
    }

    fn insert(&mut self, candidate: Candidate) {
        let at = self.candidates.partition_point(|other| other.distance <= candidate.distance);
        self.candidates.insert(at, candidate);
    }

    fn is_doubtful(&self, candidate: usize) -> bool {
        let candidate = self.candidates.get(candidate).filter(|candidate| candidate.source != OURSELVES);
        let source = candidate.and_then(|candidate| self.sources.get(candidate.source));
        source.is_some_and(|source| source.is_doubtful())
    }

    /// The next node to be asked, where one should be asked now.
    pub fn next(&self) -> Option<SocketAddr> {
        if self.queries >= MAX_QUERIES || self.on_their_way() >= AT_ONCE {
            return None;
        }
        self.choose(false).or_else(|| if self.is_at_a_loss() { self.choose(true) } else { None })
    }

    /// Whether those have answered that nothing speaks against, and others may be asked.
    fn is_at_a_loss(&self) -> bool {
        let counts = |(at, candidate): &(usize, &Candidate)| match candidate.state {
            State::Answered => candidate.fits,
            State::Asked => candidate.fits && !self.is_doubtful(*at),
            _ => false,
        };
        let mut hopes = self.candidates.iter().enumerate().filter(counts);
        let waiting = hopes.clone().any(|(_, candidate)| candidate.state == State::Asked);
        !waiting && (self.second_thoughts < SECOND_THOUGHTS || hopes.nth(BUCKET_SIZE - 1).is_none())
    }

    /// The closest that was not asked, unless eight that count are closer.
    fn choose(&self, any: bool) -> Option<SocketAddr> {
        let mut closer = 0;
        for (at, candidate) in self.candidates.iter().enumerate() {
            match candidate.state {
                State::Fresh if (any || !self.is_passed_over(at, candidate)) && !self.is_taken(candidate) => {
                    return Some(candidate.address);
                }
                State::Asked | State::Answered if candidate.fits => closer += 1,
                _ => {}
            }
            if closer >= BUCKET_SIZE {
                return None;
            }
        }
        None
    }

    fn is_passed_over(&self, at: usize, candidate: &Candidate) -> bool {
        self.is_doubtful(at) || !candidate.fits && self.misfits >= MAX_MISFITS
    }

    /// Whether its address was asked, or another in its neighbourhood and not in vain.
    fn is_taken(&self, candidate: &Candidate) -> bool {
        self.candidates.iter().any(|other| match other.state {
            State::Fresh => false,
            State::Failed => other.address == candidate.address,
            _ => other.neighbourhood == candidate.neighbourhood,
        })
    }

    /// A query to this node is on its way.
    pub fn asked(&mut self, address: SocketAddr) {
        let named = self.candidates.iter().enumerate().filter(|(_, candidate)| candidate.address == address);
        let chosen = named.min_by_key(|(at, candidate)| self.is_passed_over(*at, candidate));
        let Some((at, candidate)) = chosen else { return };
        self.second_thoughts += usize::from(self.is_passed_over(at, candidate));
        self.misfits += usize::from(!candidate.fits);
        self.queries += 1;
        if let Some(candidate) = self.candidates.get_mut(at) {
            candidate.state = State::Asked;
        }
    }

    /// The query to this node was not answered in the time that others take.
    pub fn late(&mut self, address: SocketAddr) {
        if let Some(at) = self.waited_for(address)
            && let Some(candidate) = self.candidates.get_mut(at)
        {
            candidate.state = State::Late;
        }
    }

    /// There will be no answer of this node, or it makes no sense.
    pub fn failed(&mut self, address: SocketAddr) {
        if let Some(at) = self.waited_for(address)
            && let Some(candidate) = self.candidates.get_mut(at)
        {
            candidate.state = State::Failed;
            let source = candidate.source;
            self.judge(source, false);
            self.settle(address, None);
        }
    }

    /// The answer of a node: who it says to be, the nodes that it names, of which somebody checked that
    /// it may name them, and its token. False where nobody has said that it is there under this name: then
    /// it counts for nothing, until somebody says so.
    pub fn answered(&mut self, by: Contact, nodes: &[Contact], token: Option<&[u8]>) -> bool {
        let Some(at) = self.waited_for(by.address) else { return false };
        let fits = by.id.fits(by.address.ip());
        let vouched = self.candidates.iter().any(|one| {
            one.address == by.address && one.state != State::Failed && one.id.is_none_or(|id| id == by.id)
        });
        if by.id == self.own || !vouched && !fits {
            self.failed(by.address);
            return false;
        }
        let mut candidate = self.candidates.remove(at);
        let right = candidate.id.is_none_or(|id| id == by.id);
        self.judge(candidate.source, right);
        candidate.state = if vouched { State::Answered } else { State::Unvouched };
        candidate.token = token.unwrap_or_default().to_vec();
        candidate.fits = fits;
        (candidate.id, candidate.distance) = (Some(by.id), self.target.distance(by.id));
        self.insert(candidate);
        self.settle(by.address, Some(by.id));
        if vouched {
            let source = self.sources.len();
            self.sources.push(Source::default());
            for node in nodes.iter().take(MAX_NAMED) {
                self.add(Some(node.id), node.address, source);
            }
        }
        vouched
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

    /// Whether it found peers.
    pub fn has_found(&self) -> bool {
        !self.found.is_empty()
    }

    /// Whether there is nobody to ask, and nobody to wait for but those who are late.
    pub fn is_idle(&self) -> bool {
        self.on_their_way() == 0 && self.next().is_none()
    }

    /// Whether it is over: the eight closest have answered, or there is nobody left.
    pub fn is_done(&self) -> bool {
        let mut closest = self
            .candidates
            .iter()
            .filter(|candidate| candidate.fits && matches!(candidate.state, State::Answered | State::Late));
        self.is_idle() && closest.by_ref().take(BUCKET_SIZE).all(|candidate| candidate.state != State::Late)
    }

    /// How many nodes answered.
    pub fn answers(&self) -> usize {
        self.candidates.iter().filter(|candidate| candidate.state == State::Answered).count()
    }

    /// Where an announce belongs, with the token of each: the eight closest that answered, which others
    /// will ask, and the eight closest whose names fit, whom nobody could put there (BEP 42, "enforcement").
    pub fn closest(&self) -> Vec<(SocketAddr, &[u8])> {
        let answered = self.candidates.iter().filter(|one| one.state == State::Answered);
        let (mut all, mut fitting) = (0, 0);
        let chosen = answered.filter(|one| !one.token.is_empty()).filter(|one| {
            all += 1;
            fitting += usize::from(one.fits);
            all <= BUCKET_SIZE || one.fits && fitting <= BUCKET_SIZE
        });
        chosen.map(|one| (one.address, one.token.as_slice())).collect()
    }

    fn on_their_way(&self) -> usize {
        self.candidates.iter().filter(|candidate| candidate.state == State::Asked).count()
    }

    fn waited_for(&self, address: SocketAddr) -> Option<usize> {
        self.candidates.iter().position(|candidate| {
            candidate.address == address && matches!(candidate.state, State::Asked | State::Late)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: NodeId = NodeId([0xff; 20]);
    const TARGET: NodeId = NodeId([0; 20]);

    /// A node on the loopback network at this distance.
    fn node(distance: u8) -> Contact {
        let mut id = TARGET;
        id.0[0] = distance;
        Contact { id, address: SocketAddr::from(([127, 0, 0, distance], 1)) }
    }

    fn nodes(distances: impl IntoIterator<Item = u8>) -> Vec<Contact> {
        distances.into_iter().map(node).collect()
    }

    /// Asks all that may be asked at once: their distances.
    fn ask(lookup: &mut Lookup) -> Vec<u8> {
        let mut asked = Vec::new();
        while let Some(address) = lookup.next() {
            lookup.asked(address);
            let std::net::IpAddr::V4(ip) = address.ip() else { panic!() };
            asked.push(ip.octets()[3]);
        }
        asked
    }

    fn ask_addresses(lookup: &mut Lookup) -> Vec<SocketAddr> {
        std::iter::from_fn(|| lookup.next().inspect(|address| lookup.asked(*address))).collect()
    }

    fn answer(lookup: &mut Lookup, distance: u8, named: &[u8]) -> bool {
        lookup.answered(node(distance), &nodes(named.iter().copied()), Some(&[distance]))
    }

    fn lookup(known: impl IntoIterator<Item = u8>) -> Lookup {
        Lookup::new(OWN, TARGET, &nodes(known))
    }

    #[test]
    fn the_closest_are_asked_until_eight_have_answered() {
        let mut lookup = lookup(50..62);
        assert_eq!(ask(&mut lookup), [50, 51, 52, 53]);
        answer(&mut lookup, 50, &[10, 11, 12]);
        assert_eq!(ask(&mut lookup), [10]);
        answer(&mut lookup, 51, &[10, 11, 12, 13]);
        answer(&mut lookup, 10, &[]);
        assert_eq!(ask(&mut lookup), [11, 12]);
        for distance in [52, 53, 11, 12] {
            answer(&mut lookup, distance, &[]);
        }
        assert_eq!((ask(&mut lookup), lookup.is_done()), (vec![13], false));
        answer(&mut lookup, 13, &[]);
        assert!(lookup.is_done());
        let closest: Vec<u8> = lookup.closest().iter().map(|(_, token)| token[0]).collect();
        assert_eq!(closest, [10, 11, 12, 13, 50, 51, 52, 53]);
        assert_eq!((lookup.answers(), lookup.queries), (8, 8));
    }

    #[test]
    fn one_that_is_late_holds_nobody_up_and_is_waited_for_at_the_end() {
        let mut lookup = lookup([1, 2, 3, 4, 5]);
        assert_eq!(ask(&mut lookup), [1, 2, 3, 4]);
        lookup.late(node(1).address);
        assert_eq!(ask(&mut lookup), [5]);
        for distance in 2..=5 {
            answer(&mut lookup, distance, &[]);
        }
        assert!(lookup.is_idle() && !lookup.is_done());
        lookup.failed(node(1).address);
        assert!(lookup.is_done());
        assert!(!answer(&mut lookup, 1, &[]));
    }

    #[test]
    fn one_with_another_name_than_was_said_counts_when_somebody_says_the_right_one() {
        let mut lookup = lookup([1, 9]);
        ask(&mut lookup);
        let other = Contact { id: node(2).id, ..node(1) };
        assert!(!lookup.answered(other, &nodes([3]), Some(b"t")));
        assert!(lookup.answers() == 0 && lookup.closest().is_empty());
        assert!(lookup.answered(node(9), &[other], None));
        assert_eq!((lookup.answers(), lookup.closest()[0].0), (2, other.address));
        assert!(lookup.is_done(), "what it named is not believed");
        lookup.add_unnamed(node(4).address);
        assert_eq!(ask(&mut lookup), [4]);
        assert!(answer(&mut lookup, 4, &[255]));
        assert!(!lookup.answered(node(9), &[], None));
        lookup.add(Some(OWN), node(7).address, 0);
        assert_eq!(lookup.next(), Some(node(255).address));
    }

    #[test]
    fn a_liar_keeps_nobody_out_by_naming_others_wrongly_or_their_neighbours() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut fitting = |ip: [u8; 4]| Contact {
            id: NodeId::for_address(ip.into(), &mut random),
            address: SocketAddr::from((ip, 1)),
        };
        let [liar, guide] = [fitting([8, 8, 8, 8]), fitting([7, 8, 8, 8])];
        let honest: Vec<Contact> = (0..8).map(|number| fitting([9, 9, number, 1])).collect();
        let target = honest[0].id;
        for lie in 0..3 {
            let mut lookup = Lookup::new(OWN, target, &[liar, guide]);
            ask_addresses(&mut lookup);
            let lies = honest.iter().zip(1..).map(|(contact, number)| {
                let mut id = target;
                // Near, so that it is asked at once, or so far that it never is.
                id.0[if lie == 0 { 19 } else { 0 }] ^= number;
                let neighbour = SocketAddr::from(([9, 9, number - 1, 7], 1));
                Contact { id, address: if lie == 2 { neighbour } else { contact.address } }
            });
            assert!(lookup.answered(liar, &lies.collect::<Vec<_>>(), Some(b"t")));
            assert!(lookup.answered(guide, &honest, Some(b"t")));
            loop {
                let asked = ask_addresses(&mut lookup);
                if asked.is_empty() {
                    break;
                }
                for address in asked {
                    match honest.iter().find(|contact| contact.address == address) {
                        Some(contact) => _ = lookup.answered(*contact, &honest, Some(b"t")),
                        None => lookup.failed(address),
                    }
                }
            }
            let closest = lookup.closest();
            let count = honest.iter().filter(|one| closest.iter().any(|(to, _)| *to == one.address)).count();
            assert!(count >= 6, "{lie}: {count}");
        }
    }

    #[test]
    fn those_that_a_liar_named_are_asked_last() {
        let mut lookup = lookup([100, 101]);
        assert_eq!(ask(&mut lookup), [100, 101]);
        answer(&mut lookup, 100, &[1, 2, 3, 4, 5, 6, 7, 8]);
        answer(&mut lookup, 101, &[90, 91, 92]);
        assert_eq!(ask(&mut lookup), [1, 2, 3, 4]);
        for distance in 1..=3 {
            lookup.failed(node(distance).address);
        }
        assert_eq!(ask(&mut lookup), [90, 91, 92]);
        answer(&mut lookup, 90, &[5]);
        assert_eq!(ask(&mut lookup), [5]);
        for distance in [91, 92, 5, 4] {
            answer(&mut lookup, distance, &[]);
        }
        // Without them there are fewer than eight, so they get their turn.
        assert_eq!(ask(&mut lookup), [6, 7, 8]);
    }

    #[test]
    fn names_that_do_not_fit_do_not_count_and_the_closest_of_them_are_asked_all_the_same() {
        let mut random = fastrand::Rng::with_seed(1);
        let address = |number: u8| SocketAddr::from(([9, 9, number, 1], 1));
        let misfit = |number: u8| Contact { id: node(number).id, address: address(number) };
        let fitting: Vec<Contact> = (100..120)
            .map(|number| {
                let address = address(number);
                Contact { id: NodeId::for_address(address.ip(), &mut random), address }
            })
            .collect();
        let known: Vec<Contact> = (1..50).map(misfit).chain(fitting.iter().copied()).collect();
        let mut lookup = Lookup::new(OWN, TARGET, &known);
        while let Some(next) = lookup.next() {
            lookup.asked(next);
            let contact = *known.iter().find(|contact| contact.address == next).unwrap();
            assert!(lookup.answered(contact, &[], Some(b"t")));
        }
        assert!(lookup.is_done() && lookup.misfits == MAX_MISFITS + SECOND_THOUGHTS);
        let closest = lookup.closest();
        let fits = |to: &SocketAddr| fitting.iter().any(|node| node.address == *to);
        assert_eq!(closest.iter().filter(|(to, _)| fits(to)).count(), 8);
        let mut all = known.clone();
        all.sort_by_key(|contact| TARGET.distance(contact.id));
        assert!(all[..8].iter().all(|contact| closest.iter().any(|(to, _)| *to == contact.address)));

        let mut lookup = Lookup::new(OWN, TARGET, &known[..20]);
        while let Some(next) = lookup.next() {
            lookup.asked(next);
            let contact = *known.iter().find(|contact| contact.address == next).unwrap();
            assert!(lookup.answered(contact, &[], Some(b"t")));
        }
        assert!(lookup.is_done() && lookup.closest().len() == 8);
    }

    #[test]
    fn queries_candidates_and_peers_are_bounded() {
        let mut lookup = lookup([255]);
        let mut random = fastrand::Rng::with_seed(1);
        let mut queries = 0;
        while let Some(address) = lookup.next() {
            lookup.asked(address);
            queries += 1;
            // All that are asked exist, and name others that are closer.
            let by = lookup.candidates.iter().find(|candidate| candidate.address == address).unwrap();
            let by = Contact { id: by.id.unwrap(), address };
            let mut named = Vec::new();
            for _ in 0..60 {
                let mut id = by.id;
                id.0[0] = id.0[0].saturating_sub(1);
                id.0[19] = random.u8(..);
                let ip = [127, random.u8(..), random.u8(..), random.u8(..)];
                named.push(Contact { id, address: SocketAddr::from((ip, 1)) });
            }
            lookup.answered(by, &named, None);
            assert!(lookup.candidates.len() <= MAX_CANDIDATES);
        }
        assert_eq!((queries, lookup.is_done()), (MAX_QUERIES, true));
        let peers = |count: u16| (1..=count).map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        assert_eq!(lookup.new_peers(peers(10)).len(), 10);
        assert_eq!(lookup.new_peers(peers(12)).len(), 2);
        assert_eq!(lookup.new_peers(peers(5_000)).len(), MAX_FOUND - 12);
        assert!(lookup.has_found());
    }
}
