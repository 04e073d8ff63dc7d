//! The files of a torrent as the live view shows them: each is worked out when it is drawn, so that a torrent of a
//! hundred thousand costs no more than the rows that fit the screen.

use crate::metainfo::{File, Metainfo};
use crate::session::TorrentSight;
use crate::storage::Selection;
use crate::text::shown;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The files, in the order of the torrent, without padding.
#[derive(Clone, Default)]
pub struct Files(Option<Arc<dyn FileTable>>);

/// A file.
#[derive(Clone, Debug)]
pub struct FileSight {
    /// Its path in the torrent.
    pub path: String,
    /// Its length in bytes.
    pub length: u64,
    /// How many of its bytes are in verified pieces.
    pub done: u64,
    /// Whether it is downloaded.
    pub selected: bool,
}

/// Where the files come from.
trait FileTable: Send + Sync {
    fn len(&self) -> usize;
    fn get(&self, number: usize) -> Option<FileSight>;
}

/// The list of a torrent, which stays as it is.
pub struct FileList {
    pub metainfo: Arc<Metainfo>,
    pub selection: Option<Arc<Selection>>,
    /// The numbers of those that are no padding, if there is padding.
    numbers: Option<Vec<usize>>,
}

/// The same with what is on the disk.
struct StoredFiles {
    list: Arc<FileList>,
    seen: Arc<TorrentSight>,
}

impl Files {
    /// How these files stand where this was seen of their torrent.
    pub fn of(list: &Arc<FileList>, seen: &Arc<TorrentSight>) -> Files {
        Files(Some(Arc::new(StoredFiles { list: Arc::clone(list), seen: Arc::clone(seen) })))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |table| table.len())
    }

    /// The file of this number, counted from 0.
    pub fn get(&self, number: usize) -> Option<FileSight> {
        self.0.as_ref()?.get(number)
    }

    /// All of them. Whoever shows a part takes that part alone: each is worked out as it is taken.
    pub fn iter(&self) -> impl Iterator<Item = FileSight> {
        (0..self.len()).filter_map(|number| self.get(number))
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} files", self.len())
    }
}

impl FileList {
    /// The files of this torrent, of which these are downloaded if not all.
    pub fn new(metainfo: Arc<Metainfo>, selection: Option<Arc<Selection>>) -> FileList {
        let files = || metainfo.files.iter().enumerate();
        let numbers = files()
            .any(|(_, file)| file.padding)
            .then(|| files().filter(|(_, file)| !file.padding).map(|(number, _)| number).collect());
        FileList { metainfo, selection, numbers }
    }
}

impl FileTable for StoredFiles {
    fn len(&self) -> usize {
        self.list.numbers.as_ref().map_or(self.list.metainfo.files.len(), Vec::len)
    }

    fn get(&self, number: usize) -> Option<FileSight> {
        let number = match &self.list.numbers {
            Some(numbers) => *numbers.get(number)?,
            None => number,
        };
        let file = self.list.metainfo.files.get(number)?;
        Some(FileSight {
            path: shown(&file.path),
            length: file.length,
            done: self.done(file),
            selected: self.list.selection.as_ref().is_none_or(|selection| selection.has(number)),
        })
    }
}

impl StoredFiles {
    /// How many bytes of the file are in pieces that are on the disk.
    fn done(&self, file: &File) -> u64 {
        let length = u64::from(self.list.metainfo.geometry.piece_length().max(1));
        let (start, end) = (file.offset, file.offset.saturating_add(file.length));
        // The first piece may begin before the file, and the last one end after it.
        let number = |piece: u64| u32::try_from(piece).unwrap_or(u32::MAX);
        let pieces = number(start / length)..number(end.div_ceil(length));
        let of_all = u64::from(self.seen.sight.stored.count_in(pieces.clone())).saturating_mul(length);
        let is_stored = |piece: u32| self.seen.sight.stored.count_in(piece..piece.saturating_add(1)) > 0;
        let before = |pieces: &Range<u32>| match is_stored(pieces.start) {
            true => start.saturating_sub(u64::from(pieces.start).saturating_mul(length)),
            false => 0,
        };
        let after = |pieces: &Range<u32>| match pieces.end.checked_sub(1).is_some_and(is_stored) {
            true => u64::from(pieces.end).saturating_mul(length).saturating_sub(end),
            false => 0,
        };
        if file.length == 0 {
            return 0;
        }
        of_all.saturating_sub(before(&pieces)).saturating_sub(after(&pieces))
    }
}

#[cfg(test)]
impl FileTable for Vec<FileSight> {
    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn get(&self, number: usize) -> Option<FileSight> {
        self.as_slice().get(number).cloned()
    }
}

/// For tests of what is drawn.
#[cfg(test)]
impl From<Vec<FileSight>> for Files {
    fn from(files: Vec<FileSight>) -> Files {
        Files(Some(Arc::new(files)))
    }
}
