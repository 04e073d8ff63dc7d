//! Gives each file of a torrent a path of its own.
//!
//! Two files with one name would overwrite each other, and a file cannot have the path of a folder. The first
//! file keeps its name, a later one gets a number before its extension. Folders with one name are one folder.
//! A file that has the name of a folder gets a number too, even if it came first. Names that differ only in
//! case count as the same name, because on many disks they are.
//!
//! The work grows only with the bytes in the names: each name is looked up in its folder, and the next free
//! number is remembered.

use super::element;
use std::collections::HashMap;

/// Identifies a folder. The output folder is number 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct FolderNumber(u32);

/// What a name in a folder is taken by.
enum Taken {
    Folder(FolderNumber),
    File,
}

/// Folders that a torrent may have. No honest torrent comes near, and each folder costs memory.
const MAX_FOLDERS: u32 = 250_000;

/// The names that are taken so far.
#[derive(Default)]
pub(super) struct UniqueNames {
    entries: HashMap<(FolderNumber, String), Taken>,
    /// The number to try next for a name that is taken.
    numbers: HashMap<(FolderNumber, String), u32>,
    folders: u32,
}

impl UniqueNames {
    /// The folder of this name in `parent`. All folders must be known before the first file. `None` if there
    /// are too many.
    pub(super) fn folder(&mut self, parent: FolderNumber, name: &str) -> Option<FolderNumber> {
        let next = FolderNumber(self.folders.saturating_add(1));
        match self.entries.entry((parent, element::folded(name))).or_insert(Taken::Folder(next)) {
            Taken::Folder(folder) if *folder == next => {
                self.folders = next.0;
                (next.0 <= MAX_FOLDERS).then_some(next)
            }
            Taken::Folder(folder) => Some(*folder),
            Taken::File => None,
        }
    }

    /// Takes a name for a file. If `name` is not free, takes and returns a different one.
    pub(super) fn file(&mut self, parent: FolderNumber, name: &str) -> Option<String> {
        if self.take(parent, name) {
            return None;
        }
        // Long names that differ only in the part that is cut off share one counter, so that no name is ever
        // tried twice.
        let base = element::base(name);
        let mut number = self.numbers.get(&(parent, element::folded(&base))).copied().unwrap_or(1);
        let mut other = element::numbered(&base, number);
        while !self.take(parent, &other) {
            number = number.saturating_add(1);
            other = element::numbered(&base, number);
        }
        self.numbers.insert((parent, element::folded(&base)), number.saturating_add(1));
        Some(other)
    }

    fn take(&mut self, parent: FolderNumber, name: &str) -> bool {
        let key = (parent, element::folded(name));
        let free = !self.entries.contains_key(&key);
        if free {
            self.entries.insert(key, Taken::File);
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOP: FolderNumber = FolderNumber(0);

    #[test]
    fn a_later_file_with_the_same_name_gets_a_number() {
        let mut names = UniqueNames::default();
        assert_eq!(names.file(TOP, "bar.txt"), None);
        assert_eq!(names.file(TOP, "bar.txt").unwrap(), "bar.1.txt");
        assert_eq!(names.file(TOP, "BAR.txt").unwrap(), "BAR.2.txt");
        assert_eq!(names.file(TOP, "bar.3.txt"), None);
        assert_eq!(names.file(TOP, "bar.txt").unwrap(), "bar.4.txt");
    }

    #[test]
    fn a_folder_keeps_its_name_before_a_file_and_folders_with_one_name_are_one() {
        let mut names = UniqueNames::default();
        let folder = names.folder(TOP, "a").unwrap();
        assert_eq!(names.folder(TOP, "A"), Some(folder));
        let inner = names.folder(folder, "a").unwrap();
        assert!(inner != folder && folder != TOP && names.folder(TOP, "b") != Some(inner));
        assert_eq!(names.file(TOP, "a").unwrap(), "a.1");
        assert_eq!(names.file(folder, "a").unwrap(), "a.1");
        assert_eq!(names.file(inner, "a"), None);
    }

    #[test]
    fn equal_names_and_long_names_cost_one_step_each() {
        let mut names = UniqueNames::default();
        for index in 0..20_000 {
            let long = format!("{}{index:05}", "x".repeat(250));
            assert_eq!(names.file(TOP, &long), None);
            assert!(names.file(TOP, &long).is_some_and(|name| name.len() <= 255));
        }
        for _ in 0..20_000 {
            names.file(TOP, "same");
        }
        assert_eq!(names.file(TOP, "same").unwrap(), "same.20000");
    }
}
