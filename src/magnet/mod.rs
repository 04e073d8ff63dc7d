//! From a magnet link to its torrent: the time in which only the info-hash is known.
//!
//! A magnet link names a torrent and says where to look for peers. What the torrent holds, its *metadata*,
//! is asked of the peers themselves (BEP 9), and what they send is believed once its SHA-1 is the info-hash.
//! Until then there is no piece to want and nothing to upload. So this is a coordinator of its own, much
//! smaller than the one of the swarm: it takes in the same [`Event`]s, uses the same
//! [`Dialer`](crate::strategy::Dialer), and gives each peer a worker of one thread (`meta-ADDRESS`). The
//! workers share the [`MetadataAssembly`], which says what to ask of which peer, and which peer lied.
//!
//! When the metadata is there, the swarm goes on with the addresses, and with the connections that have just
//! brought a piece ([`Event::HandedOver`]). What those peers said before, which made no sense without the
//! metadata, is kept for the swarm.

mod metadata_assembly;
mod search;
mod worker;

pub use metadata_assembly::{MAX_METADATA_SIZE, MetadataAssembly, Verdict};
pub use worker::MetadataContext;

use crate::message::{Event, KnownPeers, MetadataState};
use crossbeam_channel::Receiver;
use search::MetadataSearch;
use std::sync::Arc;
use std::time::Duration;

/// Peers that are asked at once. Metadata is small: a few good ones are enough, and of thirty some are good.
const MAX_PEERS: usize = 30;

/// What the search can have done outside of it. No method may wait.
pub trait SearchEnvironment {
    /// Shows how the search stands.
    fn show(&self, state: MetadataState);

    /// Whether the user wants to end.
    fn is_stopped(&self) -> bool;

    /// Asks the sources of peers for more.
    fn need_peers(&self);
}

/// How the search for the metadata ended.
pub enum FetchEnd {
    /// The metadata was found and is verified.
    Found {
        /// The bencoded `info` value, whose SHA-1 is the info-hash.
        info: Vec<u8>,
        /// The peers that the swarm goes on with.
        known_peers: KnownPeers,
    },
    /// The user stopped it.
    Stopped,
    /// There was no progress for too long.
    TimedOut,
}

/// Asks peers for the metadata until it is there.
pub fn fetch(
    context: &Arc<MetadataContext>,
    inbox: &Receiver<Event>,
    timeout: Option<Duration>,
    max_peers: usize,
    environment: &dyn SearchEnvironment,
) -> FetchEnd {
    MetadataSearch::new(context, environment, max_peers.min(MAX_PEERS)).run(inbox, timeout)
}
