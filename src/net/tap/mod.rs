//! The door for whoever wants to see what goes over the wire, for `--trace` and `-vv`.
//!
//! It stands where the bytes of a connection are plain both ways: before they are encrypted, and after they are
//! decrypted. Each direction is cut into messages there (`framer`), so that whoever listens gets whole ones and may leave
//! out as many as it likes without losing its place. The bytes of blocks are not copied: of a `piece` message its head and
//! its length are told. For `--pcap`, which wants them ([`Tap::and_to_blocks`]), they are. What goes over UDP, what is said to trackers, and why a message is sent is told by those who know.
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
    /// Where our end is, if that is known. Through a proxy, it is the end of our connection to that.
    pub local: Option<SocketAddr>,
    /// It has connected to us.
    pub incoming: bool,
}

/// Something that was seen at the door.
#[derive(Clone, Debug)]
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
}

impl Seen {
    /// The same, without the bytes of a block.
    fn without_block(&self) -> Seen {
        match self {
            Seen::Stream(connection, StreamEvent::Message(direction, message)) => {
                Seen::Stream(*connection, StreamEvent::Message(*direction, message.without_block()))
            }
            other => other.clone(),
        }
    }
}

/// What happens to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// The bytes of one that has begun and will not end. Told where somebody wants the bytes of blocks.
    Unfinished(Direction, Framed),
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
    listens: Option<Box<Listens>>,
    /// The same, of one that wants the bytes of blocks.
    listens_to_blocks: Option<Box<Listens>>,
    /// The number of the next connection.
    next: AtomicU64,
}

impl Tap {
    /// An open door to this listener.
    pub fn to(listens: impl Fn(Seen) + Send + Sync + 'static) -> Tap {
        Tap::of(Some(Box::new(listens)), None)
    }

    /// The same door, open to one more listener, who is told the bytes of blocks too.
    pub fn and_to_blocks(self, listens: impl Fn(Seen) + Send + Sync + 'static) -> Tap {
        let others = self.0.and_then(|open| Arc::into_inner(open)?.listens);
        Tap::of(others, Some(Box::new(listens)))
    }

    fn of(listens: Option<Box<Listens>>, listens_to_blocks: Option<Box<Listens>>) -> Tap {
        Tap(Some(Arc::new(Open { listens, listens_to_blocks, next: AtomicU64::new(1) })))
    }

    /// Whether somebody wants the bytes of blocks.
    pub(super) fn wants_blocks(&self) -> bool {
        self.0.as_ref().is_some_and(|open| open.listens_to_blocks.is_some())
    }

    /// Whether somebody listens.
    pub fn is_open(&self) -> bool {
        self.0.is_some()
    }

    /// Tells what `seen` makes, if somebody listens.
    pub fn tell(&self, seen: impl FnOnce() -> Seen) {
        let Some(open) = &self.0 else { return };
        let seen = seen();
        match (&open.listens, &open.listens_to_blocks) {
            (Some(listens), Some(listens_to_blocks)) => {
                listens(seen.without_block());
                listens_to_blocks(seen);
            }
            (Some(listens), None) | (None, Some(listens)) => listens(seen),
            (None, None) => {}
        }
    }

    /// The door of a new connection, if somebody listens.
    pub(super) fn connection(
        &self,
        address: SocketAddr,
        incoming: bool,
        local: impl FnOnce() -> Option<SocketAddr>,
    ) -> Option<StreamTap> {
        let number = self.0.as_ref()?.next.fetch_add(1, Ordering::Relaxed);
        Some(StreamTap::new(self.clone(), Connection { number, address, local: local(), incoming }))
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
        assert!(Tap::default().connection(([127, 0, 0, 1], 1).into(), false, || None).is_none());
    }
}
