//! The queue of events, from whoever has something to tell to the thread that writes.
//!
//! To put something in never waits. There is room for [`MOST_WAITING`]; then what may be lost is counted and dropped. The
//! other events are kept all the same: there are a few for each torrent and turn.

use super::Told;
use super::writer::Writer;
use crate::cli::signals::is_asked_to_end;
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
/// The same where the user wants to end.
const SHORT_PATIENCE: Duration = Duration::from_secs(2);
/// Time between two looks at whether it has taken something.
const LOOK: Duration = Duration::from_millis(250);

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
        EventQueue::to(terminal::events()?)
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
        let (mut seen, mut since) = (None, Instant::now());
        loop {
            match self.ended.recv_timeout(LOOK) {
                Ok(written) => return written,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(io::Error::other("the thread that does it has ended"));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            let writes = self.counts.writes.load(Ordering::Relaxed);
            if seen.replace(writes) != Some(writes) {
                since = Instant::now();
            }
            let patience = if is_asked_to_end() { SHORT_PATIENCE } else { PATIENCE };
            if since.elapsed() >= patience {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::events::run::NamedTorrent;
    use crate::cli::exit::Exit;
    use crate::message::PieceChange;
    use crate::metainfo::InfoHash;
    use crate::piece::Geometry;
    use crate::thread::lock;
    use std::sync::Mutex;

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
        let queue = EventQueue::to(Reader { may_take, taken: Arc::clone(&taken) }).unwrap();
        let named = NamedTorrent { info_hash: InfoHash([7; 20]), name: "a".into(), source: "b".into() };
        queue.tell(Told::Torrent(Box::new(named)));
        let pieces: Vec<_> = Geometry::new(1000, 1).unwrap().pieces().collect();
        for _ in 0..1000 {
            queue.tell(Told::Notice(0, Notice::Pieces(PieceChange::Stored, pieces.clone())));
        }
        // A million lines were told, and no more than a few wait.
        assert!(queue.counts.waiting.load(Ordering::Relaxed) <= MOST_WAITING + pieces.len());
        queue.tell(Told::Notice(0, Notice::Seeding { port: None }));
        queue.tell(Told::End(Exit::DONE));
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
            let queue = EventQueue::to(Failing(kind)).unwrap();
            queue.tell(Told::End(Exit::DONE));
            assert_eq!(queue.wait().is_err(), is_error, "{kind:?}");
            // Nothing is written any more, and nobody minds.
            queue.tell(Told::End(Exit::DONE));
        }
    }
}
