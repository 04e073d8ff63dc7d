//! Which bytes of a file an answer brings (RFC 9110, section 14.4).
//!
//! Pure.

use std::ops::Range;

/// What `Content-Range` says of the body of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// The bytes of the file that follow. At least one.
    pub bytes: Range<u64>,
    /// Bytes in the whole file, if the server says so.
    pub total: Option<u64>,
}

impl ContentRange {
    /// Reads the value of the header. `None` where it names no bytes.
    pub fn parse(value: &[u8]) -> Option<ContentRange> {
        let text = str::from_utf8(value).ok()?.trim();
        let (unit, rest) = text.split_once([' ', '='])?;
        let (range, total) = rest.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last) = (number(first)?, number(last)?);
        let total = if total.trim() == "*" { None } else { Some(number(total)?) };
        let bytes = first..last.checked_add(1)?;
        let fits = first <= last && total.is_none_or(|total| bytes.end <= total);
        (unit.eq_ignore_ascii_case("bytes") && fits).then_some(ContentRange { bytes, total })
    }
}

/// A number of digits alone: the standard library would take a sign as well.
pub(super) fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    let is_one = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    is_one.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_names_its_bytes_and_perhaps_the_whole() {
        for (text, bytes, total) in [
            ("bytes 0-499/1234", 0..500, Some(1234)),
            ("bytes 1233-1233/1234", 1233..1234, Some(1234)),
            (" Bytes 7-8/* ", 7..9, None),
            ("bytes=7-8/9", 7..9, Some(9)),
        ] {
            assert_eq!(ContentRange::parse(text.as_bytes()), Some(ContentRange { bytes, total }), "{text}");
        }
    }

    #[test]
    fn what_names_no_bytes_is_no_range() {
        for text in [
            "",
            "bytes",
            "bytes */1234",
            "bytes 5-4/10",
            "bytes 0-10/10",
            "bytes +0-5/10",
            "bytes 0--5/10",
            "bytes 0-18446744073709551615/*",
            "bytes 0-5",
            "bytes -5/10",
            "bytes 0-5/x",
            "lines 0-5/10",
        ] {
            assert_eq!(ContentRange::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(ContentRange::parse(b"bytes 0-\xff/9"), None);
    }
}
