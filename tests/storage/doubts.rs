//! What a run must not say or write any more once it knows that another program was at its files.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use femtotorrent::storage::{Check, Finished, Options, ServedPieces, StorageError};

use crate::sample::{OPTIONS, Sample, numbers};
use crate::support::folder::TestFolder;

/// Where the bitfield is in a record.
const PIECES_AT: usize = 86;

const NEVER: Options = Options { check: Check::Never, ..OPTIONS };

/// Two files in pieces of 1000 bytes: the first has pieces 0 to 3, the second 3 to 6.
fn sample() -> Sample {
    Sample::new(1000, &[("t/a", 3300), ("t/b", 3300)])
}

fn spoil(path: &Path, at: u64) {
    // The system's clock ticks every few milliseconds.
    sleep(Duration::from_millis(20));
    File::options().write(true).open(path).unwrap().write_all_at(&[0xee; 9], at).unwrap();
    sleep(Duration::from_millis(20));
}

#[test]
fn a_file_that_replaced_ours_is_not_written_to_though_an_upload_noticed_it_first() {
    let root = TestFolder::new();
    let sample = sample();
    let (mut storage, _) = sample.open(root.path(), Options { open_files: 1, ..OPTIONS }).unwrap();
    // The writer has the second file open, and will look for the first one anew.
    sample.write(&mut storage, [0, 1, 2, 4]);
    let (ours, theirs) = (root.path().join("t/a"), vec![b'm'; 3300]);
    fs::write(root.path().join("mine"), &theirs).unwrap();
    fs::rename(root.path().join("mine"), &ours).unwrap();
    sleep(Duration::from_millis(20));
    assert!(!storage.served_pieces().find(sample.index(0), 0, 10, &mut Vec::new()));
    let piece = sample.index(3);
    let error = storage.write(piece, &sample.piece(piece)).unwrap_err();
    assert!(matches!(error, StorageError::Vanished { .. }), "{error}");
    assert!(fs::read(&ours).unwrap() == theirs, "a byte of the other file was changed");
}

#[test]
fn what_is_not_wanted_is_not_vouched_for_once_its_file_was_changed() {
    let root = TestFolder::new();
    let mut sample = sample();
    let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
    sample.write(&mut storage, [4, 5]);
    drop(storage);
    sample.select(&[0]);
    let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
    // Our write into the file takes the change of the others into its times.
    spoil(&root.path().join("t/b"), 1000);
    sample.write(&mut storage, [3]);
    drop(storage);
    sample.selection = None;
    let (_, good) = sample.open(root.path(), OPTIONS).unwrap();
    assert_eq!(numbers(&good), [3, 5]);
}

#[test]
fn a_change_that_was_noticed_is_in_the_record_before_a_kill_can_hide_it() {
    let root = TestFolder::new();
    let sample = sample();
    let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
    sample.write(&mut storage, 0..6);
    drop(storage);
    let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
    // The record of this run vouches for what the first one wrote.
    sample.write(&mut storage, [6]);
    spoil(&root.path().join("t/a"), 1500);
    assert!(!storage.served_pieces().find(sample.index(1), 0, 10, &mut Vec::new()));
    let vouches = |record: &[u8]| record.get(PIECES_AT).is_some_and(|first| first & 0x40 != 0);
    let read = || fs::read(sample.resume_file(root.path())).unwrap_or_default();
    assert!(vouches(&read()));
    let deadline = Instant::now() + Duration::from_secs(20);
    while vouches(&read()) {
        assert!(Instant::now() < deadline, "the record still vouches for what was spoiled");
        // As the writer does while it has nothing to write.
        let next = storage.next_save().unwrap_or(deadline).min(deadline);
        sleep(next.saturating_duration_since(Instant::now()));
        storage.save_if_due().unwrap();
    }
    let record = read();
    drop(storage);
    fs::write(sample.resume_file(root.path()), record).unwrap();
    let (_, good) = sample.open(root.path(), NEVER).unwrap();
    assert!(!numbers(&good).contains(&1));
}

#[test]
fn a_kill_while_spoiled_pieces_are_fetched_again_does_not_bring_them_back() {
    let root = TestFolder::new();
    let sample = sample();
    let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
    sample.write(&mut storage, 0..6);
    drop(storage);
    let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
    sample.write(&mut storage, [6]);
    spoil(&root.path().join("t/a"), 1500);
    assert_eq!(storage.finish().unwrap(), Finished::Spoiled(vec![sample.index(1)]));
    let record = fs::read(sample.resume_file(root.path())).unwrap();
    sample.write(&mut storage, [1]);
    drop(storage);
    fs::write(sample.resume_file(root.path()), record).unwrap();
    // No sample is read, so that this is all that the record says.
    let (_, good) = sample.open(root.path(), NEVER).unwrap();
    assert_eq!(numbers(&good), [0, 2, 3, 4, 5, 6]);
}

#[test]
fn what_was_believed_unread_once_is_read_by_a_run_that_is_not_told_to_believe_it() {
    let root = TestFolder::new();
    let sample = sample();
    let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
    sample.write(&mut storage, 0..5);
    drop(storage);
    spoil(&root.path().join("t/b"), 1000);
    let (mut storage, good) = sample.open(root.path(), NEVER).unwrap();
    assert_eq!(numbers(&good), [0, 1, 2, 3, 4]);
    // Our write takes the change of the others into the times of the file.
    sample.write(&mut storage, [5]);
    drop(storage);
    let (_, good) = sample.open(root.path(), OPTIONS).unwrap();
    assert_eq!(numbers(&good), [0, 1, 2, 3, 5]);
}

#[test]
fn what_was_seen_in_another_folder_is_not_taken_for_seen() {
    let (cache, here, elsewhere) = (TestFolder::new(), TestFolder::new(), TestFolder::new());
    let sample = Sample { cache: Some(cache.path().to_owned()), ..sample() };
    sample.complete(here.path(), OPTIONS);
    fs::create_dir(elsewhere.path().join("t")).unwrap();
    for name in ["t/a", "t/b"] {
        fs::write(elsewhere.path().join(name), [7; 3300]).unwrap();
    }
    let error = sample.open(elsewhere.path(), NEVER).map(|_| ()).unwrap_err();
    assert_eq!(error.exit_code(), 13, "{error}");
    let digests = sample.digests();
    let offered = |root: &Path| {
        let served = ServedPieces::open(root, &sample.payload(&digests), 4, Check::Never, &|_, _| true);
        numbers(&served.unwrap().offered()).len()
    };
    assert_eq!(offered(here.path()), 7);
    assert_eq!(offered(elsewhere.path()), 0);
}

/// The first file is the user's, with other bytes in the piece that it shares; of the second one something is
/// there.
fn guarded(sample: &Sample) -> TestFolder {
    let root = TestFolder::new();
    fs::create_dir(root.path().join("t")).unwrap();
    let mut theirs = sample.content(&sample.files[0]);
    theirs[3250..].fill(b'T');
    fs::write(root.path().join("t/a"), &theirs).unwrap();
    let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
    sample.write(&mut storage, [6]);
    drop(storage);
    root
}

#[test]
fn what_a_damaged_marker_guarded_and_the_user_has_cut_is_fetched_again() {
    let sample = sample();
    let root = guarded(&sample);
    fs::write(sample.marker(root.path()), "").unwrap();
    File::options().write(true).open(root.path().join("t/a")).unwrap().set_len(100).unwrap();
    sample.complete(root.path(), OPTIONS);
    sample.assert_complete(root.path());
}

#[test]
fn a_resume_file_that_was_left_over_does_not_have_all_read_each_time() {
    let (cache, root) = (TestFolder::new(), TestFolder::new());
    let sample = Sample { cache: Some(cache.path().to_owned()), ..sample() };
    let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
    sample.write(&mut storage, 0..3);
    drop(storage);
    let record = fs::read(sample.resume_file(root.path())).unwrap();
    sample.complete(root.path(), OPTIONS);
    fs::write(sample.resume_file(root.path()), record).unwrap();
    let reads = std::sync::atomic::AtomicU64::new(0);
    let watch = |done, _| {
        reads.fetch_max(done, std::sync::atomic::Ordering::SeqCst);
        true
    };
    let digests = sample.digests();
    ServedPieces::open(root.path(), &sample.payload(&digests), 4, Check::Changed, &watch).unwrap();
    assert_eq!(reads.into_inner(), 0);
}
