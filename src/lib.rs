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
//! Torrents of *version 2* have a tree of SHA-256 for each file in place of a SHA-1 for each piece. All else is
//! the same (the header of `metainfo/version_two.rs`, and of `piece/merkle.rs`).
//!
//! # The modules, in reading order
//!
//! A module imports only from modules above it in this list (`tests/layout.rs` looks), and no file from one that imports
//! it (`tests/circles.rs`).
//!
//! - [`bencode`]: the notation of torrents, tracker answers and extension messages.
//! - [`text`]: makes strangers' words fit to print.
//! - [`chance`]: draws that fall alike on every processor.
//! - [`address`]: addresses of peers: their family, their compact bytes, how far they reach.
//! - [`thread`]: starts threads, each with a name and a small stack, and takes the locks between them.
//! - [`piece`]: how a payload is cut into pieces and blocks; a piece while it is put together.
//! - [`metainfo`]: `.torrent` files and magnet links. The info-hash, the files, paths that are safe to write.
//! - [`wire`]: the peer protocol, bytes to values and back.
//! - [`strategy`]: decisions. Which piece next and how many requests at once, which peers to upload to, which
//!   addresses to believe and to connect to.
//! - [`net`]: connections and packets, ports, the address that everything leaves by, proxies, how fast it may go.
//! - [`message`]: the values that cross channels: the conversation between the threads of a download.
//! - [`storage`]: where bytes belong on the disk, what is there already, the writer thread.
//! - [`peer`]: the worker, two threads a connection: the handshake, the reading half, the writing half. And
//!   the connector, which connects to peers, and the listener, at which peers come in.
//! - [`web_seed`]: blocks from a web server: a worker of one thread.
//! - [`tracker`]: announcing over HTTP and UDP, tiers, one announcer thread for each address family of a
//!   tier.
//! - [`discovery`]: peers without a tracker: the distributed hash table, the local network.
//! - [`port_mapping`]: has the router lead a port outside to ours, so that peers can come in.
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
//!   announcers,        connector,    meta-ADDRESS,     main: screen
//!   dht, lan           listen-4, -6  for a magnet      and Ctrl-C
//!     │ Found,           │ Attempted,   │ HandedOver     ▲ Snapshot │ Stop
//!     ▼ Tracker          ▼ Incoming     ▼                │          ▼
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
//! # How to follow a path
//!
//! `peer/inbound.rs:block` is the function `block` in the file `src/peer/inbound.rs`. Read the functions that
//! are named here, and the header of their file; the rest of the file can wait. Read in this way, a block
//! down takes 12 files and some 600 lines. What is marked *aside* lies beside the path.
//!
//! Two files lie on every path and say little. `swarm/event_loop.rs:handle` takes in the events from other
//! threads, and calls a function for each kind. `session/environment.rs` does what the coordinator wants
//! done, such as starting a worker. Between two steps you need neither.
//!
//! Everything begins in `cli/supervisor.rs:supervise`, which starts a thread for each torrent. The life of that
//! thread is `session/mod.rs:run`: it checks what is on the disk, starts the other threads, and then *is* the
//! coordinator (`swarm/event_loop.rs:run`).
//!
//! # A connection
//!
//! 1. An address is a *candidate* until it is due (`strategy/peers/dialer.rs:next`). Then
//!    `swarm/peers/connecting.rs:connect` has a connection made (`peer/connector/attempts.rs:run`, for many addresses
//!    at once, since most never answer), and where one comes about `connecting.rs:attempted` starts a worker.
//!    (Aside, over what: `net/peer_stream/tcp.rs`, or where that does not get through, `net/utp/mod.rs`.)
//!    Or a peer connects to us: `peer/listener/incoming_handshake.rs:run` reads its handshake, and
//!    `swarm/peers/incoming.rs:incoming` starts the worker. The life of the worker's first thread is
//!    `peer/connection.rs:live`.
//! 2. `peer/greeting.rs:greet` exchanges the handshakes, 68 bytes each way (`wire/handshake.rs`), perhaps behind
//!    a key exchange (`wire/mse/mod.rs`). Same torrent? Not ourselves? Then we have a peer, and the coordinator
//!    hears `Greeted`.
//! 3. `swarm/peers/connecting.rs:greeted` orders the introduction, and the worker's second thread, the
//!    outbox, says which pieces we have (`peer/outbox/frames.rs:write_introduction`). What the peer says
//!    about its own pieces comes in at `peer/inbound.rs:news_of`, and goes on as *news* to
//!    `swarm/peer_messages.rs:hear`.
//! 4. If it has a piece that we lack, `swarm/peers/telling.rs:tell_interest` orders *interested*. Now we wait:
//!    the peer decides.
//! 5. *Unchoke*: it will answer requests (`swarm/download/choked.rs:unchoked`). Then
//!    `swarm/peer_messages.rs:heard` asks for the first blocks.
//! 6. So it goes on, in both directions at once, until one side leaves or breaks a rule. What the peer still
//!    owed is asked of others (`swarm/peers/disconnect.rs:gone`).
//!
//! # A block down
//!
//! 1. `swarm/download/pipelining.rs:fill` sees room in a peer's pipeline (aside, how much:
//!    `strategy/download/pipeline.rs`). `next_span` takes blocks of an open piece
//!    (`swarm/download/requests/mod.rs:next_for`), or opens the rarest piece that the peer has (aside, how it
//!    is found: `strategy/download/rarity.rs`). `ask` sends the lease, then the order. Leases, orders and
//!    news are defined in `message/mod.rs`.
//! 2. `peer/outbox/frames.rs:write_order` turns the order into `request` frames. All that wait go out with
//!    one `write` (aside: `peer/outbox/mod.rs:run`).
//! 3. `peer/read_buffer.rs:fill` reads what came; `wire/message.rs:parse` finds the frame and checks its
//!    length.
//! 4. `peer/inbound.rs:block` has `piece/geometry.rs:block` check the numbers. `peer/delivery.rs:block`, which a
//!    web seed's thread calls as well (aside: `web_seed/fetcher.rs:live`), asks `peer/ledger.rs:claim` whether
//!    this block was asked for.
//! 5. `piece/assembly.rs:put` copies the block into its piece and hashes what is in order. The last block
//!    brings the verdict.
//! 6. `peer/delivery.rs:report` tells the coordinator what came. `swarm/peer_messages.rs:blocks_came` strikes
//!    the blocks from the table of requests, and `heard` fills the pipeline again, as in step 1.
//! 7. If the piece is good, `report` also gives it to `storage/writer.rs:work`, which writes it and says
//!    `Stored` (aside, where its bytes go: `storage/mod.rs:write`, `storage/files.rs:write`).
//! 8. `swarm/download/completion.rs:stored` now counts the piece as ours, and `tell_have` tells the peers.
//!
//! Until it comes, a block stands in three books. The *lease* tells the coordinator that the block is taken,
//! so that no other peer is asked for it. The *ledger* tells the reading half that this peer was asked for
//! it, so that no peer can send what it likes. The *assembly* knows which bytes of the piece are there and
//! who sent them, so that the sender of a wrong one is found. Each book is where its question comes up, and
//! no thread has to ask another one for each of a thousand blocks a second.
//!
//! # A block up
//!
//! 1. `swarm/upload/choking.rs:rechoke` asks the choker which peers to serve (aside, how it chooses: the
//!    header of `strategy/upload/choker/mod.rs`), and orders *unchoke*.
//! 2. `peer/inbound.rs:requested` hears a request and enters it (`peer/requests/mod.rs:request`).
//!    `peer/requests/upload_queue.rs:request` decides whether it will be served.
//! 3. `peer/outbox/mod.rs:wait` waits until the upload limit lets the block go (aside, whose turn it is:
//!    `net/throttle.rs`).
//! 4. `peer/outbox/blocks.rs:send_block` finds the bytes (`storage/served_pieces/mod.rs:find`) and has
//!    `net/peer_stream/tcp.rs:send_file` send them from the page cache.
//! 5. Four times a second, `swarm/upload/accounting.rs:count_uploads` collects what was sent to which peer.
//!
//! # A magnet link to its first block
//!
//! 1. `session/metadata.rs:for_run` has `session/peer_sources.rs:start` ask the trackers of the link, the
//!    hash table and the local network for peers. What they find goes into the torrent's inbox, which
//!    `magnet/search.rs:run` empties for as long as there is no torrent.
//! 2. `magnet/search.rs:connect` starts a worker for each peer, and `magnet/worker.rs:run` asks that peer for
//!    metadata (aside, which piece to ask of which peer, and which one to believe: the header of
//!    `magnet/metadata_assembly/mod.rs`; and what version 2 of torrents has asked for beside it: that of
//!    `magnet/layers.rs`).
//! 3. The worker whose answer completes the metadata hands its connection over
//!    (`magnet/worker.rs:hand_over`). That ends the search (`magnet/search.rs:is_complete`).
//! 4. `metainfo/magnet/mod.rs:torrent` makes a torrent of the metadata, and the run goes on as any other.
//! 5. `swarm/peers/incoming.rs:handed_over` starts a worker of two threads on that connection. What the peer
//!    had said about its pieces is heard now (`peer/inbound.rs:listen`), and the story of a block down
//!    begins.
//!
//! # A lookup in the hash table
//!
//! 1. `session/peer_sources.rs:start` tells the DHT which torrent we want (`discovery/dht/mod.rs:search`).
//!    This wakes a thread, `discovery/dht/service.rs:serve`, which gives its *node* the commands, the packets
//!    and the time, and does what the node wants done.
//! 2. When it is time (`discovery/dht/node/search_pace.rs:due`),
//!    `discovery/dht/node/searches.rs:start_searches` starts a lookup from the closest nodes that we know
//!    (aside, how they are kept: `discovery/dht/table/mod.rs`).
//! 3. `discovery/dht/lookup/mod.rs:next` chooses the node to ask next, `discovery/dht/node/lookups.rs:step`
//!    turns the choice into a query, and `discovery/dht/node/transactions.rs:ask` sends it and waits (aside,
//!    its bytes: `discovery/dht/packet/mod.rs`).
//! 4. The answer comes in at `discovery/dht/node/mod.rs:receive`, and through `continue_lookup` to
//!    `discovery/dht/lookup/mod.rs:answered`. It names nodes that are closer. Steps 3 and 4 repeat until the
//!    eight closest have answered.
//! 5. Peers in an answer go to the coordinator as they come, as `Event::Found`
//!    (`discovery/dht/service.rs:carry_out`). At the end the nodes closest to the torrent are told that we
//!    have a part in it, with the token that each gave us (`discovery/dht/node/searches.rs:search_ended`).
//! 6. Others ask us as well: `discovery/dht/node/server.rs:answer`, out of `discovery/dht/peer_store.rs`.
//!
//! # An announce
//!
//! 1. `tracker/announcer.rs:run` waits for its time, and `announce` asks. `tracker/tier.rs:turn` says which
//!    tracker of the tier to ask, and with which event.
//! 2. `tracker/client.rs:announce` chooses between `tracker/http.rs:announce` and
//!    `tracker/udp/mod.rs:announce`; what we say is in `tracker/announce.rs`.
//! 3. `tracker/answer.rs:parse` reads the answer, or `of_udp` that of a UDP tracker.
//!    `tracker/tier.rs:answered` notes it, and `tracker/pace.rs:due` says when the next announce is due.
//! 4. `session/peer_sources.rs:announce` has started the announcers and given them a function to call with
//!    each answer, `session/tracker_answers.rs:tell`. It sends the peers to the coordinator, which keeps them as
//!    candidates (`strategy/peers/dialer.rs:found`); and here the first story begins again.

pub mod address;
pub mod bencode;
pub mod chance;
pub mod cli;
pub mod discovery;
pub mod magnet;
pub mod message;
pub mod metainfo;
pub mod net;
pub mod peer;
pub mod piece;
pub mod port_mapping;
pub mod session;
pub mod storage;
pub mod strategy;
pub mod swarm;
pub mod text;
pub mod thread;
pub mod tracker;
pub mod web_seed;
pub mod wire;
