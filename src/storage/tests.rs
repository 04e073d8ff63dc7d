//! Downloads onto a disk that fails: each system call of a run in turn, in each way that a disk can fail.
//!
//! Whatever fails, a run never says that it is done with wrong bytes, keeps each piece that it had written, and
//! names the file and the reason. The same run once more completes the download.

use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::io::Errno;

mod last_look;
mod many_files;
mod marker_first;
mod removals;
mod selections;

use super::calls::Call;
use super::calls::faults::{Disk, Fault};
use super::layout::files_of_lengths;
use super::*;
use crate::metainfo::InfoHash;
use crate::piece::Geometry;
use crate::piece::PieceDigest;

/// Two files and an empty one, in pieces of 8 bytes. The second piece is of both files.
const LENGTHS: [i64; 3] = [12, 0, 9];
const SPARSE: Options = Options {
    allocate: Allocate::Sparse,
    existing: Existing::Keep,
    open_files: 4,
    check: Check::Changed,
    parts: false,
};
const FULL: Options = Options { allocate: Allocate::Full, ..SPARSE };
const PARTS: Options = Options { parts: true, ..SPARSE };

fn byte(at: u64) -> u8 {
    at.wrapping_mul(41).wrapping_add(7) as u8
}

fn geometry() -> Geometry {
    Geometry::new(21, 8).unwrap()
}

fn piece(number: u32) -> (PieceIndex, Vec<u8>) {
    let piece = geometry().piece(number).unwrap();
    let start = geometry().offset(piece);
    (piece, (start..start + u64::from(geometry().length(piece))).map(byte).collect())
}

fn digests() -> Digests {
    Arc::new(|of| PieceDigest::sha1_of(&piece(of.get()).1))
}

/// A folder of a test's own.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("femtotorrent-faults-{}-{number}", std::process::id());
        // In memory where the host lets us: there are thousands of runs here, and each syncs ten times.
        let path = [PathBuf::from("/dev/shm"), std::env::temp_dir()].into_iter().map(|path| path.join(&name));
        Folder(path.into_iter().find(|path| fs::create_dir(path).is_ok()).unwrap())
    }

    fn is_complete(&self) -> bool {
        let mut start = 0;
        LENGTHS.iter().zip(["t/0", "t/1", "t/2"]).all(|(length, name)| {
            let bytes: Vec<u8> = (start..start + length.unsigned_abs()).map(byte).collect();
            start += length.unsigned_abs();
            fs::read(self.0.join(name)).is_ok_and(|there| there == bytes)
        })
    }

    /// The names in it. A resume file without a marker is nobody's, does no harm, and is left out.
    fn entries(&self) -> Vec<String> {
        let names = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name());
        let names = names.map(|name| name.to_string_lossy().into_owned());
        names.filter(|name| !name.contains("-resume")).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open(root: &Path, options: Options) -> Result<(Storage, Bitfield), StorageError> {
    open_selected(root, options, &[])
}

/// The same for these files; none means all.
fn open_selected(
    root: &Path,
    options: Options,
    numbers: &[RangeInclusive<u32>],
) -> Result<(Storage, Bitfield), StorageError> {
    let mut files = files_of_lengths(&LENGTHS);
    for (file, name) in files.iter_mut().zip(["t/0", "t/1", "t/2"]) {
        file.path = name.into();
    }
    let selection = Selection::new(numbers, &files, geometry());
    let payload = Payload {
        name: "t",
        output_name: None,
        info_hash: InfoHash([7; 20]),
        files: &files,
        geometry: geometry(),
        digests: &digests(),
        selection: selection.as_ref(),
        cache: None,
    };
    Storage::open(root, &payload, options, &|_, _| true)
}

/// A whole run. Also returns the pieces that are on the disk for certain, as far as the run knows.
fn run(root: &Path, options: Options) -> (Bitfield, Result<(), StorageError>) {
    let mut stored = Bitfield::none(3);
    let outcome = open(root, options).and_then(|(mut storage, good)| {
        stored = good;
        for number in [2, 0, 1] {
            let (piece, bytes) = piece(number);
            if !stored.has(piece) {
                storage.write(piece, &bytes)?;
                stored.insert(piece);
            }
        }
        assert_eq!(storage.finish()?, Finished::Durable);
        Ok(())
    });
    (stored, outcome)
}

/// Runs with this fault. If the run fails, it keeps what it had, its error is a good one, and the next run
/// completes the download.
fn survives(fault: Fault, options: Options) -> Result<(), StorageError> {
    survives_from(fault, options, Folder::new())
}

/// The same in a folder where there may be something.
fn survives_from(fault: Fault, options: Options, folder: Folder) -> Result<(), StorageError> {
    let disk = Disk::with(Some(fault));
    let (stored, outcome) = run(&folder.0, options);
    Disk::mend();
    if let Err(error) = &outcome {
        let said = error.to_string();
        assert!(said.contains(folder.0.to_str().unwrap()), "{fault:?}: no file is named: {said}");
        assert!([9, 15, 16, 17].contains(&error.exit_code()), "{fault:?}: {said}");
    }
    // Also where only the removal of what it no longer needs has failed.
    if outcome.is_err() || folder.entries() != ["t"] {
        let (storage, good) = open(&folder.0, options).unwrap();
        drop(storage);
        let lost = stored.iter(geometry()).filter(|piece| !good.has(*piece)).count();
        assert_eq!(lost, 0, "{fault:?} at {:?}: pieces were lost", disk.calls().last());
        let (_, again) = run(&folder.0, options);
        again.unwrap_or_else(|error| panic!("{fault:?}: the next run: {error}"));
    }
    assert!(folder.is_complete(), "{fault:?}");
    assert_eq!(folder.entries(), ["t"], "{fault:?}: something is left over");
    outcome
}

/// A folder in which a run was interrupted.
fn unfinished(options: Options) -> Folder {
    let folder = Folder::new();
    let (mut storage, _) = open(&folder.0, options).unwrap();
    for number in [0, 2] {
        let (piece, bytes) = piece(number);
        storage.write(piece, &bytes).unwrap();
    }
    folder
}

/// The calls that a run makes.
fn calls(options: Options) -> Vec<Call> {
    calls_from(options, Folder::new())
}

fn calls_from(options: Options, folder: Folder) -> Vec<Call> {
    let disk = Disk::with(None);
    let (_, outcome) = run(&folder.0, options);
    Disk::mend();
    outcome.unwrap();
    disk.calls()
}

#[test]
fn whichever_call_fails_nothing_is_lost_and_nothing_wrong_is_called_done() {
    for options in [SPARSE, FULL, PARTS] {
        let calls = calls(options);
        for wanted in [Call::Open, Call::MakeFolder, Call::Write, Call::Sync, Call::Remove] {
            assert!(calls.contains(&wanted), "{wanted:?} in {calls:?}");
        }
        for (at, call) in calls.iter().enumerate() {
            for (errno, code, reason) in [
                (Errno::NOSPC, Some(9), "no space left"),
                (Errno::DQUOT, Some(9), "quota"),
                (Errno::IO, None, "input/output error"),
                (Errno::ROFS, None, "read-only file system"),
                (Errno::STALE, None, "stale"),
                (Errno::FBIG, None, "would exceed the limit"),
                (Errno::ACCESS, None, "permission denied"),
            ] {
                let Err(error) = survives(Fault::Once(at, errno), options) else { continue };
                let said = error.to_string();
                assert!(said.to_lowercase().contains(&reason.to_lowercase()), "{call:?}: {said}");
                assert!(code.is_none_or(|code| error.exit_code() == code), "{call:?}: {said}");
            }
        }
    }
}

#[test]
fn a_file_is_on_the_disk_before_it_gets_its_name() {
    let calls = calls(PARTS);
    let before_renames: Vec<&[Call]> = calls.split(|call| *call == Call::Rename).collect();
    // The first one is that of the resume file, which is only a help; behind the last one there is none.
    let of_files = &before_renames[1..before_renames.len() - 1];
    assert_eq!(of_files.len(), 2, "{calls:?}");
    for calls in of_files {
        let last = |which| calls.iter().rposition(|call| *call == which);
        assert!(last(Call::Sync) > last(Call::Write), "{calls:?}");
    }
}

#[test]
fn whichever_call_of_a_run_that_goes_on_fails_nothing_is_lost() {
    for options in [SPARSE, PARTS] {
        for at in 0..calls_from(options, unfinished(options)).len() {
            for errno in [Errno::NOSPC, Errno::IO, Errno::ROFS, Errno::STALE] {
                let _ = survives_from(Fault::Once(at, errno), options, unfinished(options));
            }
            for errno in [Errno::INTR, Errno::AGAIN] {
                survives_from(Fault::Once(at, errno), options, unfinished(options)).unwrap();
            }
        }
    }
}

#[test]
fn calls_that_are_interrupted_or_cannot_be_served_now_are_made_again() {
    for options in [SPARSE, FULL, PARTS] {
        for at in 0..calls(options).len() {
            for errno in [Errno::INTR, Errno::AGAIN] {
                survives(Fault::Once(at, errno), options).unwrap();
            }
        }
        for most in [1, 3] {
            survives(Fault::Short(most), options).unwrap();
        }
    }
}

#[test]
fn too_many_open_files_are_waited_for() {
    for (at, call) in calls(SPARSE).into_iter().enumerate() {
        if call == Call::Open {
            survives(Fault::Once(at, Errno::MFILE), SPARSE).unwrap();
        }
    }
}

#[test]
fn file_systems_that_cannot_sync_or_allocate_are_good_enough() {
    for errno in [Errno::INVAL, Errno::NOTSUP, Errno::NOSYS] {
        survives(Fault::Always(Call::Sync, errno), SPARSE).unwrap();
        survives(Fault::Always(Call::Allocate, errno), FULL).unwrap();
    }
}

#[test]
fn a_disk_that_fails_for_good_ends_the_run_with_the_reason() {
    for (call, errno, code) in [
        (Call::Open, Errno::IO, 15),
        (Call::MakeFolder, Errno::ROFS, 16),
        (Call::Write, Errno::IO, 17),
        (Call::Write, Errno::NOSPC, 9),
        (Call::Sync, Errno::IO, 17),
        (Call::Sync, Errno::DQUOT, 9),
    ] {
        let error = survives(Fault::Always(call, errno), SPARSE).unwrap_err();
        assert_eq!(error.exit_code(), code, "{call:?}: {error}");
    }
}

#[test]
fn a_run_that_could_not_create_its_first_file_leaves_nothing() {
    let folder = Folder::new();
    let disk = Disk::with(Some(Fault::Always(Call::MakeFolder, Errno::ACCESS)));
    let (_, outcome) = run(&folder.0, SPARSE);
    Disk::mend();
    assert_eq!(outcome.unwrap_err().exit_code(), 16);
    assert!(disk.calls().contains(&Call::Rename), "there was no resume file");
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
}

#[test]
fn the_names_of_new_folders_are_synced_before_the_process_gives_up_its_rights() {
    let folder = Folder::new();
    let syncs = |path: &str| {
        let disk = Disk::with(None);
        create_folder(&folder.0.join(path)).unwrap();
        Disk::mend();
        disk.calls().iter().filter(|call| **call == Call::Sync).count()
    };
    assert_eq!((syncs("a/b/c"), syncs("a/b/c"), syncs("a/d")), (3, 0, 1));
}

#[test]
fn after_a_sync_that_failed_the_next_run_reads_the_disk_and_not_the_memory() {
    for (errno, drops) in [(Errno::INVAL, false), (Errno::IO, true)] {
        let folder = Folder::new();
        let (mut storage, _) = open(&folder.0, SPARSE).unwrap();
        let (piece, bytes) = piece(0);
        storage.write(piece, &bytes).unwrap();
        let disk = Disk::with(Some(Fault::Always(Call::Sync, errno)));
        let _ = storage.finish();
        Disk::mend();
        assert_eq!(disk.calls().contains(&Call::Drop), drops, "{errno:?}");
    }
}

#[test]
fn a_file_that_cannot_be_read_again_is_neither_right_nor_replaced() {
    let folder = Folder::new();
    let (_, outcome) = run(&folder.0, SPARSE);
    outcome.unwrap();
    let disk = Disk::with(Some(Fault::Always(Call::Read, Errno::IO)));
    let error = open(&folder.0, SPARSE).map(drop).unwrap_err();
    Disk::mend();
    assert_eq!(error.exit_code(), 17, "{error}");
    assert!(disk.calls().contains(&Call::Read));
    assert!(folder.is_complete());
}

#[test]
fn a_file_is_closed_when_nothing_was_written_to_it_for_a_while_though_records_are_due_each_second() {
    let folder = Folder::new();
    let (mut storage, _) = open(&folder.0, SPARSE).unwrap();
    let (number, bytes) = piece(0);
    storage.write(number, &bytes).unwrap();
    let start = Instant::now();
    // After a write there may be a change to be noticed.
    assert!(storage.next_save().is_some_and(|due| due < start + IDLE_FILE));
    for second in 0..10 {
        storage.rest(start + Duration::from_secs(second)).unwrap();
        assert!(storage.files.has_open(), "after {second} s");
    }
    storage.rest(start + IDLE_FILE).unwrap();
    assert!(!storage.files.has_open());
    let (number, bytes) = piece(1);
    storage.write(number, &bytes).unwrap();
    assert!(storage.files.has_open());
}
