//! The way into a running download, and its end.
//!
//! Nothing can wake a thread that is connecting, and the end of a run does not wait ten seconds for
//! one. So a worker that only connects holds nothing that anybody waits for. When its peer is there it
//! asks for a [`Ticket`], and gets one only while the download runs.

use crate::message::Write;
use crossbeam_channel::Sender;
use std::sync::{Mutex, PoisonError};

/// What a worker with a peer holds.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// The writer's inbox.
    pub writer: Sender<Write>,
    /// Not used: held by each thread for as long as it lives. Whoever holds the other end knows when all
    /// are gone.
    pub alive: Sender<()>,
}

/// Where tickets are given out.
#[derive(Debug)]
pub struct Admission(Mutex<Option<Ticket>>);

impl Admission {
    /// Gives out copies of this ticket.
    pub fn new(ticket: Ticket) -> Admission {
        Admission(Mutex::new(Some(ticket)))
    }

    /// A ticket, unless the download has ended.
    pub fn ticket(&self) -> Option<Ticket> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The download has ended.
    pub fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
