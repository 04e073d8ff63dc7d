//! The lines of a settings file.
//!
//! Whatever is read has a name, lines come in order, what is written in our own way is read again as it was, and what an
//! error says does nothing to a terminal.

#![no_main]

use femtotorrent::cli::settings::file::{Line, parse};
use femtotorrent_fuzz::only_shows;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let lines = match parse(bytes) {
        Ok(lines) => lines,
        Err(bad) => return assert!(bad.number > 0 && only_shows(&bad.why)),
    };
    assert!(lines.is_sorted_by(|one, next| one.number < next.number));
    for Line { head, key, value, .. } in lines {
        assert!(!key.is_empty() && !key.starts_with('-'));
        let head_line = head.as_ref().map(|head| format!("[{head}]\n")).unwrap_or_default();
        let value_part = value.as_ref().map(|value| format!(" = \"{value}\"")).unwrap_or_default();
        let again = parse(format!("{head_line}{key}{value_part}").as_bytes()).expect("a line of ours");
        let [again] = again.try_into().expect("one line");
        assert!(again.head == head && again.key == key && again.value == value);
    }
});
