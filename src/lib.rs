//! femtotorrent: a synchronous, thread-per-peer BitTorrent client.
//!
//! This is the tour of the house. It asks of you that you know Rust; BitTorrent you can learn on the way.
//! Nothing here is asynchronous: every thread blocks on one thing, and what happens between threads crosses a
//! channel whose values stand in one place, [`message`]. So any path through the program can be read from top
//! to bottom, like a story, and this page has six of them.
//!
//! `docs/WIRE.md` teaches the bytes, beginning with one whole conversation between two peers.
//! `docs/ARCHITECTURE.md` has the threads, the owners and the reasons, `docs/GLOSSARY.md` the words.
//!
//! # BitTorrent in a minute
//!
//! A *torrent* names some files and cuts their bytes, end to end, into *pieces*, each with its SHA-1. With
//! the torrent in hand every piece can be checked, so it does not matter who sends it: strangers will do. The
//! strangers are called *peers*, and all peers of one torrent are a *swarm*. A *tracker*, or a table that all
//! clients keep together (the *DHT*), tells where they are. Two peers that are connected tell each other
//! which pieces they have and ask for what they lack, in *blocks* of 16 KiB. Each decides for itself which
//! few peers it answers, and prefers those that answer it. That is all; the rest is making it fast, and
//! surviving the strangers.
//!
//! # The modules, in reading order
//!
//! A module imports only from modules above it in this list (`tests/layout.rs` looks).
//!
//! - [`bencode`]: the notation of torrents, tracker answers and extension messages.
//! - [`text`]: makes strangers' words fit to print.
//! - [`address`]: addresses of peers: their family, their compact bytes, how far they reach.
//! - [`thread`]: starts threads, each with a name and a small stack.
//! - [`piece`]: how a payload is cut into pieces and blocks; a piece while it is put together.
//! - [`metainfo`]: `.torrent` files and magnet links. The info-hash, the files, paths that are safe to write.
//! - [`wire`]: the peer protocol, bytes to values and back.
//! - [`strategy`]: decisions. Which piece next and how many requests at once, which peers to upload to, which
//!   addresses to believe and to connect to.
//! - [`net`]: connections and packets, ports, the address that everything leaves by, how fast it may go.
//! - [`message`]: the values that cross channels: the conversation between the threads of a download.
//! - [`storage`]: where bytes belong on the disk, what is there already, the writer thread.
//! - [`peer`]: the worker, two threads a connection: the handshake, the reading half, the writing half. And
//!   the listener, at which peers come in.
//! - [`tracker`]: announcing over HTTP and UDP, tiers, one announcer thread for each address family of a
//!   tier.
//! - [`discovery`]: peers without a tracker: the distributed hash table, the local network.
//! - [`magnet`]: from a magnet link to the torrent: a smaller coordinator for the time before there is one.
//! - [`swarm`]: the coordinator, which alone knows and decides the state of a torrent.
//! - [`session`]: one run. Builds the channels, starts the threads, joins them.
//! - [`cli`]: arguments, progress, exit codes. `cli/demo/seeder.rs` is a seeder in a hundred lines, and a
//!   good place to begin.
//!
//! Everything down to `strategy`, except `thread`, touches no socket, file, thread, channel or clock. Neither
//! do the node of the hash table and the decisions of the coordinator: they get the time as an argument, so
//! that a test can run a whole swarm, or a network of a thousand nodes, in one thread.
//!
//! # The threads
//!
//! ```text
//!   announcers,        listen-4,     meta-ADDRESS,     main: screen
//!   dht, lan           listen-6      for a magnet      and Ctrl-C
//!     │ Found,           │ Incoming     │ HandedOver     ▲ Snapshot │ Stop
//!     ▼ Tracker          ▼              ▼                │          ▼
//!  ┌─────────────────────────────────────────────────────────────────────┐
//!  │ coordinator (torrent-N): piece map, requests, roster, slots         │
//!  └─────────────────────────────────────────────────────────────────────┘
//!     │ Order           │ Lease       ▲ Greeted, Heard, Gone      ▲ Stored
//!     ▼                 ▼             │                           │
//!  ┌──────────────┐  ┌─────────────────────┐  Write::Piece ┌──────────────┐
//!  │ outbox       │◀─│ inbound             │ ────────────▶ │ writer       │
//!  │ out-ADDRESS  │  │ peer-ADDRESS        │  (verified)   │              │
//!  └──────────────┘  └─────────────────────┘               └──────────────┘
//!     │ writes           ▲ reads                              │ writes
//!     ▼                  │                                    ▼
//!  ═════════ the peer ═════════                          ═══ the disk ═══
//! ```
//!
//! # A connection
//!
//! 1. An address waits in `strategy/peers/candidates/mod.rs` until `swarm/peers/connecting.rs` starts a
//!    worker for it, and `peer/greeting.rs` connects. Or a peer connects to us: `peer/listener.rs` reads its
//!    handshake, and `swarm/peers/incoming.rs` takes it in.
//! 2. `wire/handshake.rs`: 68 bytes each way. Same torrent? Not ourselves? Then we have a peer.
//! 3. `peer/outbox/mod.rs` says which pieces we have, `peer/inbound.rs` hears which ones the peer has.
//! 4. If it has one that we lack, `swarm/peer_messages.rs` orders *interested*. Now we wait: the peer
//!    decides.
//! 5. *Unchoke*: it will answer requests. `swarm/download/pipelining.rs` asks for the first blocks.
//! 6. So it goes on, in both directions at once, until one side leaves or breaks a rule.
//!    `swarm/peers/disconnect.rs` gives what the peer still owed to others.
//!
//! # A block down
//!
//! 1. `swarm/download/pipelining.rs` sees room in a peer's pipeline, takes blocks of an open piece
//!    (`swarm/download/requests/mod.rs`) or opens the rarest (`strategy/download/rarity.rs`), and sends the
//!    lease, then the order.
//! 2. `peer/outbox/mod.rs` turns the order into `request` frames and writes them with one `write`.
//! 3. `peer/read_buffer.rs` reads; `wire/message.rs` finds the frame and checks its length.
//! 4. `peer/inbound.rs` has `piece/geometry.rs` check the numbers and `peer/ledger.rs` whether this block was
//!    asked for, then copies it into the piece.
//! 5. `piece/assembly.rs` hashes what is in order. The last block brings the verdict.
//! 6. A good piece goes to `storage/writer.rs`, which writes it through `storage/files.rs` and says `Stored`.
//! 7. `swarm/peer_messages.rs` now counts the piece as ours, and tells the peers.
//!
//! Until it comes, a block stands in three books. The *lease* tells the coordinator that the block is taken,
//! so that no other peer is asked for it. The *ledger* tells the reading half that this peer was asked for
//! it, so that no peer can send what it likes. The *assembly* knows which bytes of the piece are there and
//! who sent them, so that the sender of a wrong one is found. Each book is where its question comes up, and
//! no thread has to ask another one for each of a thousand blocks a second.
//!
//! # A block up
//!
//! 1. `swarm/upload/choking.rs` asks the choker (`strategy/upload/choker/mod.rs`) which peers to serve, and
//!    orders *unchoke*.
//! 2. `peer/inbound.rs` hears a request and enters it in the worker's `peer/requests/mod.rs`.
//! 3. `peer/outbox/mod.rs` waits until the upload limit (`net/throttle.rs`) lets it go,
//! 4. finds its bytes through `storage/served_pieces/mod.rs`, and has `net/peer_stream/tcp.rs` send them from
//!    the page cache.
//!
//! # A magnet link to its first block
//!
//! 1. `session/metadata.rs` has `session/peer_sources.rs` ask the trackers of the link, the hash table and
//!    the local network for peers.
//! 2. `magnet/search.rs` connects to them, `magnet/worker.rs` asks each for metadata, and
//!    `magnet/metadata_assembly/mod.rs` puts it together.
//! 3. `metainfo/magnet/mod.rs` makes a torrent of it, and the run goes on as any other.
//! 4. `swarm/peers/incoming.rs` takes over the connection that gave the last piece, and what was said there.
//!
//! # A lookup in the hash table
//!
//! 1. `session/peer_sources.rs` tells the DHT (`discovery/dht/mod.rs`) which torrent we want. The command
//!    wakes the thread of `discovery/dht/service.rs`.
//! 2. `discovery/dht/node/searches.rs` decides that it is time, and starts a lookup from the closest nodes of
//!    `discovery/dht/table/mod.rs`.
//! 3. `discovery/dht/lookup/mod.rs` chooses which node to ask next; `discovery/dht/node/transactions.rs`
//!    sends the question, as `discovery/dht/packet/mod.rs` writes it, and waits. Each answer names nodes that
//!    are closer, until the eight closest have answered.
//! 4. Peers are handed to the coordinator as they come (`Event::Found`). At the end the nodes closest to the
//!    torrent are told that we have a part in it, with the token that each gave us.
//! 5. Others ask us as well: `discovery/dht/node/server.rs`, out of `discovery/dht/peer_store.rs`.
//!
//! # An announce
//!
//! 1. `tracker/announcer.rs` waits for its time. `tracker/tier.rs` says which tracker of the tier to ask, and
//!    what.
//! 2. `tracker/client.rs` chooses between `tracker/http.rs` and `tracker/udp/mod.rs`; `tracker/announce.rs`
//!    is what we say.
//! 3. `tracker/answer.rs` reads the answer. Its peers go to the coordinator, which keeps them as candidates;
//!    and here the first story begins again.

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
