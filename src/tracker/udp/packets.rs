//! The packets of BEP 15: what we request from a UDP tracker, and how it responds.
//!
//! Pure. An exchange is twice a packet each way. The first response brings a *connection ID*. A client that
//! knows it has proved to the tracker that the address on its packets is its own. Everything else is
//! requested under such an ID. A packet may be lost, come twice or be forged by another host. So each request
//! has a random *transaction ID*, and a packet without it is no response to the request. Numbers are
//! big-endian. Packets may be longer than the fields that we know.

use crate::address::IpFamily;
use crate::metainfo::InfoHash;
use crate::tracker::announce::{Announce, AnnounceEvent, Counts, Identity};
use crate::tracker::answer::Answer;
use crate::tracker::error::{TrackerError, excerpt};
use crate::tracker::scrape::Scrape;

/// Bytes of the largest response that we look at: 200 peers over IPv6, from a generous tracker, take 3,620. A
/// longer one is cut off, and the whole peers in the rest are taken.
pub const MAX_RESPONSE: usize = 4_096;

/// What is sent as the connection ID until there is one ("protocol id", BEP 15).
const PROTOCOL_ID: u64 = 0x417_2710_1980;

const CONNECT: u32 = 0;
const ANNOUNCE: u32 = 1;
const SCRAPE: u32 = 2;
const ERROR: u32 = 3;

/// The option that carries path and query (BEP 41).
const URL_DATA: u8 = 2;

/// A request.
#[derive(Clone, Copy, Debug)]
pub enum UdpRequest<'a> {
    /// For a connection ID.
    Connect,
    /// For peers.
    Announce {
        /// What we tell.
        announce: &'a Announce,
        /// Path and query of the tracker's address, which may be empty.
        path: &'a str,
    },
    /// For the number of seeds and other peers of the torrent with this info-hash.
    Scrape(InfoHash),
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UdpResponse {
    /// A connection ID.
    Connected(u64),
    /// Peers, and when to ask again.
    Announced(Answer),
    /// The number of seeds and other peers.
    Scraped(Scrape),
}

impl UdpRequest<'_> {
    fn action(&self) -> u32 {
        match self {
            UdpRequest::Connect => CONNECT,
            UdpRequest::Announce { .. } => ANNOUNCE,
            UdpRequest::Scrape(_) => SCRAPE,
        }
    }

    /// The packet of the request, under this connection ID. [`UdpRequest::Connect`] ignores the ID.
    pub fn to_wire(&self, connection: u64, transaction: u32) -> Vec<u8> {
        let connection = if matches!(self, UdpRequest::Connect) { PROTOCOL_ID } else { connection };
        let mut packet = Vec::with_capacity(128);
        packet.extend(connection.to_be_bytes());
        packet.extend(self.action().to_be_bytes());
        packet.extend(transaction.to_be_bytes());
        match self {
            UdpRequest::Connect => {}
            UdpRequest::Announce { announce, path } => write_announce(&mut packet, announce, path),
            UdpRequest::Scrape(info_hash) => packet.extend(info_hash.0),
        }
        packet
    }

    /// Reads a packet as the response to this request. `None` if it is none. Its peers have addresses of
    /// `family`, the one that the packet came over.
    pub fn response(
        &self,
        packet: &[u8],
        transaction: u32,
        family: IpFamily,
    ) -> Option<Result<UdpResponse, TrackerError>> {
        let (action, rest) = number(packet)?;
        let (carried, rest) = number(rest)?;
        if carried != transaction {
            return None;
        }
        if action == ERROR {
            return Some(Err(TrackerError::Refused(excerpt(rest))));
        }
        if action != self.action() {
            return None;
        }
        let response = match self {
            UdpRequest::Connect => UdpResponse::Connected(u64::from_be_bytes(*rest.first_chunk()?)),
            UdpRequest::Announce { .. } => {
                let (interval, rest) = number(rest)?;
                let (incomplete, rest) = number(rest)?;
                let (complete, peers) = number(rest)?;
                UdpResponse::Announced(Answer::of_udp(interval, incomplete, complete, peers, family))
            }
            UdpRequest::Scrape(_) => {
                let (complete, rest) = number(rest)?;
                let (downloaded, rest) = number(rest)?;
                let (incomplete, _) = number(rest)?;
                let known = |count: u32| Some(u64::from(count));
                UdpResponse::Scraped(Scrape {
                    complete: known(complete),
                    incomplete: known(incomplete),
                    downloaded: known(downloaded),
                })
            }
        };
        Some(Ok(response))
    }
}

fn write_announce(packet: &mut Vec<u8>, announce: &Announce, path: &str) {
    let Identity { info_hash, peer_id, port, key, .. } = announce.identity;
    let Counts { uploaded, downloaded, left } = announce.counts;
    let event: u32 = match announce.event {
        None => 0,
        Some(AnnounceEvent::Completed) => 1,
        Some(AnnounceEvent::Started) => 2,
        Some(AnnounceEvent::Stopped) => 3,
    };
    packet.extend(info_hash.0);
    packet.extend(peer_id.0);
    for count in [downloaded, left, uploaded] {
        packet.extend(count.to_be_bytes());
    }
    // The second number is our IP address; zero means the one that the packet comes from.
    for number in [event, 0, key, announce.peers_wanted()] {
        packet.extend(number.to_be_bytes());
    }
    packet.extend(port.to_be_bytes());
    // A lone slash says no more than no path does. Without it the packet is one of plain BEP 15.
    if path != "/" {
        for part in path.as_bytes().chunks(usize::from(u8::MAX)) {
            packet.push(URL_DATA);
            packet.extend(u8::try_from(part.len()).ok());
            packet.extend(part);
        }
    }
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::Encryption;
    use crate::wire::PeerId;
    use std::net::SocketAddr;
    use std::time::Duration;

    fn announce(event: Option<AnnounceEvent>) -> Announce {
        let identity = Identity {
            info_hash: InfoHash([7; 20]),
            peer_id: PeerId([8; 20]),
            port: 6881,
            key: 0xbeef,
            numwant: 80,
            encryption: Encryption::default(),
        };
        let counts = Counts { uploaded: 1, downloaded: 2, left: u64::MAX };
        Announce { identity, counts, event, tracker_id: Some(b"not for UDP".to_vec()) }
    }

    fn wire(event: Option<AnnounceEvent>, path: &str) -> Vec<u8> {
        UdpRequest::Announce { announce: &announce(event), path }.to_wire(0x0102_0304_0506_0708, 9)
    }

    /// An answer with this action, these numbers and these bytes at its end.
    fn packet(numbers: &[u32], end: &[u8]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_be_bytes()).chain(end.iter().copied()).collect()
    }

    /// An answer to an announce.
    fn announced(bytes: &[u8], family: IpFamily) -> Option<Result<UdpResponse, TrackerError>> {
        UdpRequest::Announce { announce: &announce(None), path: "" }.response(bytes, 9, family)
    }

    #[test]
    fn a_connection_is_asked_for_by_the_protocols_own_number() {
        let expected = [0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80, 0, 0, 0, 0, 0xde, 0xad, 0xbe, 0xef];
        assert_eq!(UdpRequest::Connect.to_wire(77, 0xdead_beef), expected);
        let response = UdpRequest::Connect.response(&packet(&[0, 9, 1, 2], b"more"), 9, IpFamily::V4);
        assert_eq!(response, Some(Ok(UdpResponse::Connected(0x1_0000_0002))));
    }

    #[test]
    fn an_announce_has_ninety_eight_bytes_and_the_path_behind_them() {
        let plain = wire(Some(AnnounceEvent::Started), "/");
        let mut expected = vec![1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 1, 0, 0, 0, 9];
        expected.extend([7; 20]);
        expected.extend([8; 20]);
        expected.extend([0, 0, 0, 0, 0, 0, 0, 2]);
        expected.extend([255; 8]);
        expected.extend([0, 0, 0, 0, 0, 0, 0, 1]);
        expected.extend([0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0xbe, 0xef, 0, 0, 0, 80, 0x1a, 0xe1]);
        assert_eq!(plain, expected);
        assert_eq!(plain.len(), 98);
        assert_eq!(wire(None, "/a?b")[98..], *b"\x02\x04/a?b");
        let long = wire(None, &"x".repeat(300));
        assert_eq!((long[99], long[100 + 255], long[100 + 256], long.len()), (255, 2, 45, 98 + 300 + 4));
    }

    #[test]
    fn events_have_their_numbers_and_whoever_leaves_wants_no_peers() {
        for (event, number, wanted) in [
            (None, 0, 80),
            (Some(AnnounceEvent::Completed), 1, 80),
            (Some(AnnounceEvent::Started), 2, 80),
            (Some(AnnounceEvent::Stopped), 3, 0),
        ] {
            let bytes = wire(event, "");
            assert_eq!((bytes[83], bytes[95]), (number, wanted), "{event:?}");
        }
    }

    #[test]
    fn peers_have_six_bytes_or_eighteen_and_a_cut_one_is_left_out() {
        let mut four = packet(&[1, 9, 1800, 3, 4], &[127, 0, 0, 1, 0x1a, 0xe1, 10, 0, 0, 1, 0, 80, 10, 0]);
        let Some(Ok(UdpResponse::Announced(answer))) = announced(&four, IpFamily::V4) else { panic!() };
        let expected: [SocketAddr; 2] = ["127.0.0.1:6881".parse().unwrap(), "10.0.0.1:80".parse().unwrap()];
        assert_eq!(answer.peers, expected);
        assert_eq!((answer.incomplete, answer.complete), (Some(3), Some(4)));
        assert_eq!((answer.interval, answer.min_interval), (Duration::from_secs(1800), None));

        let six = packet(&[1, 9, 0, 0, 0, 0x2001_0db8, 0, 0, 1], &[0, 99, 1]);
        let Some(Ok(UdpResponse::Announced(answer))) = announced(&six, IpFamily::V6) else { panic!() };
        assert_eq!(answer.peers, ["[2001:db8::1]:99".parse().unwrap()]);
        assert_eq!(answer.interval, Duration::from_secs(60));
        four[8..12].fill(0xff);
        let Some(Ok(UdpResponse::Announced(answer))) = announced(&four, IpFamily::V6) else { panic!() };
        assert_eq!((answer.interval, answer.peers.len()), (Duration::from_secs(24 * 60 * 60), 0));
    }

    #[test]
    fn a_scrape_has_three_numbers() {
        let request = UdpRequest::Scrape(InfoHash([5; 20]));
        assert_eq!(request.to_wire(1, 2)[8..], [packet(&[2, 2], &[]), vec![5; 20]].concat());
        let expected = Scrape { complete: Some(1), incomplete: Some(3), downloaded: Some(2) };
        assert_eq!(
            request.response(&packet(&[2, 9, 1, 2, 3], b""), 9, IpFamily::V4),
            Some(Ok(UdpResponse::Scraped(expected)))
        );
    }

    #[test]
    fn an_error_is_a_refusal_in_the_trackers_words() {
        let response = announced(&packet(&[3, 9], b"go\x1b away\0"), IpFamily::V4);
        assert_eq!(response, Some(Err(TrackerError::Refused("go\u{fffd} away".into()))));
        assert_eq!(announced(&packet(&[3, 8], b"go away"), IpFamily::V4), None);
    }

    #[test]
    fn what_answers_something_else_is_no_answer() {
        let bytes = |action, transaction| packet(&[action, transaction, 1, 2, 3], &[]);
        for (action, transaction) in [(1, 8), (0, 9), (2, 9), (4, 9), (u32::MAX, 9), (3, 10)] {
            assert_eq!(announced(&bytes(action, transaction), IpFamily::V4), None, "{action} {transaction}");
        }
        assert_eq!(UdpRequest::Connect.response(&bytes(1, 9), 9, IpFamily::V4), None);
    }

    #[test]
    fn no_length_and_no_flipped_bit_panics() {
        let announce = announce(None);
        let requests = [
            UdpRequest::Connect,
            UdpRequest::Announce { announce: &announce, path: "" },
            UdpRequest::Scrape(InfoHash([0; 20])),
        ];
        let shortest = [16, 20, 20];
        let families = [IpFamily::V4, IpFamily::V6, IpFamily::V4];
        for ((request, shortest), family) in requests.iter().zip(shortest).zip(families) {
            let mut bytes = packet(&[request.action(), 9, 1, 2, 3], &[7; 45]);
            for length in 0..bytes.len() {
                let response = request.response(&bytes[..length], 9, family);
                assert_eq!(response.is_some(), length >= shortest, "{request:?} of {length} bytes");
            }
            for bit in 0..bytes.len() * 8 {
                bytes[bit / 8] ^= 1 << (bit % 8);
                let _ = request.response(&bytes, 9, family);
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }
}
