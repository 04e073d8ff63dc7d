//! File systems that do not take every name, for tests: each turns a name into the one under which it keeps it, or
//! refuses it. A folder that is opened while one is chosen behaves like that from then on.

use std::cell::Cell;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use rustix::io::Errno;

/// What a file system makes of a name.
pub(super) type Rule = fn(&OsStr) -> Result<OsString, Errno>;

thread_local! {
    static CHOSEN: Cell<Rule> = const { Cell::new(takes_all) };
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
