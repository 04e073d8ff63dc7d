//! A time as people and programs write it (ISO 8601), in UTC.

/// Seconds of a day. None is longer: the clocks that torrents are dated by do not count leap seconds.
const DAY: u64 = 86_400;
/// The days of 400 years, after which the calendar repeats.
const CYCLE: u64 = 146_097;
/// Days from the 1st of March of the year 0 to the 1st of January 1970.
const BEFORE: u64 = 719_468;
/// The first second of the year 10,000, which has no place in the form.
const END: u64 = 253_402_300_800;

/// `2026-11-26T07:24:00Z` for so many seconds since 1970. `None` after the year 9999.
pub fn utc(seconds: u64) -> Option<String> {
    if seconds >= END {
        return None;
    }
    let (days, second) = (seconds / DAY + BEFORE, seconds % DAY);
    let (cycle, day) = (days / CYCLE, days % CYCLE);
    // Years begin in March, so that a day too many is at the end of one.
    let year = (day - day / 1_460 + day / 36_524 - day / (CYCLE - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // From March on, five months have 153 days in turn.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = cycle * 400 + year + next;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_years_are_those_of_the_calendar() {
        // As `date -u -d @SECONDS` says.
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_078_012_800, "2004-02-29T00:00:00Z"),
            (1_795_676_640, "2026-11-26T07:04:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (END - 1, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(utc(seconds).as_deref(), Some(expected));
        }
        assert_eq!(utc(END), None);
        assert_eq!(utc(u64::MAX), None);
    }
}
