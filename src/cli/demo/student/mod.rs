//! A student's own program, as the demo hears it: its handshake and its messages, one after the other, and what is wrong
//! with them.
//!
//! Pure: it is given the bytes that came, and never waits. `--serve` listens to a client with it (`client`), `--with`
//! to a seeder (`seeder`), and the tracker looks at announces (`announce`). What comes is bounded: no frame that is
//! accepted is longer than 64 KiB, and of one connection only so much is told (`report`).

pub mod announce;
pub mod client;
mod frames;
mod handshake;
pub mod report;
mod requests;
pub mod seeder;
#[cfg(test)]
mod tests;

use crate::piece::Geometry;
use crate::wire::{Frame, FrameLimits, HANDSHAKE_LENGTH};
pub use handshake::Expected;
use report::{Fault, PROTOCOL};
use sha1::{Digest, Sha1};

/// What has come from a program and was not used yet.
#[derive(Debug)]
pub struct Student {
    expected: Expected,
    limits: FrameLimits,
    received: Vec<u8>,
    /// How many of its handshakes and messages were used.
    heard: u64,
}

impl Student {
    /// Nothing has come yet of one that should ask for this torrent.
    pub fn new(expected: Expected, geometry: Geometry) -> Student {
        let limits = FrameLimits::for_pieces(geometry.piece_count());
        Student { expected, limits, received: Vec::new(), heard: 0 }
    }

    /// This has come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// The bytes of the next thing that it said, if all of it is there: its handshake first, then frames.
    ///
    /// # Errors
    ///
    /// What follows cannot be understood.
    pub fn take(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        let whole = if self.heard == 0 {
            match handshake::fault(&self.received, &self.expected) {
                Some(fault) => return Err(fault),
                None => HANDSHAKE_LENGTH,
            }
        } else {
            match frames::next(&self.received, &self.limits, self.heard == 1)? {
                Frame::Whole(_, length) => length,
                Frame::Partial(_) => return Ok(None),
            }
        };
        if self.received.len() < whole {
            return Ok(None);
        }
        self.heard = self.heard.saturating_add(1);
        Ok(Some(self.received.drain(..whole).collect()))
    }

    /// What to say if nothing comes any more. `None` where it is in the middle of nothing.
    pub fn stuck(&self) -> Option<String> {
        match (self.heard, self.received.is_empty()) {
            (0, _) => Some(handshake::stuck(&self.received, &self.expected)),
            (_, true) => None,
            (_, false) => Some(frames::stuck(&self.received, self.heard == 1)),
        }
    }

    /// What is wrong where it ends here: it is in the middle of something.
    pub fn unfinished(&self) -> Option<Fault> {
        let title = if self.has_greeted() { "unfinished message" } else { "unfinished handshake" };
        let text = self.stuck().filter(|_| !self.received.is_empty())?;
        Some(Fault::new(title, PROTOCOL, text))
    }

    /// How it ends after a fault of `take`.
    pub fn broken_off(&self) -> &'static str {
        if self.has_greeted() {
            "we hang up: what follows cannot be understood"
        } else {
            "we hang up: only after the right handshake is there anything to say"
        }
    }

    /// Whether the handshake has come.
    pub fn has_greeted(&self) -> bool {
        self.heard > 0
    }
}

impl Expected {
    /// What a handshake for this torrent has in it.
    pub fn of(torrent: &crate::metainfo::Metainfo) -> Expected {
        Expected { info_hash: torrent.info_hash, of_file: Sha1::digest(torrent.bytes()).into() }
    }
}
