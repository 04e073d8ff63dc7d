//! From a connection to a peer that speaks our torrent: one handshake each way.

use super::key_exchange;
use crate::message::{Greeting, HandedOver, Incoming, PeerError, Wait};
use crate::metainfo::InfoHash;
use crate::net::PeerStream;
use crate::strategy::{Approach, Encryption, Opening};
use crate::wire::PeerId;
use crate::wire::mse::MseError;
use crate::wire::{HANDSHAKE_LENGTH, Handshake};
use std::io;
use std::time::{Duration, Instant};

/// For our answer to a handshake.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// Where a connection comes from.
#[derive(Debug)]
pub enum ConnectionOrigin {
    /// We have connected, and nothing was said yet.
    Outgoing(PeerStream, Opening),
    /// The peer has connected to us and sent its handshake.
    Incoming(Incoming),
    /// The handshakes are exchanged, and we have said that we have nothing.
    HandedOver(HandedOver),
}

/// What the peer has sent before its worker takes over the connection.
#[derive(Debug)]
pub enum AlreadyReceived {
    /// Nothing. We connected, and begin like this.
    Nothing(Opening),
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
            ConnectionOrigin::Outgoing(stream, opening) => (stream, AlreadyReceived::Nothing(opening)),
            ConnectionOrigin::Incoming(incoming) => {
                (incoming.stream, AlreadyReceived::Handshake(incoming.handshake))
            }
            ConnectionOrigin::HandedOver(handed) => {
                (handed.stream, AlreadyReceived::Frames(handed.greeting, handed.heard))
            }
        }
    }
}

/// Exchanges the handshakes, as far as that was not done already, and keys before them where we begin with that.
/// Returns also the frames that the peer has sent behind its handshake.
///
/// # Errors
///
/// The peer sends nothing in time, or is not the one that we look for.
pub fn greet(
    stream: &PeerStream,
    received: AlreadyReceived,
    ours: OurHandshake,
    encryption: Encryption,
) -> Result<(Greeting, Vec<u8>), PeerError> {
    let OurHandshake { info_hash, peer_id, dht } = ours;
    let ours = Handshake::ours(info_hash, peer_id, dht);
    let Opening { approach, patience } = match received {
        AlreadyReceived::Nothing(opening) => opening,
        AlreadyReceived::Handshake(_) => Opening { approach: Approach::Plain, patience: ANSWER_DEADLINE },
        AlreadyReceived::Frames(greeting, frames) => return Ok((greeting, frames)),
    };
    let deadline = Instant::now() + patience;
    explain_handshake(stream, &received);
    // Also to ourselves: by our answer, the end of us that connected learns that it has reached itself.
    match approach {
        Approach::Plain => stream.write_all(&ours.to_wire()).map_err(PeerError::Lost)?,
        Approach::Encrypted => {
            key_exchange::initiate(stream, &ours, encryption, deadline).map_err(|error| match error {
                MseError::Stream(error) => of_stream(error),
                MseError::Fault(fault) => PeerError::Encryption(fault),
            })?;
        }
    }
    let theirs = match received {
        AlreadyReceived::Handshake(theirs) => theirs,
        _ => read_handshake(stream, deadline)?,
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
        encryption: stream.security(),
        is_utp: stream.is_utp(),
    };
    Ok((greeting, Vec::new()))
}

/// Tells whoever listens to the connection why we send our handshake.
fn explain_handshake(stream: &PeerStream, received: &AlreadyReceived) {
    let why = match received {
        AlreadyReceived::Handshake(_) => "its handshake names a torrent of ours",
        _ => "whoever connects speaks first (BEP 3)",
    };
    stream.tap().into_iter().for_each(|tap| tap.why("handshake", 1, why.to_owned()));
}

fn read_handshake(stream: &PeerStream, deadline: Instant) -> Result<Handshake, PeerError> {
    let mut answer = [0; HANDSHAKE_LENGTH];
    stream.read_exact_by(&mut answer, deadline).map_err(of_stream)?;
    Handshake::from_wire(&answer).map_err(PeerError::Handshake)
}

fn of_stream(error: io::Error) -> PeerError {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => PeerError::TimedOut(Wait::Handshake),
        io::ErrorKind::UnexpectedEof => PeerError::Closed,
        _ => PeerError::Lost(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::HangUp;
    use crate::strategy::Security;
    use crate::wire::mse::{KEY_LENGTH, MseFault};

    const OURS: OurHandshake =
        OurHandshake { info_hash: InfoHash([7; 20]), peer_id: PeerId([1; 20]), dht: false };

    fn begun(approach: Approach) -> AlreadyReceived {
        AlreadyReceived::Nothing(Opening { approach, patience: ANSWER_DEADLINE })
    }

    /// Greets a peer that sends this and then reads our handshake, and returns what came of it.
    fn greet_one_that_sends(bytes: &[u8]) -> Result<Greeting, PeerError> {
        let (stream, peer) = PeerStream::in_memory();
        peer.write_all(bytes).unwrap();
        let greeted = greet(&stream, begun(Approach::Plain), OURS, Encryption::Allow);
        let mut ours = [0; HANDSHAKE_LENGTH];
        peer.read_exact_by(&mut ours, Instant::now() + ANSWER_DEADLINE).unwrap();
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
    fn a_peer_that_we_approach_with_a_key_exchange_is_greeted_through_it() {
        let (stream, peer) = PeerStream::in_memory();
        let deadline = Instant::now() + ANSWER_DEADLINE;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut key = [0; KEY_LENGTH];
                peer.read_exact_by(&mut key, deadline).unwrap();
                let find = |_| Some(OURS.info_hash);
                key_exchange::respond(&peer, &key, find, Encryption::Prefer, deadline).unwrap();
                let mut ours = [0; HANDSHAKE_LENGTH];
                peer.read_exact_by(&mut ours, deadline).unwrap();
                let ours = Handshake::from_wire(&ours).unwrap();
                assert_eq!((ours.info_hash, ours.peer_id), (OURS.info_hash, OURS.peer_id));
                peer.write_all(&handshake(7, 2)).unwrap();
            });
            let received = begun(Approach::Encrypted);
            let (greeting, frames) = greet(&stream, received, OURS, Encryption::Allow).unwrap();
            assert_eq!((greeting.peer_id, greeting.encryption), (PeerId([2; 20]), Security::Rc4));
            assert!(frames.is_empty());
        });
    }

    #[test]
    fn a_peer_that_knows_no_key_exchange_is_told_from_one_that_breaks_it() {
        let greet_after = |bytes: &[u8]| {
            let (stream, peer) = PeerStream::in_memory();
            peer.write_all(bytes).unwrap();
            peer.hang_up(HangUp::Released);
            greet(&stream, begun(Approach::Encrypted), OURS, Encryption::Allow).unwrap_err()
        };
        assert!(greet_after(b"").is_by_the_peer());
        assert!(greet_after(&handshake(7, 2)).is_by_the_peer());
        let (stream, peer) = PeerStream::in_memory();
        peer.write_all(&[0; KEY_LENGTH]).unwrap();
        let received = begun(Approach::Encrypted);
        let error = greet(&stream, received, OURS, Encryption::Allow).unwrap_err();
        assert!(matches!(error, PeerError::Encryption(MseFault::PublicKey)));
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
        let error = greet(&stream, begun(Approach::Plain), OURS, Encryption::Allow).unwrap_err();
        assert!(matches!(error, PeerError::Lost(_)));
        assert!(matches!(read_handshake(&stream, Instant::now() + ANSWER_DEADLINE), Err(PeerError::Closed)));
    }

    #[test]
    fn what_was_received_before_is_not_waited_for_again() {
        let (stream, peer) = PeerStream::in_memory();
        let theirs = Handshake::ours(OURS.info_hash, PeerId([2; 20]), false);
        let (greeting, frames) =
            greet(&stream, AlreadyReceived::Handshake(theirs), OURS, Encryption::Allow).unwrap();
        assert!(frames.is_empty() && !greeting.dht);
        let received = AlreadyReceived::Frames(greeting, b"frames".to_vec());
        assert_eq!(greet(&stream, received, OURS, Encryption::Allow).unwrap().1, b"frames");
        let mut ours = [0; HANDSHAKE_LENGTH];
        let deadline = Instant::now() + ANSWER_DEADLINE;
        peer.read_exact_by(&mut ours, deadline).unwrap();
        drop(stream);
        assert_eq!(peer.read(&mut ours).unwrap(), 0, "one handshake, and nothing for the second");
    }
}
