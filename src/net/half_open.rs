//! Connections that are being made: many at once, and no thread waits for one of them alone.
//!
//! A half-open connection has nothing to say, so it needs no thread of its own as a peer does. One thread
//! begins many, waits for all of them together, and hands on those that came about. From then on they block
//! like any other.

use super::{BindAddress, PeerStream};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use socket2::Socket;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// A connection that is being made. Dropping it gives it up.
#[derive(Debug)]
pub struct HalfOpen(Socket);

impl HalfOpen {
    /// Begins to connect to `to`, from the address that everything leaves by. Never waits.
    ///
    /// # Errors
    ///
    /// As [`BindAddress::connect`], if the system knows at once that there will be no connection.
    pub fn begin(bind_address: BindAddress, to: SocketAddr) -> io::Result<HalfOpen> {
        bind_address.begin(to).map(HalfOpen)
    }

    /// What came of it, after [`wait`] said that something did.
    ///
    /// # Errors
    ///
    /// What the system says: there is no connection.
    pub fn finish(self) -> io::Result<PeerStream> {
        match self.0.take_error()? {
            Some(error) => Err(error),
            None => {
                self.0.set_nonblocking(false)?;
                PeerStream::accepted(self.0.into())
            }
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
    watched.extend(half_open.map(|connection| PollFd::new(&connection.0, PollFlags::OUT)));
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
    use std::net::TcpListener;

    /// Waits until something came of the connection.
    fn come(connection: HalfOpen) -> io::Result<PeerStream> {
        let (alarm, _bell) = Alarm::new().unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        assert_eq!(wait([&connection].into_iter(), &alarm, Some(until)).unwrap(), [true]);
        connection.finish()
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
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let nobody = listener.local_addr().unwrap();
        drop(listener);
        let refused = HalfOpen::begin(BindAddress::any(), nobody).and_then(come).unwrap_err();
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
