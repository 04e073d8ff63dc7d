//! Accepts the connections of peers that connect to us.
//!
//! Two threads, `listen-4` and `listen-6`, block in `accept`. Each connection gets a short-lived thread of
//! its own, `incoming-ADDRESS`, that reads its handshake and hands it to the coordinator of the torrent it is
//! for. Nothing is answered here but a key exchange, if it begins with one: a peer that asks for a torrent that we do
//! not have learns nothing.
//!
//! Peers that come over uTP take the same way, on the thread that receives their packets (`net/utp/mod.rs`) up to here.
//!
//! Strangers decide how many connections come, so everything has a bound: 128 handshakes at once,
//! [`DEADLINE`] for each, 256 threads in all, and 256 connections in the inbox of one coordinator; fewer
//! where the process may have few files or threads ([`IncomingBounds`]). Which handshake ends where there
//! are too many, the [`PendingHandshakes`] say; who may not even begin one, the [`Arrivals`].

mod incoming_handshake;
mod turned_away;

use super::arrivals::Arrivals;
use super::pending_handshakes::PendingHandshakes;
use crate::address::canonical;
use crate::message::{Event, HangUp, InboxSlots};
use crate::metainfo::InfoHash;
use crate::net::tap::Tap;
use crate::net::{self, BindAddress, ListeningSocket, PeerStream, Ports, Utp};
use crate::strategy::Encryption;
use crate::text::reason;
use crate::thread;
use crate::thread::lock;
use crate::wire::mse::{TorrentMark, torrent_mark};
use crossbeam_channel::{Receiver, Sender, bounded};
use incoming_handshake::IncomingHandshake;
use log::debug;
use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use turned_away::TurnedAway;

/// How long a handshake may take, from the connection to the coordinator's inbox.
const DEADLINE: Duration = Duration::from_secs(10);
/// Descriptors and threads for incoming connections, where there are enough.
pub const USUAL_DESCRIPTORS: usize = 512;
/// How long we accept no connection when the system has no room for one.
const REST: Duration = Duration::from_millis(250);
/// How long the end waits for the threads of connections, which are told to end.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(1);
const STACK_BYTES: usize = 128 * 1024;

/// Accepts connections until it is dropped.
#[derive(Debug)]
pub struct Listener {
    port: u16,
    state: Arc<ListenerState>,
    accepting: Vec<AcceptThread>,
    /// Where peers come in over uTP, if they do.
    utp: Option<Utp>,
    /// Dropped first of all: it wakes the threads that wait for a full inbox.
    closing: Option<Sender<()>>,
}

/// One socket and the thread that waits at it.
#[derive(Debug)]
struct AcceptThread {
    socket: Arc<ListeningSocket>,
    thread: JoinHandle<()>,
}

/// How many incoming connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct IncomingBounds {
    /// Those whose handshake is not complete.
    pending: usize,
    /// Those that have a thread, including those that are about to end.
    threads: usize,
    /// Those that wait in one coordinator's inbox. When there are more, it does not look at them now (it may
    /// be checking what is on the disk), and each one that waits takes a descriptor away from it. Other events
    /// take none, so a peer that floods the inbox with messages keeps no other peer out: its connection waits
    /// for room, as long as its handshake's deadline lets it.
    waiting: usize,
}

impl IncomingBounds {
    /// Of this many descriptors, half are for connections that have a thread, and half for those that wait.
    fn of(descriptors: usize) -> IncomingBounds {
        let pending = (descriptors / 4).clamp(1, 128);
        IncomingBounds { pending, threads: 2 * pending, waiting: 2 * pending }
    }
}

/// A torrent for which connections are accepted, until this is dropped.
#[derive(Debug)]
pub struct Registration {
    state: Arc<ListenerState>,
    info_hash: InfoHash,
    events: Sender<Event>,
}

/// What the threads share.
#[derive(Debug)]
struct ListenerState {
    bounds: IncomingBounds,
    /// Which connections we take.
    encryption: Encryption,
    /// Who sees what is said over them.
    tap: Tap,
    /// Who may connect to us.
    arrivals: Mutex<Arrivals>,
    /// Where the coordinators are.
    inboxes: Mutex<HashMap<InfoHash, Inbox>>,
    handshakes: Mutex<Connections>,
    /// The listener has closed, or a thread has ended.
    changed: Condvar,
    /// Disconnects when the listener ends.
    closed: Receiver<()>,
}

/// The inbox of one coordinator, and how many connections wait in it.
#[derive(Debug)]
struct Inbox {
    events: Sender<Event>,
    slots: InboxSlots,
    /// By which a peer names the torrent in a key exchange.
    mark: TorrentMark,
}

/// The connections that have a thread.
#[derive(Debug, Default)]
struct Connections {
    /// Those whose handshake is not complete.
    pending: PendingHandshakes<Arc<PeerStream>>,
    threads: usize,
    closed: bool,
}

impl Listener {
    /// Opens the port and begins to accept connections: at `bind_address`'s address, or at all addresses of
    /// this host, IPv4 and IPv6, whichever it has.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AddrInUse`] where another program has the port, or what the system says.
    pub fn start(ports: Ports, bind_address: BindAddress) -> io::Result<Listener> {
        Listener::with(ports, bind_address, USUAL_DESCRIPTORS, Encryption::default(), Tap::default())
    }

    /// The same, with this many descriptors and threads at most for connections that are not yet a peer's, and
    /// for those that begin as `encryption` allows. What is said over them is seen at `tap`.
    ///
    /// # Errors
    ///
    /// As [`Listener::start`].
    pub fn with(
        ports: Ports,
        bind_address: BindAddress,
        descriptors: usize,
        encryption: Encryption,
        tap: Tap,
    ) -> io::Result<Listener> {
        let (port, sockets) = net::listen(ports, bind_address)?;
        let (closing, closed) = bounded(0);
        let state = Arc::new(ListenerState {
            bounds: IncomingBounds::of(descriptors),
            encryption,
            tap,
            arrivals: Mutex::new(Arrivals::new(Instant::now())),
            inboxes: Mutex::default(),
            handshakes: Mutex::default(),
            changed: Condvar::new(),
            closed,
        });
        // Where a thread cannot be started, dropping this ends those that are.
        let mut listener = Listener { port, state, accepting: Vec::new(), utp: None, closing: Some(closing) };
        for socket in sockets {
            let socket = Arc::new(socket);
            let name = if socket.address().is_ipv4() { "listen-4" } else { "listen-6" };
            let (at, state) = (Arc::clone(&socket), Arc::clone(&listener.state));
            let thread = thread::spawn(name, STACK_BYTES, move || state.accept(&at))?;
            listener.accepting.push(AcceptThread { socket, thread });
        }
        Ok(listener)
    }

    /// The port, the same for IPv4 and IPv6.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on connections are accepted over uTP as well.
    pub fn listen_at(&mut self, utp: Utp) {
        let state = Arc::clone(&self.state);
        utp.listen(move |stream, address| {
            // The thread has others to serve.
            if let Err(error) = state.admit(|| Ok(stream), address, Duration::ZERO) {
                debug!("cannot accept a connection over uTP: {}", reason(&error));
            }
        });
        self.utp = Some(utp);
    }

    /// For some time no connection from this network is accepted.
    pub fn refuse(&self, from: IpAddr) {
        lock(&self.state.arrivals).refuse(from, Instant::now());
    }

    /// A connection that was accepted from here has ended and was of no use to either side. It has told us of so many
    /// pieces one by one.
    pub fn came_in_vain(&self, from: IpAddr, told: u32) {
        self.state.came_in_vain(from, told);
    }

    /// From now on connections for this torrent go to its coordinator, as [`Event::Incoming`], until the
    /// registration is dropped. Where a torrent is registered twice, the later registration counts.
    pub fn register(&self, info_hash: InfoHash, events: Sender<Event>) -> Registration {
        let inbox =
            Inbox { events: events.clone(), slots: InboxSlots::default(), mark: torrent_mark(info_hash) };
        self.state.inboxes().insert(info_hash, inbox);
        Registration { state: Arc::clone(&self.state), info_hash, events }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.closing = None;
        self.utp.iter().for_each(Utp::stop_listening);
        {
            let mut handshakes = self.state.handshakes();
            handshakes.closed = true;
            handshakes.pending.iter().for_each(|stream| stream.hang_up(HangUp::NotAccepting));
        }
        self.state.changed.notify_all();
        for AcceptThread { socket, thread } in self.accepting.drain(..) {
            socket.stop();
            let _ = thread.join();
        }
        let running = |handshakes: &mut Connections| handshakes.threads > 0;
        let _ = self.state.changed.wait_timeout_while(self.state.handshakes(), SHUTDOWN_DEADLINE, running);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut inboxes = self.state.inboxes();
        if inboxes.get(&self.info_hash).is_some_and(|inbox| inbox.events.same_channel(&self.events)) {
            inboxes.remove(&self.info_hash);
        }
    }
}

impl ListenerState {
    fn inboxes(&self) -> MutexGuard<'_, HashMap<InfoHash, Inbox>> {
        lock(&self.inboxes)
    }

    /// The torrent of ours that has this mark.
    fn torrent_of(&self, mark: TorrentMark) -> Option<InfoHash> {
        let inboxes = self.inboxes();
        inboxes.iter().find(|(_, inbox)| inbox.mark == mark).map(|(info_hash, _)| *info_hash)
    }

    fn handshakes(&self) -> MutexGuard<'_, Connections> {
        lock(&self.handshakes)
    }

    /// The life of a thread that accepts connections.
    fn accept(self: &Arc<ListenerState>, socket: &ListeningSocket) {
        loop {
            let accepted = socket.accept();
            if self.handshakes().closed {
                return;
            }
            let admitted = match accepted {
                Ok((stream, address)) => {
                    self.admit(|| PeerStream::accepted(stream), canonical(address), DEADLINE)
                }
                // A peer that has left again, not something that lasts.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = admitted {
                debug!("cannot accept a connection: {}", reason(&error));
                self.wait_while(REST, |_| true);
            }
            let crowd_waits = lock(&self.arrivals).crowd_waits();
            crowd_waits.into_iter().for_each(|wait| self.wait_while(wait, |_| true));
        }
    }

    /// Gives a connection its thread. Waits for one at most so long. A connection that is turned away is not made a stream
    /// first: that would cost as much as to accept it.
    fn admit(
        self: &Arc<ListenerState>,
        stream: impl FnOnce() -> io::Result<PeerStream>,
        address: SocketAddr,
        patience: Duration,
    ) -> io::Result<()> {
        let now = Instant::now();
        if !lock(&self.arrivals).may_enter(address.ip(), now) {
            return Ok(());
        }
        let deadline = now + DEADLINE;
        // It fails where the peer has left again.
        let Ok(stream) = stream().map(Arc::new) else { return Ok(()) };
        stream.watched_by(&self.tap, address, true);
        self.wait_while(patience, |handshakes| handshakes.threads >= self.bounds.threads);
        let number = {
            let mut handshakes = self.handshakes();
            if handshakes.closed || handshakes.threads >= self.bounds.threads {
                return Err(io::Error::other("too many earlier connections still have their threads"));
            }
            handshakes.threads += 1;
            let (number, crowded_out) =
                handshakes.pending.add(address.ip(), Arc::clone(&stream), self.bounds.pending);
            crowded_out.into_iter().for_each(|stream| stream.hang_up(HangUp::TooManyHandshakes));
            number
        };
        let slot = ThreadSlot { state: Arc::clone(self), number };
        let handshake = IncomingHandshake { thread: slot, address, stream, deadline };
        let name = format!("incoming-{}", address.ip());
        let spawned = thread::spawn(name, STACK_BYTES, move || handshake.run());
        // Where there is no thread, the closure is dropped, and the thread's slot with it.
        spawned.map(drop)
    }

    fn came_in_vain(&self, from: IpAddr, told: u32) {
        lock(&self.arrivals).came_in_vain(from, told, Instant::now());
    }

    /// Waits while `condition` holds, until the listener closes, and not longer than this.
    fn wait_while(&self, longest: Duration, condition: impl Fn(&Connections) -> bool) {
        let wait = |handshakes: &mut Connections| !handshakes.closed && condition(handshakes);
        let _ = self.changed.wait_timeout_while(self.handshakes(), longest, wait);
    }

    /// Whether the connection was still among the pending ones. Now it is not.
    fn remove(&self, number: u64) -> bool {
        self.handshakes().pending.remove(number)
    }
}

/// One of the threads that are counted. Given back when dropped.
struct ThreadSlot {
    state: Arc<ListenerState>,
    number: u64,
}

impl Drop for ThreadSlot {
    fn drop(&mut self) {
        self.state.remove(self.number);
        self.state.handshakes().threads -= 1;
        self.state.changed.notify_all();
    }
}

#[cfg(test)]
mod tests;
