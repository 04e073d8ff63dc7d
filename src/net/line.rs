//! One TCP connection to a peer, shared by the two threads that speak over it.
//!
//! Inbound blocks in [`Line::read`], outbox in [`Line::write_all`], and neither waits for the other.
//! Anybody may [hang up](Line::hang_up), which wakes both.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long a write may take that a peer does not read.
const WRITE_DEADLINE: Duration = Duration::from_secs(60);

/// A connection.
#[derive(Debug)]
pub struct Line {
    stream: TcpStream,
    hung_up: OnceLock<&'static str>,
}

impl Line {
    /// Connects.
    ///
    /// # Errors
    ///
    /// What the system says, or [`io::ErrorKind::TimedOut`] after `deadline`.
    pub fn connect(address: SocketAddr, deadline: Duration) -> io::Result<Line> {
        let stream = TcpStream::connect_timeout(&address, deadline)?;
        // Requests are small and urgent: they do not wait for more to send.
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(WRITE_DEADLINE))?;
        Ok(Line { stream, hung_up: OnceLock::new() })
    }

    /// The longest that a later [`Line::read`] waits for a byte.
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

    /// Fills the buffer, all of it before `deadline`, so that a peer that sends one byte at a time
    /// cannot hold a worker.
    ///
    /// # Errors
    ///
    /// As [`Line::read`]; [`io::ErrorKind::UnexpectedEof`] where the peer closed.
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

    /// Ends the connection in both directions and wakes whoever waits for it. The first reason stays.
    pub fn hang_up(&self, why: &'static str) {
        let _ = self.hung_up.set(why);
        // It fails where the peer was faster, which is as good.
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Why we hung up, if we did.
    pub fn hung_up(&self) -> Option<&'static str> {
        self.hung_up.get().copied()
    }
}
