//! From a magnet link to its torrent: the time in which only the info-hash is known.
//!
//! A magnet link names a torrent by its info-hash and says where to look for peers. The rest of the torrent,
//! its *metadata*, we request from the peers themselves (BEP 9), and we believe what they send once its SHA-1
//! is the info-hash. Until then there is no piece to want and nothing to upload. So this is a coordinator of
//! its own, much smaller than that of the swarm. It handles the same [`Event`]s, uses the same
//! [`Dialer`](crate::strategy::Dialer), and gives each peer a worker of one thread (`meta-ADDRESS`). The
//! workers share the [`MetadataAssembly`], which decides which piece to request from which peer, and finds
//! the peers that lie.
//!
//! It runs on the thread of the torrent (`torrent-N`), before the swarm's coordinator does, and like that one
//! it waits for its inbox and for nothing else.
//!
//! When the metadata is complete, the swarm continues with the addresses, and with the connections that have
//! just answered ([`Event::HandedOver`]). What those peers said before, which cannot be understood without
//! the metadata, is kept for the swarm.
//!
//! In version 2 of torrents (BEP 52) the metadata does not have the digests of the pieces. They are asked for as
//! well, of the same peers, before the swarm begins (`layers.rs`).

mod context;
mod exchange;
mod kept;
mod layers;
mod metadata_assembly;
mod places;
mod search;
mod sight;
mod watching;
mod why;
mod worker;

pub use context::MetadataContext;
pub use kept::KeptMemory;
pub use metadata_assembly::{FoundMetadata, MAX_METADATA_SIZE, MetadataAssembly, Verdict};
pub use worker::MetadataWorker;

use crate::message::{Event, KnownPeers, MetadataState, Notice, PeerKey, PeerState, Stall};
use crate::strategy::{Interruption, Supply};
use crossbeam_channel::Receiver;
use search::MetadataSearch;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The most peers that are asked at once. Metadata is small: a few good peers are enough, and of thirty some
/// are good.
const MAX_PEERS: usize = 30;

/// What the search can have done by others. No method may wait.
pub trait SearchEnvironment {
    /// Shows the state of the search.
    fn show(&self, state: MetadataState);

    /// Whether somebody wants to hear what happens. Otherwise no notice need be made.
    fn is_watched(&self) -> bool {
        false
    }

    /// Tells whoever watches what has happened.
    fn tell(&self, _notice: Notice) {}

    /// Whether the live view has asked for what it shows since the last call.
    fn wants_sight(&self) -> bool {
        false
    }

    /// Gives it the peers that are asked.
    fn show_sight(&self, _peers: Vec<PeerState>) {}

    /// Whether the user wants to end.
    fn is_stopped(&self) -> bool;

    /// Tells the sources of peers how well we are supplied with them, which decides when they are asked again.
    fn supply(&self, supply: Supply);

    /// Whether the host was suspended or has another address since the last call. If so, the sources of peers
    /// have been asked anew.
    fn look_around(&self, now: Instant) -> Option<Interruption>;

    /// What the sources of peers wait for or lack, in words, as far as no event has told it.
    fn search_trouble(&self, now: Instant) -> Option<String>;

    /// How many connections the process may have begun and not yet made.
    fn half_open(&self) -> usize;

    /// For some time no connection from this network is to be accepted: a peer there has flooded us.
    fn refuse(&self, from: IpAddr);

    /// This address turned out to be ourselves.
    fn met_ourselves(&self, address: SocketAddr);

    /// A peer to which we had connected at this address closed the connection before a word of its own.
    fn closed_early(&self, _address: SocketAddr) {}

    /// A connection to this address came about, and then nothing more came.
    fn fell_silent(&self, _address: SocketAddr) {}

    /// Tells whoever sees what goes over the network why we try to connect to this address.
    fn explain_connecting(&self, _address: SocketAddr, _why: &dyn Fn() -> String) {}

    /// Has a connection to this address made. What comes of it is told by [`Event::Attempted`].
    ///
    /// # Errors
    ///
    /// The system has no more threads.
    fn connect(&self, key: PeerKey, address: SocketAddr) -> io::Result<()>;
}

/// How the search for the metadata ended.
pub enum FetchEnd {
    /// The metadata was found and is verified.
    Found {
        /// What it is.
        metadata: FoundMetadata,
        /// The peers that the swarm goes on with.
        known_peers: Box<KnownPeers>,
    },
    /// The user stopped it.
    Stopped,
    /// There was no progress for too long, for this reason.
    TimedOut(Stall),
}

/// Finds peers and asks them for the metadata until it is complete. `timeout` counts from the last piece that
/// came, whatever peers have promised since.
pub fn fetch(
    context: &Arc<MetadataContext>,
    inbox: &Receiver<Event>,
    timeout: Option<Duration>,
    max_peers: usize,
    environment: &dyn SearchEnvironment,
) -> FetchEnd {
    MetadataSearch::new(context, environment, max_peers.min(MAX_PEERS)).run(inbox, timeout)
}
