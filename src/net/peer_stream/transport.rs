//! What carries the bytes of a connection, and what each kind of it has to do.

use std::fmt;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// How long a write may wait for a peer that does not read.
pub(super) const WRITE_DEADLINE: Duration = Duration::from_secs(60);
/// Bytes that are copied at once where a transport cannot send from a file by itself.
const COPY_BYTES: usize = 8 * 1024;

/// What carries the bytes of a connection: both directions, each blocking, used by two threads at once.
///
/// A write that waits for the peer longer than [`WRITE_DEADLINE`] fails.
pub(super) trait Transport: fmt::Debug + Send + Sync {
    /// The longest that a later read waits for a byte.
    fn wait_at_most(&self, wait: Duration) -> io::Result<()>;

    /// Reads what is there, at least one byte; zero where the peer closed.
    fn read(&self, into: &mut [u8]) -> io::Result<usize>;

    /// Waits and answers as a read, but leaves the bytes where they are.
    fn peek(&self, into: &mut [u8]) -> io::Result<usize>;

    /// Writes everything.
    fn write_all(&self, bytes: &[u8]) -> io::Result<()>;

    /// Writes everything. More follows at once, so the transport need not send a packet for this alone.
    fn write_more(&self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    /// Writes `length` zeros.
    fn write_zeros(&self, length: u64) -> io::Result<()> {
        let zeros = [0; COPY_BYTES];
        in_parts(length, COPY_BYTES, |_, size| self.write_all(zeros.get(..size).unwrap_or_default()))
    }

    /// Sends `length` bytes of a file from `offset` on.
    fn send_file(&self, file: &File, offset: u64, length: u64) -> io::Result<()> {
        copy_from_file(self, file, offset, length)
    }

    /// Where our end of it is, if it has an address.
    fn local_address(&self) -> Option<SocketAddr> {
        None
    }

    /// Whether it is uTP.
    fn is_utp(&self) -> bool {
        false
    }

    /// Ends both directions, and wakes the threads that wait in them.
    fn shut_down(&self);
}

/// Sends bytes of a file by reading and writing them.
pub(super) fn copy_from_file(
    transport: &(impl Transport + ?Sized),
    file: &File,
    offset: u64,
    length: u64,
) -> io::Result<()> {
    let mut buffer = [0; COPY_BYTES];
    in_parts(length, COPY_BYTES, |done, size| {
        let part = buffer.get_mut(..size).unwrap_or_default();
        file.read_exact_at(part, offset.saturating_add(done))?;
        transport.write_all(part)
    })
}

/// Calls `send` with the offset and the length of each part of `length` bytes, of which none is longer than `most`.
pub(super) fn in_parts(
    length: u64,
    most: usize,
    mut send: impl FnMut(u64, usize) -> io::Result<()>,
) -> io::Result<()> {
    let mut done = 0;
    while done < length {
        let size = usize::try_from(length - done).map_or(most, |left| left.min(most));
        send(done, size)?;
        done += size as u64;
    }
    Ok(())
}
