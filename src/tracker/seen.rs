//! What is said to trackers and by them, in words for whoever watches.
//!
//! The path and the query of a tracker's address are the user's password on many trackers, so they are not told.

use super::address::TrackerAddress;
use super::announce::{Announce, AnnounceEvent, NOT_LISTENING};
use super::answer::Answer;
use super::error::TrackerError;
use super::scrape::Scrape;
use crate::metainfo::InfoHash;
use crate::net::tap::{Direction, Seen};

/// We announce.
pub(super) fn announce(tracker: &TrackerAddress, announce: &Announce) -> Seen {
    let event = match announce.event {
        None => "again",
        Some(AnnounceEvent::Started) => "started",
        Some(AnnounceEvent::Completed) => "completed",
        Some(AnnounceEvent::Stopped) => "stopped",
    };
    let (identity, counts) = (&announce.identity, announce.counts);
    let port = match identity.port {
        NOT_LISTENING => "we take no connections".to_owned(),
        port => format!("our port is {port}"),
    };
    let meaning = format!(
        "{event}; {}; {} bytes left; {port}; we want {} peers",
        identity.info_hash,
        counts.left,
        announce.peers_wanted(),
    );
    Seen::Server { site: tracker.site(), direction: Direction::Out, message: "announce", meaning }
}

/// It answered, or did not.
pub(super) fn answer(tracker: &TrackerAddress, outcome: &Result<Answer, TrackerError>) -> Seen {
    let (message, meaning) = match outcome {
        Ok(answer) => {
            let mut meaning =
                format!("{} peers; ask again in {} s", answer.peers.len(), answer.interval.as_secs());
            for (count, of) in [(answer.complete, "seeds"), (answer.incomplete, "other peers")] {
                if let Some(count) = count {
                    meaning.push_str(&format!("; it knows {count} {of}"));
                }
            }
            ("answer", meaning)
        }
        Err(error) => ("no answer", error.to_string()),
    };
    Seen::Server { site: tracker.site(), direction: Direction::In, message, meaning }
}

/// We ask for the numbers of a torrent.
pub(super) fn scrape(tracker: &TrackerAddress, info_hash: InfoHash) -> Seen {
    let meaning = format!("how many have {info_hash}?");
    Seen::Server { site: tracker.site(), direction: Direction::Out, message: "scrape", meaning }
}

/// It gave them, or did not.
pub(super) fn scraped(tracker: &TrackerAddress, outcome: &Result<Scrape, TrackerError>) -> Seen {
    let (message, meaning) = match outcome {
        Ok(scrape) => {
            let counts = [
                (scrape.complete, "seeds"),
                (scrape.incomplete, "other peers"),
                (scrape.downloaded, "downloads that were completed"),
            ];
            let known = counts.into_iter().filter_map(|(count, of)| Some(format!("{} {of}", count?)));
            ("answer", known.collect::<Vec<_>>().join(", "))
        }
        Err(error) => ("no answer", error.to_string()),
    };
    Seen::Server { site: tracker.site(), direction: Direction::In, message, meaning }
}
