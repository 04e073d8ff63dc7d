//! An exchange of UDP packets with one address.
//!
//! One thread sends and waits for what comes back; each wait has a deadline. Any other thread may [hang
//! up](UdpChannel::hang_up), which wakes it. The system drops packets from any other address.

use super::BindAddress;
use crate::address::canonical;
use socket2::SockRef;
use std::io::{self, ErrorKind};
use std::net::{Shutdown, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long the system may take to accept a packet that it has no room for.
const SEND_DEADLINE: Duration = Duration::from_secs(1);

/// A UDP socket and the one address that it exchanges packets with.
#[derive(Debug)]
pub struct UdpChannel {
    socket: UdpSocket,
    to: SocketAddr,
    hung_up: AtomicBool,
}

impl UdpChannel {
    /// A channel to `to` by the address that everything leaves by. Sends nothing.
    ///
    /// # Errors
    ///
    /// As [`BindAddress::udp`].
    pub fn open(bind_address: BindAddress, to: SocketAddr) -> io::Result<UdpChannel> {
        let socket = bind_address.udp(to)?;
        socket.set_write_timeout(Some(SEND_DEADLINE))?;
        Ok(UdpChannel { socket, to: canonical(to), hung_up: AtomicBool::new(false) })
    }

    /// The address that it exchanges packets with, in its canonical form.
    pub fn peer(&self) -> SocketAddr {
        self.to
    }

    /// Our own address, as it stands in what we send.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn ours(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Sends one packet.
    ///
    /// # Errors
    ///
    /// What the system says, which includes that no program took an earlier packet.
    pub fn send(&self, packet: &[u8]) -> io::Result<()> {
        self.socket.send(packet).map(drop)
    }

    /// Waits for a packet until then. Returns its length; a packet that is longer than `into` is cut to that.
    /// `None` when the time is over.
    ///
    /// # Errors
    ///
    /// What the system says, which includes that no program took a packet of ours, and
    /// [`ErrorKind::ConnectionAborted`] after a hang-up.
    pub fn receive(&self, into: &mut [u8], until: Instant) -> io::Result<Option<usize>> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.socket.set_read_timeout(Some(left))?;
            let received = self.socket.recv(into);
            if self.hung_up.load(Ordering::Acquire) {
                return Err(ErrorKind::ConnectionAborted.into());
            }
            match received {
                Ok(length) => return Ok(Some(length)),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
    }

    /// Wakes the thread that waits. No thread can wait again.
    pub fn hang_up(&self) {
        self.hung_up.store(true, Ordering::Release);
        // UDP has no end of a connection, so the other side learns nothing. On this side the waiting ends.
        let _ = SockRef::from(&self.socket).shutdown(Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::addresses::nobody_by_udp;
    use std::thread;

    const WAIT: Duration = Duration::from_secs(20);

    fn far() -> Instant {
        Instant::now() + WAIT
    }

    #[test]
    fn only_what_comes_from_there_is_received() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let [there, stranger] = [(); 2].map(|()| UdpSocket::bind(host).unwrap());
            let channel = UdpChannel::open(BindAddress::any(), there.local_addr().unwrap()).unwrap();
            channel.send(b"hello").unwrap();
            let (_, ours) = there.recv_from(&mut [0; 9]).unwrap();
            stranger.send_to(b"lie", ours).unwrap();
            there.send_to(b"", ours).unwrap();
            there.send_to(b"truth", ours).unwrap();
            let mut packet = [0; 3];
            assert_eq!(channel.receive(&mut packet, far()).unwrap(), Some(0));
            assert_eq!(channel.receive(&mut packet, far()).unwrap(), Some(3));
            assert_eq!(&packet, b"tru");
            assert_eq!(
                channel.receive(&mut packet, Instant::now() + Duration::from_millis(20)).unwrap(),
                None
            );
        }
    }

    #[test]
    fn a_port_without_a_program_is_an_error_at_once() {
        let there = nobody_by_udp();
        let channel = UdpChannel::open(BindAddress::any(), there).unwrap();
        channel.send(b"hello").unwrap();
        let error = channel.receive(&mut [0], far()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }

    #[test]
    fn hanging_up_wakes_the_thread_that_waits_and_lets_none_wait_later() {
        let there = UdpSocket::bind("127.0.0.1:0").unwrap();
        let channel = UdpChannel::open(BindAddress::any(), there.local_addr().unwrap()).unwrap();
        let never = Instant::now() + Duration::from_secs(1 << 20);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                channel.send(b"hello").unwrap();
                channel.receive(&mut [0], never).unwrap_err().kind()
            });
            there.recv_from(&mut [0; 9]).unwrap();
            channel.hang_up();
            assert_eq!(waiting.join().unwrap(), ErrorKind::ConnectionAborted);
        });
        assert_eq!(channel.receive(&mut [0], never).unwrap_err().kind(), ErrorKind::ConnectionAborted);
    }
}
