//! Speaking with a tracker in its protocol.
//!
//! Runs on the thread of whoever asks. It decides nothing but which of the two ways an address means.

use crate::metainfo::InfoHash;
use std::time::Duration;

use super::address::{Protocol, TrackerAddress};
use super::announce::Announce;
use super::answer::Answer;
use super::error::TrackerError;
use super::http::HttpTracker;
use super::scrape::Scrape;
use super::udp::{CONNECTION_LIFE, UdpTracker};
use crate::net::BindAddress;

/// The time that anything here may take at most. HTTP takes less of it.
pub const LONGEST_EXCHANGE: Duration = Duration::from_secs(30);

/// How long an HTTP connection is kept for the next announce: long enough for `completed` and `stopped`
/// at the end of a short download, and shorter than a server's patience.
const KEEP_HTTP: Duration = Duration::from_secs(10);

/// Speaks with the trackers of one tier, one at a time.
pub struct Speaker {
    http: HttpTracker,
    udp: UdpTracker,
}

impl Speaker {
    /// One that leaves by `bind_address`. Opens nothing and costs nothing.
    pub fn new(bind_address: BindAddress) -> Speaker {
        Speaker { http: HttpTracker::new(bind_address), udp: UdpTracker::new(bind_address) }
    }

    /// Announces and waits for the answer, `within` this time.
    ///
    /// # Errors
    ///
    /// What the tracker or the network did wrong, or the address.
    pub fn announce(
        &self,
        tracker: &TrackerAddress,
        announce: &Announce,
        within: Duration,
    ) -> Result<Answer, TrackerError> {
        match tracker.protocol()? {
            Protocol::Http => self.http.announce(tracker, announce, within),
            Protocol::Udp => self.udp.announce(tracker, announce, within),
        }
    }

    /// Asks for the numbers of a torrent and waits for the answer.
    ///
    /// # Errors
    ///
    /// As [`announce`](Self::announce), and [`TrackerError::NoScrape`].
    pub fn scrape(&self, tracker: &TrackerAddress, info_hash: InfoHash) -> Result<Scrape, TrackerError> {
        match tracker.protocol()? {
            Protocol::Http => self.http.scrape(tracker, info_hash, LONGEST_EXCHANGE),
            Protocol::Udp => self.udp.scrape(tracker, info_hash, LONGEST_EXCHANGE),
        }
    }

    /// How long what an announce to this tracker left open is worth keeping.
    pub fn keeps(tracker: &TrackerAddress) -> Duration {
        if tracker.protocol() == Ok(Protocol::Udp) { CONNECTION_LIFE } else { KEEP_HTTP }
    }

    /// Closes what the last announce may have left open.
    pub fn rest(&self) {
        self.http.rest();
        self.udp.rest();
    }

    /// Ends what is under way, and makes all later announces fail. A name that is being looked up and a
    /// TCP connection that is being made end at their own deadlines.
    pub fn cut(&self) {
        // In this order: who sees the UDP exchange end must also see that we have ended it.
        self.http.cut();
        self.udp.cut();
    }

    /// Whether it has been cut.
    pub fn is_cut(&self) -> bool {
        self.http.is_cut()
    }
}
