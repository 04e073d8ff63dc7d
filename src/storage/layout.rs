//! Where each byte of the payload lies: in which file, and where in it.
//!
//! The payload is all files of a torrent, one after the other (BEP 3, "info dictionary"). So a piece may
//! begin in one file, cover thousands of small ones and end in another. Padding (BEP 47) is part of the
//! payload and of the pieces, but of no file on disk. Pure: it never touches a file.
//!
//! Behind the files of the torrent there may be one more, the part file (`part_file`). Pieces that have a *slot* in it
//! lie there, in place of those files that are *hidden*: they are not to be written, or are not there.

use std::iter;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::error::StorageError;
use super::naming::PathOnDisk;
use super::selection::Selection;
use crate::metainfo;
use crate::piece::{Bitfield, Geometry, PieceIndex};

/// The files of a torrent in the order of the payload, without a gap. Nothing changes it once a run has
/// begun.
pub(super) struct Layout {
    entries: Vec<FileEntry>,
    geometry: Geometry,
    selection: Option<Selection>,
    /// The part file is the last entry.
    has_part_file: bool,
    /// Files whose bytes of a piece with a slot are in the part file.
    hidden: Vec<bool>,
    /// The pieces of which a hidden file has bytes, in order, and where they begin in the part file.
    slots: Vec<(PieceIndex, u64)>,
}

/// One file of the layout.
pub(super) struct FileEntry {
    /// Where it lies below the output folder.
    pub path: PathOnDisk,
    /// Where it starts in the payload, in bytes.
    pub offset: u64,
    /// Bytes in it.
    pub length: u64,
    /// Zeros that are never written.
    pub padding: bool,
}

impl FileEntry {
    /// Whether bytes of the payload are stored in it.
    pub fn has_data(&self) -> bool {
        !self.padding && self.length > 0
    }

    /// The bytes of the payload that it holds.
    pub fn range(&self) -> Range<u64> {
        self.offset..self.offset.saturating_add(self.length)
    }
}

/// A run of bytes that belongs to one piece and one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slice {
    /// The number of the file.
    pub file: usize,
    /// Where it starts in the file, in bytes.
    pub offset: u64,
    /// Bytes in it, at least one.
    pub length: u64,
    /// Zeros that are on no disk.
    pub padding: bool,
}

/// The layout while nobody else has it, as before a run begins.
///
/// # Errors
///
/// [`StorageError::Layout`] if somebody has.
pub(super) fn ours(layout: &mut Arc<Layout>) -> Result<&mut Layout, StorageError> {
    Arc::get_mut(layout).ok_or(StorageError::Layout)
}

impl Layout {
    /// The layout of `files`. `None` if they do not follow one another from the first byte of the payload to
    /// its last.
    pub fn new(files: &[metainfo::File], geometry: Geometry) -> Option<Layout> {
        let mut end = 0u64;
        let mut entries = Vec::with_capacity(files.len());
        for file in files {
            if file.offset != end {
                return None;
            }
            end = end.checked_add(file.length)?;
            let path = PathOnDisk::new(&file.path);
            entries.push(FileEntry { path, offset: file.offset, length: file.length, padding: file.padding });
        }
        let (selection, has_part_file, hidden, slots) = (None, false, Vec::new(), Vec::new());
        let layout = Layout { entries, geometry, selection, has_part_file, hidden, slots };
        (end == geometry.end()).then_some(layout)
    }

    /// Adds the part file, which has no bytes of the payload that are its own.
    pub fn add_part_file(&mut self, path: &Path) {
        let (path, offset) = (PathOnDisk::as_it_is(path), self.geometry.end());
        self.entries.push(FileEntry { path, offset, length: 0, padding: false });
        self.has_part_file = true;
    }

    /// From now on these `slots` (pieces in order, and where each begins in the part file) stand for the files that
    /// are `hidden`. Slots of pieces that are in no hidden file are left out.
    pub fn hide(&mut self, hidden: Vec<bool>, mut slots: Vec<(PieceIndex, u64)>) {
        (self.hidden, self.slots) = (hidden, Vec::new());
        slots.retain(|(piece, _)| self.touches_hidden(*piece));
        self.slots = slots;
    }

    /// Whether a hidden file has bytes of this piece.
    pub fn touches_hidden(&self, piece: PieceIndex) -> bool {
        let is_hidden = |slice: Slice| !slice.padding && self.is_hidden(slice.file);
        self.slot(piece).is_some() || self.slices(piece).any(is_hidden)
    }

    /// Whether this file is hidden.
    pub fn is_hidden(&self, file: usize) -> bool {
        self.hidden.get(file).is_some_and(|hidden| *hidden)
    }

    /// The number of the part file.
    pub fn part_file(&self) -> Option<usize> {
        self.has_part_file.then(|| self.entries.len().saturating_sub(1))
    }

    /// Where the piece begins in the part file, if it has a slot there.
    pub fn slot(&self, piece: PieceIndex) -> Option<u64> {
        let at = self.slots.binary_search_by_key(&piece, |(piece, _)| *piece).ok()?;
        self.slots.get(at).map(|(_, offset)| *offset)
    }

    /// Whether the bytes of this piece that belong to this file are in the part file.
    pub fn is_elsewhere(&self, file: usize, piece: PieceIndex) -> bool {
        self.is_hidden(file) && self.slot(piece).is_some()
    }

    /// The pieces of which bytes are in this file on the disk, if they are there.
    pub fn pieces_in(&self, file: usize) -> impl Iterator<Item = PieceIndex> + '_ {
        let range = self.entry(file).map_or(0..0, FileEntry::range);
        let own = self.pieces(range).filter(move |piece| !self.is_elsewhere(file, *piece));
        let slots = if self.part_file() == Some(file) { self.slots.as_slice() } else { &[] };
        own.chain(slots.iter().map(|(piece, _)| *piece))
    }

    /// From now on, only the selected files are to be written, or all if there is no selection.
    pub fn select(&mut self, selection: Option<Selection>) {
        self.selection = selection;
    }

    /// The pieces that are to be written. `None` means all.
    pub fn wanted(&self) -> Option<&Bitfield> {
        self.selection.as_ref().map(Selection::pieces)
    }

    /// Whether the file with this number is to be complete in the end.
    pub fn is_selected(&self, file: usize) -> bool {
        self.part_file() != Some(file) && self.selection.as_ref().is_none_or(|selection| selection.has(file))
    }

    /// How many bytes of the file with this number are to be written.
    pub fn bytes_written(&self, file: usize) -> u64 {
        match self.entry(file) {
            Some(_) if self.part_file() == Some(file) => {
                let length = |(piece, _): &(PieceIndex, u64)| u64::from(self.geometry.length(*piece));
                self.slots.iter().map(length).fold(0, u64::saturating_add)
            }
            Some(entry) if !entry.padding && self.is_selected(file) => entry.length,
            _ => 0,
        }
    }

    /// How the payload is cut into pieces.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// The path of the only file, or of the folder that all files are in, below the output folder.
    pub fn top(&self) -> &Path {
        let file = self.entries.iter().find(|entry| !entry.padding);
        let first = file.and_then(|entry| entry.path.whole().iter().next());
        first.map_or(Path::new(""), Path::new)
    }

    /// The numbers of the files whose paths have more than one spelling.
    pub fn odd_files(&self) -> Vec<usize> {
        let odd = self.entries.iter().enumerate().filter(|(_, entry)| entry.path.is_odd());
        odd.map(|(number, _)| number).collect()
    }

    /// The path of the file with this number.
    pub fn path_mut(&mut self, file: usize) -> Option<&mut PathOnDisk> {
        self.entries.get_mut(file).map(|entry| &mut entry.path)
    }

    /// Every file, in order.
    pub fn entries(&self) -> &[FileEntry] {
        &self.entries
    }

    /// The file with this number.
    pub fn entry(&self, file: usize) -> Option<&FileEntry> {
        self.entries.get(file)
    }

    /// The parts of a piece, in order and without a gap. Empty files have no part in it.
    pub fn slices(&self, piece: PieceIndex) -> impl Iterator<Item = Slice> + '_ {
        self.slices_of(piece, 0, self.geometry.length(piece))
    }

    /// The same for `length` bytes of a piece, from `begin` on.
    pub fn slices_of(&self, piece: PieceIndex, begin: u32, length: u32) -> impl Iterator<Item = Slice> + '_ {
        let mut offset = self.geometry.offset(piece).saturating_add(u64::from(begin));
        let mut left = u64::from(length);
        let mut file = self.entries.partition_point(|entry| entry.range().end <= offset);
        let slot = self.slot(piece).map(|slot| slot.saturating_add(begin.into()));
        let first = offset;
        iter::from_fn(move || {
            while left > 0 {
                let entry = self.entries.get(file)?;
                let start = offset.saturating_sub(entry.offset);
                let length = entry.length.saturating_sub(start).min(left);
                file += 1;
                if length > 0 {
                    let in_slot = slot.map(|slot| slot.saturating_add(offset - first));
                    offset += length;
                    left -= length;
                    let is_hidden = !entry.padding && self.is_hidden(file - 1);
                    if let (true, Some(offset), Some(file)) = (is_hidden, in_slot, self.part_file()) {
                        return Some(Slice { file, offset, length, padding: false });
                    }
                    return Some(Slice { file: file - 1, offset: start, length, padding: entry.padding });
                }
            }
            None
        })
    }

    /// The pieces that hold at least one byte of this range of the payload.
    pub fn pieces(&self, range: Range<u64>) -> impl Iterator<Item = PieceIndex> + use<> {
        self.geometry.pieces_of(range)
    }
}

#[cfg(test)]
impl Layout {
    /// Files of these lengths, one after the other. A negative one is padding.
    pub(super) fn of_lengths(lengths: &[i64], piece_length: u32) -> Layout {
        let files = files_of_lengths(lengths);
        let end = files.last().map_or(0, |last| last.offset + last.length);
        Layout::new(&files, Geometry::new(end, piece_length).unwrap()).unwrap()
    }
}

/// The files of [`Layout::of_lengths`].
#[cfg(test)]
pub(super) fn files_of_lengths(lengths: &[i64]) -> Vec<metainfo::File> {
    let mut offset = 0;
    let file = |(number, length): (usize, &i64)| {
        let (path, start, padding) = (number.to_string().into(), offset, *length < 0);
        offset += length.unsigned_abs();
        metainfo::File { path, offset: start, length: length.unsigned_abs(), padding }
    };
    lengths.iter().enumerate().map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(layout: &Layout, piece: u32) -> Vec<(usize, u64, u64, bool)> {
        let piece = layout.geometry().piece(piece).unwrap();
        layout.slices(piece).map(|part| (part.file, part.offset, part.length, part.padding)).collect()
    }

    #[test]
    fn a_piece_is_split_where_its_files_meet() {
        let files = Layout::of_lengths(&[5, 0, 0, 1, 10, -4, 3], 8);
        assert_eq!(parts(&files, 0), [(0, 0, 5, false), (3, 0, 1, false), (4, 0, 2, false)]);
        assert_eq!(parts(&files, 1), [(4, 2, 8, false)]);
        assert_eq!(parts(&files, 2), [(5, 0, 4, true), (6, 0, 3, false)]);
    }

    #[test]
    fn every_cut_covers_every_byte_once() {
        for piece_length in 1..30 {
            let files = Layout::of_lengths(&[0, 5, 0, 1, 10, -4, 3, 0], piece_length);
            let mut seen = [0u64; 8];
            for piece in files.geometry().pieces() {
                let mut length = 0;
                for slice in files.slices(piece) {
                    assert_eq!(slice.offset, seen[slice.file]);
                    seen[slice.file] += slice.length;
                    length += slice.length;
                }
                assert_eq!(length, u64::from(files.geometry().length(piece)));
            }
            assert_eq!(seen, [0, 5, 0, 1, 10, 4, 3, 0]);
        }
    }

    #[test]
    fn a_piece_may_cover_a_hundred_thousand_files() {
        let files = Layout::of_lengths(&vec![1; 100_000], 100_000);
        assert_eq!(parts(&files, 0).len(), 100_000);
        let files = Layout::of_lengths(&vec![1; 100_000], 7);
        assert_eq!(
            parts(&files, 14_285),
            [
                (99_995, 0, 1, false),
                (99_996, 0, 1, false),
                (99_997, 0, 1, false),
                (99_998, 0, 1, false),
                (99_999, 0, 1, false)
            ]
        );
    }

    #[test]
    fn offsets_past_four_gigabytes_are_kept() {
        let files = Layout::of_lengths(&[1 << 40, 1 << 40], 1 << 30);
        assert_eq!(parts(&files, 1023), [(0, (1 << 40) - (1 << 30), 1 << 30, false)]);
        assert_eq!(parts(&files, 1024), [(1, 0, 1 << 30, false)]);
    }

    #[test]
    fn a_range_names_the_pieces_that_it_touches() {
        let files = Layout::of_lengths(&[100], 8);
        let numbers = |range| files.pieces(range).map(PieceIndex::get).collect::<Vec<u32>>();
        assert_eq!(numbers(0..1), [0]);
        assert_eq!(numbers(7..8), [0]);
        assert_eq!(numbers(7..9), [0, 1]);
        assert_eq!(numbers(96..100), [12]);
        assert_eq!(numbers(50..50), [0; 0]);
        assert_eq!(numbers(0..0), [0; 0]);
    }

    #[test]
    fn files_with_a_gap_or_of_another_size_are_refused() {
        let file = |offset, length| metainfo::File { path: "a".into(), offset, length, padding: false };
        let geometry = Geometry::new(10, 4).unwrap();
        assert!(Layout::new(&[file(0, 4), file(4, 6)], geometry).is_some());
        assert!(Layout::new(&[file(0, 4), file(5, 5)], geometry).is_none());
        assert!(Layout::new(&[file(0, 4), file(4, 5)], geometry).is_none());
        assert!(Layout::new(&[file(0, 4), file(4, u64::MAX)], geometry).is_none());
        assert!(Layout::new(&[], geometry).is_none());
    }
}
