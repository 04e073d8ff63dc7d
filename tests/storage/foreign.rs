//! Files that were there before us and are not the torrent's. They are never changed without --overwrite.

use std::fs;
use std::os::unix::fs::MetadataExt;

use femtotorrent::storage::StorageError;

use crate::sample::{CONTINUE, OPTIONS, OVERWRITE, Sample, assert_foreign, failure, numbers};
use crate::support::folder::TestFolder;

#[test]
fn foreign_content_stops_the_run_and_is_not_touched() {
    let sample = Sample::new(1000, &[("t/a", 3300), ("t/b", 3300), ("t/c", 3300)]);
    let (a, b) = (sample.content(&sample.files[0]), sample.content(&sample.files[1]));
    let mut edited = b.clone();
    edited[1500] ^= 1;
    let longer = [b.as_slice(), b"more"].concat();
    let cases: [(&str, &[u8]); 4] =
        [("short", b"mine"), ("as long", &[1; 3300]), ("one bit", &edited), ("longer", &longer)];
    for (case, content) in cases {
        let root = TestFolder::new();
        fs::create_dir(root.path().join("t")).unwrap();
        fs::write(root.path().join("t/a"), &a).unwrap();
        fs::write(root.path().join("t/b"), content).unwrap();
        println!("{case}");
        assert_foreign(sample.open(root.path(), OPTIONS), &["t/b"]);
        assert!(fs::read(root.path().join("t/a")).unwrap() == a);
        assert!(fs::read(root.path().join("t/b")).unwrap() == content);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);

        sample.complete(root.path(), OVERWRITE);
        sample.assert_complete(root.path());
    }
}

#[test]
fn overwriting_keeps_the_pieces_that_verify() {
    let root = TestFolder::new();
    let sample = Sample::new(1000, &[("a", 3300)]);
    let mut content = sample.content(&sample.files[0]);
    content[1500] ^= 1;
    fs::write(root.path().join("a"), &content).unwrap();
    let (_, good) = sample.open(root.path(), OVERWRITE).unwrap();
    assert_eq!(numbers(&good), [0, 2, 3]);
}

/// Nothing shows whether the files are the torrent's until the piece comes that they share.
#[test]
fn small_files_inside_one_piece_are_compared_with_it_before_anything_is_written() {
    let sample = Sample::new(1000, &[("t/a", 100), ("t/b", 100), ("t/c", 100)]);
    let root = TestFolder::new();
    let path = |name: &str| root.path().join("t").join(name);
    fs::create_dir(root.path().join("t")).unwrap();
    fs::write(path("b"), [9; 99]).unwrap();
    for options in [OPTIONS, CONTINUE] {
        assert_foreign(sample.open(root.path(), options), &["t/b"]);
    }
    for options in [OPTIONS, CONTINUE, OPTIONS] {
        fs::write(path("b"), [9; 100]).unwrap();
        let (mut storage, good) = sample.open(root.path(), options).unwrap();
        assert_eq!(good.count(), 0);
        let piece = sample.index(0);
        let error = storage.write(piece, &sample.piece(piece)).unwrap_err();
        assert!(matches!(error, StorageError::Guarded { may_continue: false, .. }), "{error}");
        assert!(error.to_string().contains("t/b existed before, and a piece"), "{error}");
        assert!(error.to_string().contains("--overwrite") && error.exit_code() == 13, "{error}");
        drop(storage);
        assert_eq!(fs::read(path("b")).unwrap(), [9; 100]);
        assert!(!path("a").exists() && !path("c").exists());
    }
    sample.complete(root.path(), OVERWRITE);
    sample.assert_complete(root.path());
    assert!(sample.open(root.path(), OPTIONS).unwrap().1.is_full());

    // All is there, and the piece is wrong: nothing shows which of them is.
    fs::write(path("b"), [9; 100]).unwrap();
    assert_foreign(sample.open(root.path(), OPTIONS), &["t/a", "t/b", "t/c"]);
}

#[test]
fn a_file_that_was_removed_comes_back_and_its_neighbours_are_not_written_to() {
    let sample = Sample::new(1000, &[("t/a", 300), ("t/b", 5000), ("t/c", 100), ("t/d", 100)]);
    let root = TestFolder::new();
    let path = |name: &str| root.path().join("t").join(name);
    for options in [OPTIONS, CONTINUE] {
        sample.complete(root.path(), options);
        fs::remove_file(path("b")).unwrap();
        let before = fs::metadata(path("a")).unwrap();
        sample.complete(root.path(), options);
        sample.assert_complete(root.path());
        let after = fs::metadata(path("a")).unwrap();
        assert_eq!((after.ino(), after.ctime_nsec()), (before.ino(), before.ctime_nsec()));
    }
}

#[test]
fn a_good_file_beside_a_missing_one_is_completed_when_its_edge_agrees() {
    let sample = Sample::new(1000, &[("t/a", 3300), ("t/b", 3300)]);
    let root = TestFolder::new();
    fs::create_dir(root.path().join("t")).unwrap();
    fs::write(root.path().join("t/a"), sample.content(&sample.files[0])).unwrap();
    let (_, good) = sample.open(root.path(), OPTIONS).unwrap();
    assert_eq!(numbers(&good), [0, 1, 2]);
    sample.complete(root.path(), OPTIONS);
    sample.assert_complete(root.path());
}

#[test]
fn an_edge_that_differs_is_not_replaced_in_any_later_run_either() {
    let sample = Sample::new(1000, &[("t/a", 3300), ("t/b", 3300)]);
    let root = TestFolder::new();
    fs::create_dir(root.path().join("t")).unwrap();
    let mut tagged = sample.content(&sample.files[0]);
    tagged[3250..].fill(b'T');
    fs::write(root.path().join("t/a"), &tagged).unwrap();
    for _ in 0..3 {
        let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
        sample.write(&mut storage, [4, 6]);
        let edge = sample.index(3);
        let error = storage.write(edge, &sample.piece(edge)).unwrap_err();
        assert_eq!(error.exit_code(), 13, "{error}");
        assert!(error.to_string().contains("t/a"), "{error}");
        assert!(fs::read(root.path().join("t/a")).unwrap() == tagged);
    }
    sample.complete(root.path(), OVERWRITE);
    sample.assert_complete(root.path());
}

#[test]
fn two_names_of_one_file_are_refused() {
    let root = TestFolder::new();
    let sample = Sample::new(1000, &[("a", 3300), ("b", 3300)]);
    fs::write(root.path().join("a"), "").unwrap();
    fs::hard_link(root.path().join("a"), root.path().join("b")).unwrap();
    assert_eq!(failure(sample.open(root.path(), OPTIONS)).exit_code(), 13);
}

#[test]
fn a_file_that_appears_after_the_check_is_not_overwritten() {
    let root = TestFolder::new();
    let sample = Sample::new(1000, &[("a", 3300)]);
    let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
    fs::write(root.path().join("a"), "mine").unwrap();
    let piece = sample.index(0);
    assert_eq!(storage.write(piece, &sample.piece(piece)).unwrap_err().exit_code(), 13);
    assert_eq!(fs::read(root.path().join("a")).unwrap(), b"mine");
}
