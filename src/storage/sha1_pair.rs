//! Hashes two pieces at once on one thread, a block of one and a block of the other in turn. Pure.
//!
//! SHA-1 is one long chain: each step waits for the one before, and meanwhile most of the processor is idle.
//! Two chains that do not wait for each other keep it busy. With the processor's own SHA instructions, one
//! thread then hashes half as much again. The blocks must be small, because a processor looks only a few
//! hundred instructions ahead.
//!
//! The time that this saves pays for copying the bytes out of the page cache, which would otherwise cost a
//! fifth.

use std::ops::Range;

use sha1::Digest;

use super::error::StorageError;
use super::layout::Slice;
use crate::piece::{Hashing, PieceDigest, PieceHash, PieceIndex};

/// Bytes read at once. Two such buffers, and what the reads bring with them, stay in the second-level cache
/// until they are hashed.
const BUFFER: usize = 128 * 1024;
/// Bytes that SHA-1 processes in one step.
const BLOCK: usize = 64;

/// Fills a buffer with the first bytes of a slice that is not padding. False if the file ends too early.
pub(super) type Read<'a> = dyn FnMut(&Slice, &mut [u8]) -> Result<bool, StorageError> + 'a;

/// One of the two pieces, on its way from the disk through the hash.
pub(super) struct Lane {
    piece: Option<PieceIndex>,
    /// What is still to be read of it, in reverse order: the next part is the last.
    slices: Vec<Slice>,
    hash: PieceHash,
    buffer: Vec<u8>,
    /// The part of the buffer that is read and not hashed yet.
    unhashed: Range<usize>,
    /// A file ended too early: the piece has no digest.
    is_short: bool,
}

impl Lane {
    /// A lane without a piece.
    pub fn new() -> Lane {
        Lane {
            piece: None,
            slices: Vec::new(),
            hash: PieceHash::default(),
            buffer: vec![0; BUFFER],
            unhashed: 0..0,
            is_short: false,
        }
    }

    /// Whether it has no piece.
    pub fn is_free(&self) -> bool {
        self.piece.is_none()
    }

    /// Takes a piece that consists of these parts.
    pub fn begin(&mut self, piece: PieceIndex, hashing: Hashing, slices: impl Iterator<Item = Slice>) {
        self.piece = Some(piece);
        self.slices.clear();
        self.slices.extend(slices);
        self.slices.reverse();
        self.hash = PieceHash::new(hashing);
        self.unhashed = 0..0;
        self.is_short = false;
    }

    /// The piece and its digest, if all of it is hashed. The digest is `None` if a file was too short.
    pub fn finish(&mut self) -> Option<(PieceIndex, Option<PieceDigest>)> {
        if !self.unhashed.is_empty() || !self.slices.is_empty() {
            return None;
        }
        let piece = self.piece.take()?;
        let digest = std::mem::take(&mut self.hash).finish();
        Some((piece, (!self.is_short).then_some(digest)))
    }

    /// Fills the buffer again, if all its bytes are hashed.
    pub fn fill(&mut self, read: &mut Read<'_>) -> Result<(), StorageError> {
        if !self.unhashed.is_empty() {
            return Ok(());
        }
        let mut end = 0;
        while let (Some(slice), Some(room)) = (self.slices.last_mut(), self.buffer.get_mut(end..)) {
            let length = usize::try_from(slice.length).unwrap_or(room.len()).min(room.len());
            if room.is_empty() {
                break;
            }
            let part = room.get_mut(..length).unwrap_or_default();
            if slice.padding {
                part.fill(0);
            } else if !read(slice, part)? {
                self.is_short = true;
                self.slices.clear();
                end = 0;
                break;
            }
            end += length;
            slice.offset = slice.offset.saturating_add(length as u64);
            slice.length = slice.length.saturating_sub(length as u64);
            if slice.length == 0 {
                self.slices.pop();
            }
        }
        self.unhashed = 0..end;
        Ok(())
    }

    /// Hashes what is in the buffer. Returns the number of bytes.
    fn hash_all(&mut self) -> usize {
        let bytes = self.buffer.get(self.unhashed.clone()).unwrap_or_default();
        self.hash.update(bytes);
        self.unhashed = self.unhashed.end..self.unhashed.end;
        bytes.len()
    }
}

/// Hashes until one of the two buffers is used up. Returns the number of bytes.
pub(super) fn hash_both(one: &mut Lane, other: &mut Lane) -> usize {
    let both = one.unhashed.len().min(other.unhashed.len()) / BLOCK * BLOCK;
    if both == 0 {
        // One has no whole block left.
        let is_next = other.unhashed.is_empty() || (1..=other.unhashed.len()).contains(&one.unhashed.len());
        return if is_next { one.hash_all() } else { other.hash_all() };
    }
    let (PieceHash::Sha1(hash), PieceHash::Sha1(other_hash)) = (&mut one.hash, &mut other.hash) else {
        // A tree has chains enough of its own.
        return one.hash_all();
    };
    let (blocks, _) = one.buffer.get(one.unhashed.clone()).unwrap_or_default().as_chunks::<BLOCK>();
    let (others, _) = other.buffer.get(other.unhashed.clone()).unwrap_or_default().as_chunks::<BLOCK>();
    for (block, other_block) in blocks.iter().zip(others) {
        hash.update(block);
        other_hash.update(other_block);
    }
    one.unhashed.start += both;
    other.unhashed.start += both;
    both * 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::piece::Geometry;

    /// A lane with a piece of parts of these lengths; a negative one is padding.
    fn lane(lengths: &[i64]) -> Lane {
        let piece = Geometry::new(1, 1).unwrap().piece(0).unwrap();
        let slice = |(file, length): (usize, &i64)| Slice {
            file,
            offset: 7,
            length: length.unsigned_abs(),
            padding: *length < 0,
        };
        let mut lane = Lane::new();
        lane.begin(piece, Hashing::Sha1, lengths.iter().enumerate().map(slice));
        lane
    }

    fn byte(file: usize, offset: u64) -> u8 {
        (offset.wrapping_add(file as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
    }

    fn expected(lengths: &[i64]) -> PieceDigest {
        let mut hash = PieceHash::default();
        for (file, length) in lengths.iter().enumerate() {
            let bytes: Vec<u8> = (7..7 + length.unsigned_abs())
                .map(|offset| if *length < 0 { 0 } else { byte(file, offset) })
                .collect();
            hash.update(&bytes);
        }
        hash.finish()
    }

    fn read(slice: &Slice, part: &mut [u8]) -> Result<bool, StorageError> {
        part.iter_mut().zip(slice.offset..).for_each(|(to, offset)| *to = byte(slice.file, offset));
        Ok(true)
    }

    #[test]
    fn two_pieces_of_any_lengths_and_parts_have_their_digests() {
        let pieces: [&[i64]; 8] = [
            &[0],
            &[1],
            &[63, -2, 64],
            &[64],
            &[BUFFER as i64],
            &[BUFFER as i64 + 65, 3],
            &[100, -300_000, 100],
            &[3 * BUFFER as i64 - 1],
        ];
        for one in pieces {
            for other in pieces {
                let mut lanes = [lane(one), lane(other)];
                let mut digests = [None, None];
                let mut hashed = 0;
                while digests.contains(&None) {
                    for (lane, digest) in lanes.iter_mut().zip(&mut digests) {
                        lane.fill(&mut read).unwrap();
                        *digest = lane.finish().map(|(_, digest)| digest.unwrap()).or(*digest);
                    }
                    let [one, other] = &mut lanes;
                    hashed += hash_both(one, other);
                }
                assert_eq!(digests, [Some(expected(one)), Some(expected(other))], "{one:?} {other:?}");
                let bytes: u64 = one.iter().chain(other).map(|length| length.unsigned_abs()).sum();
                assert_eq!(hashed as u64, bytes);
            }
        }
    }

    #[test]
    fn a_piece_with_a_short_file_has_no_digest() {
        let mut lane = lane(&[10, 10]);
        lane.fill(&mut |slice, _| Ok(slice.file == 0)).unwrap();
        assert_eq!(lane.finish().unwrap().1, None);
        assert!(lane.is_free());
    }
}
