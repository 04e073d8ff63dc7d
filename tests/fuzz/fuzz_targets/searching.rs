//! What anybody on the local network says there.

#![no_main]

use femtotorrent::discovery::lan::{MAX_HASHES, SearchPacket};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(packet) = SearchPacket::from_wire(bytes) else { return };
    assert!(packet.port != 0 && packet.cookie.len() < bytes.len());
    assert!((1..=MAX_HASHES).contains(&packet.info_hashes.len()));
    let group = std::net::SocketAddr::from(([239, 192, 152, 143], 6771));
    let again = SearchPacket::to_wire(group, packet.port, &packet.info_hashes, "c0");
    assert!(again.len() < 1400);
    let expected = SearchPacket { cookie: b"c0", ..packet };
    assert_eq!(SearchPacket::from_wire(&again), Some(expected));
});
