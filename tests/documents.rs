//! The documents say what the code does: the examples of `docs/WIRE.md` are real messages and packets.
#![cfg(test)]

use femtotorrent::address::IpFamily;
use femtotorrent::discovery::dht::packet::Packet;
use femtotorrent::discovery::lan::SearchPacket;
use femtotorrent::metainfo::InfoHash;
use femtotorrent::tracker::{Announce, AnnounceEvent, Counts, Identity, Question, Reply};
use femtotorrent::wire::{Frame, FrameLimits, HANDSHAKE_LENGTH, Handshake};

const WIRE: &str = include_str!("../docs/WIRE.md");
/// Of the torrent in the examples.
const PIECES: u32 = 17;

/// Each example of this kind as it stands there.
fn blocks(kind: &str) -> Vec<&'static str> {
    let fence = format!("```{kind}\n");
    WIRE.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// The bytes of each example of this kind.
fn examples(kind: &str) -> Vec<Vec<u8>> {
    let byte = |text: &str| u8::from_str_radix(text, 16).expect("two hexadecimal digits");
    blocks(kind).iter().map(|block| block.split_whitespace().map(byte).collect()).collect()
}

#[test]
fn every_example_is_a_message_that_comes_back_as_it_went() {
    let limits = FrameLimits::for_pieces(PIECES);
    let mut messages = 0;
    for example in examples("hex") {
        if example.first() == Some(&19) {
            let bytes: [u8; HANDSHAKE_LENGTH] = example.try_into().unwrap();
            assert_eq!(Handshake::from_wire(&bytes).unwrap().to_wire(), bytes);
            continue;
        }
        let mut rest = example.as_slice();
        while !rest.is_empty() {
            let Ok(Frame::Whole(message, length)) = Frame::parse(rest, &limits) else { panic!("{rest:x?}") };
            let mut again = Vec::new();
            message.write_to(&mut again);
            assert_eq!(again, rest[..length]);
            rest = &rest[length..];
            messages += 1;
        }
    }
    assert_eq!(messages, 21, "one of each kind");
}

#[test]
fn every_example_of_a_packet_is_what_we_ask_and_understand() {
    let [connect, connected, announce, announced] = examples("hex udp").try_into().unwrap();
    let transaction = u32::from_be_bytes(*b"tran");
    assert_eq!(Question::Connect.to_wire(0, transaction), connect);
    let Some(Ok(Reply::Connected(id))) = Question::Connect.reply(&connected, transaction, IpFamily::V4)
    else {
        panic!()
    };
    let info_hash = InfoHash(announce[16..36].try_into().unwrap());
    let identity = Identity {
        info_hash,
        peer_id: femtotorrent::wire::PeerId(*b"-FM0100-abcdefghijkl"),
        port: 6881,
        key: 0xbeef,
        numwant: 100,
    };
    let counts = Counts { left: 1 << 20, ..Counts::default() };
    let ours = Announce { identity, counts, event: Some(AnnounceEvent::Started), tracker_id: None };
    let question = Question::Announce { announce: &ours, path: "/announce" };
    assert_eq!(question.to_wire(id, transaction), announce);
    let Some(Ok(Reply::Announced(answer))) = question.reply(&announced, transaction, IpFamily::V4) else {
        panic!()
    };
    assert_eq!((answer.incomplete, answer.complete), (Some(3), Some(4)));
    assert_eq!(answer.peers, ["127.0.0.1:6881".parse().unwrap()]);
}

#[test]
fn every_example_of_the_hash_table_is_a_packet_that_comes_back_as_it_went() {
    let examples = examples("hex krpc");
    assert_eq!(examples.len(), 6);
    for example in examples {
        assert_eq!(Packet::from_wire(&example).unwrap().to_wire(), example);
    }
}

#[test]
fn the_example_of_the_local_network_is_what_we_say_and_understand() {
    let [example] = blocks("search").try_into().unwrap();
    let example = example.replace('\n', "\r\n");
    let group = "239.192.152.143:6771".parse().unwrap();
    let handshake = examples("hex").remove(0);
    let info_hash = InfoHash(handshake[28..48].try_into().unwrap());
    assert_eq!(SearchPacket::to_wire(group, 6881, &[info_hash], "1f"), example.as_bytes());
    let read = SearchPacket { port: 6881, info_hashes: vec![info_hash], cookie: b"1f" };
    assert_eq!(SearchPacket::from_wire(example.as_bytes()), Some(read));
}
