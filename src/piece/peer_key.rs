//! The number of a connection to a peer.

/// Identifies one connection of one torrent. No number is used twice in a run.
///
/// It is defined here, below the messages between threads, because an [`Assembly`](super::Assembly) remembers
/// which peer sent each block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerKey(pub u32);
