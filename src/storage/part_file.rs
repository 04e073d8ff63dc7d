//! The part file: whole pieces that a selected file shares with files that are not selected.
//!
//! A piece cannot be verified in part, so it is fetched whole, and the bytes of it that belong to a neighbour need a
//! place. They are not put into the neighbour: it would look downloaded, and it may be the user's own file. They are in
//! `.NAME.HASH.femtotorrent-part` beside the marker, under whose lock it is written. The piece is there as a whole. So
//! what is in the file can be verified whatever was selected when it was written, and a later run that wants the
//! neighbour takes the piece from here as if a peer had sent it ([`move_out`]). The bytes of the selected files are
//! in these files too.
//!
//! The file is a row of *slots*: four bytes, which are the number of the piece plus one or zero for a free slot, and
//! then the piece. Nothing in it is believed before its digest is right, so it may be cut, damaged or removed at any
//! time, which costs that what is lost is fetched again. A slot is freed when all its piece is where it belongs, and
//! the file goes when nothing in it is needed.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::Storage;
use super::calls;
use super::digests::Digests;
use super::error::{Action, StorageError};
use super::folder::{Access, FileStat, FolderEntry, RootFolder};
use super::hashing::Watch;
use super::layout::Slice;
use super::patience::patiently;
use crate::piece::{Bitfield, Geometry, PieceIndex};

/// How its name ends, behind the marker's name.
const ENDING: &str = "-part";
/// Bytes before the piece in a slot.
pub(super) const HEAD: u64 = 4;

/// The part file of one download: which piece is in which slot.
pub(super) struct PartFile {
    path: PathBuf,
    geometry: Geometry,
    /// The piece in each slot.
    slots: Vec<Option<PieceIndex>>,
}

impl PartFile {
    /// The part file beside this marker, with nothing in it.
    pub fn beside(marker: &Path, geometry: Geometry) -> PartFile {
        let mut name = marker.as_os_str().to_owned();
        name.push(ENDING);
        PartFile { path: name.into(), geometry, slots: Vec::new() }
    }

    /// Its name in the output folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a name is that of a part file, if the part before the ending is that of a marker. Returns that part.
    pub fn marker_part(name: &[u8]) -> &[u8] {
        name.strip_suffix(ENDING.as_bytes()).unwrap_or(name)
    }

    /// Reads which pieces are in it.
    ///
    /// # Errors
    ///
    /// It is there and cannot be read.
    pub fn read(&mut self, folder: &RootFolder) -> Result<(), StorageError> {
        match self.read_slots(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(StorageError::from_io(Action::Read, folder.join(&self.path), error)),
            Ok(slots) => self.slots = slots,
        }
        Ok(())
    }

    fn read_slots(&self, folder: &RootFolder) -> io::Result<Vec<Option<PieceIndex>>> {
        let file = patiently(|| folder.open_file(&self.path, Access::Read))?;
        let length = RootFolder::file_stat(&file)?.length;
        let most = length.div_ceil(self.slot_length()).min(self.geometry.piece_count().into());
        let mut seen = Bitfield::none(self.geometry.piece_count());
        let mut slots = Vec::new();
        for number in 0..most {
            let mut head = [0; HEAD as usize];
            match calls::read_exact_at(&file, &mut head, number.saturating_mul(self.slot_length())) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                read => read?,
            }
            let piece = u32::from_be_bytes(head).checked_sub(1).and_then(|piece| self.geometry.piece(piece));
            // Of two slots with one number, one is damaged: the first is as good as the other.
            slots.push(piece.filter(|piece| seen.insert(*piece)));
        }
        Ok(slots)
    }

    /// Makes way for a part file, where something else has its name, or it has another name, under which what is
    /// written to it would be seen.
    ///
    /// # Errors
    ///
    /// A folder that is not empty, and what the system refuses.
    pub fn make_way(&self, folder: &RootFolder) -> Result<(), StorageError> {
        let opened = || patiently(|| folder.open_file(&self.path, Access::Write));
        let made = match folder.entry(&self.path) {
            Ok(Some(FolderEntry::File(FileStat { links: 0 | 1, .. }))) => match opened() {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => folder.remove(&self.path),
                opened => opened.map(drop),
            },
            Ok(Some(FolderEntry::Folder)) => folder.remove_folder(&self.path),
            Ok(Some(_)) => folder.remove(&self.path),
            other => other.map(drop),
        };
        made.map_err(|error| StorageError::from_io(Action::Remove, folder.join(&self.path), error))
    }

    /// The pieces in it, in order, and where each begins.
    pub fn slots(&self) -> Vec<(PieceIndex, u64)> {
        let offset = |slot: u64| slot.saturating_mul(self.slot_length()).saturating_add(HEAD);
        // Not sorted: that would be another copy of the sort function in the binary.
        let mut slot_of = vec![None; self.geometry.piece_count() as usize];
        for (slot, piece) in (0..).zip(&self.slots) {
            if let Some(place) = piece.and_then(|piece| slot_of.get_mut(piece.slot())) {
                *place = Some(offset(slot));
            }
        }
        self.geometry.pieces().zip(slot_of).filter_map(|(piece, offset)| Some((piece, offset?))).collect()
    }

    /// Gives slots to these pieces, which have none.
    pub fn give(&mut self, pieces: impl IntoIterator<Item = PieceIndex>) {
        let mut free = 0;
        for piece in pieces {
            while self.slots.get(free).is_some_and(Option::is_some) {
                free += 1;
            }
            match self.slots.get_mut(free) {
                Some(slot) => *slot = Some(piece),
                None => self.slots.push(Some(piece)),
            }
        }
    }

    /// The piece has no slot any more.
    fn free(&mut self, piece: PieceIndex) {
        self.slots.iter_mut().filter(|slot| **slot == Some(piece)).for_each(|slot| *slot = None);
    }

    /// Whether there is nothing in it that is needed.
    pub fn is_free(&self) -> bool {
        self.slots.iter().all(Option::is_none)
    }

    /// Removes it, if it is there. A folder in its place is not ours, and stays.
    pub fn remove(&self, folder: &RootFolder) -> Result<(), StorageError> {
        match folder.remove(&self.path) {
            Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::IsADirectory) => {
                Err(StorageError::from_io(Action::Remove, folder.join(&self.path), error))
            }
            _ => Ok(()),
        }
    }

    fn slot_length(&self) -> u64 {
        u64::from(self.geometry.piece_length()).saturating_add(HEAD)
    }
}

/// Writes a piece into the slot that it has, and its number before it.
pub(super) fn write_slot(storage: &mut Storage, piece: PieceIndex, bytes: &[u8]) -> Result<(), StorageError> {
    let layout = storage.files.layout();
    let (Some(file), Some(offset)) = (layout.part_file(), layout.slot(piece)) else { return Ok(()) };
    let head = piece.get().saturating_add(1).to_be_bytes();
    write_at(storage, file, offset.saturating_sub(HEAD), &head)?;
    write_at(storage, file, offset, bytes)
}

fn write_at(storage: &mut Storage, file: usize, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
    let slice = Slice { file, offset, length: bytes.len() as u64, padding: false };
    let written = storage.files.write(&slice, bytes);
    storage.note_written(slice.length);
    written
}

/// Takes what is in the part file and belongs into files that are selected now: writes each such piece as if a peer had
/// sent it, adds it to those that are `good`, and frees its slot if no part of it needs the slot.
///
/// # Errors
///
/// As [`Storage::write`], and [`StorageError::Cancelled`] if `watch` says so.
pub(super) fn move_out(
    storage: &mut Storage,
    good: &mut Bitfield,
    digests: &Digests,
    watch: &Watch<'_>,
) -> Result<(), StorageError> {
    let slots = storage.part_file.slots();
    let Some(number) = storage.files.layout().part_file().filter(|_| !slots.is_empty()) else {
        return Ok(());
    };
    let path = storage.files.folder().join(storage.part_file.path());
    let failed = |action| {
        let path = path.clone();
        move |error: io::Error| StorageError::from_io(action, path, error)
    };
    let opened = patiently(|| storage.files.folder().open_file(storage.part_file.path(), Access::Read));
    let file = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(failed(Action::Open))?,
    };
    for (piece, offset) in slots {
        let layout = storage.files.layout();
        if layout.wanted().is_some_and(|wanted| !wanted.has(piece)) {
            continue;
        }
        let needs_slot = layout.slot(piece).is_some();
        if !good.has(piece) {
            if !watch(0, 0) {
                return Err(StorageError::Cancelled);
            }
            let geometry = layout.geometry();
            let read = read_slot(&file, offset, geometry.length(piece)).map_err(failed(Action::Read))?;
            let is_right = |bytes: &Vec<u8>| geometry.hashing(piece).digest(bytes) == digests(piece);
            if let Some(bytes) = read.filter(is_right) {
                storage.write(piece, &bytes)?;
                good.insert(piece);
            }
        }
        if !needs_slot {
            write_at(storage, number, offset.saturating_sub(HEAD), &[0; HEAD as usize])?;
            storage.part_file.free(piece);
        }
    }
    Ok(())
}

/// The piece in a slot. `None` where the file ends before it does.
fn read_slot(file: &File, offset: u64, length: u32) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = vec![0; length as usize];
    match calls::read_exact_at(file, &mut bytes, offset) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        read => read.map(|()| Some(bytes)),
    }
}
