//! Speaking with a tracker in its protocol.
//!
//! Runs on the thread of the caller. It decides only which of the two protocols an address means.

use crate::metainfo::InfoHash;
use std::sync::Arc;
use std::time::Duration;

use super::address::{Protocol, TrackerAddress};
use super::announce::Announce;
use super::answer::Answer;
use super::error::TrackerError;
use super::http::HttpTracker;
use super::protocol::TrackerProtocol;
use super::scrape::Scrape;
use super::seen;
use super::udp::{CONNECTION_LIFE, UdpTracker};
use crate::net::Outlet;
use crate::net::proxy::Proxies;
use crate::net::tap::Tap;

/// The most time that an exchange may take. Over HTTP it takes less.
pub const MAX_EXCHANGE: Duration = Duration::from_secs(30);

/// How long an HTTP connection is kept for the next announce: long enough for `completed` and `stopped`
/// at the end of a short download, and shorter than a server's patience.
const KEEP_HTTP: Duration = Duration::from_secs(10);

/// The protocol of a tracker that may be asked.
///
/// # Errors
///
/// What is wrong with its address, or that nothing but what goes through a proxy may leave this host.
pub(super) fn usable_protocol(tracker: &TrackerAddress, proxies: &Proxies) -> Result<Protocol, TrackerError> {
    match tracker.protocol()? {
        Protocol::Udp if proxies.for_all().is_some() => Err(TrackerError::NotByProxy),
        protocol => Ok(protocol),
    }
}

/// Speaks with the trackers of one tier, one at a time.
pub struct TrackerClient {
    http: HttpTracker,
    udp: UdpTracker,
    proxies: Proxies,
    tap: Tap,
}

impl TrackerClient {
    /// A client that goes out by `outlet`, and calls itself `user_agent` over HTTP. Opens nothing and costs
    /// nothing yet.
    pub fn new(outlet: Outlet, user_agent: &Arc<str>) -> TrackerClient {
        let http = HttpTracker::new(outlet.clone(), Arc::clone(user_agent));
        let (proxies, tap) = (outlet.proxies.clone(), outlet.tap.clone());
        TrackerClient { http, udp: UdpTracker::new(outlet), proxies, tap }
    }

    /// A client like this one that has not been aborted. Costs nothing yet.
    pub fn anew(&self) -> TrackerClient {
        let (proxies, tap) = (self.proxies.clone(), self.tap.clone());
        TrackerClient { http: self.http.anew(), udp: self.udp.anew(), proxies, tap }
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
        let secrets = tracker.secrets();
        let protocol = self.protocol_of(tracker)?;
        self.tap.tell(|| seen::announce(tracker, announce));
        let outcome = protocol.announce(tracker, announce, within);
        let outcome = outcome
            .map(|answer| secrets.taken_out_of_warning(answer))
            .map_err(|error| secrets.taken_out_of(error));
        self.tap.tell(|| seen::answer(tracker, &outcome));
        outcome
    }

    /// Asks for the numbers of a torrent and waits for the answer.
    ///
    /// # Errors
    ///
    /// As [`announce`](Self::announce), and [`TrackerError::NoScrape`].
    pub fn scrape(&self, tracker: &TrackerAddress, info_hash: InfoHash) -> Result<Scrape, TrackerError> {
        let protocol = self.protocol_of(tracker)?;
        self.tap.tell(|| seen::scrape(tracker, info_hash));
        let outcome = protocol.scrape(tracker, info_hash, MAX_EXCHANGE);
        let outcome = outcome.map_err(|error| tracker.secrets().taken_out_of(error));
        self.tap.tell(|| seen::scraped(tracker, &outcome));
        outcome
    }

    fn protocol_of(&self, tracker: &TrackerAddress) -> Result<&dyn TrackerProtocol, TrackerError> {
        Ok(match usable_protocol(tracker, &self.proxies)? {
            Protocol::Http => &self.http,
            Protocol::Udp => &self.udp,
        })
    }

    /// How long it is worth keeping what an announce to this tracker left open.
    pub fn idle_time(tracker: &TrackerAddress) -> Duration {
        if tracker.protocol() == Ok(Protocol::Udp) { CONNECTION_LIFE } else { KEEP_HTTP }
    }

    /// Closes the connection that the last announce may have left open.
    pub fn close_idle(&self) {
        self.http.close_idle();
        self.udp.close_idle();
    }

    /// Ends what is running, and makes all later announces fail, as [`TrackerProtocol::abort`].
    pub fn abort(&self) {
        // HTTP first, because [`is_aborted`](Self::is_aborted) asks it: a thread that sees its UDP exchange
        // end must also see that we ended it.
        self.http.abort();
        self.udp.abort();
    }

    /// Whether it has been aborted.
    pub fn is_aborted(&self) -> bool {
        self.http.is_aborted()
    }
}
