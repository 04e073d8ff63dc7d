//! What every worker of a torrent shares.

use super::ReadMemory;
use crate::message::{Event, Write};
use crate::metainfo::Metainfo;
use crate::net::{OwnPorts, Throttle};
use crate::piece::{BufferPool, Geometry};
use crate::storage::ServedPieces;
use crate::strategy::Encryption;
use crate::wire::{PeerId, metadata};
use crossbeam_channel::Sender;
use std::net::SocketAddr;
use std::sync::Arc;

/// What every worker of a torrent shares.
pub struct TorrentContext {
    /// Our peer ID.
    pub peer_id: PeerId,
    /// The torrent: its info-hash, and its metadata, which peers may ask for (BEP 9).
    pub metainfo: Arc<Metainfo>,
    /// Whether we exchange the addresses of other peers with our peers (PEX, BEP 11).
    pub pex: bool,
    /// How the torrent is cut into pieces.
    pub geometry: Geometry,
    /// The coordinator's inbox.
    pub events: Sender<Event>,
    /// The writer's inbox.
    pub writer: Sender<Write>,
    /// Spare piece buffers.
    pub buffers: Arc<BufferPool>,
    /// What the read buffers may grow to, all together.
    pub read_memory: Arc<ReadMemory>,
    /// The download limit of all peers of the process together.
    pub down: Arc<Throttle>,
    /// The upload limit for blocks, metadata and hashes, of all peers of the process together.
    pub up: Arc<Throttle>,
    /// What we can send. `None` where nothing is kept.
    pub served_pieces: Option<Arc<ServedPieces>>,
    /// Whether connections are encrypted.
    pub encryption: Encryption,
    /// The port at which peers can connect to us, seen from where they are.
    pub ports: OwnPorts,
    /// The UDP ports of our DHT nodes, for IPv4 and IPv6, of which peers may know. Zero where a node answers
    /// no queries.
    pub dht_ports: [Option<u16>; 2],
    /// Held by every thread that is connected; the holder of the other end knows when all are gone.
    pub alive: Sender<()>,
}

impl TorrentContext {
    /// The port of our DHT node that a peer at this address can reach.
    pub(super) fn dht_port(&self, address: SocketAddr) -> Option<u16> {
        let [four, six] = self.dht_ports;
        let port = if address.is_ipv4() { four } else { six }?;
        Some(self.ports.node_seen_from(address.ip(), port))
    }

    /// The metadata that peers may have: none where nothing may be uploaded.
    pub(super) fn metadata(&self) -> &[u8] {
        if self.uploads_nothing() { &[] } else { self.metainfo.info_bytes() }
    }

    /// Whether the upload limit is zero.
    pub(super) fn uploads_nothing(&self) -> bool {
        self.up.limit() == Some(0)
    }

    /// A piece of it.
    pub(super) fn metadata_piece(&self, piece: u32) -> Option<&[u8]> {
        let start = usize::try_from(u64::from(piece).saturating_mul(metadata::PIECE.into())).ok()?;
        let rest = self.metadata().get(start..).filter(|rest| !rest.is_empty())?;
        rest.chunks(metadata::PIECE as usize).next()
    }
}
