//! femtotorrent: a synchronous, thread-per-peer BitTorrent client.
//!
//! This is the tour of the house. Nothing in it is asynchronous: every thread blocks on one thing,
//! and what happens between threads crosses a channel whose values all stand in one file,
//! [`message`]. `docs/ARCHITECTURE.md` tells the same at length, with the reasons; `docs/WIRE.md`
//! has the bytes.
//!
//! # The rooms, in reading order
//!
//! Imports go up this list and never down.
//!
//! - [`address`]: addresses of peers: their family, their compact bytes, how far they reach.
//! - [`bencode`]: the notation of torrents, tracker answers and extension messages.
//! - [`metainfo`]: `.torrent` files and magnet links. The info-hash, the files, paths that are safe to write.
//! - [`wire`]: the peer protocol, bytes to values and back.
//! - [`piece`]: how a payload is cut into pieces and blocks; a piece while it is put together.
//! - [`strategy`]: decisions without I/O. Rarest first, pipeline depth, whom to believe and to connect to,
//!   whom to upload to, how metadata is put together.
//! - [`net`]: connections and packets, the port they come in at, the address they leave by, how fast
//!   they may go.
//! - [`message`]: every value that crosses a channel: the whole conversation between threads.
//! - [`storage`]: where bytes belong on the disk, what is there already, the writer thread.
//! - [`peer`]: the worker, two threads a peer. Greeting, the reading half, the writing half.
//! - [`tracker`]: announcing over HTTP and UDP, tiers, one announcer thread for each family of a tier.
//! - [`discovery`]: peers without a tracker: the distributed hash table, the local network.
//! - [`magnet`]: from a magnet link to the torrent, whose metadata is asked of peers: a smaller coordinator
//!   for the time before there is a torrent.
//! - [`swarm`]: the coordinator, which alone knows and decides the state of a torrent.
//! - [`session`]: one run. Builds the channels, starts the threads, joins them.
//! - [`cli`]: arguments, progress, exit codes. `cli/demo/` is also a seeder in a hundred lines.
//!
//! [`text`] makes strangers' words fit to print, and [`thread`] starts threads, for every module. `address`,
//! `wire`, `metainfo`, `piece`, `strategy` and the node of the hash table touch no socket, file, thread or
//! channel: they are plain functions with plain tests.
//!
//! # The threads
//!
//! ```text
//!   announcers    dht-4, dht-6,  listen-4,    meta-ADDRESS,   main: screen
//!   of the tiers  lan-4, lan-6   listen-6     for a magnet    and Ctrl-C
//!     │ Found,        │ Found       │ Incoming     │ HandedOver     ▲ Snapshot │ Stop
//!     ▼ Tracker       ▼             ▼             ▼            │          ▼
//!  ┌─────────────────────────────────────────────────────────────────────┐
//!  │ coordinator (torrent-N): piece map, leases, roster, choker          │
//!  └─────────────────────────────────────────────────────────────────────┘
//!     │ Order           │ Lease       ▲ Greeted, Heard, Gone      ▲ Stored
//!     ▼                 ▼             │                           │
//!  ┌──────────────┐  ┌─────────────────────┐   Piece       ┌──────────────┐
//!  │ outbox       │◀─│ inbound             │ ────────────▶ │ writer       │
//!  │ out-ADDRESS  │  │ peer-ADDRESS        │ (verified)    │ one a torrent│
//!  └──────────────┘  └─────────────────────┘               └──────────────┘
//!     │ writes  requests ▲ reads                             │ writes
//!     ▼                  │                                   ▼
//!  ═════════ the peer ═════════                          ═══ the disk ═══
//! ```
//!
//! # Follow one block from the socket to the disk
//!
//! 1. `swarm/download/filling.rs` sees room in a peer's pipeline, takes blocks of an open piece
//!    (`swarm/download/leases.rs`) or opens the rarest (`strategy/download/rarity.rs`), and sends the lease, then the order.
//! 2. `peer/outbox/frames.rs` turns the order into `request` frames and writes them with one `write`.
//! 3. `peer/read_buffer.rs` reads; `wire/message.rs` finds the frame and checks its length.
//! 4. `peer/inbound.rs` has `piece/geometry.rs` check the numbers and `peer/ledger.rs` whether this
//!    block was asked for, then copies it into the piece.
//! 5. `piece/assembly.rs` hashes what is in order. The last block brings the verdict.
//! 6. A good piece goes to `storage/writer.rs`, which writes it through `storage/files.rs` and says
//!    `Stored`.
//! 7. `swarm/peer_messages.rs` now counts the piece as ours, and tells the peers.
//!
//! # And one from the disk to the socket
//!
//! 1. `swarm/upload/choking.rs` asks the choker (`strategy/choker/`) whom to serve, and orders *unchoke*.
//! 2. `peer/inbound.rs` hears a request and enters it in the worker's `peer/requests/`.
//! 3. `peer/outbox/mod.rs` waits until the upload limit (`net/throttle.rs`) lets it go,
//! 4. finds its bytes through `storage/served_pieces.rs` (`peer/outbox/blocks.rs`), and `net/peer_stream/tcp.rs` sends
//!    them from the page cache.
//!
//! # And a magnet link to its first block
//!
//! 1. `session/metadata.rs` has `session/peer_sources.rs` ask the trackers of the link, the hash table
//!    (`discovery/dht/node/searches.rs`) and the local network (`discovery/lan/`) for peers.
//! 2. `magnet/mod.rs` connects to them, `magnet/worker.rs` asks each for metadata, and
//!    `magnet/metadata_assembly/mod.rs` puts it together.
//! 3. `metainfo/magnet.rs` makes a torrent of it, and the run goes on as any other.
//! 4. `swarm/peers/incoming.rs` takes over the connection that gave the last piece, and what was said there.

pub mod address;
pub mod bencode;
pub mod cli;
pub mod discovery;
pub mod magnet;
pub mod message;
pub mod metainfo;
pub mod net;
pub mod peer;
pub mod piece;
pub mod session;
pub mod storage;
pub mod strategy;
pub mod swarm;
pub mod text;
pub mod thread;
pub mod tracker;
pub mod wire;
