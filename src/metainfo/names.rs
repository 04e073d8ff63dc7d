//! Which names are taken in each folder of a torrent.
//!
//! Two files with one name would overwrite each other, and a file cannot have the path of a folder. The first
//! file keeps its name, a later one gets a number before its extension. Folders with one name are one folder.
//! A file that has the name of a folder gets a number too, even if it came first. Whether names that differ
//! only in case are one name is up to the tree: on many disks they are.
//!
//! The work grows only with the bytes in the names: each name is looked up in its folder, and the next free
//! number is remembered.

use super::element;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Identifies a folder. The output folder is number 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct FolderNumber(u32);

/// What a name in a folder is taken by.
enum Taken {
    Folder(FolderNumber),
    /// The file with this number, the largest one for a name with a number.
    File(u32),
}

/// A folder and a name in it, in the form in which names are compared.
type Key = (FolderNumber, Box<[u8]>);

/// Folders that a torrent may have. No honest torrent comes near, and each folder costs memory.
const MAX_FOLDERS: u32 = 250_000;

/// The names that are taken so far.
pub(super) struct NameTree {
    /// Names that differ only in case are the same name.
    folds_case: bool,
    entries: HashMap<Key, Taken>,
    /// The number to try next for a name that is taken.
    numbers: HashMap<Key, u32>,
    folders: u32,
}

impl NameTree {
    /// No name is taken.
    pub(super) fn new(folds_case: bool) -> NameTree {
        NameTree { folds_case, entries: HashMap::new(), numbers: HashMap::new(), folders: 0 }
    }

    /// The folder of this name in `parent`. All folders must be known before the first file. `None` if there
    /// are too many.
    pub(super) fn folder(&mut self, parent: FolderNumber, name: &[u8]) -> Option<FolderNumber> {
        let next = FolderNumber(self.folders.saturating_add(1));
        match self.entries.entry(self.key(parent, name)).or_insert(Taken::Folder(next)) {
            Taken::Folder(folder) if *folder == next => {
                self.folders = next.0;
                (next.0 <= MAX_FOLDERS).then_some(next)
            }
            Taken::Folder(folder) => Some(*folder),
            Taken::File(_) => None,
        }
    }

    /// Whether nothing has this name.
    pub(super) fn is_free(&self, parent: FolderNumber, name: &[u8]) -> bool {
        !self.entries.contains_key(&self.key(parent, name))
    }

    /// The number of the file that has this name.
    pub(super) fn taker(&self, parent: FolderNumber, name: &[u8]) -> Option<usize> {
        match self.entries.get(&self.key(parent, name)) {
            Some(Taken::File(file)) => usize::try_from(*file).ok(),
            _ => None,
        }
    }

    /// Takes a name for the file with this number. False if it is not free.
    pub(super) fn take(&mut self, parent: FolderNumber, name: &[u8], file: usize) -> bool {
        let taken = Taken::File(u32::try_from(file).unwrap_or(u32::MAX));
        match self.entries.entry(self.key(parent, name)) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(taken);
                true
            }
        }
    }

    /// Takes a name with a number, which `is_free` and the tree have free.
    pub(super) fn take_numbered(
        &mut self,
        parent: FolderNumber,
        name: &[u8],
        is_free: &dyn Fn(&[u8]) -> bool,
    ) -> Vec<u8> {
        // Long names that differ only in the part that is cut off share one counter, so that no name is ever
        // tried twice.
        let base = element::base(name);
        let key = self.key(parent, &base);
        let mut number = self.numbers.get(&key).copied().unwrap_or(1);
        let mut other = element::numbered(&base, number);
        while !(is_free(&other) && self.take(parent, &other, usize::MAX)) {
            number = number.saturating_add(1);
            other = element::numbered(&base, number);
        }
        self.numbers.insert(key, number.saturating_add(1));
        other
    }

    fn key(&self, parent: FolderNumber, name: &[u8]) -> Key {
        (parent, if self.folds_case { element::folded(name).into() } else { name.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOP: FolderNumber = FolderNumber(0);

    impl NameTree {
        /// The name that a file gets.
        fn file(&mut self, parent: FolderNumber, name: &str) -> String {
            if self.take(parent, name.as_bytes(), 0) {
                return name.to_owned();
            }
            String::from_utf8(self.take_numbered(parent, name.as_bytes(), &|_| true)).unwrap()
        }
    }

    #[test]
    fn a_later_file_with_the_same_name_gets_a_number() {
        let mut names = NameTree::new(true);
        assert_eq!(names.file(TOP, "bar.txt"), "bar.txt");
        assert_eq!(names.file(TOP, "bar.txt"), "bar.1.txt");
        assert_eq!(names.file(TOP, "BAR.txt"), "BAR.2.txt");
        assert_eq!(names.file(TOP, "bar.3.txt"), "bar.3.txt");
        assert_eq!(names.file(TOP, "bar.txt"), "bar.4.txt");
        let mut names = NameTree::new(false);
        assert_eq!(["bar", "BAR", "bar"].map(|name| names.file(TOP, name)), ["bar", "BAR", "bar.1"]);
    }

    #[test]
    fn a_folder_keeps_its_name_before_a_file_and_folders_with_one_name_are_one() {
        let mut names = NameTree::new(true);
        let folder = names.folder(TOP, b"a").unwrap();
        assert_eq!(names.folder(TOP, b"A"), Some(folder));
        let inner = names.folder(folder, b"a").unwrap();
        assert!(inner != folder && folder != TOP && names.folder(TOP, b"b") != Some(inner));
        assert_eq!(names.file(TOP, "a"), "a.1");
        assert_eq!(names.file(folder, "a"), "a.1");
        assert_eq!(names.file(inner, "a"), "a");
    }

    #[test]
    fn equal_names_and_long_names_cost_one_step_each() {
        let mut names = NameTree::new(true);
        for index in 0..20_000 {
            let long = format!("{}{index:05}", "x".repeat(250));
            assert_eq!(names.file(TOP, &long), long);
            assert!(names.file(TOP, &long).len() <= 255);
        }
        for _ in 0..20_000 {
            names.file(TOP, "same");
        }
        assert_eq!(names.file(TOP, "same"), "same.20000");
    }
}
