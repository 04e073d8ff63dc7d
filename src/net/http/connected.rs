//! A TCP connection to a web server or a proxy, in the form that the HTTP library expects: what the library writes and
//! reads goes through the guard, the tap and what is known of requests that were sent ahead.

use super::ahead::Conversation;
use super::forwarding::Forwarding;
use super::guard::Guard;
use crate::net::tap::{Direction, WebTap};
use rustix::net::RecvFlags;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use ureq::Error;
use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, Transport, time};

/// A TCP connection in the form that the library expects.
pub(super) struct Connected {
    /// Shared with the library, which shuts it down when another thread ends the request.
    pub(super) stream: Arc<TcpStream>,
    pub(super) buffers: LazyBuffers,
    /// Asked before the connection is used for another request. `None` for a connection to a proxy.
    pub(super) guard: Option<Arc<Guard>>,
    /// What requests need, if it is a proxy itself that is asked.
    pub(super) forwarding: Option<Forwarding>,
    /// Who sees what is said, where it is plain: TLS takes it from here.
    pub(super) tap: Option<WebTap>,
    /// What is said, where it is plain.
    pub(super) plain: Option<Conversation>,
    /// Something may come before the next request: TLS around it knows what.
    pub(super) is_awaited: Arc<AtomicBool>,
    /// No read waits.
    pub(super) at_once: Arc<AtomicBool>,
}

impl Connected {
    /// Whether the request that begins may use this connection.
    fn may_be_used(&self) -> bool {
        let Some(guard) = &self.guard else { return true };
        let to = self.stream.peer_addr().ok().filter(|to| guard.judge(*to).is_ok());
        to.iter().for_each(|to| guard.reached(*to));
        to.is_some()
    }

    fn read_in_time(&mut self, timeout: NextTimeout) -> Result<usize, Error> {
        let whole = limit(&timeout)?;
        let started = Instant::now();
        loop {
            let left = whole.map(|whole| whole.saturating_sub(started.elapsed()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(Error::Timeout(timeout.reason));
            }
            self.stream.set_read_timeout(left)?;
            match (&*self.stream).read(self.buffers.input_append_buf()) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => return read.map_err(|error| library_error(error, &timeout)),
            }
        }
    }

    fn read_at_once(&mut self) -> Result<usize, Error> {
        let read = rustix::net::recv(&*self.stream, self.buffers.input_append_buf(), RecvFlags::DONTWAIT);
        Ok(read.map_err(io::Error::from)?.0)
    }
}

// As for the guard, nobody prints it.
impl fmt::Debug for Connected {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Connected").finish_non_exhaustive()
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
        let written = self.plain.as_mut().map(|plain| plain.ask(output)).transpose()?;
        let output = written.as_deref().unwrap_or(output);
        if output.is_empty() {
            return Ok(());
        }
        // What is for the proxy alone is not shown.
        self.tap.iter_mut().for_each(|tap| tap.pass(Direction::Out, output));
        let forwarded = self.forwarding.as_mut().map(|forwarding| forwarding.rewritten(output));
        let output = forwarded.as_deref().unwrap_or(output);
        (&*self.stream).write_all(output).map_err(|error| library_error(error, &timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        if self.plain.as_mut().is_some_and(|plain| plain.heads.hand_on(&mut self.buffers)) {
            return Ok(true);
        }
        let read = match self.at_once.load(Ordering::Relaxed) {
            true => self.read_at_once()?,
            false => self.read_in_time(timeout.for_read())?,
        };
        self.forwarding.iter_mut().for_each(Forwarding::heard);
        let came = self.buffers.input_append_buf().get(..read).unwrap_or_default();
        self.tap.iter_mut().for_each(|tap| tap.pass(Direction::In, came));
        if let Some(plain) = &mut self.plain {
            return plain.heads.read(read, &mut self.buffers);
        }
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
        let goes_on = self.plain.as_ref().and_then(Conversation::may_go_on);
        let is_awaited = self.is_awaited.load(Ordering::Relaxed);
        goes_on.unwrap_or_else(|| is_awaited || silent(&self.stream).unwrap_or(false)) && self.may_be_used()
    }
}

/// The time that is left, if there is a limit.
pub(super) fn limit(timeout: &NextTimeout) -> Result<Option<Duration>, Error> {
    match timeout.after {
        time::Duration::Exact(left) if left.is_zero() => Err(Error::Timeout(timeout.reason)),
        time::Duration::Exact(left) => Ok(Some(left)),
        time::Duration::NotHappening => Ok(None),
    }
}

pub(super) fn library_error(error: io::Error, timeout: &NextTimeout) -> Error {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Error::Timeout(timeout.reason),
        _ => Error::Io(error),
    }
}
