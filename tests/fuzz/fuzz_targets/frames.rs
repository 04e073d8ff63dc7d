//! What a peer sends after the handshake: one frame after the other, up to the first bad one.
//!
//! The first two bytes choose how many pieces the torrent has, and with it how long a bitfield is.
//! The stream is read twice: as a whole, and with one byte more at a time as a slow line brings it.
//! Both must tell the same messages, a frame must be refused as soon as its head is there, and no
//! frame may make the reader wait for more bytes than the limits allow.

#![no_main]

use femtotorrent::piece::{BLOCK_LENGTH, Bitfield, Geometry};
use femtotorrent::wire::{Frame, FrameLimits, Message};
use libfuzzer_sys::fuzz_target;

/// Bytes of a length and a name.
const HEAD: usize = 5;

/// The longest frame that the limits allow, in bytes.
const LONGEST: usize = 4 + 64 * 1024;

fuzz_target!(|bytes: &[u8]| {
    let Some((pieces, mut stream)) = bytes.split_first_chunk::<2>() else { return };
    let pieces = u32::from(u16::from_be_bytes(*pieces));
    let limits = FrameLimits::for_pieces(pieces);
    let geometry = Geometry::new(u64::from(pieces) * 40_000, 40_000).expect("few pieces");
    loop {
        let parsed = Frame::parse(stream, &limits);
        match parsed {
            Ok(Frame::Whole(message, length)) => {
                slowly(stream, length, &limits);
                understand(message, pieces, geometry);
                let mut written = Vec::new();
                message.write_to(&mut written);
                // The body of an unknown message is not kept.
                if !matches!(message, Message::Unknown(_)) {
                    assert_eq!(written, stream[..length]);
                }
                stream = &stream[length..];
            }
            Ok(Frame::Partial(needed)) => {
                assert!(needed > stream.len() && needed <= LONGEST);
                break;
            }
            Err(error) => {
                let _ = error.to_string();
                assert_eq!(Frame::parse(&stream[..HEAD], &limits), Err(error));
                break;
            }
        }
    }
});

/// Reads the frame as its bytes come in: no part of it is a message, and each asks for more than is
/// there and no more than it takes.
fn slowly(stream: &[u8], length: usize, limits: &FrameLimits) {
    let cuts = (0..length.min(HEAD + 2)).chain(length.saturating_sub(2)..length);
    for cut in cuts {
        match Frame::parse(&stream[..cut], limits) {
            Ok(Frame::Partial(needed)) => assert!(needed > cut && needed <= length),
            other => panic!("{cut} of {length} bytes: {other:?}"),
        }
    }
}

/// Takes what the message says through the checks that stand between it and the program.
fn understand(message: Message, pieces: u32, geometry: Geometry) {
    match message {
        Message::Bitfield(bits) => {
            if let Some(set) = Bitfield::from_wire(bits, pieces) {
                assert_eq!(set.to_wire(), bits);
                assert_eq!(geometry.pieces().filter(|piece| set.has(*piece)).count(), set.count() as usize);
            }
        }
        Message::Have(index) | Message::Suggest(index) | Message::AllowedFast(index) => {
            assert_eq!(geometry.piece(index).is_some(), index < pieces);
        }
        Message::Piece { index, begin, data } => {
            assert!(data.len() <= BLOCK_LENGTH as usize);
            if let Some(block) = geometry.block(index, begin, data.len()) {
                assert_eq!(geometry.begin(block), begin);
                assert_eq!(geometry.block_length(block) as usize, data.len());
            }
        }
        Message::Request(wanted) | Message::Cancel(wanted) | Message::Reject(wanted) => {
            let _ = geometry.block(wanted.index, wanted.begin, wanted.length as usize);
        }
        _ => {}
    }
}
