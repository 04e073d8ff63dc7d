//! What the system says of a name: whether an ordinary file is there, and what that file looks like.

use std::io;
use std::path::Path;

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

/// What the system says of an ordinary file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::storage) struct FileStat {
    /// Bytes in it.
    pub length: u64,
    /// Bytes that it takes on the disk: fewer than its length if it has holes.
    pub allocated: u64,
    /// Its device and its inode number: the same for two names of one file.
    pub identity: (u64, u64),
    /// The time of the last change of its content: seconds and nanoseconds. A program can set it.
    pub modified: (u64, u64),
    /// The time of the last change of anything that the system says of it. No program can set it.
    pub changed: (u64, u64),
    /// How many names it has: more than one are hard links.
    pub links: u64,
}

/// What a name in a folder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::storage) enum FolderEntry {
    /// An ordinary file.
    File(FileStat),
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A device, a pipe or a socket.
    Other,
}

/// What the system says of an ordinary file. For anything else, an error that says what it is.
pub(super) fn ordinary(stat: &Stat) -> io::Result<FileStat> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(found(stat)),
        FileType::Directory => Err(Errno::ISDIR.into()),
        FileType::Symlink => Err(Errno::LOOP.into()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not an ordinary file")),
    }
}

/// What a name with this answer of the system stands for.
pub(super) fn node(stat: &Stat) -> FolderEntry {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => FolderEntry::File(found(stat)),
        FileType::Directory => FolderEntry::Folder,
        FileType::Symlink => FolderEntry::Link,
        _ => FolderEntry::Other,
    }
}

pub(super) fn is_link(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Symlink
}

pub(super) fn found(stat: &Stat) -> FileStat {
    FileStat {
        length: number(stat.st_size),
        // This count is in units of 512 bytes, whatever the block size of the file system.
        allocated: number(stat.st_blocks).saturating_mul(512),
        identity: (number(stat.st_dev), number(stat.st_ino)),
        modified: (number(stat.st_mtime), number(stat.st_mtime_nsec)),
        changed: (number(stat.st_ctime), number(stat.st_ctime_nsec)),
        links: number(stat.st_nlink),
    }
}

/// The [`FileStat::identity`] of the ordinary file under a path, if there is one.
pub(in crate::storage) fn identity(path: &Path) -> Option<(u64, u64)> {
    ordinary(&rustix::fs::lstat(path).ok()?).ok().map(|found| found.identity)
}

/// A field of the system's answer. Its type differs between systems.
pub(super) fn number(value: impl TryInto<u64>) -> u64 {
    value.try_into().unwrap_or(0)
}
