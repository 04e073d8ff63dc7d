//! A connection over TCP.
//!
//! Little waits in the system to be sent (`MAX_UNSENT`). That costs no time and no CPU that could be
//! measured.

use super::transport::{Transport, WRITE_DEADLINE, copy_from_file};
use rustix::io::Errno;
use rustix::net::SendFlags;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Bytes that wait in the system to be sent, beyond those that are on their way already.
#[cfg(any(target_os = "linux", target_os = "android"))]
const MAX_UNSENT: u32 = 128 * 1024;
/// How long what was sent may stay without an acknowledgement, or the peer without room for more. A host that
/// lost its power or its address closes nothing, and the system itself would go on trying for a quarter of an
/// hour. As long as a write may take: a peer that pauses its reader is as alive as one that reads slowly.
#[cfg(any(target_os = "linux", target_os = "android"))]
const MAX_UNACKNOWLEDGED: Duration = Duration::from_secs(60);
#[cfg(any(target_os = "linux", target_os = "android"))]
const MORE_FOLLOWS: SendFlags = SendFlags::NOSIGNAL.union(SendFlags::MORE);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const MORE_FOLLOWS: SendFlags = SendFlags::empty();

/// A TCP socket.
#[derive(Debug)]
pub(super) struct Tcp {
    socket: TcpStream,
}

impl Tcp {
    pub(super) fn new(socket: TcpStream) -> io::Result<Tcp> {
        // Requests are small and urgent: they do not wait for more to send.
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(WRITE_DEADLINE))?;
        keep_unsent_short(&socket);
        notice_dead_host(&socket);
        Ok(Tcp { socket })
    }
}

impl Transport for Tcp {
    fn wait_at_most(&self, wait: Duration) -> io::Result<()> {
        self.socket.set_read_timeout(Some(wait))
    }

    fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        uninterrupted(|| self.socket.read_timeout(), || (&self.socket).read(into))
    }

    fn peek(&self, into: &mut [u8]) -> io::Result<usize> {
        uninterrupted(|| self.socket.read_timeout(), || self.socket.peek(into))
    }

    fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.socket).write_all(bytes)
    }

    fn write_more(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match rustix::net::send(&self.socket, bytes, MORE_FOLLOWS) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn send_file(&self, file: &File, offset: u64, length: u64) -> io::Result<()> {
        let sent = send_from_the_page_cache(&self.socket, file, offset, length)?;
        copy_from_file(self, file, offset.saturating_add(sent), length.saturating_sub(sent))
    }

    fn local_address(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()
    }

    fn shut_down(&self) {
        // It fails where the peer was faster, which is as good.
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

/// Calls a system call again when it was interrupted, as it is when the process was stopped and goes on. Each call waits
/// anew: so that one that is interrupted again and again ends too, none begins when its longest wait has passed since it
/// was interrupted first.
fn uninterrupted(
    longest: impl Fn() -> io::Result<Option<Duration>>,
    mut call: impl FnMut() -> io::Result<usize>,
) -> io::Result<usize> {
    let mut first = None;
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                let passed = first.get_or_insert_with(Instant::now).elapsed();
                if longest()?.is_some_and(|longest| passed >= longest) {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
            result => return result,
        }
    }
}

/// Makes a write wait while more than this many bytes wait to be sent, where the system can: what waits
/// there can neither be taken back when the peer cancels it nor overtaken by what we ask for.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn keep_unsent_short(socket: &TcpStream) {
    let _ = socket2::SockRef::from(socket).set_tcp_notsent_lowat(MAX_UNSENT);
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn keep_unsent_short(_: &TcpStream) {}

/// Ends a connection whose other side acknowledges nothing any more, where the system can be told to.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn notice_dead_host(socket: &TcpStream) {
    let _ = socket2::SockRef::from(socket).set_tcp_user_timeout(Some(MAX_UNACKNOWLEDGED));
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn notice_dead_host(_: &TcpStream) {}

/// Sends bytes of a file without copying them through this process. Returns how many were sent: none where
/// the system or the file system cannot.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn send_from_the_page_cache(socket: &TcpStream, file: &File, offset: u64, length: u64) -> io::Result<u64> {
    let (mut at, end) = (offset, offset.saturating_add(length));
    while at < end {
        let left = usize::try_from(end - at).unwrap_or(usize::MAX);
        match rustix::fs::sendfile(socket, file, Some(&mut at), left) {
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

    #[test]
    fn a_read_that_is_interrupted_goes_on_and_ends_in_time_however_often_that_is() {
        let mut interruptions = 3;
        let read = uninterrupted(
            || Ok(None),
            || {
                interruptions -= 1;
                if interruptions > 0 { Err(io::ErrorKind::Interrupted.into()) } else { Ok(7) }
            },
        );
        assert_eq!((read.unwrap(), interruptions), (7, 0));
        let longest = || Ok(Some(Duration::from_millis(1)));
        let ended = uninterrupted(longest, || Err(io::ErrorKind::Interrupted.into()));
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
