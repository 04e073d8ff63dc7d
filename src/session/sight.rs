//! What the live view shows of one torrent: what the coordinator knows of it, and what the session knows beside it.

use crate::message::{PeerState, Sight, SourceSight};
use crate::metainfo::Metainfo;
use crate::storage::Selection;
use std::sync::Arc;

/// A torrent, at one moment.
#[derive(Clone, Debug)]
pub struct TorrentSight {
    /// What the coordinator knows, and the sources of peers.
    pub sight: Sight,
    /// The torrent, with its files.
    pub metainfo: Arc<Metainfo>,
    /// Which of them are downloaded, if not all.
    pub selection: Option<Arc<Selection>>,
}

/// The search for the metadata, at one moment. How it stands is told by [`Progress::Metadata`](super::Progress).
#[derive(Clone, Debug)]
pub struct SearchSight {
    /// The peers that are asked for it.
    pub peers: Vec<PeerState>,
    /// The sources of peers.
    pub sources: Vec<SourceSight>,
}
