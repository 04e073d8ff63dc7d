//! Asking the web server of a tracker what time it has, which each answer says: the outlet's `ServerClock` hears it.

use super::address::{Protocol, TrackerAddress};
use super::http::USER_AGENT;
use crate::net::Outlet;
use crate::net::http::{Errand, WebClient};
use crate::strategy::Question;
use std::time::Duration;

/// Has the server of this tracker answer, and does nothing with that but hear its clock. Its first page is asked for,
/// whatever that is, and nothing is told of us or of a torrent. Where its certificate is refused, perhaps because our clock
/// is wrong, the same host is asked without TLS. Each may take this long.
pub fn hear_clock(tracker: &TrackerAddress, outlet: &Outlet, within: Duration) {
    if tracker.protocol().ok() != Some(Protocol::Http) {
        return;
    }
    let client = WebClient::new(outlet.clone(), USER_AGENT, within);
    let get = |address: &str| {
        client.get(address, Errand { word: tracker.word(), question: Question::Web, within }).is_ok()
    };
    let site = tracker.site();
    if get(&format!("{site}/")) {
        return;
    }
    if let Some(authority) = site.strip_prefix("https://") {
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => host,
            _ => authority,
        };
        get(&format!("http://{host}/"));
    }
}
