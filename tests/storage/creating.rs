//! The files of a new torrent, and their digests.

use std::fs;
use std::path::Path;

use femtotorrent::storage::{StorageError, gather};

use crate::sample::{OPTIONS, Sample};
use crate::support::folder::TestFolder;

#[test]
fn what_is_gathered_is_hashed_as_the_payload_of_a_torrent() {
    let root = TestFolder::new();
    let sample = Sample::new(1000, &[("t/a", 2500), ("t/b/c", 3000), ("t/b/none", 0), ("t/d", 1999)]);
    sample.complete(root.path(), OPTIONS);
    for open_files in [1, 3, 100] {
        let gathered = gather(&root.path().join("t"), Path::new("")).unwrap();
        assert_eq!(
            (gathered.name.to_str(), gathered.is_folder, gathered.total_size()),
            (Some("t"), true, 7499)
        );
        let files: Vec<_> = gathered.files().collect();
        let expected: [(&[u8], u64); 4] = [(b"a", 2500), (b"b/c", 3000), (b"b/none", 0), (b"d", 1999)];
        assert_eq!(files, expected);
        let digests = gathered.digests(sample.geometry, open_files, &|_, _| true).unwrap();
        assert_eq!(
            digests,
            sample.digests.iter().flat_map(|digest| digest.bytes().to_vec()).collect::<Vec<_>>()
        );
    }
    let gathered = gather(&root.path().join("t"), Path::new("")).unwrap();
    let stopped = gathered.digests(sample.geometry, 8, &|_, _| false).unwrap_err();
    assert!(matches!(stopped, StorageError::Cancelled), "{stopped}");
}

#[test]
fn a_file_that_changes_while_it_is_hashed_is_named() {
    let changes: [fn(&Path); 4] = [
        |path| fs::File::options().write(true).open(path).unwrap().set_len(10).unwrap(),
        |path| fs::File::options().write(true).open(path).unwrap().set_len(3001).unwrap(),
        |path| fs::remove_file(path).unwrap(),
        |path| {
            // The same number of different bytes, at a time that the file system can tell apart.
            fs::write(path, vec![7; 3000]).unwrap();
            let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
            fs::File::options().write(true).open(path).unwrap().set_modified(later).unwrap();
        },
    ];
    for change in changes {
        let root = TestFolder::new();
        let sample = Sample::new(1000, &[("t/a", 2500), ("t/b", 3000)]);
        sample.complete(root.path(), OPTIONS);
        let gathered = gather(&root.path().join("t"), Path::new("")).unwrap();
        change(&root.path().join("t/b"));
        let error = gathered.digests(sample.geometry, 8, &|_, _| true).unwrap_err();
        assert_eq!(error.exit_code(), 17, "{error}");
        assert!(matches!(&error, StorageError::Changed { path } if path.ends_with("t/b")), "{error}");
    }
}
