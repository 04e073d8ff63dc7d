//! The folders that payloads are in, each held open once, however many torrents of the process have theirs in it.
//!
//! A torrent that nobody asks for has no other descriptor. With one folder for each of them, a few hundred torrents that
//! lie side by side would be too many for a process that may have 256.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};

use super::folder::RootFolder;
use crate::thread::lock;

/// The folders that are open. Each is closed with the last torrent that uses it.
#[derive(Clone, Debug, Default)]
pub struct SharedFolders(Arc<Mutex<Vec<Weak<RootFolder>>>>);

impl SharedFolders {
    /// The folder under this path, for a payload that is written to or is `only_read`. `None` if there is none.
    pub(super) fn open(&self, path: &Path, only_read: bool) -> io::Result<Option<Arc<RootFolder>>> {
        let mut open = lock(&self.0);
        open.retain(|folder| folder.strong_count() > 0);
        let is_this = |folder: &Arc<RootFolder>| {
            // What is under the path now may be another folder.
            folder.is_of(path, only_read) && folder.is_in_place().unwrap_or(false)
        };
        if let Some(folder) = open.iter().filter_map(Weak::upgrade).find(is_this) {
            return Ok(Some(folder));
        }
        let folder = if only_read { RootFolder::open_to_read(path)? } else { RootFolder::open(path)? };
        let folder = folder.map(Arc::new);
        open.extend(folder.as_ref().map(Arc::downgrade));
        Ok(folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::NewFolder;

    #[test]
    fn a_folder_is_open_once_for_each_use_and_anew_when_another_one_has_its_name() {
        let new = NewFolder::somewhere();
        let (folders, path) = (SharedFolders::default(), new.0.join("payload"));
        std::fs::create_dir(&new.0).unwrap();
        assert!(folders.open(&path, true).unwrap().is_none());
        std::fs::create_dir(&path).unwrap();
        let one = folders.open(&path, true).unwrap().unwrap();
        assert!(Arc::ptr_eq(&one, &folders.open(&path, true).unwrap().unwrap()));
        assert!(
            !Arc::ptr_eq(&one, &folders.open(&path, false).unwrap().unwrap()),
            "that one follows no links"
        );
        std::fs::rename(&path, new.0.join("earlier")).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(!Arc::ptr_eq(&one, &folders.open(&path, true).unwrap().unwrap()));
        drop(one);
        folders.open(&path, true).unwrap();
        assert!(lock(&folders.0).len() <= 1, "a folder that nobody uses is closed");
    }

    #[test]
    fn who_shares_an_open_folder_does_not_share_its_lock() {
        let new = NewFolder::somewhere();
        std::fs::create_dir(&new.0).unwrap();
        let folders = SharedFolders::default();
        let open = || folders.open(&new.0, false).unwrap().unwrap();
        let (one, other) = (open(), open());
        let turn = one.turn(1, || ()).unwrap();
        assert!(other.turn(1, || ()).is_none(), "two torrents of one process had the lock at once");
        drop(turn);
        assert!(other.turn(1, || ()).is_some());
    }
}
