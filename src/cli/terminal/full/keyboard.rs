//! The keys that the user presses while the program runs, from a thread of its own.
//!
//! The thread waits for a key or for the end, and does nothing until one of them comes. In the background it reads
//! nothing. What is pasted faster than the main thread takes it is left out.
//!
//! While only the bar is shown, a user may type or paste the next commands for the shell, as beside any other program.
//! So more than one byte is not read, and then no keys are read until the end.

use super::keys::{Key, KeyReader};
use super::mode::{self, Wanted};
use crate::thread;
use crossbeam_channel::{Receiver, Sender, bounded};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionread;
use std::fs::File;
use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read};
use std::os::fd::AsFd;
use std::time::Duration;

/// Keys that wait.
const MOST_WAITING: usize = 64;
/// If a sequence has not gone on after this, it is not one.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// How long the rest of a paste that begins with our key takes at most.
const PASTE: Duration = Duration::from_millis(20);
/// How long we do not look, while the terminal is another program's.
const AWAY: Duration = Duration::from_millis(250);

/// The keyboard. While it is there, keys come one by one, and when it goes the terminal is as it was.
pub struct Keyboard {
    /// What is pressed.
    pub keys: Receiver<Key>,
    /// Its end tells the thread.
    _end: PipeWriter,
}

impl Keyboard {
    /// Begins to read keys. `None` if there are none to be had.
    pub fn open() -> Option<Keyboard> {
        if !mode::has_keys() {
            return None;
        }
        let (ended, end) = io::pipe().ok()?;
        let terminal = File::from(io::stdin().as_fd().try_clone_to_owned().ok()?);
        let (sender, keys) = bounded(MOST_WAITING);
        if !mode::want_keys() {
            return None;
        }
        if thread::spawn("keys", 64 * 1024, move || read(terminal, &ended, &sender)).is_err() {
            mode::want_none();
            return None;
        }
        Some(Keyboard { keys, _end: end })
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        mode::want_none();
    }
}

/// Until the keyboard or the terminal goes.
fn read(mut terminal: File, ended: &PipeReader, keys: &Sender<Key>) {
    let (mut reader, mut chunk) = (KeyReader::default(), [0; 256]);
    loop {
        let mut both = [PollFd::new(&terminal, PollFlags::IN), PollFd::new(ended, PollFlags::IN)];
        let waited = poll(&mut both, reader.has_begun().then_some(&PAUSE));
        let [of_terminal, of_end] = both.map(|fd| fd.revents());
        if waited.is_err_and(|error| error != rustix::io::Errno::INTR) || !of_end.is_empty() {
            return;
        }
        if of_terminal.is_empty() {
            reader.pause().into_iter().for_each(|key| _ = keys.try_send(key));
            continue;
        }
        if !mode::is_ours() && !of_terminal.contains(PollFlags::HUP) {
            std::thread::sleep(AWAY);
            continue;
        }
        if mode::wanted() != Wanted::All && !of_terminal.contains(PollFlags::HUP) {
            std::thread::sleep(PASTE);
            if !is_one_key(&terminal) {
                return mode::want_none();
            }
        }
        match terminal.read(&mut chunk) {
            Ok(0) => return,
            Ok(length) => {
                for byte in chunk.iter().take(length) {
                    reader.read(*byte).into_iter().for_each(|key| _ = keys.try_send(key));
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Whether one byte waits: the key that opens the view, or the end of an empty line. If there is none, it is the end of
/// all input (Ctrl-D), which is the shell's.
fn is_one_key(terminal: &File) -> bool {
    mode::wanted() == Wanted::All || ioctl_fionread(terminal) == Ok(1)
}
