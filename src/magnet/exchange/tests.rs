//! How long a peer is waited for that is asked for nothing, or of which a part of an answer has come.

use super::super::{MetadataAssembly, MetadataContext, Verdict};
use super::*;
use crate::message::Event;
use crate::metainfo::InfoHash;
use crate::net::Throttle;
use crate::wire::PeerId;
use crate::wire::metadata::PIECE;
use crossbeam_channel::{Receiver, unbounded};
use sha1::{Digest, Sha1};
use std::sync::Mutex;

pub(in crate::magnet) const PEER: PeerKey = PeerKey(1);
pub(in crate::magnet) const OTHERS: [PeerKey; 2] = [PeerKey(2), PeerKey(3)];
/// Longer than any machine takes.
const DEADLINE: Duration = Duration::from_secs(60);

/// A context in which two others claim less than this peer, so that they come first, and have sent as much as there is
/// memory for. It gets no more with time. With the inbox, which the workers need.
pub(in crate::magnet) fn context_without_room(metadata: &[u8]) -> (MetadataContext, Receiver<Event>) {
    let info_hash = InfoHash(Sha1::digest(metadata).into());
    let mut assembly = MetadataAssembly::new(info_hash.into());
    assembly.passed(Instant::now() + Duration::from_secs(100_000));
    for (other, less) in OTHERS.into_iter().zip([2, 1]) {
        assembly.joined(other, (metadata.len() - less) as u64).unwrap();
        while let Some(piece) = assembly.next(other) {
            // The first is never sent.
            if piece > 0 {
                let is_last = piece as usize == metadata.len() / PIECE as usize - 1;
                let bytes = vec![7; PIECE as usize - if is_last { less } else { 0 }];
                assert_eq!(assembly.received(other, piece, None, &bytes), Verdict::Kept);
            }
        }
    }
    assembly.joined(PEER, metadata.len() as u64).unwrap();
    assert!(assembly.waits_for_room(PEER));
    let (events, inbox) = unbounded();
    let context = MetadataContext {
        info_hash,
        peer_id: PeerId([1; 20]),
        events,
        read_memory: Arc::default(),
        kept_memory: Arc::default(),
        down: Arc::new(Throttle::unlimited()),
        encryption: Default::default(),
        ports: Default::default(),
        assembly: Mutex::new(assembly),
        alive: unbounded().0,
    };
    (context, inbox)
}

/// The requests for metadata that come at this end, until all of it was given.
fn give_all(stream: &PeerStream, metadata: &[u8]) {
    let pieces: Vec<_> = metadata.chunks(PIECE as usize).collect();
    for _ in &pieces {
        let mut head = [0; 6];
        stream.read_exact_by(&mut head, Instant::now() + DEADLINE).unwrap();
        assert_eq!(head[4..], [20, 3], "it asks for metadata");
        let mut body = vec![0; u32::from_be_bytes(head[..4].try_into().unwrap()) as usize - 2];
        stream.read_exact_by(&mut body, Instant::now() + DEADLINE).unwrap();
        let Some(MetadataMessage::Request(piece)) = MetadataMessage::from_wire(&body) else {
            panic!("{body:?}")
        };
        let total_size = Some(metadata.len() as u64);
        let answer = MetadataMessage::Data { piece, total_size, bytes: pieces[piece as usize] }.to_wire();
        let mut frame = Vec::new();
        Message::Extended(UT_METADATA, &answer).write_to(&mut frame);
        stream.write_all(&frame).unwrap();
    }
}

#[test]
fn who_waits_for_memory_is_not_held_to_be_silent() {
    // As long as there is memory for at first.
    let metadata = vec![5; 4 << 20];
    let (context, _inbox) = context_without_room(&metadata);
    let (ours, theirs) = PeerStream::in_memory();
    ours.wait_at_most(PATIENCE).unwrap();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| {
            let mut exchange = MetadataExchange::new(PEER, &context);
            exchange.message_id = Some(3);
            // It has waited for longer than anybody may be silent.
            exchange.last_answer = Instant::now().checked_sub(PATIENCE * 2).unwrap();
            exchange.run(&ours)
        });
        // Some looks at whether there is memory now.
        std::thread::sleep(LONGEST_PAUSE * 3);
        assert!(!asked.is_finished(), "{:?}", asked.join());
        OTHERS.iter().for_each(|other| context.assembly().left(*other));
        give_all(&theirs, &metadata);
        assert!(asked.join().unwrap().is_ok());
    });
}

#[test]
fn a_part_of_an_answer_is_an_answer_and_a_part_of_anything_else_is_none() {
    let (context, _inbox) = context_without_room(&vec![5; 4 << 20]);
    let now = Instant::now();
    let long_ago = now.checked_sub(PATIENCE * 2).unwrap();
    let data = MetadataMessage::Data { piece: 0, total_size: None, bytes: &[5; 1000] }.to_wire();
    let (mut answer, mut other, mut block) = (Vec::new(), Vec::new(), Vec::new());
    Message::Extended(UT_METADATA, &data).write_to(&mut answer);
    Message::Extended(UT_METADATA + 1, &data).write_to(&mut other);
    Message::Piece { index: 0, begin: 0, data: &data }.write_to(&mut block);
    for (frame, owed, counts) in
        [(&answer, 1, true), (&answer, 0, false), (&other, 1, false), (&block, 1, false)]
    {
        let mut exchange = MetadataExchange::new(PEER, &context);
        (exchange.outstanding, exchange.last_answer) = (owed, long_ago);
        exchange.hear_part(&frame[..100], now);
        assert_eq!(exchange.last_answer == now, counts, "{owed} {frame:?}");
        // Nothing more of it has come.
        exchange.last_answer = long_ago;
        exchange.hear_part(&frame[..100], now);
        assert_eq!(exchange.last_answer, long_ago);
    }
}

#[test]
fn who_sends_an_answer_byte_by_byte_is_as_good_as_silent_to_others() {
    let (context, _inbox) = context_without_room(&vec![5; 4 << 20]);
    let mut exchange = MetadataExchange::new(PEER, &context);
    exchange.outstanding = 1;
    let data = MetadataMessage::Data { piece: 0, total_size: None, bytes: &[5; 1000] }.to_wire();
    let mut answer = Vec::new();
    Message::Extended(UT_METADATA, &data).write_to(&mut answer);
    let now = Instant::now();
    let heard_at: Vec<usize> = (7..600)
        .filter(|bytes| {
            let before = exchange.told_part;
            exchange.hear_part(&answer[..*bytes], now);
            exchange.told_part != before
        })
        .collect();
    assert_eq!(heard_at, [256, 512]);
}

#[test]
fn who_came_to_us_and_is_asked_for_nothing_goes_on_when_others_have_sent_all() {
    let metadata = vec![5; 4 << 20];
    let (context, _inbox) = context_without_room(&metadata);
    let giver = PeerKey(9);
    {
        let mut assembly = context.assembly();
        OTHERS.iter().for_each(|other| assembly.left(*other));
        assembly.joined(giver, metadata.len() as u64).unwrap();
        while let Some(piece) = assembly.next(giver) {
            assembly.received(giver, piece, None, &[5; PIECE as usize]);
        }
        assert!(assembly.take().is_some());
    }
    let (ours, _theirs) = PeerStream::in_memory();
    let mut exchange = MetadataExchange::new(PEER, &context).that_came(true);
    exchange.message_id = Some(3);
    assert!(exchange.run(&ours).unwrap().is_empty());
}
