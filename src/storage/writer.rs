//! The writer: the one thread that writes what is downloaded.
//!
//! Runs on the thread `writer`. It blocks on its channel and then on the disk. The threads that read from peers
//! wait for the disk only through this channel, which is bounded: a slow disk holds them up, and does not fill
//! the memory. Only verified pieces reach the writer, so nothing unverified is ever on disk.

use super::calls;
use super::{Finished, Storage, StorageError};
use crate::message::{Event, Write};
use crate::piece::{BufferPool, PieceIndex};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

/// Pieces after the first one that are written before the coordinator hears of any of them.
pub(super) const MAX_AT_ONCE: usize = 32;

/// What the writer's thread returns.
pub type Written = Result<(), StorageError>;

/// Starts the writer. It ends with [`Event::WriterEnded`]: after [`Write::Finish`] when everything is safe,
/// or when the channel ends, or with the error that stopped it.
///
/// Files that another program has changed are read again before the end, which may take long. It is given up once
/// `stopped` has no sender any more, and then this has not finished.
///
/// `alive` is held for as long as the thread lives.
///
/// # Errors
///
/// The system has no more threads.
pub fn start(
    storage: Storage,
    orders: Receiver<Write>,
    events: Sender<Event>,
    buffers: Arc<BufferPool>,
    stopped: Receiver<()>,
    alive: Sender<()>,
) -> io::Result<JoinHandle<Written>> {
    let work: Work = Box::new(move |orders, events| work(storage, orders, events, &buffers, &stopped));
    spawn(orders, events, alive, work)
}

/// What the thread does. True if everything is safe in the end.
pub(super) type Work = Box<dyn FnOnce(&Receiver<Write>, &Sender<Event>) -> Result<bool, StorageError> + Send>;

/// Starts the thread.
pub(super) fn spawn(
    orders: Receiver<Write>,
    events: Sender<Event>,
    alive: Sender<()>,
    work: Work,
) -> io::Result<JoinHandle<Written>> {
    let builder = std::thread::Builder::new().name("writer".to_owned()).stack_size(256 * 1024);
    builder.spawn(calls::handed_on(move || {
        // Variables are dropped in reverse order. So the farewell is the last message from this thread,
        // whatever happens.
        let mut farewell = Farewell { finished: false, events, _alive: alive };
        // Bound after the farewell, so that the channel ends before it is sent: a thread that waits for room
        // in the channel must not wait for ever.
        let orders = orders;
        let written = work(&orders, &farewell.events);
        farewell.finished = matches!(written, Ok(true));
        written.map(drop)
    }))
}

/// Says that the writer has ended, even if it panicked.
struct Farewell {
    finished: bool,
    events: Sender<Event>,
    _alive: Sender<()>,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        // This fails if the coordinator has ended already.
        let _ = self.events.send(Event::WriterEnded { finished: self.finished });
    }
}

/// Whether everything is safe. False if nobody wants that any more.
fn work(
    mut storage: Storage,
    orders: &Receiver<Write>,
    events: &Sender<Event>,
    buffers: &BufferPool,
    stopped: &Receiver<()>,
) -> Result<bool, StorageError> {
    let may_go_on = |_, _| stopped.try_recv() != Err(TryRecvError::Disconnected);
    // While the first piece is on its way.
    storage.settle()?;
    loop {
        let first = match storage.next_rest() {
            None => orders.recv().map_err(RecvTimeoutError::from),
            Some(due) => orders.recv_deadline(due),
        };
        let first = match first {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => {
                storage.rest(Instant::now())?;
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        };
        // Small pieces come faster than they are written. All that wait are written in one go, so that
        // the coordinator is woken once for all of them.
        let batch = std::iter::once(first).chain(orders.try_iter().take(MAX_AT_ONCE));
        let mut stored = Vec::new();
        let told_to_finish = write_batch(&mut storage, batch, buffers, &mut stored);
        if !stored.is_empty() && events.send(Event::Stored(stored)).is_err() {
            // The coordinator has ended. What is written stays.
            break;
        }
        if told_to_finish? {
            match storage.finish_watched(&may_go_on) {
                Err(StorageError::Cancelled) => break,
                Err(error) => return Err(error),
                Ok(Finished::Durable) => return Ok(true),
                Ok(Finished::Spoiled(pieces)) => {
                    if events.send(Event::Lost(pieces)).is_err() {
                        break;
                    }
                }
            }
        }
    }
    Ok(false)
}

/// Writes the pieces, and adds each to `stored` once it is written, so that the caller knows them even if a
/// later one fails. True if one of the orders was to finish.
fn write_batch(
    storage: &mut Storage,
    batch: impl Iterator<Item = Write>,
    buffers: &BufferPool,
    stored: &mut Vec<PieceIndex>,
) -> Result<bool, StorageError> {
    let mut told_to_finish = false;
    for order in batch {
        match order {
            Write::Finish => told_to_finish = true,
            Write::Piece(piece, bytes) => {
                storage.write(piece, &bytes)?;
                buffers.give(bytes);
                stored.push(piece);
            }
        }
    }
    Ok(told_to_finish)
}
