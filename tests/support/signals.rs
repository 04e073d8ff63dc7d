//! Which signals a program that a test starts can hear.

use std::fs;
use std::sync::{Arc, Once};

use rustix::process::Signal;
use signal_hook::flag;

/// Has programs that are started from now on hear HUP, INT and QUIT, also where whoever started the tests has them ignored:
/// `nohup` ignores SIGHUP, and a shell SIGINT and SIGQUIT for what a script runs in the background. What is ignored is
/// ignored in every program that is started, and a shell cannot undo it. What has a handler is not, and in this process
/// a handler that does nothing is as good.
pub fn let_programs_hear() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let ignored = ignored().unwrap_or(0);
        for signal in [Signal::HUP, Signal::INT, Signal::QUIT] {
            if is_in(ignored, signal) {
                flag::register(signal.as_raw(), Arc::default()).expect("a handler that does nothing");
            }
        }
    });
}

/// Whether a program that is started here hears the signal. It does not hear SIGHUP where the system does not say what is
/// ignored.
pub fn is_heard_here(signal: Signal) -> bool {
    let_programs_hear();
    ignored().map_or(signal != Signal::HUP, |ignored| !is_in(ignored, signal))
}

/// What this process ignores, where the system says so.
fn ignored() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

fn is_in(set: u64, signal: Signal) -> bool {
    set & (1 << (signal.as_raw() - 1)) != 0
}
