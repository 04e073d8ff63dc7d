//! The handshake of the extension protocol (BEP 10), as it came and as shorthand for one.
//!
//! What was understood must be understood again when we say it.

#![no_main]

use femtotorrent::wire::extension::ExtensionHandshake;
use femtotorrent_fuzz::spelled_out;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for body in [bytes.to_vec(), spelled_out(bytes)] {
        let Some(said) = ExtensionHandshake::from_wire(&body) else { continue };
        assert!(said.client.as_ref().is_none_or(|client| client.chars().count() <= 64));
        assert_ne!(said.port, Some(0));
        let again = ExtensionHandshake::from_wire(&said.to_wire()).expect("our own handshake");
        let plain = said.your_address.map(|address| address.to_canonical());
        assert_eq!(again, ExtensionHandshake { your_address: plain, ..said });
    }
});
