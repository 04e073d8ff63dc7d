//! What an error of the storage says: the file, what went wrong with it, and the way out if there is one.

use std::fmt;
use std::path::Path;

use super::words::{counted, describe_foreign, has_no_inode, is_too_large, reason};
use super::{STANDARD_OUTPUT, StorageError};
use crate::net::too_many_files;
use crate::storage::file_limit::FileLimit;
use rustix::io::Errno;

impl StorageError {
    /// What went wrong, and with which file or folder.
    fn describe(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StorageError::Full { path, source } => {
                write!(to, "cannot write {}: {}", path.display(), reason(source))
            }
            StorageError::NoRoom { path, shortage } => {
                write!(to, "cannot allocate the space for {}: {shortage}", path.display())
            }
            StorageError::TooLong { path, needed, limit: FileLimit { bytes, of, .. } } => {
                write!(to, "cannot create {}: it has {needed} bytes, and {of} allows {bytes}", path.display())
            }
            StorageError::Exists { files, count, may_continue } => {
                describe_foreign(to, files, *count, *may_continue)
            }
            StorageError::Guarded { path, .. } => write!(
                to,
                "{} existed before, and a piece that it shares with other files differs from the torrent",
                path.display()
            ),
            StorageError::Appeared { path } => {
                write!(to, "{} was created meanwhile, by another program or torrent", path.display())
            }
            StorageError::Taken { path, by } => {
                write!(to, "{} is written by {by}, another torrent of this command", path.display())
            }
            StorageError::BegunAs { path } => {
                write!(to, "this download has another name already: {}", path.display())
            }
            StorageError::Open { path, source } => {
                write!(to, "cannot open {}: {}", path.display(), reason(source))
            }
            StorageError::Create { path, source } => {
                write!(to, "cannot create {}: {}", path.display(), reason(source))
            }
            StorageError::Unwritable { path, source } => {
                let why = reason(source);
                write!(to, "{} is there, but nothing can be written in it: {why}", path.display())
            }
            StorageError::NoFolder { path } => write!(to, "{} is not a folder", path.display()),
            StorageError::Io { action, path, source } => {
                write!(to, "cannot {action} {}: {}", path.display(), reason(source))
            }
            StorageError::Vanished { path } => {
                write!(to, "{} was removed or replaced during the download", path.display())
            }
            StorageError::Unsteady { path } => {
                write!(to, "another program keeps changing {}", path.display())
            }
            StorageError::Spoiled { path, pieces } => {
                let pieces = counted(*pieces);
                write!(
                    to,
                    "another program changed {pieces} of {} each time they were downloaded",
                    path.display()
                )
            }
            StorageError::Changed { path } => {
                write!(to, "{} changed while it was being hashed", path.display())
            }
            StorageError::Unfit { path, fault } => {
                write!(to, "cannot make a torrent of {}: {fault}", path.display())
            }
            StorageError::Busy { path } => {
                write!(to, "already being downloaded by another process, lock file {}", path.display())
            }
            StorageError::Shared { one, other } => {
                write!(to, "{} and {} are the same file: ", one.display(), other.display())?;
                write!(to, "they are linked, or this file system does not distinguish the names")
            }
            StorageError::Linked { path } => {
                write!(to, "{} has another hard link, which would change, too", path.display())
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
            // What has left cannot be continued.
            StorageError::Full { path, .. } if path == Path::new(STANDARD_OUTPUT) => {
                Some("free some space, and run the same command again")
            }
            StorageError::Full { source, .. } if has_no_inode(source) => {
                Some("remove files that you do not need and run the same command again to continue")
            }
            StorageError::Full { .. } => Some("free some space and run the same command again to continue"),
            StorageError::TooLong { limit, .. } => Some(limit.way_out),
            StorageError::Io { source, .. } if is_too_large(source) => {
                Some("raise ulimit -f, or choose another folder with --output-dir")
            }
            StorageError::NoRoom { .. } => {
                Some("free some space, or choose another folder with --output-dir")
            }
            StorageError::Open { source, .. } => match source.raw_os_error().map(Errno::from_raw_os_error) {
                Some(Errno::ACCESS) => Some("see ls -l: whose it is, and who may open it"),
                Some(Errno::PERM) => Some("it may be immutable or append-only: see lsattr"),
                _ => None,
            },
            StorageError::Create { .. }
            | StorageError::Unwritable { .. }
            | StorageError::NoFolder { .. }
            | StorageError::Shared { .. } => Some("choose another folder with --output-dir"),
            StorageError::Linked { .. } => Some(
                "replace it by a copy of its own with --overwrite, or choose another folder with --output-dir",
            ),
            // The message says it itself.
            StorageError::Exists { may_continue: true, .. } => None,
            StorageError::Exists { files, .. } if files.iter().any(|file| file.right > 0) => Some(
                "replace them with --overwrite, which keeps the pieces that are right, or choose another folder with --output-dir",
            ),
            StorageError::Exists { .. } => {
                Some("replace with --overwrite, or choose another folder with --output-dir")
            }
            StorageError::Guarded { may_continue: true, .. } => {
                Some("have it changed with --continue, or choose another folder with --output-dir")
            }
            StorageError::Guarded { .. } => {
                Some("replace it with --overwrite, or choose another folder with --output-dir")
            }
            StorageError::Appeared { .. } => {
                Some("move it away and run the same command again: what is verified is kept")
            }
            StorageError::Taken { .. } => Some(
                "download this one by a command of its own, under another name with -O or into another folder with \
                 --output-dir",
            ),
            StorageError::BegunAs { .. } => {
                Some("leave out -O to go on with it, or choose another folder with --output-dir")
            }
            StorageError::Vanished { .. } => Some("run the same command again to continue"),
            StorageError::Changed { .. } | StorageError::Unsteady { .. } | StorageError::Spoiled { .. } => {
                Some("run the same command again when no other program writes to it")
            }
            StorageError::Busy { .. } => Some("wait for it, or choose another folder with --output-dir"),
            StorageError::Io { .. }
            | StorageError::Unfit { .. }
            | StorageError::Cancelled
            | StorageError::Layout => None,
        }
    }
}

/// An error without its way out.
struct Fault<'a>(&'a StorageError);

impl fmt::Display for Fault<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.describe(to)
    }
}

impl StorageError {
    /// What went wrong, for those who know a better way out.
    pub fn fault(&self) -> String {
        Fault(self).to_string()
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
