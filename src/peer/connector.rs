//! Connects to peers: the counterpart of the listener.
//!
//! Runs on the thread `connector`, one for all torrents, which is there while something is to be done: where
//! threads are few, peers need them more. It begins the attempts that the coordinators ask for, as many at
//! once as `strategy/peers/attempt_queue.rs` allows, waits for all of them together, and sends each
//! coordinator what came of its own. Only a peer that has answered gets a worker, with threads and a place
//! among the peers. An attempt goes over TCP, and over uTP where that does not get through (`attempt`).
//!
//! It never waits for a coordinator: what does not fit into an inbox is kept for a moment and sent again. Nor
//! does anything wait for it. When nobody is left who could ask it ends, and drops whatever is still open.

mod attempt;

use super::STACK_BYTES;
use super::own_addresses::OwnAddresses;
use crate::address::canonical;
use crate::message::{Event, PeerError, PeerKey, Wait};
use crate::net::half_open::{self, Alarm, Bell, ConnectError, HalfOpen};
use crate::net::proxy::Proxies;
use crate::net::tap::{Seen, Tap};
use crate::net::{BindAddress, OwnPorts, PeerStream, Utp};
use crate::strategy::{AttemptQueue, UtpAnswers};
use crate::text::reason;
use crate::thread;
use crate::thread::{caught, lock};
use attempt::Attempt;
use crossbeam_channel::{Receiver, Sender, TryRecvError, TrySendError, unbounded};
use log::warn;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

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
        let connecting = Connecting {
            way: self.way.clone(),
            own: Arc::clone(&self.own),
            queue: AttemptQueue::new(self.most),
            orders,
            alarm,
            bell: Arc::downgrade(&bell),
            unsent: Vec::new(),
            running: Arc::downgrade(&self.running),
        };
        thread::spawn("connector", STACK_BYTES, move || connecting.live())?;
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

/// The thread.
struct Connecting {
    way: Way,
    own: Arc<OwnAddresses>,
    queue: AttemptQueue<u32, Wanted, Attempt>,
    /// Short: each torrent has a bounded number of attempts (`strategy/peers/dialer.rs`).
    orders: Receiver<Command>,
    alarm: Alarm,
    /// What rings it.
    bell: Weak<Bell>,
    /// What did not fit into an inbox, and whose it is.
    unsent: Vec<(u32, Sender<Event>, Event)>,
    /// Where it is known as the thread.
    running: Weak<Mutex<Running>>,
}

impl Connecting {
    /// The life of the thread. A panic costs the attempts that were under way, and those who wait for them hear
    /// so: else their addresses would count as being tried for ever.
    fn live(mut self) {
        while caught(|| self.run()).is_err() {
            self.fail_all();
        }
    }

    fn fail_all(&mut self) {
        for (caller, wanted) in self.queue.clear(|attempt| attempt.wanted) {
            let why = io::Error::other("the attempt failed because of a bug in this program");
            self.tell(caller, wanted, Err(PeerError::Connect(why)));
        }
    }

    fn run(&mut self) {
        while self.obey() {
            let now = Instant::now();
            for attempt in self.queue.open_mut() {
                attempt.go_on(&self.way, &self.bell, now);
            }
            for (caller, attempt) in self.queue.take(Attempt::has_ended) {
                let (wanted, outcome) = attempt.finish();
                let outcome = outcome.map_err(|why| self.reason(why));
                if let Ok(stream) = &outcome {
                    stream.watched_by(&self.way.tap, wanted.address, false);
                }
                if let (Ok(_), Some(proxy)) = (&outcome, self.way.proxies.for_all()) {
                    proxy.note(Ok(()));
                }
                self.tell(caller, wanted, outcome);
            }
            // Those that are cut short make room, and so may those that end at once.
            while let Some((caller, attempt)) = self.queue.overdue(now) {
                let why = match attempt.timed_out(&self.way, now) {
                    Some(error) => self.reason(ConnectError::Detour(error)),
                    None => PeerError::TimedOut(Wait::Connection),
                };
                self.tell(caller, attempt.wanted, Err(why));
                self.begin(now);
            }
            self.begin(now);
            self.send();
            if self.has_ended() {
                return;
            }
            let again = (!self.unsent.is_empty()).then(|| now + INBOX_PAUSE);
            let due = self.queue.open().filter_map(Attempt::due);
            let until = due.chain(self.queue.next_overdue()).chain(again).min();
            let open = self.queue.open().filter_map(Attempt::tcp);
            match half_open::wait(open, &self.alarm, until) {
                Ok(came) => {
                    let open = self.queue.open_mut().filter(|attempt| attempt.tcp().is_some());
                    open.zip(came).filter(|(_, came)| *came).for_each(|(attempt, _)| attempt.came());
                }
                Err(error) => {
                    // The system is short of memory.
                    warn!("cannot wait for connections: {}", reason(&error));
                    std::thread::sleep(INBOX_PAUSE);
                }
            }
        }
    }

    /// Whether nothing is left to do. Then the next command will start another thread.
    fn has_ended(&self) -> bool {
        let Some(running) = self.running.upgrade() else { return true };
        let mut running = lock(&running);
        let idle = self.queue.is_empty() && self.unsent.is_empty() && self.orders.is_empty();
        if idle {
            running.line = None;
        }
        idle
    }

    /// Takes the commands that wait. False where no more will come.
    fn obey(&mut self) -> bool {
        loop {
            match self.orders.try_recv() {
                Ok(Command::Connect(caller, wanted)) => self.queue.offer(caller, wanted),
                Ok(Command::Leave(caller)) => {
                    self.queue.leave(caller);
                    self.unsent.retain(|(other, ..)| *other != caller);
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Begins the attempts that have a place.
    fn begin(&mut self, now: Instant) {
        while let Some((caller, wanted)) = self.queue.next_to_begin() {
            if self.own.contains(canonical(wanted.address)) {
                self.tell(caller, wanted, Err(PeerError::Ourselves));
                continue;
            }
            let attempt = Attempt::begin(&self.way, wanted, now);
            if attempt.has_ended() {
                let (wanted, outcome) = attempt.finish();
                let outcome = outcome.map_err(|why| self.reason(why));
                self.tell(caller, wanted, outcome);
            } else {
                self.queue.begun(caller, attempt, now);
            }
        }
    }

    fn tell(&mut self, caller: u32, wanted: Wanted, outcome: Result<PeerStream, PeerError>) {
        let Wanted { key, address, events } = wanted;
        if let Err(why) = &outcome {
            self.way.tap.tell(|| Seen::NotConnected(address, why.to_string()));
        }
        self.unsent.push((caller, events, Event::Attempted(key, address, outcome)));
    }

    /// Why an attempt failed. The user hears of it once where it is the fault of the proxy: all attempts share that.
    fn reason(&self, error: ConnectError) -> PeerError {
        let error = match error {
            ConnectError::Direct(error) => {
                return match error.kind() {
                    ErrorKind::TimedOut | ErrorKind::WouldBlock => PeerError::TimedOut(Wait::Connection),
                    _ => PeerError::Connect(error),
                };
            }
            ConnectError::Detour(error) => error,
        };
        if self.way.proxies.for_all().is_some_and(|proxy| proxy.note(Err(&error))) {
            warn!("{error}");
        }
        PeerError::Proxy(error)
    }

    /// Sends what is to be sent, as far as there is room for it.
    fn send(&mut self) {
        for (caller, events, event) in std::mem::take(&mut self.unsent) {
            if let Err(TrySendError::Full(event)) = events.try_send(event) {
                self.unsent.push((caller, events, event));
            }
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
