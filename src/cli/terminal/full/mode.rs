//! Whether the terminal gives us each key at once and without showing it, or lines that the user can edit.
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

/// The mode that was there before ours.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);
/// Keys are wanted.
static IS_WANTED: AtomicBool = AtomicBool::new(false);
/// We are about to be stopped, and draw nothing until we go on.
static IS_STOPPING: AtomicBool = AtomicBool::new(false);

/// Whether standard input is a terminal.
pub fn has_keys() -> bool {
    isatty(io::stdin())
}

/// Whether standard input is a terminal, and we are in its foreground.
pub fn is_ours() -> bool {
    tcgetpgrp(io::stdin()).is_ok_and(|group| group == getpgrp())
}

/// From now on keys are wanted, as soon as we are in the foreground. Returns whether they can be had.
pub fn want_keys() -> bool {
    IS_WANTED.store(true, Ordering::SeqCst);
    let can = !is_ours() || take();
    IS_WANTED.store(can, Ordering::SeqCst);
    can
}

/// Takes the keys, if they are wanted and the terminal is ours: at first, and again after others had it.
pub fn take() -> bool {
    if !IS_WANTED.load(Ordering::SeqCst) || !is_ours() {
        return false;
    }
    let mut before = lock(&BEFORE);
    let Ok(now) = tcgetattr(io::stdin()) else { return false };
    let is_first = before.is_none();
    let known = before.get_or_insert(now);
    if is_first && !known.local_modes.contains(LocalModes::ICANON) {
        *before = None;
        return false;
    }
    let mut keys = known.clone();
    keys.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
    keys.special_codes[SpecialCodeIndex::VMIN] = 1;
    keys.special_codes[SpecialCodeIndex::VTIME] = 0;
    tcsetattr(io::stdin(), OptionalActions::Now, &keys).is_ok()
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
    IS_WANTED.store(false, Ordering::SeqCst);
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
