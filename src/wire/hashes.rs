//! The messages about hashes (BEP 52, "peer messages"): nodes of the tree of a file, on request.
//!
//! Pure. A request names a file by the root of its tree, and a run of neighbouring nodes of one layer. The answer has those
//! nodes, and behind them one more for each layer above their common node, with which it leads to the root.

use crate::piece::merkle::Node;

/// Bytes in a request.
const LENGTH: usize = 48;

/// A run of nodes. As it came over the wire it is not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashRequest {
    /// The root of the tree.
    pub root: Node,
    /// The layer, counted from that of the blocks, which is 0.
    pub base: u32,
    /// The first node, counted within its layer.
    pub index: u32,
    /// How many nodes.
    pub count: u32,
    /// Layers above `base` of which a node is to come as well, but for those that are inside the run.
    pub proofs: u32,
}

impl HashRequest {
    /// Reads one from the start of a payload, and returns the rest: the nodes of an answer.
    pub fn from_wire(payload: &[u8]) -> Option<(HashRequest, &[u8])> {
        let (root, rest) = payload.split_first_chunk()?;
        let mut numbers = rest.as_chunks().0.iter().copied().map(u32::from_be_bytes);
        let (base, index) = (numbers.next()?, numbers.next()?);
        let (count, proofs) = (numbers.next()?, numbers.next()?);
        Some((HashRequest { root: *root, base, index, count, proofs }, payload.get(LENGTH..)?))
    }

    /// The payload of the request.
    pub fn to_wire(self) -> Vec<u8> {
        let numbers = [self.base, self.index, self.count, self.proofs].map(u32::to_be_bytes);
        [&self.root[..], numbers.as_flattened()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_comes_back_as_it_went() {
        let request = HashRequest { root: [7; 32], base: 2, index: 512, count: 256, proofs: 9 };
        let wire = request.to_wire();
        assert_eq!(wire.len(), LENGTH);
        assert_eq!(&wire[32..], b"\0\0\0\x02\0\0\x02\0\0\0\x01\0\0\0\0\x09");
        let answer = [&wire[..], b"rest"].concat();
        assert_eq!(HashRequest::from_wire(&answer), Some((request, &b"rest"[..])));
        assert_eq!(HashRequest::from_wire(&wire[1..]), None);
    }
}
