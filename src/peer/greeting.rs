//! From a connection to a peer that speaks our torrent: one handshake each way.

use crate::message::{Greeting, HandedOver, Incoming, PeerError, Wait};
use crate::metainfo::InfoHash;
use crate::net::PeerStream;
use crate::strategy::{Approach, Security};
use crate::wire::PeerId;
use crate::wire::{HANDSHAKE_LENGTH, Handshake};
use std::io;
use std::time::{Duration, Instant};

const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);

/// Where a connection comes from.
#[derive(Debug)]
pub enum ConnectionOrigin {
    /// We have connected, and nothing was said yet.
    Outgoing(PeerStream, Approach),
    /// The peer has connected to us and sent its handshake.
    Incoming(Incoming),
    /// The handshakes are exchanged, and we have said that we have nothing.
    HandedOver(HandedOver),
}

/// What the peer has sent before its worker takes over the connection.
#[derive(Debug)]
pub enum AlreadyReceived {
    /// Nothing. We connected, and begin like this.
    Nothing(Approach),
    /// Its handshake, which is to be answered.
    Handshake(Handshake),
    /// Its handshake, which was answered, and these frames.
    Frames(Greeting, Vec<u8>),
}

/// What our handshake says.
#[derive(Clone, Copy, Debug)]
pub struct OurHandshake {
    /// The torrent.
    pub info_hash: InfoHash,
    /// Our peer ID.
    pub peer_id: PeerId,
    /// We have a DHT node of which the peer may know (BEP 5).
    pub dht: bool,
}

impl ConnectionOrigin {
    /// The connection, and what the peer has sent already.
    pub fn stream(self) -> (PeerStream, AlreadyReceived) {
        match self {
            ConnectionOrigin::Outgoing(stream, approach) => (stream, AlreadyReceived::Nothing(approach)),
            ConnectionOrigin::Incoming(incoming) => {
                (incoming.stream, AlreadyReceived::Handshake(incoming.handshake))
            }
            ConnectionOrigin::HandedOver(handed) => {
                (handed.stream, AlreadyReceived::Frames(handed.greeting, handed.heard))
            }
        }
    }
}

/// Exchanges the handshakes, as far as that was not done already. Returns also the frames that the peer has
/// sent behind its handshake.
///
/// # Errors
///
/// The peer sends nothing in time, or is not the one that we look for.
pub fn greet(
    stream: &PeerStream,
    received: AlreadyReceived,
    ours: OurHandshake,
) -> Result<(Greeting, Vec<u8>), PeerError> {
    let theirs = match received {
        AlreadyReceived::Nothing(_) => None,
        AlreadyReceived::Handshake(theirs) => Some(theirs),
        AlreadyReceived::Frames(greeting, frames) => return Ok((greeting, frames)),
    };
    let OurHandshake { info_hash, peer_id, dht } = ours;
    // Also to ourselves: by our answer, the end of us that connected learns that it has reached itself.
    stream.write_all(&Handshake::ours(info_hash, peer_id, dht).to_wire()).map_err(PeerError::Lost)?;
    let theirs = match theirs {
        Some(theirs) => theirs,
        None => read_handshake(stream)?,
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
        encryption: Security::Plain,
    };
    Ok((greeting, Vec::new()))
}

fn read_handshake(stream: &PeerStream) -> Result<Handshake, PeerError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: OurHandshake =
        OurHandshake { info_hash: InfoHash([7; 20]), peer_id: PeerId([1; 20]), dht: false };

    /// Greets a peer that sends this and then reads our handshake, and returns what came of it.
    fn greet_one_that_sends(bytes: &[u8]) -> Result<Greeting, PeerError> {
        let (stream, peer) = PeerStream::in_memory();
        peer.write_all(bytes).unwrap();
        let greeted = greet(&stream, AlreadyReceived::Nothing(Approach::Plain), OURS);
        let mut ours = [0; HANDSHAKE_LENGTH];
        peer.read_exact_by(&mut ours, Instant::now() + HANDSHAKE_DEADLINE).unwrap();
        assert_eq!(Handshake::from_wire(&ours).unwrap().info_hash, OURS.info_hash);
        greeted.map(|(greeting, _)| greeting)
    }

    fn handshake(info_hash: u8, peer_id: u8) -> Vec<u8> {
        Handshake::ours(InfoHash([info_hash; 20]), PeerId([peer_id; 20]), true).to_wire()
    }

    #[test]
    fn a_peer_of_our_torrent_is_greeted_with_what_it_can_do() {
        let greeting = greet_one_that_sends(&handshake(7, 2)).unwrap();
        assert_eq!(greeting.peer_id, PeerId([2; 20]));
        assert!(greeting.fast && greeting.extensions && greeting.dht);
    }

    #[test]
    fn another_torrent_another_protocol_and_ourselves_are_errors() {
        let error = |bytes: &[u8]| greet_one_that_sends(bytes).unwrap_err();
        assert!(matches!(error(&handshake(8, 2)), PeerError::OtherTorrent));
        assert!(matches!(error(&handshake(7, 1)), PeerError::Ourselves));
        assert!(matches!(error(&[b'x'; HANDSHAKE_LENGTH]), PeerError::Handshake(_)));
    }

    #[test]
    fn a_peer_that_closes_in_the_middle_of_its_handshake_is_closed() {
        let (stream, peer) = PeerStream::in_memory();
        peer.write_all(&handshake(7, 2)[..67]).unwrap();
        drop(peer);
        // Our own handshake finds no reader.
        let error = greet(&stream, AlreadyReceived::Nothing(Approach::Plain), OURS).unwrap_err();
        assert!(matches!(error, PeerError::Lost(_)));
        assert!(matches!(read_handshake(&stream), Err(PeerError::Closed)));
    }

    #[test]
    fn what_was_received_before_is_not_waited_for_again() {
        let (stream, peer) = PeerStream::in_memory();
        let theirs = Handshake::ours(OURS.info_hash, PeerId([2; 20]), false);
        let (greeting, frames) = greet(&stream, AlreadyReceived::Handshake(theirs), OURS).unwrap();
        assert!(frames.is_empty() && !greeting.dht);
        let received = AlreadyReceived::Frames(greeting, b"frames".to_vec());
        assert_eq!(greet(&stream, received, OURS).unwrap().1, b"frames");
        let mut ours = [0; HANDSHAKE_LENGTH];
        let deadline = Instant::now() + HANDSHAKE_DEADLINE;
        peer.read_exact_by(&mut ours, deadline).unwrap();
        drop(stream);
        assert_eq!(peer.read(&mut ours).unwrap(), 0, "one handshake, and nothing for the second");
    }
}
