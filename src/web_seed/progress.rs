//! Whether a body comes fast enough. A server that sends a byte now and then would hold what it was asked for, and is never
//! silent for long, so each block has a deadline too.

use super::failure::failed;
use crate::message::PeerError;
use crate::net::http::{RangeAnswer, WebError};
use crate::piece::BLOCK_LENGTH;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

/// How long the next [`BLOCK_LENGTH`] bytes have taken so far.
pub(super) struct Progress {
    may_take: Duration,
    waited: Duration,
    bytes: usize,
}

impl Progress {
    /// Nothing has come. A block may take so long.
    pub fn new(may_take: Duration) -> Progress {
        Progress { may_take, waited: Duration::ZERO, bytes: 0 }
    }

    /// Reads at least one byte. The outer error says that the server is too slow.
    pub fn read(
        &mut self,
        answer: &mut RangeAnswer,
        room: &mut [u8],
    ) -> Result<Result<usize, WebError>, PeerError> {
        let started = Instant::now();
        let read = answer.read(room);
        self.waited += started.elapsed();
        self.count(read)
    }

    /// The same, of what is there already. `None` where it would have to wait.
    pub fn read_at_once(
        &mut self,
        answer: &mut RangeAnswer,
        room: &mut [u8],
    ) -> Result<Option<Result<usize, WebError>>, PeerError> {
        answer.read_at_once(room).transpose().map(|read| self.count(read)).transpose()
    }

    fn count(&mut self, read: Result<usize, WebError>) -> Result<Result<usize, WebError>, PeerError> {
        let read = match read {
            Ok(0) => return Ok(Err(WebError::Broken(ErrorKind::UnexpectedEof.into()))),
            Ok(read) => read,
            Err(error) => return Ok(Err(error)),
        };
        self.bytes = self.bytes.saturating_add(read);
        if self.bytes >= BLOCK_LENGTH as usize {
            (self.waited, self.bytes) = (Duration::ZERO, 0);
        } else if self.waited > self.may_take {
            return Err(failed(format!("less than 16 KiB in {} s", self.may_take.as_secs())));
        }
        Ok(Ok(read))
    }
}
