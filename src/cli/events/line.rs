//! One event as one line of JSON. Its entries stand in the order in which they are added, so that `event` is the first.

use crate::cli::json;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// A line that is being written. It ends when this is dropped.
pub(super) struct Line<'a>(&'a mut String);

impl Line<'_> {
    /// Begins the line of an event of this kind.
    pub(super) fn begin<'a>(out: &'a mut String, event: &str) -> Line<'a> {
        out.push_str("{\"event\":\"");
        out.push_str(event);
        out.push('"');
        Line(out)
    }

    /// Adds entries that are JSON already, with a comma in front.
    pub(super) fn entries(&mut self, entries: &str) {
        self.0.push_str(entries);
    }

    /// Adds a word of ours, which has nothing to escape.
    pub(super) fn word(&mut self, name: &str, word: &str) {
        self.name(name);
        self.0.push('"');
        self.0.push_str(word);
        self.0.push('"');
    }

    /// Adds text of anybody.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        json::push_string(self.0, text);
    }

    /// Adds a number.
    pub(super) fn number(&mut self, name: &str, number: u64) {
        self.name(name);
        // Writing to a String does not fail.
        let _ = write!(self.0, "{number}");
    }

    /// Adds a number of things.
    pub(super) fn count(&mut self, name: &str, count: usize) {
        self.number(name, count as u64);
    }

    /// Adds `true` or `false`.
    pub(super) fn flag(&mut self, name: &str, flag: bool) {
        self.name(name);
        self.0.push_str(if flag { "true" } else { "false" });
    }

    /// Adds seconds, to the millisecond.
    pub(super) fn seconds(&mut self, name: &str, time: Duration) {
        self.name(name);
        let _ = write!(self.0, "{}.{:03}", time.as_secs(), time.subsec_millis());
    }

    /// Adds `path`, and `path_hex` if that is not the whole truth.
    pub(super) fn path(&mut self, path: &Path) {
        self.text("path", &path.to_string_lossy());
        if path.to_str().is_none() {
            self.word("path_hex", &json::hex(path));
        }
    }

    fn name(&mut self, name: &str) {
        self.0.push_str(",\"");
        self.0.push_str(name);
        self.0.push_str("\":");
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.0.push_str("}\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn a_line_is_one_object_whatever_strangers_say() {
        let mut out = String::new();
        let mut line = Line::begin(&mut out, "peer");
        line.text("text", "a\"\\\n\r\u{1b}[2J\u{202e}\u{e0041}é");
        line.seconds("time", Duration::from_millis(1_002));
        line.path(Path::new(OsStr::from_bytes(b"caf\xe9")));
        line.flag("is", true);
        drop(line);
        let expected = "{\"event\":\"peer\",\"text\":\"a\\\"\\\\\\u000a\\u000d\\u001b[2J\\u202e\\udb40\\udc41é\",\
            \"time\":1.002,\"path\":\"caf\u{fffd}\",\"path_hex\":\"636166e9\",\"is\":true}\n";
        assert_eq!(out, expected);
        let read: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(read["text"], "a\"\\\n\r\u{1b}[2J\u{202e}\u{e0041}é");
    }
}
