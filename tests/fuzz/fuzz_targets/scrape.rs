//! What a tracker says to a scrape over HTTP, as it came and as shorthand for one.

#![no_main]

use femtotorrent::metainfo::InfoHash;
use femtotorrent::tracker::Scrape;
use femtotorrent_fuzz::{only_shows, spelled_out};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for body in [bytes.to_vec(), spelled_out(bytes)] {
        match Scrape::parse(&body, InfoHash([b'h'; 20])) {
            // Bencode has signed numbers, and none below zero is a count.
            Ok(scrape) => {
                let counts = [scrape.complete, scrape.incomplete, scrape.downloaded];
                assert!(counts.iter().flatten().all(|count| i64::try_from(*count).is_ok()));
            }
            Err(error) => assert!(only_shows(&error.to_string()), "{error}"),
        }
    }
});
