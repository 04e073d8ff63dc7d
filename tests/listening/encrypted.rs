//! Connections that begin with a key exchange (MSE).

use super::support::log_capture;
use super::{DEADLINE, HASH, ID, connect, handshake, incoming, is_closed, is_closed_after, read};
use crossbeam_channel::unbounded;
use femtotorrent::metainfo::InfoHash;
use femtotorrent::net::tap::Tap;
use femtotorrent::net::{BindAddress, Ports};
use femtotorrent::peer::{Listener, USUAL_DESCRIPTORS};
use femtotorrent::strategy::{Encryption, Security};
use femtotorrent::wire::mse::{
    self, Agreed, Chance, KEY_LENGTH, Method, Methods, MseError, Rc4, torrent_mark,
};
use femtotorrent::wire::{Handshake, PeerId};
use sha1::{Digest, Sha1};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const OTHER: [u8; 20] = [8; 20];

fn listener(encryption: Encryption) -> Listener {
    log_capture::open();
    Listener::with(Ports::Exactly(0), BindAddress::any(), USUAL_DESCRIPTORS, encryption, Tap::default())
        .unwrap()
}

/// Exchanges keys as an initiator, with our handshake in it.
fn begin(stream: &mut TcpStream, info_hash: [u8; 20], offered: Methods) -> Result<Agreed, MseError> {
    let ours = Handshake::ours(InfoHash(info_hash), PeerId(ID), false);
    let chance = Chance { exponent: [0x5a; 20], pad: vec![9; 77], hidden_pad: 5 };
    mse::initiate(stream, &ours, offered, &chance)
}

#[test]
fn a_peer_that_exchanges_keys_reaches_its_coordinator_and_goes_on_as_was_agreed() {
    let cases = [
        (Encryption::Allow, Methods::BOTH, Security::Handshake),
        (Encryption::Allow, Methods::RC4, Security::Rc4),
        (Encryption::Prefer, Methods::BOTH, Security::Rc4),
        (Encryption::Prefer, Method::Plaintext.into(), Security::Handshake),
        (Encryption::Require, Methods::BOTH, Security::Rc4),
    ];
    for (wanted, offered, security) in cases {
        let listener = listener(wanted);
        let ((events, inbox), (other, other_inbox)) = (unbounded(), unbounded());
        let _others = listener.register(InfoHash(OTHER), other);
        let _registration = listener.register(InfoHash(HASH), events);
        let mut stream = connect(&listener);
        let agreed = begin(&mut stream, HASH, offered).unwrap();
        let (mut said, mut heard) = (*b"to the coordinator", [0; 9]);
        let (outgoing, receiving) = agreed.keystreams.map(|both| (both.outgoing, both.incoming)).unzip();
        if let Some(mut outgoing) = outgoing {
            outgoing.apply(&mut said);
        }
        stream.write_all(&said).unwrap();

        let incoming = incoming(&inbox);
        assert_eq!(incoming.stream.security(), security);
        assert_eq!(incoming.handshake.to_wire(), handshake(HASH));
        let mut arrived = [0; 18];
        incoming.stream.read_exact_by(&mut arrived, Instant::now() + DEADLINE).unwrap();
        assert_eq!(&arrived, b"to the coordinator");
        incoming.stream.write_all(b"its words").unwrap();
        stream.read_exact(&mut heard).unwrap();
        assert_eq!(&heard == b"its words", security == Security::Handshake);
        if let Some(mut receiving) = receiving {
            receiving.apply(&mut heard);
        }
        assert_eq!(&heard, b"its words");
        assert!(other_inbox.is_empty());
    }
}

#[test]
fn what_the_user_does_not_want_is_turned_away() {
    let cases = [
        (Encryption::Off, Methods::BOTH, "not a BitTorrent handshake"),
        (Encryption::Require, Method::Plaintext.into(), "no method of encryption that we allow"),
        (Encryption::Allow, Methods::NONE, "no method of encryption that we allow"),
    ];
    for (wanted, offered, why) in cases {
        let listener = listener(wanted);
        let (events, inbox) = unbounded();
        let _registration = listener.register(InfoHash(HASH), events);
        let mut stream = connect(&listener);
        assert!(matches!(begin(&mut stream, HASH, offered), Err(MseError::Stream(_))), "{wanted:?}");
        log_capture::wait_for(stream.local_addr().unwrap(), why);
        assert!(inbox.is_empty());
    }
    let listener = listener(Encryption::Require);
    let (events, inbox) = unbounded();
    let _registration = listener.register(InfoHash(HASH), events);
    let mut stream = connect(&listener);
    stream.write_all(&handshake(HASH)).unwrap();
    is_closed(&stream);
    log_capture::wait_for(stream.local_addr().unwrap(), "not encrypted");
    assert!(inbox.is_empty());
}

#[test]
fn who_does_not_know_a_torrent_of_ours_is_dropped() {
    let listener = listener(Encryption::Allow);
    let (events, inbox) = unbounded();
    let registration = listener.register(InfoHash(HASH), events);
    let wants = |info_hash| {
        let mut stream = connect(&listener);
        let error = begin(&mut stream, info_hash, Methods::BOTH);
        assert!(matches!(error, Err(MseError::Stream(_))));
        log_capture::wait_for(
            stream.local_addr().unwrap(),
            "asks for a torrent that is not here (wrong info-hash?)",
        );
    };
    wants(OTHER);
    drop(registration);
    wants(HASH);
    assert!(inbox.is_empty());
}

#[test]
fn keys_for_one_torrent_do_not_lead_to_another() {
    let listener = listener(Encryption::Allow);
    let ((events, inbox), (other, other_inbox)) = (unbounded(), unbounded());
    let _registration = listener.register(InfoHash(HASH), events);
    let _others = listener.register(InfoHash(OTHER), other);
    // With the private number 1 the public key is 2, and the secret is what the other side sends.
    let mut stream = connect(&listener);
    let mut key = [0; KEY_LENGTH];
    key[KEY_LENGTH - 1] = 2;
    stream.write_all(&key).unwrap();
    let mut secret = [0; KEY_LENGTH];
    stream.read_exact(&mut secret).unwrap();
    let hash = |parts: &[&[u8]]| -> [u8; 20] { Sha1::digest(parts.concat()).into() };
    let mut mark = torrent_mark(InfoHash(HASH));
    mark.iter_mut().zip(hash(&[b"req3", &secret])).for_each(|(byte, other)| *byte ^= other);
    let mut hidden = [&[0; 8][..], &[0, 0, 0, 3, 0, 0, 0, 68], &handshake(OTHER)].concat();
    Rc4::new(&hash(&[b"keyA", &secret, &HASH])).after(1024).apply(&mut hidden);
    stream.write_all(&[&hash(&[b"req1", &secret])[..], &mark, &hidden].concat()).unwrap();
    // The pad, and the answer to what was right so far.
    is_closed_after(&stream, 512 + 14 + 512);
    log_capture::wait_for(stream.local_addr().unwrap(), "keys were exchanged for another torrent");
    assert!(inbox.is_empty() && other_inbox.is_empty());
}

#[test]
fn a_byte_now_and_then_wins_no_time_for_a_key_exchange() {
    let listener = listener(Encryption::Allow);
    let (events, _inbox) = unbounded();
    let _registration = listener.register(InfoHash(HASH), events);
    let mut slow = connect(&listener);
    let address = slow.local_addr().unwrap();
    slow.write_all(&[9; KEY_LENGTH]).unwrap();
    let mut key = [0; KEY_LENGTH];
    slow.read_exact(&mut key).unwrap();
    slow.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut left = 500;
    // The wait between two bytes is for the end of the connection, behind what is left of the pad.
    let goes_on = |slow: &TcpStream| match read(slow, &mut [0; 512]) {
        Ok(read) => read > 0,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    };
    while left > 0 && slow.write_all(&[9]).is_ok() && goes_on(&slow) {
        left -= 1;
    }
    assert!(left > 0, "it was given time for the whole pad");
    log_capture::wait_for(address, "no handshake in 10 s");
}
