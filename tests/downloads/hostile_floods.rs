//! Peers that send one kind of message as fast as they can: each is dropped for its flood, which is named, and
//! the download completes.

use std::io;

use crate::support::hostile::{Known, download_beside_honest};
use crate::support::leech::{leech, wait_for_unchoke};
use crate::support::log_capture;
use crate::support::sample::Sample;
use crate::support::seeder::Seeder;
use crate::support::talk::{FAST, MODERN, Said, Talk};
use femtotorrent::message::{MessageKind, Violation};
use femtotorrent::wire::{BlockRequest, Message, extension};

const BLOCK: BlockRequest = BlockRequest { index: 1, begin: 16_384, length: 16_384 };
/// More than enough of any message.
const MANY: usize = 200_000;

/// Five pieces.
fn sample() -> Sample {
    Sample::single(5 * 65_536 - 10, 65_536)
}

/// This many of a message. That femtotorrent hangs up in the middle is expected.
fn flood(talk: &mut Talk, message: Message<'_>, count: usize) {
    let mut bytes = Vec::new();
    (0..count.min(1000)).for_each(|_| message.write_to(&mut bytes));
    let _ = (0..count.div_ceil(1000)).try_for_each(|_| talk.say_bytes(&bytes));
}

/// A download ends beside a peer that sends only this message, and that peer is dropped for it.
fn flood_is_dropped(known: Known, kind: MessageKind, message: Message<'static>) {
    let hostile = download_beside_honest(&sample(), known, move |talk| {
        talk.greet(MODERN)?;
        talk.say(Message::HaveNone)?;
        flood(talk, message, MANY);
        Ok(())
    });
    log_capture::wait_for(hostile.address(), Violation::Flood(kind));
    assert_eq!(hostile.record().connections, 1, "{kind}");
}

#[test]
fn every_kind_of_flood_ends_the_connection_and_nothing_else() {
    for (kind, message) in [
        // One that chokes as well may be disconnected for that before.
        (MessageKind::Choke, Message::Unchoke),
        (MessageKind::Interest, Message::Interested),
        (MessageKind::Interest, Message::NotInterested),
        (MessageKind::Have, Message::Have(3)),
        (MessageKind::VainReject, Message::Reject(BLOCK)),
        (MessageKind::AllowedFast, Message::AllowedFast(3)),
        (MessageKind::Suggest, Message::Suggest(3)),
        (MessageKind::Port, Message::Port(6881)),
        (MessageKind::KeepAlive, Message::KeepAlive),
        (MessageKind::ExtensionHandshake, Message::Extended(extension::HANDSHAKE, b"d1:v4:evile")),
        (MessageKind::Pex, Message::Extended(extension::UT_PEX, b"d5:added6:\x0b\x01\x01\x01\x1a\xe1e")),
        (MessageKind::Extended, Message::Extended(77, b"de")),
        (MessageKind::Unknown, Message::Unknown(99)),
    ] {
        flood_is_dropped(Known::Torrent, kind, message);
    }
}

#[test]
fn floods_while_the_metadata_is_looked_for() {
    for (kind, message) in [
        (MessageKind::KeepAlive, Message::KeepAlive),
        (MessageKind::Port, Message::Port(6881)),
        (MessageKind::Extended, Message::Extended(extension::UT_METADATA, b"d8:msg_typei0e5:piecei0ee")),
        (MessageKind::Unknown, Message::Unknown(99)),
    ] {
        flood_is_dropped(Known::Link, kind, message);
    }
}

#[test]
fn requests_that_are_taken_back_at_once_have_an_end() {
    let sample = sample();
    let seeder = Seeder::start(&sample, &[]);
    let mut hostile = seeder.meet(FAST);
    wait_for_unchoke(&mut hostile).unwrap();
    let mut bytes = Vec::new();
    for _ in 0..400 {
        Message::Request(BLOCK).write_to(&mut bytes);
        Message::Cancel(BLOCK).write_to(&mut bytes);
    }
    // It reads the answers, so that it does not end for that.
    let round = |talk: &mut Talk| -> io::Result<()> {
        talk.say_bytes(&bytes)?;
        let mut answers = 0;
        while answers < 400 {
            answers += usize::from(matches!(talk.next()?, Said::Piece(..) | Said::Reject(_)));
        }
        Ok(())
    };
    assert!((0..100).try_for_each(|_| round(&mut hostile)).is_err(), "it was not disconnected");
    seeder.says_of(hostile.address(), Violation::Flood(MessageKind::Cancel));
    leech(&mut seeder.meet(FAST)).unwrap();
}

#[test]
fn requests_for_a_byte_each_have_an_end() {
    let sample = sample();
    let seeder = Seeder::start(&sample, &["--up-limit", "1M"]);
    let mut hostile = seeder.meet(FAST);
    wait_for_unchoke(&mut hostile).unwrap();
    let mut bytes = Vec::new();
    (0..200)
        .for_each(|begin| Message::Request(BlockRequest { index: 1, begin, length: 1 }).write_to(&mut bytes));
    // It reads the answers, and has as few on their way as any client.
    let round = |talk: &mut Talk| -> io::Result<()> {
        talk.say_bytes(&bytes)?;
        let mut answers = 0;
        while answers < 200 {
            answers += usize::from(matches!(talk.next()?, Said::Piece(..)));
        }
        Ok(())
    };
    assert!((0..200).try_for_each(|_| round(&mut hostile)).is_err(), "it was not disconnected");
    seeder.says_of(hostile.address(), Violation::Flood(MessageKind::ShortRequest));
    leech(&mut seeder.meet(FAST)).unwrap();
}
