//! The marker: a file beside an unfinished download that says which torrent it is of.
//!
//! As long as a download is not finished, there is a small file beside it in the output folder:
//! `.NAME.HASH.femtotorrent`, where HASH is the first eight digits of the info-hash. It is written before the
//! first byte of the payload, and removed after the last byte is safe on the disk. If there is a marker,
//! pieces that do not verify are our own unfinished work and are downloaded again without asking. If there is
//! none, `claim` decides.
//!
//! It is locked during a run, so that two runs of one command do not write into the same files: the second
//! one is refused. The lock is taken before anything is looked at, so a run whose download has no marker yet
//! creates an empty one. That proves nothing, and goes with the run if nothing is written. The lock is on the
//! file, not on its name. So after it is taken the name is looked up again: the run that had the lock may have
//! removed the file. From then on the file is never replaced, except if it must not be written to.
//!
//! The marker is text, and anyone may have written it. So only a bounded length of it is read, and it is
//! believed only if it is complete and has the whole info-hash. Anything else under its name is *damaged*: it
//! shows that a download of ours was here, and no more. A link, a pipe or the like makes way for a marker; so
//! does a file that cannot be opened, and a folder gets another name. A file that has a second name is read,
//! and never written to.
//!
//! It remembers (`name NAME`) under which name the user wanted the payload, if that is not the torrent's, and
//! (`parts`) that unfinished files may have another ending (`partial_names`). The marker itself is always named after
//! the torrent, so that every run finds it.
//!
//! It also remembers (`keep NUMBER LENGTH`) how many bytes at the start of a file belong to the user: the
//! guarded bytes of `claim`, and after a run that fetched some files only, those files with their whole
//! length. A later run may not change a byte of them unasked. One that was removed meanwhile is not kept
//! any more.

mod memory;

use crate::metainfo::{InfoHash, portable_name};
use crate::net::too_many_files;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use log::warn;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::calls;
use super::error::{Action, StorageError};
use super::folder::{Access, FolderEntry, RootFolder};
use super::guards::Guards;
use super::part_file::PartFile;
use super::patience::patiently;
use super::resume::ResumePlace;
use memory::Memory;
pub(super) use memory::Naming;
pub use memory::output_name_fault;

/// How a marker's name ends.
const ENDING: &str = ".femtotorrent";
/// Bytes of the torrent's name in the marker's name. With all the rest, that stays below 143, the limit of
/// the file system with the shortest names.
const NAME_BYTES: usize = 100;

/// How a folder is called that stood in the marker's place.
const ASIDE: &str = "-aside";
/// How often the marker is looked for anew, if other runs remove it and put it back.
const ATTEMPTS: u32 = 100;
/// How long a run waits for others that make way for a marker: so many times, so long.
const TURNS: (u32, Duration) = (100, Duration::from_millis(20));
/// How often a lock is tried that only somebody who looks at it can hold, and the least time between two tries.
const LOOKS: (u32, Duration) = (50, Duration::from_millis(5));

/// The marker of one download, and our lock on it.
pub(super) struct Marker {
    path: PathBuf,
    info_hash: String,
    /// The open marker, which holds the lock.
    file: Option<File>,
    /// It must not be written to: it has a second name, or cannot be opened for writing.
    is_read_only: bool,
    /// It is an empty file in this folder, which goes if nothing is written.
    empty_in: Option<Arc<RootFolder>>,
    /// What the files are called, as the user wanted.
    naming: Naming,
    /// The marker on the disk says something else.
    has_news: bool,
    /// A power failure may take what it says.
    is_unsynced: bool,
}

/// What was under the marker's name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Claimed {
    /// The marker of this download, which remembers this.
    Ours(Guards),
    /// Something that is no marker of this download.
    Damaged,
    /// The marker of this download, whose payload the user has moved to another name.
    Moved,
    /// An empty file, as a run leaves it that was killed before it wrote anything.
    Empty,
    /// Nothing.
    Nothing,
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
        Marker {
            path: format!(".{name}.{short}{ENDING}").into(),
            info_hash,
            file: None,
            is_read_only: false,
            empty_in: None,
            naming: Naming::default(),
            has_news: false,
            is_unsynced: false,
        }
    }

    /// What the files are called.
    pub fn naming(&self) -> &Naming {
        &self.naming
    }

    /// From now on the files are called so.
    pub fn name(&mut self, naming: Naming) {
        self.has_news |= self.naming != naming;
        self.naming = naming;
    }

    /// Whether it remembers what the file on the disk does not say.
    pub fn has_news(&self) -> bool {
        self.has_news
    }

    /// Its name in the output folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a file of a torrent, or the folder that it is in, has a name that the marker of some download could
    /// have, or the resume file or part file beside it. Many disks do not tell upper from lower case.
    pub fn is_marker(path: &Path) -> bool {
        let Some(first) = path.iter().next() else { return false };
        let first = first.as_encoded_bytes().to_ascii_lowercase();
        let name = PartFile::marker_part(ResumePlace::marker_part(&first));
        name.starts_with(b".") && name.ends_with(ENDING.as_bytes())
    }

    /// Whether anything is under its name.
    pub fn is_there(&self, folder: &RootFolder) -> bool {
        !matches!(folder.entry(&self.path), Ok(None))
    }

    /// Locks the marker, which is created if it does not exist, and says what it was; the torrent has `files`
    /// files. Where nothing can be created, there is no lock: [`Marker::write`] will say why.
    ///
    /// # Errors
    ///
    /// [`StorageError::Busy`] if another process holds it. Something is in its place that cannot be removed.
    pub fn claim(&mut self, folder: &Arc<RootFolder>, files: usize) -> Result<Claimed, StorageError> {
        let mut was_damaged = false;
        for _ in 0..ATTEMPTS {
            let (file, is_new) = match self.open(folder) {
                Ok(Some(file)) => (file, false),
                Ok(None) => match patiently(|| folder.open_file(&self.path, Access::Create)) {
                    Ok(file) => (file, !was_damaged),
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                    Err(error) if too_many_files(&error) => return Err(self.failed(folder, error)),
                    Err(_) => return Ok(Claimed::Nothing),
                },
                Err(error) if too_many_files(&error) => return Err(self.failed(folder, error)),
                Err(_) => {
                    self.make_way(folder)?;
                    was_damaged = true;
                    continue;
                }
            };
            self.lock(folder, &file)?;
            if matches!(folder.holds(&self.path, &file), Ok(false)) {
                continue;
            }
            let stat = RootFolder::file_stat(&file).map_err(|error| self.failed(folder, error))?;
            self.is_read_only |= stat.links > 1;
            let memory = Memory::read(&file, &self.info_hash, files);
            self.file = Some(file);
            self.empty_in = (stat.length == 0).then(|| Arc::clone(folder));
            return Ok(match memory {
                Some(memory) => {
                    self.naming = memory.naming;
                    Claimed::Ours(memory.guards)
                }
                None if was_damaged || stat.length > 0 => Claimed::Damaged,
                None if is_new => Claimed::Nothing,
                None => Claimed::Empty,
            });
        }
        Err(StorageError::Busy { path: folder.join(&self.path) })
    }

    /// Takes from the marker what the payload is called, if the marker is there and can be believed. Takes no lock:
    /// for those who only read.
    pub fn look(&mut self, folder: &RootFolder, files: usize) {
        let opened = patiently(|| folder.open_file(&self.path, Access::Read));
        if let Some(memory) = opened.ok().and_then(|file| Memory::read(&file, &self.info_hash, files)) {
            self.naming = memory.naming;
        }
    }

    /// Whether another process holds it. For those who only read: nothing is created, and the lock that is tried is one
    /// of many, given back at once.
    pub fn is_held(&self, folder: &RootFolder) -> bool {
        let Ok(file) = patiently(|| folder.open_file(&self.path, Access::Read)) else { return false };
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK)
    }

    /// Opens the marker. `None` if there is none.
    fn open(&mut self, folder: &RootFolder) -> io::Result<Option<File>> {
        self.is_read_only = false;
        let opened = patiently(|| folder.open_file(&self.path, Access::Write)).or_else(|error| {
            use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
            if !matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem) {
                return Err(error);
            }
            self.is_read_only = true;
            patiently(|| folder.open_file(&self.path, Access::Read))
        });
        match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some),
        }
    }

    /// Something that cannot be opened as a file is in the marker's place: removes it, if that loses nothing.
    fn make_way(&mut self, folder: &RootFolder) -> Result<(), StorageError> {
        // Runs do this one after the other, so that none removes the marker of the one before.
        let _turn = folder.turn(TURNS.0, || sleep(TURNS.1));
        if self.open(folder).is_ok() {
            return Ok(());
        }
        let made = match folder.entry(&self.path) {
            Ok(Some(FolderEntry::Folder)) => folder.remove_folder(&self.path).or_else(|_| {
                let mut aside = self.path.clone().into_os_string();
                aside.push(ASIDE);
                let aside = PathBuf::from(aside);
                folder.rename(&self.path, &aside)?;
                let (was, is) = (folder.join(&self.path), folder.join(&aside));
                warn!("the folder {} is {} now", was.display(), is.display());
                Ok(())
            }),
            Ok(Some(_)) => folder.remove(&self.path),
            other => other.map(drop),
        };
        made.map_err(|error| StorageError::from_io(Action::Remove, folder.join(&self.path), error))
    }

    /// Writes the marker. Before anything of the payload is written it has to be synced.
    pub fn write(&mut self, folder: &RootFolder, guards: &Guards) -> Result<(), StorageError> {
        let failed = |action| self.failure(folder, action);
        if self.file.is_none() || self.is_read_only {
            if self.is_read_only {
                folder.remove(&self.path).map_err(failed(Action::Remove))?;
            }
            let created = patiently(|| folder.open_file(&self.path, Access::Create));
            let file = created.map_err(failed(Action::Create))?;
            self.lock(folder, &file)?;
            // Only now the lock on the old one ends.
            self.file = Some(file);
            self.is_read_only = false;
        }
        self.empty_in = None;
        let text = memory::text(&self.info_hash, &self.naming, guards);
        let Some(file) = &self.file else { return Ok(()) };
        // In one go over what is there, which ends after this: it is never empty in between.
        self.is_unsynced = true;
        let written =
            calls::write_all_at(file, text.as_bytes(), 0).and_then(|()| shorten(file, text.len() as u64));
        written.map_err(self.failure(folder, Action::Write))?;
        self.has_news = false;
        Ok(())
    }

    /// Syncs what was written to the disk, so that not even a power failure leaves a download of ours without it.
    pub fn sync(&mut self, folder: &RootFolder) -> Result<(), StorageError> {
        if let Some(file) = self.file.as_ref().filter(|_| self.is_unsynced) {
            calls::sync(file).map_err(self.failure(folder, Action::Write))?;
            self.is_unsynced = false;
        }
        Ok(())
    }

    /// It stays even if nothing is written to it.
    pub fn keep(&mut self) {
        self.empty_in = None;
    }

    /// Removes the marker, if there is one.
    pub fn remove(&mut self, folder: &RootFolder) -> Result<(), StorageError> {
        let removed = folder.remove(&self.path);
        // Not before: another run that gets the lock must see that the file has lost its name.
        self.file = None;
        self.empty_in = None;
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StorageError::from_io(Action::Remove, folder.join(&self.path), error))
            }
            _ => Ok(()),
        }
    }

    fn failed(&self, folder: &RootFolder, error: io::Error) -> StorageError {
        self.failure(folder, Action::Open)(error)
    }

    /// What the system's refusal means here.
    fn failure(&self, folder: &RootFolder, action: Action) -> impl FnOnce(io::Error) -> StorageError + use<> {
        let path = folder.join(&self.path);
        move |error| StorageError::from_io(action, path, error)
    }

    fn lock(&self, folder: &RootFolder, file: &File) -> Result<(), StorageError> {
        use rustix::fs::flock;
        for _ in 0..LOOKS.0 {
            // A file system without locks is no reason not to download.
            if flock(file, FlockOperation::NonBlockingLockExclusive) != Err(Errno::WOULDBLOCK) {
                return Ok(());
            }
            // Who downloads shares it with nobody. Who only looks whether it is held does, and for a moment.
            if flock(file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK) {
                break;
            }
            let _ = flock(file, FlockOperation::Unlock);
            // Two runs that look at each other do not do so in step.
            sleep(LOOKS.1 * fastrand::u32(1..=4));
        }
        Err(StorageError::Busy { path: folder.join(&self.path) })
    }
}

/// Cuts the file, if it is longer: some file systems let nobody cut a file, and few markers need it.
fn shorten(file: &File, length: u64) -> io::Result<()> {
    let is_longer = RootFolder::file_stat(file)?.length > length;
    if is_longer { calls::set_length(file, length) } else { Ok(()) }
}

impl Drop for Marker {
    fn drop(&mut self) {
        if let Some(folder) = self.empty_in.take() {
            let _ = self.remove(&folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_short_and_says_what_it_belongs_to() {
        let marker = Marker::new("debian.iso", InfoHash([0xab; 20]));
        assert_eq!(marker.path, Path::new(".debian.iso.abababab.femtotorrent"));
        let long = Marker::new(&"é".repeat(200), InfoHash([0; 20]));
        assert!(long.path.as_os_str().len() + "-resume-new".len() <= 143);
    }

    #[test]
    fn a_name_that_a_marker_could_have_is_recognised() {
        assert!(Marker::is_marker(Path::new(".debian.iso.abababab.femtotorrent")));
        assert!(!Marker::is_marker(Path::new("folder/.debian.iso.abababab.femtotorrent")));
        assert!(!Marker::is_marker(Path::new("about.femtotorrent")));
        for ending in ["-resume", "-resume-new"] {
            let name = format!(".debian.iso.abababab.femtotorrent{ending}");
            assert!(Marker::is_marker(Path::new(&name)), "{name}");
        }
        assert!(!Marker::is_marker(Path::new(".profile-resume")));
        assert!(Marker::is_marker(Path::new(".debian.iso.ABABABAB.FemtoTorrent-Resume")));
        // Where a marker is to be, this folder would be put aside.
        assert!(Marker::is_marker(Path::new(".debian.iso.abababab.femtotorrent/file")));
    }
}
