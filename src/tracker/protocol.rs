//! What a protocol of trackers can do.

use super::address::TrackerAddress;
use super::announce::Announce;
use super::answer::Answer;
use super::error::TrackerError;
use super::scrape::Scrape;
use crate::metainfo::InfoHash;
use std::time::Duration;

/// What each protocol can do. One exchange runs at a time; [`abort`](Self::abort) ends it from another
/// thread.
pub(super) trait TrackerProtocol {
    /// Announces and waits for the answer, `within` this time.
    ///
    /// # Errors
    ///
    /// What the tracker or the network did wrong.
    fn announce(
        &self,
        tracker: &TrackerAddress,
        announce: &Announce,
        within: Duration,
    ) -> Result<Answer, TrackerError>;

    /// Asks for the numbers of a torrent and waits for the answer, `within` this time.
    ///
    /// # Errors
    ///
    /// As [`announce`](Self::announce), and [`TrackerError::NoScrape`].
    fn scrape(
        &self,
        tracker: &TrackerAddress,
        info_hash: InfoHash,
        within: Duration,
    ) -> Result<Scrape, TrackerError>;

    /// Closes the connection that the last exchange may have left open.
    fn close_idle(&self);

    /// Ends the exchange that is running, and makes all later ones fail. The lookup of a host name and the
    /// making of a TCP connection end only at their own deadlines.
    fn abort(&self);
}
