//! The user's wish to stop, on its way from the main thread to the coordinator. [`Stop::stop`] never waits.

use crate::message::Event;
use crossbeam_channel::Sender;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Stops a run from another thread.
#[derive(Debug, Default)]
pub struct Stop {
    asked: AtomicBool,
    inbox: OnceLock<Sender<Event>>,
}

impl Stop {
    /// Asks the run to end. It keeps the pieces that are on the disk.
    pub fn stop(&self) {
        self.asked.store(true, Ordering::SeqCst);
        if let Some(inbox) = self.inbox.get() {
            // If the inbox is full, the coordinator sees the flag at its next tick.
            let _ = inbox.try_send(Event::Stop);
        }
    }

    /// Whether the run was asked to end.
    pub(super) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// Connects the inbox of the coordinator.
    pub(super) fn attach(&self, inbox: &Sender<Event>) {
        let _ = self.inbox.set(inbox.clone());
        if self.is_asked() {
            let _ = inbox.try_send(Event::Stop);
        }
    }
}
