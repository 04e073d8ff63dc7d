//! The queue of events, from whoever has something to tell to the thread that writes.
//!
//! To put something in waits for nothing but the lock. There is room for [`MOST_WAITING`] lines; then what may be lost is
//! counted and dropped. The other events are kept all the same: there are a few for each torrent and turn. The thread
//! takes all that waits at once. A lock and a condition are less code than a channel would be, and the bound is one of
//! lines.

use super::Told;
use super::writer::Writer;
use crate::cli::sandbox::give_up_all;
use crate::cli::signals::is_asked_to_end;
use crate::cli::terminal;
use crate::message::Notice;
use crate::thread::{self, caught, lock};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The most lines that wait to be written.
const MOST_WAITING: usize = 8192;
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
    /// An empty queue, and the thread that writes what comes into it.
    pub(super) fn open() -> io::Result<Arc<EventQueue>> {
        EventQueue::to(Box::new(terminal::events()?))
    }

    fn to(out: Box<dyn io::Write + Send>) -> io::Result<Arc<EventQueue>> {
        let queue = Arc::<EventQueue>::default();
        let writing = Arc::clone(&queue);
        let write = move || {
            give_up_all();
            let written = caught(|| Writer::new(out).run(&writing));
            let defect = |_| Err(io::Error::other("the thread that does it has ended by a defect"));
            lock(&writing.waiting).ended = Some(written.unwrap_or_else(defect));
            writing.changed.notify_all();
        };
        thread::spawn("events", 128 * 1024, write)?;
        Ok(queue)
    }

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

    /// Waits until something waits, and takes it.
    pub(super) fn take(&self) -> Waiting {
        let mut waiting = lock(&self.waiting);
        while waiting.events.is_empty() {
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let is_complete = waiting.is_complete;
        std::mem::replace(&mut *waiting, Waiting { is_complete, ..Waiting::default() })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::events::run::NamedTorrent;
    use crate::cli::exit::Exit;
    use crate::message::PieceChange;
    use crate::metainfo::InfoHash;
    use crate::piece::Geometry;
    use crossbeam_channel::{Receiver, bounded};

    /// A reader that takes nothing before it may, and keeps what it takes.
    struct Reader {
        may_take: Receiver<()>,
        taken: Arc<Mutex<Vec<u8>>>,
    }

    impl io::Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // It ends when the sender is dropped: then it takes everything.
            let _ = self.may_take.recv();
            lock(&self.taken).extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stops_loses_what_may_be_lost_and_hears_how_much() {
        let ((go_on, may_take), taken) = (bounded(0), Arc::<Mutex<Vec<u8>>>::default());
        let queue = EventQueue::to(Box::new(Reader { may_take, taken: Arc::clone(&taken) })).unwrap();
        let named = NamedTorrent { info_hash: InfoHash([7; 20]), name: "a".into(), source: "b".into() };
        queue.tell(Told::Torrent(Box::new(named)));
        let pieces: Vec<_> = Geometry::new(1000, 1).unwrap().pieces().collect();
        for _ in 0..1000 {
            queue.tell(Told::Notice(0, Notice::Pieces(PieceChange::Stored, pieces.clone())));
        }
        // A million lines were told, and no more than a few wait.
        assert!(lock(&queue.waiting).lines <= MOST_WAITING + pieces.len());
        queue.tell(Told::Notice(0, Notice::Seeding { port: None }));
        queue.tell(Told::End(Exit::DONE));
        // Of a thread that was left behind.
        queue.tell(Told::Notice(0, Notice::Seeding { port: None }));
        drop(go_on);
        queue.wait().unwrap();
        let text = String::from_utf8(lock(&taken).clone()).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let count = |event: &str| lines.iter().filter(|line| line["event"] == event).count() as u64;
        let lost: u64 = lines.iter().filter_map(|line| line["count"].as_u64()).sum();
        assert_eq!(count("piece") + lost, 1_000_000);
        assert!(lost > 900_000 && count("seeding") == 1 && lines.last().unwrap()["event"] == "end");
    }

    #[test]
    fn a_reader_that_is_gone_is_no_error_and_a_disk_that_is_full_is_one() {
        struct Failing(io::ErrorKind);
        impl io::Write for Failing {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(self.0.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        for (kind, is_error) in [(io::ErrorKind::BrokenPipe, false), (io::ErrorKind::StorageFull, true)] {
            let queue = EventQueue::to(Box::new(Failing(kind))).unwrap();
            queue.tell(Told::End(Exit::DONE));
            assert_eq!(queue.wait().is_err(), is_error, "{kind:?}");
            // Nothing is written any more, and nobody minds.
            queue.tell(Told::End(Exit::DONE));
        }
    }
}
