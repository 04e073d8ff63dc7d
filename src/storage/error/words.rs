//! The words of which the errors of the storage are made.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::text;

/// Whether the error says that there is no room left: the disk's or the user's quota.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOSPC | Errno::DQUOT))
}

/// How many pieces, in words.
pub(in crate::storage) fn counted(pieces: usize) -> String {
    if pieces == 1 { "1 piece".to_owned() } else { format!("{pieces} pieces") }
}

/// Whether the error says that no file may be so large.
pub(super) fn is_too_large(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::FBIG)
}

/// What the system says, for the middle of a sentence.
pub(in crate::storage) fn reason(error: &io::Error) -> String {
    if Errno::from_io_error(error) == Some(Errno::LOOP) {
        return "a symbolic link is in the way".to_owned();
    }
    if is_too_large(error) {
        return "the file would exceed the limit of the process or of this file system".to_owned();
    }
    text::reason(error)
}

/// The first few names of foreign files, and how many more there are.
pub(super) fn describe_foreign(to: &mut fmt::Formatter<'_>, paths: &[PathBuf], count: usize) -> fmt::Result {
    let mut separator = "";
    for path in paths {
        write!(to, "{separator}{}", Path::display(path))?;
        separator = ", ";
    }
    match count.saturating_sub(paths.len()) {
        0 if count == 1 => write!(to, " exists and is not what the torrent holds"),
        0 => write!(to, " exist and are not what the torrent holds"),
        more => write!(to, " and {more} more exist and are not what the torrent holds"),
    }
}
