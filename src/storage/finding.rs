//! Which of a torrent's files are there.

use std::io;

use log::warn;

use super::error::{Action, StorageError, reason};
use super::folder::{FileSearch, FileStat, RootFolder};
use super::layout::{FileEntry, Layout};
use super::naming;
use crate::net::too_many_files;

/// The file under each name. Padding is on no disk and counts as missing.
pub(super) fn find_files(
    folder: &RootFolder,
    layout: &Layout,
) -> Result<Vec<Option<FileStat>>, StorageError> {
    let mut search = FileSearch::new(folder);
    let find = |(number, entry): (usize, &FileEntry)| {
        if entry.padding {
            return Ok(None);
        }
        match search.find(&entry.path) {
            Err(error) if naming::is_missing(&entry.path, &error) => Ok(None),
            // Whatever else is in its place makes way for it when it is needed.
            Err(_) if layout.part_file() == Some(number) && !folder.has_file(&entry.path) => Ok(None),
            Err(error) if folder.is_only_read() && !too_many_files(&error) => {
                let path = folder.join(&entry.path);
                warn!("cannot read {}, so it counts as missing: {}", path.display(), reason(&error));
                Ok(None)
            }
            found => found.map_err(|error| {
                // A file in the place of a folder, or a name too long for this file system, would stop us
                // from creating the file. Any other error means that something is there and cannot be opened.
                let action = match error.kind() {
                    io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename => Action::Create,
                    _ => Action::Open,
                };
                StorageError::from_io(action, folder.join(&entry.path), error)
            }),
        }
    };
    layout.entries().iter().enumerate().map(find).collect()
}
