//! The last word of a worker.

use crate::message::{Event, PeerError, PeerKey};
use crate::net::PeerStream;
use crossbeam_channel::Sender;
use std::sync::{Arc, OnceLock};

/// Says that the worker has ended, even if it panicked: the coordinator must not keep a place for it, nor the
/// peer a connection.
#[derive(Debug)]
pub struct Farewell {
    key: PeerKey,
    /// Only the inbox is held while this waits for it: the end of a run waits for the rest.
    events: Sender<Event>,
    stream: Arc<OnceLock<PeerStream>>,
    why: PeerError,
}

impl Farewell {
    /// It says that the worker panicked, unless it is told another reason. It is the first value that a worker
    /// makes, and the last that it drops.
    pub fn new(key: PeerKey, events: Sender<Event>, stream: Arc<OnceLock<PeerStream>>) -> Farewell {
        Farewell { key, events, stream, why: PeerError::Panicked }
    }

    /// Says this instead.
    pub fn say(&mut self, why: PeerError) {
        self.why = why;
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        self.stream.get().into_iter().for_each(|stream| self.why.end(stream));
        // It fails where the coordinator has ended: then no thread wants to know.
        let why = std::mem::replace(&mut self.why, PeerError::Closed);
        let _ = self.events.send(Event::Gone(self.key, why));
    }
}
