//! Follows the symbolic links of the user in a payload that is only read.
//!
//! Many people have their payloads elsewhere and a link in its place. Whoever may write into the folder can put a
//! link there too, and lead us to a pipe, a device or another disk. So a link is followed only if it belongs to the
//! user or to root, and so is every link on the way. The way is walked one element at a time, with each folder held
//! open, so that nothing that is exchanged meanwhile leads us elsewhere. For a payload that is written, no link is
//! followed at all.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

/// The most links on the way to one file, as in the kernel.
const MAX_LINKS: usize = 40;

/// Where a link leads: a name in a folder that is not a link itself.
pub(super) struct LinkTarget {
    /// `None` means the folder that the link is in.
    pub folder: Option<OwnedFd>,
    /// The name; it may be `.` or `..`.
    pub name: OsString,
}

impl LinkTarget {
    /// The folder, where the link itself is in `at`.
    pub fn at<'a>(&'a self, at: BorrowedFd<'a>) -> BorrowedFd<'a> {
        self.folder.as_ref().map_or(at, AsFd::as_fd)
    }
}

/// Follows the link `name` in the folder `at`.
///
/// # Errors
///
/// A link of somebody else, one that leads nowhere or in a circle, and what the system says.
pub(super) fn follow(at: BorrowedFd<'_>, name: &OsStr) -> io::Result<LinkTarget> {
    let mut target = LinkTarget { folder: None, name: name.to_owned() };
    let mut left = VecDeque::from([name.to_owned()]);
    let mut links = 0;
    while let Some(element) = left.pop_front() {
        let folder = target.at(at);
        let stat = stat(folder, &element).map_err(nowhere)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
            if left.is_empty() {
                target.name = element;
                return Ok(target);
            }
            target.folder = Some(enter(folder, &element)?);
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(io::Error::other("it is a symbolic link that leads in a circle"));
        }
        let to = read(folder, &element, &stat)?;
        if to.is_absolute() {
            target.folder = Some(enter(folder, OsStr::new("/"))?);
        }
        for component in to.components().rev() {
            match component {
                Component::RootDir | Component::Prefix(_) => {}
                other => left.push_front(other.as_os_str().to_owned()),
            }
        }
        if left.is_empty() {
            left.push_front(".".into());
        }
    }
    Ok(target)
}

/// Reads the link whose owner `before` says.
fn read(folder: BorrowedFd<'_>, name: &OsStr, before: &Stat) -> io::Result<std::path::PathBuf> {
    if before.st_uid != rustix::process::geteuid().as_raw() && before.st_uid != 0 {
        return Err(io::Error::other("it is a symbolic link of another user, which is not followed"));
    }
    let to = rustix::fs::readlinkat(folder, name, Vec::new())?;
    // What was read must be the link that was looked at.
    let after = stat(folder, name)?;
    if (after.st_dev, after.st_ino) != (before.st_dev, before.st_ino) {
        return Err(Errno::AGAIN.into());
    }
    Ok(Path::new(&OsString::from_vec(to.into_bytes())).to_owned())
}

fn stat(folder: BorrowedFd<'_>, name: &OsStr) -> Result<Stat, Errno> {
    rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
}

fn nowhere(error: Errno) -> io::Error {
    match error {
        Errno::NOENT | Errno::NOTDIR => io::Error::other("it is a symbolic link that leads nowhere"),
        other => other.into(),
    }
}

/// Opens a folder on the way. It need not be readable.
fn enter(at: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let only_passed = OFlags::PATH;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let only_passed = OFlags::RDONLY;
    let flags = only_passed | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(at, name, flags, Mode::empty())?)
}
