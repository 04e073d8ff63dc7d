use super::*;
use crate::piece::NodeRange;

const LIMITS: FrameLimits = FrameLimits { bitfield: 3, or_fewer: false };

fn samples() -> Vec<Message<'static>> {
    let range = NodeRange { base_layer: 2, index: 0, length: 2, proof_layers: 1 };
    let hashes = HashRequest { pieces_root: [7; 32], range };
    let block = BlockRequest { index: 3, begin: 16_384, length: 16_384 };
    vec![
        Message::KeepAlive,
        Message::Choke,
        Message::Unchoke,
        Message::Interested,
        Message::NotInterested,
        Message::Have(9),
        Message::Bitfield(&[0xff, 0, 0x80]),
        Message::Request(block),
        Message::Piece { index: 3, begin: 16_384, data: b"block" },
        Message::Cancel(block),
        Message::Port(6881),
        Message::Suggest(1),
        Message::HaveAll,
        Message::HaveNone,
        Message::Reject(block),
        Message::AllowedFast(2),
        Message::Extended(0, b"de"),
        Message::HashRequest(hashes),
        Message::Hashes(hashes, &[9; 96]),
        Message::HashReject(hashes),
        Message::Unknown(99),
    ]
}

#[test]
fn every_message_is_read_as_it_was_written_and_only_when_it_is_whole() {
    for message in samples() {
        let mut bytes = Vec::new();
        message.write_to(&mut bytes);
        assert_eq!(Frame::parse(&bytes, &LIMITS), Ok(Frame::Whole(message, bytes.len())));
        for cut in 0..bytes.len() {
            match Frame::parse(&bytes[..cut], &LIMITS) {
                Ok(Frame::Partial(needed)) => assert!(needed > cut && needed <= bytes.len()),
                other => panic!("{message:?} cut at {cut}: {other:?}"),
            }
        }
    }
}

#[test]
fn the_head_of_a_block_is_followed_by_its_bytes() {
    let (mut whole, mut in_parts) = (Vec::new(), Vec::new());
    Message::Piece { index: 3, begin: 16_384, data: b"block" }.write_to(&mut whole);
    Message::piece_head(3, 16_384, 5, &mut in_parts);
    in_parts.extend(b"block");
    assert_eq!(whole, in_parts);
}

#[test]
fn an_impossible_length_is_an_error_before_the_payload_has_come() {
    for (id, length) in [
        (PIECE, u32::MAX),
        (PIECE, 9 + BLOCK_LENGTH + 1),
        (PIECE, 9),
        (HAVE, 4),
        (CHOKE, 2),
        (REQUEST, 12),
        (BITFIELD, 3),
        (BITFIELD, 5),
        (EXTENDED, 1),
        (EXTENDED, MAX_OTHER_LENGTH + 1),
        (HASH_REQUEST, 48),
        (HASH_REQUEST, 50),
        (HASHES, 48),
        (HASHES, MAX_UNKNOWN_LENGTH + 1),
        (HASH_REJECT, 50),
        (99, MAX_UNKNOWN_LENGTH + 1),
        (99, u32::MAX),
    ] {
        let bytes = [&u32::to_be_bytes(length)[..], &[id]].concat();
        assert_eq!(Frame::parse(&bytes, &LIMITS), Err(FrameError { id, length }));
    }
}

#[test]
fn while_the_number_of_pieces_is_unknown_a_bitfield_may_be_short_but_not_long() {
    let limits = FrameLimits { or_fewer: true, ..LIMITS };
    for (length, allowed) in [(1, false), (2, true), (4, true), (5, false), (u32::MAX, false)] {
        let start = [&u32::to_be_bytes(length)[..], &[BITFIELD]].concat();
        assert_eq!(Frame::parse(&start, &limits).is_ok(), allowed, "{length}");
    }
}

#[test]
fn no_bytes_make_the_parser_panic() {
    let mut random = fastrand::Rng::with_seed(1);
    for message in samples() {
        let mut good = Vec::new();
        message.write_to(&mut good);
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let _ = Frame::parse(&bad, &LIMITS);
        }
    }
    for _ in 0..20_000 {
        let bytes: Vec<u8> = (0..random.usize(..40)).map(|_| random.u8(..)).collect();
        let _ = Frame::parse(&bytes, &LIMITS);
    }
}
