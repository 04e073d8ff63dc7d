//! Trees of hashes (BEP 52, `pieces root`): how version 2 of torrents tells right bytes from wrong ones.
//!
//! A file is cut into blocks of 16 KiB, whatever its piece length. The SHA-256 of a block is a *leaf*, and each node above
//! is the SHA-256 of its two children side by side, up to the *root*, which stands in the torrent. Where a tree has
//! more places for leaves than the file has blocks, the others are *padding*: zeros.
//!
//! A piece is a subtree: its digest is the node that stands above its blocks. The digests of all pieces of a file
//! are one *layer* of the tree. From a layer follows the root, so whoever has the root can check a layer from a stranger.

use super::block_length::BLOCK_LENGTH;
use sha2::{Digest, Sha256};

/// A node of a tree: a SHA-256.
pub type Node = [u8; 32];

/// A leaf beyond the end of the file.
const PADDING_LEAF: Node = [0; 32];

/// The node above these two.
pub(super) fn parent(left: &Node, right: &Node) -> Node {
    Sha256::new().chain_update(left).chain_update(right).finalize().into()
}

/// The node that stands so many levels above leaves which are all beyond the end of the file.
pub fn padding(levels: u32) -> Node {
    (0..levels).fold(PADDING_LEAF, |node, _| parent(&node, &node))
}

/// The levels above the lowest of a tree that has room for so many nodes there.
pub fn levels(nodes: u64) -> u32 {
    nodes.max(1).next_power_of_two().trailing_zeros()
}

/// A part of a tree, built from the nodes of its lowest level, which come from left to right.
///
/// It keeps one node of each level at most: those that have no sibling on the right yet.
#[derive(Clone, Debug, Default)]
pub struct Subtree {
    count: u64,
    unpaired: Vec<Node>,
}

impl Subtree {
    /// Adds the next node.
    pub fn push(&mut self, node: Node) {
        let mut node = node;
        let mut before = self.count;
        while let (1, Some(left)) = (before & 1, self.unpaired.last()) {
            node = parent(left, &node);
            self.unpaired.pop();
            before >>= 1;
        }
        self.unpaired.push(node);
        self.count += 1;
    }

    /// Its root, which stands `levels` levels above the nodes. Where there are fewer nodes than that many levels have room
    /// for, `padding` stands in the place of each of the others.
    pub fn root(mut self, levels: u32, mut padding: Node) -> Node {
        let mut last: Option<Node> = None;
        for level in 0..levels {
            let is_odd = self.count.checked_shr(level).unwrap_or(0) & 1 == 1;
            let left = if is_odd { self.unpaired.pop() } else { None };
            last = match (left, last) {
                (Some(left), Some(right)) => Some(parent(&left, &right)),
                (Some(only), None) | (None, Some(only)) => Some(parent(&only, &padding)),
                (None, None) => None,
            };
            padding = parent(&padding, &padding);
        }
        last.or_else(|| self.unpaired.pop()).unwrap_or(padding)
    }
}

/// The root that follows from a node, which is the `index`-th of its layer, and from its uncles: the first is its sibling,
/// the next that of the node above the two, and so on.
pub fn root_above(node: Node, index: u32, uncles: &[Node]) -> Node {
    let step = |(node, index): (Node, u32), uncle: &Node| match index & 1 {
        0 => (parent(&node, uncle), index >> 1),
        _ => (parent(uncle, &node), index >> 1),
    };
    uncles.iter().fold((node, index), step).0
}

/// The hash of the blocks of a piece, which come in order and in parts of any length.
#[derive(Clone, Debug, Default)]
pub struct BlockHash {
    block: Sha256,
    /// Bytes of the block that came.
    filled: usize,
    blocks: Subtree,
}

impl BlockHash {
    /// Adds the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = (BLOCK_LENGTH as usize).saturating_sub(self.filled);
            let (now, rest) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            self.block.update(now);
            self.filled += now.len();
            if self.filled == BLOCK_LENGTH as usize {
                self.end_block();
            }
            bytes = rest;
        }
    }

    /// The node that stands `levels` levels above the blocks.
    pub fn node(mut self, levels: u32) -> Node {
        if self.filled > 0 {
            self.end_block();
        }
        self.blocks.root(levels, PADDING_LEAF)
    }

    fn end_block(&mut self) {
        let leaf = std::mem::take(&mut self.block).finalize();
        self.blocks.push(leaf.into());
        self.filled = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha256(bytes: &[u8]) -> Node {
        Sha256::digest(bytes).into()
    }

    /// The root of these leaves, as the text of the BEP says it.
    fn root(leaves: &[Node], levels: u32) -> Node {
        let mut nodes = leaves.to_vec();
        nodes.resize(1 << levels, PADDING_LEAF);
        while nodes.len() > 1 {
            nodes = nodes.chunks(2).map(|pair| sha256(&pair.concat())).collect();
        }
        nodes[0]
    }

    #[test]
    fn every_number_of_blocks_has_the_root_of_its_tree() {
        let bytes: Vec<u8> = (0..300_000_u32).map(|at| (at / 7) as u8).collect();
        for length in [1, 16_383, 16_384, 16_385, 32_768, 50_000, 81_920, 131_072, 200_000, 300_000] {
            let bytes = &bytes[..length];
            let leaves: Vec<Node> = bytes.chunks(16_384).map(sha256).collect();
            for levels in levels(leaves.len() as u64)..7 {
                for step in [1000, 16_384, 70_000] {
                    let mut hash = BlockHash::default();
                    bytes.chunks(step).for_each(|part| hash.update(part));
                    assert_eq!(hash.node(levels), root(&leaves, levels), "{length} {levels} {step}");
                }
            }
        }
    }

    #[test]
    fn a_layer_has_the_root_of_its_leaves() {
        let leaves: Vec<Node> = (0..11_u8).map(|number| sha256(&[number])).collect();
        let mut layer = Subtree::default();
        leaves.chunks(2).for_each(|pair| layer.push(root(pair, 1)));
        assert_eq!(layer.root(3, padding(1)), root(&leaves, 4));
        assert_eq!(padding(3), root(&[], 3));
    }

    #[test]
    fn levels_have_room_for_all() {
        assert_eq!([0, 1, 2, 3, 4, 5].map(levels), [0, 0, 1, 2, 2, 3]);
    }
}
