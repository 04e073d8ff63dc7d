//! Any bytes as a torrent, held to what an accepted torrent promises.
//!
//! This finds what is wrong with single bytes. What a well-formed torrent can say is tried by
//! `torrent`, for a mutation seldom leaves the lengths in a torrent right.

#![no_main]

use femtotorrent::metainfo::Metainfo;
use femtotorrent_fuzz::{hold_to_its_word, only_shows};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match Metainfo::parse(bytes.to_vec()) {
        Ok(torrent) => hold_to_its_word(&torrent),
        Err(error) => assert!(only_shows(&error.to_string())),
    }
});
