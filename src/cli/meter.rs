//! The progress of a command that only reads the disk: a bar on a terminal, an occasional line on a pipe,
//! or nothing.
//!
//! Every hashing thread calls [`Meter::tell`], which also looks for Ctrl-C: these commands have no other
//! thread that waits for it.

use super::progress::{LINE_INTERVAL, Style, bar};
use super::terminal::say;
use crate::text::{printable, size};
use crate::thread::lock;
use crossbeam_channel::Receiver;
use indicatif::{ProgressBar, ProgressDrawTarget};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// The progress of one command.
pub struct Meter {
    style: Style,
    name: String,
    /// What is done with the bytes, as a participle: `hashed`.
    done: &'static str,
    bar: ProgressBar,
    started: Instant,
    last_line: Mutex<Instant>,
    interrupts: Receiver<()>,
    stopped: AtomicBool,
}

impl Meter {
    /// A meter for work on the torrent with this name.
    pub fn new(style: Style, name: &str, done: &'static str, interrupts: Receiver<()>) -> Meter {
        let bar = bar(name);
        bar.set_draw_target(match style {
            Style::Bars => ProgressDrawTarget::stderr_with_hz(5),
            Style::Quiet | Style::Lines => ProgressDrawTarget::hidden(),
        });
        let now = Instant::now();
        Meter {
            style,
            name: printable(name),
            done,
            bar,
            started: now,
            last_line: Mutex::new(now),
            interrupts,
            stopped: AtomicBool::new(false),
        }
    }

    /// Shows that `done` bytes of `total` are done. Returns false if the user wants to stop.
    pub fn tell(&self, done: u64, total: u64) -> bool {
        if self.interrupts.try_recv().is_ok() {
            self.stopped.store(true, Ordering::Relaxed);
        }
        let text = format!("{} {} of {}, {}/s", self.done, size(done), size(total), self.rate(done));
        // Another thread may already have drawn a later state.
        self.bar.set_length(total);
        self.bar.set_position(done.max(self.bar.position()));
        if self.is_due() {
            say(&format!("{}: {text}", self.name));
        }
        self.bar.set_message(text);
        !self.stopped.load(Ordering::Relaxed)
    }

    /// Removes the bar.
    pub fn close(&self) {
        self.bar.finish_and_clear();
    }

    /// The average rate since the start, in bytes a second, for people to read.
    pub fn rate(&self, bytes: u64) -> String {
        size((bytes as f64 / self.started.elapsed().as_secs_f64().max(0.001)) as u64)
    }

    fn is_due(&self) -> bool {
        let mut last = lock(&self.last_line);
        let due = self.style == Style::Lines && last.elapsed() >= LINE_INTERVAL;
        if due {
            *last = Instant::now();
        }
        due
    }
}
