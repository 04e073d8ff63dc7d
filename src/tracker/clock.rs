//! What time a tracker has, which its web server says with each answer (`Date`, RFC 9110, section 6.6.1).

use super::address::{Protocol, TrackerAddress};
use super::http::USER_AGENT;
use crate::net::Outlet;
use crate::net::http::{Errand, WebClient};
use crate::strategy::Question;
use std::time::Duration;

/// The time of the server at this address, in seconds since 1970. Its first page is asked for, whatever that is, and
/// nothing is told of us or of a torrent. `None` of a tracker that has none, or gives no answer `within` this time.
pub fn time_at(tracker: &TrackerAddress, outlet: &Outlet, within: Duration) -> Option<u64> {
    tracker.protocol().ok().filter(|protocol| *protocol == Protocol::Http)?;
    let client = WebClient::new(outlet.clone(), USER_AGENT, within);
    let errand = Errand { word: tracker.word(), question: Question::Web, within };
    client.get(&format!("{}/", tracker.site()), errand).ok()?.date()
}
