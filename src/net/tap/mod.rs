//! The door for whoever wants to see what goes over the wire: `--trace`, `-vv`, and what shows it while it runs.
//!
//! It stands where the bytes of a connection are plain both ways: before they are encrypted, and after they are
//! decrypted. Each direction is cut into messages there (`framer`), so that whoever listens gets whole ones and may leave
//! out as many as it likes without losing its place. The bytes of blocks are not copied: of a `piece` message its head and
//! its length are told, unless somebody wants them ([`Tap::listen_to_blocks`]). What goes over UDP, what is said to
//! trackers, and why a message is sent is told by those who know.
//!
//! # How to listen
//!
//! A command makes one door, [`Tap::switch`], and gives clones of it to all that speak. [`Tap::listen`] opens it, also
//! in the middle of a download, and it stays open until the last [`Listening`] is dropped. Several may listen: each gets
//! all of [`Seen`]. What a new listener has to know of before, it is told: each torrent's [`Geometry`] at once
//! ([`Seen::Torrent`]), and of each connection that began earlier [`StreamEvent::Joined`], before its next message.
//! A connection joins at the next message in each direction, where the reader and the writer know that one begins
//! (`PeerStream::read_behind`, `PeerStream::write_all`), so no byte is taken for what it is not.
//!
//! Whoever listens is called on the threads that speak. It must return at once, and must not open or close the door: put
//! the thing into a queue with a bound, count what does not fit, and do the rest on a thread of your own
//! (`cli/trace/queue.rs`). Words for what is seen: `cli/trace/conversation.rs`.
//!
//! # What it costs
//!
//! Closed, one look at an atomic for each call of the system. Where no door was made, as in tests, not even that.

mod door;
mod framer;
mod spares;
mod stream_tap;
mod web_tap;

pub use door::{Listening, Tap};
pub use framer::Framed;
pub use spares::Spares;
pub use stream_tap::StreamTap;
pub use web_tap::WebEvent;
pub(super) use web_tap::WebTap;

use super::HangUp;
use crate::metainfo::InfoHash;
use crate::piece::Geometry;
use crate::strategy::Security;
use crate::wire::PeerId;
use crate::wire::extension::ExtensionHandshake;
use std::fmt;
use std::net::SocketAddr;

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
    /// It goes over uTP.
    pub is_utp: bool,
}

/// Something that was seen at the door.
#[derive(Clone, Debug)]
pub enum Seen {
    /// Of a connection to a peer.
    Stream(Connection, StreamEvent),
    /// Of a connection to a web server, told to whoever wants all bytes.
    Web(Connection, WebEvent),
    /// A UDP packet between our port, whose address may be the unspecified one, and the address behind it.
    Packet(Protocol, Direction, [SocketAddr; 2], Vec<u8>),
    /// Something said to a tracker, a web seed or a gateway, or by it.
    Server {
        /// Its scheme, host and port: what may be shown of its address.
        site: String,
        /// Who said it.
        direction: Direction,
        /// What kind of thing it is.
        message: &'static str,
        /// What it means.
        meaning: String,
    },
    /// We try to connect to this address, and why to this one.
    Connecting(SocketAddr, String),
    /// No connection to this address came about, and why not.
    NotConnected(SocketAddr, String),
    /// How the payload of a torrent is cut into pieces.
    Torrent(InfoHash, Geometry),
    /// What somebody who watches says about it.
    Remark(String),
}

impl Seen {
    /// The same, without the bytes of a block.
    fn without_block(&self) -> Seen {
        let Seen::Stream(connection, event) = self else { return self.clone() };
        let event = match event {
            StreamEvent::Message(direction, message) => {
                StreamEvent::Message(*direction, message.without_block())
            }
            StreamEvent::Unfinished(direction, message) => {
                StreamEvent::Unfinished(*direction, message.without_block())
            }
            other => other.clone(),
        };
        Seen::Stream(*connection, event)
    }
}

/// What a UDP packet belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// The DHT (BEP 5).
    Dht,
    /// A tracker (BEP 15).
    Tracker,
    /// Peers on the local network (BEP 14). What we send goes to the address of a group.
    Lan,
    /// A gateway: PCP (RFC 6887), NAT-PMP (RFC 6886).
    Gateway,
    /// Devices in our network: the search for UPnP gateways. What we send goes to the address of a group.
    Ssdp,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// The peer closed it.
    Closed,
    /// We hung up.
    HungUp(HangUp),
    /// We hung up for a fault of the peer, which whoever found it has put into words.
    Fault(String),
    /// It broke, and this is what the system says.
    Broken(String),
}

impl StreamEnd {
    /// Whether we ended it.
    pub fn is_ours(&self) -> bool {
        matches!(self, StreamEnd::HungUp(_) | StreamEnd::Fault(_))
    }
}

impl fmt::Display for StreamEnd {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StreamEnd::Closed => out.write_str("the peer has closed the connection"),
            StreamEnd::HungUp(why) => write!(out, "we hang up: {why}"),
            StreamEnd::Fault(fault) => write!(out, "we hang up: {fault}"),
            StreamEnd::Broken(why) => out.write_str(why),
        }
    }
}

/// What happens to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEvent {
    /// It is there.
    Open,
    /// It has been there for some time, and somebody has begun to listen.
    Joined(Box<Known>),
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
    /// It has ended.
    Ended(StreamEnd),
}

/// What a connection has said before somebody listened, as far as the rest cannot be understood without it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The torrent that it is about.
    pub info_hash: Option<InfoHash>,
    /// Who the peer says that it is.
    pub peer_id: Option<PeerId>,
    /// What it can do, and by which numbers.
    pub theirs: ExtensionHandshake,
}

/// Whoever listens. It is called on the threads that speak, and must not wait.
pub type Listens = dyn Fn(Seen) + Send + Sync;

#[cfg(test)]
mod tests;
