//! Peers that ask for what they must not, too much of it, or never read it: each is dropped for a reason
//! that is told, or tolerated, in bounded memory, while an honest leecher beside them is served.

use std::net::TcpStream;

use crate::support::leech::{ask, leech, wait_for_unchoke};
use crate::support::sample::Sample;
use crate::support::seeder::Seeder;
use crate::support::talk::{FAST, PLAIN, Talk};
use femtotorrent::message::Violation;
use femtotorrent::wire::{BlockRequest, Message};

const MIB: u64 = 1024 * 1024;
/// The most memory that a seed may take, whatever its peers do: this is a build for debugging, whose code
/// alone takes more than the release.
const MEMORY: u64 = 40 * MIB;
const BLOCK: BlockRequest = BlockRequest { index: 0, begin: 0, length: 16_384 };

fn sample() -> Sample {
    Sample::single(5 * 262_144 - 10, 262_144)
}

/// Seeds to a peer that does this, and to an honest one after it. Where there is a reason, the peer is
/// dropped for it.
fn seed_to(reserved: [u8; 8], reason: Option<Violation>, harm: impl FnOnce(&mut Talk)) {
    let sample = sample();
    let seeder = Seeder::start(&sample, &[]);
    let mut hostile = seeder.meet(reserved);
    harm(&mut hostile);
    leech(&mut seeder.meet(FAST)).unwrap();
    if let Some(reason) = reason {
        seeder.says_of(hostile.address(), reason);
    }
    assert!(seeder.peak_memory() < MEMORY, "{} bytes", seeder.peak_memory());
}

/// Says a message this often at once. That femtotorrent hangs up in the middle is expected.
fn flood(talk: &mut Talk, count: usize, message: Message<'_>) {
    let mut bytes = Vec::new();
    (0..count).for_each(|_| message.write_to(&mut bytes));
    let _ = talk.say_bytes(&bytes);
}

#[test]
fn a_hundred_thousand_requests_of_a_peer_that_reads_nothing() {
    for reserved in [PLAIN, FAST] {
        seed_to(reserved, Some(Violation::RequestFlood), |talk| {
            wait_for_unchoke(talk).unwrap();
            flood(talk, 100_000, Message::Request(BLOCK));
        });
    }
}

#[test]
fn requests_without_being_unchoked() {
    seed_to(PLAIN, Some(Violation::RequestsWhileChoked), |talk| {
        flood(talk, 100_000, Message::Request(BLOCK));
    });
}

#[test]
fn a_request_for_more_than_128_kib() {
    for length in [128 * 1024 + 1, 1 << 20, u32::MAX] {
        seed_to(PLAIN, Some(Violation::LongRequest), |talk| {
            wait_for_unchoke(talk).unwrap();
            ask(talk, &[BlockRequest { length, ..BLOCK }]).unwrap();
        });
    }
}

#[test]
fn a_request_for_what_the_torrent_does_not_have() {
    let beyond = [
        BlockRequest { index: 5, ..BLOCK },
        BlockRequest { index: u32::MAX, begin: u32::MAX, ..BLOCK },
        BlockRequest { begin: 262_144, ..BLOCK },
        BlockRequest { begin: 262_144 - 16_383, ..BLOCK },
        BlockRequest { begin: u32::MAX, ..BLOCK },
        BlockRequest { index: 4, begin: 262_144 - 16_384, ..BLOCK },
        BlockRequest { length: 0, ..BLOCK },
    ];
    let sample = sample();
    let seeder = Seeder::start(&sample, &[]);
    for wanted in beyond {
        let mut talk = seeder.meet(PLAIN);
        wait_for_unchoke(&mut talk).unwrap();
        ask(&mut talk, &[wanted]).unwrap();
        talk.wait_for_end();
        seeder.says_of(talk.address(), Violation::RequestOutOfRange);
    }
    leech(&mut seeder.meet(FAST)).unwrap();
}

#[test]
fn a_hundred_thousand_cancels() {
    for reserved in [PLAIN, FAST] {
        seed_to(reserved, Some(Violation::VainCancels), |talk| {
            wait_for_unchoke(talk).unwrap();
            flood(talk, 100_000, Message::Cancel(BLOCK));
        });
    }
}

#[test]
fn requests_that_are_taken_back_at_once_and_answers_that_nobody_reads() {
    seed_to(FAST, None, |talk| {
        wait_for_unchoke(talk).unwrap();
        let mut bytes = Vec::new();
        for _ in 0..100_000 {
            Message::Request(BLOCK).write_to(&mut bytes);
            Message::Cancel(BLOCK).write_to(&mut bytes);
        }
        let _ = talk.say_bytes(&bytes);
    });
}

#[test]
fn interest_that_comes_and_goes_a_hundred_thousand_times() {
    seed_to(PLAIN, None, |talk| {
        let mut bytes = Vec::new();
        for _ in 0..100_000 {
            Message::Interested.write_to(&mut bytes);
            Message::NotInterested.write_to(&mut bytes);
        }
        let _ = talk.say_bytes(&bytes);
    });
}

#[test]
fn peers_that_never_read_what_they_asked_for() {
    let sample = sample();
    let seeder = Seeder::start(&sample, &[]);
    let deaf: Vec<Talk> = (0..3)
        .map(|_| {
            let mut talk = seeder.meet(PLAIN);
            wait_for_unchoke(&mut talk).unwrap();
            flood(&mut talk, 500, Message::Request(BlockRequest { length: 128 * 1024, ..BLOCK }));
            talk
        })
        .collect();
    leech(&mut seeder.meet(FAST)).unwrap();
    assert!(seeder.peak_memory() < MEMORY, "{} bytes", seeder.peak_memory());
    drop(deaf);
}

#[test]
fn handshakes_that_never_come() {
    let sample = sample();
    let seeder = Seeder::start(&sample, &[]);
    let before = seeder.threads();
    let mut silent = Vec::new();
    for number in 0..400 {
        let mut talk = Talk::dial(seeder.address, &sample);
        if number % 2 == 0 {
            talk.say_bytes(b"\x13BitTorrent prot").unwrap();
        }
        silent.push(talk);
    }
    leech(&mut seeder.meet(FAST)).unwrap();
    let threads = seeder.threads() - before;
    assert!(threads <= 256 + 2, "{threads} threads for strangers");
    assert!(seeder.peak_memory() < MEMORY, "{} bytes", seeder.peak_memory());
    drop(silent);
}

#[test]
fn connections_that_come_and_go() {
    let sample = sample();
    let seeder = Seeder::start(&sample, &[]);
    for number in 0..500 {
        let stream = TcpStream::connect(seeder.address).unwrap();
        if number % 3 == 0 {
            drop(seeder.meet(PLAIN));
        }
        drop(stream);
    }
    leech(&mut seeder.meet(FAST)).unwrap();
    assert!(seeder.peak_memory() < MEMORY, "{} bytes", seeder.peak_memory());
}
