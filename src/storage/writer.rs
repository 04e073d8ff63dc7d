//! The writer: the one thread that touches the disk while a download runs.
//!
//! Runs on the thread `writer`. It blocks on its channel and then on the disk, and nothing else ever
//! waits for the disk but the channel, which is bounded: a slow disk stops the readers, not the
//! memory. Only verified pieces reach it, so nothing unverified is ever on disk.

use super::{Storage, StorageError};
use crate::message::{Event, Write};
use crate::piece::BufferPool;
use crossbeam_channel::{Receiver, Sender};
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

/// Pieces that are written before the coordinator hears of the first of them.
const MAX_AT_ONCE: usize = 32;

/// What the writer's thread returns.
pub type Written = Result<(), StorageError>;

/// Starts the writer. It ends with [`Event::WriterEnded`]: after [`Write::Finish`] when everything is
/// safe, when the channel ends with what is there, or with the error that stopped it.
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
    alive: Sender<()>,
) -> io::Result<JoinHandle<Written>> {
    std::thread::Builder::new().name("writer".to_owned()).stack_size(256 * 1024).spawn(move || {
        // In the order in which they are let go: the farewell is the last that is heard of us, whatever
        // happens.
        let mut farewell = Farewell { finished: false, events, _alive: alive };
        // Whoever waits for room in the channel must not wait for ever.
        let orders = orders;
        let written = work(storage, &orders, &farewell.events, &buffers);
        farewell.finished = written.is_ok();
        written
    })
}

/// Says that the writer has ended, also where it panicked.
struct Farewell {
    finished: bool,
    events: Sender<Event>,
    _alive: Sender<()>,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        // It fails where the coordinator has ended before.
        let _ = self.events.send(Event::WriterEnded { finished: self.finished });
    }
}

fn work(
    mut storage: Storage,
    orders: &Receiver<Write>,
    events: &Sender<Event>,
    buffers: &BufferPool,
) -> Written {
    while let Ok(first) = orders.recv() {
        // Small pieces come faster than they are written. What waits is written in one go, so that the
        // coordinator is woken once for all of it.
        let mut stored = Vec::new();
        let mut finish = false;
        let mut result = Ok(());
        for order in std::iter::once(first).chain(orders.try_iter().take(MAX_AT_ONCE)) {
            match order {
                Write::Finish => finish = true,
                Write::Piece(piece, bytes) => {
                    result = storage.write(piece, &bytes);
                    if result.is_err() {
                        break;
                    }
                    buffers.give(bytes);
                    stored.push(piece);
                }
            }
        }
        if !stored.is_empty() && events.send(Event::Stored(stored)).is_err() {
            // Nobody counts any more. What is written stays.
            break;
        }
        result?;
        if finish {
            return storage.finish();
        }
    }
    Ok(())
}
