//! uTP: connections to peers over UDP (BEP 29), for those whose TCP does not get through.
//!
//! What goes over the wire, and when, is decided in `strategy/utp/`. Here are the sockets, the threads and the bounds.
//! There is one port for each family, with the number at which we listen for TCP: others send uTP there, and what we
//! send has to come from there. The DHT has the same ports. Where it runs its threads receive for both
//! (`udp_port.rs:Diversion`), and where it does not, the threads `utp-4` and `utp-6` do. If we do not listen either, they
//! are started with the first connection that is begun.
//!
//! In reading order: `link` is one connection, `table` finds it for a packet, `timers` when something is due. Who asks
//! for a connection is heard at a `pace`, and among the `strangers` until it has shown that it is where its packets say.

mod link;
mod pace;
mod strangers;
mod table;
mod timers;

use super::half_open::Bell;
use super::{BindAddress, PeerStream, UdpPort};
use crate::address::{IpFamily, canonical};
use crate::strategy::utp::{EndReason, State};
use crate::text::reason;
use crate::thread::{self, lock};
use link::Key;
use log::debug;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use table::Table;

pub(super) use link::Link;

/// The largest packet that is taken whole.
const PACKET_BYTES: usize = 2048;
const STACK_BYTES: usize = 128 * 1024;
/// How long the thread of a port sleeps in one go.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// What becomes of a connection that came in.
type Accepts = dyn Fn(PeerStream, SocketAddr) + Send + Sync;

/// uTP at the ports of this process. What is shared ends with the last of its clones.
#[derive(Clone, Debug)]
pub struct Utp(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    bind_address: BindAddress,
    /// The number that the ports should have; zero is any.
    port: u16,
    acceptor: Acceptor,
    /// For IPv4 and for IPv6.
    sides: [Mutex<Side>; 2],
}

/// What there is for one family.
#[derive(Debug, Default)]
enum Side {
    /// Nothing yet.
    #[default]
    Unopened,
    Open(Arc<Table>, Option<JoinHandle<()>>),
    /// The system has no port or no thread for it.
    Unavailable,
}

/// Where connections that came in go, if anyone takes them.
#[derive(Clone, Default)]
struct Acceptor(Arc<RwLock<Option<Box<Accepts>>>>);

/// A connection that we have asked for. Dropping it gives it up.
#[derive(Debug)]
pub struct UtpAttempt {
    table: Arc<Table>,
    key: Key,
    /// Until it is finished.
    link: Option<Arc<Link>>,
}

impl Utp {
    /// uTP at the ports of this number, if they are free, and at this address. Opens nothing yet.
    pub fn new(bind_address: BindAddress, port: u16) -> Utp {
        let shared = Shared { bind_address, port, acceptor: Acceptor::default(), sides: Default::default() };
        Utp(Arc::new(shared))
    }

    /// Shares this port, whose owner has a thread that [receives](UdpPort::receive).
    pub fn share(&self, port: &Arc<UdpPort>) {
        let mut side = lock(self.side(IpFamily::of(port.address().ip())));
        if matches!(*side, Side::Unopened) {
            *side = Side::Open(Table::at(port, &self.0.acceptor), None);
        }
    }

    /// From now on connections that come in go here. It is called on a thread that receives, and must not wait.
    /// Opens the ports that are not open yet.
    pub fn listen(&self, accepts: impl Fn(PeerStream, SocketAddr) + Send + Sync + 'static) {
        self.0.acceptor.set(Some(Box::new(accepts)));
        for family in IpFamily::BOTH {
            let _ = self.table(family);
        }
    }

    /// No connection is accepted any more.
    pub fn stop_listening(&self) {
        self.0.acceptor.set(None);
    }

    /// Ends all connections, and waits for so long at most until what was written has come and the peers know that it
    /// was all. Those that have not said so by then hear that the connection is no more. For the end of the process, while
    /// somebody still receives at the ports.
    pub fn finish(&self, longest: Duration) {
        self.stop_listening();
        let end = Instant::now() + longest;
        for family in IpFamily::BOTH {
            let table = match &*lock(self.side(family)) {
                Side::Open(table, _) => Arc::clone(table),
                Side::Unopened | Side::Unavailable => continue,
            };
            table.finish(end);
        }
    }

    /// The UDP port of this family, if it is open.
    pub fn port(&self, family: IpFamily) -> Option<u16> {
        match &*lock(self.side(family)) {
            Side::Open(table, _) => Some(table.port().address().port()),
            _ => None,
        }
    }

    /// Asks for a connection to this address. `bell` rings when it is there, or will not be. Never waits.
    ///
    /// # Errors
    ///
    /// There is no port for the family of the address, or there are too many connections.
    pub fn connect(&self, to: SocketAddr, bell: Weak<Bell>) -> io::Result<UtpAttempt> {
        let to = canonical(to);
        let table = self.table(IpFamily::of(to.ip())).ok_or(ErrorKind::AddrNotAvailable)?;
        let (key, link) = table.connect(to, bell)?;
        Ok(UtpAttempt { table, key, link: Some(link) })
    }

    fn side(&self, family: IpFamily) -> &Mutex<Side> {
        let [four, six] = &self.0.sides;
        if family == IpFamily::V4 { four } else { six }
    }

    /// What there is for this family. Its port is opened if it is not.
    fn table(&self, family: IpFamily) -> Option<Arc<Table>> {
        let mut side = lock(self.side(family));
        if matches!(*side, Side::Unopened) {
            *side = self.open(family).unwrap_or_else(|error| {
                debug!("no uTP of {family:?}: {}", reason(&error));
                Side::Unavailable
            });
        }
        if let Side::Open(table, _) = &*side { Some(Arc::clone(table)) } else { None }
    }

    fn open(&self, family: IpFamily) -> io::Result<Side> {
        let port = Arc::new(UdpPort::open(family, self.0.port, self.0.bind_address)?);
        let table = Table::at(&port, &self.0.acceptor);
        let name = if family == IpFamily::V4 { "utp-4" } else { "utp-6" };
        let thread = thread::spawn(name, STACK_BYTES, move || receive_all(&port))?;
        Ok(Side::Open(table, Some(thread)))
    }
}

/// The life of a thread at a port that uTP has for itself.
fn receive_all(port: &UdpPort) {
    let mut packet = [0; PACKET_BYTES];
    loop {
        // What is no packet of uTP is nobody's.
        match port.receive(&mut packet, Instant::now() + LONGEST_SLEEP) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => return,
            Err(error) => {
                debug!("uTP at {} has stopped: {}", port.address(), reason(&error));
                return;
            }
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        for side in &mut self.sides {
            let side = std::mem::take(side.get_mut().unwrap_or_else(PoisonError::into_inner));
            if let Side::Open(table, Some(thread)) = side {
                table.port().hang_up();
                let _ = thread.join();
            }
        }
    }
}

impl Acceptor {
    fn set(&self, accepts: Option<Box<Accepts>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = accepts;
    }

    fn is_there(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn accept(&self, stream: PeerStream, from: SocketAddr) {
        if let Some(accepts) = &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            accepts(stream, from);
        }
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "accepts: {}", self.is_there())
    }
}

impl UtpAttempt {
    /// What has come of it; `None` if nothing yet.
    ///
    /// # Errors
    ///
    /// There will be no connection.
    pub fn outcome(&self) -> Option<io::Result<()>> {
        match self.link.as_ref()?.state() {
            State::Connecting => None,
            State::Open => Some(Ok(())),
            State::Ended(EndReason::TimedOut) => Some(Err(ErrorKind::TimedOut.into())),
            State::Ended(_) => Some(Err(ErrorKind::ConnectionRefused.into())),
        }
    }

    /// The connection, once there is one.
    pub fn finish(mut self) -> Option<PeerStream> {
        self.link.take().map(PeerStream::over_utp)
    }
}

impl Drop for UtpAttempt {
    fn drop(&mut self) {
        if let Some(link) = &self.link {
            self.table.give_up(self.key, link);
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
