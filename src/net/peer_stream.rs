//! One TCP connection to a peer, shared by the two threads that speak over it.
//!
//! Inbound blocks in [`PeerStream::read`], outbox in [`PeerStream::write_all`], and neither waits for the other.
//! Anybody may [hang up](PeerStream::hang_up), which wakes both.
//!
//! Little waits in the system to be sent ([`MAX_UNSENT`]). That costs no time and no CPU that could be
//! measured.

use super::BindAddress;
use crate::message::HangUp;
use rustix::io::Errno;
use rustix::net::SendFlags;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::fs::FileExt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a write may take that a peer does not read.
const WRITE_DEADLINE: Duration = Duration::from_secs(60);
/// Bytes that wait in the system to be sent, beyond what is on its way already.
#[cfg(any(target_os = "linux", target_os = "android"))]
const MAX_UNSENT: u32 = 128 * 1024;
/// Where the system cannot send from a file by itself, so many bytes are copied at once.
const COPIED_AT_ONCE: usize = 8 * 1024;
#[cfg(any(target_os = "linux", target_os = "android"))]
const MORE_FOLLOWS: SendFlags = SendFlags::NOSIGNAL.union(SendFlags::MORE);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const MORE_FOLLOWS: SendFlags = SendFlags::empty();

/// A connection.
#[derive(Debug)]
pub struct PeerStream {
    stream: TcpStream,
    /// Why, if we did.
    hung_up: Mutex<Option<HangUp>>,
    /// Tells those who [pause](PeerStream::pause_until).
    ended: Condvar,
}

impl PeerStream {
    /// Connects, from the address that everything leaves by.
    ///
    /// # Errors
    ///
    /// As [`BindAddress::connect`]; [`io::ErrorKind::TimedOut`] after `deadline`.
    pub fn connect(
        bind_address: BindAddress,
        address: SocketAddr,
        deadline: Duration,
    ) -> io::Result<PeerStream> {
        PeerStream::accepted(bind_address.connect(address, deadline)?)
    }

    /// A connection that somebody else has made.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn accepted(stream: TcpStream) -> io::Result<PeerStream> {
        // Requests are small and urgent: they do not wait for more to send.
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(WRITE_DEADLINE))?;
        keep_unsent_short(&stream);
        Ok(PeerStream { stream, hung_up: Mutex::default(), ended: Condvar::new() })
    }

    /// The bare connection.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// The longest that a later [`PeerStream::read`] waits for a byte.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn wait_at_most(&self, wait: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(wait))
    }

    /// Reads what is there, at least one byte; zero where the peer closed.
    ///
    /// # Errors
    ///
    /// What the system says; [`io::ErrorKind::TimedOut`] or `WouldBlock` after the longest wait.
    pub fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match (&self.stream).read(into) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Waits as [`PeerStream::read`] does and shows the same bytes, but leaves them where they are. How many
    /// there are of those that fit; zero where the peer closed.
    ///
    /// # Errors
    ///
    /// As [`PeerStream::read`].
    pub fn peek(&self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.stream.peek(into) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Waits until `due`, or until somebody hangs up.
    pub fn pause_until(&self, due: Instant) {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        let _ = self.ended.wait_timeout_while(self.reason(), left, |why| why.is_none());
    }

    /// Fills the buffer, all of it before `deadline`, so that a peer that sends one byte at a time
    /// cannot hold a worker.
    ///
    /// # Errors
    ///
    /// As [`PeerStream::read`]; [`io::ErrorKind::UnexpectedEof`] where the peer closed.
    pub fn read_exact_by(&self, mut into: &mut [u8], deadline: Instant) -> io::Result<()> {
        while !into.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.wait_at_most(left)?;
            match self.read(into)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => into = into.get_mut(read..).unwrap_or_default(),
            }
        }
        Ok(())
    }

    /// Writes everything.
    ///
    /// # Errors
    ///
    /// What the system says; [`io::ErrorKind::TimedOut`] or `WouldBlock` where the peer does not read.
    pub fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.stream).write_all(bytes)
    }

    /// Writes everything, and tells the system that more follows at once: it need not send a packet
    /// for this alone.
    ///
    /// # Errors
    ///
    /// As [`PeerStream::write_all`].
    pub fn write_more(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match rustix::net::send(&self.stream, bytes, MORE_FOLLOWS) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Writes so many zeros.
    ///
    /// # Errors
    ///
    /// As [`PeerStream::write_all`].
    pub fn write_zeros(&self, length: u64) -> io::Result<()> {
        io::copy(&mut io::repeat(0).take(length), &mut &self.stream).map(drop)
    }

    /// Sends `length` bytes of a file, from `offset` on.
    ///
    /// # Errors
    ///
    /// As [`PeerStream::write_all`]; what reading the file brings, and [`io::ErrorKind::UnexpectedEof`]
    /// where it has fewer bytes.
    pub fn send_file(&self, file: &File, offset: u64, length: u64) -> io::Result<()> {
        let sent = send_from_the_page_cache(&self.stream, file, offset, length)?;
        let (mut offset, mut left) = (offset.saturating_add(sent), length.saturating_sub(sent));
        let mut buffer = [0; COPIED_AT_ONCE];
        while left > 0 {
            let size = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
            let part = buffer.get_mut(..size).unwrap_or_default();
            file.read_exact_at(part, offset)?;
            self.write_all(part)?;
            offset = offset.saturating_add(size as u64);
            left -= size as u64;
        }
        Ok(())
    }

    /// Ends the connection in both directions and wakes whoever waits for it. The first reason stays.
    pub fn hang_up(&self, why: HangUp) {
        let mut reason = self.reason();
        if reason.is_some() {
            return;
        }
        *reason = Some(why);
        self.ended.notify_all();
        // It fails where the peer was faster, which is as good.
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Gives the connection away. Whoever hangs up later hangs up nothing. `None` where somebody did before.
    pub fn give_away(&self) -> Option<TcpStream> {
        let mut reason = self.reason();
        if reason.is_some() {
            return None;
        }
        let stream = self.stream.try_clone().ok()?;
        *reason = Some(HangUp::HandedOver);
        Some(stream)
    }

    /// Why we hung up, if we did.
    pub fn hung_up(&self) -> Option<HangUp> {
        *self.reason()
    }

    fn reason(&self) -> MutexGuard<'_, Option<HangUp>> {
        self.hung_up.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has a write wait while more than this many bytes wait to be sent, where the system can: what waits
/// there can neither be taken back when the peer cancels it nor overtaken by what we ask for.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn keep_unsent_short(stream: &TcpStream) {
    let _ = socket2::SockRef::from(stream).set_tcp_notsent_lowat(MAX_UNSENT);
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn keep_unsent_short(_: &TcpStream) {}

/// Sends bytes of a file without copying them through this process. How many were sent: none where
/// the system or the file system cannot.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn send_from_the_page_cache(stream: &TcpStream, file: &File, offset: u64, length: u64) -> io::Result<u64> {
    let (mut at, end) = (offset, offset.saturating_add(length));
    while at < end {
        let left = usize::try_from(end - at).unwrap_or(usize::MAX);
        match rustix::fs::sendfile(stream, file, Some(&mut at), left) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(at.saturating_sub(offset))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn send_from_the_page_cache(_: &TcpStream, _: &File, _: u64, _: u64) -> io::Result<u64> {
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn line() -> (PeerStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let line = PeerStream::connect(BindAddress::any(), address, Duration::from_secs(20)).unwrap();
        (line, listener.accept().unwrap().0)
    }

    #[test]
    fn a_pause_ends_when_it_is_due_and_when_somebody_hangs_up() {
        let (line, _peer) = line();
        let due = Instant::now() + Duration::from_millis(30);
        line.pause_until(due);
        assert!(Instant::now() >= due);
        line.pause_until(due);

        let far = Instant::now() + Duration::from_secs(1 << 40);
        std::thread::scope(|scope| {
            scope.spawn(|| line.pause_until(far));
            line.hang_up(HangUp::Released);
        });
        line.pause_until(far);
        assert_eq!(line.hung_up(), Some(HangUp::Released));
    }

    #[test]
    fn what_was_shown_is_still_there() {
        let (line, mut peer) = line();
        peer.write_all(b"12345").unwrap();
        let mut bytes = [0; 3];
        let shown = line.peek(&mut bytes).unwrap();
        assert_eq!(bytes[..shown], b"123"[..shown]);
        let mut all = [0; 5];
        line.read_exact_by(&mut all, Instant::now() + Duration::from_secs(20)).unwrap();
        assert_eq!(&all, b"12345");
        drop(peer);
        assert_eq!(line.peek(&mut bytes).unwrap(), 0);
    }
}
