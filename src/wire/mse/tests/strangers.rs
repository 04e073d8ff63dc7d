//! The other side of a key exchange says all that it likes, in the right order and in wrong ones.

use super::super::keys::Secret;
use super::*;
use std::collections::VecDeque;

/// The prime that all clients use.
const PRIME: &str = "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd\
    ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a63a36210000000000090563";

/// The prime and this much.
fn prime_plus(more: i64) -> [u8; KEY_LENGTH] {
    let mut key: [u8; KEY_LENGTH] =
        std::array::from_fn(|at| u8::from_str_radix(&PRIME[2 * at..2 * at + 2], 16).unwrap());
    let last = u64::from_be_bytes(key[KEY_LENGTH - 8..].try_into().unwrap());
    key[KEY_LENGTH - 8..].copy_from_slice(&last.wrapping_add_signed(more).to_be_bytes());
    key
}

/// A peer that has said everything already, and whatever it hears.
struct Scripted {
    says: VecDeque<u8>,
    heard: Vec<u8>,
    /// Bytes that were taken at once at most.
    slice: usize,
}

impl Scripted {
    fn says(parts: &[&[u8]]) -> Scripted {
        Scripted { says: parts.concat().into(), heard: Vec::new(), slice: usize::MAX }
    }
}

impl Read for Scripted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = into.len().min(self.slice);
        self.says.read(&mut into[..length])
    }
}

impl Write for Scripted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.heard.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_public_key_with_which_the_secret_could_be_guessed_is_refused() {
    let ours = PrivateKey::new(X);
    let all = [0xff; KEY_LENGTH];
    for key in [number(0), number(1), prime_plus(-1), prime_plus(0), prime_plus(1), prime_plus(2), all] {
        assert_eq!(ours.secret(&key), Err(MseFault::PublicKey));
        // From whichever side.
        let mut peer = Scripted::says(&[&key]);
        let responded = respond(&mut peer, &key, find, first_of(&[Method::Rc4]), &chance(X, 0, 0));
        assert!(matches!(responded, Err(MseError::Fault(MseFault::PublicKey))));
        assert!(peer.heard.is_empty(), "it gets no answer");
        let initiated = initiate(&mut peer, &handshake(), Methods::BOTH, &chance(X, 0, 0));
        assert!(matches!(initiated, Err(MseError::Fault(MseFault::PublicKey))));
    }
    for key in [number(2), prime_plus(-2)] {
        assert!(ours.secret(&key).is_ok());
    }
}

/// What an initiator that knows the keys may say behind its public key.
#[derive(Clone)]
struct Opening {
    pad: usize,
    torrent: InfoHash,
    verification: [u8; 8],
    methods: u32,
    hidden_pad: usize,
    first_length: u16,
    first: Vec<u8>,
    /// Sent in plain text behind all.
    behind: Vec<u8>,
}

impl Opening {
    fn good() -> Opening {
        let first = handshake().to_wire();
        Opening {
            pad: 40,
            torrent: TORRENT,
            verification: VERIFICATION,
            methods: 3,
            hidden_pad: 5,
            first_length: 68,
            first,
            behind: Vec::new(),
        }
    }

    /// What comes of it, said all at once.
    fn answered(&self, choose: Method) -> Result<(InfoHash, Agreed), MseError> {
        let secret = Secret(PrivateKey::new(X).secret(&PrivateKey::new(Y).public_key()).unwrap());
        let mut hidden = [
            &self.verification[..],
            &self.methods.to_be_bytes(),
            &(self.hidden_pad as u16).to_be_bytes(),
            &vec![9; self.hidden_pad],
            &self.first_length.to_be_bytes(),
            &self.first,
        ]
        .concat();
        secret.of_initiator(self.torrent).apply(&mut hidden);
        let mark = secret.hide(torrent_mark(self.torrent));
        let mut peer =
            Scripted::says(&[&vec![3; self.pad], &secret.end_of_pad(), &mark, &hidden, &self.behind]);
        let theirs = PrivateKey::new(X).public_key();
        respond(&mut peer, &theirs, find, first_of(&[choose]), &chance(Y, 9, 9))
    }

    fn fault(&self) -> MseFault {
        match self.answered(Method::Rc4) {
            Err(MseError::Fault(fault)) => fault,
            Err(MseError::Stream(error)) => panic!("{error}"),
            Ok(_) => panic!("agreed"),
        }
    }
}

#[test]
fn what_an_initiator_says_wrong_is_refused() {
    let good = Opening::good();
    assert!(good.answered(Method::Rc4).is_ok());
    let longest = Opening { pad: MAX_PAD, hidden_pad: MAX_PAD, ..good.clone() };
    assert!(longest.answered(Method::Rc4).is_ok());
    assert_eq!(Opening { pad: MAX_PAD + 1, ..good.clone() }.fault(), MseFault::NoMark);
    assert_eq!(Opening { hidden_pad: MAX_PAD + 1, ..good.clone() }.fault(), MseFault::LongPad);
    assert_eq!(Opening { torrent: InfoHash([8; 20]), ..good.clone() }.fault(), MseFault::UnknownTorrent);
    assert_eq!(Opening { verification: [1; 8], ..good.clone() }.fault(), MseFault::Verification);
    for methods in [0, 1, 4, 1 << 31] {
        assert_eq!(Opening { methods, ..good.clone() }.fault(), MseFault::NoMethod, "{methods}");
    }
    // Ways that we do not know may be among them.
    assert!(Opening { methods: u32::MAX, ..good.clone() }.answered(Method::Rc4).is_ok());
    let long =
        |length: usize| Opening { first_length: length as u16, first: vec![0; length], ..good.clone() };
    assert_eq!(long(MAX_FIRST_BYTES).answered(Method::Rc4).unwrap().1.early.len(), MAX_FIRST_BYTES);
    assert_eq!(long(MAX_FIRST_BYTES + 1).fault(), MseFault::LongStart);
}

#[test]
fn nothing_of_the_conversation_is_lost_with_either_method() {
    let handshake = handshake().to_wire();
    let mut opening = Opening { behind: b"in plain text".to_vec(), ..Opening::good() };
    let plain = opening.answered(Method::Plaintext).unwrap().1;
    assert!(plain.keystreams.is_none());
    assert_eq!(plain.early, [&handshake[..], b"in plain text"].concat());
    // What is encrypted further on is so with the same keystream. Here it is part of what was encrypted above.
    opening.behind.clear();
    opening.first.extend(b"through RC4");
    let hidden = opening.answered(Method::Rc4).unwrap().1;
    assert!(hidden.keystreams.is_some());
    assert_eq!(hidden.early, [&handshake[..], b"through RC4"].concat());
    opening.first_length = 0;
    assert_eq!(opening.answered(Method::Rc4).unwrap().1.early, hidden.early);
}

/// What comes of an initiator whose peer answers this, all at once: its pad, then encrypted the rest.
fn initiated(pad: usize, hidden: &[&[u8]], slice: usize) -> Result<Agreed, MseError> {
    let public_key = PrivateKey::new(Y).public_key();
    let secret = Secret(PrivateKey::new(X).secret(&public_key).unwrap());
    let mut hidden = hidden.concat();
    secret.of_responder(TORRENT).apply(&mut hidden);
    let mut peer = Scripted::says(&[&public_key, &vec![3; pad], &hidden]);
    peer.slice = slice;
    initiate(&mut peer, &handshake(), Methods::BOTH, &chance(X, 11, 0))
}

#[test]
fn what_a_responder_says_wrong_is_refused() {
    let fault = |pad, hidden: &[&[u8]]| match initiated(pad, hidden, usize::MAX) {
        Err(MseError::Fault(fault)) => fault,
        Err(MseError::Stream(error)) => panic!("{error}"),
        Ok(_) => panic!("agreed"),
    };
    for (method, is_rc4) in [(1, false), (2, true)] {
        let agreed = initiated(MAX_PAD, &[&[0; 8], &[0, 0, 0, method], &[0, 0]], 1).unwrap();
        assert_eq!((agreed.keystreams.is_some(), agreed.early.len()), (is_rc4, 0));
    }
    let rc4 = [0, 0, 0, 2];
    assert_eq!(fault(MAX_PAD + 1, &[&[0; 8], &rc4, &[0, 0]]), MseFault::NoMark);
    assert_eq!(fault(0, &[&[1; 600]]), MseFault::NoMark);
    for choice in [[0, 0, 0, 0], [0, 0, 0, 3], [0, 0, 0, 4], [0, 0, 0, 6], [0x80, 0, 0, 2]] {
        assert_eq!(fault(0, &[&[0; 8], &choice, &[0, 0]]), MseFault::Choice);
    }
    assert_eq!(fault(0, &[&[0; 8], &rc4, &[2, 1], &[0; 513]]), MseFault::LongPad);
    let agreed = initiated(7, &[&[0; 8], &rc4, &[2, 0], &[0; 512], b"its handshake"], usize::MAX);
    assert_eq!(agreed.unwrap().early, b"its handshake");
}

#[test]
fn a_choice_that_was_not_offered_is_refused() {
    assert_eq!(Methods::RC4.chosen(Method::Plaintext.into()), Err(MseFault::Choice));
    assert_eq!(Methods::BOTH.chosen(Method::Plaintext.into()), Ok(Method::Plaintext));
    assert_eq!(Methods::RC4.chosen(Methods::RC4), Ok(Method::Rc4));
}

#[test]
fn an_initiator_says_only_its_key_before_it_has_the_other() {
    for length in 0..KEY_LENGTH {
        let mut peer = Scripted::says(&[&PrivateKey::new(Y).public_key()[..length]]);
        let initiated = initiate(&mut peer, &handshake(), Methods::BOTH, &chance(X, 11, 0));
        assert!(matches!(initiated, Err(MseError::Stream(_))));
        assert_eq!(peer.heard.len(), KEY_LENGTH + 11);
    }
}
