//! One connected peer: the worker.
//!
//! A blocked thread can wait for one thing, and a connection has two: bytes from the peer and orders
//! from the coordinator. So a worker is two threads over one [`PeerStream`]: *inbound* greets and then reads
//! for as long as the connection lives; *outbox* writes what it is ordered to. Neither
//! polls, and a peer that does not read cannot keep us from hearing it.
//!
//! A worker knows its peer and nothing else. It checks and reports what it hears; what to request, and
//! whether the peer gets what it requests, is decided by the coordinator. Between the two halves stand
//! the [`PeerRequests`]: what the peer requested and has not got yet.
//!
//! The files, in the order of a connection's life:
//!
//! - [`connector`] connects to peers; at the [`listener`] they come in.
//! - [`connection`] is the life of the first thread: it has the handshakes exchanged ([`greeting`]), perhaps behind a
//!   [`key_exchange`], and starts the second one.
//! - [`inbound`] reads: frames come out of the [`read_buffer`], and are judged one by one ([`message_rules`]) and by
//!   their number ([`message_pace`]). Blocks go through the [`ledger`] into their piece ([`delivery`]).
//! - [`outbox`] writes: the coordinator's orders, and what the peer has requested ([`requests`]).
//! - [`farewell`] tells the coordinator of the end, whatever ended it.

mod arrivals;
mod connection;
mod connection_count;
mod connector;
mod context;
mod delivery;
mod farewell;
mod greeting;
mod inbound;
mod key_exchange;
mod ledger;
mod listener;
mod message_pace;
mod message_rules;
mod outbox;
mod own_addresses;
mod pending_handshakes;
mod read_buffer;
mod requests;

pub use connection_count::{ConnectionCount, CountedConnection};
pub use connector::{Caller, Connector, MAX_HALF_OPEN};
pub use context::TorrentContext;
pub use delivery::Delivery;
pub use farewell::Farewell;
pub use greeting::{AlreadyReceived, ConnectionOrigin, OurHandshake, greet};
pub use ledger::{BlockClaim, Ledger};
pub use listener::{Listener, Registration, USUAL_DESCRIPTORS};
pub use message_pace::MessagePace;
pub use read_buffer::{ReadBuffer, ReadMemory};
pub use requests::{NextUpload, PeerRequests, PendingAnswers, UploadAccount};

use crate::message::{HandedOver, HangUp, Incoming, Lease, Order, PeerKey};
use crate::net::PeerStream;
use crate::net::http::WebClient;
use crate::strategy::Opening;
use crate::thread;
use crate::thread::lock;
use crate::wire::extension::ExtensionHandshake;
use connection::WorkerEnds;
use crossbeam_channel::{Receiver, Sender, unbounded};
use outbox::{Reason, Signal};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

/// Enough for both halves in a debug build; a router has little to spare. Buffers are on the heap.
pub const STACK_BYTES: usize = 128 * 1024;

/// Our name and version, as the extension protocol tells it (BEP 10).
pub const CLIENT: &str = concat!("femtotorrent ", env!("CARGO_PKG_VERSION"));

/// The coordinator's end of a worker. Dropping it ends the worker.
#[derive(Debug)]
pub struct Worker {
    signals: Sender<Signal>,
    leases: Sender<Lease>,
    stream: Arc<OnceLock<PeerStream>>,
    requests: Arc<PeerRequests>,
    /// Why we hung up first, whether there was a stream to hang up or not.
    hung_up: Arc<OnceLock<HangUp>>,
    /// What fetches from a web seed, in place of a stream.
    web: Option<WebClient>,
    /// It counts as a connection of the process.
    counted: Option<CountedConnection>,
    /// Why the next order is given, for whoever listens.
    reasons: Mutex<Vec<Reason>>,
}

/// The other end of a [`Worker::detached`]: a web seed's thread, or what plays a peer.
#[derive(Debug)]
pub struct DetachedWorker {
    signals: Receiver<Signal>,
    /// What the inbound half would expect.
    pub leases: Receiver<Lease>,
    requests: Arc<PeerRequests>,
    hung_up: Arc<OnceLock<HangUp>>,
}

impl DetachedWorker {
    /// Takes out the orders that the outbox would carry out.
    pub fn orders(&self) -> impl Iterator<Item = Order> {
        self.signals.try_iter().filter_map(Signal::into_order)
    }

    /// Waits for the next order, until `due` where there is such a moment. `None` where none came by then, and where
    /// the coordinator hung up.
    pub fn wait_for_order(&self, due: Option<Instant>) -> Option<Order> {
        let signal = match due {
            Some(due) => self.signals.recv_deadline(due).ok(),
            None => self.signals.recv().ok(),
        };
        signal.and_then(Signal::into_order)
    }

    /// Why the coordinator hung up, if it did or dropped the worker.
    pub fn hung_up(&self) -> Option<HangUp> {
        self.hung_up.get().copied()
    }

    /// What the peer requested and has not got yet: both halves of a worker use it, and so does what plays them.
    pub fn requests(&self) -> &PeerRequests {
        &self.requests
    }
}

impl Worker {
    /// Starts a worker for a peer that we have connected to.
    ///
    /// # Errors
    ///
    /// The system has no more threads.
    pub fn greet(
        context: &Arc<TorrentContext>,
        key: PeerKey,
        address: SocketAddr,
        stream: PeerStream,
        opening: Opening,
    ) -> io::Result<Worker> {
        Worker::start(context, key, address, ConnectionOrigin::Outgoing(stream, opening))
    }

    /// Starts a worker for a peer that has connected to us.
    ///
    /// # Errors
    ///
    /// The system has no more threads.
    pub fn accept(context: &Arc<TorrentContext>, key: PeerKey, incoming: Incoming) -> io::Result<Worker> {
        Worker::start(context, key, incoming.address, ConnectionOrigin::Incoming(incoming))
    }

    /// Starts a worker for a peer that has given us the metadata.
    ///
    /// # Errors
    ///
    /// The system has no more threads.
    pub fn go_on(context: &Arc<TorrentContext>, key: PeerKey, handed: HandedOver) -> io::Result<Worker> {
        Worker::start(context, key, handed.address, ConnectionOrigin::HandedOver(handed))
    }

    fn start(
        context: &Arc<TorrentContext>,
        key: PeerKey,
        address: SocketAddr,
        origin: ConnectionOrigin,
    ) -> io::Result<Worker> {
        // Both channels are short: the coordinator counts the requests on their way, and disconnects a peer
        // that leaves its orders lying.
        let (signals, outbox_signals) = unbounded();
        let (leases, inbound_leases) = unbounded();
        let (connected, received) = origin.stream();
        let (stream, requests) = (Arc::new(OnceLock::from(connected)), Arc::<PeerRequests>::default());
        let ends = WorkerEnds {
            key,
            address,
            stream: Arc::clone(&stream),
            requests: Arc::clone(&requests),
            signals: outbox_signals,
            wake: signals.clone(),
            leases: inbound_leases,
        };
        let context = Arc::clone(context);
        let life = move || ends.run(received, context);
        thread::spawn(format!("peer-{}", address.ip()), STACK_BYTES, life)?;
        Ok(Worker::of(signals, leases, stream, requests, Arc::default()))
    }

    /// A worker without threads and without a peer, and the end that plays both: for web seeds, for tests of the
    /// coordinator and for simulated swarms.
    pub fn detached() -> (Worker, DetachedWorker) {
        let ((signals, outbox_signals), (leases, inbound_leases)) = (unbounded(), unbounded());
        let (requests, hung_up) = (Arc::<PeerRequests>::default(), Arc::<OnceLock<HangUp>>::default());
        let other = DetachedWorker {
            signals: outbox_signals,
            leases: inbound_leases,
            requests: Arc::clone(&requests),
            hung_up: Arc::clone(&hung_up),
        };
        (Worker::of(signals, leases, Arc::default(), requests, hung_up), other)
    }

    fn of(
        signals: Sender<Signal>,
        leases: Sender<Lease>,
        stream: Arc<OnceLock<PeerStream>>,
        requests: Arc<PeerRequests>,
        hung_up: Arc<OnceLock<HangUp>>,
    ) -> Worker {
        let (web, counted, reasons) = (None, None, Mutex::default());
        Worker { signals, leases, stream, requests, hung_up, web, counted, reasons }
    }

    /// The same worker, which fetches by this client: it ends with the worker.
    pub fn fetching_by(mut self, client: WebClient) -> Worker {
        self.web = Some(client);
        self
    }

    /// The same worker, which counts as a connection of the process until it is dropped.
    pub fn counted(mut self, connection: CountedConnection) -> Worker {
        self.counted = Some(connection);
        self
    }

    /// What was sent to this peer since this was asked last.
    pub fn account(&self) -> UploadAccount {
        self.requests.account()
    }

    /// Tells whoever listens to the connection why the next messages of this name, so many, are sent. To be called
    /// before they are ordered: it goes with the order, so that it comes when they do.
    pub fn explain(&self, message: &'static str, count: usize, why: impl FnOnce() -> String) {
        if self.stream.get().and_then(PeerStream::tap).is_some() {
            lock(&self.reasons).push(Reason { message, count, why: why() });
        }
    }

    /// Tells whoever watches the connection later what the peer says that it can do.
    pub fn speaks(&self, theirs: &ExtensionHandshake) {
        self.stream.get().into_iter().for_each(|stream| stream.speaks(theirs));
    }

    /// Gives the outbox an order. Returns how many signals the outbox has not looked at yet.
    pub fn order(&self, order: Order) -> usize {
        // It fails where the worker has just ended; its `Gone` is on its way to us.
        let reasons = std::mem::take(&mut *lock(&self.reasons));
        let _ = self.signals.send(match reasons.is_empty() {
            true => Signal::Order(order),
            false => Signal::Explained(Box::new((order, reasons))),
        });
        self.signals.len()
    }

    /// How many signals the outbox has not looked at yet. Nearly all of them are orders.
    pub fn backlog(&self) -> usize {
        self.signals.len()
    }

    /// Tells the inbound half what will be requested. Comes before the order to request it.
    pub fn lease(&self, lease: Lease) {
        let _ = self.leases.send(lease);
    }

    /// Ends the connection. The worker ends with this reason.
    pub fn hang_up(&self, why: HangUp) {
        // It fails where there was a reason before: the first one stays.
        let _ = self.hung_up.set(why);
        if let Some(stream) = self.stream.get() {
            stream.hang_up(why);
        }
        if let Some(client) = &self.web {
            client.clone().abort();
            let _ = self.signals.send(Signal::Requests);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.hang_up(HangUp::Released);
    }
}

#[cfg(test)]
mod tests;
