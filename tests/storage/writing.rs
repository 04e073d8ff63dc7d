//! What is written where, with how many open files, and what happens on a disk that is full.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use femtotorrent::piece::Geometry;

use crate::programs::run;
use crate::sample::{FULL, OPTIONS, Sample, failure, numbers};
use crate::support::folder::TestFolder;
use crate::support::skip::skip;

#[test]
fn pieces_in_any_order_fill_files_padding_and_empty_files() {
    let root = TestFolder::new();
    let sample = Sample::new(
        1000,
        &[("t/a", 1), ("t/none", 0), ("t/b/c", 2500), ("", 499), ("t/b/d", 1000), ("", 300), ("t/last", 0)],
    );
    let (mut storage, good) = sample.open(root.path(), OPTIONS).unwrap();
    // The last piece is all padding: no part of it has to be downloaded.
    assert_eq!(numbers(&good), [4]);
    sample.write(&mut storage, (0..sample.geometry.piece_count()).rev());
    storage.finish().unwrap();
    sample.assert_complete(root.path());
    assert!(!root.path().join(".pad").exists());
}

#[test]
fn a_piece_may_cross_a_hundred_files() {
    let root = TestFolder::new();
    let names: Vec<String> = (0..300).map(|number| format!("t/{}/{number}", number % 7)).collect();
    let files: Vec<_> = names.iter().enumerate().map(|(n, name)| (name.as_str(), n as u64 % 5)).collect();
    let sample = Sample::new(200, &files);
    sample.complete(root.path(), OPTIONS);
    sample.assert_complete(root.path());
}

/// How many files below the folder this process has open. Zero on a host without /proc.
fn open_files(root: &Path) -> usize {
    let links = fs::read_dir("/proc/self/fd").into_iter().flatten();
    let targets = links.filter_map(|link| fs::read_link(link.ok()?.path()).ok());
    targets.filter(|target| target.starts_with(root) && target.is_file()).count()
}

#[test]
fn ten_thousand_files_are_written_with_eight_open_at_once() {
    let root = TestFolder::new();
    let names: Vec<String> = (0..10_000).map(|number| format!("t/{}/{number}", number % 100)).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), 3)).collect();
    let sample = Sample::new(16, &files);
    let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
    for number in 0..sample.geometry.piece_count() {
        sample.write(&mut storage, [number * 101 % sample.geometry.piece_count()]);
        // One more while what was written some time ago is brought to the disk.
        assert!(open_files(&root.path().join("t")) <= 9);
    }
    storage.finish().unwrap();
    assert!(open_files(&root.path().join("t")) <= 8);
    sample.assert_complete(root.path());
}

#[test]
fn the_last_piece_of_five_gigabytes_takes_the_room_of_one_piece() {
    let root = TestFolder::new();
    let sample = Sample::mostly_zeros(1 << 20, 5 << 30);
    let (mut storage, _) = sample.open(root.path(), OPTIONS).unwrap();
    let last = sample.index(sample.geometry.piece_count() - 1);
    storage.write(last, &sample.piece(last)).unwrap();
    drop(storage);
    let file = fs::File::open(root.path().join("large")).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 5 << 30);
    let mut end = vec![0; 1 << 20];
    file.read_exact_at(&mut end, (5 << 30) - (1 << 20)).unwrap();
    assert!(end == sample.piece(last));
    if file.metadata().unwrap().blocks() * 512 < 1 << 30 {
        // The rest was never written. It does not count as good, and is not read either.
        let (_, good) = sample.open(root.path(), OPTIONS).unwrap();
        assert_eq!(numbers(&good), [last.get()]);
    } else {
        skip("this file system has no holes");
    }
}

#[test]
fn all_room_can_be_taken_in_advance() {
    let root = TestFolder::new();
    let sample = Sample::new(1000, &[("t/a", 3300), ("", 700), ("t/b", 200_000), ("t/none", 0)]);
    let (mut storage, _) = sample.open(root.path(), FULL).unwrap();
    let b = fs::metadata(root.path().join("t/b")).unwrap();
    assert_eq!(b.len(), 200_000);
    assert!(b.blocks() * 512 >= 200_000);
    sample.write(&mut storage, [1, 50]);
    drop(storage);
    let (_, good) = sample.open(root.path(), FULL).unwrap();
    assert_eq!(numbers(&good), [1, 50]);
    sample.complete(root.path(), FULL);
    sample.assert_complete(root.path());
}

#[test]
fn what_cannot_fit_is_refused_before_anything_is_created() {
    let root = TestFolder::new();
    let mut sample = Sample::mostly_zeros(16, 16);
    sample.files[0].length = 1 << 50;
    sample.geometry = Geometry::new(1 << 50, 1 << 30).unwrap();
    let out = root.path().join("out");
    let error = failure(sample.open(&out, FULL));
    assert_eq!(error.exit_code(), 9, "{error}");
    let said = error.to_string();
    assert!(said.contains("/out/large: 1 PiB are needed on /") && said.contains("iB are free"), "{said}");
    assert!(!out.exists());
    let (storage, _) = sample.open(&out, OPTIONS).unwrap();
    let needed = storage.room().unwrap().needed.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(needed, 1 << 50);
}

/// Runs the test below in a mount namespace of its own, with a disk of 256 KiB at `$FULL_DISK`.
#[test]
fn a_full_disk_keeps_what_was_verified() {
    let root = TestFolder::new();
    let script = r#"mount -t tmpfs -o size=256k tmpfs "$FULL_DISK" && echo mounted && exec "$0" --exact writing::inside_a_full_disk --nocapture"#;
    let namespace = if rustix::process::geteuid().is_root() { "-m" } else { "-rm" };
    let mut command = Command::new("unshare");
    command.args([namespace, "sh", "-c", script]).arg(std::env::current_exe().unwrap());
    match run(command.env("FULL_DISK", root.path())) {
        Ok(output) if String::from_utf8_lossy(&output.stdout).starts_with("mounted") => {
            assert!(output.status.success(), "{output:?}");
            assert!(String::from_utf8_lossy(&output.stdout).contains("the disk was full"), "{output:?}");
        }
        _ => skip("this host lets no user mount a small file system"),
    }
}

#[test]
fn inside_a_full_disk() {
    let Some(root) = std::env::var_os("FULL_DISK").map(PathBuf::from) else { return };
    let sample = Sample::new(16_384, &[("t/a", 100_000), ("t/b", 400_000)]);
    assert_eq!(failure(sample.open(&root, FULL)).exit_code(), 9);
    assert_eq!(fs::read_dir(&root).unwrap().count(), 0);

    let (mut storage, _) = sample.open(&root, OPTIONS).unwrap();
    let room = storage.room().unwrap();
    let counter = std::sync::Arc::clone(&room.needed);
    let needed = || counter.load(std::sync::atomic::Ordering::Relaxed);
    assert!(needed() == 500_000 && room.free <= 256 << 10 && room.place == root.canonicalize().unwrap());
    let mut written = Vec::new();
    let error = loop {
        let piece = sample.index(written.len() as u32);
        match storage.write(piece, &sample.piece(piece)) {
            Ok(()) => written.push(piece.get()),
            Err(error) => break error,
        }
    };
    assert_eq!(error.exit_code(), 9, "{error}");
    assert!(error.to_string().contains("t/b"), "{error}");
    assert_eq!(needed(), 500_000 - 16_384 * written.len() as u64);
    drop(storage);
    let (_, good) = sample.open(&root, OPTIONS).unwrap();
    assert!(!written.is_empty());
    assert_eq!(numbers(&good), written);
    println!("the disk was full");
}
