//! Which files of a torrent are to be fetched, if not all (BEP 53, `so`).
//!
//! Pieces do not end where files do. A piece that holds a byte of a selected file is fetched whole, because a
//! part of it cannot be verified. Those of its bytes that belong to neighbouring files are kept in the part file
//! (`part_file`). Otherwise the piece could not be verified when the next run begins, nor sent to peers. Pure.
//!
//! `seed`, `verify` and a later run need not know about a selection: they look into the part file. `verify` calls the
//! neighbour missing, and the selected file good. `get` without a selection completes the rest and removes
//! the marker and the part file. Files that are not selected are neither created nor written to, and may be
//! anything; one that is as it should be is used. Progress, the room on the disk and the ratio count the pieces that
//! are wanted. To trackers we say that everything is left that we do not have, so a selection is never complete for
//! them.

use std::ops::RangeInclusive;

use crate::metainfo;
use crate::piece::{Bitfield, Geometry};

/// The files that are to be fetched.
#[derive(Clone, Debug)]
pub struct Selection {
    files: Vec<bool>,
    pieces: Bitfield,
}

impl Selection {
    /// The files with these numbers. They count from zero in the order of the torrent's list, padding
    /// included (BEP 53). `None` if no file has one of these numbers; padding is not a file.
    pub fn new(
        numbers: &[RangeInclusive<u32>],
        files: &[metainfo::File],
        geometry: Geometry,
    ) -> Option<Selection> {
        let mut selected = vec![false; files.len()];
        for range in numbers {
            let (first, last) = (*range.start() as usize, *range.end() as usize);
            selected.iter_mut().take(last.saturating_add(1)).skip(first).for_each(|one| *one = true);
        }
        Selection::of(selected, files, geometry)
    }

    /// The files that are `selected`, in the order of the torrent. `None` if none is; padding is not a file.
    pub fn of(mut selected: Vec<bool>, files: &[metainfo::File], geometry: Geometry) -> Option<Selection> {
        selected.iter_mut().zip(files).filter(|(_, file)| file.padding).for_each(|(one, _)| *one = false);
        let mut pieces = Bitfield::none(geometry.piece_count());
        for (file, _) in files.iter().zip(&selected).filter(|(_, selected)| **selected) {
            for piece in geometry.pieces_of(file.offset..file.offset.checked_add(file.length)?) {
                pieces.insert(piece);
            }
        }
        selected.contains(&true).then_some(Selection { files: selected, pieces })
    }

    /// The pieces that hold at least one byte of a selected file.
    pub fn pieces(&self) -> &Bitfield {
        &self.pieces
    }

    /// How many files are selected.
    pub fn count(&self) -> usize {
        self.files.iter().filter(|selected| **selected).count()
    }

    /// Whether no file is left out. Padding is not a file.
    pub fn is_all(&self, files: &[metainfo::File]) -> bool {
        self.files.iter().zip(files).all(|(selected, file)| *selected || file.padding)
    }

    /// Whether the file with this number is selected.
    pub fn has(&self, number: usize) -> bool {
        self.files.get(number).is_some_and(|selected| *selected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::layout::{Layout, files_of_lengths};

    /// The selected pieces of files of these lengths in pieces of 8 bytes, and how many bytes of each file
    /// are written.
    fn selected(lengths: &[i64], numbers: &[RangeInclusive<u32>]) -> Option<(Vec<u32>, Vec<u64>)> {
        let files = files_of_lengths(lengths);
        let mut layout = Layout::of_lengths(lengths, 8);
        let geometry = layout.geometry();
        let selection = Selection::new(numbers, &files, geometry)?;
        let pieces = selection.pieces().iter(geometry).map(|piece| piece.get()).collect();
        layout.select(Some(selection));
        Some((pieces, (0..files.len()).map(|number| layout.bytes_written(number)).collect()))
    }

    #[test]
    fn the_pieces_of_the_selected_files_are_fetched_whole() {
        let lengths = [10, 3, 20, -7, 30];
        assert_eq!(selected(&lengths, &[1..=1]), Some((vec![1], vec![0, 3, 0, 0, 0])));
        assert_eq!(
            selected(&lengths, &[0..=0, 4..=900]),
            Some((vec![0, 1, 5, 6, 7, 8], vec![10, 0, 0, 0, 30]))
        );
        assert_eq!(selected(&lengths, &[0..=u32::MAX]).unwrap().0.len(), 9);
        assert_eq!(selected(&[8, 0, 8], &[1..=1]), Some((vec![], vec![0, 0, 0])));
    }

    #[test]
    fn a_selection_of_no_files_is_none() {
        for numbers in [&[][..], &[4..=9], &[1..=1], &[u32::MAX..=u32::MAX], &[RangeInclusive::new(2, 0)]] {
            assert_eq!(selected(&[10, -6, 8, 1], numbers), None, "{numbers:?}");
        }
    }
}
