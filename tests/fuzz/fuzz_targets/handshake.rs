//! The first 68 bytes that a peer sends.
//!
//! What is accepted must be all that there is in them: written again it is the same bytes.

#![no_main]

use femtotorrent::wire::{HANDSHAKE_LENGTH, Handshake};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(first) = bytes.first_chunk::<HANDSHAKE_LENGTH>() else { return };
    match Handshake::from_wire(first) {
        Ok(handshake) => {
            let _ = (handshake.speaks_fast(), handshake.speaks_extensions());
            assert_eq!(handshake.to_wire(), first);
        }
        Err(_) => assert!(!first.starts_with(b"\x13BitTorrent protocol")),
    }
});
