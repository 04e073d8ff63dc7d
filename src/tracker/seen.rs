//! What is said to trackers and by them, in words for whoever watches.
//!
//! The path and the query of a tracker's address are the user's password on many trackers, so they are not told.

use super::address::TrackerAddress;
use super::announce::{Announce, AnnounceEvent};
use super::answer::Answer;
use super::error::TrackerError;
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
    let meaning = format!(
        "{event}; {}; {} bytes left; our port is {}; we want {} peers",
        identity.info_hash,
        counts.left,
        identity.port,
        announce.peers_wanted(),
    );
    Seen::Tracker { site: tracker.site(), direction: Direction::Out, message: "announce", meaning }
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
    Seen::Tracker { site: tracker.site(), direction: Direction::In, message, meaning }
}
