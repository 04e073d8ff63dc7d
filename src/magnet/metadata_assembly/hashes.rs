//! The second half of the metadata of version 2: the digests of the pieces, which are asked for when the first half
//! is there. How they are put together and verified is in `magnet/layers.rs`.

use super::{MetadataAssembly, Verdict};
use crate::magnet::layers::Judgement;
use crate::message::Violation;
use crate::piece::PeerKey;
use crate::wire::HashRequest;

impl MetadataAssembly {
    /// The hashes to request from this peer now, when the metadata itself is there. They count as requested from then on.
    pub fn next_hashes(&mut self, key: PeerKey) -> Option<HashRequest> {
        self.verified.as_ref().and_then(|_| self.layers.next(key))
    }

    /// A peer sent hashes.
    pub fn received_hashes(&mut self, key: PeerKey, request: &HashRequest, nodes: &[u8]) -> Verdict {
        if self.complete {
            return Verdict::Complete;
        }
        match self.layers.received(key, request, nodes) {
            Judgement::Unasked => return Verdict::Broke(Violation::UnaskedMetadata),
            Judgement::Wrong => {
                self.left(key);
                return Verdict::Wrong(vec![key]);
            }
            Judgement::Right => {}
        }
        self.complete = self.layers.is_complete();
        if self.complete { Verdict::Complete } else { Verdict::Kept }
    }

    /// A peer will not send hashes that it was asked for. False if it was not asked.
    pub fn rejected_hashes(&mut self, key: PeerKey, request: &HashRequest) -> bool {
        self.layers.rejected(key, request)
    }
}
