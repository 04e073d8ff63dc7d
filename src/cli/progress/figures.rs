//! The figures of a download, in words: short, and of a width that changes little.

use crate::message::Snapshot;
use crate::text::{fixed, size};

/// The tenths of units in so many bytes of `of`, those in `of`, and the name of the unit, which is that of `of`. A part is
/// rounded down and the whole up, so that a part is never the whole.
fn in_unit_of(bytes: u64, of: u64) -> (u64, u64, &'static str) {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut unit = (1_u128, "bytes");
    for name in UNITS {
        let next = unit.0 * 1024;
        // As `size` chooses it.
        if u128::from(of) < next {
            break;
        }
        unit = (next, name);
    }
    let all = (u128::from(of) * 10).div_ceil(unit.0);
    let part = if bytes >= of { all } else { u128::from(bytes) * 10 / unit.0 };
    let tenths = |tenths: u128| u64::try_from(tenths).unwrap_or(u64::MAX);
    (tenths(part), tenths(all), unit.1)
}

/// `28.7/92.0 MiB`.
pub fn of_total(done: u64, total: u64) -> String {
    let (there, all, unit) = in_unit_of(done, total);
    match unit {
        "bytes" => format!("{}/{} bytes", there / 10, all / 10),
        _ => {
            let all = format!("{}.{}", all / 10, all % 10);
            let there = format!("{}.{}", there / 10, there % 10);
            format!("{there:>width$}/{all} {unit}", width = all.len())
        }
    }
}

/// `28.7 of 92 MiB`, for a sentence.
pub fn part_of(done: u64, total: u64) -> String {
    let (there, ..) = in_unit_of(done, total);
    let there = match (there / 10, there % 10) {
        // Less than a tenth of the unit is something, too.
        (0, 0) if done > 0 => size(done),
        (whole, 0) => whole.to_string(),
        (whole, tenths) => format!("{whole}.{tenths}"),
    };
    format!("{there} of {}", size(total))
}

/// How much of it is done, in hundredths. It is 100 only where it is the whole.
pub fn percent(done: u64, total: u64) -> u64 {
    let hundredths = u128::from(done) * 100;
    hundredths.checked_div(u128::from(total)).map_or(100, |percent| percent.min(100) as u64)
}

/// A rate, for people to read.
pub fn rate(bytes_a_second: f64) -> String {
    format!("{}/s", size(bytes_a_second as u64))
}

/// The same in three or four letters: `5M`.
pub fn short_rate(bytes_a_second: f64) -> String {
    let bytes = bytes_a_second as u64;
    match bytes {
        0..1024 => format!("{bytes}B"),
        1024..1_048_576 => format!("{}K", bytes >> 10),
        1_048_576..1_073_741_824 => format!("{}M", bytes >> 20),
        _ => format!("{}G", bytes >> 30),
    }
}

/// What is sent, as a rate.
pub fn up(snapshot: &Snapshot) -> String {
    match snapshot.up_rate as u64 {
        0 => "up 0".to_owned(),
        _ => format!("up {}", rate(snapshot.up_rate)),
    }
}

/// The seconds that the rest takes at the rate of the last seconds. `None` while nothing moves: what is left of that rate
/// says nothing of when it goes on.
pub fn seconds_left(snapshot: &Snapshot) -> Option<u64> {
    let left = snapshot.total.saturating_sub(snapshot.done) as f64;
    (snapshot.rate >= 1.0 && snapshot.stall.is_none()).then(|| (left / snapshot.rate) as u64)
}

/// A time, rounded up: `11 s`, `3 min`, `2 h 5 min`, `9 days`.
pub fn time(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds.div_ceil(60)),
        3600..172_800 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// The same in two or three letters: `11s`.
pub fn short_time(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds.div_ceil(60)),
        3600..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// How long something took: `12.6 s`, `3 min 4 s`, `2 h 5 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds as u64;
    match whole {
        0..60 => format!("{} s", fixed(seconds, 1)),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// So many of something, in words.
pub fn counted(count: usize, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// Where a download comes from.
pub fn sources(peers: usize, web_seeds: usize) -> String {
    match web_seeds {
        0 => counted(peers, "peer"),
        _ => format!("{}, {}", counted(peers, "peer"), counted(web_seeds, "web seed")),
    }
}

/// The bytes uploaded in this run, as a multiple of the payload: `1.50`.
pub fn ratio(snapshot: &Snapshot) -> String {
    fixed(snapshot.uploaded as f64 / snapshot.total.max(1) as f64, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_has_the_unit_of_the_whole_and_is_never_too_much() {
        let mib = 1 << 20;
        for (done, total, short, words) in [
            (30_094_131, 92 * mib, "28.6/92.0 MiB", "28.6 of 92 MiB"),
            (0, 92 * mib, " 0.0/92.0 MiB", "0 of 92 MiB"),
            (98_304, 92 * mib, " 0.0/92.0 MiB", "96 KiB of 92 MiB"),
            (92 * mib - 1, 92 * mib, "91.9/92.0 MiB", "91.9 of 92 MiB"),
            (92 * mib, 92 * mib, "92.0/92.0 MiB", "92 of 92 MiB"),
            (60_000_001, 60_000_006, "57.2/57.3 MiB", "57.2 of 57.3 MiB"),
            (60_000_006, 60_000_006, "57.3/57.3 MiB", "57.3 of 57.3 MiB"),
            (5, 1000, "5/1000 bytes", "5 of 1000 bytes"),
            (0, 0, "0/0 bytes", "0 of 0 bytes"),
            (u64::MAX, u64::MAX, "16.0/16.0 EiB", "16 of 16 EiB"),
        ] {
            assert_eq!((of_total(done, total).as_str(), part_of(done, total).as_str()), (short, words));
        }
    }

    #[test]
    fn a_hundred_hundredths_are_the_whole() {
        let all = [(0, 3), (1, 3), (2, 3), (3, 3), (u64::MAX - 1, u64::MAX), (0, 0)];
        assert_eq!(all.map(|(done, total)| percent(done, total)), [0, 33, 66, 100, 99, 100]);
    }

    #[test]
    fn web_seeds_are_counted_beside_the_peers() {
        let all = [(0, 0), (1, 0), (2, 1), (0, 3)].map(|(peers, web_seeds)| sources(peers, web_seeds));
        assert_eq!(all, ["0 peers", "1 peer", "2 peers, 1 web seed", "0 peers, 3 web seeds"]);
    }

    #[test]
    fn times_are_short() {
        let all = [5, 61, 7_260, 200_000].map(|seconds| (time(seconds), short_time(seconds)));
        let expected = [("5 s", "5s"), ("2 min", "2m"), ("2 h 1 min", "2h"), ("2 days", "2d")];
        assert_eq!(all, expected.map(|(long, short)| (long.to_owned(), short.to_owned())));
        assert_eq!([12.64, 184.0, 7_500.0].map(duration), ["12.6 s", "3 min 4 s", "2 h 5 min"]);
    }
}
