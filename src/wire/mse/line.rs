//! The connection during a key exchange: what came and was not used yet is kept.

use super::{MAX_PAD, MseError, MseFault, Rc4};
use std::io::{self, Read, Write};

/// Bytes that are read at once: a pad and what belongs to it. So no more of the conversation is held.
const READ_BYTES: usize = 1024;

/// A connection, and what was read of it.
pub struct Line<'a, S> {
    stream: &'a mut S,
    held: Vec<u8>,
}

impl<'a, S: Read + Write> Line<'a, S> {
    pub fn new(stream: &'a mut S) -> Line<'a, S> {
        Line { stream, held: Vec::new() }
    }

    /// Sends these parts as one.
    pub fn say(&mut self, parts: &[&[u8]]) -> Result<(), MseError> {
        Ok(self.stream.write_all(&parts.concat())?)
    }

    /// The next bytes.
    pub fn take<const N: usize>(&mut self) -> Result<[u8; N], MseError> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.take_some(N)?);
        Ok(bytes)
    }

    /// The next bytes, decrypted.
    pub fn take_hidden<const N: usize>(&mut self, keystream: &mut Rc4) -> Result<[u8; N], MseError> {
        let mut bytes = self.take()?;
        keystream.apply(&mut bytes);
        Ok(bytes)
    }

    /// The same, as many as are asked for.
    pub fn take_some_hidden(&mut self, count: usize, keystream: &mut Rc4) -> Result<Vec<u8>, MseError> {
        let mut bytes = self.take_some(count)?;
        keystream.apply(&mut bytes);
        Ok(bytes)
    }

    /// A hidden pad, which says nothing.
    pub fn pass_hidden_pad(&mut self, keystream: &mut Rc4) -> Result<(), MseError> {
        let length = usize::from(u16::from_be_bytes(self.take_hidden(keystream)?));
        if length > MAX_PAD {
            return Err(MseFault::LongPad.into());
        }
        self.take_some_hidden(length, keystream).map(drop)
    }

    /// A pad of unknown length, and the mark behind it.
    pub fn pass_pad(&mut self, mark: &[u8]) -> Result<(), MseError> {
        let mut looked_at = 0;
        loop {
            let there = self.held.windows(mark.len()).take(MAX_PAD + 1).skip(looked_at);
            if let Some(more) = there.clone().position(|window| window == mark) {
                self.held.drain(..looked_at + more + mark.len());
                return Ok(());
            }
            looked_at += there.count();
            if looked_at > MAX_PAD {
                return Err(MseFault::NoMark.into());
            }
            self.fill()?;
        }
    }

    /// What was read and belongs to the conversation.
    pub fn rest(self) -> Vec<u8> {
        self.held
    }

    fn take_some(&mut self, count: usize) -> Result<Vec<u8>, MseError> {
        while self.held.len() < count {
            self.fill()?;
        }
        Ok(self.held.drain(..count).collect())
    }

    fn fill(&mut self) -> Result<(), MseError> {
        let mut bytes = [0; READ_BYTES];
        let read = loop {
            match self.stream.read(&mut bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                read => break read?,
            }
        };
        self.held.extend_from_slice(bytes.get(..read).unwrap_or_default());
        Ok(())
    }
}
