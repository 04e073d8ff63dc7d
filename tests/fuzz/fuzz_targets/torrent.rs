//! Torrents whose bencode is always well-formed, held to what an accepted torrent promises.
//!
//! The input is the shorthand of `src/shorthand.rs`, so that nearly every mutation says something
//! new about files, paths, padding, links or the version 2 half of a hybrid.

#![no_main]

use femtotorrent::metainfo::Metainfo;
use femtotorrent_fuzz::{hold_to_its_word, only_shows, spelled_out};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|shorthand: &[u8]| {
    match Metainfo::parse(spelled_out(shorthand)) {
        Ok(torrent) => hold_to_its_word(&torrent),
        Err(error) => assert!(only_shows(&error.to_string())),
    }
});
