//! Which signals a program that a test starts can hear.

use std::fs;

use rustix::process::Signal;

/// Whether a program that is started here hears the signal. It does not if the tests were started with the signal
/// ignored: `nohup` ignores SIGHUP, and a shell SIGINT for what a script runs in the background. Nor does it hear SIGHUP
/// where the system does not say what is ignored.
pub fn is_heard_here(signal: Signal) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.map_or(signal != Signal::HUP, |mask| mask & (1 << (signal.as_raw() - 1)) == 0)
}
