//! The user's wishes on their way from the main thread to the threads of a run: to stop, to see the peers, or to look at
//! all of it. Telling them never waits.

use crate::message::Event;
use crate::thread::lock;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};

/// Stops a run from another thread, or asks it for its peers.
#[derive(Debug)]
pub struct Stop {
    is_asked: AtomicBool,
    /// The table of the peers is wanted.
    wants_peers: AtomicBool,
    /// The live view wants what it shows.
    wants_sight: AtomicBool,
    inbox: OnceLock<Sender<Event>>,
    /// While this is there, who waits for the wish goes on waiting.
    not_yet: Mutex<Option<Sender<()>>>,
    asked: Receiver<()>,
}

impl Default for Stop {
    fn default() -> Stop {
        let (not_yet, asked) = bounded(0);
        let not_yet = Mutex::new(Some(not_yet));
        Stop {
            is_asked: AtomicBool::new(false),
            wants_peers: AtomicBool::new(false),
            wants_sight: AtomicBool::new(false),
            inbox: OnceLock::new(),
            not_yet,
            asked,
        }
    }
}

impl Stop {
    /// Asks the run to end. It keeps the pieces that are on the disk.
    pub fn stop(&self) {
        self.is_asked.store(true, Ordering::SeqCst);
        drop(lock(&self.not_yet).take());
        if let Some(inbox) = self.inbox.get() {
            // If the inbox is full, the coordinator sees the flag at its next tick.
            let _ = inbox.try_send(Event::Stop);
        }
    }

    /// Asks for the table of the peers. The coordinator looks for this wish at each tick.
    pub fn show_peers(&self) {
        self.wants_peers.store(true, Ordering::SeqCst);
    }

    /// Whether that was asked since the last call.
    pub(super) fn takes_peers(&self) -> bool {
        self.wants_peers.swap(false, Ordering::SeqCst)
    }

    /// Asks for what the live view shows, once. The coordinator looks for this wish at each tick, and gives it as a
    /// [`Progress`](super::Progress): so it does nothing for a view that is closed, or that takes nothing.
    pub fn look(&self) {
        self.wants_sight.store(true, Ordering::SeqCst);
    }

    /// Whether that was asked since the last call.
    pub(super) fn takes_sight(&self) -> bool {
        self.wants_sight.swap(false, Ordering::SeqCst)
    }

    /// The same for tests of whoever asks.
    #[cfg(all(test, feature = "watch"))]
    pub(crate) fn is_looked_at(&self) -> bool {
        self.takes_sight()
    }

    /// Whether the run was asked to end.
    pub(super) fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::SeqCst)
    }

    /// A channel that ends when the run is asked to end.
    pub(super) fn asked(&self) -> &Receiver<()> {
        &self.asked
    }

    /// Connects the inbox of the coordinator.
    pub(super) fn attach(&self, inbox: &Sender<Event>) {
        let _ = self.inbox.set(inbox.clone());
        if self.is_asked() {
            let _ = inbox.try_send(Event::Stop);
        }
    }
}
