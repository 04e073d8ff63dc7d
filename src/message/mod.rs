//! The values that cross the channels of a torrent: the conversation of its coordinator with everything else.
//!
//! Not here are the values that only one module knows: the orders to announcers (`tracker`), the commands to
//! the DHT node (`discovery/dht`), those to the connector and the signals inside a worker (`peer`), and what a run
//! tells the screen (`cli`). Whoever watches a run for a program hears [`Notice`]s, through a [`Door`].
//!
//! ```text
//! announcer ── Event::Tracker ──▶ ┌─────────────┐ ── Order ──▶ outbox ──▶ the peer
//! DHT, LAN ─── Event::Found ────▶ │             │
//! connector ─ Event::Attempted ─▶ │             │
//! listener ── Event::Incoming ──▶ │             │
//! worker ───── Event::Heard ────▶ │ coordinator │ ── Lease ──▶ inbound ◀── the peer
//! writer ───── Event::Stored ───▶ └─────────────┘                  │
//!    ▲                                   └─ Snapshot ─▶ screen     │
//!    └──────────────────── Write::Piece ───────────────────────────┘
//! ```
//!
//! The inbox of the coordinator is bounded and its senders wait when it is full, so a peer that
//! floods us fills its own socket and not our memory. That cannot lock up, because the coordinator
//! never waits for another thread: a peer that does not take its orders is disconnected.

mod inbox_slot;
mod known_peers;
mod lull;
mod message_kind;
mod notice;
mod peer_error;
mod peer_state;
mod peer_trouble;
mod report;
mod sight;
mod snapshot;
mod web_seed_failure;
mod words;

pub use inbox_slot::{InboxSlot, InboxSlots};
pub use known_peers::KnownPeers;
pub use lull::Lull;
pub use message_kind::MessageKind;
pub use notice::{Announced, CheckResult, Door, Notice, OtherEnd, PieceChange, Watcher};
pub use peer_error::{PeerError, Violation, Wait, going_on_with};
pub use peer_state::{PeerFlags, PeerReasons, PeerRecord, PeerState, Transport};
pub use peer_trouble::PeerTrouble;
pub use report::{MAX_REPORTS, Report, ReportPlaces, ReportSlots};
pub use sight::{BlockCounts, Bucket, OpenPieceSight, PieceSight, Sight, SourceSight};
pub use snapshot::{MetadataState, RunPhase, Snapshot, Stall, WebSeedTrouble};
pub use web_seed_failure::WebSeedFailure;

pub use crate::net::HangUp;
pub use crate::piece::PeerKey;

use crate::net::PeerStream;
use crate::piece::{Assembly, Bitfield, Block, PieceIndex, Span, Suspects};
use crate::strategy::{Security, Source};
use crate::wire::Handshake;
use crate::wire::PeerId;
use crate::wire::extension::ExtensionHandshake;
use crate::wire::pex::PeerExchange;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;

/// What the coordinator is told.
#[derive(Debug)]
pub enum Event {
    /// One of the sources of peers found addresses.
    Found(Source, Vec<SocketAddr>),
    /// The user named these peers.
    Named(Vec<SocketAddr>),
    /// An announcer has announced to a tracker.
    Tracker(TrackerReport),
    /// A peer has connected to us and wants this torrent.
    Incoming(Incoming),
    /// A peer that sent us metadata goes on to the payload.
    HandedOver(HandedOver),
    /// What came of an attempt to connect: a connection on which nothing was said yet, or none.
    Attempted(PeerKey, SocketAddr, Result<PeerStream, PeerError>),
    /// A worker has exchanged handshakes with its peer.
    Greeted(PeerKey, Greeting),
    /// What a peer said.
    Heard(PeerKey, Report),
    /// A connection is over.
    Gone(PeerKey, PeerError),
    /// These pieces are on disk.
    Stored(Vec<PieceIndex>),
    /// These pieces were on the disk, and another program has changed them. The writer was told to finish, and
    /// has not: it waits for them.
    Lost(Vec<PieceIndex>),
    /// The writer has ended: with everything safe on the disk, or without. If without, the reason is what its
    /// thread returns.
    WriterEnded {
        /// It wrote everything.
        finished: bool,
    },
    /// There is memory for a piece, for which this torrent waited.
    MemoryFree,
    /// The user wants to end.
    Stop,
}

/// What a tracker said.
#[derive(Debug)]
pub struct TrackerReport {
    /// The tracker's address, fit to be printed.
    pub url: String,
    /// How many peers it named, or why it named none, fit to be printed. The peers themselves come
    /// behind this report, as [`Event::Found`].
    pub outcome: Result<usize, String>,
    /// Our address as the tracker sees it.
    pub external_ip: Option<IpAddr>,
}

impl TrackerReport {
    /// Why it named no peer, if it named none.
    pub fn trouble(&self) -> Option<String> {
        match &self.outcome {
            Ok(0) => Some(format!("{} knows no other peer of this torrent", self.url)),
            Ok(_) => None,
            Err(why) => Some(format!("{}: {why}", self.url)),
        }
    }
}

/// An incoming connection whose handshake has been read and not answered yet.
#[derive(Debug)]
pub struct Incoming {
    /// Where it came from, which is not where that peer listens. Never an IPv4-mapped IPv6 address.
    pub address: SocketAddr,
    /// The connection, after the handshake's last byte.
    pub stream: PeerStream,
    /// The peer's handshake.
    pub handshake: Handshake,
    /// Its place among the connections that wait for the coordinator.
    pub slot: InboxSlot,
}

/// A connection that goes on from the metadata to the payload.
#[derive(Debug)]
pub struct HandedOver {
    /// Where the other end is.
    pub address: SocketAddr,
    /// The peer has connected to us.
    pub incoming: bool,
    /// The connection, after the handshakes.
    pub stream: PeerStream,
    /// What the handshakes said.
    pub greeting: Greeting,
    /// The frames that the peer sent and that could not be understood without the metadata.
    pub heard: Vec<u8>,
}

/// What is known of a peer after the handshakes.
#[derive(Clone, Copy, Debug)]
pub struct Greeting {
    /// Its peer ID.
    pub peer_id: PeerId,
    /// It speaks the Fast extension (BEP 6).
    pub fast: bool,
    /// It speaks the extension protocol (BEP 10).
    pub extensions: bool,
    /// It has a DHT node (BEP 5).
    pub dht: bool,
    /// What of the connection is encrypted.
    pub encryption: Security,
    /// The connection goes over uTP.
    pub is_utp: bool,
}

/// One thing that a peer said, checked for what it means.
#[derive(Debug)]
pub enum News {
    /// These blocks, which we had requested, are in this assembly (or were there already). The assembly may
    /// be one that was wrong and that another has replaced since.
    Blocks(Span, Arc<Assembly>),
    /// A piece verified and is on its way to the writer. With the peers that had sent wrong blocks of it
    /// before.
    Verified(PieceIndex, Vec<PeerKey>),
    /// A piece is complete and wrong: it does not have its digest.
    Corrupt(Arc<Assembly>, Suspects),
    /// It chokes us: it answers no more requests.
    Choked,
    /// It unchokes us: it answers requests.
    Unchoked,
    /// Whether it wants something that we have.
    Interested(bool),
    /// A block came whose lease was given up. It is of no use.
    LateBlock(Block),
    /// It has this piece now.
    Have(PieceIndex),
    /// It has these pieces now: as many `have`, one after the other, and any of them several times.
    HaveMany(Vec<PieceIndex>),
    /// It does not have this piece any more (`lt_donthave`, BEP 54).
    DontHave(PieceIndex),
    /// It has these pieces.
    Bitfield(Bitfield),
    /// It has these pieces, and those that it said before.
    AnotherBitfield(Bitfield),
    /// It has every piece.
    HaveAll,
    /// A web seed that sends files only whole is on its way to what was requested.
    ReadsOn,
    /// It will not send this block (BEP 6).
    Rejected(Block),
    /// It answers requests for this piece even while it chokes us (BEP 6).
    AllowedFast(PieceIndex),
    /// Its extension handshake (BEP 10).
    ExtensionHandshake(ExtensionHandshake),
    /// Its DHT node has this UDP port (BEP 5).
    DhtPort(u16),
    /// It says that it is connected to these peers, with flags (PEX, BEP 11). None of this is checked.
    Pex(Vec<(SocketAddr, u8)>),
}

impl News {
    /// Whether it says which pieces the peer has.
    pub fn is_of_pieces(&self) -> bool {
        use News::{AnotherBitfield, Bitfield, DontHave, Have, HaveAll, HaveMany};
        matches!(self, Have(_) | HaveMany(_) | DontHave(_) | Bitfield(_) | AnotherBitfield(_) | HaveAll)
    }
}

/// What an outbox is to send.
#[derive(Debug)]
pub enum Order {
    /// The first messages: which pieces we have, and what we can do.
    Introduce {
        /// The pieces that we say we have.
        pieces: Arc<Bitfield>,
        /// What the peer knows of BEP 6 and BEP 10.
        greeting: Greeting,
        /// We want nothing any more (BEP 21).
        upload_only: bool,
    },
    /// From now on we want nothing any more (BEP 21).
    UploadOnly(Greeting),
    /// From now on we answer its requests.
    Unchoke,
    /// From now on we answer no requests, except for the pieces of [`Order::AllowFast`].
    Choke,
    /// Its allowed-fast set: it may request these pieces while we choke it (BEP 6).
    AllowFast(Vec<PieceIndex>),
    /// Whether we want something that the peer has.
    Interested(bool),
    /// Requests, in this order. Their leases went to the inbound half before.
    Request(Vec<Span>),
    /// To a web seed: these pieces follow each other, and the requests to come will most likely go on through them. So
    /// one request over HTTP may cover them all. None where nothing can be foreseen.
    Ahead(Range<u32>),
    /// To a web seed that sends files only whole: what comes before that which is requested is read and dropped, however
    /// much that is.
    ReadOn,
    /// These blocks are no longer needed.
    Cancel(Vec<Block>),
    /// We have this piece now.
    Have(PieceIndex),
    /// What it does not know of our other peers yet (PEX, BEP 11), under the message id that it gave to PEX.
    Pex(u8, PeerExchange),
}

/// A promise that some blocks of one piece will be requested of the peer, and where they are to go.
#[derive(Debug)]
pub struct Lease {
    /// Where the blocks are put together.
    pub assembly: Arc<Assembly>,
    /// Which blocks.
    pub span: Span,
}

/// What the writer is to do. When the channel ends without `Finish`, it keeps what is there.
#[derive(Debug)]
pub enum Write {
    /// Write these bytes, which have the right digest.
    Piece(PieceIndex, Vec<u8>),
    /// Everything is written: bring it to the disk and finish.
    Finish,
}
