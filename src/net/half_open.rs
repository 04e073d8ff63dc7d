//! Connections that are being made: many at once, and no thread waits for one of them alone.
//!
//! A half-open connection has nothing to say, so it needs no thread of its own as a peer does. One thread
//! begins many, waits for all of them together, and hands on those that came about. From then on they block
//! like any other.
//!
//! A connection through a proxy has a second stage before it has come about: what is said to the proxy. Both sides say
//! a few dozen bytes, so the same thread can speak with all proxies at once, a byte at a time if they like.

use super::proxy::{self, Negotiation, Proxy, ProxyError};
use super::{BindAddress, PeerStream};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use socket2::Socket;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of a proxy's answer that are looked at in one go.
const ANSWER_BYTES: usize = 512;

/// A connection that is being made, directly or through a proxy. Dropping it gives it up.
#[derive(Debug)]
pub struct HalfOpen {
    socket: TcpStream,
    /// What is between us and the other side, if it is not there directly.
    detour: Option<Detour>,
}

/// The way through a proxy.
#[derive(Debug)]
struct Detour {
    negotiation: Negotiation,
    bind_address: BindAddress,
    /// Where it is tried now, and where next.
    addresses: std::vec::IntoIter<SocketAddr>,
    is_connected: bool,
}

/// Why there is no connection.
#[derive(Debug)]
pub enum ConnectError {
    /// What the system says of a direct connection.
    Direct(io::Error),
    /// What became of one through a proxy.
    Detour(ProxyError),
}

impl HalfOpen {
    /// Begins to connect to `to`, from the address that everything leaves by. Never waits.
    ///
    /// # Errors
    ///
    /// As [`BindAddress::connect`], if the system knows at once that there will be no connection.
    pub fn begin(bind_address: BindAddress, to: SocketAddr) -> io::Result<HalfOpen> {
        bind_address.begin(to).map(|socket| HalfOpen { socket: socket.into(), detour: None })
    }

    /// Begins to connect to `to` through a proxy. It waits only where the name of the proxy has to be looked up anew,
    /// ten seconds at most.
    ///
    /// # Errors
    ///
    /// The system knows at once that there will be no connection to the proxy, or its name has no address.
    pub fn begin_through(
        proxy: &Arc<Proxy>,
        bind_address: BindAddress,
        to: SocketAddr,
    ) -> Result<HalfOpen, ConnectError> {
        let mut addresses = proxy.addresses().map_err(ConnectError::Detour)?.into_iter();
        let socket = begin_next(proxy, bind_address, &mut addresses)?;
        let negotiation = Negotiation::new(Arc::clone(proxy), proxy.target(to));
        let detour = Some(Detour { negotiation, bind_address, addresses, is_connected: false });
        Ok(HalfOpen { socket: socket.into(), detour })
    }

    /// Goes on, after [`wait`] said that something came of it. `None` if there is more to wait for. Never waits.
    ///
    /// # Errors
    ///
    /// There will be no connection.
    pub fn go_on(&mut self) -> Option<Result<(), ConnectError>> {
        let Some(detour) = &mut self.detour else {
            return Some(connected(&self.socket).map_err(ConnectError::Direct));
        };
        if !detour.is_connected {
            if let Err(error) = connected(&self.socket) {
                let proxy = detour.negotiation.proxy();
                proxy.address_failed();
                if detour.addresses.len() == 0 {
                    return Some(Err(ConnectError::Detour(proxy::unreachable(proxy, &error))));
                }
                return match begin_next(proxy, detour.bind_address, &mut detour.addresses) {
                    Ok(next) => {
                        self.socket = next.into();
                        None
                    }
                    Err(error) => Some(Err(error)),
                };
            }
            detour.is_connected = true;
        }
        let spoken = speak(&self.socket, &mut detour.negotiation)?;
        Some(spoken.map_err(ConnectError::Detour))
    }

    /// The connection, once [`HalfOpen::go_on`] has said that it is there.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn finish(self) -> io::Result<PeerStream> {
        self.socket.set_nonblocking(false)?;
        PeerStream::accepted(self.socket)
    }

    /// Why it did not come about in time, if that is the fault of what is between us and the other side, or could be.
    pub fn timed_out(&self) -> Option<ProxyError> {
        let detour = self.detour.as_ref()?;
        if !detour.is_connected {
            detour.negotiation.proxy().address_failed();
        }
        Some(detour.negotiation.timed_out())
    }

    /// What it waits for.
    fn waits_for(&self) -> PollFlags {
        match &self.detour {
            Some(detour) if detour.is_connected && detour.negotiation.unsent().is_empty() => PollFlags::IN,
            _ => PollFlags::OUT,
        }
    }
}

/// Begins to connect to the next address of a proxy to which that can be begun.
fn begin_next(
    proxy: &Proxy,
    bind_address: BindAddress,
    addresses: &mut std::vec::IntoIter<SocketAddr>,
) -> Result<Socket, ConnectError> {
    let mut failure = io::Error::from(ErrorKind::NotFound);
    for to in addresses {
        match bind_address.begin(to) {
            Ok(socket) => return Ok(socket),
            // This host has no room, which is not the fault of the proxy.
            Err(error) if super::too_many_files(&error) => return Err(ConnectError::Direct(error)),
            Err(error) => failure = error,
        }
    }
    proxy.address_failed();
    Err(ConnectError::Detour(proxy::unreachable(proxy, &failure)))
}

/// Whether an attempt has led to a connection.
fn connected(socket: &TcpStream) -> io::Result<()> {
    socket.take_error()?.map_or(Ok(()), Err)
}

/// Says to the proxy what is to be said now, and hears what it has said. `None` if there is more to come.
fn speak(mut socket: &TcpStream, negotiation: &mut Negotiation) -> Option<Result<(), ProxyError>> {
    loop {
        while !negotiation.unsent().is_empty() {
            match socket.write(negotiation.unsent()) {
                Ok(0) => return Some(Err(negotiation.closed())),
                Ok(sent) => negotiation.sent(sent),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(_) => return Some(Err(negotiation.closed())),
            }
        }
        let mut answer = [0; ANSWER_BYTES];
        // What comes behind the answer is the peer's, and stays where it is.
        let came = match socket.peek(&mut answer) {
            Ok(0) => return Some(Err(negotiation.closed())),
            Ok(came) => answer.get(..came).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            Err(_) => return Some(Err(negotiation.closed())),
        };
        let taken = match negotiation.receive(came) {
            Ok(taken) => taken,
            Err(error) => return Some(Err(error)),
        };
        let mut taken = vec![0; taken];
        if socket.read_exact(&mut taken).is_err() {
            return Some(Err(negotiation.closed()));
        }
        if negotiation.is_done() {
            return Some(Ok(()));
        }
    }
}

/// Waits until something came of one of these connections, until the other end of `alarm` rings or is gone,
/// or until `until`. Says of each connection, in their order, whether something came of it.
///
/// # Errors
///
/// What the system says.
pub fn wait<'a>(
    half_open: impl Iterator<Item = &'a HalfOpen>,
    alarm: &Alarm,
    until: Option<Instant>,
) -> io::Result<Vec<bool>> {
    let mut watched = vec![PollFd::new(&alarm.0, PollFlags::IN)];
    watched.extend(half_open.map(|connection| PollFd::new(&connection.socket, connection.waits_for())));
    // A millisecond more, so that it is `until` when the wait is over.
    let left = until.map(|until| until.saturating_duration_since(Instant::now()) + Duration::from_millis(1));
    let left = left.and_then(|left| Timespec::try_from(left).ok());
    match poll(&mut watched, left.as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let mut came: Vec<bool> = watched.iter().map(|watched| !watched.revents().is_empty()).collect();
    if came.remove(0) {
        alarm.silence();
    }
    Ok(came)
}

/// Ends a [`wait`] when its [`Bell`] rings.
#[derive(Debug)]
pub struct Alarm(UnixStream);

/// Rings an [`Alarm`]. Dropping it rings for good.
#[derive(Debug)]
pub struct Bell(UnixStream);

impl Alarm {
    /// An alarm and its bell.
    ///
    /// # Errors
    ///
    /// The system has no more descriptors.
    pub fn new() -> io::Result<(Alarm, Bell)> {
        let (alarm, bell) = UnixStream::pair()?;
        alarm.set_nonblocking(true)?;
        bell.set_nonblocking(true)?;
        Ok((Alarm(alarm), Bell(bell)))
    }

    fn silence(&self) {
        while (&self.0).read(&mut [0; 64]).is_ok_and(|read| read == 64) {}
    }
}

impl Bell {
    /// Rings. Never waits: where the alarm has not heard the last ring, one more is not needed.
    pub fn ring(&self) {
        let _ = (&self.0).write(&[1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::addresses::{free_address, nobody};
    use std::net::{Ipv4Addr, TcpListener};

    /// Waits until something came of the connection.
    fn come(mut connection: HalfOpen) -> io::Result<PeerStream> {
        let (alarm, _bell) = Alarm::new().unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        assert_eq!(wait([&connection].into_iter(), &alarm, Some(until)).unwrap(), [true]);
        match connection.go_on() {
            Some(Err(ConnectError::Direct(error))) => Err(error),
            Some(Ok(())) => connection.finish(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_connection_comes_about_and_blocks_from_then_on() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = HalfOpen::begin(BindAddress::any(), listener.local_addr().unwrap()).unwrap();
        let ours = come(ours).unwrap();
        let (mut theirs, _) = listener.accept().unwrap();
        let answers = std::thread::spawn(move || {
            theirs.read_exact(&mut [0; 5]).unwrap();
            theirs.write_all(b"there").unwrap();
        });
        ours.write_all(b"hello").unwrap();
        let mut heard = [0; 5];
        ours.read_exact_by(&mut heard, Instant::now() + Duration::from_secs(20)).unwrap();
        assert_eq!(&heard, b"there");
        answers.join().unwrap();
    }

    #[test]
    fn a_port_at_which_nobody_listens_refuses() {
        let refused = HalfOpen::begin(BindAddress::any(), nobody()).and_then(come).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn it_leaves_by_the_bind_address_or_not_at_all() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let bind_address = BindAddress::only([127, 0, 0, 2].into());
        let _ours = come(HalfOpen::begin(bind_address, to).unwrap()).unwrap();
        assert_eq!(Some(listener.accept().unwrap().1.ip()), bind_address.address());
        for ip in ["192.0.2.1", "::1"] {
            let error = HalfOpen::begin(BindAddress::only(ip.parse().unwrap()), to).unwrap_err();
            assert!(error.to_string().contains(ip), "{error}");
        }
    }

    /// Goes on until something has come of the connection.
    fn conclude(mut connection: HalfOpen) -> Result<PeerStream, ConnectError> {
        let (alarm, _bell) = Alarm::new().unwrap();
        loop {
            let until = Instant::now() + Duration::from_secs(20);
            assert_eq!(wait([&connection].into_iter(), &alarm, Some(until)).unwrap(), [true]);
            match connection.go_on() {
                Some(Ok(())) => return Ok(connection.finish().unwrap()),
                Some(Err(error)) => return Err(error),
                None => {}
            }
        }
    }

    #[test]
    fn what_a_peer_says_with_the_answer_of_the_proxy_is_the_peers() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // The name has an IPv6 address too on most hosts, at which nobody listens.
        let proxy = format!("socks5h://localhost:{}", listener.local_addr().unwrap().port());
        let proxy = Arc::new(Proxy::typed(&proxy).unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, from) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 3]).unwrap();
            // A byte, and then the rest together with the next.
            stream.write_all(&[5]).unwrap();
            std::thread::sleep(Duration::from_millis(20));
            stream.write_all(&[0]).unwrap();
            let mut request = [0; 10];
            stream.read_exact(&mut request).unwrap();
            stream.write_all(b"\x05\0\0\x01\0\0\0\0\0\0hello").unwrap();
            (stream, from, request)
        });
        let bind_address = BindAddress::only([127, 0, 0, 2].into());
        let to = "192.0.2.7:6881".parse().unwrap();
        let ours = conclude(HalfOpen::begin_through(&proxy, bind_address, to).unwrap()).unwrap();
        let mut heard = [0; 5];
        ours.read_exact_by(&mut heard, Instant::now() + Duration::from_secs(20)).unwrap();
        let (_stream, from, request) = server.join().unwrap();
        assert_eq!((&heard, Some(from.ip())), (b"hello", bind_address.address()));
        assert_eq!(request, [5, 1, 0, 1, 192, 0, 2, 7, 0x1a, 0xe1]);
    }

    #[test]
    fn a_proxy_that_nobody_runs_is_to_blame_and_its_other_addresses_are_tried() {
        // The system gives it to nobody who asks for any port, of neither family.
        let port = free_address(Ipv4Addr::LOCALHOST).port();
        let proxy = Arc::new(Proxy::typed(&format!("http://localhost:{port}")).unwrap());
        let attempt = HalfOpen::begin_through(&proxy, BindAddress::any(), "192.0.2.7:1".parse().unwrap());
        let Err(ConnectError::Detour(error)) = attempt.and_then(conclude) else { panic!("a connection") };
        assert!(error.is_of_the_proxy(), "{error}");
        assert!(
            error.to_string().starts_with(&format!("the proxy localhost:{port} cannot be reached")),
            "{error}"
        );
    }

    #[test]
    fn a_bell_ends_a_wait_and_so_does_its_end() {
        let (alarm, bell) = Alarm::new().unwrap();
        let until = || Some(Instant::now() + Duration::from_secs(60));
        let began = Instant::now();
        (0..1000).for_each(|_| bell.ring());
        wait(std::iter::empty(), &alarm, until()).unwrap();
        drop(bell);
        wait(std::iter::empty(), &alarm, until()).unwrap();
        assert!(began.elapsed() < Duration::from_secs(60));
        wait(std::iter::empty(), &alarm, Some(Instant::now())).unwrap();
    }
}
