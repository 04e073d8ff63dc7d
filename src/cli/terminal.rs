//! Where text leaves the program: standard output, standard error, the log.
//!
//! No other file writes to them (`tests/layout.rs` looks). Whatever is written here loses what could control a
//! terminal, so that a call that forgot to look after a stranger's text does no harm. Bars are drawn by the
//! library for them (`cli/progress/`), which gets texts that were looked after.

use crate::text::{printable, printable_lines};
use log::{LevelFilter, Record};
use std::io::{self, IsTerminal, Write};

/// Bytes of a line that are kept until its end comes.
const LONGEST_LINE: usize = 64 * 1024;

/// Standard output, for people and for programs.
pub fn output() -> impl Write {
    Filter::new(io::stdout().lock(), printable_lines)
}

/// Writes the bytes of a file to standard output, as they are: for a pipe or a file, not for a person.
///
/// # Errors
///
/// Standard output is a terminal, or cannot be written.
pub fn write_file(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if out.is_terminal() {
        return Err(io::Error::other("it is a terminal (send it to a file or into a pipe)"));
    }
    out.write_all(bytes)?;
    out.flush()
}

/// Standard output for the events of `--json`, which have nothing in them that could control a terminal. It may be
/// written to by another thread than the main one.
pub fn events() -> impl Write + Send {
    io::stdout()
}

/// Whether both standard output and standard error are seen by a person.
pub fn shows_both() -> bool {
    is_terminal() && io::stdout().is_terminal()
}

/// Writes a line to standard error. This fails if its reader is gone, and then nobody would read of that.
pub fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{}", printable_lines(text));
}

/// Whether standard error is a terminal.
pub fn is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Starts the log on standard error, without time or colour. `RUST_LOG` can select more than `-v`, but only of
/// what this program says: a library would show the headers of requests, with the passwords in them.
pub fn start_log(verbose: u8, quiet: bool) {
    let level = match (verbose, quiet) {
        (_, true) => LevelFilter::Error,
        (0, false) => LevelFilter::Warn,
        (1, false) => LevelFilter::Debug,
        (2.., false) => LevelFilter::Trace,
    };
    let _ = env_logger::Builder::new()
        .filter_module("femtotorrent", level)
        .parse_default_env()
        .format(write_record)
        .try_init();
}

fn write_record(out: &mut impl Write, record: &Record<'_>) -> io::Result<()> {
    match record.target().split("::").next() {
        // A stranger that could begin a line could write the log.
        Some("femtotorrent") => writeln!(out, "{}", printable(&record.args().to_string())),
        _ => Ok(()),
    }
}

/// Changes the text that is written through it, by lines.
pub(super) struct Filter<Inner> {
    inner: Inner,
    /// Gets whole lines, or a part of a very long one.
    change: fn(&str) -> String,
    /// What has come of a line that has not ended.
    line: Vec<u8>,
}

impl<Inner: Write> Filter<Inner> {
    pub(super) fn new(inner: Inner, change: fn(&str) -> String) -> Filter<Inner> {
        Filter { inner, change, line: Vec::new() }
    }

    fn pass_on(&mut self) -> io::Result<()> {
        let text = (self.change)(&String::from_utf8_lossy(&self.line));
        self.line.clear();
        self.inner.write_all(text.as_bytes())
    }
}

impl<Inner: Write> Write for Filter<Inner> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let (whole, rest) = bytes.split_at(end);
        self.line.extend_from_slice(whole);
        if end > 0 {
            self.pass_on()?;
        }
        self.line.extend_from_slice(rest);
        if self.line.len() > LONGEST_LINE && std::str::from_utf8(&self.line).is_ok() {
            self.pass_on()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pass_on()?;
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(parts: &[&[u8]]) -> String {
        let mut shown = Filter::new(Vec::new(), printable_lines);
        parts.iter().for_each(|part| shown.write_all(part).unwrap());
        shown.flush().unwrap();
        String::from_utf8(shown.inner).unwrap()
    }

    #[test]
    fn nothing_that_controls_a_terminal_leaves() {
        assert_eq!(
            shown(&[b"a\x1b[2Jb\n", "c\u{202e}d\u{200b}\n".as_bytes()]),
            "a\u{fffd}[2Jb\nc\u{fffd}d\u{fffd}\n"
        );
        // A character may come in parts.
        let parts: Vec<&[u8]> = "\u{9b}x é\ny".as_bytes().chunks(1).collect();
        assert_eq!(shown(&parts), "\u{fffd}x é\ny");
        assert_eq!(shown(&[b"\xff\xfe\n"]), "\u{fffd}\u{fffd}\n");
    }

    #[test]
    fn the_log_has_one_line_for_each_message_of_ours_and_none_of_a_library() {
        let mut out = Vec::new();
        for target in ["femtotorrent", "femtotorrent::tracker", "femtotorrent_2", "ureq", "rustls::client"] {
            let words = format!("{target} says\x1b[2J\u{202e}\nfemtotorrent: done");
            write_record(&mut out, &Record::builder().target(target).args(format_args!("{words}")).build())
                .unwrap();
        }
        let expected = "says\u{fffd}[2J\u{fffd} femtotorrent: done\n";
        let expected = format!("femtotorrent {expected}femtotorrent::tracker {expected}");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_line_leaves_when_it_ends_and_a_very_long_one_before() {
        let mut shown = Filter::new(Vec::new(), printable_lines);
        shown.write_all(b"one\ntwo").unwrap();
        assert_eq!(shown.inner, b"one\n");
        shown.write_all(&vec![b'x'; 2 * LONGEST_LINE]).unwrap();
        assert!(shown.inner.len() > LONGEST_LINE && shown.line.is_empty());
    }

    #[test]
    fn a_failure_of_the_reader_is_told() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        assert!(Filter::new(Full, printable_lines).write_all(b"x\n").is_err());
        let mut shown = Filter::new(Full, printable_lines);
        assert!(shown.write_all(b"x").is_ok() && shown.flush().is_err());
    }
}
