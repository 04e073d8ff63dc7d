//! One piece while it is being put together from blocks.
//!
//! Several workers may share an assembly, when their peers send blocks of the same piece. Each worker copies
//! its block into the buffer under the lock. Then it moves the hash forward over the bytes that are in
//! order, while they are still in the cache: one block for each time that it takes the lock, so that others
//! can copy theirs in between. The worker whose block completes the piece gets the verdict and the buffer.
//!
//! An assembly never reports bytes twice: the second copy of a block is a [`Put::Useless`].
//!
//! A piece that was wrong may be *compared*: then a block is taken when two senders have sent the same, and the
//! first version of it waits for the second one as a digest. See `swarm/download/inquiry.rs`.

use super::block_length::BLOCK_LENGTH;
use super::buffers::BufferPool;
use super::digest::{Hashing, PieceDigest, PieceHash};
use super::geometry::{Block, Geometry, PieceIndex};
use super::peer_key::PeerKey;
use super::suspects::{BlockDigest, Suspects, Version};
use crate::thread::lock;
use sha1::{Digest, Sha1};
use std::sync::{Mutex, MutexGuard};

/// An open piece: blocks of it are being fetched.
#[derive(Debug)]
pub struct Assembly {
    piece: PieceIndex,
    length: u32,
    hashing: Hashing,
    expected: PieceDigest,
    /// Who sent which blocks in earlier attempts at this piece, which did not verify.
    suspects: Vec<Suspects>,
    /// A block is taken when a second sender has sent the same.
    is_compared: bool,
    inside: Mutex<Inside>,
}

struct Inside {
    /// Empty until the first block arrives: a piece whose blocks are only leased costs no memory.
    buffer: Vec<u8>,
    /// The sender of each block that has arrived.
    senders: Vec<Option<PeerKey>>,
    missing: usize,
    hash: PieceHash,
    /// How many blocks the hash has seen.
    hashed: usize,
    /// Peers that were convicted meanwhile: what they send is dropped.
    refused: Vec<PeerKey>,
    /// What was sent, and has not been sent by another one as well.
    disputed: Vec<(u32, Version)>,
    /// The block that would complete it is not taken.
    is_held_back: bool,
    done: bool,
    is_right: bool,
}

/// What became of a block.
#[derive(Debug)]
pub enum Put {
    /// It is in its place, and other blocks are still missing.
    Kept,
    /// It was there already, or the piece is done; or it is not taken, since it is compared and no other sender has
    /// sent the same, or since the piece is held back. It is where it was: if it was missing, it still is.
    Useless,
    /// It was the last block, and the piece has the right digest.
    Verified {
        /// The whole piece.
        bytes: Vec<u8>,
        /// The peers whose blocks in an earlier attempt were wrong.
        convicted: Vec<PeerKey>,
    },
    /// It was the last block, and the digest is wrong.
    Corrupt(Suspects),
}

impl Assembly {
    /// An empty assembly for a piece that must have the digest `expected`. `suspects` come from earlier
    /// attempts at it.
    pub fn new(
        geometry: &Geometry,
        piece: PieceIndex,
        expected: PieceDigest,
        suspects: Vec<Suspects>,
    ) -> Assembly {
        let blocks = geometry.block_count(piece) as usize;
        Assembly {
            piece,
            length: geometry.length(piece),
            hashing: geometry.hashing(piece),
            expected,
            suspects,
            is_compared: false,
            inside: Mutex::new(Inside {
                buffer: Vec::new(),
                senders: vec![None; blocks],
                missing: blocks,
                hash: PieceHash::new(geometry.hashing(piece)),
                hashed: 0,
                refused: Vec::new(),
                disputed: Vec::new(),
                is_held_back: false,
                done: false,
                is_right: false,
            }),
        }
    }

    /// The same, but a block is taken only when two senders have sent the same, in earlier attempts or in this one.
    pub fn compared(self) -> Assembly {
        Assembly { is_compared: true, ..self }
    }

    /// Whether it is compared.
    pub fn is_compared(&self) -> bool {
        self.is_compared
    }

    /// As long as it is held back, its last block is not taken, so that it does not become complete.
    pub fn hold_back(&self, is_held_back: bool) {
        self.lock().is_held_back = is_held_back;
    }

    /// Whether it is held back.
    pub fn is_held_back(&self) -> bool {
        self.lock().is_held_back
    }

    /// The piece.
    pub fn piece(&self) -> PieceIndex {
        self.piece
    }

    /// Whether the verdict is known or the piece given up, so that no more blocks are of use.
    pub fn is_done(&self) -> bool {
        self.lock().done
    }

    /// Whether it was complete and had the right digest.
    pub fn is_verified(&self) -> bool {
        self.lock().is_right
    }

    /// Puts a block that `sender` sent into its place.
    ///
    /// The block must have passed [`Geometry::block`]. Data that does not fit into the piece is useless.
    pub fn put(&self, block: Block, data: &[u8], sender: PeerKey, buffers: &BufferPool) -> Put {
        let version = self.is_compared.then(|| Version::of(sender, data));
        let mut inside = self.lock();
        let is_taken = inside.may_take(block.number, sender)
            && version.is_none_or(|version| inside.is_seconded(block.number, version, &self.suspects));
        if !is_taken || !inside.place(block, data, sender, self.length as usize, buffers) {
            return Put::Useless;
        }
        while inside.hash_next_block() {
            if inside.missing > 0 {
                // Another worker may be waiting to copy its block in.
                drop(inside);
                inside = self.lock();
            }
        }
        if inside.done || inside.missing > 0 || inside.hashed < inside.senders.len() {
            return Put::Kept;
        }
        inside.done = true;
        let digest = std::mem::take(&mut inside.hash).finish();
        let buffer = std::mem::take(&mut inside.buffer);
        inside.is_right = digest == self.expected;
        if inside.is_right {
            let earlier = self.suspects.iter().flat_map(|suspects| suspects.convicted_by(&buffer));
            let mut convicted: Vec<PeerKey> = earlier.chain(inside.convicted_by(&buffer)).collect();
            convicted.sort_unstable();
            convicted.dedup();
            return Put::Verified { bytes: buffer, convicted };
        }
        let suspects = inside.suspects(&buffer);
        buffers.give(buffer);
        Put::Corrupt(suspects)
    }

    /// Gives the piece up: no more blocks are taken, and the memory is freed.
    pub fn abandon(&self, buffers: &BufferPool) {
        let mut inside = self.lock();
        inside.done = true;
        buffers.give(std::mem::take(&mut inside.buffer));
    }

    /// Drops the blocks of a sender that was convicted, and takes none from it any more. Returns the blocks that are
    /// missing again. If the verdict is known already there are none.
    pub fn refuse(&self, sender: PeerKey) -> Vec<u32> {
        let mut inside = self.lock();
        inside.refused.push(sender);
        if inside.done { Vec::new() } else { inside.drop_blocks_of(sender, self.hashing) }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        lock(&self.inside)
    }
}

impl Inside {
    /// Whether a block of this sender can be taken at all.
    fn may_take(&self, number: u32, sender: PeerKey) -> bool {
        let is_missing = matches!(self.senders.get(number as usize), Some(None));
        let would_complete = self.missing <= 1;
        let is_left_out = self.is_held_back && would_complete;
        is_missing && !self.done && !is_left_out && !self.refused.contains(&sender)
    }

    /// Whether another sender has sent the same block. If not, it is noted for those to come.
    fn is_seconded(&mut self, number: u32, version: Version, earlier: &[Suspects]) -> bool {
        let earlier = earlier.iter().filter_map(|attempt| attempt.version(number));
        let now = self.disputed.iter().filter(|(other, _)| *other == number).map(|(_, version)| *version);
        let is_second = |other: Version| version.seconds(other) && !self.refused.contains(&other.sender);
        if earlier.chain(now).any(is_second) {
            return true;
        }
        self.disputed.push((number, version));
        false
    }

    /// The senders of versions that differ from the verified piece.
    fn convicted_by<'a>(&'a self, verified: &'a [u8]) -> impl Iterator<Item = PeerKey> + 'a {
        let is_wrong = |(number, version): &&(u32, Version)| {
            let bytes = verified.chunks(BLOCK_LENGTH as usize).nth(*number as usize);
            bytes.is_some_and(|bytes| version.digest != BlockDigest::from(Sha1::digest(bytes)))
        };
        self.disputed.iter().filter(is_wrong).map(|(_, version)| version.sender)
    }

    fn place(
        &mut self,
        block: Block,
        data: &[u8],
        sender: PeerKey,
        length: usize,
        buffers: &BufferPool,
    ) -> bool {
        let Some(slot @ None) = self.senders.get_mut(block.number as usize) else {
            return false;
        };
        if self.buffer.is_empty() {
            self.buffer = buffers.take(length);
        }
        let start = block.number as usize * BLOCK_LENGTH as usize;
        let Some(place) = self.buffer.get_mut(start..).and_then(|rest| rest.get_mut(..data.len())) else {
            return false;
        };
        place.copy_from_slice(data);
        *slot = Some(sender);
        self.missing -= 1;
        true
    }

    fn hash_next_block(&mut self) -> bool {
        let in_order = matches!(self.senders.get(self.hashed), Some(Some(_)));
        if !in_order || self.done {
            return false;
        }
        if let Some(bytes) = self.buffer.chunks(BLOCK_LENGTH as usize).nth(self.hashed) {
            self.hash.update(bytes);
        }
        self.hashed += 1;
        true
    }

    fn drop_blocks_of(&mut self, sender: PeerKey, hashing: Hashing) -> Vec<u32> {
        let mut dropped = Vec::new();
        for (number, slot) in (0..).zip(&mut self.senders) {
            if *slot == Some(sender) {
                *slot = None;
                dropped.push(number);
            }
        }
        self.missing += dropped.len();
        if dropped.first().is_some_and(|first| (*first as usize) < self.hashed) {
            // The hash cannot go back. The next block takes it from the beginning to where it was.
            (self.hash, self.hashed) = (PieceHash::new(hashing), 0);
        }
        dropped
    }

    fn suspects(&self, buffer: &[u8]) -> Suspects {
        let digests = buffer.chunks(BLOCK_LENGTH as usize).map(|bytes| Sha1::digest(bytes).into());
        // Every block is there, so every block has a sender.
        Suspects::new(self.senders.iter().flatten().copied().zip(digests))
    }
}

impl std::fmt::Debug for Inside {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Inside")
            .field("missing", &self.missing)
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
