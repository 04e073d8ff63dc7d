//! A UDP port that exchanges packets with many addresses.
//!
//! One thread waits for packets; each wait has a deadline. Any thread may send, [wake](UdpPort::wake) that
//! thread so that it looks for work, or [hang up](UdpPort::hang_up). The source of a packet is only what the
//! packet says: the receiver must not believe it without a proof.
//!
//! Where everything leaves by a network interface, the socket is opened anew, at the same port, once that has
//! gone and come back (`device.rs`). In between, sending fails and nothing is received.
//!
//! Two protocols may share a port, as the DHT and uTP do: a [`Diversion`] takes its packets before the receiver sees
//! them, on the thread that waits.

use super::BindAddress;
use super::device::{Device, LOOK_AGAIN};
use crate::address::{IpFamily, canonical, loopback_if_unspecified};
use crate::text::reason;
use crate::thread::lock;
use log::debug;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use socket2::{SockRef, Socket, Type};
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{Shutdown, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

/// How long the system may take to accept a packet that it has no room for. Packets get lost anyway.
const SEND_DEADLINE: Duration = Duration::from_millis(50);

/// The shortest wait that the system accepts.
const MIN_WAIT: Duration = Duration::from_millis(1);

/// Packets that are taken in one go before what they call for is done.
const BURST: usize = 64;

/// Another protocol at the same port.
pub(super) trait Diversion: fmt::Debug + Send + Sync {
    /// Takes a packet. False if it is none of its own.
    fn take(&self, packet: &[u8], from: SocketAddr) -> bool;

    /// Does what the packets call for, and what is due. Returns until when there is nothing more to do. Whoever
    /// shortens that [wakes](UdpPort::wake) the thread.
    fn settle(&self) -> Option<Instant>;
}

/// A UDP socket of one family.
#[derive(Debug)]
pub struct UdpPort {
    socket: Mutex<Arc<UdpSocket>>,
    address: SocketAddr,
    /// How the socket is opened anew, if it may lose its interface.
    renewal: Option<Renewal>,
    diversion: OnceLock<Weak<dyn Diversion>>,
    hung_up: AtomicBool,
    /// A packet from the port to itself arrives, as far as is known. Where loopback is down none does.
    can_be_woken: AtomicBool,
    /// The thread was woken and may not have noticed.
    woken_in_vain: AtomicBool,
}

/// The interface that a socket is bound to, and how another is made like it.
struct Renewal {
    device: &'static Device,
    open: Box<dyn Fn() -> io::Result<Socket> + Send + Sync>,
}

impl fmt::Debug for Renewal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.device.fmt(out)
    }
}

impl UdpPort {
    /// Opens a port of this family: `preferred`, or any free one if that is taken, not allowed or zero. It is
    /// bound to what everything leaves by, or to all addresses of the host.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AddrNotAvailable`] if the address that everything leaves by is of the other family, or
    /// this host does not have it. Otherwise what the system says, mostly that it has no IPv6.
    pub fn open(family: IpFamily, preferred: u16, bind_address: BindAddress) -> io::Result<UdpPort> {
        let ip = bind_address.address().unwrap_or_else(|| family.unspecified());
        if IpFamily::of(ip) != family {
            let why = format!("--bind allows {ip} only, which is of the other family");
            return Err(io::Error::new(ErrorKind::AddrNotAvailable, why));
        }
        let at = move |port| SocketAddr::new(ip, port);
        let socket = match bind(at(preferred), bind_address) {
            Err(error) if preferred != 0 && error.kind() != ErrorKind::AddrNotAvailable => {
                debug!("cannot use UDP port {preferred}: {}", reason(&error));
                bind(at(0), bind_address)?
            }
            bound => bound?,
        };
        let port = socket.local_addr()?.as_socket().map_or(preferred, |address| address.port());
        let mut opened = UdpPort::over(socket, bind_address, move || bind(at(port), bind_address))?;
        // The first time that somebody wakes the thread shows it.
        opened.can_be_woken = AtomicBool::new(false);
        Ok(opened)
    }

    /// A port over a socket that is bound already. `open` makes another one like it.
    pub(super) fn over(
        socket: Socket,
        bind_address: BindAddress,
        open: impl Fn() -> io::Result<Socket> + Send + Sync + 'static,
    ) -> io::Result<UdpPort> {
        let renewal = bind_address.interface().map(|device| Renewal { device, open: Box::new(open) });
        let socket = ready(socket)?;
        let address = socket.local_addr()?;
        Ok(UdpPort {
            socket: Mutex::new(Arc::new(socket)),
            address,
            renewal,
            diversion: OnceLock::new(),
            hung_up: AtomicBool::new(false),
            can_be_woken: AtomicBool::new(true),
            woken_in_vain: AtomicBool::new(false),
        })
    }

    /// The port, with the address that everything leaves by or the unspecified address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The socket, which is opened anew if its interface has gone and come back.
    fn socket(&self) -> Arc<UdpSocket> {
        let mut socket = lock(&self.socket);
        if let Some(Renewal { device, open }) = &self.renewal
            && !device.has(&SockRef::from(&**socket))
            && device.index().is_some()
        {
            match open().and_then(ready) {
                Ok(new) => *socket = Arc::new(new),
                Err(error) => {
                    debug!("cannot open {} again yet: {}", self.address, reason(&error))
                }
            }
        }
        Arc::clone(&socket)
    }

    /// Sends one packet. Waits 50 ms at most.
    ///
    /// # Errors
    ///
    /// What the system says, mostly that there is no route to the address. The port can still be used.
    pub fn send(&self, to: SocketAddr, packet: &[u8]) -> io::Result<()> {
        self.socket().send_to(packet, canonical(to)).map(drop)
    }

    /// As [`UdpPort::send`], but a packet for which the system has no room now is lost, and nothing waits.
    pub(super) fn send_now(&self, to: SocketAddr, packet: &[u8]) -> io::Result<()> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        Ok(rustix::net::sendto(&*self.socket(), packet, flags, &canonical(to)).map(drop)?)
    }

    /// From now on the packets of this other protocol are taken out, while it is there.
    pub(super) fn divert(&self, diversion: Weak<dyn Diversion>) {
        let _ = self.diversion.set(diversion);
    }

    /// Waits for a packet until then. Returns its length, and the source that it names. A packet that is
    /// longer than `into` is cut, and its length is that of `into`. `None` when the time is over, and where the thread
    /// was woken but no packet can do that. It is no error here if no program took an earlier packet of ours, or its
    /// way is gone: that concerns one address and not the port.
    ///
    /// # Errors
    ///
    /// What the system says, and [`ErrorKind::ConnectionAborted`] after a hang-up. After either, it makes no
    /// sense to call this again.
    pub fn receive(&self, into: &mut [u8], until: Instant) -> io::Result<Option<(usize, SocketAddr)>> {
        let diversion = self.diversion.get().and_then(Weak::upgrade);
        let mut diverted = 0;
        loop {
            let mut due = until;
            if let Some(other) = &diversion {
                // What has come already is taken before what it calls for is done: one acknowledgement for all.
                if diverted < BURST
                    && let Some((length, from)) = self.receive_now(into)?
                {
                    if !other.take(into.get(..length).unwrap_or_default(), from) {
                        other.settle();
                        return Ok(Some((length, from)));
                    }
                    diverted += 1;
                    continue;
                }
                let was_burst = std::mem::take(&mut diverted) > 0;
                due = other.settle().map_or(until, |other| other.min(until));
                if was_burst {
                    // There may be packets without end: the deadline of whoever waits here counts all the same.
                    if Instant::now() >= until {
                        return Ok(None);
                    }
                    continue;
                }
            }
            let Some((length, from)) = self.receive_by(into, due)? else {
                if Instant::now() >= until || self.woken_in_vain.swap(false, Ordering::AcqRel) {
                    return Ok(None);
                }
                continue;
            };
            match &diversion {
                Some(other) if other.take(into.get(..length).unwrap_or_default(), from) => diverted = 1,
                _ => return Ok(Some((length, from))),
            }
        }
    }

    /// The packet that has come already, if one has.
    fn receive_now(&self, into: &mut [u8]) -> io::Result<Option<(usize, SocketAddr)>> {
        let received = rustix::net::recvfrom(&*self.socket(), into, RecvFlags::DONTWAIT);
        if self.hung_up.load(Ordering::Acquire) {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        match received {
            Ok((_, length, Some(from))) => {
                Ok(SocketAddr::try_from(from).ok().map(|from| (length, canonical(from))))
            }
            Ok((_, _, None)) | Err(Errno::AGAIN) => Ok(None),
            Err(error) => concerns_one_address(error.into()).map(|()| None),
        }
    }

    /// Waits for one packet. `None` when the time is over, and perhaps earlier.
    fn receive_by(&self, into: &mut [u8], until: Instant) -> io::Result<Option<(usize, SocketAddr)>> {
        let left = self.one_wait(until.saturating_duration_since(Instant::now()));
        let socket = self.socket();
        // Even a caller whose deadline has always passed gets the packets that have come.
        socket.set_read_timeout(Some(left.max(MIN_WAIT)))?;
        let received = receive_from(&socket, into);
        // A hang-up wakes the thread with an empty packet, or with an error that looks like any other.
        if self.hung_up.load(Ordering::Acquire) {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        match received {
            Ok((length, from)) => Ok(Some((length, canonical(from)))),
            Err(error) => concerns_one_address(error).map(|()| None),
        }
    }

    /// How long to wait at once of the time that is left.
    fn one_wait(&self, left: Duration) -> Duration {
        if self.woken_in_vain.load(Ordering::Acquire) {
            return Duration::ZERO;
        }
        let looks_again = self.renewal.is_some() || !self.can_be_woken.load(Ordering::Acquire);
        if looks_again { left.min(LOOK_AGAIN) } else { left }
    }

    /// Wakes the thread that waits, with an empty packet from the port to itself. Strangers can send empty
    /// packets too, so one must not cost more than a look for work. Where the socket is bound to an interface,
    /// only an address of that leads to it. Without one, and where loopback is down, the thread looks by itself within
    /// a second.
    pub fn wake(&self) {
        let to = match &self.renewal {
            Some(Renewal { device, .. }) => device
                .address(IpFamily::of(self.address.ip()))
                .map(|ip| SocketAddr::new(ip, self.address.port())),
            None => Ok(loopback_if_unspecified(self.address)),
        };
        let woken = to.and_then(|to| self.send(to, &[]));
        self.can_be_woken.store(woken.is_ok(), Ordering::Release);
        if let Err(error) = woken {
            self.woken_in_vain.store(true, Ordering::Release);
            debug!("cannot wake the thread at {}: {}", self.address, reason(&error));
        }
    }

    /// Wakes the thread that waits. No thread can wait again.
    pub fn hang_up(&self) {
        self.hung_up.store(true, Ordering::Release);
        // Linux wakes the thread, although it reports that there is no connection to shut down. The packet is
        // for systems that do not wake it; Linux refuses the packet by then.
        if SockRef::from(&*self.socket()).shutdown(Shutdown::Both).is_err() {
            let _ = self.send(loopback_if_unspecified(self.address), &[]);
        }
    }
}

/// Takes a packet, and who sent it. A hang-up wakes the thread with a packet of nobody, which the standard library, at
/// least up to Rust 1.95, takes for one of whoever sent the packet before, or panics over.
fn receive_from(socket: &UdpSocket, into: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    let (length, _, from) = rustix::net::recvfrom(socket, into, RecvFlags::empty())?;
    let from = from.and_then(|from| SocketAddr::try_from(from).ok());
    Ok((length, from.ok_or(ErrorKind::ConnectionAborted)?))
}

/// Whether an error concerns one address and not the port, or is only the end of a wait.
fn concerns_one_address(error: io::Error) -> io::Result<()> {
    match error.kind() {
        ErrorKind::WouldBlock
        | ErrorKind::TimedOut
        | ErrorKind::Interrupted
        | ErrorKind::ConnectionRefused
        | ErrorKind::ConnectionReset
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown => Ok(()),
        _ => Err(error),
    }
}

/// The socket as a port uses it.
fn ready(socket: Socket) -> io::Result<UdpSocket> {
    socket.set_write_timeout(Some(SEND_DEADLINE))?;
    Ok(socket.into())
}

fn bind(address: SocketAddr, bind_address: BindAddress) -> io::Result<Socket> {
    let socket = bind_address.socket(IpFamily::of(address.ip()), Type::DGRAM)?;
    if address.is_ipv6() {
        // Otherwise, on some systems, it would take the port for IPv4 too.
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests;
