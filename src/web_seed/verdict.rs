//! What the head of an answer is worth: the bytes that were asked for, others among which they are, or nothing.
//!
//! Pure. A server may be an old one, another one than the torrent means, or hostile. So an answer is believed only
//! where it says exactly what was asked; what its bytes are worth, the digests of the pieces say.

use crate::message::WebSeedFailure;
use crate::net::http::RangeHead;
use std::ops::Range;

/// The most bytes that are read and dropped to come to those that were asked for, where a server sends a file from its
/// beginning whatever it is asked.
pub const MAX_SKIPPED: u64 = 1024 * 1024;

/// Bytes of the shortest part that a server may give of what it was asked for.
const MIN_PART: u64 = 64 * 1024;

/// Bytes of the file that the body brings. They begin where those that were asked for do, or before.
///
/// # Errors
///
/// It brings none of them, or more than `most_skipped` others before them. `number` is that of the file in its torrent,
/// and `length` its length in bytes.
pub fn judge(
    head: &RangeHead,
    asked: &Range<u64>,
    number: usize,
    length: u64,
    most_skipped: u64,
) -> Result<Range<u64>, WebSeedFailure> {
    let failed = |why: &str| Err(WebSeedFailure::Failed(why.to_owned()));
    match head.status {
        200 | 206 if head.is_encoded && !is_the_file_itself(head, length) => {
            failed("the answer is compressed, although we asked for plain data")
        }
        206 => {
            let Some(Some(range)) = &head.range else {
                return failed("the answer does not say which bytes of the file it has");
            };
            let shortest = asked.end.min(asked.start.saturating_add(MIN_PART));
            if range.total.is_some_and(|total| total != length) {
                return Err(WebSeedFailure::NoFile(number));
            }
            if range.bytes.start != asked.start || !(shortest..=asked.end).contains(&range.bytes.end) {
                return failed("sends other bytes of the file than requested");
            }
            let bytes = range.bytes.end.saturating_sub(range.bytes.start);
            if head.length.is_some_and(|length| length != bytes) {
                return failed("the answer does not have the announced length");
            }
            Ok(range.bytes.clone())
        }
        200 if head.length.is_some_and(|sent| sent != length) => Err(WebSeedFailure::NoFile(number)),
        200 if asked.start <= most_skipped => Ok(0..length),
        200 => Err(WebSeedFailure::WholeFilesOnly),
        // 416: the file there is shorter.
        403 | 404 | 410 | 416 => Err(WebSeedFailure::NoFile(number)),
        429 | 503 => Err(WebSeedFailure::Busy(head.retry_after)),
        401 | 407 => Err(WebSeedFailure::Refused("requires a user name and password".to_owned())),
        status => Err(WebSeedFailure::Failed(format!("answered with HTTP status {status}"))),
    }
}

/// Whether an answer with a content encoding brings the bytes of the file. Some servers say so of a file that is an
/// archive (Apache by `AddEncoding x-gzip .gz .tgz`), and send it as it is. What they compress by themselves has
/// another length, or none.
fn is_the_file_itself(head: &RangeHead, length: u64) -> bool {
    match head.status {
        206 => matches!(&head.range, Some(Some(range)) if range.total == Some(length)),
        _ => head.length == Some(length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::http::ContentRange;
    use std::time::Duration;

    const ASKED: Range<u64> = 2_000_000..4_000_000;
    const LENGTH: u64 = 5_000_000;

    fn part(range: &str, length: Option<u64>) -> RangeHead {
        let range = Some(ContentRange::parse(range.as_bytes()));
        RangeHead { status: 206, range, length, ..RangeHead::default() }
    }

    fn judged(head: &RangeHead) -> Result<Range<u64>, WebSeedFailure> {
        judge(head, &ASKED, 3, LENGTH, MAX_SKIPPED)
    }

    #[test]
    fn a_part_has_to_be_the_one_that_was_asked_for() {
        let right = part("bytes 2000000-3999999/5000000", Some(2_000_000));
        assert_eq!(judged(&right), Ok(ASKED));
        assert_eq!(judged(&part("bytes 2000000-3999999/*", None)), Ok(ASKED));
        assert_eq!(judged(&part("bytes 2000000-2999999/*", None)), Ok(2_000_000..3_000_000), "a part of it");
        for wrong in [
            part("bytes 2000001-3999999/5000000", None),
            part("bytes 1999999-3999999/5000000", None),
            part("bytes 2000000-4000000/5000000", None),
            part("bytes 2000000-2000000/5000000", None),
            part("bytes 0-4999999/5000000", None),
            part("bytes 2000000-3999999/5000000", Some(2_000_001)),
            part("nonsense", None),
            RangeHead { status: 206, ..RangeHead::default() },
            RangeHead { is_encoded: true, ..part("bytes 2000000-3999999/*", Some(2_000_000)) },
            RangeHead { is_encoded: true, ..part("bytes 2000000-3999999/4999999", None) },
        ] {
            assert!(matches!(judged(&wrong), Err(WebSeedFailure::Failed(_))), "{wrong:?}");
        }
        let other_file = part("bytes 2000000-3999999/5000001", None);
        assert_eq!(judged(&other_file), Err(WebSeedFailure::NoFile(3)));
    }

    #[test]
    fn a_whole_file_is_taken_where_little_of_it_is_dropped() {
        let whole = |length| RangeHead { status: 200, length, ..RangeHead::default() };
        for start in [0, MAX_SKIPPED] {
            let judged = judge(&whole(Some(LENGTH)), &(start..4_000_000), 0, LENGTH, MAX_SKIPPED);
            assert_eq!(judged, Ok(0..LENGTH));
        }
        assert_eq!(judge(&whole(None), &(0..4_000_000), 0, LENGTH, MAX_SKIPPED), Ok(0..LENGTH));
        assert_eq!(judge(&whole(None), &ASKED, 0, LENGTH, u64::MAX), Ok(0..LENGTH));
        assert_eq!(judged(&whole(None)), Err(WebSeedFailure::WholeFilesOnly));
        assert_eq!(judged(&whole(Some(LENGTH + 1))), Err(WebSeedFailure::NoFile(3)), "it is another file");
        for length in [None, Some(LENGTH - 1)] {
            let compressed = RangeHead { is_encoded: true, ..whole(length) };
            assert!(matches!(
                judge(&compressed, &(0..1), 0, LENGTH, MAX_SKIPPED),
                Err(WebSeedFailure::Failed(_))
            ));
        }
    }

    #[test]
    fn an_archive_that_the_server_calls_encoded_is_taken_as_it_is_where_its_length_is_right() {
        let whole = RangeHead { status: 200, length: Some(LENGTH), is_encoded: true, ..RangeHead::default() };
        assert_eq!(judge(&whole, &(0..1), 0, LENGTH, MAX_SKIPPED), Ok(0..LENGTH));
        let part = RangeHead { is_encoded: true, ..part("bytes 2000000-3999999/5000000", Some(2_000_000)) };
        assert_eq!(judged(&part), Ok(ASKED));
    }

    #[test]
    fn other_answers_take_a_file_from_the_server_or_make_us_wait() {
        let head = |status| RangeHead { status, ..RangeHead::default() };
        for status in [403, 404, 410, 416] {
            assert_eq!(judged(&head(status)), Err(WebSeedFailure::NoFile(3)));
        }
        let wait = Some(Duration::from_secs(7));
        for status in [429, 503] {
            assert_eq!(judged(&head(status)), Err(WebSeedFailure::Busy(None)));
            let busy = RangeHead { retry_after: wait, ..head(status) };
            assert_eq!(judged(&busy), Err(WebSeedFailure::Busy(wait)));
        }
        for status in [401, 407] {
            assert!(matches!(judged(&head(status)), Err(WebSeedFailure::Refused(_))));
        }
        for status in [100, 204, 304, 400, 500, 502, 999] {
            assert!(matches!(judged(&head(status)), Err(WebSeedFailure::Failed(_))));
        }
    }
}
