//! Cuts the stream of bytes that comes from a server into blocks.
//!
//! Pure. A block may be in several files, and so in several answers, and an answer may break off within one. What is
//! there of it stays, as long as what comes next goes on where it ended.

use crate::piece::{BLOCK_LENGTH, Block, Geometry};

/// What one read brings, and the beginning of a block before it.
const BYTES: usize = 128 * 1024 + BLOCK_LENGTH as usize;

/// What came and is not a whole block yet.
#[derive(Debug)]
pub struct Intake {
    buffer: Vec<u8>,
    /// What is held is from here...
    start: usize,
    /// ...to here.
    end: usize,
    /// Where `start` is in the payload: the beginning of a block.
    at: u64,
}

impl Intake {
    /// Nothing came yet.
    pub fn new() -> Intake {
        Intake { buffer: vec![0; BYTES], start: 0, end: 0, at: 0 }
    }

    /// The next block begins here in the payload. Forgets what is there of another one.
    pub fn begin(&mut self, at: u64) {
        if self.at != at {
            *self = Intake { buffer: std::mem::take(&mut self.buffer), start: 0, end: 0, at };
        }
    }

    /// Where the next byte belongs in the payload.
    pub fn position(&self) -> u64 {
        self.at.saturating_add(self.end.saturating_sub(self.start) as u64)
    }

    /// Room for the next bytes, at most so many.
    pub fn room(&mut self, most: u64) -> &mut [u8] {
        if self.buffer.len() - self.end < BLOCK_LENGTH as usize || self.start == self.end {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        let most = usize::try_from(most).map_or(room.len(), |most| most.min(room.len()));
        room.get_mut(..most).unwrap_or_default()
    }

    /// So many bytes were put into the room.
    pub fn came(&mut self, bytes: usize) {
        self.end = self.end.saturating_add(bytes).min(self.buffer.len());
    }

    /// Takes the next block out, if all of it is there.
    pub fn next(&mut self, geometry: &Geometry) -> Option<(Block, &[u8])> {
        let block = block_at(geometry, self.at)?;
        let length = geometry.block_length(block) as usize;
        let data = self.buffer.get(self.start..self.end)?.get(..length)?;
        self.start += length;
        self.at = self.at.saturating_add(length as u64);
        Some((block, data))
    }
}

/// The block that this byte of the payload is in.
pub fn block_at(geometry: &Geometry, at: u64) -> Option<Block> {
    let length = u64::from(geometry.piece_length());
    let index = u32::try_from(at.checked_div(length)?).ok()?;
    let number = u32::try_from(at.checked_rem(length)? / u64::from(BLOCK_LENGTH)).ok()?;
    (at < geometry.end()).then_some(Block { piece: geometry.piece(index)?, number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_in_parts_of_any_size_is_cut_into_the_blocks_of_the_torrent() {
        let geometry = Geometry::new(1_000_000, 50_000).unwrap();
        let payload: Vec<u8> = (0..1_000_000_u32).map(|at| (at / 7) as u8).collect();
        for part in [1, 1000, 16_384, 40_000, BYTES as u64] {
            let mut intake = Intake::new();
            intake.begin(50_000);
            let mut expected = 50_000;
            while intake.position() < 1_000_000 {
                let position = intake.position() as usize;
                let room = intake.room(part.min(1_000_000 - position as u64));
                let size = room.len();
                assert!(size > 0);
                room.copy_from_slice(&payload[position..position + size]);
                intake.came(size);
                while let Some((block, data)) = intake.next(&geometry) {
                    assert_eq!(geometry.offset(block.piece) + u64::from(geometry.begin(block)), expected);
                    assert!(*data == payload[expected as usize..][..data.len()]);
                    expected += data.len() as u64;
                }
            }
            assert_eq!(expected, 1_000_000);
        }
    }

    #[test]
    fn the_beginning_of_a_block_stays_until_another_one_is_next() {
        let geometry = Geometry::new(1_000_000, 50_000).unwrap();
        let mut intake = Intake::new();
        intake.begin(50_000);
        intake.room(10).fill(1);
        intake.came(10);
        intake.begin(50_000);
        assert_eq!(intake.position(), 50_010);
        assert!(intake.next(&geometry).is_none());
        intake.begin(0);
        assert_eq!(intake.position(), 0);
    }
}
