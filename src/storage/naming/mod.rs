//! Which of its spellings a file has on this disk.
//!
//! A torrent's names are its own business: a file is looked for under its own path first, then under the portable
//! one and those of other programs, and is created under its own. Where the file system refuses that, or does not
//! tell it from the name of another file, this file alone gets its portable path. All that follows from the
//! torrent and the disk, so the next run finds the file again and nothing has to be remembered. A folder that is
//! there in one spelling is used, so that one payload does not lie in two.

pub(super) mod settling;

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;

use super::folder::{Access, RootFolder};
use crate::metainfo::FilePath;
use crate::net::too_many_files;

/// The path of a file below the output folder. It dereferences to the spelling that is used.
pub(super) struct PathOnDisk {
    path: Box<Path>,
    odd: Option<Box<OddPath>>,
    /// The name that the file has until it is whole.
    partial: Option<Box<PartialName>>,
}

/// The path of a file that is not whole.
struct PartialName {
    path: Box<Path>,
    /// The file has its own path now.
    is_over: AtomicBool,
}

/// A path with more than one spelling.
struct OddPath {
    spellings: FilePath,
    /// The spelling that the file system took when it had refused the first one.
    taken: OnceLock<Box<Path>>,
}

impl PathOnDisk {
    /// The path of a file that was not looked for yet: the one that it gets on a disk that takes all names.
    pub fn new(path: &FilePath) -> PathOnDisk {
        let own: &Path = path;
        if !path.is_odd() {
            return PathOnDisk { path: own.into(), odd: None, partial: None };
        }
        let first = path.to_write().into_iter().next();
        let odd = OddPath { spellings: path.clone(), taken: OnceLock::new() };
        let path = first.map_or(own.into(), PathBuf::into);
        PathOnDisk { path, odd: Some(Box::new(odd)), partial: None }
    }

    /// A path of ours, which is the same on every disk.
    pub fn as_it_is(path: &Path) -> PathOnDisk {
        PathOnDisk { path: path.into(), odd: None, partial: None }
    }

    /// Whether it has more than one spelling.
    pub fn is_odd(&self) -> bool {
        self.odd.is_some()
    }

    /// Whether some disks do not tell its name from that of another file.
    pub fn has_twin(&self) -> bool {
        self.odd.as_ref().is_some_and(|odd| odd.spellings.has_twin())
    }

    /// The path that the file has when it is whole.
    pub fn whole(&self) -> &Path {
        self.odd.as_ref().and_then(|odd| odd.taken.get()).unwrap_or(&self.path)
    }

    /// The file has this path from now on, until it is whole.
    pub fn make_partial(&mut self, path: PathBuf) {
        self.partial = Some(Box::new(PartialName { path: path.into(), is_over: AtomicBool::new(false) }));
    }

    /// The file has its own path from now on.
    pub fn end_partial(&self) {
        self.partial.iter().for_each(|partial| partial.is_over.store(true, Ordering::Release));
    }

    /// Whether the file still has another path than it will have when it is whole.
    pub fn is_partial(&self) -> bool {
        self.partial.as_ref().is_some_and(|partial| !partial.is_over.load(Ordering::Acquire))
    }
}

impl Deref for PathOnDisk {
    type Target = Path;

    fn deref(&self) -> &Path {
        match &self.partial {
            Some(partial) if self.is_partial() => &partial.path,
            _ => self.whole(),
        }
    }
}

impl AsRef<Path> for PathOnDisk {
    fn as_ref(&self) -> &Path {
        self
    }
}

impl OddPath {
    /// Whether what is there under this spelling may be another file, because the file system does not tell
    /// their names apart. The portable spelling is never mistaken.
    fn is_mistaken(&self, folder: &RootFolder, spelling: &Path) -> bool {
        if !self.spellings.has_twin() || spelling.file_name() == self.spellings.portable().file_name() {
            return false;
        }
        self.spellings.twins_of(spelling).iter().any(|twin| folder.is_one(spelling, twin))
    }
}

/// Creates a file, under another spelling if the file system refuses the one that was chosen.
///
/// # Errors
///
/// What the system said of the first spelling, if it takes none of them.
pub(super) fn create(folder: &RootFolder, path: &PathOnDisk) -> io::Result<File> {
    if path.is_partial() {
        match folder.open_file(path, Access::Create) {
            // With the ending a name may be too long here that is not without.
            Err(error) if is_too_long(&error) || path.is_odd() && is_refusal(&error) => path.end_partial(),
            created => return created,
        }
    }
    let first = folder.open_file(path, Access::Create);
    let Some(odd) = &path.odd else { return first };
    let refused = match first {
        Ok(file) if !odd.is_mistaken(folder, path) => return Ok(file),
        Ok(_) => {
            folder.remove(path)?;
            io::ErrorKind::AlreadyExists.into()
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && odd.is_mistaken(folder, path) => error,
        Err(error) if is_refusal(&error) && folder.is_in_place()? => error,
        Err(error) => return Err(error),
    };
    let siblings = path.with_file_name(odd.spellings.portable().file_name().unwrap_or_default());
    for spelling in [siblings].into_iter().chain(odd.spellings.to_write()) {
        match folder.open_file(&spelling, Access::Create) {
            Ok(_) if odd.is_mistaken(folder, &spelling) => folder.remove(&spelling)?,
            Ok(file) => {
                let _ = odd.taken.set(spelling.into());
                return Ok(file);
            }
            Err(error) if too_many_files(&error) => return Err(error),
            Err(_) => {}
        }
    }
    Err(refused)
}

/// Opens a file to read it. One that is not whole may get its name just now, by our writer or another process.
pub(super) fn open_to_read(folder: &RootFolder, path: &PathOnDisk) -> io::Result<File> {
    let first: &Path = path;
    match folder.open_file(first, Access::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && first != path.whole() => {
            folder.open_file(path.whole(), Access::Read)
        }
        opened => opened,
    }
}

/// Whether this error means that there is no such file: a name that the file system refuses is not there.
pub(super) fn is_missing(path: &PathOnDisk, error: &io::Error) -> bool {
    path.is_odd() && is_refusal(error)
}

fn is_too_long(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::NAMETOOLONG)
}

/// Whether the system says that it does not take the name. What it says depends on the file system, and on who
/// implements it.
fn is_refusal(error: &io::Error) -> bool {
    let refusals = [Errno::INVAL, Errno::ILSEQ, Errno::NAMETOOLONG, Errno::NOENT, Errno::PERM];
    Errno::from_io_error(error).is_some_and(|errno| refusals.contains(&errno))
}

#[cfg(test)]
mod tests;
