//! From an address, or from a connection that came in, to a peer that speaks our torrent: one handshake
//! each way.

use crate::message::{Greeting, HandedOver, Incoming, PeerError, Wait};
use crate::metainfo::InfoHash;
use crate::net::{BindAddress, PeerStream};
use crate::wire::PeerId;
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
        bind_address: BindAddress,
    },
    /// The peer has connected to us and said its handshake.
    Answer(Incoming),
    /// The handshakes are exchanged, and we have said that we have nothing.
    GoOn(HandedOver),
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
    pub fn stream(self, address: SocketAddr) -> Result<(PeerStream, Said), PeerError> {
        let (stream, said) = match self {
            Opening::Connect { bind_address } => {
                (PeerStream::connect(bind_address, address, CONNECT_DEADLINE), Said::Nothing)
            }
            Opening::Answer(incoming) => {
                (PeerStream::accepted(incoming.stream), Said::Handshake(incoming.handshake))
            }
            Opening::GoOn(handed) => {
                (PeerStream::accepted(handed.stream), Said::Frames(handed.greeting, handed.heard))
            }
        };
        let stream = stream.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => PeerError::TimedOut(Wait::Connection),
            _ => PeerError::Connect(error),
        })?;
        Ok((stream, said))
    }
}

/// Exchanges the handshakes, as far as that was not done already. `dht`: we have a node of the DHT of which
/// the peer may know. Also the frames that the peer has sent behind its handshake.
///
/// # Errors
///
/// The peer says nothing in time, or is not who we look for.
pub fn greet(
    stream: &PeerStream,
    said: Said,
    info_hash: InfoHash,
    peer_id: PeerId,
    dht: bool,
) -> Result<(Greeting, Vec<u8>), PeerError> {
    let theirs = match said {
        Said::Nothing => None,
        Said::Handshake(theirs) => Some(theirs),
        Said::Frames(greeting, heard) => return Ok((greeting, heard)),
    };
    // Also to ourselves: the half of us that connected learns by it whom it has reached.
    stream.write_all(&Handshake::ours(info_hash, peer_id, dht).to_wire()).map_err(PeerError::Lost)?;
    let theirs = match theirs {
        Some(theirs) => theirs,
        None => hear(stream)?,
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

fn hear(stream: &PeerStream) -> Result<Handshake, PeerError> {
    let mut answer = [0; HANDSHAKE_LENGTH];
    stream.read_exact_by(&mut answer, Instant::now() + HANDSHAKE_DEADLINE).map_err(|error| {
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => PeerError::TimedOut(Wait::Handshake),
            io::ErrorKind::UnexpectedEof => PeerError::Closed,
            _ => PeerError::Lost(error),
        }
    })?;
    Handshake::from_wire(&answer).map_err(PeerError::Handshake)
}
