//! What a tracker tells us: peers, and when to ask again.
//!
//! Pure. The answer is one bencoded dictionary (BEP 3, "trackers"). Peers come in three forms, of which an
//! answer may mix several: `peers` as a string of six bytes each (BEP 23), `peers6` as a string of eighteen
//! bytes each (BEP 7), or either of them as a list of dictionaries (BEP 3). An address in the last form may be
//! a host name. We take only IP addresses: if we looked up names that a stranger chose, a tracker could use us
//! to query any name server, with no bound on the time.
//!
//! Trackers are programs of many hands, and their answers have all kinds of faults. One odd thing costs itself
//! and nothing else: a field of the wrong kind is one that is not there, a peer that cannot be read is left
//! out, and what follows the dictionary is not looked at.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::address::{IpFamily, canonical, could_be_a_peer, read_compact_list, read_ip};
use crate::bencode::{Dictionary, Value};

use crate::strategy::may_share;
use log::info;

use super::error::{RetryIn, TrackerError, excerpt};

/// Bytes in the largest answer that is read, after decompression. 200 peers are 1.2 KiB.
pub const MAX_ANSWER: u64 = 1 << 20;

/// The most peers that are taken from one answer. Trackers send 50 to 200.
const MAX_PEERS: usize = 2_000;

/// Bytes in the longest tracker id that we send back. It goes into every URL, at up to three characters a
/// byte. The ids in use are short.
const MAX_TRACKER_ID: usize = 256;

/// The time between announces if the tracker names none. It is what most trackers name.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(30 * 60);

/// The shortest time between announces that a tracker can set.
const MIN_INTERVAL: Duration = Duration::from_secs(60);

/// The longest time that it can set. A tracker that means "never" is asked once a day.
const MAX_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// A valid answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The time until the next announce, between one minute and one day.
    pub interval: Duration,
    /// The time that must pass before an early announce, one day at most.
    pub min_interval: Option<Duration>,
    /// The tracker id, which the tracker wants to see in later announces.
    pub tracker_id: Option<Vec<u8>>,
    /// What the tracker wants the user to know, fit to print.
    pub warning: Option<String>,
    /// How many seeds it knows.
    pub complete: Option<u64>,
    /// How many other peers it knows.
    pub incomplete: Option<u64>,
    /// Our address as the tracker sees it (BEP 24).
    pub external_ip: Option<IpAddr>,
    /// The peers that can be connected to, 2,000 at most, in the tracker's order.
    pub peers: Vec<SocketAddr>,
}

impl Answer {
    /// Reads an answer.
    ///
    /// # Errors
    ///
    /// [`TrackerError::Refused`] or [`TrackerError::RefusedFor`] if the tracker gives a failure reason,
    /// [`TrackerError::Nonsense`] if this is no tracker's answer.
    pub fn parse(body: &[u8]) -> Result<Answer, TrackerError> {
        let value = Value::parse_lenient(body).map_err(|fault| nonsense(format!("bad bencode: {fault}")))?;
        let answer = value.dictionary().ok_or_else(|| nonsense("it is not a dictionary"))?;
        let text = |key: &str| answer.get(key).and_then(Value::bytes).map(excerpt);
        if let Some(reason) = text("failure reason") {
            return Err(match answer.get("retry in").and_then(retry_in) {
                Some(retry_in) => TrackerError::RefusedFor(reason, retry_in),
                None => TrackerError::Refused(reason),
            });
        }
        let peers = peers(answer);
        if peers.is_none() && answer.get("interval").is_none() {
            return Err(nonsense("neither peers nor an interval nor a failure reason"));
        }
        let seconds = |key: &str| answer.get(key).and_then(Value::unsigned).map(Duration::from_secs);
        let count = |key: &str| answer.get(key).and_then(Value::unsigned);
        let interval = seconds("interval").unwrap_or(DEFAULT_INTERVAL);
        let tracker_id = answer.get("tracker id").and_then(Value::bytes);
        Ok(Answer {
            interval: interval.clamp(MIN_INTERVAL, MAX_INTERVAL),
            min_interval: seconds("min interval").map(|time| time.min(MAX_INTERVAL)),
            tracker_id: tracker_id.filter(|id| id.len() <= MAX_TRACKER_ID).map(<[u8]>::to_vec),
            warning: text("warning message"),
            complete: count("complete"),
            incomplete: count("incomplete"),
            external_ip: answer
                .get("external ip")
                .and_then(Value::bytes)
                .and_then(read_ip)
                .map(|ip| ip.to_canonical()),
            peers: peers.unwrap_or_default(),
        })
    }

    /// The answer with only those peers that a tracker at this address may tell us: none that is nearer to us
    /// than the tracker itself, as it is with peers that tell us of others. `from` is `None` if we do not know
    /// where the tracker is.
    pub(super) fn believed_from(mut self, from: Option<SocketAddr>) -> Answer {
        let teller = from.map_or(IpFamily::V4.unspecified(), |from| from.ip());
        let told = self.peers.len();
        self.peers.retain(|peer| may_share(teller, *peer));
        if self.peers.len() < told {
            let near = told - self.peers.len();
            info!("{near} of {told} peers are left out: a tracker far away names them in our own network");
        }
        self
    }

    /// The answer of a UDP tracker: the seconds until the next announce, and compact peers of the family that
    /// it was asked over (BEP 15). Bytes after the last whole peer are ignored: the packet was cut there.
    pub(super) fn of_udp(
        interval: u32,
        incomplete: u32,
        complete: u32,
        peers: &[u8],
        family: IpFamily,
    ) -> Answer {
        let mut found = Vec::new();
        take(&mut found, read_compact_list(peers, family));
        let interval = Duration::from_secs(interval.into());
        Answer {
            interval: interval.clamp(MIN_INTERVAL, MAX_INTERVAL),
            min_interval: None,
            tracker_id: None,
            warning: None,
            complete: Some(complete.into()),
            incomplete: Some(incomplete.into()),
            external_ip: None,
            peers: found,
        }
    }
}

/// When a tracker that refuses us may be asked again: a number of minutes, which some write as text, or
/// `never` (BEP 31).
fn retry_in(value: Value<'_>) -> Option<RetryIn> {
    let text = value.bytes().and_then(|bytes| std::str::from_utf8(bytes).ok());
    if text.is_some_and(|text| text.eq_ignore_ascii_case("never")) {
        return Some(RetryIn::Never);
    }
    let minutes = value.unsigned().or_else(|| text?.parse().ok())?;
    Some(RetryIn::Time(Duration::from_secs(minutes.saturating_mul(60)).min(MAX_INTERVAL)))
}

fn nonsense(reason: impl Into<String>) -> TrackerError {
    TrackerError::Nonsense(reason.into())
}

/// The peers of an answer in all three forms. `None` if it has them in none.
fn peers(answer: Dictionary<'_>) -> Option<Vec<SocketAddr>> {
    let mut found = None;
    for (key, value) in answer.iter() {
        let family = match key {
            b"peers" => IpFamily::V4,
            b"peers6" => IpFamily::V6,
            _ => continue,
        };
        match value {
            // Bytes after the last whole peer are ignored: the list was cut there.
            Value::Bytes(peers) => take(found.get_or_insert_default(), read_compact_list(peers, family)),
            Value::List(list) => {
                let listed = list.iter().filter_map(|peer| listed(peer.dictionary()?));
                take(found.get_or_insert_default(), listed);
            }
            Value::Integer(_) | Value::Dictionary(_) => {}
        }
    }
    found
}

/// One peer as a dictionary (BEP 3). `None` if it has no IP address and port: it is left out, and the others
/// still count. Some trackers write the port as a string.
fn listed(peer: Dictionary<'_>) -> Option<SocketAddr> {
    let text =
        |value: Value<'_>| value.bytes().and_then(|bytes| std::str::from_utf8(bytes).ok().map(str::to_owned));
    let address = text(peer.get("ip")?)?;
    let port = match peer.get("port")? {
        Value::Integer(port) => u16::try_from(port).ok()?,
        port => text(port)?.parse().ok()?,
    };
    Some(SocketAddr::new(address.parse().ok()?, port))
}

/// Keeps the peers that can be connected to, as long as there is room.
fn take(found: &mut Vec<SocketAddr>, peers: impl Iterator<Item = SocketAddr>) {
    let room = MAX_PEERS.saturating_sub(found.len());
    found.extend(peers.map(canonical).filter(is_connectable).take(room));
}

/// Clients that accept no connections announce port 0 or 1.
fn is_connectable(peer: &SocketAddr) -> bool {
    could_be_a_peer(*peer) && peer.port() > super::announce::NOT_LISTENING
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(answer: &Answer) -> Vec<String> {
        answer.peers.iter().map(SocketAddr::to_string).collect()
    }

    #[test]
    fn a_tracker_names_no_peer_that_is_nearer_to_us_than_itself() {
        let peers = ["1.2.3.4:5", "10.0.0.1:5", "169.254.169.254:80", "127.0.0.1:6379", "[::1]:5"];
        let told = Answer {
            peers: peers.map(|peer| peer.parse().unwrap()).to_vec(),
            ..answer_of(b"d8:intervali9ee")
        };
        for (from, believed) in
            [(None, 1), (Some("9.9.9.9:80"), 1), (Some("192.168.1.1:80"), 3), (Some("127.0.0.1:80"), 5)]
        {
            let from = from.map(|from| from.parse().unwrap());
            assert_eq!(told.clone().believed_from(from).peers, told.peers[..believed], "{from:?}");
        }
    }

    fn answer_of(body: &[u8]) -> Answer {
        Answer::parse(body).unwrap()
    }

    #[test]
    fn compact_peers_of_both_families_are_read() {
        let mut body =
            b"d8:completei3e10:incompletei4e8:intervali1800e12:min intervali900e5:peers12:".to_vec();
        body.extend([127, 0, 0, 1, 0x1a, 0xe1, 10, 0, 0, 7, 0, 80]);
        body.extend(b"6:peers618:");
        body.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 99]);
        body.extend(b"10:tracker id2:\xff&15:warning message7:be\x07waree");
        let answer = Answer::parse(&body).unwrap();
        assert_eq!(addresses(&answer), ["127.0.0.1:6881", "10.0.0.7:80", "[2001:db8::1]:99"]);
        assert_eq!((answer.complete, answer.incomplete), (Some(3), Some(4)));
        assert_eq!(answer.interval, Duration::from_secs(1800));
        assert_eq!(answer.min_interval, Some(Duration::from_secs(900)));
        assert_eq!(answer.tracker_id.as_deref(), Some(b"\xff&".as_slice()));
        assert_eq!(answer.warning.as_deref(), Some("be\u{fffd}ware"));
    }

    #[test]
    fn our_own_address_has_four_bytes_or_sixteen() {
        let told = |bytes: &[u8]| {
            let head = format!("d11:external ip{}:", bytes.len());
            let body = [head.as_bytes(), bytes, b"8:intervali60ee"].concat();
            Answer::parse(&body).unwrap().external_ip
        };
        assert_eq!(told(&[192, 0, 2, 7]), Some([192, 0, 2, 7].into()));
        assert_eq!(told(&[7; 16]), Some([7; 16].into()));
        let mapped = [[0; 10].as_slice(), &[255, 255, 192, 0, 2, 7]].concat();
        assert_eq!(told(&mapped), Some([192, 0, 2, 7].into()));
        for length in (0..40).filter(|length| ![4, 16].contains(length)) {
            assert_eq!(told(&vec![1; length]), None);
        }
    }

    #[test]
    fn dictionary_peers_are_read_and_host_names_are_left_out() {
        let body = b"d8:intervali60e5:peersl\
            d2:ip9:127.0.0.17:peer id20:aaaaaaaaaaaaaaaaaaaa4:porti6881ee\
            d2:ip3:::14:porti6882ee\
            d2:ip16:::ffff:127.0.0.14:porti6883ee\
            d2:ip9:localhost4:porti6884ee\
            d2:ip9:127.0.0.14:port4:6885e\
            d2:ip9:127.0.0.14:port4:688xe\
            d2:ip9:127.0.0.14:porti65536ee\
            d2:ip9:127.0.0.14:porti-1ee\
            d2:ip9:127.0.0.1e\
            i7ee6:unused0:e";
        let answer = Answer::parse(body).unwrap();
        assert_eq!(addresses(&answer), ["127.0.0.1:6881", "[::1]:6882", "127.0.0.1:6883", "127.0.0.1:6885"]);
    }

    #[test]
    fn peers_that_one_cannot_connect_to_are_left_out() {
        let mut body = b"d5:peers30:".to_vec();
        for (address, port) in
            [([10, 0, 0, 1], 0), ([10, 0, 0, 1], 1), ([0; 4], 80), ([255; 4], 80), ([224, 0, 0, 1], 80)]
        {
            body.extend(address);
            body.extend(u16::to_be_bytes(port));
        }
        body.push(b'e');
        assert_eq!(Answer::parse(&body).unwrap().peers, []);
    }

    #[test]
    fn the_number_of_peers_is_bounded() {
        let mut body = b"d5:peers60000:".to_vec();
        body.extend([10, 0, 0, 1, 0, 80].repeat(10_000));
        body.push(b'e');
        assert_eq!(Answer::parse(&body).unwrap().peers.len(), MAX_PEERS);
    }

    #[test]
    fn a_failure_reason_is_an_error_in_the_trackers_words() {
        let refused = Answer::parse(b"d14:failure reason12:not\x1b welcome8:intervali60ee");
        assert_eq!(refused, Err(TrackerError::Refused("not\u{fffd} welcome".into())));
        let refused_for =
            |text: &str| Answer::parse(format!("d14:failure reason2:no8:retry in{text}e").as_bytes());
        let minutes = |count: u64| RetryIn::Time(Duration::from_secs(60 * count));
        for (text, retry_in) in [
            ("i15e", minutes(15)),
            ("2:15", minutes(15)),
            ("5:never", RetryIn::Never),
            ("i9000000000000000000e", RetryIn::Time(MAX_INTERVAL)),
        ] {
            assert_eq!(refused_for(text), Err(TrackerError::RefusedFor("no".into(), retry_in)), "{text}");
        }
        for text in ["4:soon", "i-1e", "le"] {
            assert_eq!(refused_for(text), Err(TrackerError::Refused("no".into())), "{text}");
        }
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for body in [
            b"".as_slice(),
            b"<html>hello</html>",
            b"le",
            b"i1e",
            b"de",
            b"d3:fooi1ee",
            b"d5:peersi1ee",
            b"d5:peersdee",
            b"d6:peers6i1ee",
            b"d8:intervali60e",
            b"\n d8:intervali60ee",
        ] {
            let text = String::from_utf8_lossy(body);
            assert!(matches!(Answer::parse(body), Err(TrackerError::Nonsense(_))), "{text}");
        }
    }

    #[test]
    fn one_odd_thing_costs_no_peer() {
        let good = b"5:peers6:\x0a\0\0\x07\0\x50";
        let expected = ["10.0.0.7:80"];
        for (before, after) in [
            (&b""[..], &b"e\0"[..]),
            (b"", b"e<!-- 0.01 s -->"),
            (b"", b"e6:peers60:e"),
            (b"", b"6:peers60:e"),
            (b"", b"6:peers6lee"),
            (b"", b"6:peers6i1ee"),
            (b"", b"6:peers65:aaaaae"),
            (b"", b"5:peers0:e"),
            (b"5:peersi1e", b"e"),
            (b"5:peersde", b"e"),
            (b"5:peers1:a", b"e"),
            (b"8:intervali01800e", b"e"),
            (b"8:intervali60e8:intervali60e", b"e"),
            (b"8:completei18446744073709551616e", b"e"),
            (b"8:completei-0e08:intervalle", b"e"),
        ] {
            let body = [b"d", before, good, after].concat();
            let answer = Answer::parse(&body);
            let text = String::from_utf8_lossy(&body);
            assert_eq!(answer.map(|answer| addresses(&answer)).unwrap_or_default(), expected, "{text}");
        }
        let cut = Answer::parse(b"d5:peers9:\x0a\0\0\x07\0\x50\x0a\0\0e").unwrap();
        assert_eq!(addresses(&cut), expected);
        let six = Answer::parse(b"d6:peers6ld2:ip11:2001:db8::14:porti80eed2:ip1:x4:porti80eeee").unwrap();
        assert_eq!(addresses(&six), ["[2001:db8::1]:80"]);
    }

    #[test]
    fn intervals_are_brought_into_sane_bounds() {
        for (given, expected) in [
            ("8:intervali1e", 60),
            ("8:intervali-5e", 1_800),
            ("8:interval3:abc", 1_800),
            ("8:intervali9223372036854775807e", 86_400),
            ("8:intervali3600e", 3_600),
            ("5:peers0:", 1_800),
        ] {
            let answer = Answer::parse(format!("d{given}e").as_bytes()).unwrap();
            assert_eq!(answer.interval, Duration::from_secs(expected), "{given}");
        }
        let answer = Answer::parse(b"d8:intervali60e12:min intervali9223372036854775807ee").unwrap();
        assert_eq!(answer.min_interval, Some(MAX_INTERVAL));
    }

    #[test]
    fn an_over_long_tracker_id_is_not_sent_back() {
        let body = format!("d8:intervali60e10:tracker id300:{}e", "x".repeat(300));
        assert_eq!(Answer::parse(body.as_bytes()).unwrap().tracker_id, None);
    }

    #[test]
    fn no_cut_and_no_flipped_bit_panics() {
        let mut body = b"d14:failure reaso_1:x8:intervali1800e12:min intervali900e5:peersl\
            d2:ip9:127.0.0.14:porti6881eee6:peers618:"
            .to_vec();
        body.extend([7; 18]);
        body.extend(b"10:tracker id2:ab15:warning message2:hie");
        for cut in 0..body.len() {
            assert!(Answer::parse(&body[..cut]).is_err(), "{cut}");
        }
        for bit in 0..body.len() * 8 {
            body[bit / 8] ^= 1 << (bit % 8);
            let _ = Answer::parse(&body);
            body[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
