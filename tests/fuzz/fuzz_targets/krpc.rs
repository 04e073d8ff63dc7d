//! Packets that come to the port of the distributed hash table, read and given to a node.
//!
//! What was understood comes back from what is written of it. An answer to a stranger has fewer than three
//! times the bytes of its question, and at most that answer and one query go to it.

#![no_main]

use femtotorrent::address::IpFamily;
use femtotorrent::discovery::dht::packet::{Body, MAX_PACKET, Packet};
use femtotorrent::discovery::dht::{Node, NodeSettings, Output};
use femtotorrent_fuzz::spelled_out;
use libfuzzer_sys::fuzz_target;
use std::net::SocketAddr;
use std::time::Instant;

fuzz_target!(|bytes: &[u8]| {
    for bytes in [bytes.to_vec(), spelled_out(bytes)] {
        if let Some(packet) = Packet::from_wire(&bytes) {
            assert!(bytes.len() <= MAX_PACKET);
            let written = packet.to_wire();
            // The name of a method that we do not know is not kept.
            if !matches!(&packet.body, Body::Query(query) if query.method.name().is_empty()) {
                assert_eq!(Packet::from_wire(&written).expect("our own packet").to_wire(), written);
            }
        }
        let (now, stranger) = (Instant::now(), SocketAddr::from(([9, 9, 9, 9], 9)));
        let settings = NodeSettings { family: IpFamily::V4, read_only: false, id: None };
        let mut node = Node::new(settings, fastrand::Rng::with_seed(1), now);
        node.contact(stranger, now);
        while node.next_output().is_some() {}
        node.receive(&bytes, stranger, now);
        let mut answers = 0;
        while let Some(Output::Send { to, packet }) = node.next_output() {
            assert_eq!(to, stranger);
            let query = matches!(Packet::from_wire(&packet).expect("our own packet").body, Body::Query(_));
            assert!(query || packet.len() < 3 * bytes.len());
            answers += 1;
        }
        assert!(answers <= 2);
    }
});
