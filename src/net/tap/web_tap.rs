//! The door of one connection to a web server: an HTTP tracker, a web seed, a router's page.
//!
//! What is said is told as the bytes that pass where they are plain: behind the TLS of an `https` server. It is for whoever
//! wants all bytes, and for nobody else: what a request to a server means is told by those who know
//! ([`Seen::Server`]).

use super::{Connection, Direction, Framed, Seen, Tap};
use std::net::TcpStream;

/// What happens to a connection to a web server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebEvent {
    /// It is there.
    Open {
        /// What is told goes by TLS.
        by_tls: bool,
    },
    /// These bytes passed. They may be a part of a request or an answer.
    Bytes(Direction, Framed),
    /// It has ended, and this side ended it.
    Ended(Direction),
}

/// The door of one connection. Its end is told when it is dropped.
#[derive(Debug)]
pub(in crate::net) struct WebTap {
    tap: Tap,
    connection: Connection,
    received: u64,
    sent: u64,
    by: Direction,
}

impl WebTap {
    /// The door of this connection, if somebody wants all bytes.
    pub(in crate::net) fn of(tap: &Tap, stream: &TcpStream, by_tls: bool) -> Option<WebTap> {
        if !tap.wants_blocks() {
            return None;
        }
        let (address, local) = (stream.peer_addr().ok()?, stream.local_addr().ok());
        let connection =
            Connection { number: tap.next_number()?, address, local, incoming: false, is_utp: false };
        let tap = WebTap { tap: tap.clone(), connection, received: 0, sent: 0, by: Direction::Out };
        tap.tell(WebEvent::Open { by_tls });
        Some(tap)
    }

    /// These bytes pass. None from the server are its end.
    pub(in crate::net) fn pass(&mut self, direction: Direction, bytes: &[u8]) {
        let count = if direction == Direction::In { &mut self.received } else { &mut self.sent };
        if bytes.is_empty() {
            self.by = direction;
            return;
        }
        let (length, offset) = (bytes.len() as u64, *count);
        *count = offset.saturating_add(length);
        let mut start = self.tap.spares().take(bytes.len());
        start.extend_from_slice(bytes);
        self.tell(WebEvent::Bytes(direction, Framed { start, length, is_handshake: false, offset }));
    }

    fn tell(&self, event: WebEvent) {
        self.tap.tell(|| Seen::Web(self.connection, event));
    }
}

impl Drop for WebTap {
    fn drop(&mut self) {
        self.tell(WebEvent::Ended(self.by));
    }
}
