//! Looking for the files of a payload, of which there may be a million.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::{FileStat, RootFolder, is_link, ordinary};
use crate::storage::calls::{Call, call};
use crate::storage::links;
use crate::storage::patience::patiently;

/// Looks for many files one after the other, and opens a folder that several of them share only once.
pub(in crate::storage) struct FileSearch<'a> {
    folder: &'a RootFolder,
    parent: PathBuf,
    handle: Option<OwnedFd>,
    missing: Option<PathBuf>,
}

impl<'a> FileSearch<'a> {
    /// A search below the folder.
    pub fn new(folder: &'a RootFolder) -> FileSearch<'a> {
        FileSearch { folder, parent: PathBuf::new(), handle: None, missing: None }
    }

    /// The folder that is searched.
    pub fn folder(&self) -> &'a RootFolder {
        self.folder
    }

    /// The file under this path. `None` if there is none.
    ///
    /// # Errors
    ///
    /// Something other than an ordinary file is there, or something other than a folder is on the way to it.
    /// Symbolic links are neither.
    pub fn find(&mut self, path: &Path) -> io::Result<Option<FileStat>> {
        if self.missing.as_ref().is_some_and(|missing| path.starts_with(missing)) {
            return Ok(None);
        }
        let name = &*self.folder.kept(path.file_name().ok_or(Errno::INVAL)?)?;
        let parent = path.parent().unwrap_or(Path::new(""));
        if parent != self.parent && !patiently(|| self.enter(parent))? {
            return Ok(None);
        }
        let at = self.handle.as_ref().map_or(self.folder.handle.as_fd(), AsFd::as_fd);
        match call(Call::Look, || Ok(rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW)?)) {
            Ok(stat) if self.folder.follows_links && is_link(&stat) => {
                let target = links::follow(at, name)?;
                let stat = rustix::fs::statat(target.at(at), &target.name, AtFlags::SYMLINK_NOFOLLOW)?;
                ordinary(&stat).map(Some)
            }
            Ok(stat) => ordinary(&stat).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens the folder. False if it does not exist; then nothing below it is looked for again.
    fn enter(&mut self, parent: &Path) -> io::Result<bool> {
        let mut handle: Option<OwnedFd> = None;
        let mut walked = PathBuf::new();
        for element in parent.components() {
            walked.push(element);
            let at = handle.as_ref().map_or(self.folder.handle.as_fd(), AsFd::as_fd);
            match self.folder.enter(at, element, false) {
                Ok(next) => handle = Some(next),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.missing = Some(walked);
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        self.parent = parent.to_owned();
        self.handle = handle;
        Ok(true)
    }
}
