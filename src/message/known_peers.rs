//! What the search for a magnet's metadata hands over to the download.

use super::{HandedOver, PeerKey};
use crate::strategy::Candidates;

/// The peers that are known before a download begins. Without a search for metadata there are none.
#[derive(Default)]
pub struct KnownPeers {
    /// The addresses that the sources have found.
    pub candidates: Candidates,
    /// The connections that can go on.
    pub connections: Vec<HandedOver>,
    /// The key of the last connection of this torrent, so that no key is used twice.
    pub last_key: PeerKey,
}
