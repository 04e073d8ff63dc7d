//! Little address space (`ulimit -v`), and a C library that reserves much of it.
//!
//! glibc lets threads allocate from different *arenas*, and reserves 64 MiB of address space for each, up to eight
//! arenas a processor. Where the address space is limited, they take it up although hardly any memory is in use, and
//! the next few bytes that somebody needs end the process. How many arenas there may be, the library reads from the
//! environment when a program starts. So the program starts itself anew, in the same process, and says: one.

use crate::net::address_space;
use std::env;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The variable that glibc reads.
const VARIABLE: &str = "MALLOC_ARENA_MAX";
/// With more address space than this there is room for the arenas.
const ENOUGH: u64 = 4 << 30;

/// Starts the program anew if it would run out of address space. If that fails, it goes on as it is.
pub fn limit() {
    let is_told = env::var_os(VARIABLE).is_some() || env::var_os("GLIBC_TUNABLES").is_some();
    if !cfg!(target_env = "gnu") || is_told || address_space().is_none_or(|bytes| bytes >= ENOUGH) {
        return;
    }
    // By `/proc/self/exe` it would get the name `exe`, by which nobody finds it in the list of processes.
    let Ok(program) = env::current_exe() else { return };
    let mut arguments = env::args_os();
    let mut anew = Command::new(program);
    if let Some(name) = arguments.next() {
        anew.arg0(name);
    }
    // It returns only if it fails.
    let _ = anew.args(arguments).env(VARIABLE, "1").exec();
}
