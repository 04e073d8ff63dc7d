//! HTTP that leaves by the bind address, goes only where it may and through the proxy that the user wants, and does
//! not wait for addresses that do not answer.
//!
//! The HTTP library would connect from whatever address the system chooses, and to one address of a host
//! after the other, which takes seconds if the first is silent. It would ask for plain pages by CONNECT, which many
//! proxies refuse. So we replace its lowest layer, the TCP connection, by our own, and it knows of no proxy; TLS is
//! layered on top. Host names are looked up by the system's resolver, but by way of our own [`resolve`], as the
//! library's way to it panics where no thread can be started; those of servers behind a proxy are not looked up.
//!
//! There are two ways through a proxy. What goes by TLS, or through SOCKS5, goes through a *tunnel*: the proxy makes a
//! connection and passes bytes on. A plain page is asked of an HTTP proxy itself (`forwarding`).
//!
//! Requests run on the thread of the caller. Each TCP connection is made on a short-lived thread, `connect`,
//! or on that of the caller if there is none to be had.

use super::ahead::Conversation;
use super::connected::{Connected, library_error, limit};
use super::forwarding::Forwarding;
use super::guard::Guard;
#[cfg(feature = "tls")]
use super::tls_connector::TlsConnector;
use super::tunnel;
use crate::net::proxy::{Negotiation, Proxy, ProxyKind, Target, unreachable};
use crate::net::tap::WebTap;
use crate::net::{BindAddress, CONNECTION_ATTEMPT_DELAY, NameFault, by_turns, resolve};
use crate::text::reason;
use crate::thread;
use crossbeam_channel::{Sender, unbounded};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    ConnectionDetails, Connector, LazyBuffers, NextTimeout, ShutdownHandle, Transport, time,
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
    with_resolver(config, Arc::clone(&guard), HostNames(guard))
}

fn with_resolver(config: Config, guard: Arc<Guard>, resolver: impl Resolver) -> Agent {
    #[cfg(feature = "tls")]
    let tls = TlsConnector(Arc::clone(&guard));
    let connector = ().chain(BoundConnector { guard });
    #[cfg(feature = "tls")]
    let connector = connector.chain(tls);
    Agent::with_parts(config, connector, resolver)
}

/// Looks up host names as everything of ours does, except those that are for a proxy to look up.
#[derive(Debug)]
struct HostNames(Arc<Guard>);

impl Resolver for HostNames {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        if self.0.proxy_for(uri).is_some() {
            return Ok(self.empty());
        }
        let text = uri.scheme().zip(uri.authority());
        let text = text.and_then(|(scheme, authority)| DefaultResolver::host_and_port(scheme, authority));
        let (host, port) =
            text.as_deref().and_then(|text| text.rsplit_once(':')).ok_or(Error::HostNotFound)?;
        // Only an IPv6 address has brackets.
        let host = host.trim_matches(['[', ']']);
        let port = port.parse().map_err(|_| Error::HostNotFound)?;
        let found = resolve(host, port, limit(&timeout)?.unwrap_or(MAX_CONNECT));
        let found = found.map_err(|error| match library_error(error, &timeout) {
            Error::Io(error) => other(NameFault(reason(&error))),
            timeout => timeout,
        })?;
        let wanted = config.ip_family().keep_wanted(found.into_iter()).collect();
        let addresses = as_many_as_fit(wanted, self.empty());
        if addresses.is_empty() { Err(Error::HostNotFound) } else { Ok(addresses) }
    }
}

/// Of the addresses that a name has, which are as many as its owner likes, those that the library has room for, of both
/// families: it would panic at the next one.
fn as_many_as_fit(found: Vec<SocketAddr>, mut room: ResolvedSocketAddrs) -> ResolvedSocketAddrs {
    by_turns(found).into_iter().take(MAX_ADDRESSES).for_each(|address| room.push(address));
    room
}

/// Makes TCP connections that leave by the bind address and go where the guard lets them, or to a proxy.
#[derive(Debug)]
struct BoundConnector {
    guard: Arc<Guard>,
}

impl<Before: Transport> Connector<Before> for BoundConnector {
    type Out = Connected;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<Before>,
    ) -> Result<Option<Self::Out>, Error> {
        let connected = match self.guard.proxy_for(details.uri) {
            Some(proxy) => self.connect_to_proxy(details, proxy),
            None => self.connect_to_server(details),
        };
        connected.map(Some)
    }
}

impl BoundConnector {
    /// To a proxy. The user has chosen it, and it is reached over either family.
    fn connect_to_proxy(
        &self,
        details: &ConnectionDetails<'_>,
        proxy: &Arc<Proxy>,
    ) -> Result<Connected, Error> {
        let bind_address = self.guard.outlet.bind_address.of_any_family();
        let addresses = proxy.addresses().map_err(other)?;
        let stream =
            connect_to_any(details, addresses, bind_address).map_err(|error| to_proxy(error, proxy))?;
        let stream = registered(details, stream)?;
        let forwarding = through(details, proxy, &stream)?;
        Ok(Connected { forwarding, ..self.connected(details, stream) })
    }

    /// To one of the addresses of the server where the guard lets us go.
    fn connect_to_server(&self, details: &ConnectionDetails<'_>) -> Result<Connected, Error> {
        let mut failure = Error::HostNotFound;
        let mut addresses: Vec<SocketAddr> = details.addrs.iter().copied().collect();
        addresses.retain(|to| match self.guard.judge(*to) {
            Ok(()) => true,
            Err(refusal) => {
                failure = other(refusal);
                false
            }
        });
        if addresses.is_empty() {
            return Err(failure);
        }
        let stream = connect_to_any(details, addresses, self.guard.outlet.bind_address)?;
        stream.peer_addr().into_iter().for_each(|to| self.guard.reached(to));
        let stream = registered(details, stream)?;
        let plain = (!details.needs_tls()).then(|| Conversation::with(&self.guard.foresight));
        let guard = Some(Arc::clone(&self.guard));
        Ok(Connected { guard, plain, ..self.connected(details, stream) })
    }

    /// A connection on which nothing is asked of a proxy, and of which the guard knows nothing.
    fn connected(&self, details: &ConnectionDetails<'_>, stream: Arc<TcpStream>) -> Connected {
        let (config, needs_tls) = (details.config, details.needs_tls());
        let tap = WebTap::of(&self.guard.outlet.tap, &stream, needs_tls);
        Connected {
            stream,
            buffers: LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size()),
            guard: None,
            forwarding: None,
            tap,
            plain: (!needs_tls).then(Conversation::default),
            is_awaited: Arc::default(),
            at_once: Arc::clone(&self.guard.at_once),
        }
    }
}

/// Lets the library shut the connection down when another thread ends the request.
fn registered(details: &ConnectionDetails<'_>, stream: TcpStream) -> Result<Arc<TcpStream>, Error> {
    let stream = Arc::new(stream);
    let handle: Weak<TcpStream> = Arc::downgrade(&stream);
    (details.register_shutdown)(handle as Weak<dyn ShutdownHandle>)?;
    Ok(stream)
}

/// An error of ours, in the form that the library passes on.
fn other(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Other(Box::new(error))
}

/// What became of a connection to the proxy.
fn to_proxy(error: Error, proxy: &Proxy) -> Error {
    let error = match error {
        Error::Io(error) => error,
        Error::Timeout(_) => ErrorKind::TimedOut.into(),
        error => return error,
    };
    proxy.address_failed();
    other(unreachable(proxy, &error))
}

/// Makes a way through the proxy of the connection to it. Returns what requests need then, if they are for the proxy
/// itself.
fn through(
    details: &ConnectionDetails<'_>,
    proxy: &Arc<Proxy>,
    stream: &TcpStream,
) -> Result<Option<Forwarding>, Error> {
    let uri = details.uri;
    let (host, is_https) = (uri.host().unwrap_or_default(), uri.scheme_str() == Some("https"));
    if !is_https && proxy.kind() == ProxyKind::Http {
        return Ok(Some(Forwarding::new(uri, proxy)));
    }
    let usual = if is_https { 443 } else { 80 };
    let target = Target::of(host.trim_matches(['[', ']']), uri.port_u16().unwrap_or(usual));
    let deadline = started(details) + within(details);
    tunnel::open(stream, Negotiation::new(Arc::clone(proxy), target), deadline).map_err(other)?;
    Ok(None)
}

/// When connecting began.
fn started(details: &ConnectionDetails<'_>) -> Instant {
    match details.now {
        time::Instant::Exact(started) => started,
        _ => Instant::now(),
    }
}

/// How long connecting may take.
fn within(details: &ConnectionDetails<'_>) -> Duration {
    details.timeout.not_zero().map_or(MAX_CONNECT, |limit| *limit)
}

/// Connects to the address of a host that answers first. The next address is tried when one has failed, or has not
/// answered within [`CONNECTION_ATTEMPT_DELAY`]. The attempts before it go on (RFC 8305).
fn connect_to_any(
    details: &ConnectionDetails<'_>,
    mut addresses: Vec<SocketAddr>,
    bind_address: BindAddress,
) -> Result<TcpStream, Error> {
    let (within, started) = (within(details), started(details));
    let mut failure = Error::HostNotFound;
    // If a named bind address can reach none of them, they are tried all the same, because the error says so.
    if bind_address.address().is_none() || addresses.iter().any(|to| bind_address.reaches(*to)) {
        addresses.retain(|to| bind_address.reaches(*to));
    }
    let mut addresses = by_turns(addresses).into_iter();
    let (tell, told) = unbounded();
    let mut under_way = 0;
    loop {
        let left = within.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Err(Error::Timeout(details.timeout.reason));
        }
        match addresses.next() {
            Some(to) => {
                let share = left / u32::try_from(addresses.len() + 1).unwrap_or(u32::MAX);
                begin(bind_address, to, left, share, tell.clone());
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

/// Connects on a thread of its own, because nothing can interrupt connecting. A connection that comes too late is
/// closed there.
///
/// If there is no thread to be had, this thread connects, and waits for its `share` of the time: the other addresses
/// of the host need theirs.
fn begin(
    bind_address: BindAddress,
    to: SocketAddr,
    within: Duration,
    share: Duration,
    tell: Sender<io::Result<TcpStream>>,
) {
    let teller = tell.clone();
    let life = move || drop(teller.send(bind_address.connect(to, within)));
    if thread::spawn("connect", STACK_SIZE, life).is_err() {
        let _ = tell.send(bind_address.connect(to, share));
    }
}

#[cfg(test)]
mod tests;
