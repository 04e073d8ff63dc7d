//! What a piece is verified against.

use super::merkle::{BlockHash, Node};
use sha1::{Digest, Sha1};

/// The digest of a piece, as the torrent gives it or as we have computed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PieceDigest {
    /// The SHA-1 of its bytes (BEP 3, `pieces`).
    Sha1([u8; 20]),
    /// The node of its file's tree that stands above its blocks (BEP 52, `piece layers`).
    Node(Node),
}

impl PieceDigest {
    /// Bytes in a SHA-1.
    pub const LENGTH: usize = 20;

    /// The SHA-1 of these bytes.
    pub fn sha1_of(bytes: &[u8]) -> PieceDigest {
        Hashing::Sha1.digest(bytes)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            PieceDigest::Sha1(bytes) => bytes,
            PieceDigest::Node(bytes) => bytes,
        }
    }
}

impl Default for PieceDigest {
    fn default() -> PieceDigest {
        PieceDigest::Sha1([0; 20])
    }
}

/// How a piece is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hashing {
    /// Its bytes in one go.
    Sha1,
    /// As a tree of its blocks, with so many levels above them.
    Tree(u32),
}

impl Hashing {
    /// The digest of a piece that has these bytes.
    pub fn digest(self, bytes: &[u8]) -> PieceDigest {
        let mut hash = PieceHash::new(self);
        hash.update(bytes);
        hash.finish()
    }
}

/// A piece on its way through the hash, from its first byte to its last.
#[derive(Clone, Debug)]
pub enum PieceHash {
    /// Of version 1.
    Sha1(Sha1),
    /// Of version 2, with the levels of its tree.
    Tree(Box<BlockHash>, u32),
}

impl PieceHash {
    /// The hash of no bytes yet.
    pub fn new(hashing: Hashing) -> PieceHash {
        match hashing {
            Hashing::Sha1 => PieceHash::Sha1(Sha1::new()),
            Hashing::Tree(levels) => PieceHash::Tree(Box::default(), levels),
        }
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            PieceHash::Sha1(hash) => hash.update(bytes),
            PieceHash::Tree(hash, _) => hash.update(bytes),
        }
    }

    /// The digest of all that came.
    pub fn finish(self) -> PieceDigest {
        match self {
            PieceHash::Sha1(hash) => PieceDigest::Sha1(hash.finalize().into()),
            PieceHash::Tree(hash, levels) => PieceDigest::Node(hash.node(levels)),
        }
    }
}

impl Default for PieceHash {
    fn default() -> PieceHash {
        PieceHash::new(Hashing::Sha1)
    }
}
