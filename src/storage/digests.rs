//! The digests that the pieces of a payload must have.

use crate::metainfo::Metainfo;
use crate::piece::{PieceDigest, PieceIndex};
use std::sync::Arc;

/// The digest that a piece must have: a SHA-1, or a node of a tree of hashes (version 2). Shared, because files that
/// change are hashed again later, by any thread.
pub type Digests = Arc<dyn Fn(PieceIndex) -> PieceDigest + Send + Sync>;

/// The digests that a torrent names.
pub fn digests_of(torrent: &Arc<Metainfo>) -> Digests {
    let torrent = Arc::clone(torrent);
    Arc::new(move |piece| torrent.piece_digest(piece.get()).unwrap_or_default())
}
