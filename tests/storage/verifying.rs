//! The examination of what is there, which changes nothing.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use femtotorrent::storage::FileState;

use crate::sample::{OPTIONS, Sample, byte, numbers, states};
use crate::support::folder::TestFolder;

/// Every name below the folder, with what would show a change.
fn listing(root: &Path) -> Vec<(PathBuf, u64, i64, i64)> {
    let (mut folders, mut seen) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        for path in entries.chain([folder.clone()]) {
            let is = fs::symlink_metadata(&path).unwrap();
            seen.push((path.clone(), is.len(), is.mtime_nsec(), is.ctime_nsec()));
            if is.is_dir() && path != folder {
                folders.push(path);
            }
        }
    }
    seen.sort();
    seen
}

#[test]
fn an_examination_says_how_each_file_stands_and_changes_nothing() {
    let root = TestFolder::new();
    let sample = Sample::new(
        1000,
        &[("t/a", 2500), ("t/b", 3000), ("t/none", 0), ("", 500), ("t/c", 2000), ("t/d", 1000)],
    );
    let nowhere = sample.examine(&root.path().join("not there")).unwrap();
    assert_eq!(numbers(&nowhere.good), Vec::<u32>::new());
    assert_eq!(numbers(&nowhere.bad), Vec::<u32>::new());
    assert!(!root.path().join("not there").exists());

    sample.complete(root.path(), OPTIONS);
    let before = listing(root.path());
    let all = sample.examine(root.path()).unwrap();
    assert!(all.is_good());
    assert_eq!(all.files[1].pieces, 4, "2 to 5");
    assert_eq!(listing(root.path()), before);

    // A shared piece is bad, and nothing shows which of the two files is wrong: both are blamed.
    let a = fs::File::options().write(true).open(root.path().join("t/a")).unwrap();
    a.write_all_at(&[!byte(2400)], 2400).unwrap();
    let damaged = sample.examine(root.path()).unwrap();
    assert_eq!(numbers(&damaged.bad), [2]);
    assert_eq!(states(&damaged)[..2], [FileState::Bad, FileState::Bad]);
    // A piece of its own settles it.
    a.write_all_at(&[!byte(10)], 10).unwrap();
    let damaged = sample.examine(root.path()).unwrap();
    assert_eq!(numbers(&damaged.bad), [0, 2]);
    assert_eq!(states(&damaged)[..2], [FileState::Bad, FileState::Unproven]);
    assert_eq!((damaged.files[0].good_pieces, damaged.files[0].pieces), (1, 3));

    // A file cut short is missing in part and not bad. An empty file that is missing is noticed, and so is
    // one that is too long.
    a.set_len(100).unwrap();
    fs::remove_file(root.path().join("t/none")).unwrap();
    fs::remove_file(root.path().join("t/c")).unwrap();
    fs::File::options().write(true).open(root.path().join("t/d")).unwrap().set_len(1001).unwrap();
    let before = listing(root.path());
    let rest = sample.examine(root.path()).unwrap();
    assert_eq!(numbers(&rest.good), [3, 4, 5, 8]);
    assert_eq!(numbers(&rest.bad), Vec::<u32>::new());
    use FileState::{Long, Missing, Padding, Short, Unproven};
    assert_eq!(states(&rest), [Short, Unproven, Missing, Padding, Missing, Long]);
    assert_eq!(rest.files[0].length, Some(100));
    assert!(!rest.is_good());
    assert_eq!(listing(root.path()), before);
}

#[test]
fn what_was_never_written_is_missing_and_not_bad() {
    let root = TestFolder::new();
    let sample = Sample::new(1000, &[("t/a", 2500), ("t/b", 3000), ("t/c", 1500)]);
    sample.complete(root.path(), OPTIONS);
    let b = fs::File::options().write(true).open(root.path().join("t/b")).unwrap();
    // All of piece 3, and nothing else.
    b.write_all_at(&[0; 1000], 500).unwrap();
    let partial = sample.examine(root.path()).unwrap();
    assert_eq!((numbers(&partial.bad), numbers(&partial.good)), (vec![], vec![0, 1, 2, 4, 5, 6]));
    assert_eq!(states(&partial), [FileState::Good, FileState::Unfinished, FileState::Good]);
    assert_eq!((partial.files[1].good_pieces, partial.files[1].pieces), (3, 4));
    assert!(!partial.is_good());

    // Beside something else that is wrong it does not matter.
    b.write_all_at(&[!byte(4600)], 2100).unwrap();
    let damaged = sample.examine(root.path()).unwrap();
    assert_eq!((numbers(&damaged.bad), numbers(&damaged.good)), (vec![4], vec![0, 1, 2, 5, 6]));
    assert_eq!(states(&damaged), [FileState::Good, FileState::Bad, FileState::Good]);
}

#[test]
fn an_examination_names_what_it_cannot_open() {
    let root = TestFolder::new();
    let sample = Sample::new(1000, &[("t/a", 2500)]);
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    assert_eq!(sample.examine(&file).unwrap_err().exit_code(), 15);
}
