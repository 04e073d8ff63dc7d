//! The words of which the errors of the storage are made.

use std::fmt;
use std::io;
use std::path::Path;

use rustix::io::Errno;

use super::ForeignFile;
use crate::net::too_many_files;
use crate::storage::space;
use crate::text::{self, grouped};

/// What is missing where there may be room enough.
const NO_INODE: &str = "no inode is left for another file on this file system";

/// Whether the error says that there is no room left: the disk's or the user's quota.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOSPC | Errno::DQUOT))
}

/// What is missing where this error of the system says that there is no room.
pub(super) fn missing(path: &Path, error: io::Error) -> io::Error {
    if space::takes_no_file(path) { io::Error::other(NO_INODE) } else { error }
}

/// Whether there is no room for another file, as [`missing`] found, though perhaps for what is there.
pub(super) fn has_no_inode(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|why| why.to_string() == NO_INODE)
}

/// How many pieces, in words.
pub(in crate::storage) fn counted(pieces: usize) -> String {
    if pieces == 1 { "1 piece".to_owned() } else { format!("{pieces} pieces") }
}

/// Whether the error says that no file may be so large.
pub(super) fn is_too_large(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::FBIG)
}

/// What the system says, for the middle of a sentence. The C libraries have different words for some of it, of which
/// those that are better known are taken.
pub(in crate::storage) fn reason(error: &io::Error) -> String {
    let ours = match Errno::from_io_error(error) {
        Some(Errno::LOOP) => "a symbolic link is in the way",
        Some(Errno::FBIG) => "the file would exceed the limit of the process or of this file system",
        Some(Errno::IO) => "input/output error",
        _ if too_many_files(error) => "too many open files",
        _ => return text::reason(error),
    };
    ours.to_owned()
}

/// The first few foreign files, how much of each is right, and how many more there are.
pub(super) fn describe_foreign(
    to: &mut fmt::Formatter<'_>,
    files: &[ForeignFile],
    count: usize,
    may_continue: bool,
) -> fmt::Result {
    let mut separator = "";
    for ForeignFile { path, pieces, right, beyond, is_suspect, has_replaced_ours } in files {
        write!(to, "{separator}{}", path.display())?;
        separator = "; ";
        let of_all = format!("{} of {} pieces are right", grouped(*right as u64), grouped(*pieces as u64));
        match pieces.saturating_sub(*right) {
            _ if *right == 0 && !*is_suspect && *has_replaced_ours => write!(
                to,
                " is not the file that an earlier run left, and has nothing in common with the torrent"
            )?,
            _ if *right == 0 && !*is_suspect => {
                write!(to, " exists and has nothing in common with the torrent")?
            }
            0 => write!(to, ": {of_all}, {} bytes are too many", grouped(*beyond))?,
            1 => write!(to, ": {of_all}, 1 is wrong or missing")?,
            wrong => write!(to, ": {of_all}, {} are wrong or missing", grouped(wrong as u64))?,
        }
        if *right > 0 && *has_replaced_ours {
            write!(to, " (it is not the file that an earlier run left)")?;
        }
        if *is_suspect {
            write!(to, " (perhaps in the part of another file)")?;
        }
    }
    match count.saturating_sub(files.len()) {
        0 => {}
        more => write!(to, "; and {more} more")?,
    }
    if may_continue {
        let changed = if count == 1 { "the file" } else { "the files" };
        let way_out = "Run again with --continue to keep the right ones and fetch the rest";
        write!(to, ". {way_out} ({changed} will be changed)")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::storage::StorageError;
    use std::io;

    #[test]
    fn where_inodes_are_missing_free_space_is_not_asked_for() {
        let full = |source| StorageError::Full { path: "x".into(), source }.to_string();
        assert_eq!(
            full(io::Error::other(super::NO_INODE)),
            "cannot write x: no inode is left for another file on this file system (remove files that you do not \
             need and run the same command again to continue)"
        );
        let room = super::missing(&std::env::temp_dir(), io::ErrorKind::StorageFull.into());
        assert!(full(room).ends_with("(free some space and run the same command again to continue)"));
    }
}
