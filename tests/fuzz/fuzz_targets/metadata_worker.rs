//! The workers of a magnet link, which two peers feed any bytes in any split.
//!
//! They must not panic, must report the end and then end, must ask for no more than they may, and what is found has to
//! have the hash of the link.

#![no_main]

use crossbeam_channel::unbounded;
use femtotorrent::magnet::{MetadataAssembly, MetadataContext, MetadataWorker};
use femtotorrent::message::{Event, HangUp, InboxSlot, Incoming, PeerError, PeerKey};
use femtotorrent::net::{PeerStream, Throttle};
use femtotorrent::strategy::Encryption;
use femtotorrent::wire::extension::{self, ExtensionHandshake};
use femtotorrent::wire::metadata::{MetadataMessage, PIECE};
use femtotorrent::wire::{Handshake, Message, PeerId};
use femtotorrent_fuzz::{Choices, Ground, spelled_out};
use libfuzzer_sys::fuzz_target;
use sha1::{Digest, Sha1};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The wait for what is sure to come.
const DEADLINE: Duration = Duration::from_secs(60);
/// Room for all that a worker answers to an input.
const PIPE: usize = 1 << 20;
/// Bytes of a message of any kind.
const MOST_OF_A_BODY: usize = 4 * 1024;
/// The longest bitfield, what may follow it, and what one read may bring behind the last piece.
const MOST_KEPT: usize = 512 * 1024;

fuzz_target!(|bytes: &[u8]| {
    let ground = Ground::get();
    let info_hash = ground.metainfo.info_hash;
    let mut choices = Choices::new(bytes);
    let (events, inbox) = unbounded();
    let context = Arc::new(MetadataContext {
        kept_memory: Arc::default(),
        info_hash,
        peer_id: PeerId([1; 20]),
        events,
        read_memory: Arc::default(),
        down: Arc::new(Throttle::unlimited()),
        encryption: Encryption::default(),
        ports: Default::default(),
        assembly: Mutex::new(MetadataAssembly::new(info_hash.into())),
        alive: unbounded().0,
    });
    let mut peers = Vec::new();
    for number in 0..2 {
        let (ours, theirs) = PeerStream::in_memory_with(PIPE, DEADLINE);
        let handshake = Handshake::ours(info_hash, PeerId([2 + number; 20]), choices.coin());
        let (address, slot) = (([192, 0, 2, number], 6881).into(), InboxSlot::default());
        let incoming = Incoming { address, stream: ours, handshake, slot };
        let worker = MetadataWorker::accept(&context, PeerKey(number.into()), incoming).expect("a thread");
        peers.push((worker, theirs, Vec::new()));
    }
    while !choices.is_over() {
        let (_, stream, unsent) = &mut peers[usize::from(choices.coin())];
        match choices.byte() % 8 {
            0 => unsent.extend_from_slice(choices.bytes(40)),
            1 | 2 => say(&mut choices, unsent),
            3 => send(stream, unsent, choices.number() as usize),
            4 => send(stream, unsent, usize::MAX),
            _ => say_of_metadata(&mut choices, unsent),
        }
    }
    let mut workers = Vec::new();
    for (worker, stream, mut unsent) in peers {
        send(&stream, &mut unsent, usize::MAX);
        stream.hang_up(HangUp::Released);
        workers.push(worker);
    }
    let (end, mut gone) = (Instant::now() + DEADLINE, 0);
    while gone < 2 {
        match inbox.recv_deadline(end).expect("the end is reported") {
            Event::Gone(_, why) => {
                assert!(!matches!(why, PeerError::Panicked));
                gone += 1;
            }
            Event::HandedOver(handed) => assert!(handed.heard.len() <= MOST_KEPT),
            Event::Greeted(..) => {}
            other => panic!("{other:?}"),
        }
    }
    drop(workers);
    while Arc::strong_count(&context) > 1 {
        assert!(Instant::now() < end, "a thread is left");
        std::thread::yield_now();
    }
    let found = context.assembly.lock().expect("nobody panicked").take();
    assert!(found.is_none_or(|found| Sha1::digest(found.info)[..] == info_hash.0));
});

/// Sends the next bytes of what was said. It fails where we have hung up.
fn send(stream: &PeerStream, unsent: &mut Vec<u8>, most: usize) {
    let rest = unsent.split_off(most.min(unsent.len()));
    let _ = stream.write_all(&std::mem::replace(unsent, rest));
}

fn say(choices: &mut Choices<'_>, unsent: &mut Vec<u8>) {
    let message = match choices.below(8) {
        0 => Message::Choke,
        1 => Message::Unchoke,
        2 => Message::Have(choices.number()),
        3 => Message::Bitfield(choices.bytes(30)),
        4 => Message::HaveAll,
        5 => Message::Port(choices.number() as u16),
        6 => Message::Piece { index: choices.number(), begin: 0, data: choices.bytes(30) },
        _ => Message::KeepAlive,
    };
    message.write_to(unsent);
}

fn say_of_metadata(choices: &mut Choices<'_>, unsent: &mut Vec<u8>) {
    let info = Ground::get().metainfo.info_bytes();
    let (id, body) = match choices.below(6) {
        0 | 1 => {
            let size = if choices.below(4) == 0 { choices.number().into() } else { info.len() as u64 };
            let theirs = ExtensionHandshake {
                metadata: Some(choices.byte() % 4),
                metadata_size: Some(size),
                ..ExtensionHandshake::default()
            };
            (extension::HANDSHAKE, theirs.to_wire())
        }
        2 | 3 => {
            let piece = choices.below(4);
            let bytes = info.chunks(PIECE as usize).nth(piece as usize).unwrap_or_default();
            let bytes = if choices.below(4) == 0 { choices.bytes(30) } else { bytes };
            let total_size = choices.coin().then_some(info.len() as u64);
            (extension::UT_METADATA, MetadataMessage::Data { piece, total_size, bytes }.to_wire())
        }
        4 => {
            let (piece, asks) = (choices.number(), choices.coin());
            let message = if asks { MetadataMessage::Request(piece) } else { MetadataMessage::Reject(piece) };
            (extension::UT_METADATA, message.to_wire())
        }
        _ => {
            let mut body = spelled_out(choices.bytes(60));
            // Nobody reads what comes behind the last piece of the metadata, so all of it must find room.
            body.truncate(MOST_OF_A_BODY);
            (choices.byte() % 4, body)
        }
    };
    Message::Extended(id, &body).write_to(unsent);
}
