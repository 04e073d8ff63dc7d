//! Where text leaves the program: standard output, standard error, the log, the lines at the bottom of a terminal.
//!
//! No other file writes to them (`tests/layout.rs` looks). Whatever is written here loses what could control a
//! terminal, so that a call that forgot to look after a stranger's text does no harm. All that goes to standard error
//! goes through one lock and knows of the lines that are drawn there (`cli/terminal/block.rs`), so that sentences and the
//! log stand above them, whole.

mod block;

use super::watch::log_ring;
use crate::text::{printable, printable_lines, without_error_numbers};
use crate::thread::lock;
use block::Block;
use log::{Level, LevelFilter, Record};
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, OnceLock};
use std::time::Instant;

/// Bytes of a line that are kept until its end comes.
const LONGEST_LINE: usize = 64 * 1024;

/// What is drawn on standard error.
static BLOCK: Mutex<Block> = Mutex::new(Block::new());
/// What is drawn is no longer ours to change.
static IS_LEFT: AtomicBool = AtomicBool::new(false);

/// What a word is to look like, where there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// It went well: green.
    Good,
    /// The user should know: yellow.
    Warning,
    /// It failed: red.
    Error,
}

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
    stream()?.write_all(bytes)
}

/// Standard output for the bytes of files, as they are.
///
/// # Errors
///
/// It is a terminal, or cannot be used.
pub fn stream() -> io::Result<File> {
    let out = io::stdout();
    if out.is_terminal() {
        return Err(io::Error::other("it is a terminal (send it to a file or into a pipe)"));
    }
    Ok(out.as_fd().try_clone_to_owned()?.into())
}

/// Standard output for the events of `--json`, which have nothing in them that could control a terminal. It has no lock,
/// so that a thread that waits for the reader keeps no other one from ending the process.
///
/// # Errors
///
/// The system has no more open files.
pub fn events() -> io::Result<File> {
    io::stdout().as_fd().try_clone_to_owned().map(File::from)
}

/// Standard error, for whole lines that stand above what is drawn there.
pub fn lines() -> impl Write + Send {
    Lines
}

/// Whether both standard output and standard error are seen by a person.
pub fn shows_both() -> bool {
    is_terminal() && io::stdout().is_terminal()
}

/// Writes a line to standard error. This fails if its reader is gone, and then nobody would read of that.
pub fn say(text: &str) {
    print(&format!("{}\n", cleaned(text)));
}

/// The same for a sentence of which one word has a colour.
pub fn say_in_colour(before: &str, tone: Tone, word: &str, after: &str) {
    print(&format!(
        "{}{}{}\n",
        cleaned(before),
        painted(tone, &cleaned(word), has_colours()),
        cleaned(after)
    ));
}

/// Writes an error of this program.
pub fn say_error(text: &str) {
    say_in_colour("", Tone::Error, "femtotorrent:", &format!(" {text}"));
}

/// Draws these lines, which are no wider than the terminal, below all that was written, in place of those that were
/// drawn before.
pub fn draw(lines: &[String]) {
    static PANICS: Once = Once::new();
    PANICS.call_once(clear_before_panics);
    let lines = lines.iter().map(|line| printable(line)).collect();
    let mut block = block();
    write(&block.draw(lines, screen().0));
}

/// Takes the lines away.
pub fn clear() {
    let mut block = block();
    write(&block.clear(screen().0));
}

/// The lines on the screen are to stay as they are: we were stopped or in the background, and the shell has written
/// something below them. Never waits, not even for a terminal that takes nothing (Ctrl-S).
pub fn leave_lines() {
    IS_LEFT.store(true, Ordering::SeqCst);
}

fn block() -> MutexGuard<'static, Block> {
    let mut block = lock(&BLOCK);
    if IS_LEFT.swap(false, Ordering::SeqCst) {
        block.forget();
    }
    block
}

/// The columns and rows of the terminal behind standard error.
pub fn screen() -> (usize, usize) {
    let size = rustix::termios::tcgetwinsize(io::stderr());
    let sides = size.map_or((0, 0), |size| (usize::from(size.ws_col), usize::from(size.ws_row)));
    // Some terminals do not know their size, as over a serial line.
    (if sides.0 == 0 { 80 } else { sides.0 }, if sides.1 == 0 { 24 } else { sides.1 })
}

/// The columns for text on standard output: those of the terminal, where it is one. Longer lines are hard to read.
pub fn columns() -> usize {
    let columns = rustix::termios::tcgetwinsize(io::stdout()).map_or(0, |size| usize::from(size.ws_col));
    if columns == 0 { 80 } else { columns.clamp(20, 100) }
}

/// Has another program write all that it writes to standard error: standard output is for what we print there.
pub fn lead_to_errors(command: &mut Command) {
    command.stdout(io::stderr()).stderr(Stdio::inherit());
}

/// Whether standard error is a terminal.
pub fn is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Whether lines can be drawn on standard error: it is a terminal, and one in which the cursor can be moved.
pub fn can_draw() -> bool {
    is_terminal() && !is_dumb()
}

/// Writes what waits to be written.
pub fn flush() {
    let _ = io::stdout().flush();
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|name| name == "dumb")
}

/// Whether words have colours: on a terminal, unless `NO_COLOR` is there (no-color.org); `CLICOLOR_FORCE` wants them
/// elsewhere too.
fn has_colours() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_forced =
            std::env::var_os("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0");
        !is_set("NO_COLOR") && (is_forced || can_draw())
    })
}

fn painted(tone: Tone, word: &str, in_colour: bool) -> String {
    let colour = match tone {
        Tone::Good => 32,
        Tone::Warning => 33,
        Tone::Error => 31,
    };
    if in_colour { format!("\x1b[1;{colour}m{word}\x1b[0m") } else { word.to_owned() }
}

fn cleaned(text: &str) -> String {
    printable_lines(&without_error_numbers(text))
}

/// Writes whole lines, which were looked after, above what is drawn.
fn print(text: &str) {
    let mut block = block();
    write(&block.print(text, screen().0));
}

/// One call of the system for each frame, so that the terminal never shows half of one.
fn write(bytes: &str) {
    if !bytes.is_empty() {
        let _ = io::stderr().write_all(bytes.as_bytes());
    }
}

/// The library prints the text of a panic itself. The lines would be drawn over it, and it into them.
fn clear_before_panics() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // The thread that panics may hold the lock.
        if let Ok(mut block) = BLOCK.try_lock() {
            write(&block.clear(screen().0));
        }
        print(panic);
    }));
}

/// Starts the log on standard error. With `-v` each line begins with the seconds since the start. `RUST_LOG` can select
/// more than `-v`, but only of what this program says: a library would show the headers of requests, with the passwords
/// in them.
pub fn start_log(verbose: u8, quiet: bool) {
    let level = match (verbose, quiet) {
        (_, true) => LevelFilter::Error,
        (0, false) => LevelFilter::Warn,
        (1, false) => LevelFilter::Debug,
        (2.., false) => LevelFilter::Trace,
    };
    let start = (verbose > 0).then(Instant::now);
    let logger = env_logger::Builder::new()
        .filter_module("femtotorrent", level)
        .parse_default_env()
        .target(env_logger::Target::Pipe(Box::new(Lines)))
        .format(move |out, record| {
            write_record(out, record, start.map(|start| start.elapsed().as_secs_f64()), has_colours())
        })
        .build();
    let level = logger.filter();
    log_ring::start(logger, level);
}

fn write_record(
    out: &mut impl Write,
    record: &Record<'_>,
    seconds: Option<f64>,
    in_colour: bool,
) -> io::Result<()> {
    if record.target().split("::").next() != Some("femtotorrent") {
        return Ok(());
    }
    if let Some(seconds) = seconds {
        write!(out, "{seconds:.3} ")?;
    }
    // A stranger that could begin a line could write the log.
    let text = printable(&without_error_numbers(&record.args().to_string()));
    match (record.level(), text.strip_prefix("femtotorrent: ")) {
        (Level::Error, Some(text)) => {
            writeln!(out, "{} {text}", painted(Tone::Error, "femtotorrent:", in_colour))
        }
        (Level::Warn, _) => writeln!(out, "{} {text}", painted(Tone::Warning, "warning:", in_colour)),
        _ => writeln!(out, "{text}"),
    }
}

/// Standard error, for the log and the trace: it writes whole lines.
struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        print(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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

    fn log(out: &mut Vec<u8>, target: &str, level: Level, seconds: Option<f64>, text: &str) {
        let mut record = Record::builder();
        record.target(target).level(level);
        write_record(out, &record.args(format_args!("{text}")).build(), seconds, false).unwrap();
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
            log(&mut out, target, Level::Info, None, &words);
        }
        let expected = "says\u{fffd}[2J\u{fffd} femtotorrent: done\n";
        let expected = format!("femtotorrent {expected}femtotorrent::tracker {expected}");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn the_log_says_how_grave_it_is_and_when_it_came() {
        for (level, seconds, text, expected) in [
            (Level::Warn, None, "no room (os error 28)", "warning: no room\n"),
            (Level::Error, None, "femtotorrent: no", "femtotorrent: no\n"),
            (Level::Debug, Some(12.3451), "a peer", "12.345 a peer\n"),
        ] {
            let mut out = Vec::new();
            log(&mut out, "femtotorrent", level, seconds, text);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
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
