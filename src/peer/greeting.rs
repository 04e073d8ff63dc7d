//! From an address, or from a connection that came in, to a peer that speaks our torrent: one handshake
//! each way.

use crate::message::{Greeting, Knock, PeerError};
use crate::net::{Line, Origin};
use crate::wire::{HANDSHAKE_LENGTH, Handshake};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);

/// Who began.
pub enum Opening {
    /// We connect.
    Connect {
        /// The address that the connection leaves by.
        origin: Origin,
    },
    /// The peer has connected to us and said its handshake.
    Answer(Knock),
}

impl Opening {
    /// The connection, and what the peer has said already.
    pub fn line(self, address: SocketAddr) -> Result<(Line, Option<Handshake>), PeerError> {
        let (line, said) = match self {
            Opening::Connect { origin } => (Line::connect(origin, address, CONNECT_DEADLINE), None),
            Opening::Answer(knock) => (Line::accepted(knock.stream), Some(knock.handshake)),
        };
        let line = line.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => PeerError::Silent("no connection in 10 s"),
            _ => PeerError::Connect(error),
        })?;
        Ok((line, said))
    }
}

/// Sends our handshake, and reads the peer's where it has not said it already.
pub fn greet(
    line: &Line,
    said: Option<Handshake>,
    info_hash: [u8; 20],
    peer_id: [u8; 20],
) -> Result<Greeting, PeerError> {
    // Also to ourselves: the half of us that connected learns by it whom it has reached.
    line.write_all(&Handshake::ours(info_hash, peer_id).to_wire()).map_err(PeerError::Lost)?;
    let theirs = match said {
        Some(theirs) => theirs,
        None => hear(line)?,
    };
    if theirs.info_hash != info_hash {
        return Err(PeerError::OtherTorrent);
    }
    if theirs.peer_id == peer_id {
        return Err(PeerError::Ourselves);
    }
    Ok(Greeting {
        peer_id: theirs.peer_id,
        fast: theirs.speaks_fast(),
        extensions: theirs.speaks_extensions(),
    })
}

fn hear(line: &Line) -> Result<Handshake, PeerError> {
    let mut answer = [0; HANDSHAKE_LENGTH];
    line.read_exact_by(&mut answer, Instant::now() + HANDSHAKE_DEADLINE).map_err(|error| {
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                PeerError::Silent("no answer to the handshake in 10 s")
            }
            io::ErrorKind::UnexpectedEof => PeerError::Closed,
            _ => PeerError::Lost(error),
        }
    })?;
    Handshake::from_wire(&answer).map_err(PeerError::Handshake)
}
