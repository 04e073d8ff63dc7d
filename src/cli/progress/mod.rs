//! The progress of downloads on standard error: lines that are drawn again and again on a terminal, lines that come when
//! something has changed on a pipe, or nothing.
//!
//! [`Screen`] is all that the main thread knows of it. It has one [`TorrentRow`] for each torrent. Standard
//! output stays free for what a program would read.

pub mod bar;
mod disks;
mod ending;
pub mod figures;
mod frame;
mod pace;
pub mod peer_table;
mod row;
pub mod view;

pub use pace::Pace;

use super::exit::Exit;
use super::foreground;
use super::terminal::{self, say, say_error};
use super::watch::{Key, Wanted, Watch};
use crate::net::tap::Tap;
use crate::session::{Outcome, Progress, SessionError, Stop};
use crate::swarm::RunEnd;
use crossbeam_channel::{Receiver, never};
use ending::Tally;
use pace::MINUTE;
use row::TorrentRow;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The least time between two frames: five a second are enough for a person.
const FRAME: Duration = Duration::from_millis(200);
/// With more torrents than this, what is said of all of them when the user ends them is one sentence.
const FEW: usize = 4;

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
            false if terminal::can_draw() => Style::Bars,
            false => Style::Lines,
        }
    }
}

/// What the user sees of all torrents.
pub struct Screen {
    style: Style,
    rows: Vec<TorrentRow>,
    /// When what is drawn is out of date, and may be drawn anew.
    due: Option<Instant>,
    drawn: Instant,
    interrupted: bool,
    /// What is said of many torrents at once.
    tally: Tally,
    /// A torrent ended before it was complete, and `doctor` may find out why.
    needs_doctor: bool,
    /// When it was last said how many torrents run and wait, and how many these were.
    queue: (Instant, (usize, usize)),
    /// When it is time to look whether a torrent waits for the disk.
    disks_due: Option<Instant>,
    /// What is shown instead of the bars, if the user wants it.
    watch: Option<Watch>,
}

impl Screen {
    /// A screen for torrents with these names.
    pub fn new(style: Style, names: Vec<String>) -> Screen {
        let now = Instant::now();
        let rows: Vec<TorrentRow> = names.iter().map(|name| TorrentRow::new(style, name, now)).collect();
        let queue = (now, (0, 0));
        Screen {
            style,
            rows,
            due: None,
            drawn: now,
            interrupted: false,
            tally: Tally::default(),
            needs_doctor: false,
            queue,
            disks_due: None,
            watch: None,
        }
    }

    /// The same with the live view, which sees messages at this door.
    pub fn with_watch(mut self, wanted: Wanted, tap: &Tap) -> Screen {
        let names: Vec<String> = self.rows.iter().map(|row| row.name().to_owned()).collect();
        self.watch = Watch::new(wanted, &names, tap);
        self
    }

    /// What the user presses.
    pub fn keys(&self) -> Receiver<Key> {
        self.watch.as_ref().map_or_else(never, Watch::keys)
    }

    /// A key was pressed, or none can come any more.
    pub fn press(&mut self, key: Option<Key>) {
        match (key, &mut self.watch) {
            (Some(key), Some(watch)) => watch.press(key, Instant::now()),
            _ => self.watch = None,
        }
        self.changed();
    }

    /// Shows the progress of a torrent.
    pub fn show(&mut self, number: usize, progress: Progress) {
        let now = Instant::now();
        self.changed();
        self.watch.iter_mut().for_each(|watch| watch.hears(number, &progress));
        let Some(row) = self.rows.get_mut(number) else { return };
        let notice = match progress {
            Progress::Metadata(state) => return row.metadata(state, now),
            Progress::Named(name) => return row.rename(&name),
            Progress::GoesOnAs(name) => row.goes_on_as(&name),
            Progress::Place(path) => return row.place(&path),
            Progress::Found(bytes) => return row.found(bytes, now),
            Progress::Unread => return row.unread(),
            Progress::Selected(files, of) => return row.selected(files, of),
            Progress::WaitsForCheck => return row.waits("waiting to be checked"),
            Progress::Checking(done, total) => return row.checking(done, total, now),
            Progress::Running(snapshot) => return row.running(snapshot, now),
            Progress::Peers(snapshot, peers) => return row.peers(*snapshot, &peers),
            Progress::Completed(_) | Progress::Sight(_) | Progress::SearchSight(_) => return,
            Progress::Reach(text) => text,
            Progress::Short(shortage) => row.disk_too_small(&shortage),
            Progress::Seeding { port, pieces, of } => row.seeding_begins(port, pieces, of),
        };
        self.say(&notice);
    }

    /// When [`Screen::draw`] is to be called.
    pub fn due(&self) -> Option<Instant> {
        let of_watch = self.watch.as_ref().filter(|watch| watch.is_open());
        of_watch.map_or(self.due, Watch::due)
    }

    /// Draws what has changed, if it is time to. In the background nothing is drawn: the terminal is another program's.
    pub fn draw(&mut self, now: Instant) {
        self.watch.iter_mut().for_each(|watch| watch.draw(now));
        if self.watch.as_ref().is_some_and(Watch::is_open) {
            return;
        }
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        (self.due, self.drawn) = (None, now);
        if foreground::is_in_background() {
            return terminal::leave_lines();
        }
        if !terminal::can_draw() {
            // It was closed.
            self.style = Style::Lines;
            return;
        }
        let (columns, rows) = terminal::screen();
        let all: Vec<_> = self.rows.iter().map(|row| (row.name(), row.view())).collect();
        terminal::draw(&frame::lines(&all, columns, rows));
    }

    /// The turn of a torrent begins.
    pub fn begins(&mut self, number: usize, stop: &Arc<Stop>) {
        self.watch.iter_mut().for_each(|watch| watch.begins(number, stop));
        let now = Instant::now();
        self.rows.get_mut(number).into_iter().for_each(|row| row.begins(now));
        self.disks_due.get_or_insert(now + disks::PATIENCE);
        self.changed();
    }

    /// A torrent waits for its turn.
    pub fn waits(&mut self, number: usize) {
        self.watch.iter_mut().for_each(|watch| watch.ends(number, false));
        self.rows.get_mut(number).into_iter().for_each(|row| row.waits("waiting for its turn"));
        self.changed();
    }

    /// So many torrents run, and so many wait, `of` all. On a pipe this is said when it has changed.
    pub fn queue(&mut self, counts: (usize, usize), of: usize) {
        let (at, said) = self.queue;
        if counts.1 > 0 && self.style == Style::Lines && counts != said && at.elapsed() >= MINUTE {
            self.queue = (Instant::now(), counts);
            let (running, waiting) = counts;
            let over = of.saturating_sub(running).saturating_sub(waiting);
            self.say(&format!(
                "{running} torrents run, {waiting} wait for their turn, {over} of {of} are done"
            ));
        }
    }

    /// The user ended everything while a torrent waited for its turn.
    pub fn cancelled(&mut self, number: usize) {
        let Some(row) = self.rows.get_mut(number) else { return };
        let text = row.cancelled();
        match self.rows.len() > FEW {
            true => self.tally.never_ran(),
            false => self.say(&text),
        }
    }

    /// The name of a torrent, fit to print.
    pub fn name(&self, number: usize) -> &str {
        self.rows.get(number).map(TorrentRow::name).unwrap_or_default()
    }

    /// A run has ended. Returns its exit code.
    pub fn ended(&mut self, number: usize, outcome: &Outcome) -> Exit {
        self.changed();
        self.watch.iter_mut().for_each(|watch| watch.ends(number, true));
        let Some(row) = self.rows.get_mut(number) else { return Exit::OTHER };
        let sentence = row.ended(outcome, Instant::now());
        self.needs_doctor |= ending::is_for_doctor(outcome);
        let is_error = matches!(outcome.end, RunEnd::TimedOut | RunEnd::WriterFailed);
        let is_counted = self.interrupted && self.rows.len() > FEW && self.tally.count(outcome);
        // Errors are shown with --quiet too.
        if is_error || (self.style != Style::Quiet && !is_counted) {
            sentence.say();
        }
        Exit::of(outcome.end)
    }

    /// A run has failed. Returns its exit code.
    pub fn failed(&mut self, number: usize, error: &SessionError) -> Exit {
        self.changed();
        self.watch.iter_mut().for_each(|watch| watch.ends(number, true));
        let (exit, many) = (Exit(error.exit_code()), self.rows.len() > FEW);
        let Some(row) = self.rows.get_mut(number) else { return exit };
        row.close();
        let text = format!("{}: {error}", row.name());
        match exit == Exit::UNFINISHED && self.interrupted {
            // That is what the user wants.
            true if many => self.tally.never_ran(),
            true => self.say(&text),
            false => say_error(&text),
        }
        exit
    }

    /// The user wants to stop.
    pub fn interrupted(&mut self) {
        self.watch.iter_mut().for_each(Watch::close);
        if !std::mem::replace(&mut self.interrupted, true) {
            let is_kept = self.rows.iter().any(TorrentRow::keeps);
            self.say(if is_kept { "stopping; everything downloaded so far is kept" } else { "stopping" });
        }
    }

    /// Says how each torrent stands that cannot be asked for its peers, for the user wants to know.
    pub fn say_all(&mut self) {
        let others = self.rows.iter().filter(|row| !matches!(row.view(), view::View::Running(_)));
        others.for_each(TorrentRow::say_all);
    }

    /// Why the metadata of a magnet did not arrive.
    pub fn no_metadata(&self, number: usize) -> String {
        self.rows.get(number).map(TorrentRow::no_metadata).unwrap_or_default()
    }

    /// Removes the bars, and says what is left to say.
    pub fn close(&mut self) {
        (self.due, self.watch) = (None, None);
        terminal::clear();
        self.tally.sentence().into_iter().for_each(|text| self.say(&text));
        if std::mem::take(&mut self.needs_doctor) {
            self.say("To find out why, and what helps: femtotorrent doctor TORRENT");
        }
    }

    fn say(&self, text: &str) {
        if self.style != Style::Quiet {
            say(text);
        }
    }

    /// What is drawn is out of date.
    fn changed(&mut self) {
        if self.style == Style::Bars {
            self.due = self.due.or(Some(self.drawn + FRAME));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_changed_is_drawn_soon_but_not_more_often_than_a_person_can_see() {
        let mut screen = Screen::new(Style::Bars, vec!["one".to_owned(), "two".to_owned()]);
        assert_eq!(screen.due(), None);
        screen.show(0, Progress::Checking(1, 2));
        let due = screen.due().unwrap();
        assert_eq!(due, screen.drawn + FRAME);
        screen.show(0, Progress::Checking(2, 2));
        screen.draw(due - Duration::from_millis(1));
        assert_eq!(screen.due(), Some(due));
        // Under a test there is no terminal, or it is another program's: nothing is drawn.
        screen.style = Style::Lines;
        screen.draw(due);
        assert_eq!(screen.due(), None);
        screen.show(1, Progress::Checking(1, 2));
        assert_eq!(screen.due(), None);
    }
}
