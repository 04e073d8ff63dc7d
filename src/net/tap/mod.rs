//! The door for whoever wants to see what goes over the wire, for `--trace` and `-vv`.
//!
//! It stands where the bytes of a connection are plain both ways: before they are encrypted, and after they are
//! decrypted. Each direction is cut into messages there (`framer`), so that whoever listens gets whole ones and may leave
//! out as many as it likes without losing its place. The bytes of blocks are not copied: of a `piece` message its head and
//! its length are told. What goes over UDP, what is said to trackers, and why a message is sent is told by those who know.
//!
//! Closed, as it is by default, it costs one look for each call of the system.

mod framer;
mod stream_tap;

pub use framer::Framed;
pub use stream_tap::StreamTap;

use super::HangUp;
use crate::metainfo::InfoHash;
use crate::piece::Geometry;
use crate::strategy::Security;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Which way something goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To us.
    In,
    /// From us.
    Out,
}

/// A connection to a peer, for as long as the process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// No other one has this number.
    pub number: u64,
    /// Where the other end is.
    pub address: SocketAddr,
    /// It has connected to us.
    pub incoming: bool,
}

/// Something that was seen at the door.
#[derive(Debug)]
pub enum Seen {
    /// Of a connection to a peer.
    Stream(Connection, StreamEvent),
    /// A packet of the DHT, to or from this node.
    Dht(Direction, SocketAddr, Vec<u8>),
    /// Something said to a tracker, or by it.
    Tracker {
        /// Its scheme, host and port: what may be shown of its address.
        site: String,
        /// Who said it.
        direction: Direction,
        /// What kind of thing it is.
        message: &'static str,
        /// What it means.
        meaning: String,
    },
    /// How the payload of a torrent is cut into pieces.
    Torrent(InfoHash, Geometry),
    /// What somebody who watches says about it.
    Remark(String),
}

/// What happens to a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum StreamEvent {
    /// It is there.
    Open,
    /// Keys were exchanged, in so many bytes that came and went, and agree on this.
    KeysExchanged {
        /// Bytes that came.
        received: u64,
        /// Bytes that went.
        sent: u64,
        /// What is encrypted from now on.
        security: Security,
    },
    /// A whole message.
    Message(Direction, Framed),
    /// Why the next messages of this name, so many, are sent.
    Why {
        /// The name as BEP 3 has it.
        message: &'static str,
        /// How many.
        count: usize,
        /// The reason.
        why: String,
    },
    /// It has ended: we hung up, and why, or the peer did.
    Ended(Option<HangUp>),
}

/// Whoever listens. It is called on the threads that speak, and must not wait.
pub type Listens = dyn Fn(Seen) + Send + Sync;

/// Where what is seen goes. Closed by default.
#[derive(Clone, Default)]
pub struct Tap(Option<Arc<Open>>);

struct Open {
    listens: Box<Listens>,
    /// The number of the next connection.
    next: AtomicU64,
}

impl Tap {
    /// An open door to this listener.
    pub fn to(listens: impl Fn(Seen) + Send + Sync + 'static) -> Tap {
        Tap(Some(Arc::new(Open { listens: Box::new(listens), next: AtomicU64::new(1) })))
    }

    /// Whether somebody listens.
    pub fn is_open(&self) -> bool {
        self.0.is_some()
    }

    /// Tells what `seen` makes, if somebody listens.
    pub fn tell(&self, seen: impl FnOnce() -> Seen) {
        if let Some(open) = &self.0 {
            (open.listens)(seen());
        }
    }

    /// The door of a new connection, if somebody listens.
    pub(super) fn connection(&self, address: SocketAddr, incoming: bool) -> Option<StreamTap> {
        let number = self.0.as_ref()?.next.fetch_add(1, Ordering::Relaxed);
        Some(StreamTap::new(self.clone(), Connection { number, address, incoming }))
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.is_open() { "open" } else { "closed" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_door_makes_nothing() {
        Tap::default().tell(|| panic!("nobody listens"));
        assert!(Tap::default().connection(([127, 0, 0, 1], 1).into(), false).is_none());
    }
}
