//! A file gets its name when it is whole (`partial_names`).

use std::io;

use log::warn;

use super::PayloadFiles;
use crate::piece::PieceIndex;
use crate::storage::Existing;
use crate::storage::calls;
use crate::storage::error::{Action, StorageError};
use crate::storage::patience::patiently;

impl PayloadFiles {
    /// Counts what the files with another name lack, and gives their names to those that are whole: a run may have been
    /// killed before it did.
    ///
    /// # Errors
    ///
    /// What the system refuses.
    pub fn give_names(&mut self) -> Result<(), StorageError> {
        self.lacking = vec![0; self.states.len()];
        for number in 0..self.states.len() {
            self.count_lacking(number);
            if self.is_partial(number) && self.lacks(number) == 0 {
                self.give_name(number)?;
            }
        }
        Ok(())
    }

    /// The whole piece was written: files that are whole by it get their names.
    ///
    /// # Errors
    ///
    /// As [`PayloadFiles::give_names`].
    pub fn stored(&mut self, piece: PieceIndex) -> Result<(), StorageError> {
        let layout = std::sync::Arc::clone(&self.layout);
        for slice in layout.slices(piece).filter(|slice| !slice.padding) {
            if !self.is_partial(slice.file) {
                continue;
            }
            if let Some(lacking) = self.lacking.get_mut(slice.file) {
                *lacking = lacking.saturating_sub(1);
            }
            if self.lacks(slice.file) == 0 {
                // A piece may have been written twice, or be in doubt again.
                self.count_lacking(slice.file);
                if self.lacks(slice.file) == 0 {
                    self.give_name(slice.file)?;
                }
            }
        }
        Ok(())
    }

    /// Gives their names to all that are left, when all pieces are right.
    ///
    /// # Errors
    ///
    /// [`StorageError::Appeared`] if another file has the name, and what the system refuses.
    pub fn give_last_names(&mut self) -> Result<(), StorageError> {
        for number in 0..self.states.len() {
            let is_there = self.states.get(number).is_some_and(|state| state.length.is_some());
            let is_left = is_there && self.is_partial(number) && self.layout.is_selected(number);
            if is_left && !self.give_name(number)? {
                let path = self.layout.entry(number).map(|entry| self.folder.join(entry.path.whole()));
                return Err(StorageError::Appeared { path: path.unwrap_or_default() });
            }
        }
        Ok(())
    }

    fn is_partial(&self, number: usize) -> bool {
        self.layout.entry(number).is_some_and(|entry| entry.path.is_partial())
    }

    fn lacks(&self, number: usize) -> u32 {
        self.lacking.get(number).copied().unwrap_or_default()
    }

    fn count_lacking(&mut self, number: usize) {
        if !self.is_partial(number) {
            return;
        }
        let is_missing = |piece: &PieceIndex| !self.served_pieces.offers(*piece);
        let missing = self.layout.pieces_in(number).filter(is_missing).count();
        if let Some(lacking) = self.lacking.get_mut(number) {
            *lacking = u32::try_from(missing).unwrap_or(u32::MAX);
        }
    }

    /// Gives the file its name, when all of it is on the disk: after a power failure, too, whatever has this name is whole.
    /// False if another file has it, which is not replaced unasked.
    fn give_name(&mut self, number: usize) -> Result<bool, StorageError> {
        let layout = std::sync::Arc::clone(&self.layout);
        let Some(entry) = layout.entry(number) else { return Ok(true) };
        let file = self.open(number)?;
        calls::sync(&file).map_err(|error| self.failed(Action::Sync, number, error))?;
        let file = self.writing(number, file)?;
        let replace = self.options.existing == Existing::Overwrite;
        let (folder, whole) = (&self.folder, entry.path.whole());
        let given = patiently(|| folder.give_name(&entry.path, whole, replace));
        if given.is_ok() {
            entry.path.end_partial();
            if let Some(state) = self.states.get_mut(number) {
                state.unnamed = true;
            }
        }
        self.note_written(number, &file);
        match given {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let (is, should_be) = (self.path(number), self.folder.join(whole));
                warn!("{} is whole, and another file is called {}", is.display(), should_be.display());
                Ok(false)
            }
            Err(error) => Err(self.failed(Action::Rename, number, error)),
        }
    }
}
