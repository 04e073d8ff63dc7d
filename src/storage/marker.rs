//! The marker: a file beside an unfinished download that says which torrent it is of.
//!
//! As long as a download is not finished, there is a small file beside it in the output folder:
//! `.NAME.HASH.femtotorrent`, where HASH is the first eight digits of the info-hash. It is written before the
//! first byte of the payload, and removed after the last byte is safe on the disk. If there is a marker,
//! pieces that do not verify are our own unfinished work and are downloaded again without asking. If there is
//! none, `claim` decides.
//!
//! The marker is text, and anyone may have written it. So only a bounded length of it is read, and it is
//! believed only if it is complete and has the whole info-hash. It is locked during a run, so that two runs
//! of one command do not write into the same files: the second one is refused.
//!
//! It also remembers (`keep NUMBER LENGTH`) how many bytes at the start of a file belong to the user: the
//! guarded bytes of `claim`, and after a run that fetched some files only, those files with their whole
//! length. A later run may not change a byte of them unasked. One that was removed meanwhile is not kept
//! any more.

use crate::metainfo::{InfoHash, portable_name};
use crate::net::too_many_files;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::claim::Guards;
use super::error::{Action, StorageError};
use super::folder::{Access, RootFolder};
use super::patience::patiently;

const FIRST_LINE: &str = "An unfinished download: run the same femtotorrent command again to go on.";
const HASH: &str = "info-hash ";
const GUARD: &str = "keep ";
const LAST_LINE: &str = "end";
/// How a marker's name ends.
const ENDING: &str = ".femtotorrent";
/// Bytes of the torrent's name in the marker's name. With all the rest, that stays below 143, the limit of
/// the file system with the shortest names.
const NAME_BYTES: usize = 100;
/// Bytes in a line about one file: two numbers of 20 digits, the word and the spaces.
const GUARD_BYTES: usize = 48;

/// The marker of one download, and our lock on it.
pub(super) struct Marker {
    path: PathBuf,
    info_hash: String,
    /// The open marker, which holds the lock.
    file: Option<File>,
}

impl Marker {
    /// The marker of this torrent; it may not exist yet.
    pub fn new(name: &str, info_hash: InfoHash) -> Marker {
        let info_hash = info_hash.to_string();
        // Of the names that a disk refuses, that of the marker would be the first.
        let name = portable_name(name);
        let mut length = name.len().min(NAME_BYTES);
        while !name.is_char_boundary(length) {
            length -= 1;
        }
        let (name, short) = (name.get(..length).unwrap_or_default(), info_hash.get(..8).unwrap_or_default());
        Marker { path: format!(".{name}.{short}{ENDING}").into(), info_hash, file: None }
    }

    /// Whether a file of a torrent has a name that the marker of some download could have.
    pub fn is_marker(path: &Path) -> bool {
        let alone = path.components().count() == 1;
        let name = path.as_os_str().as_encoded_bytes();
        alone && name.starts_with(b".") && name.ends_with(ENDING.as_bytes())
    }

    /// Reads and locks the marker. `None` if there is no marker, or none of this torrent with `files` files.
    ///
    /// # Errors
    ///
    /// [`StorageError::Busy`] if another process holds it.
    pub fn read(&mut self, folder: &RootFolder, files: usize) -> Result<Option<Guards>, StorageError> {
        // If it is not an ordinary file, or cannot be opened, we cannot have written it.
        let mut file = match patiently(|| folder.open_file(&self.path, Access::Read)) {
            Ok(file) => file,
            Err(error) if too_many_files(&error) => {
                return Err(StorageError::from_io(Action::Open, folder.join(&self.path), error));
            }
            Err(_) => return Ok(None),
        };
        self.lock(folder, &file)?;
        let bound = files.saturating_mul(GUARD_BYTES).saturating_add(256);
        let mut text = String::new();
        let read = (&mut file).take(bound as u64).read_to_string(&mut text);
        self.file = Some(file);
        Ok(read.ok().and_then(|_| self.parse(&text, files)))
    }

    /// Writes the marker and syncs it to the disk, so that not even a power failure leaves a download of ours
    /// without it.
    pub fn write(&mut self, folder: &RootFolder, guards: &Guards) -> Result<(), StorageError> {
        let failed = |action| {
            let path = folder.join(&self.path);
            move |error: io::Error| StorageError::from_io(action, path, error)
        };
        let mut file = match patiently(|| folder.open_file(&self.path, Access::Create)) {
            Ok(file) => {
                self.lock(folder, &file)?;
                file
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                patiently(|| folder.open_file(&self.path, Access::Write)).map_err(failed(Action::Open))?
            }
            Err(error) => return Err(failed(Action::Create)(error)),
        };
        let mut text = format!("{FIRST_LINE}\n{HASH}{}\n", self.info_hash);
        for (number, length) in guards {
            let _ = writeln!(text, "{GUARD}{number} {length}");
        }
        let _ = writeln!(text, "{LAST_LINE}");
        let written =
            file.set_len(0).and_then(|()| file.write_all(text.as_bytes())).and_then(|()| file.sync_all());
        written.map_err(failed(Action::Write))?;
        // The lock belongs to the file as it was opened first: that one has to stay open.
        self.file.get_or_insert(file);
        Ok(())
    }

    /// Removes the marker, if there is one.
    pub fn remove(&mut self, folder: &RootFolder) -> Result<(), StorageError> {
        self.file = None;
        match folder.remove(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StorageError::from_io(Action::Remove, folder.join(&self.path), error))
            }
            _ => Ok(()),
        }
    }

    fn lock(&self, folder: &RootFolder, file: &File) -> Result<(), StorageError> {
        match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => Err(StorageError::Busy { path: folder.join(&self.path) }),
            // A file system without locks is no reason not to download.
            _ => Ok(()),
        }
    }

    fn parse(&self, text: &str, files: usize) -> Option<Guards> {
        let mut lines = text.lines();
        lines.next()?;
        if lines.next()?.strip_prefix(HASH)? != self.info_hash {
            return None;
        }
        let mut guards = Guards::new();
        for line in lines {
            if line == LAST_LINE {
                return Some(guards);
            }
            let (number, length) = line.strip_prefix(GUARD)?.split_once(' ')?;
            let number = number.parse().ok().filter(|number| *number < files)?;
            guards.insert(number, length.parse().ok()?);
        }
        // Without its last line, the marker was never written in full, and no payload was written after it.
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_complete_marker_of_the_same_torrent_is_believed() {
        let marker = Marker::new("debian.iso", InfoHash([0xab; 20]));
        let hash = "ab".repeat(20);
        let text = format!("any line\ninfo-hash {hash}\nkeep 3 17\nkeep 0 1\nend\n");
        assert_eq!(marker.parse(&text, 4), Some(Guards::from([(0, 1), (3, 17)])));
        assert_eq!(marker.parse(&text, 3), None);
        for length in 0..text.len() - 1 {
            assert_eq!(marker.parse(&text[..length], 4), None, "{length}");
        }
        assert_eq!(marker.parse(&text.replace("ab", "ac"), 4), None);
        assert_eq!(marker.parse(&text.replace("17", "-17"), 4), None);
        assert_eq!(marker.parse(&text.replace("17", "99999999999999999999999"), 4), None);
    }

    #[test]
    fn the_name_is_short_and_says_what_it_belongs_to() {
        let marker = Marker::new("debian.iso", InfoHash([0xab; 20]));
        assert_eq!(marker.path, Path::new(".debian.iso.abababab.femtotorrent"));
        let long = Marker::new(&"é".repeat(200), InfoHash([0; 20]));
        assert!(long.path.as_os_str().len() <= 143);
    }

    #[test]
    fn a_name_that_a_marker_could_have_is_recognised() {
        assert!(Marker::is_marker(Path::new(".debian.iso.abababab.femtotorrent")));
        assert!(!Marker::is_marker(Path::new("folder/.debian.iso.abababab.femtotorrent")));
        assert!(!Marker::is_marker(Path::new("about.femtotorrent")));
    }
}
