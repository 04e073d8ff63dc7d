//! Which bytes of which piece leave, and what comes between the files. Touches no file: it writes where it is told to.

use super::super::selection::Selection;
use super::{StreamFormat, tar};
use crate::metainfo::{File, Metainfo};
use crate::piece::{Geometry, PieceIndex};
use std::io::{self, Write};
use std::sync::Arc;

/// What has left of a payload, and what comes next.
pub(super) struct Outline {
    metainfo: Arc<Metainfo>,
    geometry: Geometry,
    /// `None` for all files.
    selection: Option<Selection>,
    format: StreamFormat,
    /// The number of the piece that comes next, or of one before it that is not wanted.
    next: u32,
    /// The number of the file that comes next, or has begun.
    file: usize,
    has_begun: bool,
}

impl Outline {
    /// Nothing has left.
    pub fn new(
        metainfo: Arc<Metainfo>,
        geometry: Geometry,
        selection: Option<Selection>,
        format: StreamFormat,
    ) -> Outline {
        Outline { metainfo, geometry, selection, format, next: 0, file: 0, has_begun: false }
    }

    /// The piece that is to be written next. `None` after the last one.
    pub fn next_piece(&mut self) -> Option<PieceIndex> {
        loop {
            let piece = self.geometry.piece(self.next)?;
            if self.selection.as_ref().is_none_or(|selection| selection.pieces().has(piece)) {
                return Some(piece);
            }
            self.next += 1;
        }
    }

    /// Writes what belongs to files of this piece, which is the next one.
    ///
    /// # Errors
    ///
    /// As `out` says.
    pub fn write(&mut self, piece: PieceIndex, bytes: &[u8], out: &mut impl Write) -> io::Result<()> {
        let start = self.geometry.offset(piece);
        let end = start.saturating_add(bytes.len() as u64);
        while let Some((offset, length)) = self.next_file().filter(|(offset, _)| *offset < end) {
            self.begin(out)?;
            let file_end = offset.saturating_add(length);
            let at = |place: u64| usize::try_from(place.saturating_sub(start)).unwrap_or(usize::MAX);
            out.write_all(bytes.get(at(offset)..at(file_end.min(end))).unwrap_or_default())?;
            if file_end > end {
                break;
            }
            self.end(length, out)?;
        }
        self.next = self.next.saturating_add(1);
        Ok(())
    }

    /// Writes what comes behind the last piece: files without bytes, and the end of an archive.
    ///
    /// # Errors
    ///
    /// As `out` says.
    pub fn finish(&mut self, out: &mut impl Write) -> io::Result<()> {
        while let Some((_, length)) = self.next_file() {
            self.begin(out)?;
            self.end(length, out)?;
        }
        match self.format {
            StreamFormat::File => Ok(()),
            StreamFormat::Tar => out.write_all(&tar::END),
        }
    }

    /// Where the next file begins in the payload, and its length. Padding is no file.
    fn next_file(&mut self) -> Option<(u64, u64)> {
        loop {
            let File { offset, length, padding, .. } = *self.metainfo.files.get(self.file)?;
            if !padding && self.selection.as_ref().is_none_or(|selection| selection.has(self.file)) {
                return Some((offset, length));
            }
            self.file += 1;
        }
    }

    fn begin(&mut self, out: &mut impl Write) -> io::Result<()> {
        let has_begun = std::mem::replace(&mut self.has_begun, true);
        match self.metainfo.files.get(self.file).filter(|_| !has_begun && self.format == StreamFormat::Tar) {
            Some(file) => out.write_all(&tar::head(&file.path, file.length)),
            None => Ok(()),
        }
    }

    fn end(&mut self, length: u64, out: &mut impl Write) -> io::Result<()> {
        (self.file, self.has_begun) = (self.file + 1, false);
        match self.format {
            StreamFormat::File => Ok(()),
            StreamFormat::Tar => out.write_all(tar::padding(length)),
        }
    }
}
