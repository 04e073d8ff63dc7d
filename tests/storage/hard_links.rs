//! Files with other names: what is under those is never changed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use femtotorrent::storage::{Existing, Finished, Options, StorageError};

use crate::sample::{FULL, OPTIONS, OVERWRITE, Sample, failure, numbers};
use crate::support::folder::TestFolder;

fn sample() -> Sample {
    Sample::new(1000, &[("t/a", 3300), ("t/b", 3300)])
}

/// An unfinished download of the sample, with these pieces.
fn unfinished(sample: &Sample, root: &Path, pieces: &[u32]) {
    let (mut storage, _) = sample.open(root, OPTIONS).unwrap();
    sample.write(&mut storage, pieces.iter().copied());
}

#[test]
fn a_file_with_another_name_is_not_written_through_and_gives_way_to_a_copy_where_the_user_says_so() {
    for full in [false, true] {
        let (root, sample) = (TestFolder::new(), sample());
        let (path, other) = (root.path().join("t/b"), root.path().join("mine"));
        unfinished(&sample, root.path(), &[0, 4]);
        fs::hard_link(&path, &other).unwrap();
        let before = fs::read(&other).unwrap();
        let error = failure(sample.open(root.path(), if full { FULL } else { OPTIONS }));
        assert!(matches!(error, StorageError::Linked { .. }), "{error:?}");
        assert_eq!(error.exit_code(), 13);
        assert!(error.to_string().contains("t/b") && error.to_string().contains("--overwrite"), "{error}");

        let options = Options { existing: Existing::Overwrite, ..if full { FULL } else { OPTIONS } };
        let (mut storage, good) = sample.open(root.path(), options).unwrap();
        assert_eq!(numbers(&good), [0, 4], "what is verified is kept");
        let served = storage.served_pieces();
        assert!(served.find(sample.index(4), 0, 1000, &mut Vec::new()), "its file is open");
        sample.write(&mut storage, [1, 2, 3, 5, 6]);
        let mut parts = Vec::new();
        assert!(served.find(sample.index(6), 0, sample.geometry.length(sample.index(6)), &mut parts));
        assert_eq!(storage.finish().unwrap(), Finished::Durable);
        sample.assert_complete(root.path());
        assert!(fs::read(&other).unwrap() == before, "what is under the other name was changed");
        assert_eq!((fs::metadata(&path).unwrap().nlink(), fs::metadata(&other).unwrap().nlink()), (1, 1));
        if let [femtotorrent::storage::BlockPart::File(file, ..)] = parts.as_slice() {
            assert_eq!(
                file.metadata().unwrap().ino(),
                fs::metadata(&path).unwrap().ino(),
                "the copy is sent"
            );
        }
    }
}

#[test]
fn a_foreign_file_that_was_planted_under_a_name_of_the_torrent_is_safe() {
    let (root, sample) = (TestFolder::new(), sample());
    unfinished(&sample, root.path(), &[0]);
    let victim = root.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    // Before a run, and while one is at work.
    fs::hard_link(&victim, root.path().join("t/b")).unwrap();
    assert_eq!(failure(sample.open(root.path(), OPTIONS)).exit_code(), 13);
    sample.complete(root.path(), OVERWRITE);
    sample.assert_complete(root.path());
    assert_eq!(fs::read(&victim).unwrap(), b"precious");

    let root = TestFolder::new();
    fs::write(root.path().join("victim"), "precious").unwrap();
    let options = Options { open_files: 1, ..OPTIONS };
    let (mut storage, _) = sample.open(root.path(), options).unwrap();
    sample.write(&mut storage, [0, 4]);
    fs::remove_file(root.path().join("t/a")).unwrap();
    fs::hard_link(root.path().join("victim"), root.path().join("t/a")).unwrap();
    let error = storage.write(sample.index(1), &sample.piece(sample.index(1))).unwrap_err();
    assert_eq!(error.exit_code(), 17, "{error}");
    assert_eq!(fs::read(root.path().join("victim")).unwrap(), b"precious");
}

#[test]
fn a_complete_file_that_is_only_read_may_have_any_number_of_names() {
    let (root, sample) = (TestFolder::new(), sample());
    fs::create_dir(root.path().join("t")).unwrap();
    fs::write(root.path().join("mine"), sample.content(&sample.files[0])).unwrap();
    fs::hard_link(root.path().join("mine"), root.path().join("t/a")).unwrap();
    let changed = || {
        let data = fs::metadata(root.path().join("mine")).unwrap();
        (data.nlink(), data.ctime(), data.ctime_nsec())
    };
    let before = changed();
    // Its last bytes share a piece with a file that is missing.
    sample.complete(root.path(), OPTIONS);
    sample.assert_complete(root.path());
    assert_eq!(changed(), before);
    // Now all of it is complete, and nothing has to be written.
    fs::hard_link(root.path().join("t/b"), root.path().join("too")).unwrap();
    sample.complete(root.path(), OPTIONS);
}

#[test]
fn a_name_that_is_added_during_the_download_sees_it_completed() {
    let (root, sample) = (TestFolder::new(), sample());
    let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
    sample.write(&mut storage, [0, 4]);
    for name in ["t/a", "t/b"] {
        fs::hard_link(root.path().join(name), root.path().join(name.replace('/', "-"))).unwrap();
    }
    sample.write(&mut storage, [1, 2, 3, 5, 6]);
    assert_eq!(storage.finish().unwrap(), Finished::Durable);
    sample.assert_complete(root.path());
    assert!(fs::read(root.path().join("t-b")).unwrap() == sample.content(&sample.files[1]));
}
