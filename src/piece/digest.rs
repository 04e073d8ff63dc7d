//! What a piece is verified against.

use sha1::{Digest, Sha1};

/// The SHA-1 of a piece, as the torrent gives it (BEP 3, `pieces`) or as we have computed it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PieceDigest(pub [u8; 20]);

impl PieceDigest {
    /// Bytes in a digest.
    pub const LENGTH: usize = 20;

    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> PieceDigest {
        Sha1::new_with_prefix(bytes).into()
    }
}

/// The digest of all that the hash has seen.
impl From<Sha1> for PieceDigest {
    fn from(hash: Sha1) -> PieceDigest {
        PieceDigest(hash.finalize().into())
    }
}
