//! Waiting for a file descriptor.
//!
//! The process has a limit of open files, and most of them are connections: strangers decide how many come,
//! and when one goes. So it passes by that there is no descriptor for a file, and a run must not end with
//! that. All that opens files waits here, on its own thread, except for the uploads: a block that cannot be
//! read now is rejected.

use std::io;
use std::thread::sleep;
use std::time::Duration;

use crate::net::too_many_files;

/// How often we try again: for 30 s in all.
const ATTEMPTS: u32 = 600;
const PAUSE: Duration = Duration::from_millis(50);

/// Does something that opens a file, again and again as long as too many files are open.
///
/// # Errors
///
/// That of the last attempt.
pub(super) fn patiently<Opened>(attempt: impl FnMut() -> io::Result<Opened>) -> io::Result<Opened> {
    with_pauses(attempt, || sleep(PAUSE))
}

fn with_pauses<Opened>(
    mut attempt: impl FnMut() -> io::Result<Opened>,
    pause: impl Fn(),
) -> io::Result<Opened> {
    for _ in 1..ATTEMPTS {
        match attempt() {
            Err(error) if too_many_files(&error) => pause(),
            done => return done,
        }
    }
    attempt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    /// An attempt that fails so many times with this error.
    fn failing(times: u32, error: Errno) -> impl FnMut() -> io::Result<u32> {
        let mut attempts = 0;
        move || {
            attempts += 1;
            if attempts > times { Ok(attempts) } else { Err(error.into()) }
        }
    }

    #[test]
    fn only_too_many_files_are_waited_for_and_not_for_ever() {
        for error in [Errno::MFILE, Errno::NFILE] {
            assert_eq!(with_pauses(failing(ATTEMPTS - 1, error), || ()).unwrap(), ATTEMPTS);
            let last = with_pauses(failing(ATTEMPTS, error), || ()).unwrap_err();
            assert!(too_many_files(&last));
        }
        assert_eq!(with_pauses(failing(1, Errno::NOENT), || ()).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
