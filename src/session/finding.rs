//! Where the addresses of peers come from: the torrent's trackers, and the names that the user gave.

use super::Job;
use crate::message::{Event, TrackerReport};
use crate::peer;
use crate::text::printable;
use crate::tracker::{Announcers, Identity, NOT_LISTENING, Totals, TrackerNews};
use crossbeam_channel::Sender;
use log::{info, warn};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

/// How many peers we ask a tracker for.
const PEERS_WANTED: u32 = 100;

/// Starts an announcer for each tier of the torrent's trackers.
pub fn announce(job: &Job, shared: &peer::Shared, totals: &Arc<Totals>) -> Announcers {
    let identity = Identity {
        info_hash: shared.info_hash,
        peer_id: shared.peer_id,
        port: shared.port.unwrap_or(NOT_LISTENING),
        key: fastrand::u32(..),
        numwant: PEERS_WANTED,
    };
    let events = shared.events.clone();
    let news = move |news: TrackerNews| {
        let outcome = match news.outcome {
            Ok(answer) => {
                if let Some(warning) = &answer.warning {
                    warn!("{}: {}", news.tracker, printable(warning));
                }
                let count = answer.peers.len();
                let _ = events.send(Event::Found(answer.peers));
                Ok(count)
            }
            Err(error) => {
                info!("{}: {error}", news.tracker);
                Err(error.to_string())
            }
        };
        let _ = events.send(Event::Tracker(TrackerReport { url: news.tracker, outcome }));
    };
    Announcers::start(job.metainfo.trackers.clone(), identity, totals, shared.origin, news)
}

/// Finds the addresses of the peers that the user named. A name server may take its time, and its
/// answer has no deadline of ours, so each name has a thread that nobody waits for.
pub fn resolve(peers: &[String], events: &Sender<Event>) {
    let addresses = peers.iter().filter_map(|peer| peer.parse().ok()).collect();
    // One event, because nobody takes events out of the inbox yet.
    let _ = events.send(Event::Named(addresses));
    let is_name = |peer: &&String| peer.parse::<SocketAddr>().is_err();
    for peer in peers.iter().filter(is_name) {
        let (peer, events) = (peer.clone(), events.clone());
        let spawned = std::thread::Builder::new().name("resolve".to_owned()).spawn(move || {
            match peer.to_socket_addrs() {
                Ok(addresses) => drop(events.send(Event::Named(addresses.collect()))),
                Err(error) => {
                    warn!("cannot find the peer {}: {error}", printable(&peer));
                    let outcome = Err(error.to_string());
                    let _ = events.send(Event::Tracker(TrackerReport { url: printable(&peer), outcome }));
                }
            }
        });
        if let Err(error) = spawned {
            warn!("cannot start a thread: {error}");
        }
    }
}
