//! The limit of address space (`ulimit -v`). What is reserved counts, whether it is used or not.

use rustix::process::{Resource, getrlimit};

/// The bytes of address space that the process may have, if that is limited.
pub fn address_space() -> Option<u64> {
    getrlimit(Resource::As).current
}
