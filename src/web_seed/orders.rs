//! The blocks that the coordinator has ordered and that have not come, in the order in which it wants them.
//!
//! Pure.

use crate::piece::{Block, Geometry, Span};
use std::collections::VecDeque;
use std::ops::Range;

/// The blocks to be fetched, and what is likely to follow them.
#[derive(Debug, Default)]
pub struct Orders {
    blocks: VecDeque<Block>,
    /// The numbers of the pieces through which the orders go on.
    ahead: Range<u32>,
    /// However much comes before the next one is read and dropped.
    pub reads_on: bool,
}

impl Orders {
    /// These as well.
    pub fn add(&mut self, spans: &[Span]) {
        self.blocks.extend(spans.iter().flat_map(|span| span.blocks()));
    }

    /// The blocks of these pieces will most likely be ordered, one behind the other.
    pub fn go_on_through(&mut self, pieces: Range<u32>) {
        self.ahead = pieces;
    }

    /// Where a request ends that begins with this run: between two requests the line is idle for a round trip, so it
    /// covers what is likely to be ordered while it is being answered.
    pub fn end_ahead(&self, geometry: &Geometry, run: &Range<u64>) -> u64 {
        let border = |number: u32| geometry.piece(number).map_or(geometry.end(), |it| geometry.offset(it));
        let ahead = border(self.ahead.start)..border(self.ahead.end);
        if ahead.contains(&run.start) { run.end.max(ahead.end) } else { run.end }
    }

    /// Not these any more.
    pub fn cancel(&mut self, blocks: &[Block]) {
        self.blocks.retain(|block| !blocks.contains(block));
    }

    /// The next one.
    pub fn next(&self) -> Option<Block> {
        self.blocks.front().copied()
    }

    /// Takes the next one out, if it is this one.
    pub fn take(&mut self, block: Block) -> bool {
        let is_next = self.next() == Some(block);
        if is_next {
            self.blocks.pop_front();
        }
        is_next
    }

    /// The stretch of the payload of the next block and of those that follow it without a gap, in bytes. It ends at a
    /// gap, or soon behind `enough` bytes.
    pub fn run(&self, geometry: &Geometry, enough: u64) -> Option<Range<u64>> {
        let mut blocks = self.blocks.iter().map(|block| stretch(geometry, *block));
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
        let run = 40_000..56_384;
        assert_eq!(orders.end_ahead(&geometry, &run), 56_384, "nothing is likely to follow");
        for (ahead, end) in [(1..2, 80_000), (0..3, 100_000), (1..9, 100_000), (2..3, 56_384), (0..1, 56_384)]
        {
            orders.go_on_through(ahead.clone());
            assert_eq!(orders.end_ahead(&geometry, &run), end, "{ahead:?}");
        }
        orders.cancel(&span(1, 0, 3).blocks().collect::<Vec<_>>());
        assert_eq!(orders.run(&geometry, u64::MAX), Some(96_384..100_000), "the last block is shorter");
    }
}
