//! The progress of downloads on standard error: bars on a terminal, an occasional line on a pipe, or nothing.
//!
//! [`Screen`] is all that the main thread knows of it. It has one [`TorrentRow`] for each torrent. Standard
//! output stays free for what a program would read.

mod row;

use super::exit::Exit;
use super::terminal::{self, say};
use crate::message::RunPhase;
use crate::session::{Outcome, Progress, SessionError};
use crate::swarm::RunEnd;
use crate::text::printable;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use row::TorrentRow;
use std::time::{Duration, Instant};

/// On a pipe, the time between two lines of one torrent.
pub(super) const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// On a pipe, the time between two lines about those that wait for their turn.
const QUEUE_INTERVAL: Duration = Duration::from_secs(30);

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Only errors.
    Quiet,
    /// Lines, for a pipe or a log.
    Lines,
    /// Bars, for a terminal.
    Bars,
}

impl Style {
    /// The style that suits standard error, for a command that the user may have told to be quiet.
    pub fn of(quiet: bool) -> Style {
        match quiet {
            true => Style::Quiet,
            false if terminal::is_terminal() => Style::Bars,
            false => Style::Lines,
        }
    }
}

/// What the user sees of all torrents.
pub struct Screen {
    style: Style,
    bars: MultiProgress,
    rows: Vec<TorrentRow>,
    interrupted: bool,
    /// When it was last said how many torrents wait for their turn.
    last_queue: Instant,
}

impl Screen {
    /// A screen for torrents with these names.
    pub fn new(style: Style, names: Vec<String>) -> Screen {
        let target = match style {
            Style::Bars => ProgressDrawTarget::stderr_with_hz(5),
            Style::Quiet | Style::Lines => ProgressDrawTarget::hidden(),
        };
        let bars = MultiProgress::with_draw_target(target);
        let now = Instant::now();
        let row = |name: String| TorrentRow::new(style, &name, bars.add(bar(&name)), now);
        let rows: Vec<TorrentRow> = names.into_iter().map(row).collect();
        Screen { style, bars, rows, interrupted: false, last_queue: now }
    }

    /// Shows the progress of a torrent.
    pub fn show(&mut self, number: usize, progress: Progress) {
        self.look_for_the_terminal();
        let Some(row) = self.rows.get_mut(number) else { return };
        let notice = match progress {
            Progress::Metadata(state) => return row.metadata(&state),
            Progress::Named(name) => return row.rename(&name),
            Progress::Selected(files, of) => return row.selected(files, of),
            Progress::WaitsForCheck => return row.waits("waiting to be checked"),
            Progress::Checking(done, total) => return row.checking(done, total),
            Progress::Running(snapshot) if snapshot.phase == RunPhase::Seeding => {
                return row.seeding(&snapshot);
            }
            Progress::Running(snapshot) => return row.downloading(&snapshot),
            Progress::Reach(text) => text,
            Progress::Short(shortage) => row.disk_too_small(&shortage),
            Progress::Seeding { port, pieces, of } => row.seeding_begins(port, pieces, of),
        };
        self.say(&notice);
    }

    /// The turn of a torrent begins.
    pub fn begins(&mut self, number: usize) {
        self.rows.get_mut(number).into_iter().for_each(TorrentRow::begins);
    }

    /// A torrent waits for its turn.
    pub fn waits(&mut self, number: usize) {
        self.rows.get_mut(number).into_iter().for_each(|row| row.waits("waiting for its turn"));
    }

    /// So many torrents run, and so many wait, `of` all. On a pipe this is said from time to time.
    pub fn queue(&mut self, (running, waiting): (usize, usize), of: usize) {
        let is_due = self.last_queue.elapsed() >= QUEUE_INTERVAL;
        if waiting > 0 && self.style == Style::Lines && is_due {
            self.last_queue = Instant::now();
            let over = of.saturating_sub(running).saturating_sub(waiting);
            self.say(&format!(
                "{running} torrents run, {waiting} wait for their turn, {over} of {of} are done"
            ));
        }
    }

    /// The user ended everything while a torrent waited for its turn.
    pub fn cancelled(&mut self, number: usize) {
        let Some(row) = self.rows.get(number) else { return };
        let text = row.cancelled();
        self.say(&text);
    }

    /// The name of a torrent, fit to print.
    pub fn name(&self, number: usize) -> &str {
        self.rows.get(number).map(TorrentRow::name).unwrap_or_default()
    }

    /// A run has ended. Returns its exit code.
    pub fn ended(&mut self, number: usize, outcome: &Outcome) -> Exit {
        let Some(row) = self.rows.get(number) else { return Exit::OTHER };
        let text = row.ended(outcome);
        match outcome.end {
            RunEnd::Done | RunEnd::Stopped | RunEnd::ReaderGone => self.say(&text),
            // Errors are shown with --quiet too.
            RunEnd::TimedOut | RunEnd::WriterFailed => self.say_always(&text),
        }
        Exit::of(outcome.end)
    }

    /// A run has failed. Returns its exit code.
    pub fn failed(&mut self, number: usize, error: &SessionError) -> Exit {
        let name = self.rows.get(number).map(TorrentRow::close).unwrap_or_default();
        self.say_always(&format!("femtotorrent: {name}: {}", printable(&error.to_string())));
        Exit(error.exit_code())
    }

    /// The user wants to stop.
    pub fn interrupted(&mut self) {
        if !std::mem::replace(&mut self.interrupted, true) {
            self.say("stopping; the downloaded data is kept");
        }
    }

    /// Why the metadata of a magnet did not arrive.
    pub fn no_metadata(&self, number: usize) -> String {
        self.rows.get(number).map(TorrentRow::no_metadata).unwrap_or_default()
    }

    /// Removes the bars. Nothing more is shown.
    pub fn close(&mut self) {
        let _ = self.bars.clear();
    }

    fn say(&self, text: &str) {
        if self.style != Style::Quiet {
            self.say_always(text);
        }
    }

    fn say_always(&self, text: &str) {
        // The library would panic where the terminal is gone. The bars are drawn again with the next progress.
        let _ = self.bars.clear();
        say(text);
    }

    /// Draws no more bars if the terminal was closed: the library would keep all that it cannot write.
    fn look_for_the_terminal(&mut self) {
        if self.style == Style::Bars && !terminal::is_terminal() {
            self.style = Style::Lines;
            self.bars.set_draw_target(ProgressDrawTarget::hidden());
        }
    }
}

/// A bar that fits into 80 columns. A long name is cut; the time left never is.
pub(super) fn bar(name: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:20!} {percent:>3}% [{bar:12}] {wide_msg}");
    let bar = ProgressBar::no_length().with_prefix(printable(name));
    match style {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::TermLike;
    use std::io::{self, Error};

    /// A terminal that was closed.
    #[derive(Debug)]
    struct Closed;

    impl TermLike for Closed {
        fn width(&self) -> u16 {
            80
        }

        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Err(Error::other("closed"))
        }

        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Err(Error::other("closed"))
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Err(Error::other("closed"))
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Err(Error::other("closed"))
        }

        fn write_line(&self, _: &str) -> io::Result<()> {
            Err(Error::other("closed"))
        }

        fn write_str(&self, _: &str) -> io::Result<()> {
            Err(Error::other("closed"))
        }

        fn clear_line(&self) -> io::Result<()> {
            Err(Error::other("closed"))
        }

        fn flush(&self) -> io::Result<()> {
            Err(Error::other("closed"))
        }
    }

    #[test]
    fn a_terminal_that_is_closed_is_no_panic() {
        let mut screen = Screen::new(Style::Bars, vec!["one".to_owned(), "two".to_owned()]);
        screen.bars.set_draw_target(ProgressDrawTarget::term_like(Box::new(Closed)));
        screen.interrupted();
        screen.show(0, Progress::Checking(1, 2));
        screen.show(1, Progress::Seeding { port: None, pieces: 1, of: 2 });
        screen.failed(1, &SessionError::NoPeerSource { by_proxy: false });
        screen.close();
    }
}
