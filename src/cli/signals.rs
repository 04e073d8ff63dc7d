//! The signals that ask us to end: Ctrl-C (SIGINT), SIGTERM, and SIGHUP, which comes when the terminal is closed.
//!
//! SIGHUP and SIGINT stay ignored if they were when we started: `nohup` ignores SIGHUP, and a shell ignores SIGINT
//! for what it runs in the background of a script. Only the system knows, and to ask it by its call would need
//! `unsafe`; on Linux it also says so in a file. Where there is no such file, SIGHUP ends the process at once, unless
//! it is ignored, as for any program that does not know it. A signal that was blocked when we started stays blocked.

use super::exit::Exit;
use crate::thread;
use crossbeam_channel::{Receiver, bounded, never};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use std::ffi::c_int;
use std::fs;
use std::sync::Arc;

/// Waits for these signals on a thread of its own. A second signal ends the process at once, unless it is SIGHUP: a
/// terminal and a shell may both send one, and a service manager sends one behind SIGTERM.
pub fn interrupts() -> Receiver<()> {
    let (sender, interrupts) = bounded(1);
    let Ok(mut signals) = Signals::new(heard(&fs::read_to_string("/proc/self/status").unwrap_or_default()))
    else {
        return never();
    };
    let wait = move || {
        let mut is_asked = false;
        for signal in signals.forever() {
            if is_asked && signal == SIGHUP {
                continue;
            }
            if is_asked || sender.try_send(()).is_err() {
                std::process::exit(i32::from(Exit::UNFINISHED.0));
            }
            is_asked = true;
        }
    };
    match thread::spawn("signals", 64 * 1024, wait) {
        Ok(_) => interrupts,
        Err(_) => never(),
    }
}

/// From now on a write beyond the limit of file sizes (`ulimit -f`) fails like any other, with a reason. Without a
/// handler, SIGXFSZ would end the process without a word.
pub fn outlive_file_limit() {
    // Where it cannot be set, it is as it was.
    let _ = flag::register(SIGXFSZ, Arc::default());
}

/// The signals to wait for, given the status of this process as Linux tells it.
fn heard(status: &str) -> Vec<c_int> {
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let Some(ignored) = ignored.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok()) else {
        return vec![SIGINT, SIGTERM];
    };
    let is_ignored = |signal: c_int| ignored >> (signal - 1) & 1 == 1;
    let polite = [SIGHUP, SIGINT].into_iter().filter(|signal| !is_ignored(*signal));
    polite.chain([SIGTERM]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_ignored_at_the_start_stays_ignored() {
        for (ignored, expected) in [
            ("0000000000000000", vec![SIGHUP, SIGINT, SIGTERM]),
            ("0000000000001000", vec![SIGHUP, SIGINT, SIGTERM]),
            ("0000000000001001", vec![SIGINT, SIGTERM]),
            ("0000000000000006", vec![SIGHUP, SIGTERM]),
            ("ffffffffffffffff", vec![SIGTERM]),
        ] {
            let status = format!("Name:\tx\nSigBlk:\t0000000000000001\nSigIgn:\t{ignored}\nSigCgt:\t0\n");
            assert_eq!(heard(&status), expected, "{ignored}");
        }
    }

    #[test]
    fn where_the_system_does_not_say_what_is_ignored_sighup_is_left_alone() {
        for status in ["", "SigIgn:\tx\n", "SigIgn:\t\n", "Name:\tSigIgn:\t0\n"] {
            assert_eq!(heard(status), [SIGINT, SIGTERM], "{status}");
        }
    }
}
