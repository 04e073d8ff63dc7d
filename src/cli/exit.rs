//! Exit codes. They follow aria2's numbers, so that scripts written for aria2 work with us.

use crate::swarm::RunEnd;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(pub u8);

/// Why a command failed: the exit code of the program and the message for the user.
pub type CommandFailure = (Exit, String);

impl Exit {
    /// Everything was downloaded and verified, or was already there.
    pub const DONE: Exit = Exit(0);
    /// An error that has no code of its own.
    pub const OTHER: Exit = Exit(1);
    /// There was no progress for the time that `--timeout` allows.
    pub const TIMED_OUT: Exit = Exit(2);
    /// Loopback or the network cannot be used.
    pub const NETWORK: Exit = Exit(6);
    /// The run is not finished. If a signal has ended it, the process dies of that instead.
    pub const UNFINISHED: Exit = Exit(7);
    /// The disk is full.
    pub const DISK_FULL: Exit = Exit(9);
    /// A file exists that must not be replaced.
    pub const EXISTS: Exit = Exit(13);
    /// A file cannot be opened.
    pub const CANNOT_OPEN: Exit = Exit(15);
    /// A file or folder cannot be created.
    pub const CANNOT_CREATE: Exit = Exit(16);
    /// A torrent cannot be used, or cannot be made.
    pub const BAD_TORRENT: Exit = Exit(26);
    /// Reading or writing failed.
    pub const IO: Exit = Exit(17);
    /// An option or its value is not understood.
    pub const BAD_OPTION: Exit = Exit(28);
    /// The downloaded or existing data is not what the torrent describes.
    pub const NOT_VERIFIED: Exit = Exit(32);

    /// The exit code of a run that ended without an error.
    pub fn of(end: RunEnd) -> Exit {
        match end {
            RunEnd::Done | RunEnd::ReaderGone => Exit::DONE,
            RunEnd::Stopped => Exit::UNFINISHED,
            RunEnd::TimedOut => Exit::TIMED_OUT,
            RunEnd::WriterFailed => Exit::OTHER,
        }
    }
}

/// The table for `--help`.
pub const TABLE: &str = "\
Exit codes:
   0  done                        13  would overwrite an existing file
   1  other error                 15  cannot open a file
   2  timed out (--timeout)       16  cannot create a file or folder
   3  torrent not found           17  input or output error
   6  network error               25  not a .torrent file
   7  unfinished                  26  bad torrent
   9  disk full                   27  bad magnet link
  12  another process has it      28  bad option
                                  32  verification failed";
