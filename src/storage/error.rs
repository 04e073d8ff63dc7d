//! What can go wrong between the payload and the disk.
//!
//! Each error names the file, the reason and, if there is one, the way out. It also knows the exit code with
//! which it ends the program. A peer's error never becomes one of these: a disk that fails ends the run, a
//! peer that fails ends a connection.

mod sentence;
mod words;

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::file_limit::FileLimit;
use crate::net::too_many_files;
use crate::text::{grouped, size};
pub(super) use words::{counted, reason};
use words::{is_full, missing};

/// How many paths an error spells out. It only counts the others.
const MAX_NAMED: usize = 3;

/// What stands in place of a path where the payload goes to standard output.
pub(super) const STANDARD_OUTPUT: &str = "standard output";

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
        /// Where the payload is to be.
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
        files: Vec<ForeignFile>,
        /// How many there are.
        count: usize,
        /// Each of them has a piece that is right, which `--continue` keeps.
        may_continue: bool,
    },
    /// Bytes of a file, in a piece that it shares with others, were there before us and are not what the torrent has
    /// there.
    Guarded {
        /// Which one.
        path: PathBuf,
        /// It has a piece that is right, which `--continue` keeps.
        may_continue: bool,
    },
    /// Another program has created a file that we were about to create.
    Appeared {
        /// Which one.
        path: PathBuf,
    },
    /// Another torrent of the same command writes to a file of this one.
    Taken {
        /// Which file.
        path: PathBuf,
        /// What the user named that torrent by.
        by: String,
    },
    /// An earlier run has given the payload another name than this one shall.
    BegunAs {
        /// Where the payload is.
        path: PathBuf,
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
    /// A folder that exists takes no file.
    Unwritable {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What is to be a folder is something else.
    NoFolder {
        /// Which one.
        path: PathBuf,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// Bytes that the rest of the payload takes.
    pub needed: u64,
    /// Bytes that the other torrents of the same command still take.
    pub others: u64,
    /// Bytes that an ordinary user may still write.
    pub free: u64,
    /// The folder that the file system is mounted on.
    pub place: PathBuf,
}

impl fmt::Display for Shortage {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Two numbers that differ look different.
        let in_words = match size(self.needed) == size(self.free) {
            true => |bytes| format!("{} bytes", grouped(bytes)),
            false => size,
        };
        let (needed, free) = (in_words(self.needed), in_words(self.free));
        write!(to, "{needed} are needed on {}", self.place.display())?;
        if self.others > 0 {
            write!(to, ", {} by the other torrents", in_words(self.others))?;
        }
        write!(to, ", and {free} are free")
    }
}

/// A file that has the right name and is not what the torrent holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignFile {
    /// Where it is.
    pub path: PathBuf,
    /// How many pieces have bytes of it.
    pub pieces: usize,
    /// How many of them are right.
    pub right: usize,
    /// Bytes that it is too long.
    pub beyond: u64,
    /// What is wrong may be the part of another file that is in the same piece.
    pub is_suspect: bool,
    /// An earlier run has left another file in its place.
    pub has_replaced_ours: bool,
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
    Rename,
}

impl StorageError {
    /// The error for a system call that failed on `path`.
    pub(super) fn from_io(action: Action, path: PathBuf, source: io::Error) -> StorageError {
        let verb = match action {
            _ if is_full(&source) => return StorageError::Full { source: missing(&path, source), path },
            Action::Open => return StorageError::Open { path, source },
            Action::Create => return StorageError::Create { path, source },
            Action::Read => "read",
            Action::Write => "write",
            Action::Allocate => "allocate",
            Action::Truncate => "truncate",
            Action::Sync => "sync",
            Action::Remove => "remove",
            Action::Rename => "rename",
        };
        StorageError::Io { action: verb, path, source }
    }

    /// The error for files whose content is not ours. Keeps the first few names.
    pub(super) fn exists(foreign: impl Iterator<Item = ForeignFile>) -> StorageError {
        let (mut files, mut count, mut may_continue) = (Vec::new(), 0_usize, true);
        for file in foreign {
            count = count.saturating_add(1);
            may_continue &= file.right > 0 || file.is_suspect;
            if files.len() < MAX_NAMED {
                files.push(file);
            }
        }
        StorageError::Exists { files, count, may_continue }
    }

    /// The exit code of a run that ends with this error. The codes follow aria2's.
    pub fn exit_code(&self) -> u8 {
        match self {
            StorageError::Unfit { .. } => 1,
            StorageError::Cancelled => 7,
            StorageError::Full { .. } | StorageError::NoRoom { .. } => 9,
            StorageError::Busy { .. } => 12,
            StorageError::Exists { .. }
            | StorageError::Guarded { .. }
            | StorageError::Appeared { .. }
            | StorageError::Taken { .. }
            | StorageError::BegunAs { .. }
            | StorageError::Shared { .. }
            | StorageError::Linked { .. } => 13,
            StorageError::Open { .. } => 15,
            StorageError::Create { .. }
            | StorageError::Unwritable { .. }
            | StorageError::NoFolder { .. }
            | StorageError::TooLong { .. } => 16,
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
            | StorageError::Unwritable { source, .. }
            | StorageError::Io { source, .. } => too_many_files(source),
            _ => false,
        }
    }
}

impl std::error::Error for StorageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StorageError::Full { source, .. }
            | StorageError::Open { source, .. }
            | StorageError::Create { source, .. }
            | StorageError::Unwritable { source, .. }
            | StorageError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
