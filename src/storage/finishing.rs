//! The end of a download: what is complete is made durable, and what it needed on the way is removed.

use super::{Finished, Storage, StorageError, Watch, opening};
use log::warn;

impl Storage {
    /// Ends a download when all its pieces are written: gives the files their final lengths, syncs them to
    /// the disk, makes sure that no other program has changed them, and removes the marker. Success may be
    /// reported after [`Finished::Durable`] and not before.
    ///
    /// With a selection, these are all pieces of the selection. The marker then stays, because some files
    /// hold nothing but the bytes of a shared piece. From now on it remembers which files are complete and
    /// belong to the user.
    ///
    /// If the payload was complete before the run, nothing is changed.
    ///
    /// # Errors
    ///
    /// [`StorageError::Vanished`] if a file is not where it belongs, [`StorageError::Spoiled`] and
    /// [`StorageError::Unsteady`] if another program does not cease to change one, or what the system refuses.
    pub fn finish(&mut self) -> Result<Finished, StorageError> {
        self.finish_watched(&|_, _| true)
    }

    /// The same. What other programs have changed is read again, which may take long: `watch` may end it.
    ///
    /// # Errors
    ///
    /// As [`Storage::finish`], and [`StorageError::Cancelled`] if `watch` says so. Then the download is not finished.
    pub fn finish_watched(&mut self, watch: &Watch<'_>) -> Result<Finished, StorageError> {
        self.resume.end_thread()?;
        self.settle()?;
        let spoiled = self.files.finish(watch);
        self.note_written(0);
        let spoiled = spoiled?;
        if !spoiled.is_empty() {
            if self.marked {
                self.resume.recall();
            }
            return Ok(Finished::Spoiled(spoiled));
        }
        opening::sync_folders(&std::mem::take(&mut self.parents));
        let layout = self.files.layout();
        if self.marked && layout.wanted().is_some() {
            let complete = layout
                .entries()
                .iter()
                .enumerate()
                .filter(|(number, entry)| entry.has_data() && layout.is_selected(*number));
            let mut guards = self.guards.clone();
            guards.extend(complete.map(|(number, entry)| (number, entry.length)));
            self.marked = false;
            if guards != self.guards {
                self.marker.write(self.files.folder(), &guards)?;
                self.settle()?;
            }
            self.resume.keep(&guards);
            self.resume.close(true);
            if self.part_file.is_free() {
                useless(self.part_file.remove(self.files.folder()));
            }
        } else {
            if let Some(cache) = &self.cache {
                self.resume.cache(cache, true);
            }
            if std::mem::take(&mut self.marked) {
                // In this order: without the marker, the resume file would be nobody's. Neither is synced: if
                // a power failure brings the marker back, the next run finds all pieces and removes it again.
                useless(self.remove_records());
            }
        }
        Ok(Finished::Durable)
    }

    fn remove_records(&mut self) -> Result<(), StorageError> {
        self.resume.remove()?;
        self.part_file.remove(self.files.folder())?;
        self.marker.remove(self.files.folder())
    }
}

/// What a complete payload no longer needs was to be removed. If it cannot be, as in a folder that is append-only, the
/// payload is complete all the same.
fn useless(removed: Result<(), StorageError>) {
    if let Err(error) = removed {
        warn!("{}; it is of no more use, and you may remove it", error.fault());
    }
}
