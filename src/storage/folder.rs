//! The folder of a payload, and the only way to the files in it.
//!
//! A torrent chooses the names of its files, and anyone who may write into the folder may put symbolic links
//! there. So every path is walked one element at a time, starting at the open folder. Below it no symbolic
//! link is followed, neither to a folder nor to a file, unless the payload is only read (`links` says which ones
//! then); the folder itself may be a link. The storage uses names in system calls only here and in `links`, so
//! that what is particular to Unix is in two files.

mod search;
mod stat;
mod sync_all;
mod twins;

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::calls::{self, Call, call};
use super::error::{Action, StorageError};
use super::links;
use super::patience::patiently;
use crate::net::too_many_files;
pub(super) use search::FileSearch;
pub(super) use stat::{FileStat, FolderEntry, identity};
use stat::{found, is_link, node, ordinary};
pub(super) use sync_all::{AllSynced, MANY_FILES};

/// The folder that a payload is in, held open: the output folder, or the one that a torrent is made of.
pub(super) struct RootFolder {
    path: PathBuf,
    handle: OwnedFd,
    /// The payload is only read.
    follows_links: bool,
    doubt: sync_all::Doubt,
    #[cfg(test)]
    rule: super::fake_names::Rule,
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// To be read; it has to exist.
    Read,
    /// To be read and written; it has to exist.
    Write,
    /// To be read and written; it must not exist yet. Its folders are created as needed.
    Create,
}

/// The folder that a path leads to, and the name in it.
struct NameInFolder<'a> {
    folder: Option<OwnedFd>,
    name: Cow<'a, OsStr>,
}

impl RootFolder {
    /// Opens the folder. `None` if it does not exist.
    pub fn open(path: &Path) -> io::Result<Option<RootFolder>> {
        Self::open_as(path, false)
    }

    /// The same for a payload that is only read: the user's own symbolic links are followed, and what cannot be
    /// read counts as missing.
    pub fn open_to_read(path: &Path) -> io::Result<Option<RootFolder>> {
        Self::open_as(path, true)
    }

    fn open_as(path: &Path, follows_links: bool) -> io::Result<Option<RootFolder>> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let open = || Ok(rustix::fs::open(path, folder_flags(), Mode::empty())?);
        match patiently(|| call(Call::Open, open)) {
            Ok(handle) => Ok(Some(RootFolder {
                path: path.to_owned(),
                handle,
                follows_links,
                doubt: sync_all::Doubt::default(),
                #[cfg(test)]
                rule: super::fake_names::chosen(),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The path as the user sees it.
    pub fn join(&self, path: &Path) -> PathBuf {
        if self.path == Path::new(".") { path.to_owned() } else { self.path.join(path) }
    }

    /// The path of the folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it was opened by [`RootFolder::open_to_read`].
    pub fn is_only_read(&self) -> bool {
        self.follows_links
    }

    /// Whether the folder is still under its path. While we hold it open, it may have been removed or
    /// renamed, or something else may have been mounted over it.
    pub fn is_in_place(&self) -> io::Result<bool> {
        let there = call(Call::Look, || Ok(rustix::fs::stat(&self.path)?));
        is_there(there, || rustix::fs::fstat(&self.handle))
    }

    /// Whether the open file is still under this path. True as well if too many files are open to see that.
    pub fn holds(&self, path: &Path, file: &File) -> io::Result<bool> {
        match patiently(|| self.place(path, false).and_then(|place| self.stat(&place))) {
            Err(error) if too_many_files(&error) => Ok(true),
            there => is_there(there, || rustix::fs::fstat(file)),
        }
    }

    /// What shows that two paths lead to one file or folder: its device and its inode number.
    pub fn identity_of(&self, path: &Path) -> io::Result<(u64, u64)> {
        patiently(|| self.place(path, false).and_then(|place| self.stat(&place)))
            .map(|stat| found(&stat).identity)
    }

    /// Whether a folder is under this path. The empty path is this folder itself.
    pub fn is_folder(&self, path: &Path) -> bool {
        let stat = || patiently(|| self.place(path, false).and_then(|place| self.stat(&place)));
        let is_one = |stat: Stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        path.as_os_str().is_empty() || stat().is_ok_and(is_one)
    }

    /// Opens a file. Never blocks, not even if a pipe is in its place, and does not wait for a descriptor
    /// either: a caller that has one to spare gives it up first.
    pub fn open_file(&self, path: &Path, access: Access) -> io::Result<File> {
        let flags = match access {
            Access::Read => OFlags::RDONLY,
            Access::Write => OFlags::RDWR,
            Access::Create => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
        };
        let place = self.place(path, access == Access::Create)?;
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let openat = |at: BorrowedFd<'_>, name: &OsStr| {
            rustix::fs::openat(at, name, flags, Mode::from_raw_mode(0o666))
        };
        let open = || match openat(self.at(&place), &place.name) {
            Err(Errno::LOOP | Errno::MLINK) if self.follows_links && access == Access::Read => {
                let target = links::follow(self.at(&place), &place.name)?;
                Ok(openat(target.at(self.at(&place)), &target.name)?)
            }
            opened => Ok(opened?),
        };
        let handle = call(Call::Open, open)?;
        ordinary(&rustix::fs::fstat(&handle)?)?;
        Ok(File::from(handle))
    }

    /// What the system says of an open file now.
    pub fn file_stat(file: &File) -> io::Result<FileStat> {
        ordinary(&call(Call::Look, || Ok(rustix::fs::fstat(file)?))?)
    }

    /// Removes a file.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        let place = patiently(|| self.place(path, false))?;
        call(Call::Remove, || Ok(rustix::fs::unlinkat(self.at(&place), &*place.name, AtFlags::empty())?))
    }

    /// Removes an empty folder.
    pub fn remove_folder(&self, path: &Path) -> io::Result<()> {
        let place = patiently(|| self.place(path, false))?;
        call(Call::Remove, || Ok(rustix::fs::unlinkat(self.at(&place), &*place.name, AtFlags::REMOVEDIR)?))
    }

    /// Gives a file or folder, which is in this very folder, another name in it. A file that has that name is
    /// replaced.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        call(Call::Rename, || Ok(rustix::fs::renameat(&self.handle, from, &self.handle, to)?))
    }

    /// Gives a file another name in the folder that it is in. If anything has that name, it is replaced, or this fails.
    pub fn give_name(&self, from: &Path, to: &Path, replace: bool) -> io::Result<()> {
        let name = self.kept(to.file_name().ok_or(Errno::INVAL)?)?;
        let place = patiently(|| self.place(from, false))?;
        let at = self.at(&place);
        call(Call::Rename, || match replace {
            true => Ok(rustix::fs::renameat(at, &*place.name, at, &*name)?),
            false => Ok(rename_to_new(at, &place.name, &name)?),
        })
    }

    /// Takes the lock on the folder, which lasts until what is returned is dropped. Runs hold it for a moment
    /// only, and whoever else has it is not waited for longer than `attempts` pauses: then, and where folders
    /// cannot be locked, there is none.
    pub fn turn(&self, attempts: u32, pause: impl Fn()) -> Option<Turn> {
        use rustix::fs::{FlockOperation, flock};
        // A descriptor of its own: whoever shares ours would share the lock (`shared_folders`).
        let open = || Ok(rustix::fs::openat(&self.handle, c".", folder_flags(), Mode::empty())?);
        let handle = patiently(open).ok()?;
        for _ in 0..attempts {
            match flock(&handle, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Some(Turn(handle)),
                Err(Errno::WOULDBLOCK) => pause(),
                Err(_) => return None,
            }
        }
        None
    }

    /// What a name stands for. `None` if it stands for nothing.
    pub fn entry(&self, path: &Path) -> io::Result<Option<FolderEntry>> {
        match patiently(|| self.place(path, false).and_then(|place| self.stat(&place))) {
            Ok(stat) => Ok(Some(node(&stat))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a name stands for an ordinary file, or cannot be looked up.
    pub fn has_file(&self, path: &Path) -> bool {
        self.entry(path).map_or(true, |entry| matches!(entry, Some(FolderEntry::File(_))))
    }

    /// Syncs the names in a folder below this one to the disk. The empty path is this folder itself.
    pub fn sync(&self, path: &Path) -> io::Result<()> {
        let fsync =
            |folder: BorrowedFd<'_>| calls::forgiven(call(Call::Sync, || Ok(rustix::fs::fsync(folder)?)));
        if path.as_os_str().is_empty() {
            return fsync(self.handle.as_fd());
        }
        let flags = folder_flags() | OFlags::NOFOLLOW;
        let open = || {
            let place = self.place(path, false)?;
            Ok(rustix::fs::openat(self.at(&place), &*place.name, flags, Mode::empty())?)
        };
        fsync(patiently(|| call(Call::Open, open))?.as_fd())
    }

    /// Calls `each` for each entry of a folder below this one, in no order. The empty path is this folder
    /// itself.
    pub fn list(
        &self,
        path: &Path,
        each: &mut dyn FnMut(&OsStr, FolderEntry) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let failed =
            |action, path: &Path, error: Errno| StorageError::from_io(action, self.join(path), error.into());
        let opened = |error| failed(Action::Open, path, error);
        let mut folder: Option<OwnedFd> = None;
        for element in path.components() {
            let at = folder.as_ref().map_or(self.handle.as_fd(), AsFd::as_fd);
            folder = Some(enter(at, element, false).map_err(opened)?);
        }
        let at = folder.as_ref().map_or(self.handle.as_fd(), AsFd::as_fd);
        for entry in Dir::read_from(at).map_err(opened)? {
            let entry = entry.map_err(|error| failed(Action::Read, path, error))?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            let stat = rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW);
            let stat = stat.map_err(|error| failed(Action::Open, &path.join(name), error))?;
            each(name, node(&stat))?;
        }
        Ok(())
    }

    /// Walks to the folder that holds the last element of the path.
    fn place<'a>(&self, path: &'a Path, create: bool) -> io::Result<NameInFolder<'a>> {
        let name = self.kept(path.file_name().ok_or(Errno::INVAL)?)?;
        let mut folder: Option<OwnedFd> = None;
        for element in path.parent().into_iter().flat_map(Path::components) {
            let at = folder.as_ref().map_or(self.handle.as_fd(), AsFd::as_fd);
            folder = Some(self.enter(at, element, create)?);
        }
        Ok(NameInFolder { folder, name })
    }

    /// Opens a folder in another one, and creates it if `create` says so.
    fn enter(&self, at: BorrowedFd<'_>, element: Component<'_>, create: bool) -> io::Result<OwnedFd> {
        let kept = self.kept(element.as_os_str())?;
        let element = if element.as_os_str() == kept { element } else { Component::Normal(&kept) };
        match enter(at, element, create) {
            Err(Errno::LOOP) if self.follows_links && !create => {
                let target = links::follow(at, element.as_os_str())?;
                Ok(rustix::fs::openat(target.at(at), &target.name, folder_flags(), Mode::empty())?)
            }
            entered => Ok(entered?),
        }
    }

    /// The name under which the file system keeps the file.
    #[cfg(not(test))]
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "tests have file systems that refuse names"
    )]
    fn kept<'a>(&self, name: &'a OsStr) -> Result<Cow<'a, OsStr>, Errno> {
        Ok(name.into())
    }

    #[cfg(test)]
    fn kept<'a>(&self, name: &'a OsStr) -> Result<Cow<'a, OsStr>, Errno> {
        (self.rule)(name).map(Cow::Owned)
    }

    fn at<'a>(&'a self, place: &'a NameInFolder<'_>) -> BorrowedFd<'a> {
        place.folder.as_ref().map_or(self.handle.as_fd(), AsFd::as_fd)
    }

    fn stat(&self, place: &NameInFolder<'_>) -> io::Result<Stat> {
        let stat = || rustix::fs::statat(self.at(place), &*place.name, AtFlags::SYMLINK_NOFOLLOW);
        call(Call::Look, || Ok(stat()?))
    }
}

/// The lock on a folder, which lasts as long as this is open.
pub(super) struct Turn(#[expect(dead_code, reason = "the lock ends with it")] OwnedFd);

fn folder_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC
}

/// Opens a folder in another one, and creates it if `create` says so.
fn enter(at: BorrowedFd<'_>, element: Component<'_>, create: bool) -> Result<OwnedFd, Errno> {
    // The torrent's paths were made safe when it was read; this is a second line of defence.
    let Component::Normal(name) = element else { return Err(Errno::INVAL) };
    let of = |error: io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    let flags = folder_flags() | OFlags::NOFOLLOW;
    let open = || call(Call::Open, || Ok(rustix::fs::openat(at, name, flags, Mode::empty())?)).map_err(of);
    let make = || Ok(rustix::fs::mkdirat(at, name, Mode::from_raw_mode(0o777))?);
    match open() {
        Err(Errno::NOENT) if create => match call(Call::MakeFolder, make).map_err(of) {
            Ok(()) | Err(Errno::EXIST) => open(),
            Err(error) => Err(error),
        },
        // Systems differ in what they call a link that they do not follow.
        Err(Errno::NOTDIR | Errno::LOOP | Errno::MLINK) => {
            let link =
                rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| is_link(&stat));
            Err(if link { Errno::LOOP } else { Errno::NOTDIR })
        }
        result => result,
    }
}

/// Gives a file a name that nothing has.
fn rename_to_new(at: BorrowedFd<'_>, from: &OsStr, to: &OsStr) -> Result<(), Errno> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    match rustix::fs::renameat_with(at, from, at, to, rustix::fs::RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
        renamed => return renamed,
    }
    // This file system cannot do both in one step.
    match rustix::fs::statat(at, to, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Err(Errno::EXIST),
        Err(Errno::NOENT) => rustix::fs::renameat(at, from, at, to),
        Err(error) => Err(error),
    }
}

/// Whether what is under a path is what we hold.
fn is_there(there: io::Result<Stat>, ours: impl Fn() -> Result<Stat, Errno>) -> io::Result<bool> {
    let nothing = |error: &io::Error| {
        matches!(Errno::from_io_error(error), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP))
    };
    match there {
        Ok(there) => {
            let ours = ours()?;
            Ok(there.st_dev == ours.st_dev && there.st_ino == ours.st_ino)
        }
        Err(error) if nothing(&error) => Ok(false),
        Err(error) => Err(error),
    }
}
