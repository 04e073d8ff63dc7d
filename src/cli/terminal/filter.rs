//! Text that is changed on its way out, line by line: what could control a terminal is taken out of it.

use std::io::{self, Write};

/// Bytes of a line that are kept until its end comes.
const LONGEST_LINE: usize = 64 * 1024;

/// Changes the text that is written through it, by lines.
pub(in crate::cli) struct Filter<Inner> {
    inner: Inner,
    /// Gets whole lines, or a part of a very long one.
    change: fn(&str) -> String,
    /// What has come of a line that has not ended.
    line: Vec<u8>,
}

impl<Inner: Write> Filter<Inner> {
    pub(in crate::cli) fn new(inner: Inner, change: fn(&str) -> String) -> Filter<Inner> {
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
    use crate::text::printable_lines;

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
