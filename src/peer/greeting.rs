//! From an address to a peer that speaks our torrent: connect, then one handshake each way.

use crate::message::{Greeting, PeerError};
use crate::net::{Line, Origin};
use crate::wire::{HANDSHAKE_LENGTH, Handshake};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);

/// Connects, from the address that everything leaves by.
pub fn connect(origin: Origin, address: SocketAddr) -> Result<Line, PeerError> {
    Line::connect(origin, address, CONNECT_DEADLINE).map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => PeerError::Silent("no connection in 10 s"),
        _ => PeerError::Connect(error),
    })
}

/// Sends our handshake and reads the answer.
pub fn greet(line: &Line, info_hash: [u8; 20], peer_id: [u8; 20]) -> Result<Greeting, PeerError> {
    line.write_all(&Handshake::ours(info_hash, peer_id).to_wire()).map_err(PeerError::Lost)?;
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
    let theirs = Handshake::from_wire(&answer).map_err(PeerError::Handshake)?;
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
