//! The parsers of single values on the command line: sizes, rates, times, hosts.
//!
//! They take what other programs take: `1.5M`, `100k`, `100KB` and `100KiB` are all in units of 1024, as in wget,
//! curl and aria2.

/// The longest time that a run may wait: a year.
const LONGEST_SECONDS: f64 = 31_536_000.0;

/// A size: `500K`, `1.5M`, `32MiB`, `1G`, or a plain number of bytes. At least one byte.
pub fn size(text: &str) -> Result<u64, String> {
    let number = bytes(text).filter(|size| *size > 0);
    number.ok_or_else(|| "a size such as 500K, 1.5M or 1G is expected".to_owned())
}

/// A rate in bytes a second, written like a [`size`], perhaps with `/s`. Zero is allowed.
pub fn rate(text: &str) -> Result<u64, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    bytes(number).ok_or_else(|| match text.to_ascii_lowercase() {
        bits if bits.contains("bit") || bits.ends_with("bps") => {
            "a rate in bytes is expected, not in bits: 10 Mbit/s are 1.2M".to_owned()
        }
        none if is_no_limit(&none) => "leave it out for no limit".to_owned(),
        _ => "a rate in bytes a second is expected, such as 500K or 1.5M".to_owned(),
    })
}

/// A [`rate`] that is not zero.
pub fn down_rate(text: &str) -> Result<u64, String> {
    match rate(text)? {
        0 => Err("a limit of 0 would download nothing (leave it out for no limit)".to_owned()),
        rate => Ok(rate),
    }
}

/// What people write who want no limit.
fn is_no_limit(text: &str) -> bool {
    matches!(text, "inf" | "infinity" | "infinite" | "unlimited" | "never" | "none" | "off" | "no" | "max")
}

fn bytes(text: &str) -> Option<u64> {
    let (number, unit) =
        text.split_at(text.find(|one: char| one.is_ascii_alphabetic()).unwrap_or(text.len()));
    let number = number.trim_end();
    let unit = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1_u64,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => return None,
    };
    let (whole, part) = number.split_once('.').map_or((number, None), |(whole, part)| (whole, Some(part)));
    let of_whole = digits(whole)?.checked_mul(unit)?;
    let of_part = match part {
        None => 0,
        // Half a byte is nothing.
        Some(_) if unit == 1 => return None,
        Some(part) => {
            let tenths = 10_u64.checked_pow(u32::try_from(part.len()).ok()?)?;
            digits(part)?.checked_mul(unit)?.checked_div(tenths)?
        }
    };
    of_whole.checked_add(of_part)
}

/// Digits and nothing else: no sign, which `parse` would take.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// A time of one second to a year, in seconds: `90`, `90s`, `30min`, `1h30m`, `2 days`.
pub fn seconds(text: &str) -> Result<u64, String> {
    if text == "0" || is_no_limit(&text.to_ascii_lowercase()) {
        return Err("leave it out, or give a time from one second to a year".to_owned());
    }
    let taken = time(text, 1.0).filter(|seconds| (1.0..=LONGEST_SECONDS).contains(seconds));
    let taken = taken.and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok());
    let expected = "a time such as 90 (seconds), 30m or 1h is expected, from one second to a year";
    taken.map(|time| time.as_secs()).ok_or_else(|| expected.to_owned())
}

/// A time in minutes, as aria2 counts them: `90`, `90s`, `30min`, `1h30m`, `2 days`.
pub fn minutes(text: &str) -> Result<f64, String> {
    let taken = time(text, 60.0).map(|seconds| seconds / 60.0).filter(|minutes| *minutes < 1e12);
    taken.ok_or_else(|| "a time such as 90 (minutes), 30m or 1.5h is expected".to_owned())
}

/// The seconds that are meant. A number without a unit has this one. Several are added, as systemd does.
fn time(text: &str, plain: f64) -> Option<f64> {
    if let Some(number) = decimal(text) {
        return Some(number * plain);
    }
    let (mut rest, mut seconds) = (text, 0.0);
    loop {
        let (number, behind) = rest.split_at(rest.find(|one: char| one.is_ascii_alphabetic())?);
        let end = behind.find(|one: char| !one.is_ascii_alphabetic()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(end);
        seconds += decimal(number.trim_end())? * unit_of_time(unit)?;
        rest = behind.trim_start();
        if rest.is_empty() {
            return Some(seconds);
        }
    }
}

/// The units of sleep(1) and timeout(1), and their longer names in systemd.time(7). `M` may be a month, and is none.
fn unit_of_time(unit: &str) -> Option<f64> {
    Some(match unit {
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3_600.0,
        "d" | "day" | "days" => 86_400.0,
        "w" | "week" | "weeks" => 604_800.0,
        _ => return None,
    })
}

/// A number such as `7`, `1.5` or `.5`, below 10^12. The standard library's way reads 300 digits right and takes 20 KiB.
pub fn decimal(text: &str) -> Option<f64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if !(is_number(whole) && is_number(part)) || whole.is_empty() && part.is_empty() {
        return None;
    }
    // What a tenth digit says nobody can see.
    let part = part.get(..9).unwrap_or(part);
    let value = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<u64>().ok() };
    let scale = (0..part.len()).fold(1.0, |scale, _| scale * 10.0);
    let number = value(whole)? as f64 + value(part)? as f64 / scale;
    (number < 1e12).then_some(number)
}

/// `HOST:PORT`, checked and left in one piece.
pub fn host_and_port(text: &str) -> Result<String, String> {
    node(text).map(|_| text.to_owned())
}

/// `HOST:PORT` in its two parts: the host without brackets, and the port.
pub fn node(text: &str) -> Result<(String, u16), String> {
    let parsed = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    match parsed {
        Some((host, port @ 1..)) if !host.is_empty() => Ok((host.trim_matches(['[', ']']).to_owned(), port)),
        _ => Err("HOST:PORT is expected, such as 192.0.2.7:6881 or [2001:db8::7]:6881".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_number_has_digits_and_at_most_one_point() {
        for (text, expected) in
            [("7", 7.0), ("1.5", 1.5), (".25", 0.25), ("2.", 2.0), ("0.1234567899", 0.123_456_789)]
        {
            assert_eq!(decimal(text), Some(expected), "{text}");
        }
        let none =
            ["", ".", "1.5.5", "-1", "+1", "1e3", "inf", "NaN", "1.123456789x", "x.1", "1 ", "1000000000000"];
        for text in none.into_iter().chain(["99999999999999999999"]) {
            assert_eq!(decimal(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_taken_as_other_programs_write_them() {
        for (text, expected) in [
            ("7", 7),
            ("32M", 32 << 20),
            ("1.5M", 3 << 19),
            ("100k", 102_400),
            ("100KB", 102_400),
            ("100KiB", 102_400),
            ("0.25g", 1 << 28),
            ("7b", 7),
            ("1T", 1 << 40),
            ("1.5 MiB", 3 << 19),
        ] {
            assert_eq!(size(text), Ok(expected), "{text}");
        }
        for bad in [
            "",
            "M",
            "0",
            "-1",
            "+1",
            "1E",
            "99999999999G",
            "é",
            "1.5",
            ".5M",
            "1.M",
            "1.5.5M",
            " 1M",
            "1MB/s",
            "1Mé",
            "nan",
        ] {
            assert!(size(bad).is_err(), "{bad}");
        }
        assert_eq!(rate("0"), Ok(0));
        assert_eq!(rate("1.5 MiB/s"), Ok(3 << 19));
        assert_eq!(rate("500k/s"), Ok(512_000));
        for bits in ["10Mbit", "10 mbit/s", "10Mbps", "8kbps"] {
            assert!(rate(bits).unwrap_err().contains("bits"), "{bits}");
        }
        assert!(rate("unlimited").unwrap_err().contains("leave it out"));
        assert!(rate("0x").is_err() && down_rate("0").is_err());
        assert!(size("1.99999999999999999999M").is_err());
    }

    #[test]
    fn times_have_letters_or_the_unit_that_they_always_had() {
        for (text, expected) in [("90", 90), ("90s", 90), ("30m", 1_800), ("1.5h", 5_400), ("2d", 172_800)] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for (text, expected) in [
            ("10min", 600),
            ("10 minutes", 600),
            ("1hr", 3_600),
            ("1w", 604_800),
            ("1h30m", 5_400),
            ("1h 30min", 5_400),
            ("1m30.5s", 90),
        ] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for bad in [
            "", "0", "0.5", "m", "-1", "1e3", "inf", "nan", "é", "366d", "1h30", "500ms", "10M", "1h 30",
            "h1", "1 h x", "1hé", "1:30", "1h-1m",
        ] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
        assert!(seconds("0").unwrap_err().contains("leave it out"));
        for (text, expected) in [("0", 0.0), ("1.5", 1.5), ("90s", 1.5), ("1h", 60.0)] {
            assert_eq!(minutes(text), Ok(expected), "{text}");
        }
        for bad in ["", "-1", "inf", "x", "1000000000000"] {
            assert!(minutes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hosts_have_a_port() {
        assert!(host_and_port("[::1]:6881").is_ok());
        for bad in ["", "host", ":1", "host:0", "host:65536", "host:x"] {
            assert!(host_and_port(bad).is_err(), "{bad}");
        }
    }
}
