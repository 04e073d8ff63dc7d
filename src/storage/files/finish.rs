//! The end of a download: every file has its length, all is synced to the disk, and nobody has changed it.

use std::collections::BTreeSet;

use log::warn;

use super::{FileOnDisk, PayloadFiles};
use crate::piece::PieceIndex;
use crate::storage::calls;
use crate::storage::error::{Action, StorageError, counted};
use crate::storage::finding::find_files;
use crate::storage::folder::{AllSynced, FileStat, MANY_FILES};
use crate::storage::hashing::Watch;
use crate::storage::layout::FileEntry;

/// How often pieces that another program has spoiled are written again before the run ends.
const MAX_REPAIRS: u32 = 3;

/// How a file was found at the end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Finish {
    /// It has the length that it should have.
    Whole,
    /// It was cut.
    Short,
}

impl PayloadFiles {
    /// Makes sure that every file is there and has its length, and syncs all that was written to the disk.
    /// Empty files are created, and files that are too long are cut. A file that is not selected is left alone.
    /// Then looks again at the files that another program has
    /// changed, and returns the pieces that have to be written again: none if all is safe.
    ///
    /// # Errors
    ///
    /// [`StorageError::Vanished`] if something that we wrote is not where it belongs, and
    /// [`StorageError::Spoiled`] if pieces had to be written again too often; [`StorageError::Cancelled`] if `watch`
    /// says so while changed files are read again.
    pub fn finish(&mut self, watch: &Watch<'_>) -> Result<Vec<PieceIndex>, StorageError> {
        self.check_folder()?;
        let found = find_files(&self.folder, &self.layout)?;
        let are_many = self.states.iter().filter(|state| state.unsynced).count() >= MANY_FILES;
        let mut synced = if are_many { self.folder.sync_all() } else { AllSynced::default() };
        let mut short = Vec::new();
        for (number, found) in found.iter().enumerate() {
            if self.finish_file(number, *found, &mut synced)? == Finish::Short {
                short.push(number);
            }
        }
        self.sync_folders()?;
        self.check_folder()?;
        let wrong = self.served_pieces.wrong(&short, self.options.open_files, watch)?;
        if wrong.is_empty() {
            self.give_last_names()?;
            self.sync_folders()?;
        }
        if let Some((number, _)) = wrong.first() {
            self.repairs += 1;
            let (path, pieces) = (self.path(*number), wrong.len());
            if self.repairs > MAX_REPAIRS {
                return Err(StorageError::Spoiled { path, pieces });
            }
            warn!(
                "{}: another program changed it, so {} must be fetched again",
                path.display(),
                counted(pieces)
            );
        }
        Ok(wrong.into_iter().map(|(_, piece)| piece).collect())
    }

    fn finish_file(
        &mut self,
        number: usize,
        seen: Option<FileStat>,
        synced: &mut AllSynced,
    ) -> Result<Finish, StorageError> {
        let Some(&FileEntry { length, padding: false, .. }) = self.layout.entry(number) else {
            return Ok(Finish::Whole);
        };
        let selected = self.layout.is_selected(number);
        let state = self.states.get(number).copied().unwrap_or_default();
        let (mut finish, mut is_changed) = (Finish::Whole, false);
        let found = seen.map(|seen| seen.length);
        match found {
            _ if self.layout.part_file() == Some(number) => match (found, state.length) {
                (Some(found), Some(length)) if found < length => finish = Finish::Short,
                (None, Some(_)) => return Err(StorageError::Vanished { path: self.path(number) }),
                _ if !state.unsynced => return Ok(Finish::Whole),
                _ => {}
            },
            _ if !selected => return Ok(Finish::Whole),
            None if length == 0 && self.states.get(number).is_some_and(|state| state.length.is_none()) => {
                self.open(number)?;
            }
            Some(found) if found > length => {
                self.cut(number, length)?;
                is_changed = true;
            }
            Some(found) if found == length => {}
            Some(found) => {
                finish = Finish::Short;
                if let Some(state) = self.states.get_mut(number) {
                    state.length = Some(found);
                }
            }
            None => return Err(StorageError::Vanished { path: self.path(number) }),
        }
        if self.states.get(number).is_some_and(|state| state.unsynced) {
            let file = self.open(number)?;
            let is_synced = !is_changed && seen.is_some_and(|seen| synced.covers(seen));
            let done = if is_synced { Ok(()) } else { calls::sync(&file) };
            done.map_err(|error| self.failed(Action::Sync, number, error))?;
            self.check_in_place(number)?;
            if let Some(state) = self.states.get_mut(number) {
                state.unsynced = false;
            }
        }
        Ok(finish)
    }

    /// Cuts a file that is longer than it should be.
    fn cut(&mut self, number: usize, length: u64) -> Result<(), StorageError> {
        let file = self.open(number)?;
        let file = self.writing(number, file)?;
        let cut = calls::set_length(&file, length);
        self.note_written(number, &file);
        cut.map_err(|error| self.failed(Action::Truncate, number, error))?;
        if let Some(state) = self.states.get_mut(number) {
            *state = FileOnDisk { length: Some(length), unsynced: true, ..*state };
        }
        Ok(())
    }

    /// Syncs the names of new files, and of the folders created for them, to the disk.
    fn sync_folders(&mut self) -> Result<(), StorageError> {
        let mut folders = BTreeSet::new();
        for (entry, state) in self.layout.entries().iter().zip(&mut self.states) {
            if std::mem::take(&mut state.unnamed) {
                // If a folder is in the set, so are all above it.
                let parents = entry.path.ancestors().skip(1);
                parents.map_while(|parent| folders.insert(parent).then_some(())).for_each(drop);
            }
        }
        for path in folders {
            let synced = self.folder.sync(path);
            synced.map_err(|error| StorageError::from_io(Action::Sync, self.folder.join(path), error))?;
        }
        Ok(())
    }
}
