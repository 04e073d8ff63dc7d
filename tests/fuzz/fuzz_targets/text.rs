//! A stranger's text on its way to a terminal.

#![no_main]

use femtotorrent::text::{excerpt, is_hidden, printable};
use femtotorrent_fuzz::only_shows;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let shown = printable(&text);
    assert!(only_shows(&shown) && !shown.contains(is_hidden));
    assert_eq!(shown.chars().count(), text.chars().count());
    assert_eq!(printable(&shown), shown);
    let limit = bytes.len() % 50;
    let short = excerpt(&text, limit);
    assert!(only_shows(&short) && short.chars().count() <= limit + 1);
    assert!(shown.starts_with(short.trim_end_matches('…')));
});
