use super::group::PrivateKey;
use super::keys::Secret;
use super::*;
use crate::metainfo::InfoHash;
use crate::wire::{Handshake, PeerId};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

const TORRENT: InfoHash = InfoHash([7; 20]);
const X: [u8; EXPONENT_LENGTH] = [0xa7; EXPONENT_LENGTH];
const Y: [u8; EXPONENT_LENGTH] = [0x5b; EXPONENT_LENGTH];
/// The prime that all clients use.
const PRIME: &str = "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd\
    ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a63a36210000000000090563";
/// 2 to the power of X, and to the power of X times Y, as Python's `pow` has them.
const PUBLIC_KEY: &str = "92e16bfae8824f5f74798b5d97ab1988691b1b41a557658da470da4555cc44566bda90c635852520cfbd76354d6406b2\
    f7ab7ef7f3cfc4d675e2824d662646ad9983085700543592c6361b7f6e4ff3a3d406462176bb4d854242d3b98a7a68be";
const SECRET: &str = "f4f120cfd86afbac7916df25137624acdf5e5c349d9b97adb580b1554e18fc3347e174c5d638ca3436cb2d406a07480d\
    ca93959538960ea02a67f518d1539b8038a1ea0405fa3c8ecc79e9de4979ccbe12df128a4ee701ba5bd71d3171f75252";

fn handshake() -> Handshake {
    Handshake::ours(TORRENT, PeerId([1; 20]), false)
}

fn chance(exponent: [u8; EXPONENT_LENGTH], pad: usize, hidden_pad: usize) -> Chance {
    // Not zeros: the marks are looked for in it.
    let pad = (0..pad).map(|at| (at * 7 + 3) as u8).collect();
    Chance { exponent, pad, hidden_pad: hidden_pad as u16 }
}

fn find(mark: TorrentMark) -> Option<InfoHash> {
    (mark == torrent_mark(TORRENT)).then_some(TORRENT)
}

/// As a responder that takes everything and would have the first of these.
fn first_of(methods: &[Method]) -> impl Fn(Methods) -> Option<Method> {
    move |offered| methods.iter().copied().find(|method| offered.contain(*method))
}

/// A stream that brings this many bytes at a time.
struct Slices(UnixStream, usize);

impl Read for Slices {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = into.len().min(self.1);
        self.0.read(&mut into[..length])
    }
}

impl Write for Slices {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Both sides, over streams that bring so many bytes at a time.
fn both(
    slices: usize,
    offered: Methods,
    chosen: Method,
    [ours, theirs]: [&Chance; 2],
) -> (Result<Agreed, MseError>, Result<(InfoHash, Agreed), MseError>) {
    let (one, other) = UnixStream::pair().unwrap();
    for end in [&one, &other] {
        end.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    }
    std::thread::scope(|scope| {
        let initiator = scope.spawn(|| initiate(&mut Slices(one, slices), &handshake(), offered, ours));
        let mut stream = Slices(other, slices);
        let mut key = [0; KEY_LENGTH];
        stream.read_exact(&mut key).unwrap();
        let responded = respond(&mut stream, &key, find, first_of(&[chosen]), theirs);
        drop(stream);
        (initiator.join().unwrap(), responded)
    })
}

/// Both sides agree, and each understands what the other says from then on.
fn agree(slices: usize, offered: Methods, chosen: Method, chances: [&Chance; 2]) {
    let (ours, theirs) = both(slices, offered, chosen, chances);
    let (mut ours, (info_hash, mut theirs)) = (ours.unwrap(), theirs.unwrap());
    assert_eq!((info_hash, &theirs.early), (TORRENT, &handshake().to_wire()));
    assert!(ours.early.is_empty());
    let (Some(ours), Some(theirs)) = (&mut ours.keystreams, &mut theirs.keystreams) else {
        assert_eq!(chosen, Method::Plaintext);
        assert!(ours.keystreams.is_none() && theirs.keystreams.is_none());
        return;
    };
    assert_eq!(chosen, Method::Rc4);
    for (from, to) in [(&mut ours.outgoing, &mut theirs.incoming), (&mut theirs.outgoing, &mut ours.incoming)]
    {
        let mut bytes = b"what is said from now on".to_vec();
        from.apply(&mut bytes);
        assert_ne!(bytes, b"what is said from now on");
        to.apply(&mut bytes);
        assert_eq!(bytes, b"what is said from now on");
    }
}

#[test]
fn the_keystream_is_that_of_the_published_examples() {
    // RFC 6229, a key of 40 bits: offsets 0 and 1536.
    let key = [1, 2, 3, 4, 5];
    let mut bytes = [0; 16];
    Rc4::new(&key).apply(&mut bytes);
    assert_eq!(u128::from_be_bytes(bytes), 0xb239_6305_f03d_c027_ccc3_524a_0a11_18a8);
    let mut bytes = [0; 16];
    Rc4::new(&key).after(1536).apply(&mut bytes);
    assert_eq!(u128::from_be_bytes(bytes), 0xd872_9db4_1882_259b_ee4f_8253_25f5_a130);
    // In whatever portions.
    let (mut whole, mut parts) = ([7; 100], [7; 100]);
    Rc4::new(&key).apply(&mut whole);
    let mut keystream = Rc4::new(&key);
    for part in parts.chunks_mut(13) {
        keystream.apply(part);
    }
    assert_eq!(whole, parts);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn keys_and_secrets_are_those_of_another_implementation() {
    let (ours, theirs) = (PrivateKey::new(X), PrivateKey::new(Y));
    assert_eq!(hex(&ours.public_key()), PUBLIC_KEY);
    assert_eq!(hex(&ours.secret(&theirs.public_key()).unwrap()), SECRET);
    assert_eq!(ours.secret(&theirs.public_key()), theirs.secret(&ours.public_key()));
}

#[test]
fn short_keys_and_secrets_have_zeros_in_front() {
    let exponent = |last: [u8; 2]| {
        let mut exponent = X;
        exponent[18..].copy_from_slice(&last);
        exponent
    };
    let theirs = PrivateKey::new(Y);
    let short_key = PrivateKey::new(exponent([0xa8, 0xd5]));
    assert_eq!(short_key.public_key()[0], 0);
    let short_secret = PrivateKey::new(exponent([0xa9, 0x51]));
    assert_eq!(short_secret.secret(&theirs.public_key()).unwrap()[0], 0);
    // 2^3, 2^5 and 2^15.
    let small = |last: u8| {
        let mut exponent = [0; EXPONENT_LENGTH];
        exponent[EXPONENT_LENGTH - 1] = last;
        exponent
    };
    assert_eq!(PrivateKey::new(small(5)).public_key(), number(32));
    assert_eq!(PrivateKey::new(small(3)).secret(&number(32)).unwrap(), number(1 << 15));
    for short in [exponent([0xa8, 0xd5]), exponent([0xa9, 0x51]), small(3)] {
        for chances in [[short, Y], [Y, short]] {
            let [ours, theirs] = chances.map(|exponent| chance(exponent, 100, 10));
            agree(usize::MAX, Methods::BOTH, Method::Rc4, [&ours, &theirs]);
        }
    }
}

fn number(number: u64) -> [u8; KEY_LENGTH] {
    let mut key = [0; KEY_LENGTH];
    key[KEY_LENGTH - 8..].copy_from_slice(&number.to_be_bytes());
    key
}

/// The prime and this much.
fn prime_plus(more: i64) -> [u8; KEY_LENGTH] {
    let mut key: [u8; KEY_LENGTH] =
        std::array::from_fn(|at| u8::from_str_radix(&PRIME[2 * at..2 * at + 2], 16).unwrap());
    let last = u64::from_be_bytes(key[KEY_LENGTH - 8..].try_into().unwrap());
    key[KEY_LENGTH - 8..].copy_from_slice(&last.wrapping_add_signed(more).to_be_bytes());
    key
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

#[test]
fn both_sides_agree_with_pads_of_every_length() {
    for pad in 0..=MAX_PAD {
        let [ours, theirs] = [chance(X, pad, MAX_PAD - pad), chance(Y, MAX_PAD - pad, pad)];
        agree(usize::MAX, Methods::BOTH, [Method::Rc4, Method::Plaintext][pad % 2], [&ours, &theirs]);
    }
}

#[test]
fn both_sides_agree_however_few_bytes_come_at_a_time() {
    for (slices, chosen) in [(1, Method::Rc4), (1, Method::Plaintext), (2, Method::Rc4), (19, Method::Rc4)] {
        let [ours, theirs] = [chance(X, 300, 200), chance(Y, MAX_PAD, 7)];
        agree(slices, Methods::BOTH, chosen, [&ours, &theirs]);
    }
}

#[test]
fn a_side_that_offers_rc4_alone_gets_that_or_nothing() {
    let [ours, theirs] = [chance(X, 3, 2), chance(Y, 1, 0)];
    agree(usize::MAX, Methods::RC4, Method::Rc4, [&ours, &theirs]);
    for (offered, wanted) in [(Methods::RC4, Method::Plaintext), (Methods::NONE, Method::Rc4)] {
        let (initiated, responded) = both(usize::MAX, offered, wanted, [&ours, &theirs]);
        assert!(matches!(responded, Err(MseError::Fault(MseFault::NoMethod))));
        let Err(MseError::Stream(error)) = initiated else { panic!() };
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
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
