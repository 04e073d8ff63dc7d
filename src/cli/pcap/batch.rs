//! What is written at a time: bytes that were made here, and between them those of blocks as they came, which are not
//! copied once more. Pure but for the writing.

use crate::net::tap::Spares;
use std::borrow::Cow;
use std::io::{self, ErrorKind, IoSlice, Write};

/// What is shorter is copied: it is dearer to tell the system where it is.
const WORTH_KEEPING: usize = 4 * 1024;
/// The most parts that are given to the system at once. Linux takes 1024.
const MOST_PARTS: usize = 512;

/// It.
#[derive(Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    /// What stands between them: how many bytes go before it, and the buffer that it has for itself.
    payloads: Vec<(usize, Vec<u8>)>,
    /// Bytes in these.
    in_payloads: usize,
    /// Where they go when they are written.
    spares: Spares,
}

impl Batch {
    /// An empty one, whose buffers come from there.
    pub(super) fn new(spares: Spares) -> Batch {
        Batch { spares, ..Batch::default() }
    }

    /// Bytes in it.
    pub(super) fn len(&self) -> usize {
        self.bytes.len().saturating_add(self.in_payloads)
    }

    /// Bytes that are made here.
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Bytes that came.
    pub(super) fn payload(&mut self, payload: Cow<'_, [u8]>) {
        match payload {
            Cow::Owned(payload) if payload.len() >= WORTH_KEEPING => {
                self.in_payloads = self.in_payloads.saturating_add(payload.len());
                self.payloads.push((self.bytes.len(), payload));
            }
            payload => self.bytes.extend_from_slice(&payload),
        }
    }

    /// Writes all of it, and empties it also where that fails.
    pub(super) fn write_to(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let mut parts = Vec::with_capacity(2 * self.payloads.len() + 1);
        let mut done = 0;
        for (at, payload) in &self.payloads {
            parts.extend([self.bytes.get(done..*at).unwrap_or_default(), payload].map(IoSlice::new));
            done = *at;
        }
        parts.push(IoSlice::new(self.bytes.get(done..).unwrap_or_default()));
        let written = write_parts(&mut parts, out);
        self.bytes.clear();
        self.in_payloads = 0;
        self.payloads.drain(..).for_each(|(_, payload)| self.spares.give(payload));
        written
    }
}

fn write_parts(mut parts: &mut [IoSlice<'_>], out: &mut dyn Write) -> io::Result<()> {
    // Empty ones in front would make a write of nothing of it.
    IoSlice::advance_slices(&mut parts, 0);
    while !parts.is_empty() {
        let now = parts.get(..MOST_PARTS).unwrap_or(parts);
        match out.write_vectored(now) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut parts, written),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
