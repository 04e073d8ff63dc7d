//! What a tracker answers, as it came and as shorthand for one.
//!
//! An answer decides when we ask again, whom we connect to and what the user reads, so those must be
//! within bounds whatever it says.

#![no_main]

use femtotorrent::tracker::Answer;
use femtotorrent_fuzz::{only_shows, spelled_out};
use libfuzzer_sys::fuzz_target;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fuzz_target!(|bytes: &[u8]| {
    for body in [bytes.to_vec(), spelled_out(bytes)] {
        match Answer::parse(&body) {
            Ok(answer) => {
                assert!((Duration::from_secs(60)..=DAY).contains(&answer.interval));
                assert!(answer.min_interval.is_none_or(|time| time <= DAY));
                assert!(answer.tracker_id.is_none_or(|id| id.len() <= 256));
                assert!(answer.warning.is_none_or(|text| only_shows(&text) && text.chars().count() <= 200));
                assert!(answer.peers.len() <= 2_000);
                for peer in answer.peers {
                    assert!(peer.port() > 1 && !peer.ip().is_unspecified() && !peer.ip().is_multicast());
                }
            }
            Err(error) => assert!(only_shows(&error.to_string()), "{error}"),
        }
    }
});
