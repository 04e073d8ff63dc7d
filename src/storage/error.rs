//! What can go wrong between the payload and the disk.
//!
//! Each error names the file, the reason and, if there is one, the way out. It also knows the exit code with
//! which it ends the program. A peer's error never becomes one of these: a disk that fails ends the run, a
//! peer that fails ends a connection.

mod words;

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::file_limit::FileLimit;
use crate::net::too_many_files;
use crate::text::size;
pub(super) use words::{counted, reason};
use words::{describe_foreign, is_full, is_too_large};

/// How many paths an error spells out. It only counts the others.
const MAX_NAMED: usize = 3;

/// A failure of the output folder or of a file in it.
#[derive(Debug)]
pub enum StorageError {
    /// The disk is full, or the user's quota is used up.
    Full {
        /// The file that could not grow.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// All room for the payload was to be taken in advance, and there is not enough.
    NoRoom {
        /// The output folder.
        path: PathBuf,
        /// What is to be allocated, and what there is.
        shortage: Shortage,
    },
    /// A file has to be longer than a file may be.
    TooLong {
        /// Which one.
        path: PathBuf,
        /// Bytes that it has to have.
        needed: u64,
        /// Bytes that it may have.
        limit: FileLimit,
    },
    /// Files with the right names hold something else, which we may not replace.
    Exists {
        /// The first few of them.
        paths: Vec<PathBuf>,
        /// How many there are.
        count: usize,
    },
    /// A file or folder that exists cannot be opened.
    Open {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file or folder cannot be created.
    Create {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Reading, writing or syncing failed.
    Io {
        /// What was being done, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file or folder that we wrote was removed, replaced or cut short by another program.
    Vanished {
        /// Which one.
        path: PathBuf,
    },
    /// A file that we wrote was changed by another program, again and again.
    Unsteady {
        /// Which one.
        path: PathBuf,
    },
    /// Pieces that we wrote were changed by another program, as often as we fetched them again.
    Spoiled {
        /// A file that they are in.
        path: PathBuf,
        /// How many.
        pieces: usize,
    },
    /// A file was changed while we made a torrent of it.
    Changed {
        /// Which one.
        path: PathBuf,
    },
    /// No torrent can be made of it.
    Unfit {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// Another process has locked the marker of this download.
    Busy {
        /// The marker.
        path: PathBuf,
    },
    /// Two files of the torrent are one on the disk.
    Shared {
        /// The first name.
        one: PathBuf,
        /// The second name.
        other: PathBuf,
    },
    /// A file would have to be written to that has another name.
    Linked {
        /// Our name of it.
        path: PathBuf,
    },
    /// The caller stopped the survey of the files.
    Cancelled,
    /// The torrent's files do not follow one another, or do not add up to its size.
    Layout,
}

/// Bytes wanted and bytes free on a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// Bytes that the rest of the payload takes.
    pub needed: u64,
    /// Bytes that an ordinary user may still write.
    pub free: u64,
}

/// What was being done when the system refused. It decides which kind of [`StorageError`] results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Open,
    Create,
    Read,
    Write,
    Allocate,
    Truncate,
    Sync,
    Remove,
}

impl StorageError {
    /// The error for a system call that failed on `path`.
    pub(super) fn from_io(action: Action, path: PathBuf, source: io::Error) -> StorageError {
        let verb = match action {
            _ if is_full(&source) => return StorageError::Full { path, source },
            Action::Open => return StorageError::Open { path, source },
            Action::Create => return StorageError::Create { path, source },
            Action::Read => "read",
            Action::Write => "write",
            Action::Allocate => "allocate",
            Action::Truncate => "truncate",
            Action::Sync => "sync",
            Action::Remove => "remove",
        };
        StorageError::Io { action: verb, path, source }
    }

    /// The error for files whose content is not ours. Keeps the first few names.
    pub(super) fn exists(paths: impl ExactSizeIterator<Item = PathBuf>) -> StorageError {
        let count = paths.len();
        StorageError::Exists { paths: paths.take(MAX_NAMED).collect(), count }
    }

    /// The exit code of a run that ends with this error. The codes follow aria2's.
    pub fn exit_code(&self) -> u8 {
        match self {
            StorageError::Busy { .. } | StorageError::Unfit { .. } => 1,
            StorageError::Cancelled => 7,
            StorageError::Full { .. } | StorageError::NoRoom { .. } => 9,
            StorageError::Exists { .. } | StorageError::Shared { .. } | StorageError::Linked { .. } => 13,
            StorageError::Open { .. } => 15,
            StorageError::Create { .. } | StorageError::TooLong { .. } => 16,
            StorageError::Io { .. }
            | StorageError::Vanished { .. }
            | StorageError::Unsteady { .. }
            | StorageError::Spoiled { .. }
            | StorageError::Changed { .. } => 17,
            StorageError::Layout => 26,
        }
    }
}

impl StorageError {
    /// Whether the process or the system had too many files open.
    pub fn is_too_many_files(&self) -> bool {
        match self {
            StorageError::Open { source, .. }
            | StorageError::Create { source, .. }
            | StorageError::Io { source, .. } => too_many_files(source),
            _ => false,
        }
    }

    /// What went wrong, and with which file or folder.
    fn describe(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StorageError::Full { path, source } => {
                write!(to, "cannot write {}: {}", path.display(), reason(source))
            }
            StorageError::NoRoom { path, shortage: Shortage { needed, free } } => {
                let (needed, free) = (size(*needed), size(*free));
                write!(to, "cannot allocate {needed} in {}: {free} are free", path.display())
            }
            StorageError::TooLong { path, needed, limit: FileLimit { bytes, of, .. } } => {
                write!(to, "cannot create {}: it has {needed} bytes, and {of} allows {bytes}", path.display())
            }
            StorageError::Exists { paths, count } => describe_foreign(to, paths, *count),
            StorageError::Open { path, source } => {
                write!(to, "cannot open {}: {}", path.display(), reason(source))
            }
            StorageError::Create { path, source } => {
                write!(to, "cannot create {}: {}", path.display(), reason(source))
            }
            StorageError::Io { action, path, source } => {
                write!(to, "cannot {action} {}: {}", path.display(), reason(source))
            }
            StorageError::Vanished { path } => {
                write!(to, "{} was removed or replaced during the download", path.display())
            }
            StorageError::Unsteady { path } => {
                write!(to, "{} is changed by another program all the time", path.display())
            }
            StorageError::Spoiled { path, pieces } => {
                let pieces = counted(*pieces);
                write!(
                    to,
                    "another program changed {pieces} of {} as often as we fetched them",
                    path.display()
                )
            }
            StorageError::Changed { path } => {
                write!(to, "{} was changed while it was hashed", path.display())
            }
            StorageError::Unfit { path, fault } => {
                write!(to, "cannot make a torrent of {}: {fault}", path.display())
            }
            StorageError::Busy { path } => {
                write!(to, "another process is working on this download: it has locked {}", path.display())
            }
            StorageError::Shared { one, other } => {
                write!(to, "{} and {} are one file: ", one.display(), other.display())?;
                write!(to, "they are linked, or this file system does not tell their names apart")
            }
            StorageError::Linked { path } => {
                write!(
                    to,
                    "{} has another name (a hard link), under which it would change, too",
                    path.display()
                )
            }
            StorageError::Cancelled => write!(to, "the check of the existing files was stopped"),
            StorageError::Layout => write!(to, "the torrent's files do not add up to its size"),
        }
    }

    /// What the user can do about it, if anything.
    fn way_out(&self) -> Option<&'static str> {
        match self {
            StorageError::Open { source, .. } | StorageError::Create { source, .. }
                if too_many_files(source) =>
            {
                Some("raise ulimit -n, or run fewer torrents at once")
            }
            StorageError::Full { .. } => {
                Some("free some space and run the same command again: what is verified is kept")
            }
            StorageError::TooLong { limit, .. } => Some(limit.way_out),
            StorageError::Io { source, .. } if is_too_large(source) => {
                Some("raise ulimit -f, or choose another folder with --output-dir")
            }
            StorageError::NoRoom { .. } | StorageError::Create { .. } | StorageError::Shared { .. } => {
                Some("choose another folder with --output-dir")
            }
            StorageError::Linked { .. } => Some(
                "replace it by a copy of its own with --overwrite, or choose another folder with --output-dir",
            ),
            StorageError::Exists { .. } => {
                Some("replace with --overwrite, or choose another folder with --output-dir")
            }
            StorageError::Vanished { .. } => Some("run the same command again: what is there is kept"),
            StorageError::Changed { .. } | StorageError::Unsteady { .. } | StorageError::Spoiled { .. } => {
                Some("run the same command again when no other program writes to it")
            }
            StorageError::Busy { .. } => Some("wait for it, or choose another folder with --output-dir"),
            StorageError::Open { .. }
            | StorageError::Io { .. }
            | StorageError::Unfit { .. }
            | StorageError::Cancelled
            | StorageError::Layout => None,
        }
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe(to)?;
        match self.way_out() {
            Some(way_out) => write!(to, " ({way_out})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for StorageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StorageError::Full { source, .. }
            | StorageError::Open { source, .. }
            | StorageError::Create { source, .. }
            | StorageError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    fn failed(action: Action, errno: Errno) -> StorageError {
        StorageError::from_io(action, PathBuf::from("/srv/iso/debian.iso"), errno.into())
    }

    #[test]
    fn a_full_disk_is_a_full_disk_whatever_was_being_done() {
        for action in [Action::Open, Action::Create, Action::Write, Action::Allocate, Action::Sync] {
            for errno in [Errno::NOSPC, Errno::DQUOT] {
                assert_eq!(failed(action, errno).exit_code(), 9, "{action:?} {errno:?}");
            }
        }
    }

    #[test]
    fn the_exit_code_follows_what_was_being_done() {
        assert_eq!(failed(Action::Open, Errno::ACCESS).exit_code(), 15);
        assert_eq!(failed(Action::Create, Errno::ACCESS).exit_code(), 16);
        for action in [Action::Read, Action::Write, Action::Sync, Action::Truncate, Action::Remove] {
            assert_eq!(failed(action, Errno::IO).exit_code(), 17, "{action:?}");
        }
    }

    #[test]
    fn a_message_names_the_file_the_reason_and_the_way_out() {
        assert_eq!(
            failed(Action::Create, Errno::ACCESS).to_string(),
            "cannot create /srv/iso/debian.iso: permission denied (choose another folder with --output-dir)"
        );
        assert_eq!(
            failed(Action::Open, Errno::MFILE).to_string(),
            "cannot open /srv/iso/debian.iso: too many open files (raise ulimit -n, or run fewer torrents at once)"
        );
        assert_eq!(
            failed(Action::Open, Errno::LOOP).to_string(),
            "cannot open /srv/iso/debian.iso: a symbolic link is in the way"
        );
        let paths = ["a", "b", "c", "d", "e"].map(PathBuf::from);
        assert_eq!(
            StorageError::exists(paths.into_iter()).to_string(),
            "a, b, c and 2 more exist and are not what the torrent holds (replace with --overwrite, or \
             choose another folder with --output-dir)"
        );
    }
}
