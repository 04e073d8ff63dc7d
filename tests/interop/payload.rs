//! Payloads to share, the torrents that foreign programs make of them, and their comparison.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::folder::TestFolder;

const MIB: u64 = 1024 * 1024;

/// A payload on disk and its torrent.
pub struct Payload {
    folder: TestFolder,
    name: &'static str,
    piece_length: u64,
    /// The link to it, if it is not by its info-hash of version 1.
    link: Option<String>,
}

impl Payload {
    /// One file of unrelated bytes, its last piece short.
    pub fn single(length: u64) -> Self {
        let payload =
            Self { folder: TestFolder::new(), name: "single.bin", piece_length: MIB / 4, link: None };
        fs::create_dir(payload.complete()).unwrap();
        write_noise(&payload.content(), length);
        payload.torrent_by_transmission(None)
    }

    /// The same, for a tracker.
    pub fn single_announced(length: u64, announce: &str) -> Self {
        Self::single(length).torrent_by_transmission(Some(announce))
    }

    /// A hundred files in nested folders, among them empty ones and ones much smaller than a piece,
    /// so that most pieces cross files.
    pub fn hundred_files() -> Self {
        let payload = Self { folder: TestFolder::new(), name: "hundred", piece_length: MIB / 16, link: None };
        for number in 0..100_u64 {
            let folder =
                payload.content().join(format!("shelf {}", number % 7)).join(format!("{}", number % 3));
            fs::create_dir_all(&folder).unwrap();
            let length = if number % 25 == 0 { 0 } else { number * number * 37 % 150_001 };
            write_noise(&folder.join(format!("{number}.bin")), length);
        }
        payload.torrent_by_libtorrent("1")
    }

    /// A few files in folders, one of them of so many pieces that their digests need several messages, in a torrent of this
    /// version: 2 or hybrid. Its link is by the info-hash of version 2.
    pub fn version_two(version: &str) -> Self {
        let payload = Self { folder: TestFolder::new(), name: "two", piece_length: MIB / 32, link: None };
        // Of the first one 513 digests are asked for: 512, and one alone.
        let files =
            [("a/large.bin", 16 * MIB + 5), ("a/empty", 0), ("b", 16_384), ("c.bin", 100_000), ("d", 1)];
        for (name, length) in files {
            let path = payload.content().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            write_noise(&path, length);
        }
        payload.torrent_by_libtorrent(version)
    }

    /// Files whose names some systems or programs do not take, in a torrent that we make.
    pub fn odd_names() -> Self {
        let payload = Self { folder: TestFolder::new(), name: "Vol. 1.", piece_length: MIB / 64, link: None };
        let names: [&[u8]; 16] = [
            b"README",
            b"readme",
            b"aux.c",
            b"AC\\DC.mp3",
            b"a: b? \"<>|*",
            b"caf\xe9.txt",
            b"\xd6\xd0\xce\xc4.txt",
            b"\x83\x65\x83\x58\x83\x67.txt",
            b"new\nline",
            "nel\u{85}".as_bytes(),
            "mark\u{200e}".as_bytes(),
            "separator\u{2028}".as_bytes(),
            "family \u{1f468}\u{200d}\u{1f469}".as_bytes(),
            b"dots...",
            b"blank ",
            b"Sub?/nul",
        ];
        for (length, name) in (40_000..).zip(names) {
            let path = payload.content().join(OsStr::from_bytes(name));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            write_noise(&path, length);
        }
        let mut create = Command::new(env!("CARGO_BIN_EXE_femtotorrent"));
        create.args(["create", "--no-config"]).arg(payload.content()).arg("-o").arg(payload.torrent());
        output_of(&mut create);
        payload
    }

    /// A little over 5 GiB with islands of data in it, so that offsets pass 32 bits while only the
    /// receiver's copy takes space on the disk.
    pub fn five_gibibytes() -> Self {
        let payload =
            Self { folder: TestFolder::new(), name: "sparse.bin", piece_length: 4 * MIB, link: None };
        fs::create_dir(payload.complete()).unwrap();
        let length = 5 * 1024 * MIB + 12_345;
        let file = File::create(payload.content()).unwrap();
        file.set_len(length).unwrap();
        let mut noise = fastrand::Rng::with_seed(5);
        let mut island = vec![0; 64 * 1024];
        for begin in (0..length - 64 * 1024).step_by(usize::try_from(37 * MIB).unwrap()) {
            noise.fill(&mut island);
            file.write_all_at(&island, begin).unwrap();
        }
        payload.torrent_by_transmission(None)
    }

    /// The folder that holds the whole payload.
    pub fn complete(&self) -> PathBuf {
        self.folder.path().join("complete")
    }

    /// The file or folder that the torrent names.
    pub fn content(&self) -> PathBuf {
        self.complete().join(self.name)
    }

    /// Where a single-file payload may stand in this folder: Transmission names what is not complete
    /// otherwise.
    pub fn copies_in(&self, folder: &Path) -> [PathBuf; 2] {
        [folder.join(self.name), folder.join(format!("{}.part", self.name))]
    }

    /// The torrent's name.
    pub fn name(&self) -> &str {
        self.name
    }

    /// Bytes in every piece but the last.
    pub fn piece_length(&self) -> u64 {
        self.piece_length
    }

    /// The torrent.
    pub fn torrent(&self) -> PathBuf {
        self.folder.path().join("payload.torrent")
    }

    /// The info-hash as 40 hexadecimal digits, in Transmission's opinion.
    pub fn info_hash(&self) -> String {
        let shown = output_of(Command::new("transmission-show").arg(self.torrent()));
        let line = shown.lines().find_map(|line| line.trim().strip_prefix("Hash: "));
        line.expect("transmission-show names the hash").to_owned()
    }

    /// The link to it, without a tracker.
    pub fn magnet(&self) -> String {
        self.link.clone().unwrap_or_else(|| format!("magnet:?xt=urn:btih:{}", self.info_hash()))
    }

    /// Makes a folder with every third piece of a single-file payload, from piece `first` on, and
    /// holes for the rest.
    pub fn every_third_piece(&self, first: u64) -> PathBuf {
        let folder = self.folder.path().join(format!("third-{first}"));
        fs::create_dir(&folder).unwrap();
        let mut whole = File::open(self.content()).unwrap();
        let length = whole.metadata().unwrap().len();
        let mut part = File::create(folder.join(self.name)).unwrap();
        part.set_len(length).unwrap();
        for piece in (first..length.div_ceil(self.piece_length)).step_by(3) {
            let begin = SeekFrom::Start(piece * self.piece_length);
            whole.seek(begin).unwrap();
            part.seek(begin).unwrap();
            std::io::copy(&mut (&whole).take(self.piece_length), &mut part).unwrap();
        }
        folder
    }

    /// Fails unless `output` holds this payload, byte for byte, and nothing else.
    pub fn assert_identical(&self, output: &Path) {
        let expected = files_below(&self.complete());
        assert_eq!(expected, files_below(output), "the files in the output folder");
        for path in expected {
            assert_same_bytes(&self.complete().join(&path), &output.join(&path));
        }
    }

    fn torrent_by_transmission(self, announce: Option<&str>) -> Self {
        let mut make = Command::new("transmission-create");
        make.arg("-s").arg((self.piece_length / 1024).to_string()).arg("-o").arg(self.torrent());
        make.args(announce.iter().flat_map(|url| ["-t", url])).arg(self.content());
        output_of(&mut make);
        self
    }

    fn torrent_by_libtorrent(mut self, version: &str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/libtorrent_make.py");
        let mut make = Command::new("python3");
        make.arg(script).arg(self.content()).arg(self.piece_length.to_string()).arg(self.torrent());
        let printed = output_of(make.arg(version));
        self.link =
            printed.trim().strip_prefix("btmh ").map(|hash| format!("magnet:?xt=urn:btmh:1220{hash}"));
        self
    }
}

fn write_noise(path: &Path, length: u64) {
    let mut noise = fastrand::Rng::with_seed(length);
    let mut bytes = vec![0; usize::try_from(length).unwrap()];
    noise.fill(&mut bytes);
    File::create(path).unwrap().write_all(&bytes).unwrap();
}

fn output_of(command: &mut Command) -> String {
    let done = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    assert!(done.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// The paths of all files below a folder, relative to it, in order.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    let mut relative: Vec<_> =
        found.iter().map(|path| path.strip_prefix(folder).unwrap().to_owned()).collect();
    relative.sort();
    relative
}

fn assert_same_bytes(left: &Path, right: &Path) {
    let (mut one, mut other) = (File::open(left).unwrap(), File::open(right).unwrap());
    let mut remaining = one.metadata().unwrap().len();
    assert_eq!(remaining, other.metadata().unwrap().len(), "the length of {}", right.display());
    let (mut here, mut there) = (vec![0; 4 * 1024 * 1024], vec![0; 4 * 1024 * 1024]);
    while remaining > 0 {
        let length = usize::try_from(remaining).map_or(here.len(), |rest| rest.min(here.len()));
        one.read_exact(&mut here[..length]).unwrap();
        other.read_exact(&mut there[..length]).unwrap();
        assert!(
            here[..length] == there[..length],
            "{} differs, {remaining} bytes from its end",
            right.display()
        );
        remaining -= u64::try_from(length).unwrap();
    }
}
