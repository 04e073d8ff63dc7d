//! The writing half of a worker: from orders to frames, and from requests to blocks.
//!
//! Runs on the thread `out-ADDRESS`. It blocks on its signals, with the keep-alive or the upload limit as
//! the deadline, and on the stream. Orders come before blocks, one block at a time, so that what we request
//! does not wait behind what we upload. When the coordinator and the reading half let go of the worker, the
//! signals end and so does the thread.

mod blocks;
mod frames;
mod taken_back;
mod upload_limit;

use super::TorrentContext;
use super::requests::{NextUpload, PeerRequests};
use crate::message::{HangUp, Order};
use crate::net::PeerStream;
use crate::wire::Message;
use blocks::BlockSource;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
#[cfg(test)]
pub(in crate::peer) use taken_back::LOOK;
use taken_back::TakenBack;
use upload_limit::UploadLimit;

/// A connection on which nothing was sent for two minutes is closed by the other side (BEP 3).
pub(in crate::peer) const KEEP_ALIVE: Duration = Duration::from_secs(100);
/// Several orders that wait go out with one write, up to about this many bytes.
const ONE_WRITE: usize = 16 * 1024;

/// What wakes an outbox.
#[derive(Debug)]
pub enum Signal {
    /// The coordinator orders something.
    Order(Order),
    /// The same, and why: whoever listens to the connection wants to know.
    Explained(Box<(Order, Vec<Reason>)>),
    /// The reading half has entered something in the [`PeerRequests`] while the outbox slept.
    Requests,
}

/// Why messages of this name, so many, are sent.
#[derive(Debug)]
pub struct Reason {
    /// The name as BEP 3 has it.
    pub message: &'static str,
    /// How many.
    pub count: usize,
    /// The reason.
    pub why: String,
}

impl Signal {
    /// The order, if it is one.
    pub fn into_order(self) -> Option<Order> {
        match self {
            Signal::Order(order) => Some(order),
            Signal::Explained(explained) => Some(explained.0),
            Signal::Requests => None,
        }
    }
}

/// The writing half.
pub struct Outbox {
    stream: Arc<OnceLock<PeerStream>>,
    signals: Receiver<Signal>,
    requests: Arc<PeerRequests>,
    context: Arc<TorrentContext>,
    address: SocketAddr,
    limit: UploadLimit,
    blocks: BlockSource,
    taken_back: TakenBack,
    /// Nothing but the handshake was sent. A bitfield may only be sent now (BEP 3).
    may_send_bitfield: bool,
    /// When we sent something last.
    last_sent: Instant,
}

/// Why [`Outbox::wait`] returned.
enum Wakeup {
    /// With an order.
    Order(Order),
    /// There are frames to write, requests to answer, or a block that may now go.
    Requests,
    /// Nothing was sent for a long time.
    KeepAlive,
    /// No order will come any more.
    End,
}

/// Why the outbox ends the connection.
enum OutboxError {
    /// Nothing can be written.
    Stream(io::Error),
    /// A block cannot be read although it was there a moment ago.
    Disk,
    /// The peer requests a piece that we do not have (any more), and does not understand a reject.
    CannotSend,
}

impl Outbox {
    /// The writing half for a peer that has just been greeted. `is_new`: nothing but the handshake was sent
    /// to it.
    pub fn new(
        stream: Arc<OnceLock<PeerStream>>,
        signals: Receiver<Signal>,
        requests: Arc<PeerRequests>,
        context: Arc<TorrentContext>,
        address: SocketAddr,
        is_new: bool,
    ) -> Outbox {
        let limit = UploadLimit::new(Arc::clone(&context.up));
        Outbox {
            stream,
            signals,
            requests,
            context,
            address,
            limit,
            blocks: BlockSource::default(),
            taken_back: TakenBack::default(),
            may_send_bitfield: is_new,
            last_sent: Instant::now(),
        }
    }

    /// The life of the thread.
    pub fn run(mut self) {
        let stream = Arc::clone(&self.stream);
        let Some(stream) = stream.get() else { return };
        let _end = EndOfStream(stream);
        let mut frames = Vec::new();
        self.introduce(&mut frames);
        loop {
            match self.wait(!frames.is_empty()) {
                Wakeup::Order(order) => self.write_order(order, &mut frames),
                Wakeup::KeepAlive => {
                    self.explain("keep-alive", 1, || "nothing was sent for 100 s".to_owned());
                    Message::KeepAlive.write_to(&mut frames);
                }
                Wakeup::Requests => {}
                Wakeup::End => return stream.hang_up(HangUp::Released),
            }
            self.write_waiting_orders(&mut frames);
            self.write_rejects(&mut frames);
            self.give_again(Instant::now(), &mut frames);
            if let Err(error) = self.send(stream, &mut frames) {
                return stream.hang_up(error.reason());
            }
            if !frames.is_empty() {
                self.last_sent = Instant::now();
                frames.clear();
            }
        }
    }

    /// Writes the orders up to the introduction. What the peer requests meanwhile has to wait: a bitfield
    /// comes first or not at all (BEP 3).
    fn introduce(&mut self, frames: &mut Vec<u8>) {
        while let Ok(signal) = self.signals.recv_timeout(KEEP_ALIVE) {
            let Some(order) = self.order_of(signal) else { continue };
            let is_introduction = matches!(order, Order::Introduce { .. });
            self.write_order(order, frames);
            if is_introduction {
                return;
            }
        }
    }

    /// Writes the orders that wait already, as far as one write should go.
    fn write_waiting_orders(&mut self, frames: &mut Vec<u8>) {
        while frames.len() < ONE_WRITE {
            match self.signals.try_recv() {
                Ok(signal) => {
                    self.order_of(signal).into_iter().for_each(|order| self.write_order(order, frames));
                }
                Err(_) => return,
            }
        }
    }

    /// The order, if it is one. Its reasons are told.
    fn order_of(&self, signal: Signal) -> Option<Order> {
        if let Signal::Explained(explained) = signal {
            let (order, reasons) = *explained;
            for Reason { message, count, why } in reasons {
                self.explain(message, count, || why);
            }
            return Some(order);
        }
        signal.into_order()
    }

    /// Tells whoever listens to the connection why the next messages of this name, so many, are sent.
    fn explain(&self, message: &'static str, count: usize, why: impl FnOnce() -> String) {
        if let Some(tap) = self.stream.get().and_then(PeerStream::tap) {
            tap.why(message, count, why());
        }
    }

    /// Waits until there is something to do, which there is at once where frames are written already.
    fn wait(&mut self, has_frames: bool) -> Wakeup {
        let (pending, now) = (self.requests.pending(), Instant::now());
        match pending.next_length {
            Some(bytes) => self.limit.reserve(bytes, now),
            None => self.limit.give_back(),
        }
        // With nothing reserved, a block that is next has been released by the limit before.
        let due = self.limit.due();
        let may_upload = pending.next_length.is_some() && due.is_none_or(|due| due <= now);
        if has_frames || pending.rejects || may_upload || !self.requests.sleep(due.is_some()) {
            return Wakeup::Requests;
        }
        self.sleep(due)
    }

    /// Sleeps until a signal comes, until `due`, until lost pieces are looked for, or until the peer has to hear a
    /// keep-alive.
    fn sleep(&self, due: Option<Instant>) -> Wakeup {
        let keep_alive = self.last_sent + KEEP_ALIVE;
        let earlier = [due, self.taken_back.next_look].into_iter().flatten();
        match self.signals.recv_deadline(earlier.fold(keep_alive, Instant::min)) {
            Ok(signal) => self.order_of(signal).map_or(Wakeup::Requests, Wakeup::Order),
            Err(RecvTimeoutError::Timeout) if Instant::now() >= keep_alive => Wakeup::KeepAlive,
            Err(RecvTimeoutError::Timeout) => Wakeup::Requests,
            Err(RecvTimeoutError::Disconnected) => Wakeup::End,
        }
    }

    /// Sends the frames, and behind them what the upload limit lets go now.
    fn send(&mut self, stream: &PeerStream, frames: &mut Vec<u8>) -> Result<(), OutboxError> {
        match self.next_upload() {
            Some(NextUpload::Block(piece, request)) => {
                return self.send_block(stream, piece, request, frames);
            }
            Some(NextUpload::Metadata { message_id, piece, .. }) => {
                self.write_metadata(message_id, piece, frames);
            }
            Some(NextUpload::Hashes { request, is_served }) => self.write_hashes(request, is_served, frames),
            None => {}
        }
        stream.write_all(frames).map_err(OutboxError::Stream)
    }

    /// Takes out what may go now.
    fn next_upload(&mut self) -> Option<NextUpload> {
        let now = Instant::now();
        let next = self.requests.next(self.limit.released(now), now)?;
        self.limit.spend(next.length());
        Some(next)
    }
}

/// Ends the connection with the thread, even if that panicked: the reading half must not wait for the answers
/// to requests that nobody sends. If there is a reason already, that one stays.
struct EndOfStream<'a>(&'a PeerStream);

impl Drop for EndOfStream<'_> {
    fn drop(&mut self) {
        self.0.hang_up(HangUp::WorkerEnded);
    }
}

impl OutboxError {
    fn reason(&self) -> HangUp {
        match self {
            OutboxError::Stream(error)
                if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) =>
            {
                HangUp::DoesNotRead
            }
            OutboxError::Stream(_) => HangUp::ConnectionLost,
            OutboxError::Disk => HangUp::Unreadable,
            OutboxError::CannotSend => HangUp::CannotSend,
        }
    }
}
