//! How long a server wants us to wait (RFC 9110, section 10.2.3).
//!
//! Pure. It is a number of seconds, or a date in one of the three forms that a web date may have (section 5.6.7).

use super::content_range::number;
use std::time::{Duration, SystemTime};

/// The longest wait that is believed: a server whose clock is wrong would be asked never again.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAY: u64 = 24 * 60 * 60;

/// The wait that a value of `Retry-After` asks for at this time, at most [`LONGEST_WAIT`]. `None` where it is neither
/// a number nor a date.
pub fn retry_after(value: &[u8], now: SystemTime) -> Option<Duration> {
    let text = str::from_utf8(value).ok()?.trim();
    let wait = match text.bytes().all(|byte| byte.is_ascii_digit()) {
        // What does not fit into a number is a long time.
        true if !text.is_empty() => Duration::from_secs(number(text).unwrap_or(u64::MAX)),
        _ => {
            let due = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(date(text)?))?;
            due.duration_since(now).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_WAIT))
}

/// The seconds since 1970 of a web date.
pub fn date(text: &str) -> Option<u64> {
    let mut parts = text.split([' ', ',', '-']).filter(|part| !part.is_empty()).skip(1);
    let (second, third, fourth, fifth) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let (day, month, year, time) = match second.starts_with(|first: char| first.is_ascii_digit()) {
        // Sun, 06 Nov 1994 08:49:37 GMT, and Sunday, 06-Nov-94 08:49:37 GMT.
        true => (second, third, fourth, fifth),
        // Sun Nov  6 08:49:37 1994.
        false => (third, second, fifth, fourth),
    };
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))? as u64;
    let day = number(day).filter(|day| (1..=31).contains(day))?;
    let year = match number(year)? {
        short @ 0..70 => short + 2000,
        short @ 70..100 => short + 1900,
        year @ 1970..10_000 => year,
        _ => return None,
    };
    let mut time = time.split(':');
    let mut part = |below: u64| number(time.next()?).filter(|part| *part < below);
    let seconds = part(24)? * 3600 + part(60)? * 60 + part(61)?;
    Some((days_before(year, month) + day - 1) * DAY + seconds)
}

/// Days from 1970 to the first of this month, which is counted from 0, in a year from 1970 on.
fn days_before(year: u64, month: u64) -> u64 {
    // With years that begin in March the day that is there every four years is the last of one.
    let (year, month) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let leap_days = year / 4 - year / 100 + year / 400;
    // From the first of March in the year 0 to 1970 it is 719,468 days.
    (year * 365 + leap_days + (153 * month + 2) / 5).saturating_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_of_a_date_are_one_moment() {
        for text in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(date(text), Some(784_111_777), "{text}");
        }
        assert_eq!(date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(date("Thu, 29 Feb 2024 12:00:00 GMT"), Some(1_709_208_000));
        assert_eq!(date("Thu, 26 Nov 2026 04:06:24 GMT"), Some(1_795_665_984));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "soon",
            "Sun, 06 Nov 1994",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 Foo 1994 08:49:37 GMT",
            "Sun, 06 Nov 1969 08:49:37 GMT",
            "Sun, 06 Nov 99999999999999999999 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
        ] {
            assert_eq!(date(text), None, "{text}");
        }
    }

    #[test]
    fn a_wait_is_a_number_or_until_a_date_and_never_longer_than_an_hour() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_700);
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("99999999999999999999999", Some(3600)),
            ("86400", Some(3600)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(77)),
            ("Sun, 06 Nov 1993 08:49:37 GMT", Some(0)),
            ("Sun, 06 Nov 2094 08:49:37 GMT", Some(3600)),
            ("-5", None),
            ("", None),
        ] {
            assert_eq!(retry_after(text.as_bytes(), now), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
