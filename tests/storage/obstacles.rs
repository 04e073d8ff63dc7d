//! Links, pipes and folders in the way, and files that vanish during the download.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use femtotorrent::storage::{Options, StorageError};

use crate::programs::make_pipe;
use crate::sample::{OPTIONS, OVERWRITE, Sample, failure};
use crate::support::folder::TestFolder;
use crate::support::skip::skip;

#[test]
fn symbolic_links_below_the_output_folder_are_not_followed() {
    let sample = Sample::new(1000, &[("t/a", 3300), ("t/d/b", 3300)]);
    let outside = TestFolder::new();
    fs::write(outside.path().join("b"), "mine").unwrap();
    for (link, target) in [("t/d", outside.path().to_owned()), ("t/a", outside.path().join("b"))] {
        // Before the check, and after it.
        let root = TestFolder::new();
        fs::create_dir(root.path().join("t")).unwrap();
        let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
        symlink(&target, root.path().join(link)).unwrap();
        let piece = sample.index(3);
        assert!(storage.write(piece, &sample.piece(piece)).is_err());
        drop(storage);
        let error = failure(sample.open(root.path(), OVERWRITE));
        assert!(error.to_string().contains("a symbolic link is in the way"), "{error}");
        assert_eq!(error.exit_code(), 15);
    }
    assert_eq!(fs::read(outside.path().join("b")).unwrap(), b"mine");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn the_output_folder_itself_may_be_a_link() {
    let root = TestFolder::new();
    fs::create_dir(root.path().join("real")).unwrap();
    symlink(root.path().join("real"), root.path().join("link")).unwrap();
    let sample = Sample::new(1000, &[("t/a", 3300)]);
    sample.complete(&root.path().join("link"), OPTIONS);
    sample.assert_complete(&root.path().join("real"));
}

#[test]
fn what_is_in_the_way_is_named_with_the_right_code() {
    let sample = Sample::new(1000, &[("t/a", 3300)]);
    let root = TestFolder::new();
    fs::write(root.path().join("file"), "").unwrap();
    for path in ["file", "file/below"] {
        let error = failure(sample.open(&root.path().join(path), OPTIONS));
        assert_eq!(error.exit_code(), 16, "{error}");
        assert!(error.to_string().contains("file"), "{error}");
    }
    fs::write(root.path().join("t"), "").unwrap();
    let error = failure(sample.open(root.path(), OPTIONS));
    assert_eq!(error.exit_code(), 16, "{error}");
    assert!(error.to_string().contains("t/a"), "{error}");

    fs::remove_file(root.path().join("t")).unwrap();
    fs::create_dir_all(root.path().join("t/a")).unwrap();
    let error = failure(sample.open(root.path(), OPTIONS));
    assert_eq!(error.exit_code(), 15, "{error}");
    assert!(error.to_string().contains("is a directory"), "{error}");
}

#[test]
fn a_pipe_under_a_files_name_is_refused_without_waiting_for_it() {
    let root = TestFolder::new();
    let sample = Sample::new(1000, &[("a", 3300)]);
    make_pipe(&root.path().join("a"));
    assert_eq!(failure(sample.open(root.path(), OPTIONS)).exit_code(), 15);
}

#[test]
fn a_folder_where_nothing_can_be_created_is_refused_at_once() {
    // Not even root can create a file there.
    let root = Path::new("/proc/self/fdinfo");
    if !root.exists() {
        return skip("this host has no /proc");
    }
    let sample = Sample::new(1000, &[("t/a", 3300)]);
    for root in [root.to_owned(), root.join("below")] {
        let error = failure(sample.open(&root, OPTIONS));
        assert_eq!(error.exit_code(), 16, "{error}");
        assert!(error.to_string().contains("/proc/self/fdinfo"), "{error}");
        assert!(error.to_string().contains("--output-dir"), "{error}");
    }
}

#[test]
fn a_removed_or_replaced_folder_is_no_success() {
    let sample = Sample::new(1000, &[("t/a", 3300), ("t/b", 3300)]);
    let remove: [fn(&Path); 4] = [
        |root| fs::remove_dir_all(root).unwrap(),
        |root| fs::rename(root, root.with_extension("moved")).unwrap(),
        |root| fs::remove_file(root.join("t/a")).unwrap(),
        |root| {
            fs::copy(root.join("t/a"), root.join("copy")).unwrap();
            fs::rename(root.join("copy"), root.join("t/a")).unwrap();
        },
    ];
    for remove in remove {
        let parent = TestFolder::new();
        let root = parent.path().join("out");
        let (mut storage, _) = sample.open(&root, OPTIONS).unwrap();
        sample.write(&mut storage, 0..7);
        remove(&root);
        let error = storage.finish().unwrap_err();
        assert_eq!(error.exit_code(), 17, "{error}");
        assert!(matches!(error, StorageError::Vanished { .. }), "{error}");
    }
}

#[test]
fn a_file_that_is_gone_when_it_is_opened_again_is_not_created_anew() {
    let root = TestFolder::new();
    let sample = Sample::new(1000, &[("a", 2000), ("b", 2000)]);
    let options = Options { open_files: 1, ..OPTIONS };
    let (mut storage, _) = sample.open(root.path(), options).unwrap();
    sample.write(&mut storage, [0, 2]);
    fs::remove_file(root.path().join("a")).unwrap();
    let piece = sample.index(1);
    let error = storage.write(piece, &sample.piece(piece)).unwrap_err();
    assert_eq!(error.exit_code(), 17, "{error}");
    assert!(error.to_string().contains('a'), "{error}");
    assert!(!root.path().join("a").exists());
}
