//! The progress of a command that only reads the disk: a bar on a terminal, an occasional line on a pipe,
//! or nothing.
//!
//! Every hashing thread calls [`Meter::tell`], which also looks for Ctrl-C: these commands have no other
//! thread that waits for it.

use super::foreground;
use super::progress::bar::{Line, Part, Rank, name_columns};
use super::progress::figures::{percent, rate};
use super::progress::{Pace, Style};
use super::signals::Interrupts;
use super::terminal::{self, say};
use crate::text::{printable, size};
use crate::thread::lock;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The least time between two frames.
const FRAME: Duration = Duration::from_millis(200);

/// The progress of one command.
pub struct Meter {
    style: Style,
    name: String,
    /// What is done with the bytes, as a participle: `hashed`.
    done: &'static str,
    started: Instant,
    shown: Mutex<Shown>,
    interrupts: Interrupts,
    stopped: AtomicBool,
}

/// What the user sees of it.
struct Shown {
    pace: Pace,
    drawn: Instant,
    /// The most bytes that a thread has told of: another may tell of less, later.
    done: u64,
}

impl Meter {
    /// A meter for work on the torrent with this name.
    pub fn new(style: Style, name: &str, done: &'static str, interrupts: Interrupts) -> Meter {
        let now = Instant::now();
        Meter {
            style,
            name: printable(name),
            done,
            started: now,
            shown: Mutex::new(Shown { pace: Pace::new(now), drawn: now, done: 0 }),
            interrupts,
            stopped: AtomicBool::new(false),
        }
    }

    /// Shows that `done` bytes of `total` are done. Returns false if the user wants to stop.
    pub fn tell(&self, done: u64, total: u64) -> bool {
        if self.interrupts.end.try_recv().is_ok() {
            self.stopped.store(true, Ordering::Relaxed);
        }
        let now = Instant::now();
        let mut shown = lock(&self.shown);
        shown.done = shown.done.max(done);
        let done = shown.done;
        let is_asked = self.interrupts.ask.try_recv().is_ok();
        let is_due = self.style == Style::Lines && shown.pace.is_due(percent(done, total), now);
        if is_asked || is_due {
            let (name, participle, rate) = (&self.name, self.done, self.rate(done));
            say(&format!("{name}: {participle} {} of {}, {rate}", size(done), size(total)));
        }
        if self.style == Style::Bars && now.saturating_duration_since(shown.drawn) >= FRAME {
            shown.drawn = now;
            self.draw(done, total);
        }
        !self.stopped.load(Ordering::Relaxed)
    }

    /// Removes the bar.
    pub fn close(&self) {
        terminal::clear();
    }

    /// The average rate since the start, for people to read.
    pub fn rate(&self, bytes: u64) -> String {
        rate(bytes as f64 / self.started.elapsed().as_secs_f64().max(0.001))
    }

    fn draw(&self, done: u64, total: u64) {
        if foreground::is_in_background() {
            return terminal::leave_lines();
        }
        let parts = vec![
            Part::new(Rank::Size, format!("{} {} of {}", self.done, size(done), size(total))),
            Part::kept(self.rate(done), String::new()),
        ];
        let line = Line { name: self.name.clone(), done: Some((done, total)), parts };
        let (columns, _) = terminal::screen();
        terminal::draw(&[line.fit(name_columns([self.name.as_str()].into_iter(), columns), columns)]);
    }
}
