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
        let answer = value.dictionary().ok_or_else(|| nonsense("not a dictionary"))?;
        let text = |key: &str| answer.get(key).and_then(Value::bytes).map(excerpt);
        // One that says nothing, beside peers, is none.
        if let Some(reason) = text("failure reason")
            .filter(|it| !it.is_empty() || peers(answer).is_none_or(|peers| peers.is_empty()))
        {
            return Err(match answer.get("retry in").and_then(retry_in) {
                Some(retry_in) => TrackerError::RefusedFor(reason, retry_in),
                None => TrackerError::Refused(reason),
            });
        }
        let peers = peers(answer);
        if peers.is_none() && answer.get("interval").is_none() {
            return Err(nonsense("it has neither peers nor an interval nor a failure reason"));
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
            external_ip: answer.get("external ip").and_then(Value::bytes).and_then(read_ip),
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
            info!("ignored {near} of {told} peers: a remote tracker names them in our own network");
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
mod tests;
