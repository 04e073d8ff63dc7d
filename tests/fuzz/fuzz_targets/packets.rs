//! Packets that claim to come from a UDP tracker, whatever was asked.
//!
//! The first byte of the input chooses the question, so that the fuzzer can learn what each likes. An
//! answer without our transaction id is none, and one with it obeys the bounds of an answer over HTTP.

#![no_main]

use femtotorrent::address::IpFamily;
use femtotorrent::tracker::{
    Announce, Answer, Counts, Identity, NOT_LISTENING, TrackerError, UdpRequest, UdpResponse,
};
use femtotorrent_fuzz::only_shows;
use libfuzzer_sys::fuzz_target;
use std::time::Duration;

const TRANSACTION: u32 = 0x7472_616e;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, packet)) = bytes.split_first() else { return };
    let announce = announce();
    let path = String::from_utf8_lossy(packet);
    let question = match choice & 3 {
        0 => UdpRequest::Connect,
        1 | 2 => UdpRequest::Announce { announce: &announce, path: &path },
        _ => UdpRequest::Scrape(femtotorrent::metainfo::InfoHash([7; 20])),
    };
    // The path is the tracker's address in a torrent, so it is a stranger's too.
    let asked = question.to_wire(1, TRANSACTION);
    assert!(asked.len() >= 16 && asked.len() <= 98 + path.len() + 2 * path.len().div_ceil(255));
    let family = if choice & 4 != 0 { IpFamily::V6 } else { IpFamily::V4 };
    assert!(question.response(packet, !TRANSACTION, family).is_none() || carries(packet, !TRANSACTION));
    match question.response(packet, TRANSACTION, family) {
        None => {}
        Some(reply) => {
            assert!(carries(packet, TRANSACTION));
            match (reply, question) {
                (Ok(UdpResponse::Connected(_)), UdpRequest::Connect) => {}
                (Ok(UdpResponse::Scraped(_)), UdpRequest::Scrape(_)) => {}
                (Ok(UdpResponse::Announced(answer)), UdpRequest::Announce { .. }) => {
                    check(&answer, packet, family)
                }
                (Err(TrackerError::Refused(why)), _) => {
                    assert!(only_shows(&why) && why.chars().count() <= 200)
                }
                (reply, question) => panic!("{reply:?} to {question:?}"),
            }
        }
    }
});

fn carries(packet: &[u8], transaction: u32) -> bool {
    packet.get(4..8) == Some(&transaction.to_be_bytes()[..])
}

fn check(answer: &Answer, packet: &[u8], family: IpFamily) {
    assert!((Duration::from_secs(60)..=DAY).contains(&answer.interval));
    let most = (packet.len() - 20) / family.compact_length();
    assert!(answer.peers.len() <= most.min(2_000));
    for peer in &answer.peers {
        assert!(peer.port() > 1 && !peer.ip().is_unspecified() && !peer.ip().is_multicast());
    }
}

fn announce() -> Announce {
    let identity = Identity {
        info_hash: femtotorrent::metainfo::InfoHash([0xff; 20]),
        peer_id: femtotorrent::wire::PeerId([0; 20]),
        port: NOT_LISTENING,
        key: 7,
        numwant: 80,
        encryption: Default::default(),
    };
    Announce { identity, counts: Counts::default(), event: None, tracker_id: None }
}
