//! Wraps the connections of the HTTP library in TLS.
//!
//! The library's own way knows either the built-in authorities or those that it is given, and not both.

use super::ahead::Conversation;
use super::connected::Connected;
use super::guard::Guard;
use super::tls::tls_fault;
use crate::net::tap::{Direction, WebTap};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use std::fmt;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport, TransportAdapter,
    time,
};

/// Makes a TLS connection of each connection to an `https` address.
#[derive(Debug)]
pub(super) struct TlsConnector(pub Arc<Guard>);

impl Connector<Connected> for TlsConnector {
    type Out = Either<Connected, TlsConnection>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        plain: Option<Connected>,
    ) -> Result<Option<Self::Out>, Error> {
        let Some(mut plain) = plain else { return Ok(None) };
        if !details.needs_tls() || plain.is_tls() {
            return Ok(Some(Either::A(plain)));
        }
        let host = details.uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let host =
            ServerName::try_from(host).map_err(|_| Error::Tls("no certificate can be for such a host"))?;
        let config = self.0.outlet.authorities.config();
        let connection = config.and_then(|config| ClientConnection::new(config, host.to_owned()));
        let mut connection = connection.map_err(|error| Error::Other(Box::new(error)))?;
        // What is said is plain on this side of the TLS.
        let tap = plain.tap.take();
        let is_awaited = Arc::clone(&plain.is_awaited);
        let mut socket = TransportAdapter::new(plain, details.current_time.clone());
        socket.set_timeout(left(details));
        if let Err(error) = connection.complete_io(&mut socket) {
            return Err(match tls_fault(&error) {
                Some(fault) => Error::Other(Box::new(fault)),
                None => Error::from(error),
            });
        }
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        let spoken = Conversation::with(&self.0.foresight);
        Ok(Some(Either::B(TlsConnection {
            stream: StreamOwned::new(connection, socket),
            buffers,
            tap,
            plain: spoken,
            is_awaited,
        })))
    }
}

/// What connecting has left of the time for it.
fn left(details: &ConnectionDetails<'_>) -> NextTimeout {
    let mut timeout = details.timeout;
    if let (time::Duration::Exact(whole), time::Instant::Exact(started)) = (timeout.after, details.now) {
        timeout.after = time::Duration::Exact(whole.saturating_sub(started.elapsed()));
    }
    timeout
}

/// A TLS connection in the form that the library expects.
pub(super) struct TlsConnection {
    stream: StreamOwned<ClientConnection, TransportAdapter<Connected>>,
    buffers: LazyBuffers,
    tap: Option<WebTap>,
    plain: Conversation,
    /// Answers may come before the next request.
    is_awaited: Arc<AtomicBool>,
}

impl Transport for TlsConnection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.stream.sock.set_timeout(timeout);
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        let output = self.plain.ask(output)?;
        if output.is_empty() {
            return Ok(());
        }
        self.tap.iter_mut().for_each(|tap| tap.pass(Direction::Out, &output));
        self.stream.write_all(&output)?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        if self.plain.heads.hand_on(&mut self.buffers) {
            return Ok(true);
        }
        self.stream.sock.set_timeout(timeout);
        let read = self.stream.read(self.buffers.input_append_buf())?;
        let came = self.buffers.input_append_buf().get(..read).unwrap_or_default();
        self.tap.iter_mut().for_each(|tap| tap.pass(Direction::In, came));
        self.plain.heads.read(read, &mut self.buffers)
    }

    fn is_open(&mut self) -> bool {
        let goes_on = self.plain.may_go_on();
        self.is_awaited.store(goes_on.is_some(), Ordering::Relaxed);
        goes_on.unwrap_or(true) && self.stream.sock.get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

impl fmt::Debug for TlsConnection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("TlsConnection").finish_non_exhaustive()
    }
}
