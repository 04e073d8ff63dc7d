//! Where text leaves the program: standard output, standard error, the log, the lines at the bottom of a terminal.
//!
//! No other file writes to them (`tests/layout.rs` looks). Whatever is written here loses what could control a
//! terminal, so that a call that forgot to look after a stranger's text does no harm. All that goes to standard error
//! goes through one lock and knows of what is drawn there (`cli/terminal/full/surface.rs`), so that sentences and the
//! log stand above the lines, whole, and wait for the end of a full screen.

mod block;
mod filter;
mod fold;
#[cfg(feature = "watch")]
pub mod full;
mod log;
mod pen;

pub(super) use filter::Filter;
pub use log::start_log;

use crate::text::{printable, printable_lines, without_error_numbers};
use crate::thread::lock;
#[cfg(not(feature = "watch"))]
use block::Block as Drawn;
#[cfg(feature = "watch")]
use full::Surface as Drawn;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, OnceLock};

/// What is drawn on standard error.
static DRAWN: Mutex<Drawn> = Mutex::new(Drawn::new());
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
#[cfg(feature = "trace")]
pub fn lines() -> impl Write + Send {
    Lines
}

/// Standard output for whole lines. Where it is the terminal on which lines are drawn, they stand above those.
///
/// # Errors
///
/// The system has no more open files.
#[cfg(feature = "trace")]
pub fn output_lines() -> io::Result<Box<dyn Write + Send>> {
    if shows_both() {
        return Ok(Box::new(Lines));
    }
    Ok(Box::new(Filter::new(events()?, printable_lines)))
}

/// A sentence for standard output, broken between words where that is a terminal.
pub fn sentence(text: &str) -> String {
    let columns = rustix::termios::tcgetwinsize(io::stdout()).map_or(0, |size| usize::from(size.ws_col));
    if columns == 0 { text.to_owned() } else { fold::folded(text, columns) }
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
    outlive_panics();
    let lines = lines.iter().map(|line| printable(line)).collect();
    let mut drawn = drawn();
    write(&drawn.draw(lines, screen().0));
}

/// Takes the lines away.
pub fn clear() {
    let mut drawn = drawn();
    write(&drawn.clear(screen().0));
}

/// The lines on the screen are to stay as they are: we were stopped or in the background, and the shell has written
/// something below them. Never waits, not even for a terminal that takes nothing (Ctrl-S).
pub fn leave_lines() {
    IS_LEFT.store(true, Ordering::SeqCst);
    #[cfg(feature = "watch")]
    full::take_keys();
}

/// Puts the terminal back as it was, for whoever ends the process. Never waits for one that takes nothing.
pub fn give_back() {
    #[cfg(feature = "watch")]
    full::give_back();
}

fn drawn() -> MutexGuard<'static, Drawn> {
    let mut drawn = lock(&DRAWN);
    if IS_LEFT.swap(false, Ordering::SeqCst) {
        drawn.forget();
    }
    drawn
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

/// Writes whole lines, which were looked after, above what is drawn; on a terminal, broken between words.
fn print(text: &str) {
    let columns = screen().0;
    let text = if is_terminal() { fold::folded(text, columns) } else { text.to_owned() };
    let mut drawn = drawn();
    write(&drawn.print(&text, columns));
}

/// One call of the system for each frame, so that the terminal never shows half of one.
fn write(bytes: &str) {
    if !bytes.is_empty() {
        pen::write(bytes.as_bytes());
    }
}

/// From now on what is drawn goes before a panic is printed. The library prints the text of a panic itself: the lines
/// would be drawn over it, and it into them.
fn outlive_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            #[cfg(feature = "watch")]
            full::give_back_for_panic();
            // The thread that panics may hold the lock.
            if let Ok(mut drawn) = DRAWN.try_lock() {
                write(&drawn.clear(screen().0));
            }
            print(panic);
        }));
    });
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
