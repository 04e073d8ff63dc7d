//! The thread that makes lines of events and writes them. It blocks on the queue, and on standard output.

use super::Told;
use super::line::Line;
use super::queue::Counts;
use super::run::{self, NamedTorrent};
use super::{payload, peers, progress};
use crate::message::Notice;
use crossbeam_channel::Receiver;
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Bytes that are written at a time, or a little more, while events wait.
const BATCH: usize = 16 * 1024;

/// What the thread has.
pub(super) struct Writer {
    out: Box<dyn Write + Send>,
    counts: Arc<Counts>,
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

impl Writer {
    pub(super) fn new(out: Box<dyn Write + Send>, counts: Arc<Counts>) -> Writer {
        Writer { out, counts, began: Instant::now(), lines: String::new(), torrents: Vec::new() }
    }

    /// Writes events until the last one is written. It is no error if the reader is gone.
    ///
    /// # Errors
    ///
    /// One cannot be written.
    pub(super) fn run(&mut self, events: &Receiver<(Instant, Told)>) -> io::Result<()> {
        // It ends before only if the process is about to.
        while let Ok((at, told)) = events.recv() {
            let mut is_last = self.add(at, told);
            while !is_last
                && self.lines.len() < BATCH
                && let Ok((at, told)) = events.try_recv()
            {
                is_last = self.add(at, told);
            }
            match self.out.write_all(self.lines.as_bytes()).and_then(|()| self.out.flush()) {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                written => written?,
            }
            self.counts.writes.fetch_add(1, Ordering::Relaxed);
            self.lines.clear();
            if is_last {
                break;
            }
        }
        Ok(())
    }

    /// Adds the lines of an event. True if it is the last one.
    fn add(&mut self, at: Instant, told: Told) -> bool {
        self.counts.waiting.fetch_sub(told.lines(), Ordering::Relaxed);
        let lost = self.counts.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let mut line = self.begin("lost", at);
            line.count("count", lost);
            line.end();
        }
        match told {
            Told::Start { command } => {
                let mut line = Line::begin(&mut self.lines, "start");
                run::start(&mut line, command);
                line.end();
            }
            Told::Torrent(named) => self.torrent(at, &named),
            Told::Error { source, exit, sentence } => {
                let mut line = self.begin("error", at);
                run::error(&mut line, source.as_deref(), exit, &sentence);
                line.end();
            }
            Told::Notice(number, notice) => self.notice(at, number, notice),
            Told::Progress(number, state) => {
                self.event("progress", at, number, |line| progress::state(line, &state));
            }
            Told::Stall(number, change) => {
                self.event("stall", at, number, |line| progress::stall(line, &change));
            }
            Told::Finished(number, finished) => {
                let path = self.torrents.get(number).and_then(|torrent| torrent.path.clone());
                self.event("finished", at, number, |line| run::finished(line, &finished, path.as_deref()));
            }
            Told::End(exit) => {
                let mut line = self.begin("end", at);
                line.number("exit_code", exit.0.into());
                line.end();
                return true;
            }
        }
        false
    }

    fn torrent(&mut self, at: Instant, named: &NamedTorrent) {
        let number = self.torrents.len();
        let entries = format!(",\"torrent\":{},\"info_hash\":\"{}\"", number + 1, named.info_hash);
        self.torrents.push(WrittenTorrent { entries, is_known: false, path: None });
        self.event("torrent", at, number, |line| {
            line.text("name", &named.name);
            line.text("source", &named.source);
        });
    }

    fn notice(&mut self, at: Instant, number: usize, notice: Notice) {
        let Some(torrent) = self.torrents.get_mut(number) else { return };
        match notice {
            Notice::Metadata(metainfo) => {
                if !std::mem::replace(&mut torrent.is_known, true) {
                    self.event("metadata", at, number, |line| payload::metadata(line, &metainfo));
                }
            }
            Notice::Checked(check) => {
                torrent.path = Some(check.path.clone());
                self.event("checked", at, number, |line| payload::checked(line, &check));
            }
            Notice::Pieces(change, pieces) => {
                for piece in pieces {
                    self.event("piece", at, number, |line| payload::piece(line, piece, change));
                }
            }
            Notice::Connected(end, greeting) => {
                self.event("peer", at, number, |line| peers::connected(line, end, greeting));
            }
            Notice::Gone(end, why) => {
                self.event("peer", at, number, |line| peers::gone(line, "gone", end, &why));
            }
            Notice::NotConnected(end, why) => {
                self.event("peer", at, number, |line| peers::gone(line, "failed", end, &why));
            }
            Notice::Tracker(announced) => {
                self.event("tracker", at, number, |line| peers::tracker(line, &announced, at));
            }
            Notice::WebSeedAsked(host) => {
                self.event("web-seed", at, number, |line| peers::web_seed(line, &host, None));
            }
            Notice::WebSeedGone(host, why) => {
                self.event("web-seed", at, number, |line| peers::web_seed(line, &host, Some(&why)));
            }
            Notice::Seeding { port } => {
                self.event("seeding", at, number, |line| payload::seeding(line, port));
            }
        }
    }

    /// Adds an event of a torrent.
    fn event(&mut self, kind: &str, at: Instant, number: usize, fill: impl FnOnce(&mut Line<'_>)) {
        let Some(torrent) = self.torrents.get(number) else { return };
        let mut line = Line::begin(&mut self.lines, kind);
        line.seconds("time", at.saturating_duration_since(self.began));
        line.entries(&torrent.entries);
        fill(&mut line);
        line.end();
    }

    fn begin(&mut self, kind: &str, at: Instant) -> Line<'_> {
        let mut line = Line::begin(&mut self.lines, kind);
        line.seconds("time", at.saturating_duration_since(self.began));
        line
    }
}
