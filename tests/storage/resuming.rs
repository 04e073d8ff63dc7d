//! What the next run keeps, and the marker by which it recognises our own work.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use femtotorrent::storage::StorageError;

use crate::programs::make_pipe;
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
    let before = ["t", "t/a", "t/b"].map(stamp);
    let (mut storage, good) = sample.open(root.path(), OPTIONS).unwrap();
    assert!(good.is_full());
    storage.finish().unwrap();
    drop(storage);
    assert_eq!(["t", "t/a", "t/b"].map(stamp), before);
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
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

/// As `doctor` does: it tries a lock that many can have.
#[test]
fn a_run_that_begins_while_somebody_looks_at_the_lock_is_not_refused() {
    use rustix::fs::{FlockOperation, flock};
    let root = TestFolder::new();
    let sample = Sample::new(1000, &[("a", 3300)]);
    let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
    sample.write(&mut storage, [0]);
    drop(storage);
    let look = fs::File::open(sample.marker(root.path())).unwrap();
    flock(&look, FlockOperation::LockShared).unwrap();
    let looking = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        drop(look);
    });
    let opened = sample.open(root.path(), OPTIONS).map(|(_, good)| numbers(&good));
    looking.join().unwrap();
    assert_eq!(opened.unwrap(), [0]);
    // Who goes on looking does not hold it up for ever.
    let look = fs::File::open(sample.marker(root.path())).unwrap();
    flock(&look, FlockOperation::LockShared).unwrap();
    assert!(matches!(failure(sample.open(root.path(), OPTIONS)), StorageError::Busy { .. }));
}

#[test]
fn of_many_runs_at_the_same_moment_one_works_and_the_others_say_so() {
    let sample = Sample::new(1000, &[("t/a", 3300), ("t/b", 3300)]);
    // What is there before: nothing, not even the folder; an empty folder; a part, with the marker and without;
    // all of it, as somebody else left it.
    for there in ["no folder", "nothing", "a part", "a part that is unmarked", "all"] {
        for _ in 0..40 {
            let root = TestFolder::new();
            match there {
                "no folder" => fs::remove_dir(root.path()).unwrap(),
                "nothing" => {}
                "all" => sample.complete(root.path(), OPTIONS),
                part => {
                    let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
                    sample.write(&mut storage, [0, 1, 2, 3]);
                    drop(storage);
                    if part == "a part that is unmarked" {
                        markers(root.path()).iter().for_each(|marker| fs::remove_file(marker).unwrap());
                        // What has pieces that verify, and none that do not, needs no marker.
                        fs::remove_file(root.path().join("t/b")).unwrap();
                    }
                }
            }
            let (begin, end) = (Barrier::new(3), Barrier::new(3));
            let run = || {
                begin.wait();
                let opened = sample.open(root.path(), OPTIONS);
                // Nobody ends before all have tried.
                end.wait();
                match opened {
                    Ok(_) => 0,
                    Err(error) => {
                        assert!(error.to_string().contains("another process"), "{there}: {error}");
                        error.exit_code()
                    }
                }
            };
            let mut codes = thread::scope(|scope| {
                let runs = [0; 3].map(|_| scope.spawn(run));
                runs.map(|run| run.join().unwrap())
            });
            codes.sort_unstable();
            assert_eq!(codes, [0, 12, 12], "{there}");
        }
    }
}

#[test]
fn runs_that_come_and_go_never_work_at_once() {
    let sample = Sample::new(1000, &[("a", 3300)]);
    let root = TestFolder::new();
    let (working, worked) = (AtomicU64::new(0), AtomicU64::new(0));
    let run = || {
        while worked.load(Ordering::SeqCst) < 400 {
            match sample.open(root.path(), OPTIONS) {
                Ok(storage) => {
                    assert_eq!(working.fetch_add(1, Ordering::SeqCst), 0, "two have the lock");
                    thread::sleep(Duration::from_micros(100));
                    worked.fetch_add(1, Ordering::SeqCst);
                    working.fetch_sub(1, Ordering::SeqCst);
                    drop(storage);
                }
                Err(error) => assert!(matches!(error, StorageError::Busy { .. }), "{error}"),
            }
        }
    };
    thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(run))));
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn a_run_that_is_refused_or_stopped_leaves_nothing() {
    let sample = Sample::new(1000, &[("a", 3300)]);
    let root = TestFolder::new();
    fs::write(root.path().join("a"), "mine").unwrap();
    assert_foreign(sample.open(root.path(), OPTIONS), &["a"]);
    fs::write(root.path().join("a"), vec![1; 3300]).unwrap();
    assert_eq!(failure(sample.open_watched(root.path(), OPTIONS, &|_, _| false)).exit_code(), 7);
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
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

/// What may happen to a marker: the path of the marker, and a file that must not be touched.
type Damage = fn(&Path, &Path);

const DAMAGES: [(&str, Damage); 10] = [
    ("empty", |marker, _| fs::write(marker, "").unwrap()),
    ("cut", |marker, _| {
        let text = fs::read(marker).unwrap();
        fs::write(marker, &text[..text.len() - 2]).unwrap();
    }),
    ("zeros", |marker, _| fs::write(marker, [0; 200]).unwrap()),
    ("no text", |marker, _| fs::write(marker, [0xff; 200]).unwrap()),
    ("lying", |marker, _| {
        let text = String::from_utf8_lossy(&fs::read(marker).unwrap()).into_owned();
        fs::write(marker, text.replace("end", "keep 7 5\nend") + "lie").unwrap();
    }),
    ("folder", |marker, _| {
        fs::remove_file(marker).unwrap();
        fs::create_dir(marker).unwrap();
    }),
    ("link", |marker, victim| {
        fs::remove_file(marker).unwrap();
        symlink(victim, marker).unwrap();
    }),
    ("dangling link", |marker, victim| {
        fs::remove_file(marker).unwrap();
        symlink(victim.with_file_name("nowhere"), marker).unwrap();
    }),
    ("hard link", |marker, victim| {
        fs::remove_file(marker).unwrap();
        fs::hard_link(victim, marker).unwrap();
    }),
    ("pipe", |marker, _| {
        fs::remove_file(marker).unwrap();
        make_pipe(marker);
    }),
];

#[test]
fn a_damaged_marker_stops_no_download_of_ours_and_nothing_else_is_touched() {
    let sample = Sample::new(1000, &[("t/a", 3300), ("t/b", 3300)]);
    for (case, damage) in DAMAGES {
        for options in [OPTIONS, OVERWRITE] {
            let root = TestFolder::new();
            let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
            sample.write(&mut storage, [1, 6]);
            drop(storage);
            let victim = TestFolder::new();
            let victim = victim.path().join("victim");
            fs::write(&victim, "mine").unwrap();
            damage(&sample.marker(root.path()), &victim);
            let (storage, good) = sample.open(root.path(), options).unwrap();
            assert_eq!(numbers(&good), [1, 6], "{case}");
            drop(storage);
            sample.complete(root.path(), options);
            sample.assert_complete(root.path());
            assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "{case}: something is left over");
            assert_eq!(fs::read(&victim).unwrap(), b"mine", "{case}");
            assert!(!victim.with_file_name("nowhere").exists(), "{case}");
        }
    }
}

#[test]
fn a_download_whose_marker_and_resume_file_are_damaged_goes_on_where_nothing_can_be_lost() {
    let sample = Sample::new(1000, &[("t/a", 3300), ("t/b", 3300), ("t/c", 3300)]);
    for (case, damage) in DAMAGES {
        let root = TestFolder::new();
        let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
        // Holes before them, and the third file has nothing else.
        sample.write(&mut storage, [2, 5]);
        drop(storage);
        fs::File::create(root.path().join("t/c")).unwrap().set_len(3300).unwrap();
        let victim = TestFolder::new();
        let victim = victim.path().join("victim");
        fs::write(&victim, "mine").unwrap();
        for path in markers_and_more(root.path()) {
            damage(&path, &victim);
        }
        sample.complete(root.path(), OPTIONS);
        sample.assert_complete(root.path());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "{case}: something is left over");
        assert_eq!(fs::read(&victim).unwrap(), b"mine", "{case}");
    }
}

#[test]
fn where_something_can_be_lost_both_damaged_files_prove_nothing() {
    let sample = Sample::new(1000, &[("t/a", 3300), ("t/b", 3300)]);
    for theirs in [0, 1500, 2999] {
        let root = TestFolder::new();
        let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
        sample.write(&mut storage, [0, 3]);
        drop(storage);
        markers_and_more(root.path()).iter().for_each(|path| fs::write(path, "").unwrap());
        let mut content = fs::read(root.path().join("t/a")).unwrap();
        content[theirs] ^= 7;
        fs::write(root.path().join("t/a"), &content).unwrap();
        assert_foreign(sample.open(root.path(), OPTIONS), &["t/a"]);
        assert!(fs::read(root.path().join("t/a")).unwrap() == content);
    }
}

/// The markers and the resume files.
fn markers_and_more(root: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.to_string_lossy().contains(".femtotorrent")).collect()
}

#[test]
fn a_damaged_marker_makes_no_foreign_file_ours() {
    let sample = Sample::new(1000, &[("t/a", 3300), ("t/b", 3300)]);
    for (case, damage) in DAMAGES {
        for pieces in [&[0, 1, 2][..], &[0, 1, 2, 4]] {
            let root = TestFolder::new();
            let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
            sample.write(&mut storage, pieces.iter().copied());
            drop(storage);
            let victim = root.path().join("victim");
            fs::write(&victim, "theirs").unwrap();
            damage(&sample.marker(root.path()), &victim);
            // The user put it there meanwhile, in place of ours if there was one.
            fs::write(root.path().join("mine"), "mine").unwrap();
            fs::rename(root.path().join("mine"), root.path().join("t/b")).unwrap();
            assert_foreign(sample.open(root.path(), OPTIONS), &["t/b"]);
            assert_eq!(fs::read(root.path().join("t/b")).unwrap(), b"mine", "{case}");
        }
    }
}

#[test]
fn what_a_damaged_marker_guarded_is_guarded_by_the_resume_file() {
    let sample = Sample::new(1000, &[("t/a", 3300), ("t/b", 3300)]);
    let root = TestFolder::new();
    fs::create_dir(root.path().join("t")).unwrap();
    let mut tagged = sample.content(&sample.files[0]);
    tagged[3250..].fill(b'T');
    fs::write(root.path().join("t/a"), &tagged).unwrap();
    let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
    sample.write(&mut storage, [6]);
    drop(storage);
    fs::write(sample.marker(root.path()), "").unwrap();
    let (mut storage, good) = sample.open(root.path(), OPTIONS).unwrap();
    assert_eq!(numbers(&good), [0, 1, 2, 6]);
    let edge = sample.index(3);
    assert_eq!(storage.write(edge, &sample.piece(edge)).unwrap_err().exit_code(), 13);
    assert!(fs::read(root.path().join("t/a")).unwrap() == tagged);
}

#[test]
fn a_folder_with_something_in_it_in_place_of_the_marker_is_put_aside() {
    let sample = Sample::new(1000, &[("a", 3300)]);
    let root = TestFolder::new();
    fs::create_dir(sample.marker(root.path())).unwrap();
    fs::write(sample.marker(root.path()).join("theirs"), "theirs").unwrap();
    sample.complete(root.path(), OPTIONS);
    sample.assert_complete(root.path());
    let mut aside = sample.marker(root.path()).into_os_string();
    aside.push("-aside");
    assert_eq!(fs::read(Path::new(&aside).join("theirs")).unwrap(), b"theirs");
}

#[test]
fn a_marker_with_a_second_name_is_believed_and_not_written_to() {
    let sample = Sample::new(1000, &[("t/a", 3300), ("t/b", 3300)]);
    let root = TestFolder::new();
    let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
    sample.write(&mut storage, [1]);
    drop(storage);
    let copy = root.path().join("copy");
    fs::hard_link(sample.marker(root.path()), &copy).unwrap();
    let before = fs::read(&copy).unwrap();
    let (_storage, good) = sample.open(root.path(), OPTIONS).unwrap();
    assert_eq!(numbers(&good), [1]);
    assert!(matches!(failure(sample.open(root.path(), OPTIONS)), StorageError::Busy { .. }));
    drop(_storage);
    sample.complete(root.path(), OPTIONS);
    assert_eq!(fs::read(&copy).unwrap(), before);
}

#[test]
fn a_torrent_with_a_file_named_like_a_marker_is_refused() {
    let root = TestFolder::new();
    let sample = Sample::new(1000, &[(".debian.iso.abababab.femtotorrent", 100)]);
    assert_eq!(failure(sample.open(root.path(), OPTIONS)).exit_code(), 16);
    // Of this name, some disks would leave out the blank, and so do we where it is refused.
    let name = b".debian.iso.abababab.femtotorrent ";
    let torrent =
        [&b"d4:infod6:lengthi100e4:name34:"[..], name, b"12:piece lengthi16384e6:pieces20:", &[7; 20]];
    let torrent = [torrent.concat(), b"ee".to_vec()].concat();
    let mut sample = Sample::new(1000, &[("a", 100)]);
    sample.files = femtotorrent::metainfo::Metainfo::parse(torrent).unwrap().files;
    assert_eq!(failure(sample.open(root.path(), OPTIONS)).exit_code(), 16);
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}
