//! Pieces of which blocks are counted and not put together: what the `Assembly` of the program does, without bytes.
//! Of each block is known who sent it and whether it was right.

use femtotorrent::message::{News, PeerKey};
use femtotorrent::piece::{Assembly, Block, BufferPool, Geometry, PieceIndex, Span, Suspects};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Who sent a block, and whether it was right.
type Sent = (PeerKey, bool);

/// The pieces that one host puts together.
#[derive(Default)]
pub struct CountedPieces {
    open: BTreeMap<PieceIndex, OpenPiece>,
    /// Attempts at pieces that were wrong.
    failed: BTreeMap<PieceIndex, Vec<Vec<Sent>>>,
    /// How many there were in all.
    pub failures: u32,
}

struct OpenPiece {
    assembly: Arc<Assembly>,
    blocks: Vec<Option<Sent>>,
    refused: Vec<PeerKey>,
    /// Of a piece that is compared: what was sent, and not by another one as well.
    disputed: Vec<(u32, Sent)>,
}

impl CountedPieces {
    /// How many pieces have blocks and not all of them.
    pub fn begun(&self) -> usize {
        self.open.len()
    }

    /// A block came. The last one of a piece brings the verdict.
    pub fn put(
        &mut self,
        geometry: Geometry,
        block: Block,
        assembly: &Arc<Assembly>,
        sender: PeerKey,
        right: bool,
    ) -> Vec<News> {
        if assembly.is_done() {
            return vec![News::LateBlock(block)];
        }
        let count = geometry.block_count(block.piece) as usize;
        let fresh = || OpenPiece {
            assembly: Arc::clone(assembly),
            blocks: vec![None; count],
            refused: Vec::new(),
            disputed: Vec::new(),
        };
        let open = self.open.entry(block.piece).or_insert_with(fresh);
        if !Arc::ptr_eq(&open.assembly, assembly) {
            // The piece was given up meanwhile and begun anew.
            *open = fresh();
        }
        let missing = open.blocks.iter().filter(|slot| slot.is_none()).count();
        let is_held_back = missing == 1 && assembly.is_held_back();
        let slot = &mut open.blocks[block.number as usize];
        if slot.is_some() || is_held_back || open.refused.contains(&sender) {
            return vec![News::LateBlock(block)];
        }
        if assembly.is_compared() {
            let earlier = self.failed.get(&block.piece).into_iter().flatten();
            let earlier = earlier.map(|attempt| attempt[block.number as usize]);
            let now =
                open.disputed.iter().filter(|(number, _)| *number == block.number).map(|(_, sent)| *sent);
            // Each liar has lies of its own.
            let is_same = |(other, was_right): Sent| {
                right && was_right && other != sender && !open.refused.contains(&other)
            };
            if !earlier.chain(now).any(is_same) {
                open.disputed.push((block.number, (sender, right)));
                return vec![News::LateBlock(block)];
            }
        }
        *slot = Some((sender, right));
        let span = Span { piece: block.piece, first: block.number, count: 1 };
        let mut news = vec![News::Blocks(span, Arc::clone(assembly))];
        if let Some(blocks) = open.blocks.iter().copied().collect::<Option<Vec<Sent>>>() {
            // From now on it is done, as it would be after its last byte.
            assembly.abandon(&BufferPool::new(0));
            let disputed = self.open.remove(&block.piece).map(|open| open.disputed).unwrap_or_default();
            let disputed = disputed.into_iter().map(|(_, sent)| sent).collect();
            news.push(self.verdict(block.piece, assembly, blocks, disputed));
        }
        news
    }

    fn verdict(
        &mut self,
        piece: PieceIndex,
        assembly: &Arc<Assembly>,
        blocks: Vec<Sent>,
        disputed: Vec<Sent>,
    ) -> News {
        if blocks.iter().all(|(_, right)| *right) {
            let failed = self.failed.remove(&piece).unwrap_or_default();
            let wrong = failed.into_iter().flatten().chain(disputed).filter(|(_, right)| !right);
            let mut convicted: Vec<PeerKey> = wrong.map(|(sender, _)| sender).collect();
            convicted.sort_unstable();
            convicted.dedup();
            return News::Verified(piece, convicted);
        }
        self.failures += 1;
        let suspects = Suspects::new(blocks.iter().map(|(sender, right)| (*sender, [u8::from(*right); 20])));
        self.failed.entry(piece).or_default().push(blocks);
        News::Corrupt(Arc::clone(assembly), suspects)
    }

    /// Drops what a peer has sent of a piece. Returns the blocks that are missing again.
    pub fn refuse(&mut self, assembly: &Assembly, sender: PeerKey) -> Vec<u32> {
        let is_it = |open: &&mut OpenPiece| std::ptr::eq(Arc::as_ptr(&open.assembly), assembly);
        let Some(open) = self.open.values_mut().find(is_it) else { return Vec::new() };
        open.refused.push(sender);
        let mut dropped = Vec::new();
        for (number, slot) in (0..).zip(&mut open.blocks) {
            if slot.is_some_and(|(other, _)| other == sender) {
                *slot = None;
                dropped.push(number);
            }
        }
        dropped
    }
}
