//! HTTP that leaves by the bind address, goes only where it may, and does not wait for addresses that do not
//! answer.
//!
//! The HTTP library would connect from whatever address the system chooses, and to one address of a host
//! after the other, which takes seconds if the first is silent. So we replace its lowest layer, the TCP
//! connection, by our own. TLS and proxies are layered on top of it, so a connection to a proxy leaves by the
//! bind address too. Host names are looked up by the system's resolver in any case, but by
//! way of our own [`resolve`]: the library's way to it panics where no thread can be started.
//!
//! Requests run on the thread of the caller. Each TCP connection is made on a short-lived thread, `connect`,
//! or on that of the caller if there is none to be had.

use super::guard::Guard;
use super::tls_connector::TlsConnector;
use crate::net::{CONNECTION_ATTEMPT_DELAY, by_turns, resolve};
use crate::thread;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector, LazyBuffers, NextTimeout, ShutdownHandle,
    Transport, time,
};
use ureq::{Agent, Error};

/// How long looking up a name or connecting may take if the configuration sets no limit.
const MAX_CONNECT: Duration = Duration::from_secs(60);

/// The most addresses of a host that the library has room for.
const MAX_ADDRESSES: usize = 16;

/// Bytes of the stack of a thread that only connects.
const STACK_SIZE: usize = 64 * 1024;

/// A client with this configuration whose connections leave by the guard's outlet and go where it lets them,
/// or fail.
pub(super) fn agent(config: Config, guard: Arc<Guard>) -> Agent {
    with_resolver(config, guard, HostNames)
}

fn with_resolver(config: Config, guard: Arc<Guard>, resolver: impl Resolver) -> Agent {
    let tls = TlsConnector(guard.outlet.authorities.clone());
    let links =
        ().chain(ConnectProxyConnector::default())
            .chain(BoundConnector { guard, has_proxy: config.proxy().is_some() });
    Agent::with_parts(config, links.chain(tls), resolver)
}

/// Looks up host names as everything of ours does.
#[derive(Debug)]
struct HostNames;

impl Resolver for HostNames {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let text = uri.scheme().zip(uri.authority());
        let text = text.and_then(|(scheme, authority)| DefaultResolver::host_and_port(scheme, authority));
        let (host, port) =
            text.as_deref().and_then(|text| text.rsplit_once(':')).ok_or(Error::HostNotFound)?;
        // Only an IPv6 address has brackets.
        let host = host.trim_matches(['[', ']']);
        let port = port.parse().map_err(|_| Error::HostNotFound)?;
        let found = resolve(host, port, limit(&timeout)?.unwrap_or(MAX_CONNECT));
        let found = found.map_err(|error| library_error(error, &timeout))?;
        let mut addresses = self.empty();
        let family = config.ip_family();
        family.keep_wanted(found.into_iter()).take(MAX_ADDRESSES).for_each(|address| addresses.push(address));
        if addresses.is_empty() { Err(Error::HostNotFound) } else { Ok(addresses) }
    }
}

/// Makes TCP connections that leave by the bind address and go where the guard lets them.
#[derive(Debug)]
struct BoundConnector {
    guard: Arc<Guard>,
    /// There may be a proxy. The library connects to it by a configuration without one.
    has_proxy: bool,
}

impl<Before: Transport> Connector<Before> for BoundConnector {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        before: Option<Before>,
    ) -> Result<Option<Self::Out>, Error> {
        if let Some(through_proxy) = before {
            return Ok(Some(Box::new(through_proxy)));
        }
        // The user has chosen the proxy.
        let is_proxy = self.has_proxy && details.config.proxy().is_none();
        let guard = (!is_proxy).then(|| Arc::clone(&self.guard));
        let stream = Arc::new(self.connect_to_any(details, guard.as_deref())?);
        if let (Some(guard), Ok(to)) = (&guard, stream.peer_addr()) {
            guard.reached(to);
        }
        let handle: Weak<TcpStream> = Arc::downgrade(&stream);
        (details.register_shutdown)(handle as Weak<dyn ShutdownHandle>)?;
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Box::new(Connected { stream, buffers, guard })))
    }
}

impl BoundConnector {
    /// Connects to the address of a host that answers first. The next address is tried when one has failed,
    /// or has not answered within [`CONNECTION_ATTEMPT_DELAY`]. The attempts before it go on (RFC 8305).
    /// `guard` says to which addresses we may connect.
    fn connect_to_any(
        &self,
        details: &ConnectionDetails<'_>,
        guard: Option<&Guard>,
    ) -> Result<TcpStream, Error> {
        let within = details.timeout.not_zero().map_or(MAX_CONNECT, |limit| *limit);
        let started = match details.now {
            time::Instant::Exact(started) => started,
            _ => Instant::now(),
        };
        let mut failure = Error::HostNotFound;
        let mut addresses: Vec<SocketAddr> = details.addrs.iter().copied().collect();
        addresses.retain(|to| match guard.map_or(Ok(()), |guard| guard.judge(*to)) {
            Ok(()) => true,
            Err(refusal) => {
                failure = Error::Other(Box::new(refusal));
                false
            }
        });
        // If a named bind address can reach none of them, they are tried all the same, because the error says
        // so.
        let bind_address = self.guard.outlet.bind_address;
        if bind_address.address().is_none() || addresses.iter().any(|to| bind_address.reaches(*to)) {
            addresses.retain(|to| bind_address.reaches(*to));
        }
        let mut addresses = by_turns(addresses).into_iter();
        let (tell, told) = channel();
        let mut under_way = 0;
        loop {
            let left = within.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Err(Error::Timeout(details.timeout.reason));
            }
            match addresses.next() {
                Some(to) => {
                    let share = left / u32::try_from(addresses.len() + 1).unwrap_or(u32::MAX);
                    self.begin(to, left, share, tell.clone());
                    under_way += 1;
                }
                None if under_way == 0 => return Err(failure),
                None => {}
            }
            let patience = if addresses.len() > 0 { left.min(CONNECTION_ATTEMPT_DELAY) } else { left };
            match told.recv_timeout(patience) {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(details.config.no_delay())?;
                    return Ok(stream);
                }
                Ok(Err(error)) => {
                    under_way -= 1;
                    failure = library_error(error, &details.timeout);
                }
                Err(_) => {}
            }
        }
    }

    /// Connects on a thread of its own, because nothing can interrupt connecting. A connection that comes too
    /// late is closed there.
    ///
    /// If there is no thread to be had, this thread connects, and waits for its `share` of the time: the
    /// other addresses of the host need theirs.
    fn begin(&self, to: SocketAddr, within: Duration, share: Duration, tell: Sender<io::Result<TcpStream>>) {
        let (bind_address, other) = (self.guard.outlet.bind_address, tell.clone());
        let life = move || drop(other.send(bind_address.connect(to, within)));
        if thread::spawn("connect", STACK_SIZE, life).is_err() {
            let _ = tell.send(bind_address.connect(to, share));
        }
    }
}

/// A TCP connection in the form that the library expects.
#[derive(Debug)]
struct Connected {
    /// Shared with the library, which shuts it down when another thread ends the request.
    stream: Arc<TcpStream>,
    buffers: LazyBuffers,
    /// Asked before the connection is used for another request. `None` for a connection to a proxy.
    guard: Option<Arc<Guard>>,
}

impl Connected {
    /// Whether the request that begins may use this connection.
    fn may_be_used(&self) -> bool {
        let Some(guard) = &self.guard else { return true };
        let to = self.stream.peer_addr().ok().filter(|to| guard.judge(*to).is_ok());
        to.iter().for_each(|to| guard.reached(*to));
        to.is_some()
    }
}

impl Transport for Connected {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let timeout = timeout.for_write();
        self.stream.set_write_timeout(limit(&timeout)?)?;
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        (&*self.stream).write_all(output).map_err(|error| library_error(error, &timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = timeout.for_read();
        let whole = limit(&timeout)?;
        let started = Instant::now();
        let read = loop {
            let left = whole.map(|whole| whole.saturating_sub(started.elapsed()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(Error::Timeout(timeout.reason));
            }
            self.stream.set_read_timeout(left)?;
            match (&*self.stream).read(self.buffers.input_append_buf()) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read.map_err(|error| library_error(error, &timeout))?,
            }
        };
        self.buffers.input_appended(read);
        Ok(read > 0)
    }

    fn is_open(&mut self) -> bool {
        // A server that has sent something unasked, or has closed, cannot be used again.
        let silent = |stream: &TcpStream| -> io::Result<bool> {
            stream.set_nonblocking(true)?;
            let silent = stream.peek(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
            stream.set_nonblocking(false)?;
            Ok(silent)
        };
        silent(&self.stream).unwrap_or(false) && self.may_be_used()
    }
}

/// The time that is left, if there is a limit.
fn limit(timeout: &NextTimeout) -> Result<Option<Duration>, Error> {
    match timeout.after {
        time::Duration::Exact(left) if left.is_zero() => Err(Error::Timeout(timeout.reason)),
        time::Duration::Exact(left) => Ok(Some(left)),
        time::Duration::NotHappening => Ok(None),
    }
}

fn library_error(error: io::Error, timeout: &NextTimeout) -> Error {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Error::Timeout(timeout.reason),
        _ => Error::Io(error),
    }
}

#[cfg(test)]
mod tests;
