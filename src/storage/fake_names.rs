//! File systems that do not take every name, for tests: each turns a name into the one under which it keeps it, or
//! refuses it. A folder that is opened while one is chosen behaves like that from then on.

use std::cell::Cell;
use std::ffi::{OsStr, OsString};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::io::Errno;

/// What a file system makes of a name.
pub(super) type Rule = fn(&OsStr) -> Result<OsString, Errno>;

thread_local! {
    static CHOSEN: Cell<Rule> = const { Cell::new(takes_all) };
    static NUMBERS_NAMES: Cell<bool> = const { Cell::new(false) };
}

/// The one that folders opened on this thread now have.
pub(super) fn chosen() -> Rule {
    CHOSEN.get()
}

/// Runs `test` with folders on such a file system.
pub(super) fn on(rule: Rule, test: impl FnOnce()) {
    CHOSEN.set(rule);
    test();
    CHOSEN.set(takes_all);
}

/// The same where each spelling of a name has an inode number of its own, as on many file systems in user space.
pub(super) fn on_one_that_numbers_names(rule: Rule, test: impl FnOnce()) {
    NUMBERS_NAMES.set(true);
    on(rule, test);
    NUMBERS_NAMES.set(false);
}

/// The inode number of what is there under this path, if names decide about it.
pub(super) fn number_of(path: &Path) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    NUMBERS_NAMES.get().then(|| hasher.finish())
}

/// As ext4 and most others do.
pub(super) fn takes_all(name: &OsStr) -> Result<OsString, Errno> {
    Ok(name.to_owned())
}

/// As NTFS does.
pub(super) fn refuses_those_of_windows(name: &OsStr) -> Result<OsString, Errno> {
    let is_refused = |byte: &u8| matches!(byte, b'<' | b'>' | b':' | b'"' | b'|' | b'?' | b'*' | b'\\');
    let is_ended = name.as_bytes().last().is_some_and(|byte| matches!(byte, b'.' | b' '));
    if name.as_bytes().iter().any(is_refused) || is_ended { Err(Errno::INVAL) } else { takes_all(name) }
}

/// As those do that keep names in Unicode.
pub(super) fn refuses_what_is_no_text(name: &OsStr) -> Result<OsString, Errno> {
    if name.to_str().is_none() { Err(Errno::ILSEQ) } else { takes_all(name) }
}

/// As eCryptfs does.
pub(super) fn refuses_long_ones(name: &OsStr) -> Result<OsString, Errno> {
    if name.len() > 143 { Err(Errno::NAMETOOLONG) } else { takes_all(name) }
}

/// As FAT does: case does not count, and dots and blanks at the end are dropped.
pub(super) fn folds(name: &OsStr) -> Result<OsString, Errno> {
    let text = name.to_str().ok_or(Errno::INVAL)?;
    Ok(text.trim_end_matches(['.', ' ']).to_lowercase().into())
}
