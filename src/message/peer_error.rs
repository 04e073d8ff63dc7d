//! Why a connection to a peer ended. A peer's failure is never the session's: nothing converts this
//! into an error of the run.

use crate::wire::{FrameError, HandshakeError};
use std::fmt;
use std::io::{self, ErrorKind};

/// Why a connection is over.
#[derive(Debug)]
pub enum PeerError {
    /// No connection came to be.
    Connect(io::Error),
    /// The other side does not open with the protocol's name.
    Handshake(HandshakeError),
    /// It answers for another torrent.
    OtherTorrent,
    /// It is this very program.
    Ourselves,
    /// A wait came to its end. The text says what was awaited and for how long.
    Silent(&'static str),
    /// A frame that cannot be.
    Frame(FrameError),
    /// A well-formed message that breaks the rules. The text says which.
    Broke(&'static str),
    /// The connection broke.
    Lost(io::Error),
    /// The peer closed the connection.
    Closed,
    /// We hung up. The text says why.
    HungUp(&'static str),
}

impl PeerError {
    /// Whether this host has no way to the address, so that not even an attempt left it: one without IPv6
    /// has none to any IPv6 address.
    pub fn is_no_way(&self) -> bool {
        matches!(self, PeerError::Connect(error)
            if matches!(error.kind(), ErrorKind::NetworkUnreachable | ErrorKind::AddrNotAvailable))
    }

    /// Whether the peer closed or reset the connection. A peer that is just starting may do so before it sent
    /// anything, and so may one that connects to us at the same time.
    pub fn is_closed_by_peer(&self) -> bool {
        match self {
            PeerError::Closed => true,
            PeerError::Lost(error) => matches!(
                error.kind(),
                ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe
            ),
            _ => false,
        }
    }
}

impl fmt::Display for PeerError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerError::Connect(error) => write!(out, "cannot connect: {error}"),
            PeerError::Handshake(error) => write!(out, "{error}"),
            PeerError::OtherTorrent => write!(out, "it answered for another torrent"),
            PeerError::Ourselves => write!(out, "it is ourselves"),
            PeerError::Silent(awaited) => write!(out, "{awaited}"),
            PeerError::Frame(error) => write!(out, "it sent {error}"),
            PeerError::Broke(rule) => write!(out, "it sent {rule}"),
            PeerError::Lost(error) => write!(out, "connection lost: {error}"),
            PeerError::Closed => write!(out, "it closed the connection"),
            PeerError::HungUp(why) => write!(out, "we hung up: {why}"),
        }
    }
}

impl std::error::Error for PeerError {}
