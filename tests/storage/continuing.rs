//! `--continue`: what is right of a file that is not ours is kept, and the rest is fetched, if anything is right.

use std::fs;

use femtotorrent::storage::StorageError;

use crate::sample::{CONTINUE, OPTIONS, OVERWRITE, Sample, assert_foreign, failure, markers, numbers};
use crate::support::folder::TestFolder;

/// Pieces 0 to 2 are of the first file, 4 and 5 of the second, and piece 3 is of both.
fn sample() -> (TestFolder, Sample) {
    let (root, sample) = (TestFolder::new(), Sample::new(1000, &[("t/a", 3300), ("t/b", 2700)]));
    fs::create_dir(root.path().join("t")).unwrap();
    for file in &sample.files {
        fs::write(root.path().join(&file.path), sample.content(file)).unwrap();
    }
    (root, sample)
}

fn change(root: &TestFolder, path: &str, change: impl Fn(&mut Vec<u8>)) {
    let path = root.path().join(path);
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_file_is_mended_where_the_user_says_so_and_the_message_says_how_much_is_right() {
    let (root, sample) = sample();
    change(&root, "t/a", |bytes| bytes[1500] ^= 1);
    let before = fs::read(root.path().join("t/a")).unwrap();
    let error = failure(sample.open(root.path(), OPTIONS)).to_string();
    assert!(error.contains("t/a: 3 of 4 pieces are right, 1 is wrong or missing. Run again"), "{error}");
    assert!(
        error.contains("--continue") && !error.contains("t/b") && !error.contains("--overwrite"),
        "{error}"
    );
    assert!(fs::read(root.path().join("t/a")).unwrap() == before && markers(root.path()).is_empty());

    let (storage, good) = sample.open(root.path(), CONTINUE).unwrap();
    assert_eq!(numbers(&good), [0, 2, 3, 4, 5]);
    drop(storage);
    sample.complete(root.path(), CONTINUE);
    sample.assert_complete(root.path());
}

#[test]
fn what_is_proven_wrong_is_named_before_what_only_shares_a_wrong_piece() {
    let (root, sample) = sample();
    // The last bytes of the first file are in the shared piece: nothing shows which of the two is wrong.
    change(&root, "t/a", |bytes| bytes[3250] ^= 1);
    let error = failure(sample.open(root.path(), OPTIONS));
    assert!(error.to_string().matches("(perhaps in the part of another file)").count() == 2, "{error}");
    assert_foreign(Err(error), &["t/a", "t/b"]);
    // Now the second one has a fault of its own, and the first one is not named any more.
    change(&root, "t/b", |bytes| bytes[2000] ^= 1);
    assert_foreign(sample.open(root.path(), OPTIONS), &["t/b"]);
    sample.complete(root.path(), CONTINUE);
    sample.assert_complete(root.path());

    // Two suspects before one that is proven wrong.
    let (root, sample) =
        (TestFolder::new(), Sample::new(1000, &[("t/a", 1500), ("t/b", 1500), ("t/c", 2000)]));
    fs::create_dir(root.path().join("t")).unwrap();
    for file in &sample.files {
        fs::write(root.path().join(&file.path), sample.content(file)).unwrap();
    }
    change(&root, "t/a", |bytes| bytes[1400] ^= 1);
    change(&root, "t/c", |bytes| bytes[1700] ^= 1);
    assert_foreign(sample.open(root.path(), OPTIONS), &["t/c", "t/a", "t/b"]);
}

#[test]
fn a_file_of_which_nothing_is_right_is_not_continued() {
    let (root, sample) = sample();
    change(&root, "t/a", |bytes| bytes[1500] ^= 1);
    fs::write(root.path().join("t/b"), "a diary").unwrap();
    let error = failure(sample.open(root.path(), OPTIONS));
    assert!(error.to_string().contains("t/b exists and has nothing in common with the torrent"), "{error}");
    assert!(error.to_string().contains("--overwrite, which keeps the pieces that are right"), "{error}");
    assert_foreign(sample.open(root.path(), CONTINUE), &["t/b"]);
    assert_eq!(fs::read(root.path().join("t/b")).unwrap(), b"a diary");
    sample.complete(root.path(), OVERWRITE);
    sample.assert_complete(root.path());
}

#[test]
fn a_download_without_its_marker_goes_on_with_all_that_is_right() {
    let (root, sample) = sample();
    for file in &sample.files {
        fs::remove_file(root.path().join(&file.path)).unwrap();
    }
    // As another program, or a run whose marker was removed: holes where nothing was written yet.
    let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
    sample.write(&mut storage, [2, 5]);
    drop(storage);
    for entry in fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_file() {
            fs::remove_file(entry).unwrap();
        }
    }
    let error = failure(sample.open(root.path(), OPTIONS));
    assert!(matches!(error, StorageError::Exists { may_continue: true, .. }), "{error}");
    let (storage, good) = sample.open(root.path(), CONTINUE).unwrap();
    assert_eq!(numbers(&good), [2, 5]);
    drop(storage);
    // From here on it is ours.
    sample.complete(root.path(), CONTINUE);
    sample.assert_complete(root.path());
}

#[test]
fn a_file_that_is_all_zeros_has_nothing_to_lose_and_is_continued() {
    let (root, sample) = sample();
    fs::write(root.path().join("t/a"), [0; 3300]).unwrap();
    fs::write(root.path().join("t/b"), [0; 2700]).unwrap();
    assert_foreign(sample.open(root.path(), OPTIONS), &["t/a", "t/b"]);
    sample.complete(root.path(), CONTINUE);
    sample.assert_complete(root.path());
}

#[test]
fn a_file_that_is_too_long_is_cut_where_the_user_says_so() {
    let (root, sample) = sample();
    change(&root, "t/b", |bytes| bytes.extend(b"more"));
    let error = failure(sample.open(root.path(), OPTIONS));
    assert!(error.to_string().contains("t/b: 3 of 3 pieces are right, 4 bytes are too many"), "{error}");
    sample.complete(root.path(), CONTINUE);
    sample.assert_complete(root.path());
}

#[test]
fn an_edge_that_was_there_before_is_changed_where_the_user_says_so() {
    let (root, sample) = sample();
    fs::remove_file(root.path().join("t/b")).unwrap();
    change(&root, "t/a", |bytes| bytes[3250] ^= 1);
    let (mut storage, good) = sample.open(root.path(), OPTIONS).unwrap();
    assert_eq!(numbers(&good), [0, 1, 2]);
    let error = storage.write(sample.index(3), &sample.piece(sample.index(3))).unwrap_err();
    assert!(error.to_string().contains("--continue"), "{error}");
    drop(storage);
    sample.complete(root.path(), CONTINUE);
    sample.assert_complete(root.path());
}
