//! The queue of events, from whoever has something to tell to the thread that writes.
//!
//! To put something in never waits. There is room for [`MOST_WAITING`]; then what may be lost is counted and dropped. The
//! other events are kept all the same: there are a few for each torrent and turn.

use super::Told;
use super::writer::Writer;
use crate::cli::terminal;
use crate::message::Notice;
use crate::thread;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The most lines that wait to be written.
const MOST_WAITING: usize = 8192;
/// At the end the reader may take nothing for this long, before we go without having told it all.
const PATIENCE: Duration = Duration::from_secs(60);

/// The queue, and what its two ends know of each other.
pub(super) struct EventQueue {
    sender: Sender<(Instant, Told)>,
    counts: Arc<Counts>,
    /// How the writing ended.
    ended: Receiver<io::Result<()>>,
}

/// What is counted on both sides.
#[derive(Default)]
pub(super) struct Counts {
    /// Lines that wait.
    pub(super) waiting: AtomicUsize,
    /// Events that were left out and not told of yet.
    pub(super) lost: AtomicUsize,
    /// How often something was written.
    pub(super) writes: AtomicUsize,
}

impl EventQueue {
    /// An empty queue, and the thread that writes what comes into it.
    pub(super) fn open() -> io::Result<Arc<EventQueue>> {
        EventQueue::to(terminal::events())
    }

    fn to(out: impl io::Write + Send + 'static) -> io::Result<Arc<EventQueue>> {
        let (sender, events) = unbounded();
        let (tell, ended) = bounded(1);
        let counts = Arc::<Counts>::default();
        let mut writer = Writer::new(Box::new(out), Arc::clone(&counts));
        thread::spawn("events", 128 * 1024, move || _ = tell.send(writer.run(&events)))?;
        Ok(Arc::new(EventQueue { sender, counts, ended }))
    }

    /// Puts an event in. Where there is no room it may be left out.
    pub(super) fn tell(&self, told: Told) {
        let lines = told.lines();
        if self.counts.waiting.load(Ordering::Relaxed) >= MOST_WAITING && told.may_be_lost() {
            self.counts.lost.fetch_add(lines, Ordering::Relaxed);
            return;
        }
        self.counts.waiting.fetch_add(lines, Ordering::Relaxed);
        // This fails where nothing is written any more.
        let _ = self.sender.send((Instant::now(), told));
    }

    /// Waits until the last event is written.
    ///
    /// # Errors
    ///
    /// One could not be written, or the reader takes nothing.
    pub(super) fn wait(&self) -> io::Result<()> {
        let mut seen = self.counts.writes.load(Ordering::Relaxed);
        loop {
            match self.ended.recv_timeout(PATIENCE) {
                Ok(written) => return written,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(io::Error::other("the thread for it ended"));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            let writes = self.counts.writes.load(Ordering::Relaxed);
            if std::mem::replace(&mut seen, writes) == writes {
                return Err(io::Error::other("its reader takes nothing"));
            }
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
