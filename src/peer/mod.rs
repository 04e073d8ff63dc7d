//! One connected peer: the worker.
//!
//! A blocked thread can wait for one thing, and a connection has two: bytes from the peer and orders
//! from the coordinator. So a worker is two threads over one [`Line`]: *inbound* connects, greets and
//! then reads for as long as the connection lives; *outbox* writes what it is ordered to. Neither
//! polls, and a peer that does not read cannot keep us from hearing it.
//!
//! A worker knows its peer and nothing else. What it hears it checks and reports; what to ask for is
//! decided by the coordinator.

mod greeting;
mod inbound;
mod ledger;
mod outbox;
mod read_buffer;

pub use read_buffer::ReadMemory;

use crate::message::{Event, Lease, Order, PeerKey, Write};
use crate::net::{Line, Origin, Throttle};
use crate::piece::{BufferPool, Geometry};
use crossbeam_channel::{Sender, unbounded};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

/// Enough for both halves in a debug build; a router has little to spare. Buffers are on the heap.
const STACK_BYTES: usize = 128 * 1024;

/// What every worker of a torrent shares.
#[derive(Debug)]
pub struct Shared {
    /// Which torrent.
    pub info_hash: [u8; 20],
    /// How we call ourselves.
    pub peer_id: [u8; 20],
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
    pub origin: Origin,
    /// How fast all peers of the process together may be heard.
    pub down: Arc<Throttle>,
    /// Held by every thread that is connected; whoever holds the other end knows when all are gone.
    pub alive: Sender<()>,
}

/// The coordinator's end of a worker. Dropping it ends the worker.
#[derive(Debug)]
pub struct Worker {
    orders: Sender<Order>,
    leases: Sender<Lease>,
    line: Arc<OnceLock<Line>>,
}

impl Worker {
    /// Starts a worker that connects to `address`.
    ///
    /// # Errors
    ///
    /// The system has no more threads.
    pub fn connect(shared: &Arc<Shared>, key: PeerKey, address: SocketAddr) -> io::Result<Worker> {
        // Both channels are short: the coordinator counts the requests on their way, and drops a peer
        // that leaves its orders lying.
        let (orders, outbox_orders) = unbounded();
        let (leases, inbound_leases) = unbounded();
        let line = Arc::new(OnceLock::new());
        let inbound = inbound::Start {
            shared: Arc::downgrade(shared),
            origin: shared.origin,
            key,
            address,
            line: Arc::clone(&line),
            orders: outbox_orders,
            leases: inbound_leases,
        };
        std::thread::Builder::new()
            .name(format!("peer-{}", address.ip()))
            .stack_size(STACK_BYTES)
            .spawn(move || inbound.run())?;
        Ok(Worker { orders, leases, line })
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
    pub fn hang_up(&self, why: &'static str) {
        if let Some(line) = self.line.get() {
            line.hang_up(why);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.hang_up("we are done with it");
    }
}
