//! The thread that connects to peers: it begins attempts, waits for all of them together, and tells what came of each.

use super::attempt::Attempt;
use super::{Command, INBOX_PAUSE, Running, Wanted, Way};
use crate::address::canonical;
use crate::message::{Event, PeerError, Wait};
use crate::net::PeerStream;
use crate::net::half_open::{self, Alarm, Bell, ConnectError};
use crate::net::tap::Seen;
use crate::peer::own_addresses::OwnAddresses;
use crate::strategy::AttemptQueue;
use crate::text::reason;
use crate::thread::{caught, lock};
use crossbeam_channel::{Receiver, Sender, TryRecvError, TrySendError};
use log::warn;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, Weak};
use std::time::Instant;

/// The attempts that are under way, and what their thread has.
pub(super) struct Attempts {
    pub(super) way: Way,
    pub(super) own: Arc<OwnAddresses>,
    pub(super) queue: AttemptQueue<u32, Wanted, Attempt>,
    /// Short: each torrent has a bounded number of attempts (`strategy/peers/dialer.rs`).
    pub(super) orders: Receiver<Command>,
    pub(super) alarm: Alarm,
    /// What rings it.
    pub(super) bell: Weak<Bell>,
    /// What did not fit into an inbox, and whose it is.
    pub(super) unsent: Vec<(u32, Sender<Event>, Event)>,
    /// Where it is known as the thread.
    pub(super) running: Weak<Mutex<Running>>,
}

impl Attempts {
    /// The life of the thread. A panic costs the attempts that were under way, and those who wait for them hear
    /// so: else their addresses would count as being tried for ever.
    pub(super) fn live(mut self) {
        while caught(|| self.run()).is_err() {
            self.fail_all();
        }
    }

    pub(super) fn fail_all(&mut self) {
        for (caller, wanted) in self.queue.clear(|attempt| attempt.wanted) {
            let why = io::Error::other("the attempt failed because of a bug in this program");
            self.tell(caller, wanted, Err(PeerError::Connect(why)));
        }
    }

    fn run(&mut self) {
        while self.obey() {
            let now = Instant::now();
            self.go_on(now);
            self.end_overdue(now);
            self.begin(now);
            self.send();
            if self.has_ended() {
                return;
            }
            self.wait(now);
        }
    }

    /// Goes on with the attempts that something has come for, and tells of those that have ended by it.
    fn go_on(&mut self, now: Instant) {
        for attempt in self.queue.open_mut() {
            attempt.go_on(&self.way, &self.bell, now);
        }
        for (caller, attempt) in self.queue.take(Attempt::has_ended) {
            let (wanted, outcome) = attempt.finish();
            let outcome = outcome.map_err(|why| self.reason(why));
            if let Ok(stream) = &outcome {
                stream.watched_by(&self.way.tap, wanted.address, false);
            }
            if let (Ok(_), Some(proxy)) = (&outcome, self.way.proxies.for_all()) {
                proxy.note(Ok(()));
            }
            self.tell(caller, wanted, outcome);
        }
    }

    /// Ends the attempts whose time is over. They make room for others, which may be over at once as well.
    fn end_overdue(&mut self, now: Instant) {
        while let Some((caller, attempt)) = self.queue.overdue(now) {
            let why = match attempt.timed_out(&self.way, now) {
                Some(error) => self.reason(ConnectError::Detour(error)),
                None => PeerError::TimedOut(Wait::Connection),
            };
            self.tell(caller, attempt.wanted, Err(why));
            self.begin(now);
        }
    }

    /// Waits until something comes for an attempt, its time is over, or a command is given.
    fn wait(&mut self, now: Instant) {
        let again = (!self.unsent.is_empty()).then(|| now + INBOX_PAUSE);
        let due = self.queue.open().filter_map(Attempt::due);
        let until = due.chain(self.queue.next_overdue()).chain(again).min();
        let open = self.queue.open().filter_map(Attempt::tcp);
        match half_open::wait(open, &self.alarm, until) {
            Ok(came) => {
                let open = self.queue.open_mut().filter(|attempt| attempt.tcp().is_some());
                open.zip(came).filter(|(_, came)| *came).for_each(|(attempt, _)| attempt.came());
            }
            Err(error) => {
                // The system is short of memory.
                warn!("cannot wait for connections: {}", reason(&error));
                std::thread::sleep(INBOX_PAUSE);
            }
        }
    }

    /// Whether nothing is left to do. Then the next command will start another thread.
    fn has_ended(&self) -> bool {
        let Some(running) = self.running.upgrade() else { return true };
        let mut running = lock(&running);
        let idle = self.queue.is_empty() && self.unsent.is_empty() && self.orders.is_empty();
        if idle {
            running.line = None;
        }
        idle
    }

    /// Takes the commands that wait. False where no more will come.
    fn obey(&mut self) -> bool {
        loop {
            match self.orders.try_recv() {
                Ok(Command::Connect(caller, wanted)) => self.queue.offer(caller, wanted),
                Ok(Command::Leave(caller)) => {
                    self.queue.leave(caller);
                    self.unsent.retain(|(other, ..)| *other != caller);
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Begins the attempts that have a place.
    pub(super) fn begin(&mut self, now: Instant) {
        while let Some((caller, wanted)) = self.queue.next_to_begin() {
            if self.own.contains(canonical(wanted.address)) {
                self.tell(caller, wanted, Err(PeerError::Ourselves));
                continue;
            }
            let attempt = Attempt::begin(&self.way, wanted, now);
            if attempt.has_ended() {
                let (wanted, outcome) = attempt.finish();
                let outcome = outcome.map_err(|why| self.reason(why));
                self.tell(caller, wanted, outcome);
            } else {
                self.queue.begun(caller, attempt, now);
            }
        }
    }

    fn tell(&mut self, caller: u32, wanted: Wanted, outcome: Result<PeerStream, PeerError>) {
        let Wanted { key, address, events } = wanted;
        if let Err(why) = &outcome {
            self.way.tap.tell(|| Seen::NotConnected(address, why.to_string()));
        }
        self.unsent.push((caller, events, Event::Attempted(key, address, outcome)));
    }

    /// Why an attempt failed. The user hears of it once where it is the fault of the proxy: all attempts share that.
    fn reason(&self, error: ConnectError) -> PeerError {
        let error = match error {
            ConnectError::Direct(error) => {
                return match error.kind() {
                    ErrorKind::TimedOut | ErrorKind::WouldBlock => PeerError::TimedOut(Wait::Connection),
                    _ => PeerError::Connect(error),
                };
            }
            ConnectError::Detour(error) => error,
        };
        if self.way.proxies.for_all().is_some_and(|proxy| proxy.note(Err(&error))) {
            warn!("{error}");
        }
        PeerError::Proxy(error)
    }

    /// Sends what is to be sent, as far as there is room for it.
    fn send(&mut self) {
        for (caller, events, event) in std::mem::take(&mut self.unsent) {
            if let Err(TrySendError::Full(event)) = events.try_send(event) {
                self.unsent.push((caller, events, event));
            }
        }
    }
}
