//! Two of ours agree. What a stranger says, and says wrong, is in `tests/strangers.rs`.

mod strangers;

use super::group::PrivateKey;
use super::*;
use crate::metainfo::InfoHash;
use crate::wire::{Handshake, PeerId};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

const TORRENT: InfoHash = InfoHash([7; 20]);
const X: [u8; EXPONENT_LENGTH] = [0xa7; EXPONENT_LENGTH];
const Y: [u8; EXPONENT_LENGTH] = [0x5b; EXPONENT_LENGTH];
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
