//! Another program changes files that we have written, or share: success stays true, and sharing goes on.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use femtotorrent::storage::{BlockPart, Check, Finished, ServedPieces, Storage, StorageError};

use crate::sample::{OPTIONS, Sample, numbers};
use crate::support::folder::TestFolder;

/// Two files in pieces of 1000 bytes: the first has pieces 0 to 3, the second 3 to 6.
fn sample() -> Sample {
    Sample::new(1000, &[("t/a", 3300), ("t/b", 3300)])
}

fn open(path: &Path) -> File {
    File::options().read(true).write(true).open(path).unwrap()
}

fn changed(path: &Path) -> (i64, i64) {
    let data = fs::metadata(path).unwrap();
    (data.ctime(), data.ctime_nsec())
}

/// Changes a file, again until the system's clock shows it: it ticks every few milliseconds.
fn change(path: &Path, by: impl Fn(&Path)) {
    let before = changed(path);
    while changed(path) == before {
        by(path);
    }
}

fn overwrite(path: &Path) {
    open(path).write_all_at(&[0xee; 9], 1500).unwrap();
}

/// Overwrites some bytes and sets the time of the last change back.
fn overwrite_and_set_back(path: &Path) {
    let before = fs::metadata(path).unwrap().modified().unwrap();
    overwrite(path);
    open(path).set_times(FileTimes::new().set_modified(before)).unwrap();
    assert_eq!(fs::metadata(path).unwrap().modified().unwrap(), before);
}

fn touch(path: &Path) {
    open(path).set_times(FileTimes::new().set_modified(std::time::SystemTime::now())).unwrap();
}

/// What another program does to a file, and the pieces of it that are wrong afterwards.
type Deed = (fn(&Path), &'static [u32]);

const DEEDS: [Deed; 6] = [
    (|path| open(path).set_len(0).unwrap(), &[0, 1, 2, 3]),
    (|path| open(path).set_len(1650).unwrap(), &[1, 2, 3]),
    (overwrite, &[1]),
    (overwrite_and_set_back, &[1]),
    (touch, &[]),
    (|path| fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap(), &[]),
];

fn lost(storage: &mut Storage) -> Vec<u32> {
    match storage.finish().unwrap() {
        Finished::Durable => Vec::new(),
        Finished::Spoiled(pieces) => pieces.iter().map(|piece| piece.get()).collect(),
    }
}

#[test]
fn what_another_program_has_spoiled_is_written_again_before_success() {
    let sample = sample();
    for (deed, wrong) in DEEDS {
        // In the middle of the download, at its end, and in a second run that finds the file complete.
        for before in [4, 7, 0] {
            let root = TestFolder::new();
            let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
            if before == 0 {
                sample.write(&mut storage, 0..4);
                drop(storage);
                storage = sample.open(root.path(), OPTIONS).unwrap().0;
            }
            let before = before.max(4);
            sample.write(&mut storage, if before == 4 { 0..4 } else { 0..7 });
            change(&root.path().join("t/a"), deed);
            sample.write(&mut storage, before..7);
            assert_eq!(lost(&mut storage), wrong, "after {before} pieces");
            if !wrong.is_empty() {
                assert!(sample.marker(root.path()).exists(), "it is not done");
                let served = storage.served_pieces();
                assert!(wrong.iter().all(|piece| !served.offers(sample.index(*piece))));
                sample.write(&mut storage, wrong.iter().copied());
                assert_eq!(lost(&mut storage), [0; 0]);
            }
            sample.assert_complete(root.path());
        }
    }
}

#[test]
fn a_file_of_one_piece_and_the_part_file_are_looked_at_as_well() {
    let root = TestFolder::new();
    let mut sample = Sample::new(1000, &[("t/a", 3300), ("t/b", 3300), ("t/c", 900)]);
    sample.select(&[0, 2]);
    let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
    sample.write(&mut storage, [0, 1, 2, 3, 6, 7]);
    // Pieces 3 and 6 are there, which the second file shares.
    let part_file = root.path().join(".t.abababab.femtotorrent-part");
    change(&part_file, |path| open(path).write_all_at(b"x", 600).unwrap());
    change(&root.path().join("t/c"), |path| open(path).set_len(10).unwrap());
    assert_eq!(lost(&mut storage), [3, 6, 7]);
    sample.write(&mut storage, [3, 6, 7]);
    change(&part_file, |path| open(path).set_len(100).unwrap());
    assert_eq!(lost(&mut storage), [3, 6]);
    sample.write(&mut storage, [3, 6]);
    assert_eq!(lost(&mut storage), [0; 0]);
    let file = |name: &str| fs::read(root.path().join(name)).unwrap();
    assert!(
        file("t/a") == sample.content(&sample.files[0]) && file("t/c") == sample.content(&sample.files[2])
    );
}

#[test]
fn what_becomes_of_a_file_that_is_not_of_the_download_does_not_matter() {
    let deeds: [fn(&Path); 3] = [
        |path| fs::remove_file(path).unwrap(),
        overwrite,
        |path| {
            fs::write(path.with_extension("new"), "another").unwrap();
            fs::rename(path.with_extension("new"), path).unwrap();
        },
    ];
    for deed in deeds {
        let root = TestFolder::new();
        let mut sample = Sample::new(1000, &[("t/a", 3000), ("t/b", 3300)]);
        sample.select(&[0]);
        fs::create_dir(root.path().join("t")).unwrap();
        fs::write(root.path().join("t/b"), "mine").unwrap();
        let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
        sample.write(&mut storage, 0..3);
        deed(&root.path().join("t/b"));
        assert_eq!(storage.finish().unwrap(), Finished::Durable);
    }
}

#[test]
fn a_file_that_is_spoiled_again_and_again_ends_the_run_and_the_next_one_completes_it() {
    let root = TestFolder::new();
    let sample = sample();
    let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
    sample.write(&mut storage, 0..7);
    let mut repairs = 0;
    let error = loop {
        change(&root.path().join("t/a"), overwrite);
        match storage.finish() {
            Ok(Finished::Spoiled(pieces)) => {
                assert_eq!(pieces, [sample.index(1)]);
                sample.write(&mut storage, [1]);
                repairs += 1;
            }
            Ok(Finished::Durable) => panic!("the file is wrong"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StorageError::Spoiled { pieces: 1, .. }), "{error:?}");
    assert_eq!((error.exit_code(), repairs), (17, 3));
    assert!(error.to_string().contains("t/a"), "{error}");
    drop(storage);
    assert!(sample.marker(root.path()).exists());
    sample.complete(root.path(), OPTIONS);
    sample.assert_complete(root.path());
}

#[test]
fn a_run_that_ends_before_it_is_done_keeps_its_marker_although_all_is_synced_and_no_file_is_new() {
    let root = TestFolder::new();
    let sample = sample();
    fs::create_dir(root.path().join("t")).unwrap();
    for file in &sample.files {
        fs::write(root.path().join(&file.path), &sample.content(file)[..2700]).unwrap();
    }
    let (mut storage, good) = sample.open(root.path(), OPTIONS).unwrap();
    assert_eq!(numbers(&good), [0, 1, 4, 5]);
    sample.write(&mut storage, [2, 3, 6]);
    // Behind what was there before us.
    change(&root.path().join("t/a"), |path| open(path).write_all_at(&[0xee; 9], 2800).unwrap());
    assert_eq!(lost(&mut storage), [2]);
    drop(storage);
    sample.complete(root.path(), OPTIONS);
    sample.assert_complete(root.path());
}

#[test]
fn the_next_run_does_not_believe_what_another_program_spoiled() {
    let sample = sample();
    // Before the last write to the file, which absorbs the change in its times, and after it.
    for is_noticed in [true, false] {
        let root = TestFolder::new();
        let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
        sample.write(&mut storage, 0..3);
        let spoil = || change(&root.path().join("t/a"), overwrite_and_set_back);
        if is_noticed {
            spoil();
        }
        sample.write(&mut storage, [3]);
        if !is_noticed {
            spoil();
        }
        drop(storage);
        let (_, good) = sample.open(root.path(), OPTIONS).unwrap();
        assert_eq!(numbers(&good), [0, 2, 3], "noticed: {is_noticed}");
    }
}

/// The bytes of a piece as a peer would get it.
pub fn sent(served: &ServedPieces, sample: &Sample, piece: u32) -> Option<Vec<u8>> {
    let piece = sample.index(piece);
    let (length, mut parts) = (sample.geometry.length(piece), Vec::new());
    if !served.find(piece, 0, length, &mut parts) {
        return None;
    }
    let mut bytes = Vec::new();
    for part in parts {
        match part {
            BlockPart::File(file, offset, length) => {
                let mut part = vec![0; length as usize];
                file.read_exact_at(&mut part, offset).unwrap();
                bytes.extend(part);
            }
            BlockPart::Bytes(part) => bytes.extend(part),
            BlockPart::Zeros(length) => bytes.extend(vec![0; length as usize]),
        }
    }
    Some(bytes)
}

fn wait_until(what: &str, is_true: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_true() {
        assert!(Instant::now() < deadline, "{what}");
        sleep(Duration::from_millis(10));
    }
}

/// Asks for all pieces until exactly these are sent.
fn wait_until_sent(served: &ServedPieces, sample: &Sample, expected: &[u32]) {
    wait_until(&format!("{expected:?} are sent"), || {
        let sent: Vec<u32> = (0..7).filter(|piece| sent(served, sample, *piece).is_some()).collect();
        sent == expected
    });
}

const ALL: [u32; 7] = [0, 1, 2, 3, 4, 5, 6];

fn without(wrong: &[u32]) -> Vec<u32> {
    ALL.into_iter().filter(|piece| !wrong.contains(piece)).collect()
}

fn serve(sample: &Sample, root: &Path) -> std::sync::Arc<ServedPieces> {
    ServedPieces::open(root, &sample.payload(&sample.digests()), 8, Check::Changed, &|_, _| true).unwrap()
}

#[test]
fn a_seed_looks_again_at_a_file_that_changed_and_sends_what_is_right() {
    let sample = sample();
    for (deed, wrong) in DEEDS {
        let root = TestFolder::new();
        sample.complete(root.path(), OPTIONS);
        let served = serve(&sample, root.path());
        let path = root.path().join("t/a");
        wait_until_sent(&served, &sample, &ALL);
        change(&path, deed);
        // Not sooner than a file that is being sent is looked at.
        sleep(Duration::from_millis(10));
        for piece in ALL {
            let bytes = sent(&served, &sample, piece);
            assert!(bytes.is_none_or(|bytes| bytes == sample.piece(sample.index(piece))), "{piece} is wrong");
        }
        wait_until_sent(&served, &sample, &without(wrong));
        wait_until("new peers hear of what is right", || numbers(&served.offered()) == without(wrong));
        // Another program puts it right.
        change(&path, |path| open(path).write_all_at(&sample.content(&sample.files[0]), 0).unwrap());
        wait_until_sent(&served, &sample, &ALL);
    }
}

#[test]
fn a_file_that_is_replaced_or_away_for_a_while_is_shared_again_when_it_is_back() {
    let sample = sample();
    let root = TestFolder::new();
    sample.complete(root.path(), OPTIONS);
    let served = serve(&sample, root.path());
    let (path, aside) = (root.path().join("t/a"), root.path().join("aside"));
    wait_until_sent(&served, &sample, &ALL);
    fs::rename(&path, &aside).unwrap();
    wait_until_sent(&served, &sample, &without(&[0, 1, 2, 3]));
    fs::write(&path, vec![7; 3300]).unwrap();
    sleep(Duration::from_millis(10));
    wait_until_sent(&served, &sample, &without(&[0, 1, 2, 3]));
    fs::rename(&aside, &path).unwrap();
    wait_until_sent(&served, &sample, &ALL);
    fs::copy(&path, &aside).unwrap();
    fs::rename(&aside, &path).unwrap();
    wait_until_sent(&served, &sample, &ALL);
}

#[test]
fn a_file_that_is_touched_during_the_download_is_shared_all_the_same() {
    let sample = sample();
    let root = TestFolder::new();
    let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
    let served = storage.served_pieces();
    sample.write(&mut storage, 0..4);
    change(&root.path().join("t/a"), touch);
    sleep(Duration::from_millis(10));
    wait_until_sent(&served, &sample, &[0, 1, 2, 3]);
    sample.write(&mut storage, [4]);
    change(&root.path().join("t/a"), overwrite);
    // The writer notices it as well, here at the edge of the file.
    sample.write(&mut storage, [3]);
    wait_until_sent(&served, &sample, &[0, 2, 3, 4]);
    sample.write(&mut storage, [5, 6]);
    assert_eq!(lost(&mut storage), [1]);
    sample.write(&mut storage, [1]);
    assert_eq!(lost(&mut storage), [0; 0]);
    wait_until_sent(&served, &sample, &ALL);
    sample.assert_complete(root.path());
}

#[test]
fn a_new_peer_is_told_of_pieces_that_a_second_look_has_not_condemned() {
    let sample = sample();
    let root = TestFolder::new();
    sample.complete(root.path(), OPTIONS);
    let served = serve(&sample, root.path());
    change(&root.path().join("t/a"), touch);
    sleep(Duration::from_millis(10));
    assert!(sent(&served, &sample, 0).is_none(), "not before the second look");
    assert_eq!(numbers(&served.offered()), ALL);
    wait_until_sent(&served, &sample, &ALL);
}
