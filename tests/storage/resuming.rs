//! What the next run keeps, and the marker by which it recognises our own work.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU64, Ordering};

use femtotorrent::storage::StorageError;

use crate::sample::{OPTIONS, OVERWRITE, Sample, assert_foreign, failure, markers, numbers};
use crate::support::folder::TestFolder;

#[test]
fn what_is_verified_is_kept_by_the_next_run() {
    let root = TestFolder::new();
    let sample = Sample::new(1000, &[("t/a", 3300), ("t/b", 3300), ("t/c", 3300)]);
    let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
    sample.write(&mut storage, [2, 3, 9]);
    drop(storage);
    assert_eq!(markers(root.path()), [sample.marker(root.path())]);
    let (done, total) = (AtomicU64::new(0), AtomicU64::new(0));
    let (mut storage, good) = sample
        .open_watched(root.path(), OPTIONS, &|now, of| {
            done.fetch_max(now, Ordering::Relaxed);
            total.store(of, Ordering::Relaxed);
            true
        })
        .unwrap();
    assert_eq!(numbers(&good), [2, 3, 9]);
    assert_eq!(done.into_inner(), total.into_inner());
    sample.write(&mut storage, [0, 1, 4, 5, 6, 7, 8]);
    storage.finish().unwrap();
    sample.assert_complete(root.path());
}

#[test]
fn our_own_damaged_download_is_repaired_without_asking() {
    let root = TestFolder::new();
    let sample = Sample::new(1000, &[("t/a", 3300), ("t/b", 3300)]);
    let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
    sample.write(&mut storage, [0, 1, 2, 3, 4]);
    drop(storage);
    fs::write(root.path().join("t/a"), vec![0; 5000]).unwrap();
    sample.complete(root.path(), OPTIONS);
    sample.assert_complete(root.path());
}

#[test]
fn a_complete_payload_is_found_complete_and_not_changed() {
    let root = TestFolder::new();
    let sample = Sample::new(1000, &[("t/a", 3300), ("t/b", 3300)]);
    sample.complete(root.path(), OPTIONS);
    let stamp = |name: &str| {
        let data = fs::metadata(root.path().join(name)).unwrap();
        (data.ino(), data.ctime(), data.ctime_nsec())
    };
    let before = ["", "t", "t/a", "t/b"].map(stamp);
    let (mut storage, good) = sample.open(root.path(), OPTIONS).unwrap();
    assert!(good.is_full());
    storage.finish().unwrap();
    drop(storage);
    assert_eq!(["", "t", "t/a", "t/b"].map(stamp), before);
}

#[test]
fn a_finished_download_whose_marker_stayed_is_synced_and_loses_the_marker() {
    let root = TestFolder::new();
    let sample = Sample::new(1000, &[("t/a", 3300)]);
    let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
    sample.write(&mut storage, 0..4);
    drop(storage);
    let (mut storage, good) = sample.open(root.path(), OPTIONS).unwrap();
    assert!(good.is_full());
    storage.finish().unwrap();
    sample.assert_complete(root.path());
}

#[test]
fn a_run_that_wrote_nothing_leaves_no_marker() {
    let root = TestFolder::new();
    let sample = Sample::new(1000, &[("t/a", 3300)]);
    let (storage, _) = sample.open(root.path(), OPTIONS).unwrap();
    assert_eq!(markers(root.path()).len(), 1);
    drop(storage);
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn the_check_can_be_stopped() {
    let root = TestFolder::new();
    let sample = Sample::new(1000, &[("a", 3300)]);
    fs::write(root.path().join("a"), sample.content(&sample.files[0])).unwrap();
    let error = failure(sample.open_watched(root.path(), OPTIONS, &|_, _| false));
    assert_eq!(error.exit_code(), 7, "{error}");
}

#[test]
fn a_second_run_of_a_download_is_refused_while_the_first_is_at_work() {
    let root = TestFolder::new();
    let sample = Sample::new(1000, &[("a", 3300)]);
    let (_first, _) = sample.open(root.path(), OPTIONS).unwrap();
    let error = failure(sample.open(root.path(), OPTIONS));
    assert!(matches!(error, StorageError::Busy { .. }), "{error}");
}

#[test]
fn a_marker_of_another_torrent_or_an_unreadable_one_proves_nothing() {
    let sample = Sample::new(1000, &[("a", 3300)]);
    for text in ["", "x", "x\ninfo-hash 00\nend\n", &"y".repeat(1 << 20)] {
        let root = TestFolder::new();
        fs::write(sample.marker(root.path()), text).unwrap();
        fs::write(root.path().join("a"), "mine").unwrap();
        assert_foreign(sample.open(root.path(), OPTIONS), &["a"]);
        assert_eq!(fs::read(root.path().join("a")).unwrap(), b"mine");
        sample.complete(root.path(), OVERWRITE);
        sample.assert_complete(root.path());
    }
}

#[test]
fn a_torrent_with_a_file_named_like_a_marker_is_refused() {
    let root = TestFolder::new();
    let sample = Sample::new(1000, &[(".debian.iso.abababab.femtotorrent", 100)]);
    assert_eq!(failure(sample.open(root.path(), OPTIONS)).exit_code(), 16);
}
