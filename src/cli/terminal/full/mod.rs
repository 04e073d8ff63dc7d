//! The whole screen of a terminal, and its keys.
//!
//! Whatever ends or stops the process puts both back as they were ([`give_back`]): its end, a signal, a panic. That never
//! waits for a terminal that takes nothing.

mod keyboard;
mod keys;
mod mode;
mod sheet;
mod styled;
mod surface;

pub use keyboard::Keyboard;
pub use keys::{Key, KeyReader};
pub use mode::{
    OPENS, has_keys, is_ours, set_stopping, take as take_keys, take_if_back as take_keys_if_back,
    want_all as want_all_keys,
};
pub use styled::{Look, StyledLine};
pub(super) use surface::Surface;

use super::{DRAWN, drawn, has_colours, is_dumb, is_terminal, outlive_panics, screen, write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

/// The most columns and rows that are drawn, whatever a terminal says of its size.
const MOST: (usize, usize) = (500, 200);
/// How often somebody who ends us tries to get the lock, and how long that waits each time.
const TRIES: (u32, Duration) = (20, Duration::from_millis(5));

/// The screen was given back while it was shown: by a panic.
static IS_GIVEN_BACK: AtomicBool = AtomicBool::new(false);

/// Why the whole screen cannot be drawn, if it cannot: for the end of a sentence.
pub fn trouble() -> Option<&'static str> {
    if !is_terminal() {
        Some("standard error is no terminal")
    } else if !has_keys() {
        Some("standard input is no terminal to read keys from")
    } else if is_dumb() || std::env::var_os("TERM").is_none_or(|name| name.is_empty()) {
        Some("TERM does not name a terminal in which the cursor can be moved")
    } else {
        None
    }
}

/// The columns and rows to draw on.
pub fn size() -> (usize, usize) {
    let (columns, rows) = screen();
    (columns.min(MOST.0), rows.min(MOST.1))
}

/// Draws these lines on the whole screen of this size. Returns whether it is shown: it is not after a panic.
pub fn draw(lines: &[StyledLine], size: (usize, usize)) -> bool {
    outlive_panics();
    let (in_colour, ascii) = (has_colours(), !speaks_unicode());
    let rows = lines.iter().take(size.1).map(|line| line.painted(size.0, in_colour, ascii)).collect();
    let mut drawn = drawn();
    if IS_GIVEN_BACK.swap(false, Ordering::SeqCst) {
        return false;
    }
    // We are about to be stopped, or another program has the terminal: it is drawn when we go on.
    if !mode::is_stopping() && is_ours() {
        write(&drawn.draw_all(rows, size));
    }
    true
}

/// Brings back what stood on the screen before, and below it what was printed meanwhile.
pub fn leave() {
    write(&drawn().leave(screen().0));
}

/// Draws all anew the next time.
pub fn forget() {
    drawn().forget();
}

/// Puts screen and keys back as they were.
pub fn give_back() {
    for _ in 0..TRIES.0 {
        if let Ok(mut drawn) = DRAWN.try_lock() {
            write(&drawn.leave(screen().0));
            break;
        }
        sleep(TRIES.1);
    }
    mode::put_back();
}

/// The same for a panic: it is not to be drawn over.
pub(super) fn give_back_for_panic() {
    // The thread that panics may hold the lock.
    if DRAWN.try_lock().is_ok_and(|drawn| drawn.is_full()) {
        IS_GIVEN_BACK.store(true, Ordering::SeqCst);
    }
    give_back();
}

/// Whether the terminal shows more than ASCII: the first of the variables that is set decides (POSIX, locale).
fn speaks_unicode() -> bool {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default().to_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}
