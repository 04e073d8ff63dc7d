//! The queue of events, from whoever has something to tell to the thread that writes.
//!
//! To put something in waits for nothing but the lock. There is room for [`MOST_WAITING`] lines; then what may be lost is
//! counted and dropped. The other events are kept all the same: there are a few for each torrent and turn. The thread
//! takes all that waits at once. A lock and a condition are less code than a channel would be, and the bound is one of
//! lines.

use super::Told;
use crate::cli::signals::is_asked_to_end;
use crate::message::Notice;
use crate::thread::lock;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The most lines that wait to be written.
pub(super) const MOST_WAITING: usize = 8192;
/// At the end the reader may take nothing for this long, before we go without having told it all.
const PATIENCE: Duration = Duration::from_secs(60);
/// The same where the user wants to end.
const SHORT_PATIENCE: Duration = Duration::from_secs(2);
/// Time between two looks at whether it has taken something.
const LOOK: Duration = Duration::from_millis(250);

/// The queue, and what its two ends know of each other.
#[derive(Default)]
pub(super) struct EventQueue {
    waiting: Mutex<Waiting>,
    /// Something waits, or the writing has ended.
    changed: Condvar,
    /// How often something was written.
    pub(super) writes: AtomicUsize,
}

/// What waits to be written.
#[derive(Default)]
pub(super) struct Waiting {
    /// In order, with the times.
    pub(super) events: Vec<(Instant, Told)>,
    /// How many lines they are.
    lines: usize,
    /// Lines that were left out meanwhile.
    pub(super) lost: usize,
    /// The last event was told.
    is_complete: bool,
    /// How the writing ended.
    ended: Option<io::Result<()>>,
}

impl EventQueue {
    /// Puts an event in. Where there is no room it may be left out.
    pub(super) fn tell(&self, told: Told) {
        let mut waiting = lock(&self.waiting);
        // A thread that is left behind at the end may still have something to say, and the last line is the end.
        if waiting.ended.is_some() || waiting.is_complete {
            return;
        }
        waiting.is_complete = matches!(told, Told::End(_));
        let lines = told.lines();
        if waiting.lines >= MOST_WAITING && told.may_be_lost() {
            waiting.lost = waiting.lost.saturating_add(lines);
            return;
        }
        let is_first = waiting.events.is_empty();
        waiting.lines = waiting.lines.saturating_add(lines);
        waiting.events.push((Instant::now(), told));
        drop(waiting);
        if is_first {
            self.changed.notify_all();
        }
    }

    /// How many lines wait.
    #[cfg(test)]
    pub(super) fn lines_waiting(&self) -> usize {
        lock(&self.waiting).lines
    }

    /// Waits until something waits, and takes it.
    pub(super) fn take(&self) -> Waiting {
        let mut waiting = lock(&self.waiting);
        while waiting.events.is_empty() {
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let is_complete = waiting.is_complete;
        std::mem::replace(&mut *waiting, Waiting { is_complete, ..Waiting::default() })
    }

    /// The writing has ended, and so.
    pub(super) fn end(&self, written: io::Result<()>) {
        lock(&self.waiting).ended = Some(written);
        self.changed.notify_all();
    }

    /// Waits until the last event is written.
    ///
    /// # Errors
    ///
    /// One could not be written, or the reader takes nothing.
    pub(super) fn wait(&self) -> io::Result<()> {
        let (mut seen, mut since) = (self.writes.load(Ordering::Relaxed), Instant::now());
        let mut waiting = lock(&self.waiting);
        loop {
            if let Some(written) = waiting.ended.take() {
                waiting.ended = Some(Ok(()));
                return written;
            }
            let writes = self.writes.load(Ordering::Relaxed);
            if std::mem::replace(&mut seen, writes) != writes {
                since = Instant::now();
            }
            let patience = if is_asked_to_end() { SHORT_PATIENCE } else { PATIENCE };
            if since.elapsed() >= patience {
                return Err(io::Error::other("its reader takes nothing"));
            }
            (waiting, _) = self.changed.wait_timeout(waiting, LOOK).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Told {
    /// Whether a reader that misses it still knows what has come of each torrent.
    fn may_be_lost(&self) -> bool {
        match self {
            Told::Notice(_, Notice::Metadata(_) | Notice::Checked(_) | Notice::Seeding { .. }) => false,
            Told::Notice(..) | Told::Progress(..) => true,
            _ => false,
        }
    }

    /// How many lines it is.
    pub(super) fn lines(&self) -> usize {
        match self {
            Told::Notice(_, Notice::Pieces(_, pieces)) => pieces.len(),
            _ => 1,
        }
    }
}
