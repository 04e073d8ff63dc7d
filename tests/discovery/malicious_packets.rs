//! Packets that are meant to do harm, or that broken programs send.

use std::net::{SocketAddr, UdpSocket};

use femtotorrent::discovery::dht::Dht;
use femtotorrent::metainfo::InfoHash;

use crate::dht::{host_and_port, inbox, network, node, wait_for};

/// The node still does its work: it finds the peer that another node announces.
fn still_works(victim: &Dht, nodes: &[Dht], network: u8, hash: [u8; 20]) {
    let ((events, _inbox), (wanting, wanted)) = (inbox(), inbox());
    let _announcing = nodes[1].search(InfoHash(hash), Some(7_777), events);
    let _searching = victim.search(InfoHash(hash), None, wanting);
    wait_for(&wanted, SocketAddr::from(([127, 0, network, 2], 7_777)));
}

#[test]
fn a_flood_of_rubbish_does_no_harm() {
    let (nodes, first) = network(91, 6);
    let ours = [127, 0, 91, 100];
    let victim = node(ours, &[first]);
    let (_, port) = host_and_port(ours, &victim);
    let mut noise = fastrand::Rng::with_seed(91);
    let stranger = UdpSocket::bind("127.0.91.200:0").unwrap();
    let queries = [
        &b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe"[..],
        b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe",
    ];
    for round in 0..5_000 {
        let length = noise.usize(..3_000);
        let mut packet = vec![0; length];
        noise.fill(&mut packet);
        if round % 3 == 0 {
            packet = queries[round % 2].to_vec();
            let at = noise.usize(..packet.len());
            packet[at] = noise.u8(..);
        }
        let _ = stranger.send_to(&packet, (std::net::Ipv4Addr::from(ours), port));
        if round % 100 == 0 {
            // Empty packets wake the node and do nothing else.
            let _ = stranger.send_to(&[], (std::net::Ipv4Addr::from(ours), port));
        }
    }
    still_works(&victim, &nodes, 91, [0x91; 20]);
}

#[test]
fn an_answer_from_the_wrong_address_does_not_count() {
    let (nodes, first) = network(92, 6);
    let ours = [127, 0, 92, 100];
    let honest = UdpSocket::bind("127.0.92.201:0").unwrap();
    let attacker = UdpSocket::bind("127.0.92.202:0").unwrap();
    honest.set_read_timeout(Some(crate::dht::DEADLINE)).unwrap();
    let waiting = honest.local_addr().unwrap();
    let victim = node(ours, &[first, (waiting.ip().to_string(), waiting.port())]);
    let hash = [0x92; 20];
    let (wanting, wanted) = inbox();
    let searching = victim.search(InfoHash(hash), None, wanting);
    let mut packet = [0; 1_500];
    let (length, from) = honest.recv_from(&mut packet).unwrap();
    // The attacker may know the transaction ID; only the address of the node that was asked is missing.
    let packet = &packet[..length];
    let at = packet.windows(3).position(|bytes| bytes == b"1:t").unwrap() + 3;
    let colon = packet[at..].iter().position(|byte| *byte == b':').unwrap() + at;
    let end = colon + 1 + std::str::from_utf8(&packet[at..colon]).unwrap().parse::<usize>().unwrap();
    let mut answer = b"d1:rd2:id20:".to_vec();
    answer.extend([0x92; 20]);
    answer.extend(b"5:token4:abcd6:valuesl6:\x7f\x00\x5c\xfa\x00\x01ee1:t");
    answer.extend(&packet[at..end]);
    answer.extend(b"1:y1:re");
    for _ in 0..100 {
        attacker.send_to(&answer, from).unwrap();
    }
    still_works(&victim, &nodes, 92, [0x93; 20]);
    drop(searching);
    assert!(wanted.is_empty(), "{:?}", wanted.try_recv());
}
