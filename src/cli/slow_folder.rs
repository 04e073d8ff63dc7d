//! Says that we wait for the disk, where the folder that everything goes into does not answer: it may be on a server of
//! files that is gone. No call of the system for that has a deadline, so it is made on a thread of its own first. Until
//! signals are waited for, Ctrl-C ends the process at once.

use super::terminal::say;
use crate::text::shown;
use crate::thread;
use crossbeam_channel::{RecvTimeoutError, bounded};
use std::path::Path;
use std::time::Duration;

/// How long it may take to look at a folder before the user hears of it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Waits until the folder, or that it is not there, can be seen. Where that takes long, the user hears of it unless `quiet`.
pub fn wait_for(folder: &Path, quiet: bool) {
    let (path, (seen, answer)) = (folder.to_owned(), bounded::<()>(0));
    let look = move || {
        let _ = path.metadata();
        drop(seen);
    };
    // Where there is no thread, the user finds out without a word.
    let Ok(looking) = thread::spawn("folder", 64 * 1024, look) else { return };
    if answer.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) && !quiet {
        say(&format!("waiting for the disk: no answer yet about {} (Ctrl-C ends this)", shown(folder)));
    }
    let _ = looking.join();
}
