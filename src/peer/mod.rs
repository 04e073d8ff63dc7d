//! One connected peer: the worker.
//!
//! A blocked thread can wait for one thing, and a connection has two: bytes from the peer and orders
//! from the coordinator. So a worker is two threads over one [`PeerStream`]: *inbound* connects, greets and
//! then reads for as long as the connection lives; *outbox* writes what it is ordered to. Neither
//! polls, and a peer that does not read cannot keep us from hearing it.
//!
//! A worker knows its peer and nothing else. What it hears it checks and reports; what to ask for, and
//! whether the peer gets what it asks for, is decided by the coordinator. Between the two halves stands
//! the `Demand`: what the peer asked for and did not get yet.

mod demand;
mod greeting;
mod inbound;
mod ledger;
mod outbox;
mod read_buffer;

pub use demand::Account;
pub use greeting::{Opening, Said, greet};
pub use read_buffer::{ReadBuffer, ReadMemory};

use crate::message::{Event, HandedOver, HangUp, Incoming, Lease, Order, PeerKey, Write};
use crate::metainfo::InfoHash;
use crate::metainfo::Metainfo;
use crate::net::{BindAddress, PeerStream, Throttle};
use crate::piece::{BufferPool, Geometry};
use crate::storage::ServedPieces;
use crate::wire::PeerId;
use crate::wire::metadata;
use crossbeam_channel::{Receiver, Sender, unbounded};
use demand::Demand;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

/// Enough for both halves in a debug build; a router has little to spare. Buffers are on the heap.
pub const STACK_BYTES: usize = 128 * 1024;

/// How we call ourselves in the extension protocol.
pub const CLIENT: &str = concat!("femtotorrent ", env!("CARGO_PKG_VERSION"));

/// What every worker of a torrent shares.
pub struct Shared {
    /// Which torrent.
    pub info_hash: InfoHash,
    /// How we call ourselves.
    pub peer_id: PeerId,
    /// All that is known of it: others may ask for its metadata (BEP 9).
    pub metainfo: Arc<Metainfo>,
    /// Whether peers may tell us of others, and hear of others (BEP 11).
    pub pex: bool,
    /// How it is cut.
    pub geometry: Geometry,
    /// The coordinator's inbox.
    pub events: Sender<Event>,
    /// The writer's inbox.
    pub writer: Sender<Write>,
    /// Spare piece buffers.
    pub buffers: Arc<BufferPool>,
    /// What the read buffers may grow to, all together.
    pub read_memory: Arc<ReadMemory>,
    /// The address that connections leave by.
    pub bind_address: BindAddress,
    /// How fast all peers of the process together may be heard.
    pub down: Arc<Throttle>,
    /// How fast blocks may be sent to all peers of the process together.
    pub up: Arc<Throttle>,
    /// What we can send.
    pub served_pieces: Arc<ServedPieces>,
    /// The port at which peers can connect to us.
    pub port: Option<u16>,
    /// The UDP ports of our nodes of the DHT, for IPv4 and IPv6, of which peers may know. Zero where a node
    /// answers nobody.
    pub dht_ports: [Option<u16>; 2],
    /// Held by every thread that is connected; whoever holds the other end knows when all are gone.
    pub alive: Sender<()>,
}

impl Shared {
    /// The port of our node of the DHT that a peer at this address can reach.
    fn dht_port(&self, address: SocketAddr) -> Option<u16> {
        let [four, six] = self.dht_ports;
        if address.is_ipv4() { four } else { six }
    }

    /// The metadata that others may have: none where nothing may be uploaded.
    fn metadata(&self) -> &[u8] {
        if self.up.limit() == Some(0) { &[] } else { self.metainfo.info_bytes() }
    }

    /// A piece of it.
    fn metadata_piece(&self, piece: u32) -> Option<&[u8]> {
        let start = usize::try_from(u64::from(piece).saturating_mul(metadata::PIECE.into())).ok()?;
        let rest = self.metadata().get(start..).filter(|rest| !rest.is_empty())?;
        rest.chunks(metadata::PIECE as usize).next()
    }
}

/// The coordinator's end of a worker. Dropping it ends the worker.
#[derive(Debug)]
pub struct Worker {
    orders: Sender<Order>,
    leases: Sender<Lease>,
    stream: Arc<OnceLock<PeerStream>>,
    demand: Arc<Demand>,
    /// Why we hung up first, whether there was a stream to hang up or not.
    hung_up: Arc<OnceLock<HangUp>>,
}

/// The other end of a [`Worker::detached`], which plays the peer.
#[derive(Debug)]
pub struct DetachedWorker {
    /// What the outbox would do.
    pub orders: Receiver<Order>,
    /// What the inbound half would expect.
    pub leases: Receiver<Lease>,
    demand: Arc<Demand>,
    hung_up: Arc<OnceLock<HangUp>>,
}

impl DetachedWorker {
    /// Why the coordinator hung up, if it did or dropped the worker.
    pub fn hung_up(&self) -> Option<HangUp> {
        self.hung_up.get().copied()
    }

    /// Counts bytes of blocks as sent to the peer, as the outbox would.
    pub fn sent(&self, bytes: u32) {
        self.demand.sent(bytes);
    }
}

impl Worker {
    /// Starts a worker that connects to `address`.
    ///
    /// # Errors
    ///
    /// The system has no more threads.
    pub fn connect(shared: &Arc<Shared>, key: PeerKey, address: SocketAddr) -> io::Result<Worker> {
        let opening = Opening::Connect { bind_address: shared.bind_address };
        Worker::start(shared, key, address, opening)
    }

    /// Starts a worker for a peer that has connected to us.
    ///
    /// # Errors
    ///
    /// The system has no more threads.
    pub fn accept(shared: &Arc<Shared>, key: PeerKey, incoming: Incoming) -> io::Result<Worker> {
        Worker::start(shared, key, incoming.address, Opening::Answer(incoming))
    }

    /// Starts a worker for a peer that has given us the metadata.
    ///
    /// # Errors
    ///
    /// The system has no more threads.
    pub fn go_on(shared: &Arc<Shared>, key: PeerKey, handed: HandedOver) -> io::Result<Worker> {
        Worker::start(shared, key, handed.address, Opening::GoOn(handed))
    }

    fn start(
        shared: &Arc<Shared>,
        key: PeerKey,
        address: SocketAddr,
        opening: Opening,
    ) -> io::Result<Worker> {
        // Both channels are short: the coordinator counts the requests on their way, and drops a peer
        // that leaves its orders lying.
        let (orders, outbox_orders) = unbounded();
        let (leases, inbound_leases) = unbounded();
        let (stream, demand) = (Arc::<OnceLock<PeerStream>>::default(), Arc::new(Demand::new()));
        let ends = inbound::Ends {
            key,
            address,
            stream: Arc::clone(&stream),
            demand: Arc::clone(&demand),
            orders: outbox_orders,
            wake: orders.clone(),
            leases: inbound_leases,
        };
        let inbound = inbound::Start { shared: Arc::downgrade(shared), opening, ends };
        std::thread::Builder::new()
            .name(format!("peer-{}", address.ip()))
            .stack_size(STACK_BYTES)
            .spawn(move || inbound.run())?;
        Ok(Worker { orders, leases, stream, demand, hung_up: Arc::default() })
    }

    /// A worker without threads and without a peer, and the end that plays both: for tests of the
    /// coordinator and for simulated swarms.
    pub fn detached() -> (Worker, DetachedWorker) {
        let ((orders, outbox_orders), (leases, inbound_leases)) = (unbounded(), unbounded());
        let (demand, hung_up) = (Arc::new(Demand::new()), Arc::<OnceLock<HangUp>>::default());
        let other = DetachedWorker {
            orders: outbox_orders,
            leases: inbound_leases,
            demand: Arc::clone(&demand),
            hung_up: Arc::clone(&hung_up),
        };
        (Worker { orders, leases, stream: Arc::default(), demand, hung_up }, other)
    }

    /// What became of the blocks for this peer since this was asked last.
    pub fn account(&self) -> Account {
        self.demand.account()
    }

    /// Gives the outbox an order. How many it has not looked at yet.
    pub fn order(&self, order: Order) -> usize {
        // It fails where the worker has just ended; its farewell is on its way to us.
        let _ = self.orders.send(order);
        self.orders.len()
    }

    /// How many orders the outbox has not looked at yet.
    pub fn backlog(&self) -> usize {
        self.orders.len()
    }

    /// Tells the inbound half what will be asked for. Comes before the order to ask.
    pub fn lease(&self, lease: Lease) {
        let _ = self.leases.send(lease);
    }

    /// Ends the connection. The worker says farewell with this reason.
    pub fn hang_up(&self, why: HangUp) {
        // It fails where there was a reason before: the first one stays.
        let _ = self.hung_up.set(why);
        if let Some(stream) = self.stream.get() {
            stream.hang_up(why);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.hang_up(HangUp::Released);
    }
}
