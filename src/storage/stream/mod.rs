//! The payload in order, for whoever reads standard output: nothing of it stands on the disk.
//!
//! Pieces verify in any order and leave in that of the payload, so those that come early wait here. How many these can
//! be is bounded by the coordinator, which opens no piece outside of its window (`strategy/download/window.rs`). A
//! piece counts as *stored* when all of it has been taken by the reader: then its memory is free, and the window moves
//! on. So a slow reader slows the download down, and what was written has always verified.
//!
//! This runs on the thread `writer`, in place of the one that writes to the disk. It blocks on its channel and on the
//! reader. A reader that has gone away is no failure: it wanted no more, as `head` does.
//!
//! `outline` says which bytes belong to which file, and `tar` how files are put into one archive.

mod outline;
mod tar;
#[cfg(test)]
mod tests;

use super::error::{Action, STANDARD_OUTPUT, StorageError};
use super::selection::Selection;
use super::writer::{MAX_AT_ONCE, Work, Written, spawn};
use crate::message::{Event, Write as WriteOrder};
use crate::metainfo::Metainfo;
use crate::piece::{BufferPool, Geometry, PieceIndex};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use outline::Outline;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
#[cfg(any(target_os = "linux", target_os = "android"))]
use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Time between two looks whether the reader is still there, while there is nothing to write.
const LOOK: Duration = Duration::from_secs(1);
/// Small parts are put together up to so many bytes.
const BUFFER: usize = 16 * 1024;
/// So many bytes leave before the coordinator hears of small pieces. Larger ones it hears of one by one.
const MAX_UNTOLD: usize = 256 * 1024;

/// How the files are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamFormat {
    /// One file, as it is.
    File,
    /// Any number of files, as a tar archive.
    Tar,
}

/// Where a payload is to go.
#[derive(Clone, Debug)]
pub struct Outlet {
    /// In which format.
    pub format: StreamFormat,
    /// A pipe, a file or a device.
    pub file: Arc<File>,
}

impl Outlet {
    /// A way out that leads nowhere: `/dev/null`, or in a root folder without it a file in memory, which is as long as
    /// what is written.
    ///
    /// # Errors
    ///
    /// The system has neither.
    pub fn nowhere() -> io::Result<Outlet> {
        Ok(Outlet { format: StreamFormat::Tar, file: Arc::new(sink("/dev/null")?) })
    }
}

fn sink(device: &str) -> io::Result<File> {
    let file = File::options().write(true).open(device);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let file = file.or_else(|_| Ok(memfd_create("nowhere", MemfdFlags::CLOEXEC)?.into()));
    file
}

/// A payload on its way out.
pub struct Stream {
    out: BufWriter<Arc<File>>,
    outline: Outline,
    /// Pieces that have verified before their turn, the last one in front.
    early: Vec<(PieceIndex, Vec<u8>)>,
}

impl Stream {
    /// All files of a torrent, or the selected ones.
    pub fn new(
        to: &Outlet,
        metainfo: Arc<Metainfo>,
        geometry: Geometry,
        selection: Option<Selection>,
    ) -> Stream {
        let out = BufWriter::with_capacity(BUFFER, Arc::clone(&to.file));
        Stream { out, outline: Outline::new(metainfo, geometry, selection, to.format), early: Vec::new() }
    }

    /// Starts the thread that writes it. It ends as that of the [disk](super::writer::start) does; where the reader
    /// has gone away, without an error and without having finished.
    ///
    /// # Errors
    ///
    /// The system has no more threads.
    pub fn start(
        mut self,
        orders: Receiver<WriteOrder>,
        events: Sender<Event>,
        buffers: Arc<BufferPool>,
        alive: Sender<()>,
    ) -> io::Result<JoinHandle<Written>> {
        let work: Work = Box::new(move |orders, events| match self.work(orders, events, &buffers) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(StorageError::from_io(Action::Write, STANDARD_OUTPUT.into(), error)),
            Ok(finished) => Ok(finished),
        });
        spawn(orders, events, alive, work)
    }

    /// Whether all has left. False if nobody wants that any more.
    fn work(
        &mut self,
        orders: &Receiver<WriteOrder>,
        events: &Sender<Event>,
        buffers: &BufferPool,
    ) -> io::Result<bool> {
        loop {
            let first = match orders.recv_deadline(Instant::now() + LOOK) {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout) if is_read(self.out.get_ref()) => continue,
                Err(_) => return Ok(false),
            };
            let mut told_to_finish = false;
            for order in std::iter::once(first).chain(orders.try_iter()) {
                match order {
                    WriteOrder::Finish => told_to_finish = true,
                    WriteOrder::Piece(piece, bytes) => {
                        let at = self.early.partition_point(|(other, _)| *other > piece);
                        self.early.insert(at, (piece, bytes));
                    }
                }
            }
            if !self.write_on(events, buffers)? {
                return Ok(false);
            }
            if told_to_finish {
                self.outline.finish(&mut self.out)?;
                self.out.flush()?;
                return Ok(true);
            }
        }
    }

    /// Writes what is there and next. False if the coordinator has ended.
    fn write_on(&mut self, events: &Sender<Event>, buffers: &BufferPool) -> io::Result<bool> {
        let (mut left, mut untold) = (Vec::new(), 0_usize);
        while let Some(piece) = self.outline.next_piece() {
            let bytes = self.early.pop_if(|(first, _)| *first == piece).map(|(_, bytes)| bytes);
            if let Some(bytes) = &bytes {
                self.outline.write(piece, bytes, &mut self.out)?;
                untold = untold.saturating_add(bytes.len());
                left.push(piece);
            }
            let is_last = bytes.is_none();
            if (is_last || left.len() > MAX_AT_ONCE || untold >= MAX_UNTOLD) && !left.is_empty() {
                self.out.flush()?;
                untold = 0;
                if events.send(Event::Stored(std::mem::take(&mut left))).is_err() {
                    return Ok(false);
                }
            }
            match bytes {
                Some(bytes) => buffers.give(bytes),
                None => return Ok(true),
            }
        }
        self.out.flush()?;
        Ok(left.is_empty() || events.send(Event::Stored(left)).is_ok())
    }
}

/// Whether a pipe still has a reader. Other files have one always.
fn is_read(file: &File) -> bool {
    let mut look = [PollFd::new(file, PollFlags::empty())];
    let polled = poll(&mut look, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
    polled.is_err() || look.iter().all(|file| !file.revents().contains(PollFlags::ERR))
}
