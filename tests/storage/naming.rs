//! A payload under another name than the torrent's, and files with another ending until they are whole.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use femtotorrent::storage::{Check, Existing, Finished, Options, ServedPieces, StorageError};

use crate::sample::{OPTIONS, PARTS, Sample, assert_foreign, failure, markers, numbers};
use crate::support::folder::TestFolder;

/// Pieces 0 to 2 are of the first file, 4 and 5 of the second, and piece 3 is of both; the third is empty.
fn sample() -> (TestFolder, Sample) {
    (TestFolder::new(), Sample::new(1000, &[("t/a", 3300), ("t/d/b", 2700), ("t/empty", 0)]))
}

fn named(name: &str) -> (TestFolder, Sample) {
    let (root, sample) = sample();
    (root, Sample { output_name: Some(name.to_owned()), ..sample })
}

/// A run that writes these pieces and is killed.
fn begin(sample: &Sample, root: &TestFolder, options: Options, pieces: &[u32]) {
    let (mut storage, _) = sample.open(root.path(), options).unwrap();
    sample.write(&mut storage, pieces.iter().copied());
}

/// What is there, without the files that are beside an unfinished download.
fn listing(root: &TestFolder) -> Vec<String> {
    fn list(folder: &Path, root: &Path, paths: &mut BTreeSet<String>) {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match path.is_dir() {
                true => list(&path, root, paths),
                false => _ = paths.insert(path.strip_prefix(root).unwrap().display().to_string()),
            }
        }
    }
    let mut paths = BTreeSet::new();
    list(root.path(), root.path(), &mut paths);
    paths.into_iter().filter(|path| !path.starts_with('.')).collect()
}

fn content(root: &TestFolder, path: &str) -> Vec<u8> {
    fs::read(root.path().join(path)).unwrap()
}

#[test]
fn a_payload_lies_under_the_name_that_the_user_wants() {
    let (root, sample) = named("Mine");
    sample.complete(root.path(), OPTIONS);
    assert_eq!(listing(&root), ["Mine/a", "Mine/d/b", "Mine/empty"]);
    assert!(content(&root, "Mine/a") == sample.content(&sample.files[0]));
    assert!(sample.open(root.path(), OPTIONS).unwrap().1.is_full());
    assert!(sample.examine(root.path()).unwrap().is_good());
    let digests = sample.digests();
    let payload = sample.payload(&digests);
    let served = ServedPieces::open(root.path(), &payload, 8, Check::Always, &|_, _| true).unwrap();
    assert!(served.offered().is_full() && served.place() == root.path().join("Mine"));
    // Without the name, nothing is found.
    let own = Sample { output_name: None, ..sample };
    assert_eq!(own.examine(root.path()).unwrap().good.count(), 0);

    let (root, single) = (TestFolder::new(), Sample::new(1000, &[("debian.iso", 3300)]));
    let single = Sample { output_name: Some("d.iso".to_owned()), ..single };
    single.complete(root.path(), OPTIONS);
    assert_eq!(listing(&root), ["d.iso"]);
}

#[test]
fn a_run_without_the_name_goes_on_under_it() {
    let (root, sample) = named("Mine");
    begin(&sample, &root, OPTIONS, &[0, 4]);
    let own = Sample { output_name: None, ..sample };
    // Those who only read find it, too.
    assert_eq!(numbers(&own.examine(root.path()).unwrap().good), [0, 4]);
    let digests = own.digests();
    let payload = own.payload(&digests);
    let served = ServedPieces::open(root.path(), &payload, 8, Check::Always, &|_, _| true).unwrap();
    assert_eq!(numbers(&served.offered()), [0, 4]);
    let (storage, good) = own.open(root.path(), OPTIONS).unwrap();
    assert_eq!((storage.served_pieces().output_name(), numbers(&good)), (Some("Mine"), vec![0, 4]));
    assert_eq!(storage.place(), root.path().join("Mine"));
    drop(storage);
    own.complete(root.path(), OPTIONS);
    assert_eq!(listing(&root), ["Mine/a", "Mine/d/b", "Mine/empty"]);
    assert!(markers(root.path()).is_empty());
}

#[test]
fn a_second_name_is_refused_while_the_payload_is_under_the_first() {
    for (options, there) in [(OPTIONS, ["Mine/a", "Mine/d/b"]), (PARTS, ["Mine/a.part", "Mine/d/b.part"])] {
        let (root, sample) = named("Mine");
        begin(&sample, &root, options, &[0, 4]);
        is_refused_another_name(&root);
        assert_eq!(listing(&root), there);
    }
}

fn is_refused_another_name(root: &TestFolder) {
    for name in ["Yours", "t"] {
        let other = Sample {
            output_name: Some(name.to_owned()),
            ..Sample::new(1000, &[("t/a", 3300), ("t/d/b", 2700), ("t/empty", 0)])
        };
        let error = failure(other.open(root.path(), OPTIONS));
        assert_eq!(error.exit_code(), 13);
        assert!(matches!(&error, StorageError::BegunAs { path } if path.ends_with("Mine")), "{error:?}");
    }
}

#[test]
fn a_payload_that_was_moved_by_hand_goes_on_under_its_new_name_and_nothing_else_there_is_touched() {
    let (root, sample) = sample();
    begin(&sample, &root, OPTIONS, &[0, 4]);
    fs::rename(root.path().join("t"), root.path().join("Mine")).unwrap();
    let sample = Sample { output_name: Some("Mine".to_owned()), ..sample };
    let (storage, good) = sample.open(root.path(), OPTIONS).unwrap();
    assert_eq!(numbers(&good), [0, 4]);
    drop(storage);
    sample.complete(root.path(), OPTIONS);
    assert_eq!(listing(&root), ["Mine/a", "Mine/d/b", "Mine/empty"]);

    // The payload is gone, and under the name that is wanted now there is something of the user's.
    let (root, sample) = self::sample();
    begin(&sample, &root, OPTIONS, &[0, 4]);
    fs::create_dir(root.path().join("Mine")).unwrap();
    // The system may give a new file the number that the removed one had.
    fs::rename(root.path().join("t/a"), root.path().join("Mine/a")).unwrap();
    fs::write(root.path().join("Mine/a"), "a diary").unwrap();
    fs::remove_dir_all(root.path().join("t")).unwrap();
    let sample = Sample { output_name: Some("Mine".to_owned()), ..sample };
    assert_foreign(sample.open(root.path(), OPTIONS), &["Mine/a"]);
    assert_eq!(content(&root, "Mine/a"), b"a diary");
}

#[test]
fn a_name_that_is_reserved_is_refused() {
    let (root, sample) = named(".t.abababab.femtotorrent");
    assert_eq!(failure(sample.open(root.path(), OPTIONS)).exit_code(), 16);
}

#[test]
fn a_file_has_another_ending_until_it_is_whole() {
    let (root, sample) = sample();
    let (mut storage, _) = sample.open(root.path(), PARTS).unwrap();
    let served = storage.served_pieces();
    sample.write(&mut storage, [0, 4, 5]);
    assert_eq!(listing(&root), ["t/a.part", "t/d/b.part"]);
    let is_there = |piece| served.find(sample.index(piece), 0, 1000, &mut Vec::new());
    assert!(is_there(0) && is_there(4));
    // With the shared piece the second file is whole.
    sample.write(&mut storage, [3]);
    assert_eq!(listing(&root), ["t/a.part", "t/d/b"]);
    assert!(content(&root, "t/d/b") == sample.content(&sample.files[1]));
    assert!((0..6).filter(|piece| is_there(*piece)).eq([0, 3, 4, 5]), "what got its name is still sent");
    sample.write(&mut storage, [1, 2]);
    assert_eq!(listing(&root), ["t/a", "t/d/b"]);
    assert_eq!(storage.finish().unwrap(), Finished::Durable);
    sample.assert_complete(root.path());
}

#[test]
fn a_seed_goes_on_with_a_file_that_gets_its_name_from_another_process() {
    let (root, sample) = sample();
    begin(&sample, &root, PARTS, &[0]);
    let digests = sample.digests();
    let payload = sample.payload(&digests);
    let served = ServedPieces::open(root.path(), &payload, 8, Check::Always, &|_, _| true).unwrap();
    sample.complete(root.path(), PARTS);
    // It has changed, so it is looked at again first.
    let is_sent = || served.find(sample.index(0), 0, 1000, &mut Vec::new());
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_sent() {
        assert!(Instant::now() < deadline, "the file is lost to the seed");
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_run_that_was_interrupted_goes_on_whether_it_says_so_again_or_not() {
    for (first, second) in [(PARTS, PARTS), (PARTS, OPTIONS), (OPTIONS, PARTS)] {
        let (root, sample) = sample();
        begin(&sample, &root, first, &[0, 3, 4]);
        assert_eq!(numbers(&sample.examine(root.path()).unwrap().good), [0, 3, 4]);
        let digests = sample.digests();
        let payload = sample.payload(&digests);
        let served = ServedPieces::open(root.path(), &payload, 8, Check::Always, &|_, _| true).unwrap();
        assert_eq!(numbers(&served.offered()), [0, 3, 4]);
        let (mut storage, good) = sample.open(root.path(), second).unwrap();
        assert_eq!(numbers(&good), [0, 3, 4]);
        sample.write(&mut storage, [5]);
        drop(storage);
        let whole = if first.parts { ["t/a.part", "t/d/b"] } else { ["t/a", "t/d/b"] };
        assert_eq!(listing(&root), whole, "{first:?} {second:?}");
        sample.complete(root.path(), second);
        assert_eq!(listing(&root), ["t/a", "t/d/b", "t/empty"]);
        sample.assert_complete(root.path());
    }
}

#[test]
fn a_run_that_was_killed_before_it_gave_a_name_gives_it_in_the_next_one() {
    let (root, sample) = sample();
    begin(&sample, &root, PARTS, &[0, 1, 2, 3]);
    fs::rename(root.path().join("t/a"), root.path().join("t/a.part")).unwrap();
    let (storage, good) = sample.open(root.path(), PARTS).unwrap();
    assert_eq!(numbers(&good), [0, 1, 2, 3]);
    assert_eq!(listing(&root), ["t/a", "t/d/b.part"]);
    drop(storage);
    // What it wrote down is right after that, too: nothing of the file is read again.
    let read = std::sync::atomic::AtomicU64::new(0);
    let watch = |_, total| {
        read.fetch_max(total, std::sync::atomic::Ordering::Relaxed);
        true
    };
    drop(sample.open_watched(root.path(), PARTS, &watch).unwrap());
    assert_eq!(read.into_inner(), 0);
    sample.complete(root.path(), PARTS);
    sample.assert_complete(root.path());
}

#[test]
fn a_file_that_has_the_name_already_is_not_replaced_unasked() {
    let (root, sample) = sample();
    let (mut storage, _) = sample.open(root.path(), PARTS).unwrap();
    sample.write(&mut storage, [0, 1, 2]);
    fs::write(root.path().join("t/a"), "a diary").unwrap();
    // The others are fetched all the same.
    sample.write(&mut storage, [3, 4, 5]);
    assert_eq!(listing(&root), ["t/a", "t/a.part", "t/d/b"]);
    let error = storage.finish().unwrap_err();
    assert!(matches!(&error, StorageError::Appeared { path } if path.ends_with("t/a")), "{error:?}");
    assert_eq!(error.exit_code(), 13);
    drop(storage);
    // The next run says so before it begins.
    let error = failure(sample.open(root.path(), PARTS));
    assert!(matches!(&error, StorageError::Appeared { path } if path.ends_with("t/a")), "{error:?}");
    assert_eq!(content(&root, "t/a"), b"a diary");
    assert!(content(&root, "t/a.part") == sample.content(&sample.files[0]));
    sample.complete(root.path(), Options { existing: Existing::Overwrite, ..OPTIONS });
    sample.assert_complete(root.path());
}

#[test]
fn what_has_the_ending_and_is_not_ours_is_not_touched() {
    // Beside a download without a marker, and beside one whose marker does not speak of it.
    for is_begun in [false, true] {
        let (root, sample) = sample();
        if is_begun {
            begin(&sample, &root, OPTIONS, &[4]);
        }
        fs::create_dir_all(root.path().join("t")).unwrap();
        fs::write(root.path().join("t/a.part"), "of a browser").unwrap();
        match is_begun {
            // A run that wants the ending needs the name.
            false => assert_foreign(sample.open(root.path(), PARTS), &["t/a.part"]),
            true => begin(&sample, &root, PARTS, &[0]),
        }
        sample.complete(root.path(), OPTIONS);
        assert_eq!(content(&root, "t/a.part"), b"of a browser");
        sample.assert_complete(root.path());
    }
}

#[test]
fn a_name_that_another_file_has_or_that_is_too_long_stays_as_it_is() {
    let long = format!("t/{}", "x".repeat(251));
    let sample =
        Sample::new(1000, &[("t/a", 1500), ("t/A.Part", 1500), ("t/a.part.part", 500), (&long, 500)]);
    let root = TestFolder::new();
    begin(&sample, &root, PARTS, &[0, 1, 2, 3]);
    let (mut storage, _) = sample.open(root.path(), PARTS).unwrap();
    sample.write(&mut storage, [0, 2]);
    assert_eq!(storage.finish().unwrap(), Finished::Durable);
    sample.assert_complete(root.path());

    let root = TestFolder::new();
    begin(&sample, &root, PARTS, &[0, 2]);
    let expected = ["t/A.Part", "t/a", &long, "t/a.part.part.part"];
    let mut there = listing(&root);
    there.retain(|path| !expected.contains(&path.as_str()));
    assert_eq!(there, Vec::<String>::new(), "{:?}", listing(&root));
    assert!(!root.path().join("t/a.part").exists());
}

#[test]
fn a_selected_file_has_the_ending_and_what_it_shares_with_others_is_in_the_part_file() {
    let (root, mut sample) = sample();
    sample.select(&[1]);
    begin(&sample, &root, PARTS, &[3, 4]);
    assert_eq!(listing(&root), ["t/d/b.part"]);
    sample.complete(root.path(), PARTS);
    assert_eq!(listing(&root), ["t/d/b"]);
    assert!(content(&root, "t/d/b") == sample.content(&sample.files[1]));
    // A later run wants everything.
    sample.selection = None;
    let (storage, good) = sample.open(root.path(), OPTIONS).unwrap();
    assert_eq!(numbers(&good), [3, 4, 5]);
    drop(storage);
    sample.complete(root.path(), OPTIONS);
    sample.assert_complete(root.path());
}

#[test]
fn what_another_program_spoils_after_a_file_got_its_name_is_written_again() {
    let (root, sample) = sample();
    let (mut storage, _) = sample.open(root.path(), PARTS).unwrap();
    sample.write(&mut storage, 0..6);
    let path = root.path().join("t/a");
    let mut bytes = fs::read(&path).unwrap();
    bytes[500] ^= 1;
    fs::write(&path, bytes).unwrap();
    let spoiled = storage.finish().unwrap();
    assert_eq!(spoiled, Finished::Spoiled(vec![sample.index(0)]));
    sample.write(&mut storage, [0]);
    assert_eq!(storage.finish().unwrap(), Finished::Durable);
    sample.assert_complete(root.path());
}
