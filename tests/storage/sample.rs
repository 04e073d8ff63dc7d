//! A made-up payload, and the storage of it that the tests write, examine and find again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::programs::while_none_runs;
use crate::support::folder::TestFolder;
use femtotorrent::metainfo::{File, InfoHash};
use femtotorrent::piece::{Bitfield, Geometry, PieceDigest, PieceIndex};
use femtotorrent::storage::{
    Allocate, Check, Digests, Examined, Existing, FileState, Finished, Options, Payload, Selection, Storage,
    StorageError, examine,
};

/// A payload that is made up from its layout: each byte is a function of its position.
pub struct Sample {
    pub name: String,
    pub files: Vec<File>,
    pub geometry: Geometry,
    pub digests: Vec<PieceDigest>,
    pub selection: Option<Selection>,
    pub output_name: Option<String>,
    pub cache: Option<PathBuf>,
}

pub const OPTIONS: Options = Options {
    allocate: Allocate::Sparse,
    existing: Existing::Keep,
    open_files: 8,
    check: Check::Changed,
    parts: false,
};
pub const CONTINUE: Options = Options { existing: Existing::Continue, ..OPTIONS };
pub const PARTS: Options = Options { parts: true, ..OPTIONS };
pub const OVERWRITE: Options = Options { existing: Existing::Overwrite, ..OPTIONS };
pub const FULL: Options = Options { allocate: Allocate::Full, ..OPTIONS };

impl Sample {
    /// Files with these paths and lengths; an empty path means padding.
    pub fn new(piece_length: u32, files: &[(&str, u64)]) -> Sample {
        let mut offset = 0;
        let mut list = Vec::new();
        for (path, length) in files {
            let padding = path.is_empty();
            let path = if padding { format!(".pad/{length}") } else { (*path).to_owned() };
            list.push(File { path: path.into(), offset, length: *length, padding });
            offset += length;
        }
        let geometry = Geometry::new(offset, piece_length).unwrap();
        let name = files[0].0.split('/').next().unwrap().to_owned();
        let mut sample = Sample {
            name,
            files: list,
            geometry,
            digests: Vec::new(),
            selection: None,
            output_name: None,
            cache: None,
        };
        let digests = geometry.pieces().map(|piece| PieceDigest::sha1_of(&sample.piece(piece))).collect();
        sample.digests = digests;
        sample
    }

    /// A payload of which only the last piece has its true digest, so that it takes no time to make the
    /// digests.
    pub fn mostly_zeros(piece_length: u32, length: u64) -> Sample {
        let files = vec![File { path: "large".into(), offset: 0, length, padding: false }];
        let geometry = Geometry::new(length, piece_length).unwrap();
        let mut sample = Sample {
            name: "large".into(),
            files,
            geometry,
            digests: Vec::new(),
            selection: None,
            output_name: None,
            cache: None,
        };
        let last = geometry.pieces().next_back().unwrap();
        sample.digests = vec![PieceDigest::Sha1([7; 20]); geometry.piece_count() as usize];
        sample.digests[last.slot()] = PieceDigest::sha1_of(&sample.piece(last));
        sample
    }

    pub fn piece(&self, piece: PieceIndex) -> Vec<u8> {
        let start = self.geometry.offset(piece);
        let mut bytes: Vec<u8> = (start..start + u64::from(self.geometry.length(piece))).map(byte).collect();
        for file in self.files.iter().filter(|file| file.padding) {
            for offset in file.offset.max(start)..(file.offset + file.length).min(start + bytes.len() as u64)
            {
                bytes[(offset - start) as usize] = 0;
            }
        }
        bytes
    }

    pub fn content(&self, file: &File) -> Vec<u8> {
        (file.offset..file.offset + file.length).map(byte).collect()
    }

    pub fn index(&self, number: u32) -> PieceIndex {
        self.geometry.piece(number).unwrap()
    }

    pub fn open(&self, root: &Path, options: Options) -> Result<(Storage, Bitfield), StorageError> {
        self.open_watched(root, options, &|_, _| true)
    }

    pub fn open_watched(
        &self,
        root: &Path,
        options: Options,
        watch: &(dyn Fn(u64, u64) -> bool + Sync),
    ) -> Result<(Storage, Bitfield), StorageError> {
        while_none_runs(|| Storage::open(root, &self.payload(&self.digests()), options, watch))
    }

    pub fn examine(&self, root: &Path) -> Result<Examined, StorageError> {
        examine(root, &self.payload(&self.digests()), 8, &|_, _| true)
    }

    pub fn digests(&self) -> Digests {
        let digests = self.digests.clone();
        Arc::new(move |piece| digests[piece.slot()])
    }

    pub fn payload<'a>(&'a self, digests: &'a Digests) -> Payload<'a> {
        Payload {
            name: &self.name,
            output_name: self.output_name.as_deref(),
            info_hash: InfoHash([0xab; 20]),
            files: &self.files,
            geometry: self.geometry,
            digests,
            selection: self.selection.as_ref(),
            cache: self.cache.as_deref(),
        }
    }

    /// From now on, only these files are to be fetched.
    pub fn select(&mut self, numbers: &[u32]) {
        let numbers: Vec<_> = numbers.iter().map(|number| *number..=*number).collect();
        self.selection = Selection::new(&numbers, &self.files, self.geometry);
    }

    pub fn write(&self, storage: &mut Storage, numbers: impl IntoIterator<Item = u32>) {
        for number in numbers {
            let piece = self.index(number);
            storage.write(piece, &self.piece(piece)).unwrap();
        }
    }

    /// Writes what is missing and finishes.
    pub fn complete(&self, root: &Path, options: Options) {
        let (mut storage, good) = self.open(root, options).unwrap();
        let wanted = |piece| self.selection.as_ref().is_none_or(|part| part.pieces().has(piece));
        let missing = |number: &u32| wanted(self.index(*number)) && !good.has(self.index(*number));
        self.write(&mut storage, (0..self.geometry.piece_count()).filter(missing));
        assert_eq!(storage.finish().unwrap(), Finished::Durable);
    }

    pub fn assert_complete(&self, root: &Path) {
        for file in self.files.iter().filter(|file| !file.padding) {
            let there = fs::read(root.join(&file.path)).unwrap();
            assert!(there == self.content(file), "{} differs", file.path.display());
        }
        assert_eq!(markers(root), Vec::<PathBuf>::new());
    }

    pub fn marker(&self, root: &Path) -> PathBuf {
        root.join(format!(".{}.abababab.femtotorrent", self.name))
    }

    pub fn resume_file(&self, root: &Path) -> PathBuf {
        let mut name = self.marker(root).into_os_string();
        name.push("-resume");
        name.into()
    }

    /// Ten pieces in three files: a has 0 to 3, b 3 to 6, c 6 to 9.
    pub fn three_files() -> Sample {
        Sample::new(1000, &[("t/a", 3300), ("t/b", 3300), ("t/c", 3300)])
    }

    /// A download that ended after it had written these pieces.
    pub fn interrupted(&self, pieces: &[u32]) -> TestFolder {
        let root = TestFolder::new();
        let (mut storage, _) = self.open(root.path(), OPTIONS).unwrap();
        self.write(&mut storage, pieces.iter().copied());
        root
    }
}

pub fn byte(offset: u64) -> u8 {
    (offset.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

pub fn markers(root: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.to_string_lossy().ends_with(".femtotorrent")).collect()
}

pub fn numbers(pieces: &Bitfield) -> Vec<u32> {
    let geometry = Geometry::new(pieces.length().into(), 1).unwrap();
    geometry.pieces().filter(|piece| pieces.has(*piece)).map(PieceIndex::get).collect()
}

pub fn failure(result: Result<(Storage, Bitfield), StorageError>) -> StorageError {
    match result {
        Ok(_) => panic!("this must not be opened"),
        Err(error) => error,
    }
}

pub fn assert_foreign(result: Result<(Storage, Bitfield), StorageError>, names: &[&str]) {
    let error = failure(result);
    assert_eq!(error.exit_code(), 13, "{error}");
    let StorageError::Exists { files, count, .. } = &error else { panic!("{error:?}") };
    assert_eq!(*count, names.len(), "{error}");
    for (file, name) in files.iter().zip(names) {
        assert!(file.path.ends_with(name), "{error}");
    }
}

/// The state of each file.
pub fn states(examined: &Examined) -> Vec<FileState> {
    examined.files.iter().map(|file| file.state).collect()
}
