//! The blocks that the coordinator has ordered and that have not come, in the order in which it wants them.
//!
//! Pure.

use crate::piece::{Block, Geometry, Span};
use std::collections::VecDeque;
use std::ops::Range;

/// The blocks to be fetched.
#[derive(Debug, Default)]
pub struct Orders(VecDeque<Block>);

impl Orders {
    /// These as well.
    pub fn add(&mut self, spans: &[Span]) {
        self.0.extend(spans.iter().flat_map(|span| span.blocks()));
    }

    /// Not these any more.
    pub fn cancel(&mut self, blocks: &[Block]) {
        self.0.retain(|block| !blocks.contains(block));
    }

    /// The next one.
    pub fn next(&self) -> Option<Block> {
        self.0.front().copied()
    }

    /// Takes the next one out, if it is this one.
    pub fn take(&mut self, block: Block) -> bool {
        let is_next = self.next() == Some(block);
        if is_next {
            self.0.pop_front();
        }
        is_next
    }

    /// The stretch of the payload of the next block and of those that follow it without a gap, in bytes. It ends at a
    /// gap, or soon behind `enough` bytes.
    pub fn run(&self, geometry: &Geometry, enough: u64) -> Option<Range<u64>> {
        let mut blocks = self.0.iter().map(|block| stretch(geometry, *block));
        let mut run = blocks.next()?;
        while run.end.saturating_sub(run.start) < enough
            && let Some(block) = blocks.next().filter(|block| block.start == run.end)
        {
            run.end = block.end;
        }
        Some(run)
    }
}

/// Where a block is in the payload, in bytes.
fn stretch(geometry: &Geometry, block: Block) -> Range<u64> {
    let start = geometry.offset(block.piece).saturating_add(geometry.begin(block).into());
    start..start.saturating_add(geometry.block_length(block).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_that_follow_each_other_are_one_run_across_pieces() {
        let geometry = Geometry::new(100_000, 40_000).unwrap();
        let span = |piece, first, count| Span { piece: geometry.piece(piece).unwrap(), first, count };
        let mut orders = Orders::default();
        assert_eq!(orders.run(&geometry, u64::MAX), None);
        orders.add(&[span(0, 1, 2), span(1, 0, 3), span(2, 1, 1)]);
        assert_eq!(orders.run(&geometry, u64::MAX), Some(16_384..80_000));
        let first = Block { piece: geometry.piece(0).unwrap(), number: 1 };
        let second = Block { number: 2, ..first };
        assert_eq!(orders.run(&geometry, 20_000), Some(16_384..40_000));
        assert!(!orders.take(second) && orders.take(first) && !orders.take(first));
        orders.cancel(&[second, Block { piece: geometry.piece(1).unwrap(), number: 1 }]);
        assert_eq!(orders.run(&geometry, u64::MAX), Some(40_000..56_384));
        orders.cancel(&span(1, 0, 3).blocks().collect::<Vec<_>>());
        assert_eq!(orders.run(&geometry, u64::MAX), Some(96_384..100_000), "the last block is shorter");
    }
}
