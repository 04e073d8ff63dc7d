//! The port that peers come in at.
//!
//! Two threads, `listen-4` and `listen-6`, block in `accept`. Each connection gets a short thread of its
//! own, `incoming-ADDRESS`, that reads its handshake and hands it to the coordinator of the torrent it is
//! for. Nothing is answered here: whoever asks for a torrent that we do not have learns nothing.
//!
//! Strangers decide how many come, so everything has a bound: [`MAX_UNFINISHED`] handshakes at once,
//! [`DEADLINE`] for each, [`MAX_THREADS`] in all. Where there are too many, the one that has been
//! unfinished for the longest goes, because whoever opens connections to hold them would else keep all
//! others out.

use super::ports::{self, Ports};
use super::{BindAddress, PeerStream};
use crate::address::canonical;
use crate::message::{Event, HangUp, Incoming};
use crate::metainfo::InfoHash;
use crate::wire::{HANDSHAKE_LENGTH, Handshake};
use crossbeam_channel::{Receiver, Sender, bounded, select};
use log::debug;
use socket2::SockRef;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// How long a handshake may take, from the connection to the coordinator's inbox.
const DEADLINE: Duration = Duration::from_secs(10);
/// Connections whose handshake is not complete.
const MAX_UNFINISHED: usize = 128;
/// Threads for connections, those included that are about to end.
const MAX_THREADS: usize = 2 * MAX_UNFINISHED;
/// Events in a coordinator's inbox, from which on nobody is added: it does not look at them now (it may be
/// that it checks what is on the disk), and each connection that waits takes a descriptor away from it.
const MAX_WAITING: usize = 256;
/// How long no connection is taken when the system has no room for one.
const REST: Duration = Duration::from_millis(250);
/// How long the end waits for the threads of connections, which are told to end.
const FAREWELL: Duration = Duration::from_secs(1);
const STACK_BYTES: usize = 128 * 1024;

/// Takes connections until it is dropped.
#[derive(Debug)]
pub struct Listener {
    port: u16,
    desk: Arc<Desk>,
    doors: Vec<Door>,
    /// Dropped first of all: it wakes those who wait for a full inbox.
    closing: Option<Sender<()>>,
}

/// One socket and the thread that waits at it.
#[derive(Debug)]
struct Door {
    socket: Arc<TcpListener>,
    thread: JoinHandle<()>,
}

/// A torrent for which connections are taken, until this is dropped.
#[derive(Debug)]
pub struct Registration {
    desk: Arc<Desk>,
    info_hash: InfoHash,
    events: Sender<Event>,
}

/// What the threads share.
#[derive(Debug)]
struct Desk {
    /// Where the coordinators are.
    torrents: Mutex<HashMap<InfoHash, Sender<Event>>>,
    hall: Mutex<Hall>,
    /// The hall has closed, or a thread has ended.
    changed: Condvar,
    /// Disconnects when the listener ends.
    closed: Receiver<()>,
}

/// Who has come and is not gone.
#[derive(Debug, Default)]
struct Hall {
    /// The connections whose handshake is not complete, the oldest in front.
    unfinished: VecDeque<(u64, Arc<PeerStream>)>,
    /// Names the next connection.
    next: u64,
    threads: usize,
    closed: bool,
}

impl Listener {
    /// Opens the port and begins to take connections: at `bind_address`'s address, or at all addresses of this
    /// host, IPv4 and IPv6, whichever it has.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AddrInUse`] where another program has the port, or what the system says.
    pub fn start(ports: Ports, bind_address: BindAddress) -> io::Result<Listener> {
        let (port, sockets) = ports::open(ports, bind_address)?;
        let (closing, closed) = bounded(0);
        let desk = Arc::new(Desk {
            torrents: Mutex::default(),
            hall: Mutex::default(),
            changed: Condvar::new(),
            closed,
        });
        // Where a thread cannot be started, dropping this ends those that are.
        let mut listener = Listener { port, desk, doors: Vec::new(), closing: Some(closing) };
        for socket in sockets {
            let socket = Arc::new(socket);
            let name = if socket.local_addr()?.is_ipv4() { "listen-4" } else { "listen-6" };
            let (door, desk) = (Arc::clone(&socket), Arc::clone(&listener.desk));
            let thread = Builder::new()
                .name(name.to_owned())
                .stack_size(STACK_BYTES)
                .spawn(move || desk.welcome(&door))?;
            listener.doors.push(Door { socket, thread });
        }
        Ok(listener)
    }

    /// The port, the same for IPv4 and IPv6.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on connections for this torrent go to its coordinator, as [`Event::Incoming`], until the
    /// registration is dropped. Where a torrent is registered twice, the later one counts.
    pub fn register(&self, info_hash: InfoHash, events: Sender<Event>) -> Registration {
        self.desk.torrents().insert(info_hash, events.clone());
        Registration { desk: Arc::clone(&self.desk), info_hash, events }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.closing = None;
        {
            let mut hall = self.desk.hall();
            hall.closed = true;
            for (_, line) in &hall.unfinished {
                line.hang_up(HangUp::NotAccepting);
            }
        }
        self.desk.changed.notify_all();
        for Door { socket, thread } in self.doors.drain(..) {
            // On Linux this wakes the thread. Where it does not, a connection does.
            if SockRef::from(&*socket).shutdown(Shutdown::Both).is_err()
                && let Ok(address) = socket.local_addr()
            {
                let _ = TcpStream::connect_timeout(&ports::from_inside(address), FAREWELL);
            }
            let _ = thread.join();
        }
        let hall = self.desk.hall();
        let _ = self.desk.changed.wait_timeout_while(hall, FAREWELL, |hall| hall.threads > 0);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut torrents = self.desk.torrents();
        if torrents.get(&self.info_hash).is_some_and(|events| events.same_channel(&self.events)) {
            torrents.remove(&self.info_hash);
        }
    }
}

impl Desk {
    fn torrents(&self) -> MutexGuard<'_, HashMap<InfoHash, Sender<Event>>> {
        self.torrents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hall(&self) -> MutexGuard<'_, Hall> {
        self.hall.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of a thread that takes connections.
    fn welcome(self: &Arc<Desk>, socket: &TcpListener) {
        loop {
            let accepted = socket.accept();
            if self.hall().closed {
                return;
            }
            let admitted = match accepted {
                Ok((stream, address)) => self.admit(stream, canonical(address)),
                // One that has left again, not something that lasts.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = admitted {
                debug!("cannot take a connection: {error}");
                self.wait_while(REST, |_| true);
            }
        }
    }

    /// Gives a connection its thread.
    fn admit(self: &Arc<Desk>, stream: TcpStream, address: SocketAddr) -> io::Result<()> {
        let deadline = Instant::now() + DEADLINE;
        // It fails where the peer has left again.
        let Ok(line) = PeerStream::accepted(stream).map(Arc::new) else { return Ok(()) };
        self.wait_while(DEADLINE, |hall| hall.threads >= MAX_THREADS);
        let number = {
            let mut hall = self.hall();
            if hall.closed || hall.threads >= MAX_THREADS {
                return Err(io::Error::other("too many that came before are still being looked at"));
            }
            while hall.unfinished.len() >= MAX_UNFINISHED
                && let Some((_, oldest)) = hall.unfinished.pop_front()
            {
                oldest.hang_up(HangUp::TooManyHandshakes);
            }
            hall.next += 1;
            hall.threads += 1;
            let number = hall.next;
            hall.unfinished.push_back((number, Arc::clone(&line)));
            number
        };
        let place = Place { desk: Arc::clone(self), number };
        let visit = Visit { place, address, line, deadline };
        let spawned = Builder::new()
            .name(format!("incoming-{}", address.ip()))
            .stack_size(STACK_BYTES)
            .spawn(move || visit.run());
        // Where there is no thread, the visit is dropped, and with it its place in the hall.
        spawned.map(drop)
    }

    /// Waits while the hall is so, until it closes, and not longer than this.
    fn wait_while(&self, longest: Duration, so: impl Fn(&Hall) -> bool) {
        let wait = |hall: &mut Hall| !hall.closed && so(hall);
        let _ = self.changed.wait_timeout_while(self.hall(), longest, wait);
    }

    /// Whether the connection was still among the unfinished ones. Now it is not.
    fn leave(&self, number: u64) -> bool {
        let unfinished = &mut self.hall().unfinished;
        let before = unfinished.len();
        unfinished.retain(|(other, _)| *other != number);
        unfinished.len() < before
    }
}

/// A thread's place in the hall. Given up when dropped.
struct Place {
    desk: Arc<Desk>,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.desk.leave(self.number);
        self.desk.hall().threads -= 1;
        self.desk.changed.notify_all();
    }
}

/// A connection whose handshake is not complete.
struct Visit {
    place: Place,
    address: SocketAddr,
    line: Arc<PeerStream>,
    deadline: Instant,
}

impl Visit {
    /// The life of its thread.
    fn run(self) {
        let address = self.address;
        if let Err(why) = self.hear().and_then(|(events, handshake)| self.hand_over(&events, handshake)) {
            debug!("{address}: came in and is let go: {why}");
        }
    }

    /// Reads the handshake, and finds whose it is.
    fn hear(&self) -> Result<(Sender<Event>, Handshake), TurnedAway> {
        let mut bytes = [0; HANDSHAKE_LENGTH];
        self.line.read_exact_by(&mut bytes, self.deadline).map_err(|error| {
            let reason = match error.kind() {
                ErrorKind::TimedOut | ErrorKind::WouldBlock => TurnedAway::NoHandshake,
                ErrorKind::UnexpectedEof => TurnedAway::Closed,
                _ => TurnedAway::Lost,
            };
            self.line.hung_up().map_or(reason, TurnedAway::HungUp)
        })?;
        let handshake = Handshake::from_wire(&bytes).map_err(|_| TurnedAway::NotBitTorrent)?;
        let events = self.place.desk.torrents().get(&handshake.info_hash).cloned();
        Ok((events.ok_or(TurnedAway::UnknownTorrent)?, handshake))
    }

    /// Gives the connection to its coordinator.
    fn hand_over(self, events: &Sender<Event>, handshake: Handshake) -> Result<(), TurnedAway> {
        let Visit { place, address, line, deadline } = self;
        if events.len() >= MAX_WAITING {
            return Err(TurnedAway::Busy);
        }
        // A connection that is no longer among the unfinished ones cannot be hung up from outside.
        if !place.desk.leave(place.number) {
            return Err(TurnedAway::HungUp(line.hung_up().unwrap_or(HangUp::TooManyHandshakes)));
        }
        // So this is the only hold on the stream.
        let stream = Arc::into_inner(line).ok_or(TurnedAway::HungUp(HangUp::NotAccepting))?.into_stream();
        let incoming = Event::Incoming(Incoming { address, stream, handshake });
        let left = deadline.saturating_duration_since(Instant::now());
        select! {
            send(events, incoming) -> sent => sent.map_err(|_| TurnedAway::TorrentEnded),
            recv(place.desk.closed) -> _ => Err(TurnedAway::HungUp(HangUp::NotAccepting)),
            default(left) => Err(TurnedAway::Busy),
        }
    }
}

/// Why a connection that came in is not passed on to a coordinator.
#[derive(Clone, Copy, Debug)]
enum TurnedAway {
    /// It took too long over its handshake.
    NoHandshake,
    /// The peer closed it before its handshake was complete.
    Closed,
    /// It broke before the handshake was complete.
    Lost,
    /// Its first bytes are those of another protocol.
    NotBitTorrent,
    /// No run of ours has this torrent.
    UnknownTorrent,
    /// The coordinator has more to do than it can.
    Busy,
    /// The run of this torrent has just ended.
    TorrentEnded,
    /// We hung up.
    HungUp(HangUp),
}

impl fmt::Display for TurnedAway {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TurnedAway::NoHandshake => out.write_str("no handshake in 10 s"),
            TurnedAway::Closed => out.write_str("it closed before its handshake was complete"),
            TurnedAway::Lost => out.write_str("the connection broke before its handshake was complete"),
            TurnedAway::NotBitTorrent => out.write_str("its first bytes are not a BitTorrent handshake"),
            TurnedAway::UnknownTorrent => out.write_str("it wants a torrent that we do not have"),
            TurnedAway::Busy => out.write_str("its torrent is busy with other events"),
            TurnedAway::TorrentEnded => out.write_str("its torrent has just ended"),
            TurnedAway::HungUp(why) => write!(out, "{why}"),
        }
    }
}
