//! The signals that ask us to end: Ctrl-C (SIGINT), SIGTERM, and SIGHUP, which comes when the terminal is closed; the one
//! that asks how things stand, SIGUSR1; and SIGCONT, after which the lines on the terminal are no longer ours. While keys
//! are read, also Ctrl-Z (SIGTSTP) and Ctrl-\ (SIGQUIT): before we do as they say, the terminal is put back as it was.
//!
//! The first that asks us to end is an order to end in good order, and then the process dies of it ([`end`]): so the
//! shell ends the loop that we are in, and a service manager sees that we did as it said. A second one ends the process
//! at once, but not within half a second: `timeout` and a shell may send one to us and another one to our group.
//!
//! SIGHUP and SIGINT stay ignored if they were when we started: `nohup` ignores SIGHUP, and a shell ignores SIGINT
//! for what it runs in the background of a script. Only the system knows, and to ask it by its call would need
//! `unsafe`; on Linux it also says so in a file. Where there is no such file, SIGHUP ends the process at once, unless
//! it is ignored, as for any program that does not know it. A signal that was blocked when we started stays blocked.

use super::exit::Exit;
#[cfg(feature = "watch")]
use super::foreground;
use super::terminal;
use crate::thread;
use crossbeam_channel::{Receiver, Sender, bounded, never};
#[cfg(feature = "watch")]
use signal_hook::consts::SIGTSTP;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::ffi::c_int;
use std::fs;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

/// A second signal that comes this soon is the first one, sent twice.
const TWICE: Duration = Duration::from_millis(500);

/// The signal that asked us to end, or 0.
static ENDS_BY: AtomicI32 = AtomicI32::new(0);

/// Through which further signals are waited for.
#[cfg(feature = "watch")]
static MORE: std::sync::OnceLock<signal_hook::iterator::Handle> = std::sync::OnceLock::new();

/// What the user asks for by signals.
pub struct Interrupts {
    /// To end.
    pub end: Receiver<()>,
    /// To say how things stand.
    pub ask: Receiver<()>,
}

/// What a signal that asks us to end means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// To end in good order.
    End,
    /// Nothing: it was said before.
    Again,
    /// To end at once.
    Quit,
}

/// Waits for signals on a thread of its own.
pub fn interrupts() -> Interrupts {
    let mut wanted = heard(&fs::read_to_string("/proc/self/status").unwrap_or_default());
    wanted.extend([SIGUSR1, SIGCONT]);
    let ((ends, end), (asks, ask)) = (bounded(1), bounded(1));
    let started = Signals::new(wanted).is_ok_and(|signals| {
        #[cfg(feature = "watch")]
        let _ = MORE.set(signals.handle());
        thread::spawn("signals", 64 * 1024, move || wait(signals, &ends, &asks)).is_ok()
    });
    if started { Interrupts { end, ask } } else { Interrupts { end: never(), ask: never() } }
}

fn wait(mut signals: Signals, ends: &Sender<()>, asks: &Sender<()>) {
    let mut first = None;
    for signal in signals.forever() {
        match signal {
            SIGUSR1 => _ = asks.try_send(()),
            SIGCONT => terminal::leave_lines(),
            #[cfg(feature = "watch")]
            SIGTSTP => stop(),
            SIGQUIT => die(signal),
            _ => match order(signal, &mut first, Instant::now()) {
                Order::End => {
                    ENDS_BY.store(signal, Ordering::SeqCst);
                    let _ = ends.try_send(());
                }
                Order::Again => {}
                Order::Quit => die(signal),
            },
        }
    }
}

/// From now on the terminal is put back before Ctrl-Z stops us and before Ctrl-\ ends us.
#[cfg(feature = "watch")]
pub fn expect_stops() {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let (Some(ignored), Some(more)) = (ignored(&status), MORE.get()) else { return };
    let mut wanted = vec![SIGQUIT];
    wanted.extend(foreground::can_go_on().then_some(SIGTSTP));
    for signal in wanted.into_iter().filter(|signal| !is_in(ignored, *signal)) {
        // Where it cannot be waited for, it does what it always does.
        let _ = more.add_signal(signal);
    }
}

/// Stops the process, until SIGCONT comes.
#[cfg(feature = "watch")]
fn stop() {
    terminal::full::set_stopping(true);
    terminal::give_back();
    let _ = emulate_default_handler(SIGTSTP);
    terminal::full::set_stopping(false);
}

/// What this signal means, where the first of its kind came then. SIGHUP never hurries us: a terminal and a shell may
/// both send one, and a service manager sends one behind SIGTERM.
fn order(signal: c_int, first: &mut Option<Instant>, now: Instant) -> Order {
    match *first {
        None => {
            *first = Some(now);
            Order::End
        }
        Some(_) if signal == SIGHUP => Order::Again,
        Some(first) if now.saturating_duration_since(first) < TWICE => Order::Again,
        Some(_) => Order::Quit,
    }
}

/// Dies of the signal, as a program does that does not know it. Waits for nothing.
fn die(signal: c_int) -> ! {
    terminal::give_back();
    let _ = emulate_default_handler(signal);
    // Where that is not possible, the shell is told the same.
    std::process::exit(128_i32.saturating_add(signal))
}

/// Whether a signal has asked us to end.
pub fn is_asked_to_end() -> bool {
    ENDS_BY.load(Ordering::SeqCst) != 0
}

/// The end of the process. If a signal has cut the work short, the process dies of it.
pub fn end(exit: Exit) -> ExitCode {
    match ENDS_BY.load(Ordering::SeqCst) {
        signal if signal != 0 && exit == Exit::UNFINISHED => {
            terminal::flush();
            die(signal)
        }
        _ => ExitCode::from(exit.0),
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
    let Some(ignored) = ignored(status) else { return vec![SIGINT, SIGTERM] };
    let polite = [SIGHUP, SIGINT].into_iter().filter(|signal| !is_in(ignored, *signal));
    polite.chain([SIGTERM]).collect()
}

/// The set of signals that are ignored, if the status says so.
fn ignored(status: &str) -> Option<u64> {
    let digits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(digits.trim(), 16).ok()
}

fn is_in(set: u64, signal: c_int) -> bool {
    set >> (signal - 1) & 1 == 1
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
    fn two_signals_within_half_a_second_are_one_and_a_later_one_ends_at_once() {
        let start = Instant::now();
        let mut first = None;
        let mut hear = |signal, after| order(signal, &mut first, start + Duration::from_millis(after));
        assert_eq!(hear(SIGTERM, 0), Order::End);
        assert_eq!(hear(SIGTERM, 0), Order::Again);
        assert_eq!(hear(SIGINT, 499), Order::Again);
        assert_eq!(hear(SIGHUP, 2000), Order::Again);
        assert_eq!(hear(SIGINT, 500), Order::Quit);
    }

    #[test]
    fn where_the_system_does_not_say_what_is_ignored_sighup_is_left_alone() {
        for status in ["", "SigIgn:\tx\n", "SigIgn:\t\n", "Name:\tSigIgn:\t0\n"] {
            assert_eq!(heard(status), [SIGINT, SIGTERM], "{status}");
        }
    }
}
