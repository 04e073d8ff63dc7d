//! The thread that makes lines of events and writes them. It blocks on the queue, and on standard output.

use super::Told;
use super::line::Line;
use super::queue::EventQueue;
use super::run::{self, NamedTorrent};
use super::{payload, peers, progress};
use crate::cli::sandbox::give_up_all;
use crate::message::Notice;
use crate::thread::{self, caught};
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Bytes that are written at a time, or a little more, while events wait.
const BATCH: usize = 16 * 1024;

/// What the thread has.
struct Writer {
    out: Box<dyn Write + Send>,
    began: Instant,
    /// The lines that are not written yet.
    lines: String,
    torrents: Vec<WrittenTorrent>,
}

/// What is known of a torrent.
struct WrittenTorrent {
    /// The entries that name it, in each of its events.
    entries: String,
    /// Its metadata has been told: that is the same in each of its turns.
    is_known: bool,
    /// The file or folder of its payload.
    path: Option<PathBuf>,
}

/// Starts the thread, and returns the queue that it writes from, which is empty.
///
/// # Errors
///
/// The thread cannot be started.
pub(super) fn start(out: Box<dyn Write + Send>) -> io::Result<Arc<EventQueue>> {
    let queue = Arc::<EventQueue>::default();
    let writing = Arc::clone(&queue);
    let write = move || {
        give_up_all();
        let written = caught(|| Writer::new(out).run(&writing));
        let defect = |_| Err(io::Error::other("the thread that does it has ended by a defect"));
        writing.end(written.unwrap_or_else(defect));
    };
    thread::spawn("events", 128 * 1024, write)?;
    Ok(queue)
}

impl Writer {
    fn new(out: Box<dyn Write + Send>) -> Writer {
        Writer { out, began: Instant::now(), lines: String::new(), torrents: Vec::new() }
    }

    /// Writes events until the last one is written. It is no error if the reader is gone.
    ///
    /// # Errors
    ///
    /// One cannot be written.
    fn run(&mut self, queue: &EventQueue) -> io::Result<()> {
        match self.write_all(queue) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            written => written,
        }
    }

    fn write_all(&mut self, queue: &EventQueue) -> io::Result<()> {
        let mut is_last = false;
        while !is_last {
            let waiting = queue.take();
            // Before the others: the end is the last of all.
            if waiting.lost > 0
                && let Some(mut line) = self.line("lost", Instant::now(), None)
            {
                line.count("count", waiting.lost);
            }
            for (at, told) in waiting.events {
                is_last |= self.add(at, told);
                if self.lines.len() >= BATCH {
                    self.write(queue)?;
                }
            }
            self.write(queue)?;
        }
        Ok(())
    }

    fn write(&mut self, queue: &EventQueue) -> io::Result<()> {
        self.out.write_all(self.lines.as_bytes())?;
        self.lines.clear();
        queue.writes.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Adds the lines of an event. True if it is the last one.
    fn add(&mut self, at: Instant, told: Told) -> bool {
        let is_last = matches!(told, Told::End(_));
        match told {
            Told::Start { command } => run::start(&mut Line::begin(&mut self.lines, "start"), command),
            Told::Torrent(named) => self.torrent(at, &named),
            Told::Notice(number, notice) => self.notice(at, number, &notice),
            Told::Error { source, exit, sentence } => {
                if let Some(mut line) = self.line("error", at, None) {
                    run::error(&mut line, source.as_deref(), exit, &sentence);
                }
            }
            Told::Progress(number, state) => {
                if let Some(mut line) = self.line("progress", at, Some(number)) {
                    progress::state(&mut line, &state);
                }
            }
            Told::Stall(number, change) => {
                if let Some(mut line) = self.line("stall", at, Some(number)) {
                    progress::stall(&mut line, &change);
                }
            }
            Told::Finished(number, finished) => {
                let path = self.torrents.get(number).and_then(|torrent| torrent.path.clone());
                if let Some(mut line) = self.line("finished", at, Some(number)) {
                    run::finished(&mut line, &finished, path.as_deref());
                }
            }
            Told::Hook { number, program, failure } => {
                if let Some(mut line) = self.line("on-complete", at, Some(number)) {
                    run::hook(&mut line, &program, failure.as_deref());
                }
            }
            Told::End(exit) => {
                if let Some(mut line) = self.line("end", at, None) {
                    line.number("exit_code", exit.0.into());
                }
            }
        }
        is_last
    }

    fn torrent(&mut self, at: Instant, named: &NamedTorrent) {
        let number = self.torrents.len();
        let entries = format!(",\"torrent\":{},\"info_hash\":\"{}\"", number + 1, named.info_hash);
        self.torrents.push(WrittenTorrent { entries, is_known: false, path: None });
        if let Some(mut line) = self.line("torrent", at, Some(number)) {
            line.text("name", &named.name);
            line.text("source", &named.source);
        }
    }

    fn notice(&mut self, at: Instant, number: usize, notice: &Notice) {
        let Some(torrent) = self.torrents.get_mut(number) else { return };
        match notice {
            Notice::Metadata(_) if std::mem::replace(&mut torrent.is_known, true) => return,
            Notice::Checked(check) => torrent.path = Some(check.path.clone()),
            Notice::Pieces(change, pieces) => {
                for piece in pieces {
                    if let Some(mut line) = self.line("piece", at, Some(number)) {
                        payload::piece(&mut line, *piece, *change);
                    }
                }
                return;
            }
            _ => {}
        }
        let Some(mut line) = self.line(kind(notice), at, Some(number)) else { return };
        let line = &mut line;
        match notice {
            Notice::Metadata(metainfo) => payload::metadata(line, metainfo),
            Notice::Checked(check) => payload::checked(line, check),
            Notice::Pieces(..) => {}
            Notice::Connected(end, greeting) => peers::connected(line, *end, *greeting),
            Notice::Gone(end, why) => peers::ended(line, "gone", *end, why),
            Notice::NotConnected(end, why) => peers::ended(line, "failed", *end, why),
            Notice::Tracker(announced) => peers::tracker(line, announced, at),
            Notice::WebSeedAsked(host) => peers::web_seed(line, host, None),
            Notice::WebSeedGone(host, why) => peers::web_seed(line, host, Some(why)),
            Notice::Seeding { port } => payload::seeding(line, *port),
        }
    }

    /// Begins the line of an event, of this torrent if it is of one. `None` if there is no such torrent.
    fn line(&mut self, kind: &str, at: Instant, number: Option<usize>) -> Option<Line<'_>> {
        let torrent = match number {
            Some(number) => Some(self.torrents.get(number)?),
            None => None,
        };
        let mut line = Line::begin(&mut self.lines, kind);
        line.seconds("time", at.saturating_duration_since(self.began));
        if let Some(torrent) = torrent {
            line.entries(&torrent.entries);
        }
        Some(line)
    }
}

/// The kind of event that tells this.
fn kind(notice: &Notice) -> &'static str {
    match notice {
        Notice::Metadata(_) => "metadata",
        Notice::Checked(_) => "checked",
        Notice::Pieces(..) => "piece",
        Notice::Connected(..) | Notice::Gone(..) | Notice::NotConnected(..) => "peer",
        Notice::Tracker(_) => "tracker",
        Notice::WebSeedAsked(_) | Notice::WebSeedGone(..) => "web-seed",
        Notice::Seeding { .. } => "seeding",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::events::queue::MOST_WAITING;
    use crate::cli::exit::Exit;
    use crate::message::PieceChange;
    use crate::metainfo::InfoHash;
    use crate::piece::Geometry;
    use crate::thread::lock;
    use crossbeam_channel::{Receiver, bounded};
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
        let queue = start(Box::new(Reader { may_take, taken: Arc::clone(&taken) })).unwrap();
        let named = NamedTorrent { info_hash: InfoHash([7; 20]), name: "a".into(), source: "b".into() };
        queue.tell(Told::Torrent(Box::new(named)));
        let pieces: Vec<_> = Geometry::new(1000, 1).unwrap().pieces().collect();
        for _ in 0..1000 {
            queue.tell(Told::Notice(0, Notice::Pieces(PieceChange::Stored, pieces.clone())));
        }
        // A million lines were told, and no more than a few wait.
        assert!(queue.lines_waiting() <= MOST_WAITING + pieces.len());
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
            let queue = start(Box::new(Failing(kind))).unwrap();
            queue.tell(Told::End(Exit::DONE));
            assert_eq!(queue.wait().is_err(), is_error, "{kind:?}");
            // Nothing is written any more, and nobody minds.
            queue.tell(Told::End(Exit::DONE));
        }
    }
}
