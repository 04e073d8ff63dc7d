//! One connection over uTP: the conversation that decides what goes over the wire, and the threads that wait for it.
//!
//! Three threads use it: the one that reads, the one that writes, and the one that receives the packets of the port. The
//! first two block as they would on a socket; the third never does. One of them at a time sends, each packet outside of
//! the lock, so packets leave in their order and a slow socket keeps nobody from what has come.

use super::timers::Timers;
use crate::net::UdpPort;
use crate::net::half_open::Bell;
use crate::strategy::utp::{Conversation, EndReason, State};
use crate::thread::lock;
use crate::wire::utp::Packet;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How long a connection that we have closed is kept, so that what was written before still goes.
const LINGER: Duration = Duration::from_secs(8);
/// Bytes for which there has to be room before a thread that waits to write is woken.
const WORTHWHILE_ROOM: usize = 16 * 1024;

/// The end of a connection that is ours.
pub(in crate::net) struct Link {
    number: u64,
    address: SocketAddr,
    port: Arc<UdpPort>,
    timers: Arc<Timers<Link>>,
    /// It has asked us for the connection and has not shown yet that it is where its packets say.
    is_stranger: AtomicBool,
    /// Packets have come for it, and it is not seen to yet.
    is_touched: AtomicBool,
    inside: Mutex<Inside>,
    readable: Condvar,
    writable: Condvar,
}

struct Inside {
    conversation: Conversation,
    /// A thread sends what is to be sent.
    is_sending: bool,
    /// What it writes packets into.
    packet: Vec<u8>,
    /// For when there is an entry among the timers.
    armed: Option<Instant>,
    /// When we closed it.
    closed: Option<Instant>,
    /// The table has it no more. A thread that still sends must not enter it among the timers again.
    is_forgotten: bool,
    /// How long a read waits; without end where no limit was set.
    longest_wait: Option<Duration>,
    /// Who waits for the connection to come about.
    bell: Option<Weak<Bell>>,
}

/// Where the packets of a connection come from, and the id that they name.
pub(super) type Key = (SocketAddr, u16);

/// Which thread sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// The one that receives, which must not wait for the system.
    Receiving,
    /// One of the connection's own.
    Own,
}

impl Link {
    pub(super) fn new(
        number: u64,
        address: SocketAddr,
        conversation: Conversation,
        (port, timers): (&Arc<UdpPort>, &Arc<Timers<Link>>),
        bell: Option<Weak<Bell>>,
    ) -> Arc<Link> {
        let is_stranger = AtomicBool::new(bell.is_none());
        Arc::new(Link {
            number,
            address,
            port: Arc::clone(port),
            timers: Arc::clone(timers),
            is_stranger,
            is_touched: AtomicBool::new(false),
            inside: Mutex::new(Inside {
                conversation,
                is_sending: false,
                packet: Vec::new(),
                armed: None,
                closed: None,
                is_forgotten: false,
                longest_wait: None,
                bell,
            }),
            readable: Condvar::new(),
            writable: Condvar::new(),
        })
    }

    /// Where the other end is.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The id under which packets come, and the one under which they go.
    pub(super) fn ids(&self) -> (u16, u16) {
        self.lock().conversation.ids()
    }

    pub(super) fn state(&self) -> State {
        self.lock().conversation.state()
    }

    /// Whether packets had come for it before this one that it is yet to be seen to for.
    pub(super) fn touch(&self) -> bool {
        self.is_touched.swap(true, Ordering::Relaxed)
    }

    /// Whether it has asked us for the connection and has not shown yet that it is where its packets say.
    pub(super) fn is_stranger(&self) -> bool {
        self.is_stranger.load(Ordering::Relaxed) && !self.is_proven()
    }

    /// It is no stranger from now on. Whether it was one.
    pub(super) fn introduce(&self) -> bool {
        self.is_stranger.load(Ordering::Relaxed) && self.is_stranger.swap(false, Ordering::Relaxed)
    }

    /// Whether the other end is where its packets say.
    pub(super) fn is_proven(&self) -> bool {
        self.lock().conversation.is_confirmed()
    }

    /// A packet has come. What follows from it is done when [`Link::settle`] is called.
    pub(super) fn take(&self, packet: &Packet<'_>, now: Instant) {
        self.lock().conversation.take(packet, now);
    }

    /// Does what follows from the packets that came, and wakes who waits for them.
    pub(super) fn settle(self: &Arc<Link>) {
        self.is_touched.store(false, Ordering::Relaxed);
        self.send(Sender::Receiving);
        let mut inside = self.lock();
        let conversation = &inside.conversation;
        let is_over = !matches!(conversation.state(), State::Connecting | State::Open);
        if conversation.readable() > 0 || conversation.peer_closed() || is_over {
            self.readable.notify_one();
        }
        if conversation.room() >= WORTHWHILE_ROOM || is_over {
            self.writable.notify_one();
        }
        if conversation.state() != State::Connecting
            && let Some(bell) = inside.bell.take().and_then(|bell| bell.upgrade())
        {
            bell.ring();
        }
    }

    /// The time of its entry among the timers has come.
    pub(super) fn came_due(self: &Arc<Link>, now: Instant) {
        {
            let mut inside = self.lock();
            inside.armed = None;
            inside.conversation.expire(now);
        }
        self.settle();
    }

    /// Whether nothing more has to be done for it.
    pub(super) fn is_finished(&self, now: Instant) -> bool {
        let inside = self.lock();
        inside.closed.is_some_and(|closed| inside.conversation.is_finished() || closed + LINGER <= now)
    }

    /// It is forgotten: it has no entry among the timers any more.
    pub(super) fn forget(self: &Arc<Link>) {
        let mut inside = self.lock();
        inside.is_forgotten = true;
        let before = inside.armed.take();
        self.timers.set((self.number, self), before, None);
        drop(inside);
        self.readable.notify_all();
        self.writable.notify_all();
    }

    /// Sends what is to be sent, unless another thread does.
    pub(super) fn send(self: &Arc<Link>, sender: Sender) {
        let mut packet = {
            let mut inside = self.lock();
            if std::mem::replace(&mut inside.is_sending, true) {
                return;
            }
            std::mem::take(&mut inside.packet)
        };
        loop {
            let mut inside = self.lock();
            if !inside.conversation.next_packet(Instant::now(), &mut packet) {
                (inside.is_sending, inside.packet) = (false, packet);
                return self.arm(inside);
            }
            drop(inside);
            // What does not leave is lost on its way like any other packet.
            let _ = match sender {
                Sender::Receiving => self.port.send_now(self.address, &packet),
                Sender::Own => self.port.send(self.address, &packet),
            };
        }
    }

    /// Sees to it that the receiving thread looks at it again in time.
    fn arm(self: &Arc<Link>, mut inside: MutexGuard<'_, Inside>) {
        if inside.is_forgotten {
            return;
        }
        let linger = inside.closed.map(|closed| closed + LINGER);
        let due = match inside.closed {
            Some(closed) if inside.conversation.is_finished() => Some(closed),
            _ => inside.conversation.due().into_iter().chain(linger).min(),
        };
        let Some(due) = due.filter(|due| inside.armed.is_none_or(|armed| *due < armed)) else { return };
        // What is late already does not come before those that have waited for their turn.
        let due = due.max(Instant::now());
        let before = inside.armed.replace(due);
        let wake = self.timers.set((self.number, self), before, Some(due));
        drop(inside);
        if wake {
            self.port.wake();
        }
    }

    /// Waits until there are bytes to read, or there will be none.
    fn wait_for_bytes(&self) -> io::Result<MutexGuard<'_, Inside>> {
        let inside = self.lock();
        let longest = inside.longest_wait.unwrap_or(Duration::MAX);
        let not_yet = |inside: &mut Inside| {
            inside.closed.is_none()
                && inside.conversation.readable() == 0
                && !inside.conversation.peer_closed()
                && matches!(inside.conversation.state(), State::Connecting | State::Open)
        };
        let waited = self.readable.wait_timeout_while(inside, longest, not_yet);
        let (inside, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            return Err(ErrorKind::TimedOut.into());
        }
        match inside.conversation.state() {
            State::Ended(EndReason::Reset)
                if inside.closed.is_none() && inside.conversation.readable() == 0 =>
            {
                Err(ErrorKind::ConnectionReset.into())
            }
            State::Ended(EndReason::TimedOut)
                if inside.closed.is_none() && inside.conversation.readable() == 0 =>
            {
                Err(io::Error::other("the peer answers nothing any more"))
            }
            _ => Ok(inside),
        }
    }

    /// The longest that a later read waits.
    pub(in crate::net) fn wait_at_most(&self, wait: Duration) {
        self.lock().longest_wait = Some(wait);
    }

    /// Reads what is there, at least one byte; zero where the peer closed.
    pub(in crate::net) fn read(self: &Arc<Link>, into: &mut [u8]) -> io::Result<usize> {
        let mut inside = self.wait_for_bytes()?;
        if inside.closed.is_some() {
            return Ok(0);
        }
        let read = inside.conversation.read(into);
        drop(inside);
        // The peer may have waited for the room.
        self.send(Sender::Own);
        Ok(read)
    }

    /// The same, but leaves the bytes where they are.
    pub(in crate::net) fn peek(&self, into: &mut [u8]) -> io::Result<usize> {
        let inside = self.wait_for_bytes()?;
        Ok(if inside.closed.is_some() { 0 } else { inside.conversation.peek(into) })
    }

    /// Writes everything, and waits for room no longer than this at a time. `more`: what follows at once may go in the
    /// same packets.
    pub(in crate::net) fn write_all(
        self: &Arc<Link>,
        mut bytes: &[u8],
        more: bool,
        patience: Duration,
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            let is_full = |inside: &mut Inside| {
                inside.closed.is_none()
                    && inside.conversation.room() == 0
                    && matches!(inside.conversation.state(), State::Connecting | State::Open)
            };
            let waited = self.writable.wait_timeout_while(self.lock(), patience, is_full);
            let (mut inside, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            if timeout.timed_out() {
                return Err(ErrorKind::TimedOut.into());
            }
            let written = if inside.closed.is_some() { 0 } else { inside.conversation.write(bytes) };
            if written == 0 {
                return Err(ErrorKind::BrokenPipe.into());
            }
            bytes = bytes.get(written..).unwrap_or_default();
            drop(inside);
            if !(more && bytes.is_empty()) {
                self.send(Sender::Own);
            }
        }
        Ok(())
    }

    /// Closes it, and wakes the threads that wait. What was written before still goes for some seconds.
    pub(in crate::net) fn shut_down(self: &Arc<Link>) {
        let now = Instant::now();
        {
            let mut inside = self.lock();
            if inside.closed.is_some() {
                return;
            }
            inside.closed = Some(now);
            inside.conversation.close(now);
        }
        self.readable.notify_all();
        self.writable.notify_all();
        self.send(Sender::Own);
    }

    /// Tells the other end that the connection is no more, whatever still waits to be sent.
    pub(super) fn reset(&self) {
        let mut packet = Vec::new();
        self.lock().conversation.last_word(Instant::now(), &mut packet);
        let _ = self.port.send_now(self.address, &packet);
    }

    /// Where our end of it is.
    pub(in crate::net) fn local_address(&self) -> SocketAddr {
        self.port.address()
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        lock(&self.inside)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "uTP connection {} to {}", self.number, self.address)
    }
}
