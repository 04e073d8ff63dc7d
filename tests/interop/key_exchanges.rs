//! Key exchanges with libtorrent, one after the other: what goes wrong once in 256 times, such as a secret that begins
//! with a zero, shows here.
//!
//! `HANDSHAKES=3000 make interop` makes that many in all, in place of 300.

use crate::foreign::Foreign;
use crate::payload::Payload;
use crossbeam_channel::bounded;
use femtotorrent::message::Event;
use femtotorrent::metainfo::{InfoHash, Metainfo};
use femtotorrent::net::tap::Tap;
use femtotorrent::net::{BindAddress, Ports};
use femtotorrent::peer::{Listener, USUAL_DESCRIPTORS};
use femtotorrent::strategy::{Encryption, Security};
use femtotorrent::wire::mse::{self, Chance, Methods};
use femtotorrent::wire::{HANDSHAKE_LENGTH, Handshake, PeerId};
use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(60);

/// How many of each of the six kinds.
fn of_each_kind() -> usize {
    let all = std::env::var("HANDSHAKES").ok().and_then(|count| count.parse().ok()).unwrap_or(300);
    std::cmp::max(1, all / 6)
}

fn info_hash(payload: &Payload) -> InfoHash {
    Metainfo::parse(std::fs::read(payload.torrent()).unwrap()).unwrap().info_hash
}

/// What libtorrent allows, what we then offer, and what is agreed on.
const LEVELS: [(&str, Methods, bool); 3] =
    [("plaintext", Methods::BOTH, false), ("rc4", Methods::BOTH, true), ("both", Methods::RC4, true)];

#[test]
fn libtorrent_agrees_with_us_when_we_connect() {
    let payload = Payload::single(100_000);
    let ours = Handshake::ours(info_hash(&payload), PeerId(*b"-FM0100-key-exchange"), false);
    for (level, offered, rc4) in LEVELS {
        let seeder = Foreign::libtorrent_with_keys(&payload, level, None);
        for number in 0..of_each_kind() {
            let mut stream = TcpStream::connect(seeder.address()).unwrap();
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            let chance = Chance {
                exponent: std::array::from_fn(|_| fastrand::u8(..)),
                pad: std::iter::repeat_with(|| fastrand::u8(..))
                    .take(fastrand::usize(..=mse::MAX_PAD))
                    .collect(),
                hidden_pad: fastrand::u16(..=mse::MAX_PAD as u16),
            };
            let agreed = mse::initiate(&mut stream, &ours, offered, &chance);
            let agreed =
                agreed.unwrap_or_else(|error| panic!("{level}, {number}: {error:?}, {:?}", chance.exponent));
            assert_eq!(agreed.keystreams.is_some(), rc4);
            let mut theirs = agreed.early;
            let mut rest = vec![0; HANDSHAKE_LENGTH.saturating_sub(theirs.len())];
            stream.read_exact(&mut rest).unwrap();
            if let Some(mut keystreams) = agreed.keystreams {
                keystreams.incoming.apply(&mut rest);
            }
            theirs.append(&mut rest);
            let theirs = Handshake::from_wire(theirs.first_chunk().unwrap()).unwrap();
            assert_eq!(theirs.info_hash, ours.info_hash, "{level}, {number}");
        }
    }
}

#[test]
fn libtorrent_agrees_with_us_when_it_connects() {
    let payload = Payload::single(100_000);
    for (level, wanted) in
        [("plaintext", Encryption::Allow), ("rc4", Encryption::Allow), ("both", Encryption::Require)]
    {
        let loopback = BindAddress::any();
        let listener =
            Listener::with(Ports::Exactly(0), loopback, USUAL_DESCRIPTORS, wanted, Tap::default()).unwrap();
        let (events, inbox) = bounded(256);
        let _registration = listener.register(info_hash(&payload), events);
        let count = of_each_kind();
        let _seeder = Foreign::libtorrent_with_keys(&payload, level, Some((listener.port(), count)));
        // It tries each address once; an exchange that fails is missing in the end.
        let until = Instant::now() + DEADLINE;
        for number in 0..count {
            let Ok(Event::Incoming(incoming)) = inbox.recv_deadline(until) else {
                panic!("{level}: only {number} of {count} came through");
            };
            let expected = if level == "plaintext" { Security::Handshake } else { Security::Rc4 };
            assert_eq!(incoming.stream.security(), expected);
        }
    }
}
