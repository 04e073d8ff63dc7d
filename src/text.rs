//! Text for a person to read.
//!
//! Names, tracker messages and client names come from strangers. A control character in them can clear a
//! terminal or change its title. A bidirectional one can make `txt.exe` look like `exe.txt`, and one without a
//! width makes two different names look the same. So text from a stranger is never printed as it came: the code
//! that prints it calls [`printable`] or [`excerpt`] first. Whatever leaves the program for people goes through
//! [`printable_lines`] as well, where it leaves, so that a call that was forgotten does no harm. This is the one
//! place in the program that knows which characters are harmful. Pure, and called from everywhere.

use std::io;
use std::path::Path;

/// Whether the character changes how the text around it is displayed instead of being displayed itself:
/// control characters, bidirectional controls (Unicode Standard Annex 9), line and paragraph separators.
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether nothing at all is displayed for the character: spaces and joints without a width, tags, annotations.
/// The two joiners that some scripts and pictures are written with, U+200C and U+200D, are not counted.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Whether the character is displayed as itself, in its place.
pub fn is_printable(character: char) -> bool {
    !is_hidden(character) && !is_invisible(character)
}

/// The text as one line without characters that are hidden or invisible: tabs and line breaks become spaces,
/// every other one becomes U+FFFD. It has as many characters as the original.
pub fn printable(text: &str) -> String {
    // As nearly all text is, and a trace has a lot of it.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    let shown = |character: char| match character {
        '\t' | '\n' | '\r' => ' ',
        other if is_printable(other) => other,
        _ => char::REPLACEMENT_CHARACTER,
    };
    text.chars().map(shown).collect()
}

/// The same for text of several lines: its line breaks stay. For the places where text leaves the program.
pub fn printable_lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// The text without the numbers of the system's errors, `(os error 28)`, whose words stand before them.
pub fn without_error_numbers(text: &str) -> String {
    let mut parts = text.split(" (os error ");
    let mut short = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(')') {
            Some((number, rest)) if number.bytes().all(|byte| byte.is_ascii_digit()) => short.push_str(rest),
            _ => {
                short.push_str(" (os error ");
                short.push_str(part);
            }
        }
    }
    short
}

/// A path as [`printable`] text. What is not UTF-8 becomes U+FFFD.
pub fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// The first `limit` characters of the [`printable`] text, followed by `…` if there are more. For a message
/// whose length a stranger decides.
pub fn excerpt(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return printable(text);
    }
    match text.char_indices().nth(limit) {
        Some((end, _)) => printable(text.get(..end).unwrap_or_default()) + "…",
        None => printable(text),
    }
}

/// What the system says went wrong, for the middle of a sentence: without its error number, and in small letters
/// except for abbreviations.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    // "I/O error" and other words in capitals stay as they are.
    match letters.clone().next() {
        Some(second) if second.is_lowercase() => first.into_iter().chain(letters).collect(),
        _ => text.to_owned(),
    }
}

/// A number of bytes, short and with a unit: `3.7 GiB`. Rounded up, so that it is never too small.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut unit = "bytes";
    // Counted in tenths, because a float cannot hold 64 bits exactly.
    let mut tenths = u128::from(bytes) * 10;
    for next in UNITS {
        if tenths < 10 * 1024 {
            break;
        }
        (tenths, unit) = (tenths.div_ceil(1024), next);
    }
    match (bytes, tenths % 10) {
        (1, _) => "1 byte".to_owned(),
        (_, 0) => format!("{} {unit}", tenths / 10),
        (_, tenth) => format!("{}.{tenth} {unit}", tenths / 10),
    }
}

/// A number that is not negative with so many digits behind the point: 12.6. Whole numbers do that, since what the
/// library prints fractions with is 14 KB.
pub fn fixed(number: f64, places: u32) -> String {
    let unit = 10_u64.saturating_pow(places).max(1);
    let parts = (number * unit as f64).round() as u64;
    format!("{}.{:0width$}", parts / unit, parts % unit, width = places as usize)
}

/// A number with its digits in groups of three: `3,971,776,512`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_have_the_digits_that_are_asked_for() {
        for (number, places, expected) in [
            (12.64, 1, "12.6"),
            (0.0, 2, "0.00"),
            (1.996, 2, "2.00"),
            (7.05, 3, "7.050"),
            (f64::NAN, 1, "0.0"),
            (-1.0, 1, "0.0"),
        ] {
            assert_eq!(fixed(number, places), expected);
        }
    }

    #[test]
    fn no_character_that_controls_a_terminal_is_kept() {
        assert_eq!(printable("a\x1b[2Jb\nc\u{9b}d"), "a\u{fffd}[2Jb c\u{fffd}d");
        assert_eq!(printable("gpj.\u{202e}exe"), "gpj.\u{fffd}exe");
        assert_eq!(printable("a\u{200b}b\u{feff}c\u{ad}d\u{e0041}"), "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}");
        assert_eq!(printable("میخواهم 👩\u{200d}🔬"), "میخواهم 👩\u{200d}🔬");
        assert_eq!(printable_lines("a\x1b[2J\nb\r\n\tc\n"), "a\u{fffd}[2J\nb \n c\n");
        assert_eq!(printable("Žluťoučký 別の世界 👍"), "Žluťoučký 別の世界 👍");
    }

    #[test]
    fn the_words_of_the_system_stay_without_their_numbers() {
        for (text, short) in [
            ("No space left on device (os error 28)", "No space left on device"),
            ("a: x (os error 2); b: y (os error 111)!", "a: x; b: y!"),
            ("a (os error x)", "a (os error x)"),
            ("a (os error 2", "a (os error 2"),
            ("", ""),
        ] {
            assert_eq!(without_error_numbers(text), short);
        }
    }

    #[test]
    fn an_excerpt_ends_at_a_character() {
        assert_eq!(excerpt("příliš", 2), "př…");
        assert_eq!(excerpt("příliš", 6), "příliš");
        assert_eq!(excerpt("", 0), "");
    }

    #[test]
    fn a_reason_fits_into_a_sentence_and_has_no_number() {
        assert_eq!(reason(&io::Error::from_raw_os_error(111)), "connection refused");
        assert_eq!(reason(&io::Error::other("I/O error (os error 5)")), "I/O error");
        assert_eq!(reason(&io::ErrorKind::TimedOut.into()), "timed out");
        assert_eq!(reason(&io::Error::other("")), "");
    }

    #[test]
    fn sizes_are_short_and_never_too_small() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (1023, "1023 bytes"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (1025, "1.1 KiB"),
            (1 << 40, "1 TiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn digits_are_grouped_in_threes() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(3_971_776_512), "3,971,776,512");
    }
}
