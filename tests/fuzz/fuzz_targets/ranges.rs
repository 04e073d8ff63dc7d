//! What a web server says of the bytes that it sends, and of when it wants to be asked again.
//!
//! A range is not empty and lies within its file, and says the same when it is written again. No wait is longer than
//! the longest that is believed.

#![no_main]

use femtotorrent::net::http::{ContentRange, LONGEST_WAIT, retry_after};
use libfuzzer_sys::fuzz_target;
use std::time::{Duration, SystemTime};

fuzz_target!(|bytes: &[u8]| {
    if let Some(range) = ContentRange::parse(bytes) {
        assert!(range.bytes.start < range.bytes.end);
        assert!(range.total.is_none_or(|total| range.bytes.end <= total));
        let total = range.total.map_or("*".to_owned(), |total| total.to_string());
        let again = format!("bytes {}-{}/{total}", range.bytes.start, range.bytes.end - 1);
        assert_eq!(ContentRange::parse(again.as_bytes()), Some(range));
    }
    for now in [0, 1_795_665_984, u32::MAX.into()] {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now);
        assert!(retry_after(bytes, now).is_none_or(|wait| wait <= LONGEST_WAIT));
    }
});
