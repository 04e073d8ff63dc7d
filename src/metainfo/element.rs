//! The spellings of a path element that came from a stranger.
//!
//! Its *own* spelling is what the torrent says, byte for byte, as far as a path can hold it: a payload that
//! another program made lies there under its own names. Its *portable* spelling is one that every common file
//! system takes, those of Windows included. Other clients know a few more
//! ([`as_libtorrent_writes`], [`as_transmission_writes`]). All of them are made
//! from the torrent alone, so that the next run finds what this one has written.

use crate::text::is_hidden;
use std::borrow::Cow;

/// Bytes in a path element that the system takes.
const MAX_ELEMENT_BYTES: usize = 255;

/// Bytes in a path element that every common file system takes. The names of eCryptfs are the shortest.
const MAX_PORTABLE_BYTES: usize = 143;

/// Bytes after the last dot that still count as an extension, the dot included.
const MAX_EXTENSION_BYTES: usize = 16;

/// Bytes in a dot and a 32-bit number at most.
const NUMBER_BYTES: usize = 11;

/// Names that Windows reserves for devices, whatever the extension.
const RESERVED: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// The element as it is. Only separators and NUL become `_`, as no name can have them, and what is longer than
/// the system takes is cut. `None` for an element that names nothing: an empty one, `.` and `..`.
pub(super) fn own(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    if matches!(bytes, b"" | b"." | b"..") {
        return None;
    }
    if bytes.len() > MAX_ELEMENT_BYTES {
        return Some(made_portable(bytes, MAX_ELEMENT_BYTES).into_bytes().into());
    }
    if !bytes.iter().any(|byte| matches!(byte, b'/' | 0)) {
        return Some(bytes.into());
    }
    let kept = |byte: &u8| if matches!(byte, b'/' | 0) { b'_' } else { *byte };
    Some(bytes.iter().map(kept).collect())
}

/// The portable spelling of an [`own`] one.
///
/// What is not UTF-8 becomes U+FFFD; hidden characters and those that Windows refuses become `_`.
pub(super) fn portable(own: &[u8]) -> Cow<'_, [u8]> {
    let portable = made_portable(own, MAX_PORTABLE_BYTES);
    if portable.as_bytes() == own { own.into() } else { portable.into_bytes().into() }
}

fn made_portable(bytes: &[u8], limit: usize) -> String {
    let mut element: String = String::from_utf8_lossy(bytes)
        .chars()
        .map(|character| if is_refused(character) { '_' } else { character })
        .collect();
    // Windows drops dots and spaces at the end, so two names could become one there.
    element.truncate(element.trim_end_matches(['.', ' ']).len());
    if element.is_empty() || is_reserved(&element) {
        element.insert(0, '_');
    }
    shortened(element, limit)
}

/// What libtorrent, and so many a client, makes of an [`own`] spelling, and under which it has written the
/// file: it leaves out backslashes and characters without a width, and puts `_` for each control character
/// and for each sequence that is not UTF-8, as long as its first byte says.
pub(super) fn as_libtorrent_writes(own: &[u8]) -> Vec<u8> {
    let mut written = String::with_capacity(own.len());
    let mut rest = own;
    while let Some(first) = rest.first() {
        let length = match first {
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            0xf8..=0xfb => 5,
            _ => 1,
        };
        let (sequence, later) = rest.split_at(rest.len().min(length));
        rest = later;
        match std::str::from_utf8(sequence).ok().and_then(|sequence| sequence.chars().next()) {
            Some('\\' | '\u{61c}' | '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}') => {}
            Some('\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}') => {}
            Some(character) if !character.is_control() => written.push(character),
            _ => written.push('_'),
        }
    }
    written.into_bytes()
}

/// What Transmission 3 makes of an [`own`] spelling: it reads what is not UTF-8 as Latin-1, puts `_` for what
/// Windows refuses and behind the names of its devices, and leaves out blanks and dots at the ends.
pub(super) fn as_transmission_writes(own: &[u8]) -> Vec<u8> {
    let text = str::from_utf8(own)
        .map_or_else(|_| own.iter().map(|byte| char::from(*byte)).collect(), str::to_owned);
    let is_replaced =
        |character: char| character < ' ' || is_separator(character) || is_for_windows(character);
    let replaced = |character| if is_replaced(character) { '_' } else { character };
    let mut written: String = text.chars().map(replaced).collect();
    written.truncate(written.trim_end_matches(['.', ' ']).len());
    let mut written = written.trim_start_matches(' ').to_owned();
    let stem = written.find('.').unwrap_or(written.len());
    let device = written.get(..stem).unwrap_or_default().to_ascii_lowercase();
    let number = device.strip_prefix("com").or_else(|| device.strip_prefix("lpt")).unwrap_or_default();
    if matches!(&*device, "con" | "prn" | "aux" | "nul") || matches!(number.as_bytes(), [b'1'..=b'9']) {
        written.insert(stem, '_');
    }
    written.into_bytes()
}

/// Whether another program may write an element otherwise, though it is portable.
pub(super) fn is_odd_elsewhere(portable: &[u8]) -> bool {
    portable.starts_with(b" ") || (!portable.is_ascii() && as_libtorrent_writes(portable) != portable)
}

/// The name with a number before its extension. It stays short enough, because [`base`] has left room for the
/// number.
pub(super) fn numbered(base: &[u8], number: u32) -> Vec<u8> {
    let (stem, extension) = split_extension(base);
    [stem, format!(".{number}").as_bytes(), extension].concat()
}

/// The name, cut so that [`numbered`] can put any number into it.
pub(super) fn base(name: &[u8]) -> Vec<u8> {
    let limit = if name.len() > MAX_PORTABLE_BYTES { MAX_ELEMENT_BYTES } else { MAX_PORTABLE_BYTES };
    let limit = limit - NUMBER_BYTES;
    if name.len() <= limit {
        return name.to_vec();
    }
    shortened(String::from_utf8_lossy(name).into_owned(), limit).into_bytes()
}

/// The form in which names are compared where case does not count, as on many disks.
pub(super) fn folded(name: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(name).to_lowercase().into_bytes()
}

fn is_refused(character: char) -> bool {
    is_separator(character) || is_hidden(character) || is_for_windows(character)
}

fn is_separator(character: char) -> bool {
    matches!(character, '/' | '\\')
}

/// Whether Windows keeps it for itself.
fn is_for_windows(character: char) -> bool {
    matches!(character, '<' | '>' | ':' | '"' | '|' | '?' | '*')
}

fn is_reserved(element: &str) -> bool {
    let stem = element.split('.').next().unwrap_or_default().trim_end_matches(' ').to_lowercase();
    let port = stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt"));
    let is_port = port.is_some_and(|number| {
        matches!(number, "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³")
    });
    is_port || RESERVED.contains(&stem.as_str())
}

/// The name without its extension, and the extension with its dot. The extension may be empty.
fn split_extension(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().rposition(|byte| *byte == b'.') {
        Some(dot) if dot > 0 && name.len() - dot <= MAX_EXTENSION_BYTES => name.split_at(dot),
        _ => (name, b""),
    }
}

/// The name, cut to `limit` bytes between two characters; its extension is kept.
fn shortened(name: String, limit: usize) -> String {
    if name.len() <= limit {
        return name;
    }
    let stem = split_extension(name.as_bytes()).0.len();
    // A dot is a whole character, so this is between two of them.
    let (stem, extension) = name.split_at(stem);
    let room = limit.saturating_sub(extension.len());
    let end = (0..=room).rev().find(|end| stem.is_char_boundary(*end)).unwrap_or(0);
    let cut = stem.get(..end).unwrap_or_default().trim_end_matches(['.', ' ']);
    // Of a stem of nothing but dots, only the extension would be left, or nothing.
    if cut.is_empty() { format!("_{extension}") } else { format!("{cut}{extension}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(bytes: &[u8], expected: &str) {
        assert_eq!(portable(&own(bytes).unwrap()), expected.as_bytes(), "{}", bytes.escape_ascii());
    }

    #[test]
    fn honest_names_stay_as_they_are() {
        for name in [
            "a",
            ".hidden",
            "..a",
            "a..b",
            " leading",
            "Žluťoučký 別の世界.txt",
            "con1",
            "comma",
            "console.txt",
        ] {
            is(name.as_bytes(), name);
            assert_eq!(as_libtorrent_writes(name.as_bytes()), name.as_bytes());
        }
    }

    #[test]
    fn an_own_name_is_what_the_torrent_says_but_for_separators() {
        for name in [&b"Vol. 1."[..], b"aux.c", b"AC\\DC", b"a\nb", b"caf\xe9", b"x ", b"...", b"Q: <what?>"]
        {
            assert_eq!(own(name).as_deref(), Some(name));
        }
        assert_eq!(own(b"../..\0/etc").as_deref(), Some(&b".._..__etc"[..]));
    }

    #[test]
    fn an_element_that_names_nothing_is_left_out() {
        assert_eq!((own(b""), own(b"."), own(b"..")), (None, None, None));
    }

    #[test]
    fn separators_hidden_characters_and_those_of_windows_are_not_portable() {
        is(b"/etc/passwd", "_etc_passwd");
        is(b"..\\..\\x", ".._.._x");
        is(b"a\0b\x1b[2J\x7f", "a_b_[2J_");
        is("gpj.\u{202e}exe".as_bytes(), "gpj._exe");
        is(b"file\x80.foo", "file\u{fffd}.foo");
        is(b"a: b? \"<>|*.mkv", "a_ b_ _____.mkv");
    }

    #[test]
    fn dots_and_spaces_at_the_end_are_not_portable() {
        is(b"Some Inc.", "Some Inc");
        is(b"foobar ", "foobar");
        is(b"...", "_");
        is(b" ", "_");
        is(b". .", "_");
    }

    #[test]
    fn device_names_of_windows_are_marked() {
        for name in ["CON", "con", "NUL.txt", "aux.tar.gz", "Com1", "LPT9.x", "COM¹", "nul .txt"] {
            is(name.as_bytes(), &format!("_{name}"));
        }
    }

    #[test]
    fn long_names_are_cut_at_a_character_and_keep_their_extension() {
        let cut = |name: String| String::from_utf8(own(name.as_bytes()).unwrap().into_owned()).unwrap();
        assert_eq!(cut(format!("{}.torrent", "a".repeat(300))), format!("{}.torrent", "a".repeat(247)));
        assert_eq!(cut(format!("{}.mkv", "世".repeat(100))), format!("{}.mkv", "世".repeat(83)));
        assert_eq!(cut("x".repeat(256)).len(), 255);
        assert_eq!(cut(format!("a.{}", "b".repeat(300))), format!("a.{}", "b".repeat(253)));
        is(format!("{}.mkv", "世".repeat(80)).as_bytes(), &format!("{}.mkv", "世".repeat(46)));
        is(format!("{}a.txt", ".".repeat(200)).as_bytes(), "_.txt");
    }

    #[test]
    fn a_number_goes_before_the_extension_and_always_fits() {
        assert_eq!(numbered(b"bar.txt", 1), b"bar.1.txt");
        assert_eq!(numbered(b"bar", 12), b"bar.12");
        assert_eq!(numbered(b".bashrc", 1), b".bashrc.1");
        for (length, limit) in [(143, 143), (300, 255)] {
            let long = base(&own("y".repeat(length).as_bytes()).unwrap());
            assert!(numbered(&long, u32::MAX).len() <= limit);
        }
    }

    /// Each was given to libtorrent 2.1.1, and is what it made of it.
    #[test]
    fn names_are_found_as_libtorrent_has_written_them() {
        for (own, written) in [
            (&b"AC\\DC.mp3"[..], "ACDC.mp3"),
            (b"new\nline", "new_line"),
            (b"caf\xe9.txt", "caf_xt"),
            (b"\xd6\xd0\xce\xc4.txt", "__.txt"),
            (b"\x83\x65\x83\x58\x83\x67.txt", "_e_X_g.txt"),
            (b"\xe9\xe9\xe9\xe9\xe9", "__"),
            (b"a\xf0abcde", "a_de"),
            (b"a\xf8abcdef", "a_ef"),
            (b"a\xfcabc", "a_abc"),
            ("a\u{85}b\u{202e}c\u{2028}d\u{200d}e".as_bytes(), "a_bc\u{2028}de"),
            (b"Vol. 1. ", "Vol. 1. "),
        ] {
            assert_eq!(as_libtorrent_writes(own), written.as_bytes(), "{}", own.escape_ascii());
        }
    }

    /// Each was given to Transmission 3.00, and is what it made of it.
    #[test]
    fn names_are_found_as_transmission_has_written_them() {
        for (own, written) in [
            (&b"AC\\DC.mp3"[..], "AC_DC.mp3"),
            (b"a: b? \"<>|*", "a_ b_ _____"),
            (b"aux.c", "aux_.c"),
            (b"prn.a.b", "prn_.a.b"),
            (b"LPT1", "LPT1_"),
            (b"aux.", "aux_"),
            (b"aux .txt", "aux .txt"),
            (b"COM0.x", "COM0.x"),
            (b"conin$", "conin$"),
            (b"caf\xe9.txt", "café.txt"),
            (b"x\x80\x9f\xff", "x\u{80}\u{9f}ÿ"),
            (b"a. .", "a"),
            (b" lead", "lead"),
            (b"... x", "... x"),
            (b"tab\tx\x7f", "tab_x\x7f"),
            ("nel\u{85}\u{200e}".as_bytes(), "nel\u{85}\u{200e}"),
        ] {
            assert_eq!(as_transmission_writes(own), written.as_bytes(), "{}", own.escape_ascii());
        }
    }
}
