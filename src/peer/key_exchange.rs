//! Key exchanges with peers (MSE), over their connections and until a deadline.
//!
//! The protocol is in `wire/mse`; here it gets its connection, its time and its chance. It runs on the thread that
//! exchanges the handshakes, which it comes before.

use crate::metainfo::InfoHash;
use crate::net::PeerStream;
use crate::strategy::Encryption;
use crate::wire::Handshake;
use crate::wire::mse::{self, Chance, EXPONENT_LENGTH, KEY_LENGTH, MAX_PAD, MseError, TorrentMark};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::time::Instant;

/// Begins a connection with a key exchange, and sends our handshake in it.
///
/// # Errors
///
/// The peer does not keep to the protocol, or to the deadline.
pub fn initiate(
    stream: &PeerStream,
    ours: &Handshake,
    encryption: Encryption,
    deadline: Instant,
) -> Result<(), MseError> {
    let mut timed = Timed { stream, deadline };
    let agreed = mse::initiate(&mut timed, ours, encryption.offers(), &by_chance())?;
    stream.secure(agreed);
    // It went in the exchange, where nobody could see it.
    stream.tap().into_iter().for_each(|tap| tap.sent_hidden(&ours.to_wire()));
    Ok(())
}

/// Answers the key exchange of a peer that has sent its public key. `find` says which torrent has a mark. Returns the
/// torrent; the peer's handshake comes next, or has come.
///
/// # Errors
///
/// The peer does not keep to the protocol, or to the deadline, or wants what we do not.
pub fn respond(
    stream: &PeerStream,
    theirs: &[u8; KEY_LENGTH],
    find: impl FnOnce(TorrentMark) -> Option<InfoHash>,
    encryption: Encryption,
    deadline: Instant,
) -> Result<InfoHash, MseError> {
    let mut timed = Timed { stream, deadline };
    let choose = |offered| encryption.choose(offered);
    let (info_hash, agreed) = mse::respond(&mut timed, theirs, find, choose, &by_chance())?;
    stream.secure(agreed);
    Ok(info_hash)
}

/// A private number and two lengths of pads that nobody can guess: the system's own chance is in each `RandomState`.
fn by_chance() -> Chance {
    let mut exponent = [0; EXPONENT_LENGTH];
    let mut chance = std::iter::repeat_with(|| RandomState::new().hash_one(0));
    let bytes = chance.by_ref().flat_map(u64::to_ne_bytes);
    exponent.iter_mut().zip(bytes).for_each(|(byte, by_chance)| *byte = by_chance);
    // These are seen, or say nothing.
    let pad = std::iter::repeat_with(|| fastrand::u8(..)).take(fastrand::usize(..=MAX_PAD)).collect();
    Chance { exponent, pad, hidden_pad: fastrand::u16(..=MAX_PAD as u16) }
}

/// A stream of which every read ends by a deadline, however few bytes come at a time.
struct Timed<'a> {
    stream: &'a PeerStream,
    deadline: Instant,
}

impl Read for Timed<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.read_by(into, self.deadline)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write_on(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::tap::{Direction, Seen, StreamEvent, Tap};
    use crate::strategy::Security;
    use crate::wire::PeerId;
    use std::time::Duration;

    const TORRENT: InfoHash = InfoHash([7; 20]);

    fn ours() -> Handshake {
        Handshake::ours(TORRENT, PeerId([1; 20]), false)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(50)
    }

    fn is_timeout<T>(result: Result<T, MseError>) -> bool {
        matches!(result, Err(MseError::Stream(error)) if error.kind() == io::ErrorKind::TimedOut)
    }

    #[test]
    fn two_of_us_agree_as_their_users_want() {
        use Encryption::{Allow, Off, Prefer, Require};
        let far = Instant::now() + Duration::from_secs(20);
        for (caller, called, expected) in [
            (Allow, Allow, Some(Security::Handshake)),
            (Allow, Prefer, Some(Security::Rc4)),
            (Allow, Require, Some(Security::Rc4)),
            (Prefer, Allow, Some(Security::Rc4)),
            (Require, Prefer, Some(Security::Rc4)),
            (Require, Off, None),
        ] {
            let (stream, peer) = PeerStream::in_memory();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let mut theirs = [0; KEY_LENGTH];
                    peer.read_exact_by(&mut theirs, far).unwrap();
                    let find = |mark| (mark == mse::torrent_mark(TORRENT)).then_some(TORRENT);
                    let responded = respond(&peer, &theirs, find, called, far);
                    assert_eq!(responded.is_ok(), expected.is_some());
                    peer.hang_up(crate::message::HangUp::Released);
                });
                let initiated = initiate(&stream, &ours(), caller, far);
                assert_eq!(initiated.ok().map(|()| stream.security()), expected);
            });
        }
    }

    #[test]
    fn whoever_watches_sees_the_handshake_that_went_within_the_exchange_at_both_ends() {
        let far = Instant::now() + Duration::from_secs(20);
        let (stream, peer) = PeerStream::in_memory();
        let (tell, told) = crossbeam_channel::unbounded();
        let tap = Tap::to(move |seen| _ = tell.send(seen));
        stream.watched_by(&tap, ([127, 0, 0, 1], 1).into(), false);
        peer.watched_by(&tap, ([127, 0, 0, 1], 2).into(), true);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut theirs = [0; KEY_LENGTH];
                peer.read_exact_by(&mut theirs, far).unwrap();
                respond(&peer, &theirs, |_| Some(TORRENT), Encryption::Prefer, far).unwrap();
                peer.read_exact_by(&mut [0; crate::wire::HANDSHAKE_LENGTH], far).unwrap();
            });
            initiate(&stream, &ours(), Encryption::Prefer, far).unwrap();
        });
        let (mut exchanges, mut handshakes) = (0, Vec::new());
        for seen in told.try_iter() {
            match seen {
                Seen::Stream(_, StreamEvent::KeysExchanged { received, sent, security: Security::Rc4 }) => {
                    assert!(received > 96 && sent > 96);
                    exchanges += 1;
                }
                Seen::Stream(end, StreamEvent::Message(direction, message)) => {
                    assert_eq!(message.start, ours().to_wire());
                    handshakes.push((end.incoming, direction));
                }
                _ => {}
            }
        }
        handshakes.sort_by_key(|(incoming, _)| *incoming);
        assert_eq!((exchanges, handshakes), (2, vec![(false, Direction::Out), (true, Direction::In)]));
    }

    #[test]
    fn a_peer_that_is_silent_or_sends_a_byte_now_and_then_is_not_waited_for() {
        let (stream, peer) = PeerStream::in_memory();
        assert!(is_timeout(initiate(&stream, &ours(), Encryption::Allow, soon())));
        // A key, and then the pad that never ends.
        peer.write_all(&[9; KEY_LENGTH]).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while peer.write_all(&[9]).is_ok() {
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
            let slow = initiate(&stream, &ours(), Encryption::Allow, soon());
            stream.hang_up(crate::message::HangUp::Released);
            assert!(is_timeout(slow));
        });
        let (stream, _peer) = PeerStream::in_memory();
        assert!(is_timeout(respond(&stream, &[9; KEY_LENGTH], |_| None, Encryption::Allow, soon())));
    }

    #[test]
    fn each_exchange_has_its_own_chance() {
        let [one, other] = [by_chance(), by_chance()];
        assert_ne!(one.exponent, other.exponent);
        for number in one.exponent.chunks(8) {
            assert!(other.exponent.chunks(8).all(|other| other != number));
        }
        let pads: Vec<usize> = std::iter::repeat_with(|| by_chance().pad.len()).take(200).collect();
        assert!(pads.iter().any(|length| *length < 100) && pads.iter().any(|length| *length > 400));
        assert!(pads.iter().all(|length| *length <= MAX_PAD));
    }
}
