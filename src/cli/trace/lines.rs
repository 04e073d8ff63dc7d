//! The lines of a trace as values, for whoever shows them while the program runs.

use super::line::Line;
use super::queue::TraceQueue;
use super::{Writer, start};
use crate::net::tap::{Listening, Tap};
use std::io;
use std::sync::Arc;
use std::time::Instant;

/// The most lines that are told at a time: of the others it is told how many there were. Nobody reads two thousand lines a
/// second.
const MOST_TOLD: usize = 100;

/// Each line is told, until this is dropped.
#[must_use = "whoever hears the lines hears no more of them once this is dropped"]
pub struct Lines {
    queue: Arc<TraceQueue>,
    _listening: Option<Listening>,
}

impl Lines {
    /// From now on `hear` is told each line of what is seen at the door. It is called on the thread `trace`: while it takes
    /// its time, or where there are too many, lines are lost, and one says how many; nothing else waits.
    ///
    /// # Errors
    ///
    /// The system has no more threads.
    pub fn of(tap: &Tap, hear: impl FnMut(Instant, &Line) + Send + 'static) -> io::Result<Lines> {
        let queue = start(Writer { hear: Some(Box::new(hear)), ..Writer::new(Vec::new()) }, MOST_TOLD)?;
        let told = Arc::clone(&queue);
        Ok(Lines { queue, _listening: tap.listen(move |seen| told.tell(seen)) })
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.queue.close();
    }
}
