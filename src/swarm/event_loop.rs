//! Waiting for events and timers, and calling the handler of each.

use super::{Coordinator, Phase, RunEnd, TICK};
use crate::message::{Event, Snapshot, TrackerReport};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use log::warn;
use std::time::Instant;

impl Coordinator<'_> {
    /// Runs until the run ends: the life of the coordinator's thread. Returns how it ended, and the state of
    /// the torrent then.
    pub fn run(mut self, inbox: &Receiver<Event>) -> (RunEnd, Snapshot) {
        let end = loop {
            let event = match inbox.recv_deadline(self.next_timer()) {
                Ok(event) => Some(event),
                Err(RecvTimeoutError::Timeout) => None,
                // Cannot happen: the environment holds a sender for the workers that it starts.
                Err(RecvTimeoutError::Disconnected) => break RunEnd::Stopped,
            };
            if let Some(end) = self.turn(event, Instant::now()) {
                break end;
            }
        };
        self.end(end, Instant::now())
    }

    /// When [`Coordinator::turn`] is to be called at the latest, even if no event comes.
    pub fn next_timer(&self) -> Instant {
        let timers = [self.timers.dial, self.slots.due()];
        timers.into_iter().flatten().fold(self.timers.tick, Instant::min)
    }

    /// One turn of the loop: handles the event, then the timers that are due. Returns how the run ended, if
    /// it did.
    pub fn turn(&mut self, event: Option<Event>, now: Instant) -> Option<RunEnd> {
        if let Some(event) = event {
            // The events that come by the thousand do not change which peers to connect to.
            let peers_changed = !matches!(event, Event::Heard(..) | Event::Stored(_) | Event::MemoryFree);
            if let Some(end) = self.handle(event, now) {
                return Some(end);
            }
            if peers_changed {
                self.timers.dial = Some(now);
            }
        }
        if now >= self.timers.tick {
            self.timers.tick = now + TICK;
            if let Some(end) = self.tick(now) {
                return Some(end);
            }
        }
        if self.slots.due().is_some_and(|due| due <= now) {
            self.rechoke(now);
        }
        if self.timers.dial.is_some_and(|due| due <= now) {
            self.connect(now);
            self.timers.dial = self.next_attempt(now);
        }
        None
    }

    fn handle(&mut self, event: Event, now: Instant) -> Option<RunEnd> {
        match event {
            Event::Heard(key, report) => self.heard(key, report.news, now),
            Event::Stored(pieces) => self.stored(&pieces, now),
            Event::Lost(pieces) => self.lost(&pieces, now),
            Event::Attempted(key, address, outcome) => self.attempted(key, address, outcome, now),
            Event::Greeted(key, greeting) => {
                self.tell_connected(key, greeting);
                self.greeted(key, greeting, now);
            }
            Event::Gone(key, why) => {
                let watched = self.watched(key);
                self.gone(key, &why, now);
                self.tell_gone(watched, why);
            }
            Event::Found(source, addresses) => _ = self.dialer.found(source, &addresses, now),
            Event::Named(addresses) => self.dialer.named(&addresses, now),
            Event::Tracker(report) => self.tracker_answered(&report),
            Event::Incoming(incoming) => self.incoming(incoming, now),
            Event::HandedOver(handed_over) => self.handed_over(handed_over, now),
            Event::WriterEnded { finished } => return self.writer_ended(finished, now),
            Event::MemoryFree => self.memory_is_free(now),
            Event::Stop => return Some(self.stopped()),
        }
        None
    }

    fn tracker_answered(&mut self, report: &TrackerReport) {
        if let Some(ours) = report.external_ip {
            self.dialer.vote_of_tracker(&report.url, ours);
        }
        self.statistics.tracker_answered(report);
        // A download shows this reason when it stalls. A seed never stalls: without the warning it would look
        // as if no peer wanted anything.
        if let (Err(why), true) = (&report.outcome, self.is_seeding())
            && self.statistics.is_first_tracker_warning()
        {
            warn!("{}: {why}", report.url);
        }
    }

    fn writer_ended(&mut self, finished: bool, now: Instant) -> Option<RunEnd> {
        match (self.phase, self.settings.uploads.seeding) {
            // The writer may hear of it before us.
            _ if !finished && self.environment.is_stopped() => Some(self.stopped()),
            _ if !finished => Some(RunEnd::WriterFailed),
            (Phase::Finishing, Some(_)) => {
                self.begin_seeding(now);
                None
            }
            (Phase::Finishing, None) => Some(RunEnd::Done),
            (Phase::Downloading | Phase::Seeding { .. }, _) => Some(RunEnd::WriterFailed),
        }
    }

    /// How a run counts that the user ends. A seed is done: it has everything that was asked for.
    pub(super) fn stopped(&self) -> RunEnd {
        if self.is_seeding() { RunEnd::Done } else { RunEnd::Stopped }
    }

    /// Disconnects every peer, and counts what was sent to the last. Where patience has ended the state says why
    /// nothing came.
    fn end(mut self, end: RunEnd, now: Instant) -> (RunEnd, Snapshot) {
        self.count_uploads(now);
        self.tell_all_gone();
        let mut snapshot = self.snapshot(now);
        if end == RunEnd::TimedOut {
            snapshot.stall = Some(self.why_idle(now));
        }
        self.roster.clear();
        (end, snapshot)
    }
}
