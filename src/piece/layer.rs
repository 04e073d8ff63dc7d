//! A layer of the tree of a file, and all that is above it: what peers ask for who have no digests yet (BEP 52, "hashes").

use super::merkle::{self, Node};

/// The most nodes of the layer in one answer.
const MOST: u32 = 512;

/// The nodes above the digests of the pieces of a file, up to the root. The digests themselves stay where they are: a stranger
/// can have us keep a layer of each file.
#[derive(Debug)]
pub struct Layer {
    /// How far the layer is above the blocks.
    base: u32,
    /// The nodes of each level above the digests, from left to right. At the end of a level, those that stand above no block
    /// are left out.
    above: Vec<Box<[Node]>>,
    /// The node of each level that stands above no block.
    missing: Vec<Node>,
}

/// Which nodes of a layer.
#[derive(Clone, Copy, Debug)]
pub struct NodeRange {
    /// The layer, counted from that of the blocks.
    pub base: u32,
    /// The first node.
    pub index: u32,
    /// How many.
    pub count: u32,
    /// Of how many levels above them another node is wanted, to lead to the root. Those inside the range count.
    pub proofs: u32,
}

impl Layer {
    /// The layer of these digests, which is so far above the blocks.
    pub fn new(base: u32, digests: &[Node]) -> Layer {
        let height = merkle::levels(digests.len() as u64);
        let missing: Vec<Node> =
            (0..=height).map(|level| merkle::without_blocks(base.saturating_add(level))).collect();
        let mut levels: Vec<Box<[Node]>> = Vec::new();
        for missing in missing.iter().take(height as usize) {
            let below = levels.last().map_or(digests, |below| below);
            let above = below.chunks(2).map(|pair| match pair {
                [left, right] => merkle::above(left, right),
                [left, ..] => merkle::above(left, missing),
                [] => *missing,
            });
            let above = above.collect();
            levels.push(above);
        }
        Layer { base, above: levels, missing }
    }

    /// The nodes of this range of the layer of these digests, and behind them those that lead to the root. `None` if nobody
    /// may ask for that.
    pub fn nodes(&self, digests: &[Node], range: NodeRange) -> Option<Vec<Node>> {
        let NodeRange { base, index, count, proofs } = range;
        let height = u32::try_from(self.above.len()).ok()?;
        let end = u64::from(index) + u64::from(count);
        let is_good = base == self.base
            && count.is_power_of_two()
            && count <= MOST
            && index.is_multiple_of(count)
            && end <= 1 << height.min(63)
            && proofs < height;
        let inside = merkle::levels(count.into());
        is_good.then(|| {
            let own = (index..index.saturating_add(count)).map(|at| self.node(digests, 0, at));
            let beside = (inside..=proofs)
                .map(|level| self.node(digests, level, index.checked_shr(level).unwrap_or(0) ^ 1));
            own.chain(beside).collect()
        })
    }

    fn node(&self, digests: &[Node], level: u32, at: u32) -> Node {
        let nodes = match level.checked_sub(1) {
            None => Some(digests),
            Some(above) => self.above.get(above as usize).map(|nodes| &nodes[..]),
        };
        let node = nodes.and_then(|nodes| nodes.get(at as usize));
        node.or(self.missing.get(level as usize)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use merkle::Summit;

    fn layer(pieces: u32) -> (Layer, Vec<Node>, Node) {
        let digests: Vec<Node> = (0..pieces).map(|number| [(number % 251) as u8 + 1; 32]).collect();
        let mut root = Summit::default();
        digests.iter().for_each(|digest| root.push(*digest));
        let root = root.node(merkle::levels(pieces.into()), merkle::without_blocks(3));
        (Layer::new(3, &digests), digests, root)
    }

    #[test]
    fn every_answer_leads_to_the_root() {
        for pieces in [2, 3, 5, 511, 513, 1500] {
            let (layer, digests, root) = layer(pieces);
            let height = merkle::levels(pieces.into());
            for levels in 0..=height.min(9) {
                for part in 0..1 << (height - levels) {
                    let (index, count) = (part << levels, 1 << levels);
                    let range = NodeRange { base: 3, index, count, proofs: height - 1 };
                    let nodes = layer.nodes(&digests, range).unwrap();
                    let (own, beside) = nodes.split_at(count as usize);
                    let mut above = Summit::default();
                    own.iter().for_each(|node| above.push(*node));
                    let node = above.node(levels, Node::default());
                    assert_eq!(merkle::root_above(node, part, beside), root, "{pieces} {levels} {part}");
                }
            }
        }
    }

    #[test]
    fn what_nobody_may_ask_for_is_refused() {
        let (layer, digests, _) = layer(1500);
        let good = NodeRange { base: 3, index: 512, count: 512, proofs: 10 };
        assert_eq!(layer.nodes(&digests, good).map(|nodes| nodes.len()), Some(514));
        for wrong in [
            NodeRange { base: 0, ..good },
            NodeRange { index: 256, ..good },
            NodeRange { index: 2048, ..good },
            NodeRange { index: u32::MAX, ..good },
            NodeRange { count: 0, ..good },
            NodeRange { count: 3, index: 3, ..good },
            NodeRange { count: 1024, index: 0, ..good },
            NodeRange { proofs: 11, ..good },
            NodeRange { proofs: u32::MAX, ..good },
        ] {
            assert!(layer.nodes(&digests, wrong).is_none(), "{wrong:?}");
        }
    }
}
