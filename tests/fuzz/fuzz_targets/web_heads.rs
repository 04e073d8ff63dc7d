//! What the HTTP library gets of the answers of a web server.
//!
//! It does not depend on the parts in which they come. Of a head that is complete, each line is a header that is read,
//! or none at all, and what is given is hardly longer than what came.

#![no_main]

use femtotorrent::net::http::Heads;
use libfuzzer_sys::fuzz_target;

/// So many answers that say only that another one follows are left out, and the next one is handed on.
const MOST_INTERIM: usize = 16;

/// What is handed on of an answer that comes in parts of so many bytes.
fn got(answer: &[u8], part: usize) -> Option<Vec<u8>> {
    let (mut heads, mut body) = (Heads::default(), Vec::new());
    let _ = heads.asked(false);
    for part in answer.chunks(part).chain([&[][..]]) {
        if !heads.take(part).ok()? {
            body.extend(part);
        }
    }
    Some([heads.rest(), &body].concat())
}

fuzz_target!(|bytes: &[u8]| {
    let Some((part, answer)) = bytes.split_first() else { return };
    let Some(whole) = got(answer, usize::MAX) else { return };
    assert_eq!(got(answer, usize::from(*part).max(1)).as_ref(), Some(&whole));
    assert!(whole.len() <= answer.len() * 2 + 4);
    if answer.windows(5).filter(|bytes| *bytes == b"HTTP/").count() > MOST_INTERIM {
        // The one that was handed on may be left out now, and what is behind it taken for a head.
        return;
    }
    let again = got(&whole, usize::MAX);
    assert!(again.is_some_and(|again| again.len() <= whole.len() + 4));
});
