//! The live view of a running download: a full screen of peers, pieces, sources, files, messages and the log, instead of the
//! bars.
//!
//! [`Watch`] is all that the screen of the progress knows of it. It belongs to the main thread. `collector` gives it a
//! [`Scene`](scene::Scene), `frame` draws that, `ui_state` has what the user looks at, and `cli/terminal/full/` owns the
//! terminal. While it is closed nothing is collected.

mod body;
mod collector;
mod files;
mod frame;
mod lines;
pub mod log_ring;
mod page;
mod pages;
mod peer_order;
pub mod rehearsal;
mod scene;
#[cfg(test)]
mod tests;
mod ui_state;
mod wire_ring;
mod words;

pub use crate::cli::terminal::full::Key;

use super::signals::expect_stops;
use super::terminal::full::{self, Keyboard};
use super::terminal::{say, shows_both};
use crate::net::tap::Tap;
use crate::session::{Progress, Stop};
use collector::Collector;
use crossbeam_channel::Receiver;
use page::Page;
use std::sync::Arc;
use std::time::{Duration, Instant};
use ui_state::{UiState, Wish};

/// The time between two frames, if no key is pressed; and if many are.
const FRAME: Duration = Duration::from_millis(250);
const FRAME_OF_KEYS: Duration = Duration::from_millis(30);

/// When the live view is to be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// Never.
    #[default]
    Never,
    /// When the user presses `w`.
    ByKey,
    /// At once.
    Now,
}

impl Wanted {
    /// Whether the view is open from the beginning, as far as the terminal allows it.
    #[cfg(feature = "demo")]
    pub fn opens_at_once(self) -> bool {
        self == Wanted::Now && full::trouble().is_none()
    }
}

/// The live view.
pub struct Watch {
    keyboard: Keyboard,
    collector: Collector,
    ui: UiState,
    /// The number of the torrent that is shown.
    torrent: usize,
    /// Which torrents are over.
    over: Vec<bool>,
    /// When it is drawn again. `None` while it is closed.
    due: Option<Instant>,
    /// When it was drawn last.
    drawn: Option<Instant>,
}

impl Watch {
    /// The view of torrents with these names, whose messages are seen at `tap`. `None` if it is not wanted, and if it cannot
    /// be shown: if it is wanted at once, the user is told why.
    pub fn new(wanted: Wanted, names: &[String], tap: &Tap) -> Option<Watch> {
        // Beside us in a pipe may stand a program that reads keys itself.
        if wanted == Wanted::Never || wanted == Wanted::ByKey && !shows_both() {
            return None;
        }
        let trouble = full::trouble();
        let keyboard = if trouble.is_none() { Keyboard::open() } else { None };
        let Some(keyboard) = keyboard else {
            if wanted == Wanted::Now {
                let why =
                    trouble.unwrap_or("another program reads keys from the terminal (if not: stty sane)");
                say(&format!("femtotorrent: --watch shows nothing: {why}; all else goes on"));
            }
            return None;
        };
        expect_stops();
        let collector = Collector::new(names, tap.clone());
        let over = vec![false; names.len()];
        let mut watch =
            Watch { keyboard, collector, ui: UiState::default(), torrent: 0, over, due: None, drawn: None };
        if wanted == Wanted::Now {
            watch.open(Instant::now());
        }
        Some(watch)
    }

    /// What the user presses. Its end tells that the terminal is gone.
    pub fn keys(&self) -> Receiver<Key> {
        self.keyboard.keys.clone()
    }

    /// Whether it is shown.
    pub fn is_open(&self) -> bool {
        self.due.is_some()
    }

    /// When [`Watch::draw`] is to be called.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The turn of a torrent begins, and its run hears wishes here.
    pub fn begins(&mut self, number: usize, stop: &Arc<Stop>) {
        self.collector.begins(number, stop);
    }

    /// A torrent is over, or waits for its next turn.
    pub fn ends(&mut self, number: usize, is_over: bool) {
        self.collector.ends(number, is_over);
        self.over.get_mut(number).into_iter().for_each(|over| *over = is_over);
        let next = self.over.iter().position(|over| !over);
        if let Some(next) = next.filter(|_| is_over && number == self.torrent) {
            self.turn_to(next);
        }
    }

    /// A run has told this.
    pub fn hears(&mut self, number: usize, progress: &Progress) {
        self.collector.hears(number, progress);
    }

    /// Draws what is known now, if it is time to. It closes itself if it cannot be shown any more.
    pub fn draw(&mut self, now: Instant) {
        full::take_keys_if_back();
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        (self.due, self.drawn) = (Some(now + FRAME), Some(now));
        let size = full::size();
        let torrent = (self.torrent, self.collector.count());
        let lines = frame::lines(&self.collector.scene(self.torrent), &self.ui, torrent, size);
        if full::trouble().is_some() || !full::draw(&lines, size) {
            self.close();
            full::take_keys();
        }
    }

    /// A key was pressed.
    pub fn press(&mut self, key: Key, now: Instant) {
        if !self.is_open() {
            if key == Key::Character(char::from(full::OPENS)) && full::trouble().is_none() {
                self.open(now);
            }
            return;
        }
        let scene = self.collector.scene(self.torrent);
        let extent = frame::extent(&scene, &self.ui, full::size());
        match self.ui.press(key, &scene, extent) {
            Wish::None => {}
            Wish::Leave => return self.close(),
            Wish::Redraw => full::forget(),
            Wish::Torrent(steps) => {
                let last = self.collector.count().saturating_sub(1);
                self.turn_to(self.torrent.saturating_add_signed(steps).min(last));
            }
        }
        self.show();
        let soon = self.drawn.map_or(now, |drawn| drawn + FRAME_OF_KEYS);
        self.due = self.due.map(|due| due.min(soon));
    }

    /// Shows what was there before.
    pub fn close(&mut self) {
        if self.due.take().is_some() {
            self.collector.close();
            full::leave();
            full::want_all_keys(false);
        }
    }

    fn open(&mut self, now: Instant) {
        self.due = Some(now);
        full::want_all_keys(true);
        self.collector.open();
        self.show();
    }

    /// Tells the collector what is shown.
    fn show(&mut self) {
        self.collector.show(self.ui.page == Page::Wire, self.ui.peer);
    }

    /// Shows another torrent.
    fn turn_to(&mut self, torrent: usize) {
        if torrent != self.torrent {
            self.torrent = torrent;
            self.ui = UiState { page: self.ui.page, sort: self.ui.sort, ..UiState::default() };
            self.show();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.close();
    }
}
