//! Writes to standard error, and does not wait for a terminal that takes nothing (Ctrl-S, or a window that hangs).
//!
//! All threads that print share one lock, so one that waited for the terminal would hold up all of them, and no signal
//! could end the run in good order. So a terminal is opened once more, for writes that do not wait: to change how the
//! standard error that we were given is written would change it for the shell as well. After a moment in which it took
//! nothing, what is printed is left out until it takes something again; a line says so. Where it cannot be opened, as
//! where it belongs to another user, and for files and pipes, a write takes as long as it takes.

use super::{IS_LEFT, is_terminal};
use crate::thread::lock;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

/// How long a terminal may take nothing.
const PATIENCE: Duration = Duration::from_secs(1);
/// What is printed once it takes something again.
const LEFT_OUT: &[u8] = b"\r\n(lines are left out here: the terminal took nothing)\r\n";

/// The terminal, where it can be written without waiting.
static PEN: OnceLock<Option<Mutex<Pen>>> = OnceLock::new();

struct Pen {
    terminal: File,
    /// The rest of what was begun. While there is some, the terminal takes nothing.
    rest: Vec<u8>,
    /// Something was left out.
    has_lost: bool,
}

/// Opens the terminal. To be called before other files can no longer be opened (`cli/sandbox.rs`).
pub(super) fn open() {
    PEN.get_or_init(|| {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        // Elsewhere this would be the standard error that we were given.
        let way = if cfg!(target_os = "linux") && is_terminal() { "/proc/self/fd/2" } else { return None };
        let terminal = File::from(rustix::fs::open(way, flags, Mode::empty()).ok()?);
        Some(Mutex::new(Pen { terminal, rest: Vec::new(), has_lost: false }))
    });
}

/// Writes this. If it cannot be written, nobody would read of that.
pub(super) fn write(bytes: &[u8]) {
    match PEN.get() {
        Some(Some(pen)) => lock(pen).write(bytes),
        _ => _ = io::stderr().write_all(bytes),
    }
}

impl Pen {
    fn write(&mut self, bytes: &[u8]) {
        if !self.rest.is_empty() {
            let begun = std::mem::take(&mut self.rest);
            self.rest = self.unwritten(&begun, Duration::ZERO).to_vec();
            if !self.rest.is_empty() {
                self.has_lost = true;
                return;
            }
        }
        if std::mem::take(&mut self.has_lost) {
            // What was to be drawn is not what is on the screen.
            IS_LEFT.store(true, Ordering::SeqCst);
            self.rest = self.unwritten(LEFT_OUT, PATIENCE).to_vec();
        }
        if self.rest.is_empty() {
            self.rest = self.unwritten(bytes, PATIENCE).to_vec();
        } else {
            self.has_lost = true;
        }
    }

    /// Writes these bytes, as long as the terminal takes some now and then. Returns the rest.
    fn unwritten<'a>(&self, mut bytes: &'a [u8], patience: Duration) -> &'a [u8] {
        let mut until = Instant::now() + patience;
        while !bytes.is_empty() {
            match (&self.terminal).write(bytes) {
                Ok(0) => break,
                Ok(written) => {
                    bytes = bytes.get(written..).unwrap_or_default();
                    until = Instant::now() + patience;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() || !self.takes_more(left) {
                        return bytes;
                    }
                }
                // It is gone: nothing can be written any more.
                Err(_) => break,
            }
        }
        &[]
    }

    /// Waits until it takes something, for so long at most.
    fn takes_more(&self, wait: Duration) -> bool {
        let wait = Timespec::try_from(wait).ok();
        let mut fds = [PollFd::new(&self.terminal, PollFlags::OUT)];
        matches!(poll(&mut fds, wait.as_ref()), Ok(1..) | Err(Errno::INTR))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::fcntl_setfl;
    use std::io::Read;
    use std::os::fd::OwnedFd;

    #[test]
    fn what_a_terminal_does_not_take_is_left_out_and_a_line_says_so() {
        let (mut reader, writer) = io::pipe().unwrap();
        let terminal = File::from(OwnedFd::from(writer));
        fcntl_setfl(&terminal, OFlags::NONBLOCK).unwrap();
        let mut pen = Pen { terminal, rest: Vec::new(), has_lost: false };
        let mut drain = vec![0; 1 << 20];
        // More than a pipe holds: the rest of it is kept, and what follows is not.
        let line = "x".repeat(200_000) + "\n";
        pen.write(line.as_bytes());
        for _ in 0..100 {
            pen.write(b"lost\n");
        }
        let (mut seen, mut ended) = (Vec::new(), false);
        while !ended {
            let length = reader.read(&mut drain).unwrap();
            seen.extend(&drain[..length]);
            pen.write(b"here again\n");
            ended = seen.ends_with(b"here again\n");
        }
        let seen = String::from_utf8(seen).unwrap();
        let (begun, rest) = seen.split_once('\n').unwrap();
        assert!(begun.len() == 200_000 && !rest.contains("lost\n"), "{rest}");
        assert!(rest.starts_with("\r\n(lines are left out here"), "{rest}");
    }
}
