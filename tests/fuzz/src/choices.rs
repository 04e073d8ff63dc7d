//! A fuzzer's bytes as a sequence of choices: what happens next, and with which numbers.
//!
//! Every sequence of bytes is a story, and where the bytes end so does the story.

use std::time::Duration;

/// The choices that are left.
pub struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    /// The story that these bytes tell.
    pub fn new(bytes: &'a [u8]) -> Choices<'a> {
        Choices(bytes)
    }

    /// Whether the story is over.
    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// A byte; 0 at the end.
    pub fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        byte
    }

    /// A number below `count`, which is at most 256.
    pub fn below(&mut self, count: u32) -> u32 {
        u32::from(self.byte()) % count.max(1)
    }

    /// A number that is mostly small, and now and then any of 32 bits.
    pub fn number(&mut self) -> u32 {
        match self.byte() {
            small @ ..240 => u32::from(small),
            _ => u32::from_be_bytes([self.byte(), self.byte(), self.byte(), self.byte()]),
        }
    }

    /// One of two.
    pub fn coin(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Up to this many bytes as they stand.
    pub fn bytes(&mut self, most: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// From a millisecond to some minutes.
    pub fn wait(&mut self) -> Duration {
        Duration::from_millis(1 << self.below(19))
    }
}
