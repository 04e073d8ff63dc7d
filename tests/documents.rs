//! The documents say what the code does: the examples of `docs/WIRE.md` are real messages.
#![cfg(test)]

use femtotorrent::wire::{Frame, FrameLimits, HANDSHAKE_LENGTH, Handshake};

const WIRE: &str = include_str!("../docs/WIRE.md");
/// Of the torrent in the examples.
const PIECES: u32 = 17;

/// The bytes of each example.
fn examples() -> Vec<Vec<u8>> {
    let byte = |text: &str| u8::from_str_radix(text, 16).expect("two hexadecimal digits");
    let blocks = WIRE.split("```hex\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.map(|block| block.split_whitespace().map(byte).collect()).collect()
}

#[test]
fn every_example_is_a_message_that_comes_back_as_it_went() {
    let limits = FrameLimits::for_pieces(PIECES);
    let mut messages = 0;
    for example in examples() {
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
    assert_eq!(messages, 17, "one of each kind");
}
