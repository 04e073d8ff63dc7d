//! The folders that payloads are in, each held open once, however many torrents of the process have theirs in it.
//!
//! A torrent that nobody asks for has no other descriptor. With one folder for each of them, a few hundred torrents that
//! lie side by side would be too many for a process that may have 256.
//!
//! A folder may be on a server of files that does not answer. To look at it takes for ever then, so nobody does that while
//! it holds what all share: each path has a lock of its own, for which only those wait who have their payload there too.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use super::folder::RootFolder;
use crate::thread::lock;

/// The folders that are open. Each is closed with the last torrent that uses it.
#[derive(Clone, Debug, Default)]
pub struct SharedFolders(Arc<Mutex<Vec<Arc<SharedFolder>>>>);

/// What is under one path.
#[derive(Debug)]
struct SharedFolder {
    path: PathBuf,
    only_read: bool,
    /// Who looks at the path holds it.
    open: Mutex<Weak<RootFolder>>,
}

impl SharedFolders {
    /// The folder under this path, for a payload that is written to or is `only_read`. `None` if there is none.
    pub(super) fn open(&self, path: &Path, only_read: bool) -> io::Result<Option<Arc<RootFolder>>> {
        let shared = self.at(path, only_read);
        let mut open = lock(&shared.open);
        // What is under the path now may be another folder.
        if let Some(folder) = open.upgrade().filter(|folder| folder.is_in_place().unwrap_or(false)) {
            return Ok(Some(folder));
        }
        let folder = if only_read { RootFolder::open_to_read(path)? } else { RootFolder::open(path)? };
        let folder = folder.map(Arc::new);
        *open = folder.as_ref().map_or_else(Weak::new, Arc::downgrade);
        Ok(folder)
    }

    /// What all share who use this path so. Looks at no disk.
    fn at(&self, path: &Path, only_read: bool) -> Arc<SharedFolder> {
        let mut paths = lock(&self.0);
        // Nobody else can have got hold of one that is known here alone.
        paths.retain(|folder| Arc::strong_count(folder) > 1 || lock(&folder.open).strong_count() > 0);
        let is_this = |folder: &&Arc<SharedFolder>| folder.path == path && folder.only_read == only_read;
        if let Some(folder) = paths.iter().find(is_this) {
            return Arc::clone(folder);
        }
        let folder = Arc::new(SharedFolder { path: path.to_owned(), only_read, open: Mutex::default() });
        paths.push(Arc::clone(&folder));
        folder
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
    fn a_folder_that_never_answers_holds_up_nobody_who_uses_another_one() {
        let new = NewFolder::somewhere();
        std::fs::create_dir(&new.0).unwrap();
        let folders = SharedFolders::default();
        let hung = folders.at(Path::new("hung"), false);
        let in_the_middle_of_a_look = lock(&hung.open);
        let folder = folders.open(&new.0, false).unwrap().unwrap();
        assert!(Arc::ptr_eq(&folder, &folders.open(&new.0, false).unwrap().unwrap()));
        drop(in_the_middle_of_a_look);
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
