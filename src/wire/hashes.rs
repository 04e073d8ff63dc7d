//! The messages about hashes (BEP 52, "peer messages"): nodes of the tree of a file, on request.
//!
//! Pure. A request names a file by the root of its tree, and a run of neighbouring nodes of one layer. The answer has those
//! nodes, and behind them *uncles*: one more for each layer above their common node, with which it leads to the root.

use crate::piece::NodeRange;
use crate::piece::merkle::Node;

/// A request for nodes of a tree. As it came over the wire it is not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashRequest {
    /// The root of the tree, which stands for the file.
    pub pieces_root: Node,
    /// Which of its nodes.
    pub range: NodeRange,
}

impl HashRequest {
    /// Bytes in a request.
    pub(super) const LENGTH: u32 = 48;

    /// Reads one from the start of a payload, and returns the rest: the nodes of an answer.
    pub(super) fn from_wire(payload: &[u8]) -> Option<(HashRequest, &[u8])> {
        let (pieces_root, rest) = payload.split_first_chunk()?;
        let (numbers, nodes) = rest.split_first_chunk::<16>()?;
        let mut numbers = numbers.as_chunks().0.iter().copied().map(u32::from_be_bytes);
        let (base_layer, index) = (numbers.next()?, numbers.next()?);
        let (length, proof_layers) = (numbers.next()?, numbers.next()?);
        let range = NodeRange { base_layer, index, length, proof_layers };
        Some((HashRequest { pieces_root: *pieces_root, range }, nodes))
    }

    /// Its bytes.
    pub(super) fn to_wire(self) -> Vec<u8> {
        let NodeRange { base_layer, index, length, proof_layers } = self.range;
        let numbers = [base_layer, index, length, proof_layers].map(u32::to_be_bytes);
        [&self.pieces_root[..], numbers.as_flattened()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_comes_back_as_it_went() {
        let range = NodeRange { base_layer: 2, index: 512, length: 256, proof_layers: 9 };
        let request = HashRequest { pieces_root: [7; 32], range };
        let wire = request.to_wire();
        assert_eq!(wire.len(), HashRequest::LENGTH as usize);
        assert_eq!(&wire[32..], b"\0\0\0\x02\0\0\x02\0\0\0\x01\0\0\0\0\x09");
        let answer = [&wire[..], b"rest"].concat();
        assert_eq!(HashRequest::from_wire(&answer), Some((request, &b"rest"[..])));
        assert_eq!(HashRequest::from_wire(&wire[1..]), None);
    }
}
