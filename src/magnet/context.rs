//! What the workers of one magnet link share.

use super::{KeptMemory, MetadataAssembly};
use crate::message::Event;
use crate::metainfo::InfoHash;
use crate::net::{OwnPorts, Throttle};
use crate::peer::ReadMemory;
use crate::strategy::Encryption;
use crate::thread::lock;
use crate::wire::PeerId;
use crossbeam_channel::Sender;
use std::sync::{Arc, Mutex, MutexGuard};

/// What the workers share.
pub struct MetadataContext {
    /// The torrent.
    pub info_hash: InfoHash,
    /// Our peer ID.
    pub peer_id: PeerId,
    /// The coordinator's inbox.
    pub events: Sender<Event>,
    /// What the read buffers may grow to, all together.
    pub read_memory: Arc<ReadMemory>,
    /// For what they say that only the swarm can understand.
    pub kept_memory: Arc<KeptMemory>,
    /// The download limit of all peers of the process together.
    pub down: Arc<Throttle>,
    /// Whether connections are encrypted.
    pub encryption: Encryption,
    /// The port at which peers can connect to us, seen from where they are.
    pub ports: OwnPorts,
    /// Where they put the metadata together.
    pub assembly: Mutex<MetadataAssembly>,
    /// Held by every worker that is connected. The channel disconnects when the last one has ended, so the
    /// holder of the other end can wait for that.
    pub alive: Sender<()>,
}

impl MetadataContext {
    pub(super) fn assembly(&self) -> MutexGuard<'_, MetadataAssembly> {
        lock(&self.assembly)
    }
}
