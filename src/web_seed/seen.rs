//! What is said to a web seed and by it, in words for whoever watches.
//!
//! The path and the query of its address may be the user's secret, so of them nothing is told but the path of the file in
//! the torrent.

use super::WebSeed;
use super::files::Segment;
use crate::message::PeerError;
use crate::net::http::{RangeAnswer, WebError};
use crate::net::tap::{Direction, Seen};

/// We ask for a part of a file.
pub(super) fn request(seed: &WebSeed, segment: &Segment<'_>) -> Seen {
    let (first, end) = (segment.bytes.start, segment.bytes.end);
    let (path, count) = (segment.file.path.display(), end.saturating_sub(first));
    let meaning = format!("GET of {path}, bytes={first}-{}: {count} bytes", end.saturating_sub(1));
    said(seed, Direction::Out, "request", meaning)
}

/// The head of the answer is here.
pub(super) fn answer(seed: &WebSeed, answer: &RangeAnswer) -> Seen {
    let head = &answer.head;
    let mut meaning = format!("status {}", head.status);
    if let Some(Some(range)) = &head.range {
        let (first, last) = (range.bytes.start, range.bytes.end.saturating_sub(1));
        meaning.push_str(&format!("; bytes {first}-{last} of the file follow"));
    }
    if let Some(length) = head.length {
        meaning.push_str(&format!("; the body has {length} bytes"));
    }
    if let Some(wait) = head.retry_after {
        meaning.push_str(&format!("; ask again in {} s", wait.as_secs()));
    }
    if answer.moved_to.is_some() {
        meaning.push_str("; it comes from elsewhere, where we were redirected to");
    }
    said(seed, Direction::In, "answer", meaning)
}

/// The body broke off.
pub(super) fn broke(seed: &WebSeed, error: &WebError) -> Seen {
    said(seed, Direction::In, "broke off", error.to_string())
}

/// It is not asked any more.
pub(super) fn end(seed: &WebSeed, why: &PeerError) -> Seen {
    said(seed, Direction::In, "end", why.to_string())
}

fn said(seed: &WebSeed, direction: Direction, message: &'static str, meaning: String) -> Seen {
    Seen::Server { site: format!("web seed {}", seed.host()), direction, message, meaning }
}
