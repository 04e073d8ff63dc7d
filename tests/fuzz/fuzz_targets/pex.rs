//! Peer exchange (BEP 11), as it came and as shorthand for it.
//!
//! No list may be longer than its bound, and what was understood must be understood again when we say it.

#![no_main]

use femtotorrent::wire::pex::{MAX_ADDRESSES, PeerExchange};
use femtotorrent_fuzz::spelled_out;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for body in [bytes.to_vec(), spelled_out(bytes)] {
        let Some(message) = PeerExchange::from_wire(&body) else { continue };
        assert!(message.added.len() <= 2 * MAX_ADDRESSES && message.dropped.len() <= 2 * MAX_ADDRESSES);
        // An IPv4 address among the IPv6 ones moves to its own list, so the order may change once.
        let again = PeerExchange::from_wire(&message.to_wire()).expect("our own message");
        let fits = |list: usize| list <= MAX_ADDRESSES;
        if fits(message.added.len()) && fits(message.dropped.len()) {
            assert_eq!(
                (again.added.len(), again.dropped.len()),
                (message.added.len(), message.dropped.len())
            );
        }
        assert_eq!(PeerExchange::from_wire(&again.to_wire()), Some(again));
    }
});
