//! Payloads with odd names on file systems that take all of them, and on some that do not.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::metainfo::Metainfo;
use crate::metainfo::draft::{Content, Draft};
use crate::piece::{Bitfield, Geometry, PieceDigest, PieceIndex};
use crate::storage::fake_names::{self, on};
use crate::storage::{
    Check, NewFolder, Options, Payload, ServedPieces, Storage, StorageError, digests_of, examine,
};

/// Bytes in each file, but for those that are called empty. The pieces are shorter and cross their borders.
const LENGTH: u64 = 50;

/// A torrent with a file of each of these paths.
struct Sample {
    torrent: Arc<Metainfo>,
    geometry: Geometry,
}

impl Sample {
    fn new(name: &[u8], paths: &[&[u8]]) -> Sample {
        let length = |path: &[u8]| if path.starts_with(b"empty") { 0 } else { LENGTH };
        let total = paths.iter().map(|path| length(path)).sum();
        let geometry = Geometry::new(total, 16).unwrap();
        let draft = Draft {
            name: name.to_vec(),
            content: Content::Folder(paths.iter().map(|path| (path.to_vec(), length(path))).collect()),
            geometry,
            private: false,
            trackers: Vec::new(),
            web_seeds: Vec::new(),
            comment: None,
            date: None,
        };
        let digests = geometry
            .pieces()
            .flat_map(|piece| PieceDigest::sha1_of(&bytes(geometry, piece)).bytes().to_vec())
            .collect();
        Sample { torrent: Arc::new(Metainfo::parse(draft.encode(digests)).unwrap()), geometry }
    }

    fn with<T>(&self, act: impl FnOnce(&Payload<'_>) -> T) -> T {
        let digests = digests_of(&self.torrent);
        act(&Payload {
            name: &self.torrent.name,
            output_name: None,
            info_hash: self.torrent.info_hash,
            files: &self.torrent.files,
            geometry: self.geometry,
            digests: &digests,
            selection: None,
            cache: None,
        })
    }

    fn open(&self, root: &Path) -> Result<(Storage, Bitfield), StorageError> {
        self.with(|payload| Storage::open(root, payload, Options::default(), &|_, _| true))
    }

    fn write(&self, storage: &mut Storage, pieces: impl Iterator<Item = PieceIndex>) {
        for piece in pieces {
            storage.write(piece, &bytes(self.geometry, piece)).unwrap();
        }
    }

    /// Writes what is missing, the last piece first, as chance has it in a swarm.
    fn complete(&self, root: &Path) {
        let (mut storage, good) = self.open(root).unwrap();
        let mut missing: Vec<_> = self.geometry.pieces().filter(|piece| !good.has(*piece)).collect();
        missing.reverse();
        self.write(&mut storage, missing.into_iter());
        storage.finish().unwrap();
    }

    /// Everybody finds the whole payload.
    fn assert_found(&self, root: &Path) {
        assert!(self.open(root).unwrap().1.is_full());
        let examined = self.with(|payload| examine(root, payload, 8, &|_, _| true)).unwrap();
        assert!(examined.is_good(), "{:?}", examined.files);
        let served =
            self.with(|payload| ServedPieces::open(root, payload, 8, Check::Always, &|_, _| true)).unwrap();
        assert!(served.offered().is_full());
    }

    /// Puts the payload below the folder as another program does, with these paths.
    fn lay(&self, root: &Path, paths: &[&[u8]]) {
        for (file, path) in self.torrent.files.iter().zip(paths) {
            let path = root.join(OsStr::from_bytes(path));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, (file.offset..file.offset + file.length).map(byte).collect::<Vec<_>>()).unwrap();
        }
    }

    /// A download that is interrupted twice leaves these files, and all of it is found again.
    fn assert_written(&self, expected: &[&[u8]]) {
        // In one go, before the folder was there.
        let folder = NewFolder::somewhere();
        self.complete(&folder.0);
        assert_eq!(listing(&folder.0), expected.iter().map(|path| path.escape_ascii().to_string()).collect());
        let folder = NewFolder::somewhere();
        let root = folder.0.as_path();
        let count = self.geometry.piece_count();
        for part in [count / 3, count / 2] {
            let (mut storage, good) = self.open(root).unwrap();
            let missing: Vec<_> = self.geometry.pieces().filter(|piece| !good.has(*piece)).collect();
            self.write(&mut storage, missing.into_iter().rev().take(part as usize / 2));
        }
        self.complete(root);
        assert_eq!(listing(root), expected.iter().map(|path| path.escape_ascii().to_string()).collect());
        self.assert_found(root);
    }
}

fn byte(offset: u64) -> u8 {
    (offset.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

fn bytes(geometry: Geometry, piece: PieceIndex) -> Vec<u8> {
    let start = geometry.offset(piece);
    (start..start + u64::from(geometry.length(piece))).map(byte).collect()
}

/// The paths of all files below the folder.
fn listing(root: &Path) -> BTreeSet<String> {
    let (mut folders, mut seen) = (vec![PathBuf::new()], BTreeSet::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(path),
                false => assert!(seen.insert(path.as_os_str().as_bytes().escape_ascii().to_string())),
            }
        }
    }
    seen
}

/// Names that some file system or other does not take, or does not tell from another one.
const ODD: [&[u8]; 14] = [
    b"Vol. 1.",
    b"x ",
    b"...",
    b"aux.c",
    b"AC\\DC.mp3",
    b"a: b? \"<>|*",
    b"README",
    b"readme",
    b"Readme",
    b"caf\xe9",
    b"\xd6\xd0.txt",
    b"Sub?/x",
    b"Ab/x",
    b"ab",
];

#[test]
fn names_stay_as_they_are_on_a_disk_that_takes_them() {
    let sample = Sample::new(b"top. ", &ODD);
    sample.assert_written(&ODD.map(|path| [b"top. /", path].concat()).each_ref().map(Vec::as_slice));
}

#[test]
fn only_the_files_whose_names_are_refused_get_another_one() {
    on(fake_names::refuses_those_of_windows, || {
        Sample::new(b"what", &[b"a?", b"b", b"c.", b"d:/e", b"d:/f*", b"README", b"readme"]).assert_written(
            &[b"what/a_", b"what/b", b"what/c", b"what/d_/e", b"what/d_/f_", b"what/README", b"what/readme"],
        );
        // An empty file is created in the end.
        Sample::new(b"t", &[b"a", b"empty?", b"empty/sub*/x"]).assert_written(&[
            b"t/a",
            b"t/empty_",
            b"t/empty/sub_/x",
        ]);
        // The name of the marker is made of this one.
        Sample::new(b"a: b?", &[b"x", b"y:"]).assert_written(&[b"a_ b_/x", b"a_ b_/y_"]);
    });
    on(fake_names::refuses_what_is_no_text, || {
        let sample = Sample::new(b"t", &[b"caf\xe9", b"Vol. 1.", b"\xd6\xd0/x"]);
        sample.assert_written(&["t/caf\u{fffd}".as_bytes(), b"t/Vol. 1.", "t/\u{fffd}\u{fffd}/x".as_bytes()]);
    });
    on(fake_names::refuses_long_ones, || {
        let (long, short) = ([b'l'; 200], [b'l'; 143]);
        Sample::new(b"t", &[&long, b"s"]).assert_written(&[&[b"t/", &short[..]].concat(), b"t/s"]);
    });
}

#[test]
fn a_name_that_is_too_long_only_with_the_ending_of_what_is_not_whole_stays_as_it_is() {
    on(fake_names::refuses_long_ones, || {
        let long = [b'l'; 141];
        let (sample, folder) = (Sample::new(b"t", &[&long, b"s"]), NewFolder::somewhere());
        let parts = Options { parts: true, ..Options::default() };
        let open = |payload: &Payload<'_>| Storage::open(&folder.0, payload, parts, &|_, _| true);
        // The folder of the payload is not there yet, so nobody can see what it takes.
        let (mut storage, _) = sample.with(open).unwrap();
        sample.write(&mut storage, sample.geometry.pieces().take(1));
        assert!(listing(&folder.0).contains(&format!("t/{}", "l".repeat(141))));
        drop(storage);
        let (mut storage, good) = sample.with(open).unwrap();
        assert_eq!(good.count(), 1);
        sample.write(&mut storage, sample.geometry.pieces().skip(1));
        storage.finish().unwrap();
        drop(storage);
        sample.assert_found(&folder.0);
    });
}

#[test]
fn names_that_the_disk_does_not_tell_apart_get_a_number_in_whatever_order_they_come() {
    on(fake_names::folds, || {
        let names: [&[u8]; 5] = [b"README", b"readme", b"ab", b"Ab/x", b"Vol. 1."];
        Sample::new(b"t", &names).assert_written(&[
            b"t/readme",
            b"t/readme.1",
            b"t/ab.1",
            b"t/ab/x",
            b"t/vol. 1",
        ]);
        let names: [&[u8]; 4] = [b"a.", b"a", b"A ", b"Sub/y"];
        Sample::new(b"t", &names).assert_written(&[b"t/a", b"t/a.1", b"t/a.2", b"t/sub/y"]);
    });
}

#[test]
fn that_a_disk_does_not_tell_names_apart_is_seen_though_it_numbers_each_of_them() {
    let names: [&[u8]; 4] = [b"README", b"readme", b"empty", b"Empty"];
    fake_names::on_one_that_numbers_names(fake_names::folds, || {
        Sample::new(b"t", &names).assert_written(&[b"t/readme", b"t/readme.1", b"t/empty", b"t/empty.1"]);
    });
    // Where it does, two files may look alike.
    fake_names::on_one_that_numbers_names(fake_names::takes_all, || {
        let sample = Sample::new(b"t", &names);
        sample.assert_written(&[b"t/README", b"t/readme", b"t/empty", b"t/Empty"]);
        let folder = NewFolder::somewhere();
        sample.complete(&folder.0);
        let then = std::time::SystemTime::UNIX_EPOCH;
        for name in names {
            let path = folder.0.join("t").join(OsStr::from_bytes(name));
            fs::File::open(path).unwrap().set_modified(then).unwrap();
        }
        sample.assert_found(&folder.0);
    });
}

#[test]
fn what_other_programs_have_written_is_found_and_completed_in_place() {
    let paths: [&[u8]; 6] = [b"AC\\DC", b"caf\xe9.txt", b"li\nne", b"README", b"readme", b"plain"];
    let sample = Sample::new(b"t", &paths);
    for laid in [
        // Under their own names, as libtorrent writes them, and as the first versions of this program did.
        [&b"t/AC\\DC"[..], b"t/caf\xe9.txt", b"t/li\nne", b"t/README", b"t/readme", b"t/plain"],
        [b"t/ACDC", b"t/caf_xt", b"t/li_ne", b"t/README", b"t/readme.1", b"t/plain"],
        // As Transmission does.
        [b"t/AC_DC", "t/café.txt".as_bytes(), b"t/li_ne", b"t/README", b"t/readme", b"t/plain"],
        [b"t/AC_DC", "t/caf\u{fffd}.txt".as_bytes(), b"t/li_ne", b"t/README", b"t/readme.1", b"t/plain"],
    ] {
        let folder = NewFolder::somewhere();
        sample.lay(&folder.0, &laid);
        sample.assert_found(&folder.0);
        let before = listing(&folder.0);
        fs::remove_file(folder.0.join("t/plain")).unwrap();
        sample.complete(&folder.0);
        assert_eq!(listing(&folder.0), before);
    }
}

#[test]
fn a_folder_that_is_there_in_one_spelling_is_used() {
    let sample = Sample::new(b"top.", &[b"s?/a", b"s?/b:", b"c"]);
    let folder = NewFolder::somewhere();
    sample.lay(&folder.0, &[b"top/s_/a"]);
    sample.complete(&folder.0);
    let expected = ["top/s_/a", "top/s_/b_", "top/c"].map(str::to_owned);
    assert_eq!(listing(&folder.0), expected.into());
    sample.assert_found(&folder.0);
}

#[test]
fn a_spelling_of_another_program_is_never_another_file_of_the_torrent() {
    let sample = Sample::new(b"t", &[b"AC\\DC", b"ACDC"]);
    let folder = NewFolder::somewhere();
    sample.lay(&folder.0, &[b"t/AC\\DC", b"t/ACDC"]);
    fs::remove_file(folder.0.join("t/AC\\DC")).unwrap();
    sample.complete(&folder.0);
    sample.assert_found(&folder.0);
    sample.assert_written(&[b"t/AC\\DC", b"t/ACDC"]);
}

#[test]
fn a_file_of_the_user_with_the_name_of_another_program_is_let_be() {
    let sample = Sample::new(b"t", &[b"AC\\DC", b"x"]);
    let folder = NewFolder::somewhere();
    fs::create_dir_all(folder.0.join("t")).unwrap();
    fs::write(folder.0.join("t/ACDC"), "mine").unwrap();
    sample.complete(&folder.0);
    sample.assert_found(&folder.0);
    assert_eq!(fs::read(folder.0.join("t/ACDC")).unwrap(), b"mine");
}

#[test]
fn characters_that_attack_a_terminal_are_read_and_not_written() {
    let names = ["li\nne", "esc\u{1b}[2J", "r\u{202e}txt.exe", "f\u{85}/x"];
    let sample = Sample::new(b"t", &names.map(str::as_bytes));
    sample.assert_written(&[b"t/li_ne", b"t/esc_[2J", b"t/r_txt.exe", b"t/f_/x"]);
    let folder = NewFolder::somewhere();
    let own = names.map(|name| format!("t/{name}"));
    sample.lay(&folder.0, &own.each_ref().map(|path| path.as_bytes()));
    sample.assert_found(&folder.0);
}
