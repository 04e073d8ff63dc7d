//! One connection to a peer, shared by the two threads that speak over it.
//!
//! Inbound blocks in [`PeerStream::read`], outbox in [`PeerStream::write_all`], and neither waits for the
//! other. Any thread may [hang up](PeerStream::hang_up), which wakes both.
//!
//! What carries the bytes is a [`Transport`]: TCP or uTP, and in tests and simulated swarms a pair of pipes in
//! memory. Greeting, inbound and outbox do not know which one it is. A transport that tunnels is made complete before
//! it becomes a `PeerStream`. Encryption lies over whichever it is, from the moment on in which a key exchange has
//! [agreed](PeerStream::secure) on it; until then, and where there is none, it costs one look. Between both stands the
//! door for whoever [watches](PeerStream::watched_by): it sees the plain bytes, each time before they go or after they came.

mod memory;
mod security;
mod tcp;
mod transport;
mod utp;

use super::HangUp;
use super::tap::{StreamEnd, StreamTap, Tap};
use crate::metainfo::InfoHash;
use crate::strategy::Security;
use crate::thread::lock;
use crate::wire::PeerId;
use crate::wire::extension::ExtensionHandshake;
use crate::wire::mse::Agreed;
use security::{Outgoing, Secured};
use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};
use tcp::Tcp;
use transport::{Transport, WRITE_DEADLINE, in_parts};

/// What carries the bytes, and what lies over it.
#[derive(Debug)]
struct Channel {
    transport: Box<dyn Transport>,
    secured: OnceLock<Secured>,
    /// Where whoever watches sees what is said.
    tap: OnceLock<StreamTap>,
}

/// A connection to a peer.
#[derive(Debug)]
pub struct PeerStream {
    /// Shared for the moment in which a connection is [given away](PeerStream::give_away).
    channel: Arc<Channel>,
    /// Why we hung up, if we did.
    hung_up: Mutex<Option<HangUp>>,
    /// Wakes the threads that [pause](PeerStream::pause_until).
    ended: Condvar,
}

impl PeerStream {
    /// A connection over TCP.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn accepted(stream: TcpStream) -> io::Result<PeerStream> {
        Ok(PeerStream::over(Box::new(Tcp::new(stream)?)))
    }

    fn over(transport: Box<dyn Transport>) -> PeerStream {
        PeerStream::through(Arc::new(Channel { transport, secured: OnceLock::new(), tap: OnceLock::new() }))
    }

    fn through(channel: Arc<Channel>) -> PeerStream {
        PeerStream { channel, hung_up: Mutex::default(), ended: Condvar::new() }
    }

    /// What is said over the connection to this peer, or one that has connected to us, is seen at this door while it is
    /// open. To be called before anything is said.
    pub fn watched_by(&self, tap: &Tap, address: SocketAddr, incoming: bool) {
        if let Some(tap) =
            tap.connection(address, [incoming, self.is_utp()], || self.transport().local_address())
        {
            let _ = self.channel.tap.set(tap);
        }
    }

    /// The connection's door, if somebody listens.
    pub fn tap(&self) -> Option<&StreamTap> {
        self.channel.tap.get().filter(|tap| tap.is_open())
    }

    /// Whoever listens later has to know that the connection is about this torrent, and who the peer says that it is...
    pub fn is_about(&self, info_hash: InfoHash, peer_id: PeerId) {
        self.channel.tap.get().into_iter().for_each(|tap| tap.is_about(info_hash, peer_id));
    }

    /// ...and what it says that it can do.
    pub fn speaks(&self, theirs: &ExtensionHandshake) {
        self.channel.tap.get().into_iter().for_each(|tap| tap.speaks(theirs));
    }

    /// The conversation goes on as a key exchange has agreed. This is said once, by the thread that reads and writes,
    /// before there is another.
    pub fn secure(&self, agreed: Agreed) {
        let _ = self.channel.secured.set(Secured::new(agreed));
        if let Some(tap) = self.channel.tap.get() {
            tap.secured(self.security());
        }
    }

    /// What of the connection is encrypted.
    pub fn security(&self) -> Security {
        self.channel.secured.get().map_or(Security::Plain, |secured| secured.security)
    }

    /// Whether uTP carries it.
    pub fn is_utp(&self) -> bool {
        self.transport().is_utp()
    }

    /// The longest that a later [`PeerStream::read`] waits for a byte.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn wait_at_most(&self, wait: Duration) -> io::Result<()> {
        self.transport().wait_at_most(wait)
    }

    /// Reads what is there, at least one byte; zero where the peer closed.
    ///
    /// # Errors
    ///
    /// What the system says; [`io::ErrorKind::TimedOut`] or `WouldBlock` after the longest wait.
    pub fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.read_unseen(into)?;
        if let Some(tap) = self.tap() {
            match into.get(..read) {
                Some([]) if !into.is_empty() => tap.ended(self.end()),
                bytes => tap.received(bytes.unwrap_or_default()),
            }
        }
        Ok(read)
    }

    /// The same into what is behind the first `held` bytes of the buffer, with which a message begins. So whoever has
    /// begun to listen finds its place.
    ///
    /// # Errors
    ///
    /// As [`PeerStream::read`].
    pub fn read_behind(&self, held: usize, buffer: &mut [u8]) -> io::Result<usize> {
        let Some((start, into)) = buffer.split_at_mut_checked(held) else { return Ok(0) };
        let read = self.read_unseen(into)?;
        if let Some(tap) = self.tap() {
            match into.get(..read) {
                Some([]) if !into.is_empty() => tap.ended(self.end()),
                bytes => tap.received_behind(start, bytes.unwrap_or_default()),
            }
        }
        Ok(read)
    }

    fn read_unseen(&self, into: &mut [u8]) -> io::Result<usize> {
        match self.channel.secured.get() {
            None => self.transport().read(into),
            Some(secured) => secured.read(self.transport(), into),
        }
    }

    /// Waits as [`PeerStream::read`] does, but leaves the bytes where they are. Returns how many of them would fit
    /// into `room`; zero where the peer closed. What is in `room` then means nothing.
    ///
    /// # Errors
    ///
    /// As [`PeerStream::read`].
    pub fn wait_for_bytes(&self, room: &mut [u8]) -> io::Result<usize> {
        match self.channel.secured.get() {
            None => self.transport().peek(room),
            Some(secured) => secured.wait(self.transport(), room),
        }
    }

    /// Waits until `due`, or until we hang up.
    pub fn pause_until(&self, due: Instant) {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        let _ = self.ended.wait_timeout_while(self.reason(), left, |why| why.is_none());
    }

    /// Reads what is there, if it comes before `deadline`.
    ///
    /// # Errors
    ///
    /// As [`PeerStream::read`].
    pub fn read_by(&self, into: &mut [u8], deadline: Instant) -> io::Result<usize> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.wait_at_most(left)?;
        self.read(into)
    }

    /// Fills the buffer, all of it before `deadline`, so that a peer that sends one byte at a time
    /// cannot hold a worker.
    ///
    /// # Errors
    ///
    /// As [`PeerStream::read`]; [`io::ErrorKind::UnexpectedEof`] where the peer closed.
    pub fn read_exact_by(&self, mut into: &mut [u8], deadline: Instant) -> io::Result<()> {
        while !into.is_empty() {
            match self.read_by(into, deadline)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => into = into.get_mut(read..).unwrap_or_default(),
            }
        }
        Ok(())
    }

    /// Writes everything. A message begins with the first byte: so whoever has begun to listen finds its place.
    ///
    /// # Errors
    ///
    /// What the system says; [`io::ErrorKind::TimedOut`] or `WouldBlock` where the peer does not read.
    pub fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        self.tap().into_iter().for_each(|tap| tap.sent(bytes));
        self.write_unseen(bytes)
    }

    /// Writes everything. It goes on with a message that has begun, or is none.
    ///
    /// # Errors
    ///
    /// As [`PeerStream::write_all`].
    pub fn write_on(&self, bytes: &[u8]) -> io::Result<()> {
        self.tap().into_iter().for_each(|tap| tap.sent_on(bytes));
        self.write_unseen(bytes)
    }

    fn write_unseen(&self, bytes: &[u8]) -> io::Result<()> {
        let transport = self.transport();
        let Some(mut outgoing) = self.outgoing() else { return transport.write_all(bytes) };
        outgoing.add(transport, bytes)?;
        outgoing.flush(transport)
    }

    /// As [`PeerStream::write_all`], and more follows at once: no packet need be sent for this alone.
    ///
    /// # Errors
    ///
    /// As [`PeerStream::write_all`].
    pub fn write_more(&self, bytes: &[u8]) -> io::Result<()> {
        let transport = self.transport();
        self.tap().into_iter().for_each(|tap| tap.sent(bytes));
        let Some(mut outgoing) = self.outgoing() else { return transport.write_more(bytes) };
        outgoing.add(transport, bytes)
    }

    /// Writes `length` zeros.
    ///
    /// # Errors
    ///
    /// As [`PeerStream::write_all`].
    pub fn write_zeros(&self, length: u64) -> io::Result<()> {
        let transport = self.transport();
        self.tap().into_iter().for_each(|tap| tap.sent_zeros(length));
        let Some(mut outgoing) = self.outgoing() else { return transport.write_zeros(length) };
        outgoing.add_zeros(transport, length)?;
        outgoing.flush(transport)
    }

    /// Sends `length` bytes of a file, from `offset` on: straight from the page cache where the transport
    /// can and nothing is to be encrypted.
    ///
    /// # Errors
    ///
    /// As [`PeerStream::write_all`]; what reading the file brings, and [`io::ErrorKind::UnexpectedEof`]
    /// where it has fewer bytes.
    pub fn send_file(&self, file: &File, offset: u64, length: u64) -> io::Result<()> {
        let transport = self.transport();
        self.tap().into_iter().for_each(|tap| tap.sent_file(file, offset, length));
        let Some(mut outgoing) = self.outgoing() else { return transport.send_file(file, offset, length) };
        outgoing.add_file(transport, file, offset, length)?;
        outgoing.flush(transport)
    }

    /// Ends the connection in both directions and wakes every thread that waits for it. The first reason
    /// stays.
    pub fn hang_up(&self, why: HangUp) {
        self.end_by(why, || StreamEnd::HungUp(why));
    }

    /// The same for a reason that whoever watches is told in these words.
    pub fn end_by(&self, why: HangUp, end: impl FnOnce() -> StreamEnd) {
        let mut reason = self.reason();
        if reason.is_some() {
            return;
        }
        *reason = Some(why);
        if let Some(tap) = self.channel.tap.get() {
            tap.ended(end());
        }
        self.ended.notify_all();
        self.transport().shut_down();
    }

    /// Gives the connection away: it goes on as the returned stream. A later call of
    /// [`hang_up`](PeerStream::hang_up) on this one ends nothing. `None` where we hung up before.
    pub fn give_away(&self) -> Option<PeerStream> {
        let mut reason = self.reason();
        if reason.is_some() {
            return None;
        }
        *reason = Some(HangUp::HandedOver);
        Some(PeerStream::through(Arc::clone(&self.channel)))
    }

    /// Why we hung up, if we did.
    pub fn hung_up(&self) -> Option<HangUp> {
        *self.reason()
    }

    /// How it ended, now that nothing more comes.
    fn end(&self) -> StreamEnd {
        self.hung_up().map_or(StreamEnd::Closed, StreamEnd::HungUp)
    }

    fn transport(&self) -> &dyn Transport {
        &*self.channel.transport
    }

    /// The outgoing direction, if it goes through RC4.
    fn outgoing(&self) -> Option<MutexGuard<'_, Outgoing>> {
        self.channel.secured.get()?.outgoing()
    }

    fn reason(&self) -> MutexGuard<'_, Option<HangUp>> {
        lock(&self.hung_up)
    }
}

#[cfg(test)]
mod tests;
