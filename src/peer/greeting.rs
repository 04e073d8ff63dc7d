//! From an address, or from a connection that came in, to a peer that speaks our torrent: one handshake
//! each way.

use crate::message::{Greeting, Handed, Knock, PeerError};
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
    /// The handshakes are exchanged, and we have said that we have nothing.
    GoOn(Handed),
}

/// What the peer has said already.
pub enum Said {
    /// Nothing.
    Nothing,
    /// Its handshake, which wants an answer.
    Handshake(Handshake),
    /// Its handshake, which was answered, and these frames.
    Frames(Greeting, Vec<u8>),
}

impl Opening {
    /// The connection, and what the peer has said already.
    ///
    /// # Errors
    ///
    /// There is no connection.
    pub fn line(self, address: SocketAddr) -> Result<(Line, Said), PeerError> {
        let (line, said) = match self {
            Opening::Connect { origin } => (Line::connect(origin, address, CONNECT_DEADLINE), Said::Nothing),
            Opening::Answer(knock) => (Line::accepted(knock.stream), Said::Handshake(knock.handshake)),
            Opening::GoOn(handed) => {
                (Line::accepted(handed.stream), Said::Frames(handed.greeting, handed.heard))
            }
        };
        let line = line.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => PeerError::Silent("no connection in 10 s"),
            _ => PeerError::Connect(error),
        })?;
        Ok((line, said))
    }
}

/// Exchanges the handshakes, as far as that was not done already. `dht`: we have a node of the DHT of which
/// the peer may know. Also the frames that the peer has sent behind its handshake.
///
/// # Errors
///
/// The peer says nothing in time, or is not who we look for.
pub fn greet(
    line: &Line,
    said: Said,
    info_hash: [u8; 20],
    peer_id: [u8; 20],
    dht: bool,
) -> Result<(Greeting, Vec<u8>), PeerError> {
    let theirs = match said {
        Said::Nothing => None,
        Said::Handshake(theirs) => Some(theirs),
        Said::Frames(greeting, heard) => return Ok((greeting, heard)),
    };
    // Also to ourselves: the half of us that connected learns by it whom it has reached.
    line.write_all(&Handshake::ours(info_hash, peer_id, dht).to_wire()).map_err(PeerError::Lost)?;
    let theirs = match theirs {
        Some(theirs) => theirs,
        None => hear(line)?,
    };
    if theirs.info_hash != info_hash {
        return Err(PeerError::OtherTorrent);
    }
    if theirs.peer_id == peer_id {
        return Err(PeerError::Ourselves);
    }
    let greeting = Greeting {
        peer_id: theirs.peer_id,
        fast: theirs.speaks_fast(),
        extensions: theirs.speaks_extensions(),
        dht: theirs.speaks_dht(),
    };
    Ok((greeting, Vec::new()))
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
