//! A connection over uTP.

use super::{PeerStream, Transport, WRITE_DEADLINE, in_parts};
use crate::net::utp::Link;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a file that are read at once: a block.
const PART: usize = 16 * 1024;

/// One end of it. It is closed when this is dropped.
#[derive(Debug)]
struct Utp(Arc<Link>);

impl PeerStream {
    /// A connection over uTP.
    pub(in crate::net) fn over_utp(link: Arc<Link>) -> PeerStream {
        PeerStream::over(Box::new(Utp(link)))
    }
}

impl Transport for Utp {
    fn wait_at_most(&self, wait: Duration) -> io::Result<()> {
        self.0.wait_at_most(wait);
        Ok(())
    }

    fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }

    fn peek(&self, into: &mut [u8]) -> io::Result<usize> {
        self.0.peek(into)
    }

    fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes, false, WRITE_DEADLINE)
    }

    fn write_more(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes, true, WRITE_DEADLINE)
    }

    fn send_file(&self, file: &File, offset: u64, length: u64) -> io::Result<()> {
        let mut buffer = vec![0; PART];
        in_parts(length, PART, |done, size| {
            let part = buffer.get_mut(..size).unwrap_or_default();
            file.read_exact_at(part, offset.saturating_add(done))?;
            self.write_all(part)
        })
    }

    fn local_address(&self) -> Option<SocketAddr> {
        Some(self.0.local_address())
    }

    fn is_utp(&self) -> bool {
        true
    }

    fn shut_down(&self) {
        self.0.shut_down();
    }
}

impl Drop for Utp {
    fn drop(&mut self) {
        self.0.shut_down();
    }
}
