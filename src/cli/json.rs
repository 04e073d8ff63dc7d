//! JSON for programs, in which every character that is not displayed is escaped: a value stays what it is, and a
//! terminal that shows it takes no harm.
//!
//! A path may be in any encoding. One that is not UTF-8 is given twice: as text with U+FFFD, and byte for byte in
//! hexadecimal digits, so that a program can find the file.

use super::exit::Exit;
use super::terminal::Filter;
use crate::text::is_printable;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The version of what `show`, `verify` and `create` print, and of the events of `get` and `seed`. It changes if a program
/// that reads the old one could misunderstand the new one, and not when entries are added.
pub const FORMAT: u64 = 1;

/// What stands in place of the result of a command that failed.
pub fn failure(exit: Exit, sentence: &str) -> Value {
    json!({"format": FORMAT, "exit_code": exit.0, "error": sentence})
}

/// The entries with `path`, and `path_hex` if that is not the whole truth.
pub fn with_path(path: &Path, mut value: Value) -> Value {
    if let Some(entries) = value.as_object_mut() {
        entries.insert("path".to_owned(), json!(path.to_string_lossy()));
        if path.to_str().is_none() {
            entries.insert("path_hex".to_owned(), json!(hex(path)));
        }
    }
    value
}

/// The bytes of a path in hexadecimal digits.
pub fn hex(path: &Path) -> String {
    let mut digits = String::new();
    for byte in path.as_os_str().as_bytes() {
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

/// Adds this text as a string of JSON.
pub fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            _ if is_printable(character) => out.push(character),
            _ => push_escaped(out, character),
        }
    }
    out.push('"');
}

fn push_escaped(out: &mut String, character: char) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        // Writing to a String does not fail.
        let _ = write!(out, "\\u{unit:04x}");
    }
}

/// Writes the value and ends the line.
///
/// # Errors
///
/// `out` cannot be written.
pub fn write(out: &mut impl Write, value: &Value) -> io::Result<()> {
    let mut out = Filter::new(out, escaped);
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)?;
    out.flush()
}

/// Outside of its strings JSON has only printable characters and line breaks.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if is_printable(character) || character == '\n' {
            text.push(character);
            continue;
        }
        push_escaped(&mut text, character);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn what_is_not_displayed_is_escaped_and_means_the_same() {
        let value = json!({"a\u{9b}": ["\u{202e}b\u{7f}\u{200b}", "\u{e0041}é\n\u{1b}\"\\", 7]});
        let mut out = Vec::new();
        write(&mut out, &value).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.chars().all(|letter| is_printable(letter) || letter == '\n'), "{text}");
        assert!(text.contains("\\u202eb\\u007f\\u200b") && text.contains("\\udb40\\udc41é"), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn every_path_can_be_read_back() {
        for bytes in [&b"a\nb\x1b[2J\x7f"[..], "\u{9b}\u{202e}ž\u{2028}\"\\".as_bytes(), b"caf\xe9z\x9b"] {
            let path = Path::new(OsStr::from_bytes(bytes));
            let mut out = Vec::new();
            write(&mut out, &with_path(path, json!({"length": 1}))).unwrap();
            let read: Value = serde_json::from_slice(&out).unwrap();
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
