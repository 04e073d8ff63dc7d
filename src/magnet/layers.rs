//! Fetches what a torrent of version 2 has outside of its `info`: the digests of the pieces (BEP 52, `piece layers`).
//!
//! They are asked for when the metadata is there, since that has the roots that they lead to. Of a layer 512 digests come
//! at a time, with the nodes that lead from them to the root. So each answer is verified by itself: who sends a wrong one is
//! known at once, and no peer can spoil what others send.
//!
//! Pure. The workers share it behind the lock of the [`MetadataAssembly`](super::MetadataAssembly).

use crate::metainfo::MissingLayer;
use crate::piece::merkle::{self, Node, Subtree};
use crate::piece::{MAX_RANGE, NodeRange, PeerKey};
use crate::wire::HashRequest;

/// The layers of one torrent while they come.
#[derive(Debug, Default)]
pub(super) struct LayerAssembly {
    parts: Vec<Part>,
    /// No part from here on was asked of anyone. There may be hundreds of thousands, so none of them is looked at.
    fresh: usize,
    /// Those before it that are missing, or that somebody owes although they are there. A peer is asked for a few at a time,
    /// so these are few.
    open: Vec<usize>,
    there: usize,
}

/// A run of digests of one layer.
#[derive(Debug)]
struct Part {
    request: HashRequest,
    /// How many digests of pieces it has. At the end of a layer padding comes behind them.
    pieces: usize,
    digests: Option<Box<[Node]>>,
    asked: Vec<PeerKey>,
    rejected: Vec<PeerKey>,
}

/// What became of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Nobody had asked this peer.
    Unasked,
    /// It does not lead to the root.
    Wrong,
    /// It is kept, or was there before.
    Right,
}

impl LayerAssembly {
    /// None of these layers yet.
    pub(super) fn new(layers: &[MissingLayer]) -> LayerAssembly {
        LayerAssembly { parts: layers.iter().flat_map(parts).collect(), ..LayerAssembly::default() }
    }

    /// Whether all layers are there.
    pub(super) fn is_complete(&self) -> bool {
        self.there == self.parts.len()
    }

    /// How many parts are there, and of how many.
    pub(super) fn progress(&self) -> (u32, u32) {
        let [there, all] =
            [self.there, self.parts.len()].map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        (there, all)
    }

    /// What to ask this peer for now. It counts as asked from then on. What was asked of the fewest peers comes first.
    pub(super) fn next(&mut self, key: PeerKey) -> Option<HashRequest> {
        let may_be_asked = |part: &Part| {
            part.digests.is_none() && !part.asked.contains(&key) && !part.rejected.contains(&key)
        };
        let missing = self.open.iter().filter_map(|at| Some((self.parts.get(*at)?, *at)));
        let fewest = missing
            .filter(|(part, _)| may_be_asked(part))
            .map(|(part, at)| (part.asked.len(), at))
            .min()
            .filter(|(peers, _)| *peers == 0 || self.fresh >= self.parts.len());
        let at = fewest.map_or(self.fresh, |(_, at)| at);
        let part = self.parts.get_mut(at)?;
        if at == self.fresh {
            self.fresh += 1;
            self.open.push(at);
        }
        part.asked.push(key);
        Some(part.request)
    }

    /// A peer has sent these nodes.
    pub(super) fn received(&mut self, key: PeerKey, request: &HashRequest, nodes: &[u8]) -> Judgement {
        let Some(part) = self.answered(key, request) else { return Judgement::Unasked };
        let (nodes, rest) = nodes.as_chunks::<{ size_of::<Node>() }>();
        let is_new = part.digests.is_none();
        let judgement = match part.judge(nodes).filter(|_| rest.is_empty()) {
            Some(digests) => {
                part.digests = Some(digests.into());
                self.there += usize::from(is_new);
                Judgement::Right
            }
            None => Judgement::Wrong,
        };
        self.settle();
        judgement
    }

    /// A peer will not send what it was asked for. False if it was not asked.
    pub(super) fn rejected(&mut self, key: PeerKey, request: &HashRequest) -> bool {
        let part = self.answered(key, request);
        let was_asked = part.map(|part| part.rejected.push(key)).is_some();
        self.settle();
        was_asked
    }

    /// A peer is gone: others are to be asked.
    pub(super) fn left(&mut self, key: PeerKey) {
        for at in &self.open {
            self.parts.get_mut(*at).into_iter().for_each(|part| part.asked.retain(|asked| *asked != key));
        }
        self.settle();
    }

    /// The layers, when all are there: the root of each, and its digests.
    pub(super) fn take(&mut self) -> Vec<(Node, Vec<u8>)> {
        let mut layers: Vec<(Node, Vec<u8>)> = Vec::new();
        for part in self.parts.drain(..) {
            let (root, digests) = (part.request.pieces_root, part.digests.unwrap_or_default());
            match layers.last_mut().filter(|(other, _)| *other == root) {
                Some((_, layer)) => layer.extend_from_slice(digests.as_flattened()),
                None => layers.push((root, digests.as_flattened().to_vec())),
            }
        }
        layers.sort_unstable();
        layers
    }

    /// The part that this peer was asked for, which it no longer owes.
    fn answered(&mut self, key: PeerKey, request: &HashRequest) -> Option<&mut Part> {
        let is_it = |part: &Part| part.request == *request && part.asked.contains(&key);
        let at = self.open.iter().copied().find(|at| self.parts.get(*at).is_some_and(is_it))?;
        let part = self.parts.get_mut(at)?;
        part.asked.retain(|asked| *asked != key);
        Some(part)
    }

    /// Forgets the parts that are there and that nobody owes any more.
    fn settle(&mut self) {
        let LayerAssembly { parts, open, .. } = self;
        let is_open = |part: &Part| part.digests.is_none() || !part.asked.is_empty();
        open.retain(|at| parts.get(*at).is_some_and(is_open));
    }
}

impl Part {
    /// The digests of pieces among these nodes, if they lead to the root.
    fn judge<'n>(&self, nodes: &'n [Node]) -> Option<&'n [Node]> {
        let HashRequest { pieces_root, range } = self.request;
        let (own, uncles) = nodes.split_at_checked(range.length as usize)?;
        if uncles.len() != range.uncles() as usize {
            return None;
        }
        let mut subtree = Subtree::default();
        own.iter().for_each(|node| subtree.push(*node));
        let node = subtree.root(range.height(), Node::default());
        let is_right = merkle::root_above(node, range.top(), uncles) == pieces_root;
        own.get(..self.pieces).filter(|_| is_right)
    }
}

/// The parts of a layer, in order.
fn parts(layer: &MissingLayer) -> impl Iterator<Item = Part> {
    let MissingLayer { pieces_root, base_layer, pieces } = *layer;
    let proof_layers = merkle::levels(pieces.into()).saturating_sub(1);
    (0..pieces.div_ceil(MAX_RANGE)).map(move |number| {
        let index = number.saturating_mul(MAX_RANGE);
        let left = pieces.saturating_sub(index);
        // BEP 52 has no request for one hash alone. libtorrent answers it without its sibling, so that it proves nothing.
        let length = left.next_power_of_two().clamp(2, MAX_RANGE);
        let range = NodeRange { base_layer, index, length, proof_layers };
        Part {
            request: HashRequest { pieces_root, range },
            pieces: left.min(length) as usize,
            digests: None,
            asked: Vec::new(),
            rejected: Vec::new(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The layer of a file of this many pieces, with the nodes that stand for no piece.
    fn layer(pieces: u32) -> (MissingLayer, Vec<Node>) {
        let mut nodes: Vec<Node> = (0..pieces).map(|number| [(number % 251) as u8 + 1; 32]).collect();
        let mut tree = Subtree::default();
        nodes.iter().for_each(|node| tree.push(*node));
        let pieces_root = tree.root(merkle::levels(pieces.into()), merkle::padding(2));
        nodes.resize(pieces.next_power_of_two() as usize, merkle::padding(2));
        (MissingLayer { pieces_root, base_layer: 2, pieces }, nodes)
    }

    /// What a peer that has all nodes of a layer answers.
    fn answer(nodes: &[Node], request: HashRequest) -> Vec<u8> {
        let NodeRange { index, length, proof_layers, .. } = request.range;
        let (mut layer, mut at) = (nodes.to_vec(), index as usize);
        let mut sent = nodes[at..at + length as usize].to_vec();
        for level in 0..=proof_layers {
            if level >= merkle::levels(length.into()) {
                sent.push(layer[at ^ 1]);
            }
            let above = |pair: &[Node]| {
                let mut subtree = Subtree::default();
                pair.iter().for_each(|node| subtree.push(*node));
                subtree.root(1, Node::default())
            };
            layer = layer.chunks(2).map(above).collect();
            at /= 2;
        }
        sent.as_flattened().to_vec()
    }

    #[test]
    fn layers_of_any_length_come_in_parts_that_lead_to_their_roots() {
        for pieces in [2, 3, 4, 5, 511, 512, 513, 1024, 1025, 1500, 3000] {
            let (missing, nodes) = layer(pieces);
            let mut assembly = LayerAssembly::new(std::slice::from_ref(&missing));
            while let Some(request) = assembly.next(PeerKey(1)) {
                let NodeRange { index, length, .. } = request.range;
                assert!(length >= 2 && length.is_power_of_two() && index.is_multiple_of(length));
                let sent = answer(&nodes, request);
                assert_eq!(assembly.received(PeerKey(1), &request, &sent), Judgement::Right, "{pieces}");
            }
            assert!(assembly.is_complete());
            assert_eq!(assembly.progress(), (pieces.div_ceil(512), pieces.div_ceil(512)));
            let digests = nodes[..pieces as usize].as_flattened().to_vec();
            assert_eq!(assembly.take(), [(missing.pieces_root, digests)]);
        }
    }

    #[test]
    fn what_is_wrong_or_unasked_is_not_taken() {
        let (missing, nodes) = layer(1025);
        let mut assembly = LayerAssembly::new(&[missing]);
        let request = assembly.next(PeerKey(1)).unwrap();
        let good = answer(&nodes, request);
        assert_eq!(assembly.received(PeerKey(2), &request, &good), Judgement::Unasked);
        let mut flipped = good.clone();
        flipped[7] ^= 1;
        let longer = [32, 5].map(|more| [&good[..], &vec![0; more]].concat());
        for wrong in [&flipped[..], &good[1..], &good[32..], &[], &longer[0], &longer[1]] {
            let mut assembly = LayerAssembly::new(&[layer(1025).0]);
            assembly.next(PeerKey(1)).unwrap();
            assert_eq!(assembly.received(PeerKey(1), &request, wrong), Judgement::Wrong);
        }
        let range = NodeRange { base_layer: 0, ..request.range };
        let other = HashRequest { range, ..request };
        assert_eq!(assembly.received(PeerKey(1), &other, &good), Judgement::Unasked);
        assert_eq!(assembly.received(PeerKey(1), &request, &good), Judgement::Right);
        assert_eq!(assembly.received(PeerKey(1), &request, &good), Judgement::Unasked);
    }

    #[test]
    fn others_are_asked_for_what_a_peer_will_not_send() {
        let mut assembly = LayerAssembly::new(&[layer(1025).0]);
        let first = assembly.next(PeerKey(1)).unwrap();
        assert!(assembly.rejected(PeerKey(1), &first) && !assembly.rejected(PeerKey(1), &first));
        assert_ne!(assembly.next(PeerKey(1)), Some(first));
        let second = assembly.next(PeerKey(2)).unwrap();
        assembly.left(PeerKey(2));
        assert_eq!(assembly.next(PeerKey(3)), Some(second));
    }

    #[test]
    fn however_many_parts_there_are_only_those_that_are_asked_for_are_looked_at() {
        let (small, nodes) = layer(2);
        let layers: Vec<MissingLayer> =
            (0..20_000).map(|base_layer| MissingLayer { base_layer, ..small.clone() }).collect();
        let mut assembly = LayerAssembly::new(&layers);
        let good = answer(&nodes, assembly.next(PeerKey(1)).unwrap());
        // This one owes the first part to the end, and two others send all the rest.
        for number in (2..layers.len()).step_by(2) {
            let asked = [PeerKey(2), PeerKey(3)].map(|key| (key, assembly.next(key).unwrap()));
            assert!(asked[0].1 != asked[1].1 && asked[0].1.range.base_layer as usize + 1 == number);
            for (key, request) in asked {
                assert_eq!(assembly.received(key, &request, &good), Judgement::Right);
            }
            assert!(assembly.open.len() <= 3, "a search looks at few");
        }
    }

    #[test]
    fn who_sends_what_another_one_has_sent_meanwhile_was_asked_all_the_same() {
        let (missing, nodes) = layer(1025);
        let mut assembly = LayerAssembly::new(&[missing]);
        let all = [1, 1, 1].map(|key| assembly.next(PeerKey(key)).unwrap());
        let again = assembly.next(PeerKey(2)).unwrap();
        let good = answer(&nodes, again);
        assert!(all.contains(&again));
        assert_eq!(assembly.received(PeerKey(1), &again, &good), Judgement::Right);
        assert_eq!(assembly.received(PeerKey(2), &again, &good), Judgement::Right);
        assert_eq!(assembly.received(PeerKey(2), &again, &good), Judgement::Unasked);
        assert_eq!(assembly.progress(), (1, 3));
    }
}
