//! JSON for programs, which a person may see on a terminal.
//!
//! A path may be in any encoding, and may have characters that control a terminal. JSON can escape the latter
//! without loss. A path that is not UTF-8 is given twice: as text with U+FFFD, and byte for byte in hexadecimal
//! digits, so that a program can find the file.

use crate::text::is_hidden;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The entries with `path`, and `path_hex` if that is not the whole truth.
pub fn with_path(path: &Path, mut value: Value) -> Value {
    if let Some(entries) = value.as_object_mut() {
        entries.insert("path".to_owned(), json!(path.to_string_lossy()));
        if path.to_str().is_none() {
            let mut digits = String::new();
            for byte in path.as_os_str().as_bytes() {
                let _ = write!(digits, "{byte:02x}");
            }
            entries.insert("path_hex".to_owned(), json!(digits));
        }
    }
    value
}

/// Writes the value on several lines, with all hidden characters escaped.
pub fn write(value: &Value, out: &mut impl Write) -> io::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    // Between the strings there is no hidden character but the end of a line, and in them that is escaped already.
    let mut rest = text.as_str();
    while let Some(at) = rest.find(|letter| letter != '\n' && is_hidden(letter)) {
        let (before, from) = rest.split_at(at);
        out.write_all(before.as_bytes())?;
        let mut letters = from.chars();
        if let Some(hidden) = letters.next() {
            // All hidden characters have at most 16 bits.
            write!(out, "\\u{:04x}", u32::from(hidden))?;
        }
        rest = letters.as_str();
    }
    writeln!(out, "{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn every_path_can_be_read_back_and_none_controls_a_terminal() {
        for bytes in [&b"a\nb\x1b[2J\x7f"[..], "\u{9b}\u{202e}ž\u{2028}\"\\".as_bytes(), b"caf\xe9z\x9b"] {
            let path = Path::new(OsStr::from_bytes(bytes));
            let mut out = Vec::new();
            write(&with_path(path, json!({"length": 1})), &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert!(!text.chars().any(|letter| letter != '\n' && is_hidden(letter)), "{text:?}");
            let read: Value = serde_json::from_str(&text).unwrap();
            match read.get("path_hex") {
                Some(digits) => {
                    assert_eq!(digits, "636166e97a9b");
                    assert_eq!(read["path"], "caf\u{fffd}z\u{fffd}");
                }
                None => assert_eq!(read["path"].as_str().unwrap().as_bytes(), bytes),
            }
        }
    }
}
