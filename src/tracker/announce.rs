//! What we tell a tracker: the torrent, our identity, and how far our download is.
//!
//! Pure. Over HTTP an announce is the query of a GET request (BEP 3, "trackers"). Raw bytes in it are
//! percent-encoded. It is an easy mistake to treat an info-hash as text there.

use crate::metainfo::InfoHash;
use crate::strategy::Encryption;
use crate::wire::PeerId;
use std::fmt::Write;

/// The port that a client announces if it accepts no connections.
///
/// BEP 3 has no way to say so. Some trackers refuse port 0. Port 1 is what libtorrent sends when it cannot
/// listen, so a client that knows this convention does not try to connect to us.
pub const NOT_LISTENING: u16 = 1;

/// What stays the same in all announces of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The SHA-1 of the torrent's `info` value.
    pub info_hash: InfoHash,
    /// Our peer ID, as in the handshake with peers.
    pub peer_id: PeerId,
    /// The TCP port that we listen on, or [`NOT_LISTENING`].
    pub port: u16,
    /// A random number by which a tracker recognizes us when our address changes (BEP 7).
    pub key: u32,
    /// How many peers we would like to get.
    pub numwant: u32,
    /// Whether connections to peers are encrypted.
    pub encryption: Encryption,
}

/// How far our download is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Payload bytes sent to peers in this run.
    pub uploaded: u64,
    /// Payload bytes received from peers in this run, without those that were of no use.
    pub downloaded: u64,
    /// Payload bytes that are still missing. Zero makes us a seed in the tracker's eyes.
    pub left: u64,
}

/// Why we announce, if not because the interval has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnnounceEvent {
    /// The first announce of this run to this tracker.
    Started,
    /// The last missing piece has come.
    Completed,
    /// We leave: the tracker should no longer hand out our address.
    Stopped,
}

/// One announce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announce {
    /// What stays the same in all announces.
    pub identity: Identity,
    /// How far our download is.
    pub counts: Counts,
    /// The reason, unless the interval has passed.
    pub event: Option<AnnounceEvent>,
    /// What this tracker told us to send back ("tracker id", BEP 3).
    pub tracker_id: Option<Vec<u8>>,
}

impl Announce {
    /// The announce as the query of a URL, without the question mark.
    pub fn query(&self) -> String {
        let Identity { info_hash, peer_id, port, key, encryption, .. } = self.identity;
        let Counts { uploaded, downloaded, left } = self.counts;
        let numwant = self.peers_wanted();
        let mut query = format!(
            "info_hash={}&peer_id={}&port={port}&uploaded={uploaded}&downloaded={downloaded}&left={left}\
             &numwant={numwant}&key={key:08X}&compact=1&no_peer_id=1",
            percent_encoded(&info_hash.0),
            percent_encoded(&peer_id.0),
        );
        // Not in any BEP: what trackers that tell encrypting peers apart ask for, as other clients say it.
        query.push_str(match encryption {
            Encryption::Off => "",
            Encryption::Allow | Encryption::Prefer => "&supportcrypto=1",
            Encryption::Require => "&supportcrypto=1&requirecrypto=1",
        });
        if let Some(event) = self.event {
            query.push_str(match event {
                AnnounceEvent::Started => "&event=started",
                AnnounceEvent::Completed => "&event=completed",
                AnnounceEvent::Stopped => "&event=stopped",
            });
        }
        if let Some(id) = &self.tracker_id {
            query.push_str("&trackerid=");
            query.push_str(&percent_encoded(id));
        }
        query
    }

    /// How many peers we want with this announce. A client that leaves needs none.
    pub(super) fn peers_wanted(&self) -> u32 {
        if self.event == Some(AnnounceEvent::Stopped) { 0 } else { self.identity.numwant }
    }
}

/// Raw bytes in a form that a URL can carry (RFC 3986, sections 2.1 and 2.3).
pub(super) fn percent_encoded(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else if write!(text, "%{byte:02X}").is_err() {
            // Never happens: writing to a String does not fail.
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announce(event: Option<AnnounceEvent>, tracker_id: Option<Vec<u8>>) -> Announce {
        let mut info_hash = [0xff; 20];
        info_hash[..5].copy_from_slice(b"a ~&\0");
        let identity = Identity {
            info_hash: InfoHash(info_hash),
            peer_id: PeerId(*b"-FM0100-abcdefghijkl"),
            port: 6881,
            key: 0xbeef,
            numwant: 80,
            encryption: Encryption::Off,
        };
        let counts = Counts { uploaded: 1, downloaded: 2, left: u64::MAX };
        Announce { identity, counts, event, tracker_id }
    }

    #[test]
    fn raw_bytes_are_percent_encoded_and_numbers_are_not() {
        let expected = format!(
            "info_hash=a%20~%26%00{}&peer_id=-FM0100-abcdefghijkl&port=6881&uploaded=1&downloaded=2\
             &left=18446744073709551615&numwant=80&key=0000BEEF&compact=1&no_peer_id=1",
            "%FF".repeat(15)
        );
        assert_eq!(announce(None, None).query(), expected);
    }

    #[test]
    fn events_and_the_trackers_id_go_along() {
        let started = announce(Some(AnnounceEvent::Started), Some(b"\xe4=".to_vec())).query();
        assert!(started.ends_with("&event=started&trackerid=%E4%3D"), "{started}");
        let completed = announce(Some(AnnounceEvent::Completed), None).query();
        assert!(completed.ends_with("&event=completed"), "{completed}");
    }

    #[test]
    fn a_tracker_hears_whether_peers_are_to_be_encrypted() {
        for (encryption, end) in [
            (Encryption::Off, "&no_peer_id=1"),
            (Encryption::Allow, "&no_peer_id=1&supportcrypto=1"),
            (Encryption::Prefer, "&no_peer_id=1&supportcrypto=1"),
            (Encryption::Require, "&no_peer_id=1&supportcrypto=1&requirecrypto=1"),
        ] {
            let mut announce = announce(None, None);
            announce.identity.encryption = encryption;
            assert!(announce.query().ends_with(end), "{encryption:?}: {}", announce.query());
        }
    }

    #[test]
    fn a_stopped_announce_wants_no_peers() {
        let stopped = announce(Some(AnnounceEvent::Stopped), None).query();
        assert!(stopped.contains("&numwant=0&") && stopped.ends_with("&event=stopped"), "{stopped}");
    }
}
