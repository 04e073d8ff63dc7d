//! Messages about the metadata (BEP 9), as they came and as shorthand for them.
//!
//! What was understood must be understood again when we say it.

#![no_main]

use femtotorrent::wire::metadata::MetadataMessage;
use femtotorrent_fuzz::spelled_out;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for body in [bytes.to_vec(), spelled_out(bytes)] {
        let Some(message) = MetadataMessage::from_wire(&body) else { continue };
        assert_eq!(MetadataMessage::from_wire(&message.to_wire()), Some(message));
    }
});
