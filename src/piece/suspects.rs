//! Who sent which block of a piece that did not verify, and what it was, as a digest.

use super::block_length::BLOCK_LENGTH;
use super::peer_key::PeerKey;
use sha1::{Digest, Sha1};

/// The SHA-1 of a block.
pub(super) type BlockDigest = [u8; 20];

/// What one sender says that a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    pub sender: PeerKey,
    pub digest: BlockDigest,
}

impl Version {
    pub fn of(sender: PeerKey, data: &[u8]) -> Version {
        Version { sender, digest: Sha1::digest(data).into() }
    }

    /// Whether two senders say the same.
    pub fn seconds(self, other: Version) -> bool {
        self.sender != other.sender && self.digest == other.digest
    }
}

/// Who sent which block of a piece that did not verify: the sender and the digest of each block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspects {
    blocks: Vec<Version>,
}

impl Suspects {
    /// The sender and the SHA-1 of each block of the piece, in order.
    pub fn new(blocks: impl IntoIterator<Item = (PeerKey, [u8; 20])>) -> Suspects {
        Suspects { blocks: blocks.into_iter().map(|(sender, digest)| Version { sender, digest }).collect() }
    }

    /// Who sent each block, in order.
    pub fn sender_of_each(&self) -> impl Iterator<Item = PeerKey> {
        self.blocks.iter().map(|version| version.sender)
    }

    /// All peers that sent a block of the piece, each once.
    pub fn senders(&self) -> Vec<PeerKey> {
        let mut senders: Vec<PeerKey> = self.sender_of_each().collect();
        senders.sort_unstable();
        senders.dedup();
        senders
    }

    /// What was sent as this block.
    pub(super) fn version(&self, number: u32) -> Option<Version> {
        self.blocks.get(number as usize).copied()
    }

    /// The peers whose block differs from that part of the same piece, now that it is verified.
    pub(super) fn convicted_by(&self, verified: &[u8]) -> Vec<PeerKey> {
        let is_wrong =
            |(version, bytes): &(&Version, &[u8])| version.digest != BlockDigest::from(Sha1::digest(bytes));
        let blocks = self.blocks.iter().zip(verified.chunks(BLOCK_LENGTH as usize));
        let mut convicted: Vec<PeerKey> =
            blocks.filter(is_wrong).map(|(version, _)| version.sender).collect();
        convicted.sort_unstable();
        convicted.dedup();
        convicted
    }
}
