//! The system calls that read and change a payload, without what is no failure of theirs.
//!
//! A call that a signal interrupts, or that cannot be served just now, is made again. A write that took a part
//! goes on behind it. A file system that cannot sync, since it has nothing to sync to, is believed. What is
//! left are failures, for the callers to name.
//!
//! A test can have any of the calls fail (`faults`): there is one way to the disk, and it leads through
//! [`call`].

#[cfg(test)]
pub mod faults;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::thread::sleep;
use std::time::Duration;

use rustix::io::Errno;

/// How often a call is made again that would block: for 10 s in all.
const ATTEMPTS: u32 = 1000;
const PAUSE: Duration = Duration::from_millis(10);

/// What a system call does. For the tests that have it fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Opens a file or folder, or creates a file.
    Open,
    /// Asks what the system says of a file.
    Look,
    /// Creates a folder.
    MakeFolder,
    /// Reads from a file.
    Read,
    /// Writes to a file.
    Write,
    /// Takes the room for a file.
    Allocate,
    /// Changes the length of a file.
    Truncate,
    /// Syncs a file or folder.
    Sync,
    /// Syncs a file system.
    SyncAll,
    /// Drops what memory has of a file.
    Drop,
    /// Removes a file or folder.
    Remove,
    /// Gives a file or folder another name.
    Rename,
}

/// Makes a system call, again for as long as it is interrupted.
///
/// # Errors
///
/// What the system says.
pub(super) fn call<Done>(what: Call, mut attempt: impl FnMut() -> io::Result<Done>) -> io::Result<Done> {
    let mut left = ATTEMPTS;
    loop {
        #[cfg(test)]
        let done = faults::next(what).map_or_else(&mut attempt, Err);
        #[cfg(not(test))]
        let done = {
            let _ = what;
            attempt()
        };
        match done {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // No file system should say this of a file. Some that are reached over a network do.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && left > 0 => {
                left -= 1;
                sleep(PAUSE);
            }
            done => return done,
        }
    }
}

/// Writes all these bytes to the file, from `offset` on.
pub(super) fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        #[cfg(test)]
        let now = bytes.get(..faults::shortened(bytes.len())).unwrap_or(bytes);
        #[cfg(not(test))]
        let now = bytes;
        let written = call(Call::Write, || file.write_at(now, offset))?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = bytes.get(written..).unwrap_or_default();
        offset = offset.saturating_add(written as u64);
    }
    Ok(())
}

/// Fills the buffer from the file, from `offset` on.
pub(super) fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let length = rest.len();
        #[cfg(test)]
        let length = faults::shortened(length);
        let rest = rest.get_mut(..length).unwrap_or_default();
        let read = call(Call::Read, || file.read_at(rest, offset.saturating_add(filled as u64)))?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += read;
    }
    Ok(())
}

/// Brings all that was written to the file to the disk.
///
/// What could not be brought there may still be in memory, and a later sync would not try it again. So it is
/// dropped, and the next run reads what the disk has.
pub(super) fn sync(file: &File) -> io::Result<()> {
    let synced = forgiven(call(Call::Sync, || file.sync_all()));
    synced.inspect_err(|_| _ = call(Call::Drop, || drop_cached(file)))
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn drop_cached(file: &File) -> io::Result<()> {
    Ok(rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed)?)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn drop_cached(_: &File) -> io::Result<()> {
    Ok(())
}

/// The outcome of a sync, without the refusals of file systems that cannot sync.
pub(super) fn forgiven(synced: io::Result<()>) -> io::Result<()> {
    let cannot = |error: &io::Error| {
        matches!(Errno::from_io_error(error), Some(Errno::INVAL | Errno::NOTSUP | Errno::NOSYS))
    };
    synced.or_else(|error| if cannot(&error) { Ok(()) } else { Err(error) })
}

/// Gives the file this length.
pub(super) fn set_length(file: &File, length: u64) -> io::Result<()> {
    call(Call::Truncate, || file.set_len(length))
}

/// Work for another thread, on which the calls fail as they do on this one.
#[cfg(not(test))]
pub(super) fn handed_on<Done>(work: impl FnOnce() -> Done) -> impl FnOnce() -> Done {
    work
}

#[cfg(test)]
pub(super) use faults::handed_on;
