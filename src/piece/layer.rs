//! The piece layer of a file's tree, and all that is above it: what peers ask for who have no digests yet (BEP 52, "hash
//! request").

use super::merkle::{self, Node};

/// The most nodes that may be asked for at once, their uncles aside: more than 512 no request should have (BEP 52).
pub const MAX_RANGE: u32 = 512;

/// The nodes above the digests of the pieces of a file, up to the root. The digests themselves stay where they are: a
/// stranger can have us keep a layer of each file.
#[derive(Debug)]
pub struct PieceLayer {
    /// How far the digests are above the blocks.
    base_layer: u32,
    /// The nodes of each level above the digests, from left to right. Padding is left out.
    above: Vec<Box<[Node]>>,
    /// The node of each level that stands for padding, beginning with that of the digests.
    padding: Vec<Node>,
}

/// Which nodes of a tree a peer asks for, by the fields of a hash request (BEP 52).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeRange {
    /// The layer, counted from that of the blocks, which is 0.
    pub base_layer: u32,
    /// The first node, counted within its layer.
    pub index: u32,
    /// How many nodes.
    pub length: u32,
    /// Of how many layers above them another node, an *uncle*, is wanted, to lead to the root. Those inside the range count.
    pub proof_layers: u32,
}

impl NodeRange {
    /// The levels from the nodes to the lowest one above all of them.
    pub fn height(self) -> u32 {
        merkle::levels(self.length.into())
    }

    /// How many uncles an answer has. Layers that are inside the range have none, since they follow from it.
    pub fn uncles(self) -> u32 {
        self.proof_layers.saturating_add(1).saturating_sub(self.height())
    }

    /// The place, within its layer, of the lowest node above all of them.
    pub fn top(self) -> u32 {
        self.index.checked_shr(self.height()).unwrap_or(0)
    }
}

impl PieceLayer {
    /// The layer of these digests, which is so far above the blocks.
    pub fn new(base_layer: u32, digests: &[Node]) -> PieceLayer {
        let height = merkle::levels(digests.len() as u64);
        let padding: Vec<Node> =
            (0..=height).map(|level| merkle::padding(base_layer.saturating_add(level))).collect();
        let mut above: Vec<Box<[Node]>> = Vec::new();
        for padding in padding.iter().take(height as usize) {
            let below = above.last().map_or(digests, |below| below);
            let parents = below.chunks(2).map(|pair| match pair {
                [left, right] => merkle::parent(left, right),
                [left, ..] => merkle::parent(left, padding),
                [] => *padding,
            });
            let parents = parents.collect();
            above.push(parents);
        }
        PieceLayer { base_layer, above, padding }
    }

    /// The nodes of this range of the layer of these digests, and behind them the uncles. `None` if nobody may ask for that.
    ///
    /// A range has as many nodes as a subtree, so some of them may be padding. The last one may end with the layer instead.
    pub fn nodes(&self, digests: &[Node], range: NodeRange) -> Option<Vec<Node>> {
        let NodeRange { base_layer, index, length, proof_layers } = range;
        let height = u32::try_from(self.above.len()).ok()?;
        let end = u64::from(index) + u64::from(length);
        let is_good = base_layer == self.base_layer
            && (length.is_power_of_two() || (length > 0 && end == digests.len() as u64))
            && length <= MAX_RANGE
            && index.is_multiple_of(length.next_power_of_two())
            && end <= 1 << height.min(63)
            && proof_layers < height;
        is_good.then(|| {
            let own = (index..index.saturating_add(length)).map(|at| self.node(digests, 0, at));
            let levels = range.height()..range.height().saturating_add(range.uncles());
            let sibling = |level| index.checked_shr(level).unwrap_or(0) ^ 1;
            let uncles = levels.map(|level| self.node(digests, level, sibling(level)));
            own.chain(uncles).collect()
        })
    }

    fn node(&self, digests: &[Node], level: u32, at: u32) -> Node {
        let nodes = match level.checked_sub(1) {
            None => Some(digests),
            Some(above) => self.above.get(above as usize).map(|nodes| &nodes[..]),
        };
        let node = nodes.and_then(|nodes| nodes.get(at as usize));
        node.or(self.padding.get(level as usize)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use merkle::Subtree;

    fn layer(pieces: u32) -> (PieceLayer, Vec<Node>, Node) {
        let digests: Vec<Node> = (0..pieces).map(|number| [(number % 251) as u8 + 1; 32]).collect();
        let mut root = Subtree::default();
        digests.iter().for_each(|digest| root.push(*digest));
        let root = root.root(merkle::levels(pieces.into()), merkle::padding(3));
        (PieceLayer::new(3, &digests), digests, root)
    }

    /// The root that an answer leads to.
    fn root_of(range: NodeRange, answer: &[Node]) -> Node {
        let (own, uncles) = answer.split_at(range.length as usize);
        assert_eq!(uncles.len(), range.uncles() as usize);
        let mut subtree = Subtree::default();
        own.iter().for_each(|node| subtree.push(*node));
        merkle::root_above(subtree.root(range.height(), merkle::padding(3)), range.top(), uncles)
    }

    #[test]
    fn every_answer_leads_to_the_root() {
        for pieces in [2, 3, 5, 511, 513, 1500] {
            let (layer, digests, root) = layer(pieces);
            let height = merkle::levels(pieces.into());
            for levels in 0..=height.min(9) {
                for part in 0..1 << (height - levels) {
                    let (index, length) = (part << levels, 1 << levels);
                    let range = NodeRange { base_layer: 3, index, length, proof_layers: height - 1 };
                    let nodes = layer.nodes(&digests, range).unwrap();
                    assert_eq!(root_of(range, &nodes), root, "{pieces} {levels} {part}");
                }
            }
        }
    }

    #[test]
    fn the_last_range_may_end_with_the_layer() {
        for (pieces, index) in [(3, 0), (5, 0), (7, 4), (1500, 1024)] {
            let (layer, digests, root) = layer(pieces);
            let proof_layers = merkle::levels(pieces.into()) - 1;
            let range = NodeRange { base_layer: 3, index, length: pieces - index, proof_layers };
            assert_eq!(root_of(range, &layer.nodes(&digests, range).unwrap()), root, "{pieces}");
        }
    }

    #[test]
    fn what_nobody_may_ask_for_is_refused() {
        let (layer, digests, _) = layer(1500);
        let good = NodeRange { base_layer: 3, index: 512, length: 512, proof_layers: 10 };
        assert_eq!(layer.nodes(&digests, good).map(|nodes| nodes.len()), Some(514));
        for wrong in [
            NodeRange { base_layer: 0, ..good },
            NodeRange { index: 256, ..good },
            NodeRange { index: 2048, ..good },
            NodeRange { index: u32::MAX, ..good },
            NodeRange { length: 0, ..good },
            NodeRange { length: 3, index: 3, ..good },
            NodeRange { length: 475, index: 1024, ..good },
            NodeRange { length: 1024, index: 0, ..good },
            NodeRange { proof_layers: 11, ..good },
            NodeRange { proof_layers: u32::MAX, ..good },
        ] {
            assert!(layer.nodes(&digests, wrong).is_none(), "{wrong:?}");
        }
    }
}
