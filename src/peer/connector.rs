//! Connects to peers: the counterpart of the listener.
//!
//! Runs on the thread `connector`, one for all torrents, which is there while something is to be done: where
//! threads are few, peers need them more. It begins the attempts that the coordinators ask for, as many at
//! once as `strategy/peers/attempt_queue.rs` allows, waits for all of them together, and sends each
//! coordinator what came of its own (`attempts`). Only a peer that has answered gets a worker, with threads and a place
//! among the peers. An attempt goes over TCP, and over uTP where that does not get through (`attempt`).
//!
//! It never waits for a coordinator: what does not fit into an inbox is kept for a moment and sent again. Nor
//! does anything wait for it. When nobody is left who could ask it ends, and drops whatever is still open.

mod attempt;
mod attempts;

use super::STACK_BYTES;
use super::own_addresses::OwnAddresses;
use crate::address::canonical;
use crate::message::{Event, PeerKey};
use crate::net::half_open::{Alarm, Bell, ConnectError, HalfOpen};
use crate::net::proxy::Proxies;
use crate::net::tap::Tap;
use crate::net::{BindAddress, OwnPorts, Utp};
use crate::strategy::{AttemptQueue, UtpAnswers};
use crate::thread;
use crate::thread::lock;
use attempts::Attempts;
use crossbeam_channel::{Sender, unbounded};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Connections that are half-open at once, where the system allows as many descriptors. A router that was made
/// in the last ten years keeps many times that.
pub const MAX_HALF_OPEN: usize = 128;
/// When an inbox is full, how long until we try again.
const INBOX_PAUSE: Duration = Duration::from_millis(20);

/// Connects to peers, for all torrents of a process.
#[derive(Clone, Debug)]
pub struct Connector {
    way: Way,
    most: usize,
    own: Arc<OwnAddresses>,
    running: Arc<Mutex<Running>>,
}

/// How connections leave this host.
#[derive(Clone, Debug)]
struct Way {
    bind_address: BindAddress,
    proxies: Proxies,
    tap: Tap,
    /// Where peers may be reached over uTP, if they are.
    utp: Option<Utp>,
    utp_answers: Arc<Mutex<UtpAnswers>>,
}

/// The thread, while there is one.
#[derive(Debug, Default)]
struct Running {
    line: Option<Line>,
    last_caller: u32,
}

/// The way to the thread.
#[derive(Debug)]
struct Line {
    commands: Sender<Command>,
    /// Nobody else keeps it, so it rings when this is dropped.
    bell: Arc<Bell>,
}

/// One torrent's way to have connections made. Dropping it gives up those that are being made.
#[derive(Debug)]
pub struct Caller {
    number: u32,
    connector: Connector,
    events: Sender<Event>,
}

#[derive(Debug)]
enum Command {
    Connect(u32, Wanted),
    /// Nothing more is wanted by this caller.
    Leave(u32),
}

/// An attempt that is to be made.
#[derive(Debug)]
struct Wanted {
    key: PeerKey,
    address: SocketAddr,
    events: Sender<Event>,
}

impl Connector {
    /// A connector that leaves by this address and has at most so many connections half-open. We do not listen.
    pub fn new(bind_address: BindAddress, most: usize) -> Connector {
        Connector::beside(OwnPorts::default(), bind_address, most)
    }

    /// The same where we have these ports: it connects to ours at no address of this host, nor to that of the gateway.
    pub fn beside(ports: OwnPorts, bind_address: BindAddress, most: usize) -> Connector {
        let own = Arc::new(OwnAddresses::new(bind_address, ports));
        let (proxies, tap, utp_answers) = (Proxies::None, Tap::default(), Arc::default());
        let way = Way { bind_address, proxies, tap, utp: None, utp_answers };
        Connector { way, most, own, running: Arc::default() }
    }

    /// The same, where these proxies are to be used: peers are connected to through the one for everything.
    pub fn through(self, proxies: Proxies) -> Connector {
        Connector { way: Way { proxies, ..self.way }, ..self }
    }

    /// The same, whose connections are seen at this door.
    pub fn watched_by(self, tap: Tap) -> Connector {
        Connector { way: Way { tap, ..self.way }, ..self }
    }

    /// The same, which also tries uTP, if there is one, with peers that TCP does not get through to.
    pub fn with_utp(self, utp: Option<Utp>) -> Connector {
        Connector { way: Way { utp, ..self.way }, ..self }
    }

    /// What peers are tried over besides TCP, if anything.
    pub fn utp(&self) -> Option<&Utp> {
        self.way.utp.as_ref()
    }

    /// The peer at this address speaks uTP, or is said to. That counts for all torrents.
    pub fn speaks_utp(&self, address: SocketAddr) {
        lock(&self.way.utp_answers).speaks(address);
    }

    /// The peer at this address has closed a connection before a word of its own.
    pub fn closed_early(&self, address: SocketAddr) {
        lock(&self.way.utp_answers).closes_tcp(address);
    }

    /// A connection to this address came about, and then nothing more came.
    pub fn fell_silent(&self, address: SocketAddr) {
        lock(&self.way.utp_answers).fell_silent(address);
    }

    /// What goes through which proxy.
    pub fn proxies(&self) -> &Proxies {
        &self.way.proxies
    }

    /// This address turned out to be ourselves. No torrent connects to it from now on.
    pub fn met_ourselves(&self, address: SocketAddr) {
        self.own.met(canonical(address));
    }

    /// Whether this address leads to ourselves, as far as we know. Sends nothing.
    pub fn leads_to_us(&self, address: SocketAddr) -> bool {
        self.own.contains(canonical(address))
    }

    /// How many connections may be half-open at once.
    pub fn half_open(&self) -> usize {
        self.most
    }

    /// A way to have connections made whose outcomes are sent to this inbox.
    pub fn caller(&self, events: Sender<Event>) -> Caller {
        let mut running = lock(&self.running);
        running.last_caller = running.last_caller.wrapping_add(1);
        Caller { number: running.last_caller, connector: self.clone(), events }
    }

    /// Tells the thread to make this attempt. It is started if it is not there.
    fn tell(&self, command: Command) -> io::Result<()> {
        let mut running = lock(&self.running);
        let line = match &running.line {
            Some(line) => line,
            None => running.line.insert(self.start()?),
        };
        let told = line.commands.send(command);
        line.bell.ring();
        // It fails only where the thread has ended by a second panic. The next command starts another.
        told.map_err(|_| {
            running.line = None;
            ErrorKind::BrokenPipe.into()
        })
    }

    fn start(&self) -> io::Result<Line> {
        let (commands, orders) = unbounded();
        let (alarm, bell) = Alarm::new()?;
        let bell = Arc::new(bell);
        let attempts = Attempts {
            way: self.way.clone(),
            own: Arc::clone(&self.own),
            queue: AttemptQueue::new(self.most),
            orders,
            alarm,
            bell: Arc::downgrade(&bell),
            unsent: Vec::new(),
            running: Arc::downgrade(&self.running),
        };
        thread::spawn("connector", STACK_BYTES, move || attempts.live())?;
        Ok(Line { commands, bell })
    }
}

impl Caller {
    /// Has a connection made. What comes of it is told by [`Event::Attempted`]. Never waits.
    ///
    /// # Errors
    ///
    /// The thread cannot be started.
    pub fn connect(&self, key: PeerKey, address: SocketAddr) -> io::Result<()> {
        let wanted = Wanted { key, address, events: self.events.clone() };
        self.connector.tell(Command::Connect(self.number, wanted))
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        if let Some(line) = &lock(&self.connector.running).line {
            let _ = line.commands.send(Command::Leave(self.number));
            line.bell.ring();
        }
    }
}

impl Way {
    /// Begins to connect to this address.
    fn begin(&self, to: SocketAddr) -> Result<HalfOpen, ConnectError> {
        match self.proxies.for_all() {
            Some(proxy) => HalfOpen::begin_through(proxy, self.bind_address, to),
            None => HalfOpen::begin(self.bind_address, to).map_err(ConnectError::Direct),
        }
    }
}

#[cfg(test)]
mod tests;
