//! Another file is under the name of one that an earlier run has written: it is the user's unless it is a copy of ours.

use std::fs::{self, File, FileTimes};
use std::path::Path;

use femtotorrent::storage::StorageError;

use crate::sample::{CONTINUE, FULL, OPTIONS, OVERWRITE, Sample, assert_foreign, failure, numbers};
use crate::support::folder::TestFolder;

/// Puts another file in the place of one that stays as long as both are there, so that it has another number.
fn replace(path: &Path, content: &[u8]) {
    let new = path.with_extension("new");
    fs::write(&new, content).unwrap();
    fs::rename(&new, path).unwrap();
}

/// Copies a folder with all that is in it.
fn copy_all(from: &Path, to: &Path, keeps_times: bool) {
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            fs::create_dir(&to).unwrap();
            copy_all(&from, &to, keeps_times);
            continue;
        }
        fs::copy(&from, &to).unwrap();
        if keeps_times {
            let times = FileTimes::new().set_modified(fs::metadata(&from).unwrap().modified().unwrap());
            File::options().write(true).open(&to).unwrap().set_times(times).unwrap();
        }
    }
}

/// No run changes it but one that is told to.
fn assert_it_stays(sample: &Sample, root: &Path, name: &str, case: &str) {
    let path = root.join(name);
    let before = fs::read(&path).unwrap();
    for _ in 0..2 {
        assert_foreign(sample.open(root, OPTIONS), &[name]);
        assert!(fs::read(&path).unwrap() == before, "{case}");
    }
    let said = failure(sample.open(root, OPTIONS)).to_string();
    assert!(said.contains("not the file that an earlier run left"), "{case}: {said}");
    sample.complete(root, OVERWRITE);
    sample.assert_complete(root);
}

#[test]
fn a_file_that_was_replaced_during_a_run_is_not_written_to_by_the_next_one() {
    for before in [vec![0, 1, 2, 3], vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9]] {
        let (root, sample) = (TestFolder::new(), Sample::three_files());
        let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
        sample.write(&mut storage, before);
        replace(&root.path().join("t/a"), &[7; 3300]);
        let piece = sample.index(3);
        let error = match storage.write(piece, &sample.piece(piece)) {
            Err(error) => error,
            Ok(()) => storage.finish().unwrap_err(),
        };
        assert!(matches!(error, StorageError::Vanished { .. }), "{error}");
        assert_eq!(error.exit_code(), 17);
        drop(storage);
        assert_it_stays(&sample, root.path(), "t/a", "replaced during a run");
    }
}

#[test]
fn one_that_was_replaced_between_two_runs_is_not_written_to_whether_the_first_was_killed_or_not() {
    let sample = Sample::three_files();
    let long = vec![7; 4000];
    let contents: [(&str, &[u8]); 4] =
        [("as long", &long[..3300]), ("short", b"mine"), ("long", &long), ("of no piece", &long[..999])];
    for (case, content) in contents {
        for is_final in [true, false] {
            let root = sample.interrupted(&[0, 1, 3, 4, 7]);
            if !is_final {
                // The last record of a run that is killed after it.
                let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
                sample.write(&mut storage, [8]);
                let record = fs::read(sample.resume_file(root.path())).unwrap();
                drop(storage);
                fs::write(sample.resume_file(root.path()), record).unwrap();
            }
            replace(&root.path().join("t/a"), content);
            assert_it_stays(&sample, root.path(), "t/a", case);
        }
    }
}

#[test]
fn one_that_has_the_number_of_the_one_that_is_gone_is_told_by_when_it_was_created() {
    let sample = Sample::three_files();
    let root = sample.interrupted(&[0, 1, 2, 3]);
    let path = root.path().join("t/a");
    if fs::metadata(&path).unwrap().created().is_err() {
        return;
    }
    // Whether it gets the same number is up to the file system.
    fs::remove_file(&path).unwrap();
    fs::write(&path, [7; 3300]).unwrap();
    assert_it_stays(&sample, root.path(), "t/a", "a new file");
}

#[test]
fn one_that_was_put_where_no_file_of_ours_was_is_not_written_to() {
    let sample = Sample::three_files();
    let root = sample.interrupted(&[0, 1]);
    fs::write(root.path().join("t/c"), "mine").unwrap();
    assert_it_stays(&sample, root.path(), "t/c", "in a free place");
    // While the run went on, which ended with it.
    let root = TestFolder::new();
    let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
    sample.write(&mut storage, [0, 1]);
    fs::write(root.path().join("t/c"), "mine").unwrap();
    let piece = sample.index(8);
    let error = storage.write(piece, &sample.piece(piece)).unwrap_err();
    assert!(matches!(error, StorageError::Appeared { .. }), "{error}");
    drop(storage);
    assert_it_stays(&sample, root.path(), "t/c", "meanwhile");
}

#[test]
fn where_nothing_can_be_lost_and_where_a_part_is_right_the_user_need_not_say_much() {
    let sample = Sample::three_files();
    for content in [vec![], vec![0; 100], vec![0; 3300]] {
        let root = sample.interrupted(&[0, 1, 2]);
        replace(&root.path().join("t/a"), &content);
        if content.len() == 100 {
            // It has no whole piece that could be read.
            assert_it_stays(&sample, root.path(), "t/a", "short");
        } else {
            sample.complete(root.path(), OPTIONS);
            sample.assert_complete(root.path());
        }
    }
    let root = sample.interrupted(&[0, 1, 2, 3]);
    let mut content = sample.content(&sample.files[0]);
    content[1500..].fill(7);
    replace(&root.path().join("t/a"), &content);
    assert_foreign(sample.open(root.path(), OPTIONS), &["t/a"]);
    sample.complete(root.path(), CONTINUE);
    sample.assert_complete(root.path());
}

#[test]
fn a_download_that_was_copied_or_restored_goes_on_with_whatever_times_its_files_have() {
    let sample = Sample::three_files();
    for options in [OPTIONS, FULL] {
        for keeps_times in [true, false] {
            for is_killed in [true, false] {
                let root = TestFolder::new();
                let (mut storage, _) = sample.open(root.path(), options).unwrap();
                sample.write(&mut storage, [0, 1, 3, 7]);
                let record = fs::read(sample.resume_file(root.path())).unwrap();
                drop(storage);
                if is_killed {
                    fs::write(sample.resume_file(root.path()), record).unwrap();
                }
                let copy = TestFolder::new();
                copy_all(root.path(), copy.path(), keeps_times);
                let copy = copy.path();
                // One was changed in place meanwhile.
                let mut content = fs::read(copy.join("t/a")).unwrap();
                content[1500] ^= 1;
                fs::write(copy.join("t/a"), content).unwrap();
                let (storage, good) = sample.open(copy, OPTIONS).unwrap();
                assert_eq!(numbers(&good), [0, 3, 7]);
                drop(storage);
                sample.complete(copy, OPTIONS);
                sample.assert_complete(copy);
            }
        }
    }
}

#[test]
fn what_was_changed_in_place_is_ours_whatever_is_in_it_now() {
    let sample = Sample::three_files();
    let changes: [fn(&Path); 3] = [
        |path| fs::write(path, [7; 3300]).unwrap(),
        |path| fs::write(path, "short").unwrap(),
        |path| {
            fs::write(path, [7; 3300]).unwrap();
            let times = FileTimes::new().set_modified(std::time::SystemTime::UNIX_EPOCH);
            File::options().write(true).open(path).unwrap().set_times(times).unwrap();
        },
    ];
    for change in changes {
        // Before a last write of ours, and after it.
        for pieces in [&[0, 1, 2, 3][..], &[0, 1, 2]] {
            let root = TestFolder::new();
            let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
            sample.write(&mut storage, pieces.iter().copied());
            change(&root.path().join("t/a"));
            drop(storage);
            sample.complete(root.path(), OPTIONS);
            sample.assert_complete(root.path());
        }
    }
}
