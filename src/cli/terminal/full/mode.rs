//! Which keys the terminal gives us, and whether at once or in lines that the user can edit.
//!
//! While the whole screen is ours, that is each key. While there is only the bar, it is the one that opens the view, and
//! whatever else is typed or pasted is meant for the shell: so the terminal goes on to collect lines, and takes that key
//! for the end of one (`VEOL`, POSIX, General Terminal Interface). Then nothing has to be read to know that it came alone.
//!
//! What was there before is kept, and put back by whatever ends or stops the process. In the background the terminal is
//! another program's, and to change it would stop us (SIGTTOU). If it did not give lines when we came, another program
//! reads keys from it, perhaps one that stands beside us in a pipe: then it is left as it is.

use crate::thread::lock;
use rustix::process::getpgrp;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, isatty, tcgetattr, tcgetpgrp, tcsetattr,
};
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// The key that opens the view.
pub const OPENS: u8 = b'w';

/// The mode that was there before ours.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);
/// The keys that we want.
static WANTED: Mutex<Wanted> = Mutex::new(Wanted::Nothing);
/// The keys are wanted, and the terminal was another program's when we would have taken them.
static IS_AWAY: AtomicBool = AtomicBool::new(false);
/// We are about to be stopped, and draw nothing until we go on.
static IS_STOPPING: AtomicBool = AtomicBool::new(false);

/// The keys that we want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// None.
    Nothing,
    /// The one that opens the view.
    Opening,
    /// All.
    All,
}

/// Whether standard input is a terminal.
pub fn has_keys() -> bool {
    isatty(io::stdin())
}

/// Whether standard input is a terminal, and we are in its foreground.
pub fn is_ours() -> bool {
    tcgetpgrp(io::stdin()).is_ok_and(|group| group == getpgrp())
}

/// The keys that we want now.
pub fn wanted() -> Wanted {
    *lock(&WANTED)
}

/// From now on the key that opens the view is wanted, as soon as we are in the foreground. Returns whether it can be had.
pub fn want_keys() -> bool {
    *lock(&WANTED) = Wanted::Opening;
    let can = take() || IS_AWAY.load(Ordering::SeqCst);
    if !can {
        *lock(&WANTED) = Wanted::Nothing;
    }
    can
}

/// From now on all keys are wanted, or only the one that opens the view. Once none are wanted, that stays so.
pub fn want_all(all: bool) {
    {
        let mut wanted = lock(&WANTED);
        if *wanted == Wanted::Nothing {
            return;
        }
        *wanted = if all { Wanted::All } else { Wanted::Opening };
    }
    take();
}

/// Takes the keys, if they are wanted and the terminal is ours: at first, and again after others had it.
pub fn take() -> bool {
    let mut before = lock(&BEFORE);
    let wanted = wanted();
    if wanted == Wanted::Nothing {
        return false;
    }
    let is_away = !is_ours();
    IS_AWAY.store(is_away, Ordering::SeqCst);
    if is_away {
        return false;
    }
    let Ok(now) = tcgetattr(io::stdin()) else { return false };
    let is_first = before.is_none();
    let known = before.get_or_insert(now);
    if is_first && !known.local_modes.contains(LocalModes::ICANON) {
        *before = None;
        return false;
    }
    tcsetattr(io::stdin(), OptionalActions::Now, &giving(wanted, known.clone())).is_ok()
}

/// Takes the keys if the terminal has become ours. A shell brings to the foreground what runs in the background, and says
/// nothing to it: there is no SIGCONT for what was not stopped.
pub fn take_if_back() {
    if IS_AWAY.load(Ordering::SeqCst) && !is_stopping() && is_ours() {
        take();
    }
}

/// The mode that gives these keys and does not show them.
fn giving(wanted: Wanted, mut mode: Termios) -> Termios {
    mode.local_modes -= LocalModes::ECHO;
    // Some systems keep the numbers for single keys where they keep the ends of lines.
    if wanted == Wanted::All {
        mode.local_modes -= LocalModes::ICANON;
        mode.special_codes[SpecialCodeIndex::VMIN] = 1;
        mode.special_codes[SpecialCodeIndex::VTIME] = 0;
    } else {
        mode.special_codes[SpecialCodeIndex::VEOL] = OPENS;
    }
    mode
}

/// Puts back what was there before. Never waits for the terminal.
pub fn put_back() {
    if let Some(before) = lock(&BEFORE).take()
        && is_ours()
    {
        // If it is gone, there is nothing to put back.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &before);
    }
}

/// Keys are wanted no more.
pub fn want_none() {
    *lock(&WANTED) = Wanted::Nothing;
    put_back();
}

/// We are about to be stopped, or go on.
pub fn set_stopping(stopping: bool) {
    IS_STOPPING.store(stopping, Ordering::SeqCst);
}

/// Whether nothing may be drawn, as we are about to be stopped.
pub fn is_stopping() -> bool {
    IS_STOPPING.load(Ordering::SeqCst)
}
