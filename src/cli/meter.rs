//! How far a command is that only reads the disk: a bar on a terminal, a line now and then on a pipe,
//! or nothing.
//!
//! [`Meter::tell`] is called from every hashing thread. It also hears Ctrl-C, since those commands
//! wait for nothing else.

use super::progress::{LINE_EVERY, Style, bar, say};
use crate::text::{printable, size};
use crossbeam_channel::Receiver;
use indicatif::{ProgressBar, ProgressDrawTarget};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The progress of one command.
pub struct Meter {
    style: Style,
    name: String,
    /// What is being done: `hashed`.
    done: &'static str,
    bar: ProgressBar,
    started: Instant,
    last_line: Mutex<Instant>,
    interrupts: Receiver<()>,
    stopped: AtomicBool,
}

impl Meter {
    /// A meter for work on the torrent of this name.
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

    /// So many bytes of so many are done. False where the user wants to end.
    pub fn tell(&self, done: u64, total: u64) -> bool {
        if self.interrupts.try_recv().is_ok() {
            self.stopped.store(true, Ordering::Relaxed);
        }
        let text = format!("{} {} of {}, {}/s", self.done, size(done), size(total), self.rate(done));
        // Another thread may have drawn a later state.
        self.bar.set_length(total);
        self.bar.set_position(done.max(self.bar.position()));
        if self.is_due() {
            say(&format!("{}: {text}", self.name));
        }
        self.bar.set_message(text);
        !self.stopped.load(Ordering::Relaxed)
    }

    /// Takes the bar away.
    pub fn close(&self) {
        self.bar.finish_and_clear();
    }

    /// Bytes a second since the start, for a person.
    pub fn rate(&self, bytes: u64) -> String {
        size((bytes as f64 / self.started.elapsed().as_secs_f64().max(0.001)) as u64)
    }

    fn is_due(&self) -> bool {
        let mut last = self.last_line.lock().unwrap_or_else(PoisonError::into_inner);
        let due = self.style == Style::Lines && last.elapsed() >= LINE_EVERY;
        if due {
            *last = Instant::now();
        }
        due
    }
}
