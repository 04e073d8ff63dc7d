//! A socket at which peers connect to us.
//!
//! One thread blocks in [`accept`](ListeningSocket::accept), and any thread may [stop](ListeningSocket::stop) it.
//! Where everything is to leave by a network interface, only what comes in by that is accepted, and the socket is
//! opened anew, at the same port, once the interface has gone and come back (`device.rs`).

use super::BindAddress;
use super::device::LOOK_AGAIN;
use crate::address::{IpFamily, loopback_if_unspecified};
use crate::text::reason;
use crate::thread::lock;
use log::debug;
use socket2::{SockRef, Type};
use std::io::{self, ErrorKind};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Connections that may wait to be accepted, as far as the system allows. They cost us nothing. A peer whose
/// connection finds no place would try again only after a second.
const BACKLOG: i32 = 1024;
/// How long the connection that wakes a thread in `accept` may take. It comes from this host.
const WAKE_DEADLINE: Duration = Duration::from_secs(1);

/// A socket of one family.
#[derive(Debug)]
pub struct ListeningSocket {
    socket: Mutex<Arc<TcpListener>>,
    address: SocketAddr,
    bind_address: BindAddress,
    stopped: AtomicBool,
}

impl ListeningSocket {
    /// Listens at this address, by the interface that everything leaves by if the user named one.
    pub(super) fn open(address: SocketAddr, bind_address: BindAddress) -> io::Result<ListeningSocket> {
        let socket = listen(address, bind_address)?;
        let address = socket.local_addr()?;
        let stopped = AtomicBool::new(false);
        Ok(ListeningSocket { socket: Mutex::new(Arc::new(socket)), address, bind_address, stopped })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for a connection.
    ///
    /// # Errors
    ///
    /// What the system says, and [`ErrorKind::ConnectionAborted`] once it is stopped.
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            let socket = Arc::clone(&lock(&self.socket));
            let accepted = socket.accept();
            if self.stopped.load(Ordering::Acquire) {
                return Err(ErrorKind::ConnectionAborted.into());
            }
            match (accepted, self.bind_address.interface()) {
                (Err(error), Some(device)) if error.kind() == ErrorKind::WouldBlock => {
                    if !device.has(&SockRef::from(&*socket)) && device.index().is_some() {
                        self.renew();
                    }
                }
                (Ok((stream, from)), Some(_)) => {
                    // It has inherited how long the listening socket waits.
                    stream.set_read_timeout(None)?;
                    return Ok((stream, from));
                }
                (accepted, _) => return accepted,
            }
        }
    }

    fn renew(&self) {
        match listen(self.address, self.bind_address) {
            Ok(new) => *lock(&self.socket) = Arc::new(new),
            Err(error) => debug!("cannot listen on {} again yet: {}", self.address, reason(&error)),
        }
    }

    /// Wakes the thread that waits. No thread can wait again.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        // On Linux the shutdown wakes the thread. On systems where it does not, a connection does.
        if SockRef::from(&**lock(&self.socket)).shutdown(Shutdown::Both).is_err() {
            let _ = TcpStream::connect_timeout(&loopback_if_unspecified(self.address), WAKE_DEADLINE);
        }
    }
}

fn listen(address: SocketAddr, bind_address: BindAddress) -> io::Result<TcpListener> {
    let socket = bind_address.socket(IpFamily::of(address.ip()), Type::STREAM)?;
    if address.is_ipv6() {
        // Otherwise, on some systems, it would take the port for IPv4 too.
        socket.set_only_v6(true)?;
    }
    if cfg!(unix) {
        // Connections of the last run that the system has not forgotten yet must not keep us from the port.
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    if bind_address.interface().is_some() {
        // So that a thread that waits here looks now and then whether the interface is gone.
        socket.set_read_timeout(Some(LOOK_AGAIN))?;
    }
    Ok(socket.into())
}
