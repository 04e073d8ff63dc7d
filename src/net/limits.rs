//! The limits that the system sets a process: file descriptors and address space.
//!
//! Each connection, socket and open file takes a descriptor. Systems set a low soft limit for them, which a
//! process may raise to its hard limit: the low one is for programs that use `select`, and we do not.

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;

/// More descriptors than we ever use. Some systems refuse a limit far beyond.
const ENOUGH: u64 = 1 << 16;

/// Raises the soft limit of descriptors as far as it may and needs to be, and returns it.
pub fn raise_descriptor_limit() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let soft = current.unwrap_or(u64::MAX);
    let wanted = maximum.unwrap_or(u64::MAX).min(ENOUGH);
    if soft >= wanted {
        return soft;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }) {
        Ok(()) => wanted,
        Err(_) => soft,
    }
}

/// Whether the process or the system has too many files open.
pub fn too_many_files(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// The bytes of address space that the process may have (`ulimit -v`), if that is limited. What is reserved counts,
/// whether it is used or not.
pub fn address_space() -> Option<u64> {
    getrlimit(Resource::As).current
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_one() {
        let limit = raise_descriptor_limit();
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        assert_eq!(current.unwrap_or(u64::MAX), limit);
        assert!(limit >= maximum.unwrap_or(u64::MAX).min(ENOUGH));
    }

    #[test]
    fn only_too_many_files_are_too_many_files() {
        assert!(too_many_files(&Errno::MFILE.into()) && too_many_files(&Errno::NFILE.into()));
        assert!(!too_many_files(&Errno::NOENT.into()));
    }
}
