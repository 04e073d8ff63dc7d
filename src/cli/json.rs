//! JSON for programs, in which every character that is not displayed is escaped: a value stays what it is, and a
//! terminal that shows it takes no harm.

use super::terminal::Filter;
use crate::text::is_printable;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{self, Write};

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
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a String does not fail.
            let _ = write!(text, "\\u{unit:04x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
}
