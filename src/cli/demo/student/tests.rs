use super::client::{Answer, Client};
use super::report::{Fault, MESSAGES, Report};
use super::seeder::TheirSeeder;
use super::*;
use crate::metainfo::{InfoHash, Metainfo};
use crate::piece::PieceDigest;
use crate::wire::{BlockRequest, Message, PeerId};

const HASH: InfoHash = InfoHash([7; 20]);

fn geometry() -> Geometry {
    Geometry::new(200_000, 65_536).unwrap()
}

fn student() -> Student {
    Student::new(Expected { info_hash: HASH, of_file: [9; 20] }, geometry())
}

/// What a program says, in order.
fn speech(messages: &[Message<'_>]) -> Vec<u8> {
    let handshake = crate::wire::Handshake {
        reserved: [0; 8],
        info_hash: HASH,
        peer_id: PeerId(*b"-XX0001-abcdefghijkl"),
    };
    let mut bytes = handshake.to_wire();
    messages.iter().for_each(|message| message.write_to(&mut bytes));
    bytes
}

#[test]
fn what_comes_byte_by_byte_means_the_same() {
    let request = BlockRequest { index: 0, begin: 16_384, length: 16_384 };
    let bytes = speech(&[Message::Bitfield(&[0]), Message::Interested, Message::Request(request)]);
    for size in [1, 2, 67, 1000] {
        let (mut student, mut heard) = (student(), Vec::new());
        for part in bytes.chunks(size) {
            student.push(part);
            while let Some(said) = student.take().unwrap() {
                heard.push(said);
            }
        }
        assert_eq!(heard.len(), 4, "{size}");
        assert_eq!(heard.concat(), bytes);
        assert_eq!(student.stuck(), None);
    }
}

#[test]
fn a_wrong_byte_is_told_as_soon_as_it_comes() {
    let mut student = student();
    student.push(b"\x13BitT");
    assert_eq!(student.take(), Ok(None));
    student.push(b"O");
    assert!(student.take().unwrap_err().text.contains("byte 5 is 'O', where 'o' is expected"));
}

#[test]
fn a_frame_without_a_bound_is_refused_before_it_comes() {
    let mut student = student();
    student.push(&speech(&[]));
    assert!(student.take().unwrap().is_some());
    student.push(&[0x7f, 0xff, 0xff, 0xff]);
    assert_eq!(student.take().unwrap_err().title, "no length prefix");
}

#[test]
fn a_mistake_is_told_twice_and_counted_and_a_flood_is_not_told() {
    let mut report = Report::default();
    (0..7).for_each(|_| report.wrong(Fault::new("slip", MESSAGES, "wrong.")));
    assert_eq!(report.take().len(), 2);
    assert_eq!(report.summary(), "slip (7 times)");
    (0..100_000).for_each(|_| report.tell("client", "keep-alive"));
    assert!(report.is_full());
    assert!(report.take().len() <= 2_000);
}

#[test]
fn whoever_asks_for_smaller_blocks_has_a_piece_when_its_last_byte_was_sent() {
    let (mut client, mut report) = (Client::new(geometry()), Report::default());
    assert_eq!(client.hear(&Message::Interested, &mut report), Answer::Unchoke);
    client.was_told(true);
    for begin in (0..65_536).step_by(8192) {
        let request = BlockRequest { index: 0, begin, length: 8192 };
        assert_eq!(client.hear(&Message::Request(request), &mut report), Answer::Send(request));
        client.was_sent(request, false, &mut report);
    }
    // Three whole pieces of four blocks, and one of 3,392 bytes.
    assert_eq!(client.count(), (4, 13));
    assert!(report.is_clean() && !client.has_all());
}

#[test]
fn a_wrong_piece_is_asked_for_twice_and_not_for_ever() {
    let digests = vec![PieceDigest::sha1_of(b"other"); 4];
    let (mut seeder, mut report) = (TheirSeeder::new(geometry(), digests), Report::default());
    let mut out = Vec::new();
    seeder.hear(&Message::Bitfield(&[0xf0]), &mut report, &mut out);
    seeder.hear(&Message::Unchoke, &mut report, &mut out);
    for _ in 0..2 {
        assert!(!seeder.is_hopeless());
        for begin in (0..65_536).step_by(16_384) {
            seeder.hear(&Message::Piece { index: 0, begin, data: &[0; 16_384] }, &mut report, &mut out);
        }
    }
    assert!(seeder.is_hopeless() && !seeder.is_done());
    assert_eq!(report.summary(), "wrong bytes (2 times)");
}

#[test]
fn the_info_hash_is_known_from_the_hash_of_the_file() {
    let torrent = include_bytes!("../../../../sample-torrents/factors.torrent");
    let metainfo = Metainfo::parse(torrent.to_vec()).unwrap();
    let expected = Expected::of(&metainfo);
    assert_ne!(expected.of_file, expected.info_hash.0);
    assert_eq!(expected.of_file, PieceDigest::sha1_of(torrent).bytes());
}

#[test]
fn a_handshake_that_is_a_byte_short_is_named_where_the_next_message_seems_endless() {
    let mut student = student();
    let mut bytes = speech(&[Message::Interested, Message::Interested]);
    bytes.remove(67);
    student.push(bytes.get(..72).unwrap());
    assert!(student.take().unwrap().is_some());
    assert_eq!(student.take(), Ok(None));
    assert!(student.stuck().unwrap().contains("has it exactly 68 bytes"), "{:?}", student.stuck());
}
