//! Asking all trackers of a torrent how many peers it has.
//!
//! There is one thread for each tracker, with the deadlines of an announce, so that any number of dead
//! trackers cost the time of one. The parser of the torrent limits how many trackers there are.

use crate::metainfo::InfoHash;
use crate::text::reason;
use std::io;
use std::sync::Arc;
use std::thread;

use super::address::TrackerAddress;
use super::client::TrackerClient;
use super::error::TrackerError;
use super::http::USER_AGENT;
use super::scrape::Scrape;
use crate::net::Outlet;

/// Bytes of a thread's stack, the same as an announcer's.
const STACK_SIZE: usize = 256 * 1024;

/// What each of these trackers says about the torrent with this info-hash, in the order of the trackers.
/// Waits half a minute at most.
pub fn scrape_all(
    trackers: &[TrackerAddress],
    info_hash: InfoHash,
    outlet: &Outlet,
) -> Vec<Result<Scrape, TrackerError>> {
    thread::scope(|scope| {
        let ask = |address: &TrackerAddress| {
            let address = address.clone();
            thread::Builder::new()
                .name(format!("scrape-{}", address.host()))
                .stack_size(STACK_SIZE)
                .spawn_scoped(scope, move || {
                    TrackerClient::new(outlet.clone(), &Arc::from(USER_AGENT)).scrape(&address, info_hash)
                })
        };
        let threads: Vec<io::Result<_>> = trackers.iter().map(ask).collect();
        let broke_down = || TrackerError::Unreachable("because of a bug in this program".into());
        let outcome = |thread: io::Result<thread::ScopedJoinHandle<'_, _>>| match thread {
            Ok(thread) => thread.join().unwrap_or_else(|_| Err(broke_down())),
            Err(error) => Err(TrackerError::Unreachable(format!("no thread for it: {}", reason(&error)))),
        };
        threads.into_iter().map(outcome).collect()
    })
}
