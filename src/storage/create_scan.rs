//! The files that a new torrent is made of, those of a folder or one file, and their digests.
//!
//! Runs on the thread that calls it, the hashing on those of `hashing`. Below the folder no symbolic link is
//! followed. Nothing is left out silently: what a torrent cannot hold is either an error or is listed in
//! [`Gathered::left_out`]. It never writes.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::error::{Action, StorageError};
use super::finding::find_files;
use super::folder::{FileSearch, FileStat, FolderEntry, RootFolder, identity};
use super::hashing::{self, Watch};
use super::layout::Layout;
use super::marker::Marker;
use crate::metainfo::{self, MAX_ALL_PATHS_BYTES, MAX_PATH_BYTES};
use crate::piece::{Bitfield, Geometry, PieceDigest, PieceIndex};
use crate::thread::lock;

/// The files that a torrent is to hold, as they were when they were gathered.
pub struct Gathered {
    /// The last element of the path that the user gave. Like the names below it, it may be in any encoding.
    pub name: OsString,
    /// Whether it is a folder. Otherwise it is one file, and its torrent has no list of files.
    pub is_folder: bool,
    /// What is below the folder and will not be in the torrent, and what it is: symbolic links, devices,
    /// pipes and sockets, empty folders, and the file that the caller wanted left out.
    pub left_out: Vec<(PathBuf, &'static str)>,
    folder: RootFolder,
    files: Vec<(OsString, FileStat)>,
    total_size: u64,
}

/// Gathers what is at `path`: a file or a folder, which may be a symbolic link itself. The file at `without`
/// is left out: it is the torrent that will be replaced.
///
/// # Errors
///
/// What cannot be opened or read, [`StorageError::Unfit`] for what no torrent can say, such as a payload of no
/// bytes.
pub fn gather(path: &Path, without: &Path) -> Result<Gathered, StorageError> {
    let opened = |source| StorageError::from_io(Action::Open, path.to_owned(), source);
    let whole = std::fs::canonicalize(path).map_err(opened)?;
    let name = name(path)?;
    let without = identity(without);
    let gathered = if whole.is_dir() {
        let folder = RootFolder::open(path).map_err(opened)?;
        let folder = folder.ok_or_else(|| opened(std::io::ErrorKind::NotFound.into()))?;
        let mut walk =
            Walk { folder: &folder, without, files: Vec::new(), left_out: Vec::new(), path_bytes: 0 };
        walk.run()?;
        let Walk { mut files, left_out, .. } = walk;
        files.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let total_size = total_size(path, &files)?;
        Gathered { name, is_folder: true, left_out, folder, files, total_size }
    } else {
        let parent = whole.parent().ok_or(unfit(path, NO_NAME))?;
        let file = whole.file_name().ok_or(unfit(path, NO_NAME))?;
        let folder = RootFolder::open(parent).map_err(opened)?;
        let found = match &folder {
            Some(folder) => FileSearch::new(folder).find(Path::new(file)).map_err(opened)?,
            None => None,
        };
        let (Some(folder), Some(found)) = (folder, found) else {
            return Err(opened(std::io::ErrorKind::NotFound.into()));
        };
        if without == Some(found.identity) {
            return Err(unfit(path, "the torrent itself would be written over it"));
        }
        if Marker::is_marker(Path::new(&name)) {
            return Err(unfit(path, "its name is reserved for unfinished downloads"));
        }
        let files = vec![(file.to_owned(), found)];
        Gathered { name, is_folder: false, left_out: Vec::new(), folder, files, total_size: found.length }
    };
    if gathered.total_size == 0 { Err(unfit(path, "it is empty")) } else { Ok(gathered) }
}

/// The name for a torrent of what is at `path`. If it is a link, its own name counts, and not that of its
/// target.
///
/// # Errors
///
/// Nothing is there, or it has no name.
pub fn name(path: &Path) -> Result<OsString, StorageError> {
    let whole = std::fs::canonicalize(path);
    let whole = whole.map_err(|source| StorageError::from_io(Action::Open, path.to_owned(), source))?;
    // Neither `.` nor `..` has a name of its own.
    path.file_name().or(whole.file_name()).map(OsStr::to_owned).ok_or(unfit(path, NO_NAME))
}

const NO_NAME: &str = "it has no name (give a folder that a torrent can be named after)";

fn unfit(path: &Path, fault: &'static str) -> StorageError {
    StorageError::Unfit { path: path.to_owned(), fault }
}

fn total_size(path: &Path, files: &[(OsString, FileStat)]) -> Result<u64, StorageError> {
    let add = |sum: u64, (_, found): &(OsString, FileStat)| sum.checked_add(found.length);
    files.iter().try_fold(0, add).ok_or(unfit(path, "its files are larger than any torrent"))
}

impl Gathered {
    /// The path and the length in bytes of each file. The paths have `/` between their elements, and are in
    /// the order of their bytes. A single file has its name on the disk here.
    pub fn files(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.files.iter().map(|(path, found)| (path.as_bytes(), found.length))
    }

    /// Bytes in all files together, never 0.
    pub fn total_size(&self) -> u64 {
        self.total_size
    }

    /// The digests of all pieces, one after the other, hashed with at most `open_files` open files. `watch`
    /// is told of the progress and may stop it.
    ///
    /// # Errors
    ///
    /// What cannot be opened or read, [`StorageError::Changed`] if a file is not what it was when it was
    /// gathered, [`StorageError::Cancelled`] if `watch` says so, and [`StorageError::Layout`] if `geometry`
    /// is for a different size.
    pub fn digests(
        &self,
        geometry: Geometry,
        open_files: usize,
        watch: &Watch<'_>,
    ) -> Result<Vec<u8>, StorageError> {
        let mut offset = 0_u64;
        let file = |(path, found): &(OsString, FileStat)| {
            let start = offset;
            offset = offset.saturating_add(found.length);
            metainfo::File { path: path.into(), offset: start, length: found.length, padding: false }
        };
        let files: Vec<_> = self.files.iter().map(file).collect();
        let layout = Layout::new(&files, geometry).ok_or(StorageError::Layout)?;
        drop(files);
        let digests = Mutex::new(vec![0; geometry.piece_count() as usize * PieceDigest::LENGTH]);
        let on_digest = |piece: PieceIndex, digest: Option<PieceDigest>| {
            let mut digests = lock(&digests);
            let slot = digests.as_chunks_mut().0.get_mut(piece.slot());
            // A file that is shorter now has changed. The check below finds that out.
            if let (Some(slot), Some(PieceDigest::Sha1(digest))) = (slot, digest) {
                *slot = digest;
            }
        };
        let all = Bitfield::all(geometry.piece_count());
        hashing::hash(&self.folder, &layout, &all, &on_digest, open_files, watch)?;
        self.check_unchanged(&layout)?;
        Ok(digests.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes sure that no file has changed. A different length, time of change or inode means that it has,
    /// and then there is no torrent.
    fn check_unchanged(&self, layout: &Layout) -> Result<(), StorageError> {
        let found = find_files(&self.folder, layout)?;
        let is_as_before = |before: &FileStat, now: &Option<FileStat>| {
            let form = |found: &FileStat| (found.length, found.modified, found.identity);
            now.as_ref().is_some_and(|now| form(now) == form(before))
        };
        let mut pairs = self.files.iter().zip(&found);
        match pairs.find(|((_, before), now)| !is_as_before(before, now)) {
            Some(((path, _), _)) => Err(StorageError::Changed { path: self.folder.join(Path::new(path)) }),
            None => Ok(()),
        }
    }
}

/// A walk through a folder and all below it.
struct Walk<'a> {
    folder: &'a RootFolder,
    without: Option<(u64, u64)>,
    files: Vec<(OsString, FileStat)>,
    left_out: Vec<(PathBuf, &'static str)>,
    path_bytes: usize,
}

impl Walk<'_> {
    fn run(&mut self) -> Result<(), StorageError> {
        let folder = self.folder;
        // The depth of the folders grows this list, and not the call stack.
        let mut left = vec![PathBuf::new()];
        while let Some(below) = left.pop() {
            let mut is_empty = true;
            folder.list(&below, &mut |name, node| {
                let path = below.join(name);
                self.count(&path)?;
                is_empty = false;
                match node {
                    FolderEntry::Folder => left.push(path),
                    FolderEntry::File(found) if self.without != Some(found.identity) => {
                        self.files.push((path.into_os_string(), found));
                    }
                    FolderEntry::File(_) => self.leave_out(&path, "the torrent itself"),
                    FolderEntry::Link => self.leave_out(&path, "a symbolic link"),
                    FolderEntry::Other => self.leave_out(&path, "a device, a pipe or a socket"),
                }
                Ok(())
            })?;
            if is_empty {
                self.leave_out(&below, "an empty folder");
            }
        }
        Ok(())
    }

    fn leave_out(&mut self, path: &Path, what: &'static str) {
        self.left_out.push((self.folder.join(path), what));
    }

    fn count(&mut self, path: &Path) -> Result<(), StorageError> {
        let length = path.as_os_str().len();
        self.path_bytes = self.path_bytes.saturating_add(length);
        if length > MAX_PATH_BYTES {
            return Err(unfit(&self.folder.join(path), "its path is longer than any system allows"));
        }
        if self.path_bytes > MAX_ALL_PATHS_BYTES {
            return Err(unfit(self.folder.path(), "its files have paths of more than 64 MiB together"));
        }
        Ok(())
    }
}
