//! Makes a path element from a stranger into one that every file system takes.
//!
//! The rules are the same on every system, and include those of Windows, because a download often ends up on
//! the disk of another system. There is one exception: characters that only Windows refuses are kept on other
//! systems, because they are common in honest names (`Q&A: what?`).

use crate::text::is_hidden;

/// Bytes in a path element that every common file system takes.
const MAX_ELEMENT_BYTES: usize = 255;

/// Bytes after the last dot that still count as an extension, the dot included.
const MAX_EXTENSION_BYTES: usize = 16;

/// Bytes in a dot and a 32-bit number at most.
const NUMBER_BYTES: usize = 11;

/// Names that Windows reserves for devices, whatever the extension.
const RESERVED: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// The safe form of an element. `None` for an element that names nothing: an empty one, `.` and `..`.
///
/// What is not UTF-8 becomes U+FFFD; separators and hidden characters become `_`.
pub(super) fn safe(bytes: &[u8]) -> Option<String> {
    if matches!(bytes, b"" | b"." | b"..") {
        return None;
    }
    let mut element: String = String::from_utf8_lossy(bytes)
        .chars()
        .map(|character| if is_forbidden(character) { '_' } else { character })
        .collect();
    // Windows drops dots and spaces at the end, so two names could become one there.
    element.truncate(element.trim_end_matches(['.', ' ']).len());
    if element.is_empty() || is_reserved(&element) {
        element.insert(0, '_');
    }
    Some(shortened(element, MAX_ELEMENT_BYTES))
}

/// The name with a number before its extension. It stays short enough, because [`base`] has left room for the
/// number.
pub(super) fn numbered(base: &str, number: u32) -> String {
    let (stem, extension) = split_extension(base);
    format!("{stem}.{number}{extension}")
}

/// The name, cut so that [`numbered`] can put any number into it.
pub(super) fn base(name: &str) -> String {
    shortened(name.to_owned(), MAX_ELEMENT_BYTES - NUMBER_BYTES)
}

/// The form in which names are compared. Names that differ only in case are one file on many systems.
pub(super) fn folded(name: &str) -> String {
    name.to_lowercase()
}

fn is_forbidden(character: char) -> bool {
    let on_windows = matches!(character, '<' | '>' | ':' | '"' | '|' | '?' | '*');
    matches!(character, '/' | '\\') || is_hidden(character) || (cfg!(windows) && on_windows)
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
fn split_extension(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= MAX_EXTENSION_BYTES => name.split_at(dot),
        _ => (name, ""),
    }
}

/// The name, cut to `limit` bytes between two characters; its extension is kept.
fn shortened(name: String, limit: usize) -> String {
    if name.len() <= limit {
        return name;
    }
    let (stem, extension) = split_extension(&name);
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
        assert_eq!(safe(bytes).as_deref(), Some(expected), "{}", bytes.escape_ascii());
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
        }
    }

    #[test]
    fn an_element_that_names_nothing_is_left_out() {
        assert_eq!((safe(b""), safe(b"."), safe(b"..")), (None, None, None));
    }

    #[test]
    fn separators_and_hidden_characters_are_replaced() {
        is(b"/etc/passwd", "_etc_passwd");
        is(b"..\\..\\x", ".._.._x");
        is(b"a\0b\x1b[2J\x7f", "a_b_[2J_");
        is("gpj.\u{202e}exe".as_bytes(), "gpj._exe");
        is(b"file\x80.foo", "file\u{fffd}.foo");
    }

    #[test]
    fn dots_and_spaces_at_the_end_are_removed() {
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
        let long = safe(format!("{}.torrent", "a".repeat(300)).as_bytes()).unwrap();
        assert_eq!(long, format!("{}.torrent", "a".repeat(247)));
        let wide = safe(format!("{}.mkv", "世".repeat(100)).as_bytes()).unwrap();
        assert_eq!(wide, format!("{}.mkv", "世".repeat(83)));
        assert_eq!(safe("x".repeat(256).as_bytes()).unwrap().len(), 255);
        is(format!("a.{}", "b".repeat(300)).as_bytes(), &format!("a.{}", "b".repeat(253)));
        is(format!("{}a.txt", ".".repeat(300)).as_bytes(), "_.txt");
    }

    #[test]
    fn a_number_goes_before_the_extension_and_always_fits() {
        assert_eq!(numbered("bar.txt", 1), "bar.1.txt");
        assert_eq!(numbered("bar", 12), "bar.12");
        assert_eq!(numbered(".bashrc", 1), ".bashrc.1");
        let long = base(&safe("y".repeat(300).as_bytes()).unwrap());
        assert!(numbered(&long, u32::MAX).len() <= 255);
    }
}
