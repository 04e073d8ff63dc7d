//! What lies over a transport behind a key exchange (MSE): the keystreams of both directions, where there are any, and
//! the bytes of the conversation that came with the exchange.
//!
//! What is read is decrypted where it lies. What is written is borrowed, or is in a file, so it is encrypted in a
//! buffer, which is as large as what was written at once and never larger than `BUFFER_BYTES`.

use super::{Transport, in_parts};
use crate::strategy::Security;
use crate::thread::lock;
use crate::wire::mse::{Agreed, Rc4};
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, MutexGuard};

/// Bytes that are encrypted at once: a block and its head fit, and so do both in the processor's cache.
const BUFFER_BYTES: usize = 32 * 1024;

/// What a connection has beyond its transport.
pub(super) struct Secured {
    pub(super) security: Security,
    /// Held by the one thread that reads, also while it waits.
    incoming: Mutex<Incoming>,
    /// Held by the one thread that writes.
    outgoing: Option<Mutex<Outgoing>>,
}

struct Incoming {
    /// Decrypted bytes that come before anything else.
    early: Vec<u8>,
    keystream: Option<Rc4>,
}

/// The outgoing direction through RC4.
pub(super) struct Outgoing {
    keystream: Rc4,
    buffer: Vec<u8>,
    /// So many bytes at its beginning are encrypted and not sent.
    filled: usize,
}

impl Secured {
    pub(super) fn new(agreed: Agreed) -> Secured {
        let security = if agreed.keystreams.is_some() { Security::Rc4 } else { Security::Handshake };
        let (incoming, outgoing) = agreed.keystreams.map(|both| (both.incoming, both.outgoing)).unzip();
        let outgoing =
            outgoing.map(|keystream| Mutex::new(Outgoing { keystream, buffer: Vec::new(), filled: 0 }));
        let incoming = Mutex::new(Incoming { early: agreed.early, keystream: incoming });
        Secured { security, incoming, outgoing }
    }

    /// As [`Transport::read`], decrypted.
    pub(super) fn read(&self, transport: &dyn Transport, into: &mut [u8]) -> io::Result<usize> {
        let mut incoming = lock(&self.incoming);
        if !incoming.early.is_empty() {
            let count = incoming.early.len().min(into.len());
            into.iter_mut().zip(incoming.early.drain(..count)).for_each(|(to, from)| *to = from);
            return Ok(count);
        }
        let read = transport.read(into)?;
        if let Some(keystream) = &mut incoming.keystream {
            keystream.apply(into.get_mut(..read).unwrap_or_default());
        }
        Ok(read)
    }

    /// As [`Transport::peek`], but what is in `room` then means nothing.
    pub(super) fn wait(&self, transport: &dyn Transport, room: &mut [u8]) -> io::Result<usize> {
        let early = lock(&self.incoming).early.len();
        if early > 0 { Ok(early.min(room.len())) } else { transport.peek(room) }
    }

    /// The outgoing direction, if it goes through RC4.
    pub(super) fn outgoing(&self) -> Option<MutexGuard<'_, Outgoing>> {
        self.outgoing.as_ref().map(lock)
    }
}

impl Outgoing {
    /// Encrypts bytes. They wait for those that follow, as far as the buffer goes.
    pub(super) fn add(&mut self, transport: &dyn Transport, bytes: &[u8]) -> io::Result<()> {
        let mut left = bytes;
        self.add_parts(transport, bytes.len() as u64, |_, part| {
            if let Some((now, later)) = left.split_at_checked(part.len()) {
                part.copy_from_slice(now);
                left = later;
            }
            Ok(())
        })
    }

    /// The same with zeros.
    pub(super) fn add_zeros(&mut self, transport: &dyn Transport, length: u64) -> io::Result<()> {
        self.add_parts(transport, length, |_, part| {
            part.fill(0);
            Ok(())
        })
    }

    /// The same with bytes of a file.
    pub(super) fn add_file(
        &mut self,
        transport: &dyn Transport,
        file: &File,
        offset: u64,
        length: u64,
    ) -> io::Result<()> {
        self.add_parts(transport, length, |done, part| file.read_exact_at(part, offset.saturating_add(done)))
    }

    /// Sends what is encrypted.
    pub(super) fn flush(&mut self, transport: &dyn Transport) -> io::Result<()> {
        let filled = std::mem::take(&mut self.filled);
        transport.write_all(self.buffer.get(..filled).unwrap_or_default())
    }

    /// Bytes that the buffer takes.
    #[cfg(test)]
    pub(super) fn buffered(&self) -> usize {
        self.buffer.capacity()
    }

    /// `fill` puts each part over the bytes that it gets, which mean nothing. The buffer only ever grows: to fill it with
    /// zeros for each block took an eighth of a seed's time.
    fn add_parts(
        &mut self,
        transport: &dyn Transport,
        length: u64,
        mut fill: impl FnMut(u64, &mut [u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        in_parts(length, BUFFER_BYTES, |done, size| {
            if self.filled.saturating_add(size) > BUFFER_BYTES {
                self.flush(transport)?;
            }
            let end = self.filled.saturating_add(size);
            if self.buffer.len() < end {
                self.buffer.resize(end, 0);
            }
            let part = self.buffer.get_mut(self.filled..end).unwrap_or_default();
            fill(done, part)?;
            self.keystream.apply(part);
            self.filled = end;
            Ok(())
        })
    }
}

impl fmt::Debug for Secured {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.security)
    }
}
